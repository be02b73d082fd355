"""What the ledger says about each camera so far: the numbers of the progress lines and of the summary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hil.demo.records import Record


@dataclass(slots=True)
class CameraTally:
    """One camera. `listed`: path to bytes, of its last inventory; `read`: the paths of it that the dock holds;
    `copied`: how many files were read from it in all its stays; `clips`: clip id to path; `stored`, `quarantined`: ids
    of clips that the store has proved to hold, and of those in doubt; `resumed_at`: the offset inside a file from which
    a pull went on."""

    serial: str
    bay: str = ""
    known_by: str = ""
    listed: dict[str, int] = field(default_factory=dict)
    footage: int = 0
    read: set[str] = field(default_factory=set)
    copied: int = 0
    clips: dict[str, str] = field(default_factory=dict)
    stored: set[str] = field(default_factory=set)
    quarantined: set[str] = field(default_factory=set)
    resumed_at: int = 0
    released: bool = False

    @property
    def delivered(self) -> int:
        """Clips that are in the store, and not in doubt."""
        return len(self.stored - self.quarantined)

    @property
    def read_bytes(self) -> int:
        """Bytes of the files listed last that the dock holds."""
        return sum(size for path, size in self.listed.items() if path in self.read)

    @property
    def listed_bytes(self) -> int:
        """Bytes of the files listed last."""
        return sum(self.listed.values())


class Tally:
    """All cameras, by serial, in the order in which they first came."""

    def __init__(self) -> None:
        self.cameras: dict[str, CameraTally] = {}
        self._stays: dict[str, CameraTally] = {}
        self._clips: dict[str, CameraTally] = {}

    def take(self, record: Record) -> None:
        """Count one record."""
        if record.type == "camera.identify":
            serial = record.what["camera"]["id"]
            self._stays[record.session] = self.cameras.setdefault(serial, CameraTally(serial))
        camera = self.about(record)
        effect = _EFFECTS.get(record.type)
        if camera is not None and effect is not None:
            effect(camera, record)
            self._clips |= dict.fromkeys(camera.clips, camera)

    def about(self, record: Record) -> CameraTally | None:
        """The camera that a record is about."""
        return self._stays.get(record.session) or self._clips.get(str(record.what.get("clip_id", "")))


def _identified(camera: CameraTally, record: Record) -> None:
    camera.bay, camera.known_by, camera.released = record.bay, record.what["camera"]["known_by"], False


def _listed(camera: CameraTally, record: Record) -> None:
    entries = record.what["entries"]
    camera.listed = {entry["path"]: entry["bytes"] for entry in entries}
    camera.footage = sum(entry["role"] == "footage" for entry in entries)
    held = set(record.what["held"].values())
    camera.read = {path for clip, path in camera.clips.items() if clip in held}


def _acquired(camera: CameraTally, record: Record) -> None:
    what = record.what
    camera.clips[what["clip_id"]] = what["path"]
    camera.read.add(what["path"])
    camera.copied += 1
    camera.resumed_at = max(camera.resumed_at, what["resumed_at"])


def _quarantined(camera: CameraTally, record: Record) -> None:
    camera.quarantined.add(record.what["clip_id"])


def _stored(camera: CameraTally, record: Record) -> None:
    camera.stored.add(record.what["clip_id"])


def _released(camera: CameraTally, record: Record) -> None:
    camera.released = record.what["safe"]


def _left(camera: CameraTally, record: Record) -> None:
    if camera.bay == record.bay:
        camera.bay = ""


_EFFECTS: dict[str, Callable[[CameraTally, Record], None]] = {
    "camera.identify": _identified,
    "camera.inventory": _listed,
    "acquire": _acquired,
    "quarantine": _quarantined,
    "receipt": _stored,
    "camera.release": _released,
    "camera.detach": _left,
}
