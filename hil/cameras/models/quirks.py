"""What is often wrong with cards, by name. A quirk changes the start of a shift, the label, or files that lie there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

RESET = datetime(2015, 1, 1, 0, 0, tzinfo=UTC)
STALE = "U3000PRO"


def _cut(root: Path, clips: Sequence[str]) -> None:
    path = root / clips[-1]
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size * 3 // 5)


def _empty(root: Path, clips: Sequence[str]) -> None:
    with (root / clips[-1]).open("r+b") as file:
        file.truncate(0)


def _orphans(root: Path, clips: Sequence[str]) -> None:
    (root / clips[0]).unlink()


def _junk(root: Path, clips: Sequence[str]) -> None:
    for name in (".Spotlight-V100/Store-V2/x/indexState", "System Volume Information/WPSettings.dat", ".DS_Store"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"not the camera's")
    clip = root / clips[0]
    clip.with_name(f"._{clip.name}").write_bytes(b"\x00\x05\x16\x07")


def _repaired(root: Path, clips: Sequence[str]) -> None:
    found = root / "FOUND.000" / "FILE0000.CHK"
    found.parent.mkdir()
    found.write_bytes((root / clips[-1]).read_bytes()[:1000])


def _comma(root: Path, clips: Sequence[str]) -> None:
    path = root / "MISC" / "version.txt"
    path.write_text(path.read_text().rstrip().removesuffix("}").rstrip() + ",\n}\n")


def _nothing(root: Path, clips: Sequence[str]) -> None:
    return


QUIRKS: dict[str, tuple[str, Callable[[Path, Sequence[str]], None]]] = {
    "cut-clip": ("the last clip ends in the middle: the battery was empty", _cut),
    "empty-clip": ("the last clip has no bytes: the card was pulled before it was written", _empty),
    "orphan-sidecar": ("the first clip was deleted and its sidecars were left", _orphans),
    "computer-junk": ("the card was in a computer, which left its own files", _junk),
    "repaired": ("a computer repaired the file system and put what it found aside", _repaired),
    "trailing-comma": ("MISC/version.txt has a comma too many, as older cameras write it", _comma),
    "clock-reset": ("the clock fell back to its first day", _nothing),
    "stale-label": ("the volume label is another camera's", _nothing),
    "label-case": ("the volume label is written in the other case", _nothing),
}


OF_CLIPS = frozenset({"cut-clip", "empty-clip", "orphan-sidecar", "computer-junk", "repaired"})
"""Those that need a clip on the card."""
OF_FILES = {"trailing-comma": "MISC/version.txt"}
"""Those that need another file there, and which."""
OF_LABELS = frozenset({"stale-label", "label-case"})
"""Those that change the volume label alone: a folder, which has none, shows nothing of them."""


def check(names: Sequence[str]) -> None:
    """Raises ValueError for a quirk that nobody knows."""
    unknown = sorted(set(names) - set(QUIRKS))
    if unknown:
        raise ValueError(f"no quirk is called {', '.join(unknown)}; there are {', '.join(QUIRKS)}")


def start(names: Sequence[str], usual: datetime) -> datetime:
    """When the shift begins, as the camera believes."""
    return RESET if "clock-reset" in names else usual


def label(names: Sequence[str], usual: str) -> str:
    """The volume label."""
    if "stale-label" in names:
        return STALE
    return usual.swapcase() if "label-case" in names else usual


def spoil(names: Sequence[str], root: Path, clips: Sequence[str]) -> None:
    """Do to the card in ``root`` what these quirks do; ``clips`` are its footage files. Raises ValueError where a quirk
    needs a file that is not there."""
    for name in names:
        if name in OF_CLIPS and not clips:
            raise ValueError(f"quirk {name} needs a clip, and there is none")
        if name in OF_FILES and not (root / OF_FILES[name]).is_file():
            raise ValueError(f"quirk {name} is about {OF_FILES[name]}, and there is none")
        QUIRKS[name][1](root, clips)
