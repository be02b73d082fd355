"""A recording: what a camera said and the shape of its card, as values, and as the files of a folder.

The files are described in README.md beside this module. There is no place for footage in them.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil.recordings.mtp_detect import MtpFacts, MtpFormat, MtpStorage
from hil.recordings.scsi import Inquiry

FORMAT = 1
CAMERA, LISTING, DIALOGUE = "camera.toml", "listing.jsonl", "dialogue.jsonl"


@dataclass(frozen=True, slots=True)
class Usb:
    """``descriptors``: as in sysfs. ``speed``: Mbit/s. ``interfaces``: the text of each interface, or empty."""

    descriptors: bytes
    manufacturer: str
    product: str
    serial: str
    speed: int
    interfaces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Disk:
    """The first disk with a file system. ``size`` in bytes; ``cluster``: bytes of the file system's unit; ``of``: how
    many disks the camera shows."""

    inquiry: Inquiry
    size: int
    filesystem: str
    label: str
    cluster: int
    of: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder on the card: its path from the card's root with ``/``, its size in bytes (None for a folder),
    and its time in nanoseconds since 1970."""

    path: str
    size: int | None
    changed: int


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side of the serial line said without the other breaking in, ``at`` seconds after the start."""

    at: float
    dock: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class Recording:
    """All of it. ``model`` and ``state``: as its folder is called. ``scrubbed``: no serial number in it is real."""

    model: str
    state: str
    scrubbed: bool
    usb: Usb
    disk: Disk | None = None
    mtp: MtpFacts | None = None
    listing: tuple[Entry, ...] = ()
    dialogue: tuple[Turn, ...] = ()


def save(recording: Recording, out: Path) -> Path:
    """Write it to ``out/<model>/<state>/``, which must not be there yet; that folder. Raises OSError."""
    folder = out / recording.model / recording.state
    folder.mkdir(parents=True)
    (folder / CAMERA).write_text(_camera(recording), "utf-8")
    if recording.disk is not None:
        _write_lines(
            folder / LISTING, ({"path": e.path, "size": e.size, "changed": e.changed} for e in recording.listing)
        )
    if recording.dialogue:
        _write_lines(folder / DIALOGUE, (_of_turn(turn) for turn in recording.dialogue))
    return folder


def load(folder: Path) -> Recording:
    """Read it again. Raises OSError, and ValueError for a folder that holds no recording that we know."""
    try:
        raw = tomllib.loads((folder / CAMERA).read_text("utf-8"))
        if raw["format"] != FORMAT:
            raise ValueError(f"it has format {raw['format']}, and only {FORMAT} is known here")
        return Recording(
            model=raw["model"],
            state=raw["state"],
            scrubbed=raw["scrubbed"],
            usb=_to_usb(raw["usb"]),
            disk=_to_disk(raw["disk"]) if "disk" in raw else None,
            mtp=_to_mtp(raw["mtp"]) if "mtp" in raw else None,
            listing=tuple(Entry(**line) for line in _lines(folder / LISTING)),
            dialogue=tuple(_to_turn(line) for line in _lines(folder / DIALOGUE)),
        )
    except (KeyError, TypeError, ValueError) as err:
        raise ValueError(f"{folder} is no recording: {err!r}; record it again") from err


def _camera(recording: Recording) -> str:
    usb, disk, mtp = recording.usb, recording.disk, recording.mtp
    top = {"format": FORMAT, "model": recording.model, "state": recording.state, "scrubbed": recording.scrubbed}
    lines = [*_pairs(top), "", "[usb]", *_pairs(_fields(usb))]
    if disk is not None:
        inquiry, pages = disk.inquiry, {f"{code:02x}": page for code, page in disk.inquiry.pages.items()}
        lines += ["", "[disk]", *_pairs({**_fields(disk, "inquiry"), "inquiry": inquiry.standard})]
        lines += ["", "[disk.pages]", *_pairs(pages)]
    if mtp is not None:
        lines += ["", "[mtp]", *_pairs(_fields(mtp, "formats", "storages"))]
        for name, rows in (("formats", mtp.formats), ("storages", mtp.storages)):
            for row in rows:
                lines += ["", f"[[mtp.{name}]]", *_pairs(_fields(row))]
    return "\n".join(lines) + "\n"


def _fields(value: Any, *without: str) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__ if name not in without}


def _pairs(values: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {_toml(value)}" for key, value in values.items()]


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return f'"{value.hex()}"'
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(one) for one in value)}]"
    # JSON's strings are TOML's, but for the delete character, which TOML wants escaped.
    return json.dumps(value).replace("\x7f", "\\u007f")


def _to_usb(raw: dict[str, Any]) -> Usb:
    given = {**raw, "descriptors": bytes.fromhex(raw["descriptors"]), "interfaces": tuple(raw["interfaces"])}
    return Usb(**given)


def _to_disk(raw: dict[str, Any]) -> Disk:
    pages = {int(code, 16): bytes.fromhex(page) for code, page in raw.pop("pages").items()}
    return Disk(**{**raw, "inquiry": Inquiry(bytes.fromhex(raw["inquiry"]), pages)})


def _to_mtp(raw: dict[str, Any]) -> MtpFacts:
    formats = tuple(MtpFormat(**{**one, "properties": tuple(one["properties"])}) for one in raw.get("formats", []))
    storages = tuple(MtpStorage(**one) for one in raw.get("storages", []))
    codes = {name: tuple(raw[name]) for name in ("operations", "events", "properties")}
    return MtpFacts(**{**raw, **codes, "formats": formats, "storages": storages})


def _of_turn(turn: Turn) -> dict[str, Any]:
    """Text where it is printable ASCII with ordinary line ends, hex digits where it is not."""
    who = {"at": round(turn.at, 3), "from": "dock" if turn.dock else "camera"}
    if all(byte in b"\r\n\t" or 0x20 <= byte < 0x7F for byte in turn.data):
        return {**who, "text": turn.data.decode("ascii")}
    return {**who, "hex": turn.data.hex()}


def _to_turn(line: dict[str, Any]) -> Turn:
    data = line["text"].encode("ascii") if "text" in line else bytes.fromhex(line["hex"])
    if line["from"] not in ("dock", "camera"):
        raise ValueError(f"a turn is from {line['from']!r}, not from dock or camera")
    return Turn(float(line["at"]), line["from"] == "dock", data)


def _write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "ascii")


def _lines(path: Path) -> Sequence[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("ascii").splitlines()] if path.exists() else []
