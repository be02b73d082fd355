"""Folders that stand for bays, and pseudo terminals for consoles: needs no rights, and no USB.

A folder is not a device. Nothing enumerates and nothing fails with EIO; a file that somebody has open is cut to
nothing when its camera is pulled out. What a camera has handed over cannot be told, so a camera is pulled out when the
*dock* has so much of it; and because a folder is read as fast as a disk, the dock is held still while the hand pulls.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil.cameras.camera import ReferenceCamera
from hil.cameras.console import Console
from hil.cameras.specimen import Specimen
from hil.rigs import Ability, Place, Unable
from hil.rigs.faults import Script

LOOK_EVERY = 0.001
_CAN = "rU"


@dataclass(frozen=True, slots=True)
class Hand:
    """How a rig without wires knows when to pull. ``pulled``: bytes of a camera's files that the dock has, from any
    thread; ``still``: holds the dock still while it is entered."""

    pulled: Callable[[Specimen], int]
    still: Callable[[], AbstractContextManager[None]]


class FolderStay:
    """A camera in a folder. See :class:`hil.rigs.Stay`."""

    given = -1

    def __init__(self, camera: ReferenceCamera) -> None:
        self._camera = camera
        self._out = threading.Event()
        self._trouble: OSError | None = None
        self._watcher: threading.Thread | None = None

    @property
    def there(self) -> bool:
        """Whether it is plugged in. Raises OSError where it could not be pulled out when its script said so."""
        if self._trouble is not None:
            raise OSError(f"the camera could not be pulled out: {self._trouble}") from self._trouble
        return self._camera.plugged

    def unplug(self) -> None:
        """Pull it out. An open file of it goes on being readable, unless its script pulls it."""
        self._out.set()
        self._camera.unplug()
        if self._watcher is not None and self._watcher is not threading.current_thread():
            self._watcher.join()

    def power(self, on: bool) -> None:
        """A folder has no power."""
        raise Unable("a folder has no power that could be switched; use a rig with ports")

    def leave_at(self, reached: Callable[[], bool], hand: Hand) -> None:
        """Leave the bay, readers cut off, as soon as the dock has read so far."""

        def watch() -> None:
            while not self._out.wait(LOOK_EVERY):
                if reached():
                    self._leave(hand)
                    return

        self._watcher = threading.Thread(target=watch, name=f"hand at {self._camera.bay}", daemon=True)
        self._watcher.start()

    def _leave(self, hand: Hand) -> None:
        try:
            with hand.still():
                self._camera.unplug(cut=True)
        except OSError as error:
            self._trouble = error


class FolderRig:
    """Places that are folders below ``bays``; cameras' cards must lie on the same file system."""

    name = "folder"
    carries: frozenset[Ability] = frozenset({"serial", "yank"})

    def __init__(self, bays: Path, hand: Hand, count: int = 8) -> None:
        self.places = tuple(Place(f"bay{number:02}", "") for number in range(1, count + 1))
        self._bays, self._hand = bays, hand
        self._cameras: dict[str, ReferenceCamera] = {}
        self._stays: list[FolderStay] = []

    def bays(self) -> Mapping[str, Any]:
        """See :class:`hil.rigs.Rig`."""
        return {"folder": str(self._bays), "udev": False}

    def plug(self, place: str, camera: Specimen, faults: Script) -> FolderStay:
        """See :class:`hil.rigs.Rig`. A letter that the dock has read past is over: no camera is pulled there again."""
        self._check(place, camera, faults)
        console = camera.talker if isinstance(camera.talker, Console) else None
        plugged = ReferenceCamera(camera.card, self._bays, place, console)
        stay = FolderStay(plugged)
        plugged.plug()
        self._cameras[camera.name] = plugged
        self._stays.append(stay)
        due = self._next_pull(camera, faults)
        if due is not None:
            stay.leave_at(lambda: self._hand.pulled(camera) >= due, self._hand)
        return stay

    def _next_pull(self, camera: Specimen, faults: Script) -> int | None:
        """At how many bytes it leaves next. What the dock has already is not read again, so its letters are past."""
        pulled = self._hand.pulled(camera)
        at = (index * faults.step + faults.step // 2 for index, letter in enumerate(faults.letters) if letter == "U")
        return next((due for due in at if due > pulled), None)

    def digest(self, camera: Specimen) -> str:
        """SHA-256 over path, size, time and bytes of all files of the card, and the names of its folders."""
        plugged = self._cameras.get(camera.name)
        root = plugged.place if plugged is not None and plugged.plugged else camera.card
        digest = hashlib.sha256()
        for path in sorted(root.rglob("*")):
            digest.update(f"{path.relative_to(root)}\0".encode(errors="surrogateescape"))
            if path.is_file():
                facts = path.stat()
                digest.update(f"{facts.st_size} {facts.st_mtime_ns} {facts.st_mode}\0".encode())
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def close(self) -> None:
        """Unplug everything. May be repeated."""
        for stay in self._stays:
            stay.unplug()

    def _check(self, place: str, camera: Specimen, faults: Script) -> None:
        if unable := sorted(set(faults.letters) - set(_CAN)):
            raise ValueError(f"a folder cannot carry out the faults {', '.join(unable)}")
        if camera.image is not None:
            raise ValueError(f"{camera.name} is a medium, and a folder is none")
        if place not in [one.name for one in self.places]:
            raise ValueError(f"there is no place {place}; there are: {', '.join(one.name for one in self.places)}")
