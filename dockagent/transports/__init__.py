"""How a camera speaks. Two contracts: :class:`Footage` (list and read files) and :class:`Control` (ask and tell).

Nothing here writes to a camera's medium. ``tests/contracts/test_footage.py`` holds every transport to the first.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from dockagent.errors import Permanent


@dataclass(frozen=True, slots=True)
class FileFact:
    """One file as the camera lists it. ``path``: raw bytes relative to the card's root, ``/`` between parts.

    ``size`` (bytes) and ``mtime_ms`` (milliseconds since 1970, as the file system says) are hints: cameras lie.
    ``special``: what it is when it is no regular file (``link``, ``pipe``, ``socket``, ``device``), else empty.
    """

    path: bytes
    size: int
    mtime_ms: int
    special: str = ""


class NoCard(Permanent):
    """A USB device without a disk stands in the bay. ``facts``: what it says of itself."""

    def __init__(self, facts: Mapping[str, str]) -> None:
        super().__init__("this device shows no card", "see `dockagent status`")
        self.facts = facts


class FootageReader(Protocol):
    """One open file of a camera. ``read`` gives 1..n bytes, b"" at the end; raises Gone when the camera went away,
    Retryable for a medium error that may heal. ``size`` asks the open file again."""

    def read(self, size: int, /) -> bytes: ...

    def seek(self, offset: int, /) -> int: ...

    def size(self) -> int: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None
    ) -> None: ...


@runtime_checkable
class Filler(Protocol):
    """What a FootageReader may offer beside ``read``: fill memory that is there already, at most all of it; the count
    of bytes, 0 at the end. It spares a copy where every byte goes through a shared window."""

    def read_into(self, room: memoryview, /) -> int: ...


class Footage(Protocol):
    """The files on a camera, read-only."""

    def facts(self) -> Mapping[str, str]:
        """What the medium says of itself: ``label``, ``uuid``, ``filesystem``, ``readonly`` where known."""
        ...

    def list(self) -> Iterator[FileFact]:
        """Every file, folder by folder, sorted by raw path. What is no regular file is ``special``; links are not
        followed. Raises Gone. A folder that cannot be read does not hide the others: its error (Retryable, Permanent
        or Refused) is raised after the last file."""
        ...

    def open(self, path: bytes) -> FootageReader:
        """Open one file for reading. Raises Gone when the camera or the file went away, Refused for a path that
        would lead off the card."""
        ...

    def close(self) -> None:
        """Let the medium go (unmount what was mounted). May be repeated."""
        ...


class ClockNotSet(Permanent):
    """The camera's clock has no time to tell. It may be set."""


@dataclass(frozen=True, slots=True)
class ClockReading:
    """A camera's clock against ours: ``camera_ms`` was read between our instants ``asked_ms`` and ``answered_ms``
    (all milliseconds since 1970 UTC). ``zone``: the camera's stated IANA zone, or empty."""

    camera_ms: int
    asked_ms: int
    answered_ms: int
    zone: str

    @property
    def offset_ms(self) -> int:
        """How far the camera is ahead of us."""
        return self.camera_ms - (self.asked_ms + self.answered_ms) // 2

    @property
    def uncertainty_ms(self) -> int:
        """Half the round trip, rounded up: the offset is right to within this."""
        return (self.answered_ms - self.asked_ms + 1) // 2


class Control(Protocol):
    """What a camera can be asked and told. Every call has a time limit; raises Retryable when the camera does not
    answer or is busy, Permanent when it refuses for good, Gone when the line is gone."""

    def identity(self) -> Mapping[str, str]:
        """``serial``, ``model``, ``firmware``."""
        ...

    def battery(self) -> tuple[int, bool]:
        """Percent, and whether it is charging."""
        ...

    def clock(self) -> ClockReading:
        """Its clock against ours. Raises ClockNotSet when it has none to tell."""
        ...

    def set_clock(self, utc_ms: int) -> None: ...

    def prove(self, nonce: bytes) -> bytes:
        """The camera's signature over ``nonce`` (32 bytes), as docs/reference-camera.md, section 2, says."""
        ...

    def release(self, safe: bool, words: str) -> None:
        """Tell the camera to show that it may be taken, or must stay, with a word why."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Requests(Control, Protocol):
    """A console that takes requests which only a profile knows."""

    def request(self, verb: str, arguments: Sequence[bytes]) -> Mapping[str, str]:
        """What the camera answers to it. Raises as the other calls do, and Refused for what is no request."""
        ...


@runtime_checkable
class ModeSwitch(Control, Protocol):
    """A dialogue that can make a camera show its card."""

    def to_storage(self) -> None:
        """Ask it to become a disk. It need not answer; it leaves its port, and comes back as another device. Raises as
        the other calls do."""
        ...
