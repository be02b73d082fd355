"""How a clip of ours looks to an evidence system that speaks Axis' dialect: names and metadata. Pure.

Source: Axis body worn integration API, README: "File Upload API" (names of containers and objects), "Clip metadata
details" (capitals, percent-encoding, 32 or 64 bytes), "Recording container metadata", "Video object metadata",
"Rejected content storage"; their file NEWS says since which release. Our reading, because a dock knows less than a
body-worn system:

* **Each clip is a recording of its own.** ``Complete`` promises that nothing will follow; a dock that is handed one
  chapter after the other, perhaps on different days and at different docks, could never say it for several.
* ``UserID`` is a UUID made from the officer's name, without hyphens, so that it keeps to 32 bytes.
* ``TriggerOnTime`` and ``StartTime`` are both the clip's start; ``StopTime`` is the file time: cameras close a file
  when they stop. What nobody knows (firmware, place, why the recording began) is left out.
* A clip without duration may be refused for good (400), and the times have whole seconds. So a clip has at least one:
  where the camera states no start, ``StartTime`` is the second before ``StopTime``, the latest in which it can have
  begun; where its file time is no later than its start, ``StopTime`` is the second after. Its true length is in the
  video.
* ``RecordingID`` is the head of the clip's SHA-256, so that sending again arrives at the same name.
* The name of a rejected container says ``UnknownTime``, for the same reason; its metadata has the time.
"""

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from urllib.parse import quote

from dockagent.core.moment import parse_rfc3339, rfc3339
from dockagent.core.review import catalogue
from dockagent.errors import Refused

TRANSFERRING, COMPLETE = "Transferring", "Complete"
KINDS = ("mkv", "mp4")  # README, "Video object metadata": ContainerType
_LEAST_MS = 1000  # of a clip: one of the dialect's whole seconds
_SHORT, _LONG = 32, 100  # bytes of an attribute; names of systems, users and devices are longer
_USERS = uuid.UUID("6f5b0d4e-6f0c-5d7f-9c44-3f3a4f6c7a10")  # ours: makes UserIDs from officers' names


@dataclass(frozen=True, slots=True)
class Recording:
    """What the dialect asks about a clip: see the module. ``kind`` is ``mkv``, ``mp4``, or empty for anything else;
    times are ms since 1970 UTC."""

    camera: str
    model: str
    officer: str
    role: str
    kind: str
    sha256: str
    start_ms: int
    stop_ms: int
    zone: str

    @property
    def fits(self) -> bool:
        """Whether the dialect has a place for it: footage, as mkv or mp4."""
        return self.role == "footage" and bool(self.kind)

    @property
    def serial(self) -> str:
        """``BWCSerialNumber``: the camera's name, shortened where it is longer than an attribute may be."""
        if len(self.camera.encode()) <= _SHORT:
            return self.camera
        return f"{self.camera[:15]}~{hashlib.sha256(self.camera.encode()).hexdigest()[:16]}"

    @property
    def user(self) -> str:
        """``UserID``, 32 hex digits."""
        return user_id(self.officer)

    @property
    def container(self) -> str:
        """``<UserID>_<BWCSerialNumber>_<TriggerOnTime>``."""
        return f"{self.user}_{quote(self.serial, safe='~').replace('_', '-')}_{_moment(self.start_ms):%Y%m%dT%H%M%SZ}"

    @property
    def object(self) -> str:
        """``<StartTime>_<RecordingID>.<ContainerType>``."""
        return f"{_moment(self.start_ms):%Y%m%d_%H%M%S}_{self.sha256[:8]}.{self.kind}"

    @property
    def rejected_container(self) -> str:
        """``RejectedContent_<RejectedContentTime>_<UUID>``."""
        return f"RejectedContent_UnknownTime_{uuid.uuid5(_USERS, f'{self.container}/{self.sha256}')}"

    def container_headers(self, dock: str, status: str, container: str = "") -> dict[str, str]:
        """Metadata of the container; ``status`` "" for a rejected one, which has none."""
        return meta(
            "Container",
            {
                "ContainerName": container or self.container,
                "BWCSerialNumber": self.serial,
                "SCUSerialNumber": dock,
                "UserID": self.user,
                **_times("TriggerOn", self.start_ms),
                **_times("Start", self.start_ms),
                **_times("Stop", self.stop_ms),
                "TimeZone": self.zone,
                "BWCModel": self.model,
                "Status": status,
            },
        )

    def object_headers(self) -> dict[str, str]:
        """Metadata of the video."""
        times = {**_times("Start", self.start_ms), **_times("Stop", self.stop_ms)}
        return meta("Object", {**times, "ContainerType": self.kind})


def of_record(record: bytes) -> Recording | None:
    """What a clip record says, or None where it has no line for the catalogue, which is where it says it.
    Raises Refused for what is no record."""
    listed = catalogue.line(record)
    if listed is None:
        return None
    said = json.loads(listed[1])
    try:
        stop = parse_rfc3339(said["file_time"] or "")
    except ValueError as err:
        raise Refused(f"the clip has no time that a calendar has: {said['file_time']}") from err
    start = parse_rfc3339(said["start"]) if said["start"] else stop - _LEAST_MS
    suffix = PurePosixPath(said["path"]).suffix.lower().removeprefix(".")
    return Recording(
        camera=said["camera"],
        model=said["model"],
        officer=said["officer"],
        role=said["role"],
        kind=suffix if suffix in KINDS else "",
        sha256=said["sha256"],
        start_ms=start,
        stop_ms=max(start + _LEAST_MS, stop),
        zone=said["zone"],
    )


def user_id(officer: str) -> str:
    """The ``UserID`` of an officer, the same at every dock; one of its own for "nobody known"."""
    return uuid.uuid5(_USERS, officer).hex


def meta(of: str, said: Mapping[str, str]) -> dict[str, str]:
    """Metadata as headers ``X-<of>-Meta-<Key>``: keys with a capital in front only, values percent-encoded UTF-8, cut
    to the length that is allowed; what is empty is left out."""
    return {
        f"X-{of}-Meta-{key.capitalize()}": quote(_cut(value, _LONG if key in _LONG_KEYS else _SHORT), safe=" :/-._~+")
        for key, value in said.items()
        if value
    }


# README gives 100 for names; the name of a container is longer than 32 by its own template.
_LONG_KEYS = frozenset(("Name", "SystemName", "ConnectionId", "ContainerName", "RejectedContentOriginalContainer"))


def _cut(text: str, most: int) -> str:
    return text.encode()[:most].decode("utf-8", "ignore")


def _times(name: str, ms: int) -> dict[str, str]:
    """A time in both forms: epoch seconds, and RFC 3339 in UTC."""
    return {f"{name}Time": str(ms // 1000), f"{name}TimeISO": rfc3339(ms)}


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms // 1000, UTC)
