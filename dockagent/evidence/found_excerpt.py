"""An excerpt in a folder: what lies there is handed to its check. Read-only, and no link is followed."""

import io
from functools import partial
from pathlib import Path

from dockagent.core.disclosure.excerpt_proof import MOST_BYTES, PROOF_FILE
from dockagent.evidence.check_excerpt import check_excerpt, docks_in
from dockagent.evidence.check_handed_out import check_handed_out
from dockagent.evidence.check_sealed import Open
from dockagent.evidence.keyring import Keyring
from dockagent.evidence.report import Report
from dockagent.ledger.trust import DockIdentity, Trust


def in_folder(folder: Path, path: str, trust: Trust | None, keys: tuple[DockIdentity, ...]) -> Report:
    """The report on the excerpt in ``folder``, which holds ``excerpt.json``; ``path`` is its name for the report.
    ``keys``: public keys from elsewhere, besides those that the proof brings. Raises OSError."""
    objects: dict[str, Open] = {}
    odd = []
    for file in sorted(folder.iterdir()):
        if file.is_symlink() or not file.is_file():
            odd.append(f"{file.name!r} is a link, a folder or a special file; it was not looked into")
        elif file.name != PROOF_FILE:
            objects[file.name] = partial(_open, file)
    with (folder / PROOF_FILE).open("rb") as source:
        proof = source.read(MOST_BYTES + 1)
    keyring = Keyring.of(trust, (*docks_in(proof), *keys))
    handed = check_handed_out(folder, "excerpt", keyring, trust)
    report = check_excerpt(path, proof, objects, keyring, trust, handed)
    return Report(report.kind, path, report.verdicts, (*report.findings, *odd), report.facts)


def _open(file: Path) -> io.FileIO:
    return file.open("rb", buffering=0)
