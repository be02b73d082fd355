"""Custody records in plain words, for somebody who has never seen the dock. Most records are not worth a line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

from hil.demo.records import Record
from hil.demo.tally import CameraTally

NOTABLE_OFFSET_MS = 1000
_IDENTITY = {
    "proof": "it proved who it is, by a signature",
    "console": "only its console says who it is",
    "card": "only a file on its card says who it is",
    "nothing": "it does not say who it is",
}


@dataclass(frozen=True, slots=True)
class Line:
    """Words for a person, and how they are meant: plain, good or odd."""

    words: str
    tone: str = "plain"


def tell(record: Record, camera: CameraTally | None) -> Line | None:
    """What a person should hear of a record, or None. `camera`: whom it is about, the record counted already."""
    teller = _TELLERS.get(record.type)
    line = teller(record, camera) if teller is not None and camera is not None else None
    return line and Line(f"{camera.serial if camera else '':<9} {line.words}", line.tone)


def size(count: int) -> str:
    """A number of bytes for a person."""
    return f"{count / (1 << 20):.1f} MiB" if count >= 1 << 20 else f"{count / 1024:.1f} KiB"


def short(text: str) -> str:
    """Every SHA-256 in a text cut to what a person can compare."""
    return " ".join(f"{word[:8]}…{word[64:]}" if len(word.rstrip(",.")) == 64 else word for word in text.split(" "))


def _name(path: str) -> str:
    return PurePosixPath(path).name


def _identified(record: Record, camera: CameraTally) -> Line:
    known_by = record.what["camera"]["known_by"]
    words = f"a {record.what['camera']['model']} is in {record.bay}; {_IDENTITY.get(known_by, known_by)}"
    return Line(words, "good" if known_by == "proof" else "plain")


def _clock_read(record: Record, _: CameraTally) -> Line | None:
    offset = record.what["offset_ms"]
    if abs(offset) < NOTABLE_OFFSET_MS:
        return None
    way = "ahead" if offset > 0 else "behind"
    return Line(f"its clock is {abs(offset) / 1000:.1f} s {way}: that is recorded before anybody sets it", "odd")


def _clock_set(record: Record, _: CameraTally) -> Line | None:
    if not record.what["done"]:
        return None
    return Line(f"its clock is set, and now off by {abs(record.what['offset_after_ms']) / 1000:.3f} s", "good")


def _inventory(record: Record, camera: CameraTally) -> Line:
    what = record.what
    files = f"{len(what['entries'])} files ({camera.footage} clips), {size(camera.listed_bytes)}"
    if len(what["held"]) == len(what["entries"]):
        return Line(f"{files}: the dock knows them all, and copies nothing", "good")
    if what["manifest"] is None:
        return Line(f"{files}, UNSIGNED: integrity begins at the dock", "odd")
    signed = "signed by the camera" if what["manifest"]["signature"] == "pass" else "with a signature that is wrong"
    return Line(f"{files}, {signed}")


def _acquired(record: Record, _: CameraTally) -> Line | None:
    what = record.what
    if not what["resumed_at"]:
        return None
    where = f"at {size(what['resumed_at'])} of {size(what['bytes'])}"
    return Line(f"{_name(what['path'])} went on inside the file, {where}", "good")


def _interrupted(record: Record, _: CameraTally) -> Line | None:
    what = record.what
    if what["kind"] == "gone" and not what["kept_bytes"]:
        return None
    kept = f"; {size(what['kept_bytes'])} are kept" if what["kept_bytes"] else ""
    why = "the camera is gone" if what["kind"] == "gone" else what["reason"]
    return Line(f"{_name(what['path'])} broke off: {why}{kept}", "odd")


def _previewed(record: Record, camera: CameraTally) -> Line | None:
    if not record.what["findings"]:
        return None
    name = _name(camera.clips.get(record.what["clip_id"], record.what["clip_id"]))
    return Line(f"{name}: {record.what['findings'][0]['text']}", "odd")


def _quarantined(record: Record, camera: CameraTally) -> Line:
    name = _name(camera.clips.get(record.what["clip_id"], record.what["clip_id"]))
    return Line(f"{name} QUARANTINED: {short(record.what['reason'])}", "odd")


def _released(record: Record, _: CameraTally) -> Line:
    what = record.what
    said = " (its own display says so)" if what["told"] == "told" else ""
    if what["safe"]:
        return Line(f"SAFE TO TAKE: {what['words']}{said}", "good")
    return Line(f"KEEP THE CAMERA: {what['words']}{said}", "odd")


def _left(record: Record, _: CameraTally) -> Line:
    if record.what["clean"]:
        return Line(f"taken out of {record.bay}")
    return Line(f"taken out of {record.bay} before it was released: {record.what['left']} files not read yet", "odd")


_TELLERS: dict[str, Callable[[Record, CameraTally], Line | None]] = {
    "camera.identify": _identified,
    "clock.camera": _clock_read,
    "clock.set": _clock_set,
    "camera.inventory": _inventory,
    "acquire": _acquired,
    "acquire.failed": _interrupted,
    "derive": _previewed,
    "quarantine": _quarantined,
    "camera.release": _released,
    "camera.detach": _left,
}
