"""What to give to the check instead of a file that cannot be checked by itself."""

from pathlib import Path

from dockagent.core.disclosure.excerpt_proof import PROOF_FILE
from dockagent.core.plan import SEALED_MASTER
from dockagent.evidence.check_bag import DECLARED
from dockagent.evidence.check_clip import MASTER, RECORD_FILE
from dockagent.ledger.log import CHECKPOINT, ENTRIES

WHAT_WE_KNOW = "give a ledger folder, a stored clip's folder, or a folder that holds such"
_MARKS = {
    PROOF_FILE: "the excerpt's folder",
    DECLARED: "the package",
    RECORD_FILE: "the clip's folder",
    MASTER: "the clip's folder",
    SEALED_MASTER: "the clip's folder",
    ENTRIES: "the ledger",
    CHECKPOINT: "the ledger",
}
_FILM = frozenset({".mp4", ".mov", ".m4v", ".mkv", ".avi", ".ts"})


def instead_of(file: Path) -> str:
    """What to do: the nearest folder around ``file`` that can be checked, by what lies in it; else what a film needs
    beside it; else what can be checked at all."""
    for folder in file.absolute().parents:
        if what := next((what for mark, what in _MARKS.items() if (folder / mark).is_file()), ""):
            return f"give {what}: {folder}"
    if file.suffix.lower() in _FILM:
        return (
            "a film proves nothing alone: give the folder in which it was handed out, with its"
            f" {PROOF_FILE} (an excerpt) or its {RECORD_FILE} (a clip)"
        )
    return WHAT_WE_KNOW
