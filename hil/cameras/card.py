"""A camera's card as a folder: the reference camera's, signed or not, a GoPro's, or that of any DCF camera.

Functions over a folder, none of which keeps anything: what is on a card is what lies in its folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hil.cameras import footage
from hil.cameras.footage import Look
from hil.cameras.manifest import ClipEntry, Filing, Flaw, Statement, Subject, seal
from hil.cameras.pki import Identity
from hil.cameras.plate import Plate

CLIP_NAME = re.compile(r"BWC(\d{4})_(\d{8}T\d{6})Z\.MP4")
CLIPS_IN_FOLDER = 333  # with two sidecars each that is the 999 files that a folder may hold
GAP = timedelta(minutes=7)


@dataclass(frozen=True, slots=True)
class Shift:
    """What is filmed: `clips` clips, numbered from `first`, seven minutes apart.

    With `size` the clips are that many pseudo-random bytes and no video, and so are their thumbnails.
    """

    clips: int = 2
    first: int = 1
    start: datetime = datetime(2026, 11, 22, 8, 15, tzinfo=UTC)
    look: Look = field(default_factory=Look)
    size: int | None = None
    seed: int = 1
    sidecars: bool = True
    cache: Path | None = None

    def begins(self, number: int) -> datetime:
        """When the clip of that number was started."""
        return self.start + GAP * (number - self.first)

    def numbers(self) -> range:
        """The numbers of the clips."""
        return range(self.first, self.first + self.clips)


@dataclass(frozen=True, slots=True)
class CardClip:
    """A clip on a card: its name and its sidecars' names, relative to the card's root, with `/`."""

    name: str
    sidecars: tuple[str, ...]


def film_reference(root: Path, plate: Plate, shift: Shift) -> None:
    """Put camera.json and the shift's clips on a reference camera's card. Filming again adds to it.

    Sign it afterwards, or leave it unsigned. Raises ValueError for a counter above 9999, and what footage raises.
    """
    if shift.first < 1 or shift.first + shift.clips > 10_000:
        raise ValueError("a reference camera's counter goes from 1 to 9999")
    root.mkdir(parents=True, exist_ok=True)
    (root / "camera.json").write_text(json.dumps(plate.as_json(), indent=1) + "\n")
    for number in shift.numbers():
        folder = root / "DCIM" / f"{100 + (number - 1) // CLIPS_IN_FOLDER}BWC"
        clip = folder / f"BWC{number:04}_{shift.begins(number):%Y%m%dT%H%M%S}Z.MP4"
        seed, began = _seed(shift, number), shift.begins(number)
        _film(clip, shift, seed, began)
        if shift.sidecars:
            clip.with_suffix(".GPS").write_text(footage.track(seed, began, shift.look.seconds), newline="")
            _thumbnail(clip, shift, seed)
            _date(clip, shift, began)


def sign(
    root: Path,
    identity: Identity,
    *,
    sequence: int,
    created: datetime,
    zone: str = "Europe/London",
    flaw: Flaw | None = None,
    filing: Callable[[int], Filing] | None = None,
) -> None:
    """Write manifest.dsse.json and chain.pem for what is on the card now, with at most one flaw. `filing`: what was
    told about the clip of each number.

    Raises ValueError for a card with no camera.json or too few clips for the flaw.
    """
    described = root / "camera.json"
    if not described.exists():
        raise ValueError(f"{root} is not a reference camera's card: it has no camera.json")
    plate = Plate(**json.loads(described.read_text()))
    files = sorted(path for path in (root / "DCIM").rglob("*") if path.is_file())
    subjects = tuple(Subject(path.relative_to(root).as_posix(), _sha256(path)) for path in files)
    entries = tuple(_entry(root, clip.name, zone, filing) for clip in clips(root))
    statement = Statement(plate, sequence, created, subjects, entries)
    (root / "manifest.dsse.json").write_bytes(seal(statement, identity, flaw))
    (root / "chain.pem").write_bytes(identity.chain_pem())


def film_gopro(root: Path, plate: Plate, shift: Shift, *, chapters: int = 2, trailing_comma: bool = False) -> None:
    """Put the shift on a GoPro's card: every recording in chapters, each with a thumbnail and a low-resolution copy.

    trailing_comma writes version.txt as older models do, which is not quite JSON.
    """
    folder = root / "DCIM" / "100GOPRO"
    for number in shift.numbers():
        for chapter in range(1, chapters + 1):
            clip = folder / f"GX{chapter:02}{number:04}.MP4"
            seed = _seed(shift, number, chapter)
            began = shift.begins(number) + timedelta(seconds=shift.look.seconds) * (chapter - 1)
            _film(clip, shift, seed, began)
            if shift.sidecars:
                _thumbnail(clip, shift, seed)
                _low_resolution(clip, folder / f"GL{chapter:02}{number:04}.LRV", shift, seed)
                _date(clip, shift, began)
    (root / "MISC").mkdir(parents=True, exist_ok=True)
    (root / "MISC" / "version.txt").write_text(_version_text(plate, trailing_comma))


def film_dcf(root: Path, shift: Shift) -> None:
    """Put the shift on a card that says nothing but what every DCF camera's says: DCIM, a folder, numbered files."""
    for number in shift.numbers():
        clip = root / "DCIM" / "100VIDEO" / f"CLIP{number:04}.MP4"
        _film(clip, shift, _seed(shift, number), shift.begins(number))
        if shift.sidecars:
            _thumbnail(clip, shift, _seed(shift, number))
            _date(clip, shift, shift.begins(number))


def clips(root: Path) -> tuple[CardClip, ...]:
    """The clips that lie on a card now, in order of their names, with what lies beside them."""
    found = sorted((root / "DCIM").glob("*/*.MP4"))
    return tuple(CardClip(path.relative_to(root).as_posix(), _beside(root, path)) for path in found)


def alter(root: Path, name: str, offset: int) -> None:
    """Flip one bit of a file on the card, size and times kept: what no camera does after it has signed.

    A negative offset counts from the end. Raises OSError if there is no such file, ValueError past its end.
    """
    path = root / name
    times = path.stat()
    with path.open("r+b") as file:
        at = offset if offset >= 0 else times.st_size + offset
        if not 0 <= at < times.st_size:
            raise ValueError(f"{name} has no byte {offset}")
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def remove(root: Path, name: str) -> None:
    """Take a clip and its sidecars off the card. Raises OSError if it is not there."""
    path = root / name
    for beside in _beside(root, path):
        (root / beside).unlink()
    path.unlink()


def _film(clip: Path, shift: Shift, seed: int, began: datetime) -> None:
    clip.parent.mkdir(parents=True, exist_ok=True)
    if shift.size is None:
        footage.film(clip, shift.look, seed, began, shift.cache)
    else:
        footage.noise(clip, shift.size, seed)
    _date(clip, shift, began)


def _thumbnail(clip: Path, shift: Shift, seed: int) -> None:
    to = clip.with_suffix(".THM")
    if shift.size is None:
        footage.thumbnail(clip, to, shift.cache)
    else:
        footage.noise(to, 512, -seed)


def _low_resolution(clip: Path, to: Path, shift: Shift, seed: int) -> None:
    if shift.size is None:
        footage.low_resolution(clip, to, shift.cache)
    else:
        footage.noise(to, shift.size // 8 + 1, -seed - 1)


def _date(clip: Path, shift: Shift, began: datetime) -> None:
    """Give a clip and what lies beside it the time at which the camera closed them."""
    closed = (began + timedelta(seconds=shift.look.seconds)).timestamp()
    for path in (clip, *(clip.parent / Path(name).name for name in _beside(clip.parent, clip))):
        os.utime(path, (closed, closed))


def _beside(root: Path, clip: Path) -> tuple[str, ...]:
    """A clip's sidecars: the same stem, or GL… for GX…, as GoPro names its low-resolution copies."""
    stems = {clip.stem, re.sub("^GX", "GL", clip.stem)}
    found = sorted(path for path in clip.parent.iterdir() if path.stem in stems and path != clip)
    return tuple(path.relative_to(root).as_posix() for path in found)


def _entry(root: Path, name: str, zone: str, filing: Callable[[int], Filing] | None) -> ClipEntry:
    path = root / name
    match = CLIP_NAME.fullmatch(path.name)
    if match is None:
        raise ValueError(f"{name} is not a name that a reference camera gives")
    start = datetime.strptime(match[2], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    told = filing(int(match[1])) if filing else Filing()
    return ClipEntry(name, int(match[1]), path.stat().st_size, start, zone, told)


def _version_text(plate: Plate, trailing_comma: bool) -> str:
    pairs = [
        ("info version", "2.0"),
        ("firmware version", plate.firmware),
        ("wifi mac", "020000000001"),
        ("camera type", plate.model),
        ("camera serial number", plate.serial),
    ]
    lines = [f'"{key}":"{value}"' for key, value in pairs]
    if trailing_comma:
        return "{\n" + ",\n".join(lines) + ",\n}\n"
    return "{\n" + "\n,".join(lines) + "\n}\n"


def _seed(shift: Shift, number: int, part: int = 1) -> int:
    """A number of its own for every part of every recording of every shift."""
    return shift.seed * 1_000_000 + number * 100 + part


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
