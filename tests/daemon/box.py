"""A dock in a box: the real `dockagent run` as a subprocess, with emulated cameras, watched through its ledger."""

import hashlib
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hil.cameras import card
from hil.cameras.camera import ReferenceCamera
from hil.cameras.card import Shift
from hil.cameras.console import CameraClock, Console
from hil.cameras.keyring import identity_in, maker_in
from hil.cameras.pki import Identity, Validity
from hil.cameras.plate import Plate
from hil.demo import agent
from hil.demo.agent import Answer
from hil.demo.place import Place, Settings
from hil.demo.records import Record, read
from hil.scenarios.agent import StillAgent

VALID = Validity(datetime(2020, 1, 1, tzinfo=UTC))
STARTED = datetime(2026, 9, 1, 8, 15, tzinfo=UTC)
MIB = 1 << 20
SETTINGS: Settings = {
    "dock": {"id": "box", "site": "test", "responsible": "test"},
    "bays": {"udev": False, "settle_ms": 200, "console_wait_ms": 300},
    "limits": {"spool_reserve_mib": 16},
    "preview": {"enabled": False},
}


@dataclass(slots=True)
class Box:
    """One dock and its cameras. Everything lies under the place; `agent` is started by whoever tests."""

    place: Place
    agent: StillAgent
    cameras: list[ReferenceCamera] = field(default_factory=list)

    def configure(self, **more: Any) -> None:
        """The usual configuration, with more keys: table name to keys."""
        tables = {**SETTINGS, "trust": {"camera_roots": [str(self.place.maker / "root.pem")]}}
        self.place.configure({**tables, **{name: {**tables.get(name, {}), **keys} for name, keys in more.items()}})

    def identity(self, plate: Plate) -> Identity:
        """A camera's key and certificates, the same at every call."""
        return identity_in(self.place.maker, maker_in(self.place.maker, "Reference", VALID), plate, VALID)

    def card(self, name: str, plate: Plate, shift: Shift, *, signed: bool = True) -> Path:
        """A reference camera's card, in no bay."""
        home = self.place.cards / name
        card.film_reference(home, plate, shift)
        if signed:
            self.sign(home, plate, shift)
        return home

    def sign(self, home: Path, plate: Plate, shift: Shift, sequence: int = 1) -> None:
        """Have what is on a card signed by its camera."""
        card.sign(home, self.identity(plate), sequence=sequence, created=shift.begins(shift.first + shift.clips))

    def camera(
        self,
        serial: str,
        bay: str,
        shift: Shift,
        *,
        signed: bool = True,
        console: bool = False,
        behind: float = 0.0,
        name: str = "",
    ) -> ReferenceCamera:
        """A reference camera that is in no bay yet. `name`: its card's folder, where two cameras have one serial."""
        plate = Plate(serial)
        home = self.card(name or serial, plate, shift, signed=signed)
        line = Console(plate, self.identity(plate), clock=CameraClock(-behind)) if console else None
        return self.take(ReferenceCamera(home, self.place.bays, bay, line))

    def take(self, camera: ReferenceCamera) -> ReferenceCamera:
        """See to it that a camera is unplugged at the end."""
        self.cameras.append(camera)
        return camera

    def records(self, *types: str) -> list[Record]:
        """The ledger's records now, of these types or all."""
        found = read(self.place.entries).all
        return [record for record in found if not types or record.type in types]

    def until(self, true: Callable[[], bool], seconds: float = 30.0) -> None:
        """Wait for something. Fails with the end of the agent's log."""
        end = time.monotonic() + seconds
        while not true():
            assert self.agent.alive(), f"the agent ended: {self.agent.last_words(12)}"
            assert time.monotonic() < end, f"not within {seconds} s; the agent's log ends: {self.agent.last_words(12)}"
            time.sleep(0.02)

    def until_released(self, count: int, seconds: float = 30.0) -> None:
        """Wait until so many stays of cameras were released as safe to take."""
        self.until(
            lambda: sum(record.what["safe"] for record in self.records("camera.release")) >= count, seconds=seconds
        )

    def json(self, *words: str) -> Any:
        """What a command prints with --json."""
        return self.agent.ask(*words, "--json").json()

    def verify(self, *paths: Path) -> Answer:
        """`dockagent verify` with this dock's trust file; no paths: its ledger and its store."""
        trust = self.place.root / "trust.json"
        trust.write_text(self.agent.ask("keys", "show", "--json").out)
        return agent.run("verify", *(paths or (self.place.home, self.place.store)), "--trust", trust)

    def masters(self) -> dict[str, list[str]]:
        """SHA-256 to the keys of all masters in the store."""
        found: dict[str, list[str]] = {}
        for path in sorted(self.place.store.rglob("master")):
            found.setdefault(sha256(path), []).append(path.relative_to(self.place.store).as_posix())
        return found

    def left_in_spool(self) -> list[str]:
        """Footage that the dock still holds."""
        return [str(path) for path in self.place.home.rglob("*") if path.name == "master" or path.suffix == ".part"]


def noise(clips: int, size: int, serial: str, **more: Any) -> Shift:
    """A shift of clips of random bytes, others for every serial."""
    return Shift(clips, start=STARTED, size=size, seed=zlib.crc32(serial.encode()) % 9973, **more)


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def footage(root: Path) -> dict[str, str]:
    """Path to SHA-256 of what a card holds below DCIM."""
    files = (path for path in (root / "DCIM").rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): sha256(path) for path in files}


def tree(root: Path) -> dict[str, tuple[int, int, int, str]]:
    """All that can be told of a card: for every name its mode, size, time of change, and SHA-256 of a file."""
    return {str(path.relative_to(root)): _facts(path) for path in _all(root)}


def _all(root: Path) -> Iterator[Path]:
    yield root
    yield from sorted(root.rglob("*"))


def _facts(path: Path) -> tuple[int, int, int, str]:
    facts = path.lstat()
    digest = sha256(path) if path.is_file() else ""
    return facts.st_mode, facts.st_size if digest else 0, facts.st_mtime_ns, digest
