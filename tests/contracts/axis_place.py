"""An evidence system that speaks Axis' dialect as a store that the contract is held against: its emulation in hil."""

import base64
import hashlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dockagent.clock import SystemClock
from dockagent.durable import RealDisk
from dockagent.stores import Store
from dockagent.stores.directory import DirectoryStore
from dockagent.stores.swift_axis import AxisStore
from dockagent.stores.swift_binding import System
from dockagent.stores.swift_connection import parse
from dockagent.stores.swift_settings import SwiftSettings
from hil.central.axis import Destination
from hil.central.processes import free_ports
from tests.contracts.store_sources import honest

FOLDER = "clips/BWC-0001/2026/11/22/4f~2A.b_c-1"
MASTER = f"{FOLDER}/master"
SYSTEM = System("8a9c2d6e-0b7e-4c58-9a0e-5d0f1c2b3a49", "dock-7")
_second = itertools.count(1)


def record(sha256: str = "ab" * 32, **others: Any) -> bytes:
    """A clip record, as far as the catalogue reads it; ``others`` replace members of its line."""
    line = {
        **{"clip_id": "c" * 32, "dock": "dock-7", "ledger": "dock-7.example", "camera": "BWC-0001", "bytes": 1},
        **{"path": "DCIM/A.MP4", "role": "footage", "recording": "r", "belongs_to": "", "sha256": sha256},
        **{"model": "BW Two", "officer": "Ä. Müller", "start": "2026-11-22T10:15:00.000Z", "zone": "Europe/Berlin"},
        **{"file_time": "2026-11-22T10:20:00.500Z", **others},
    }
    names = ("clip_id", "camera", "path", "role", "recording", "belongs_to", "bytes", "dock", "ledger")
    statement = {
        "subject": [{"name": "master", "digest": {"sha256": sha256}}],
        "predicate": {**{name: line[name] for name in names}, "catalogue": {"key": "catalogue/x", "line": line}},
    }
    signature = {"keyid": "k", "sig": base64.b64encode(b"nobody looks at it here").decode()}
    payload = base64.b64encode(json.dumps(statement).encode()).decode()
    envelope = {"payload": payload, "payloadType": "application/vnd.in-toto+json", "signatures": [signature]}
    return json.dumps(envelope).encode()


def axis_store(
    folder: Path, connection_file: bytes, *, read_back: bool = True, known: dict[str, str] | None = None
) -> AxisStore:
    """A client of the evidence system of a connection file, with a folder as the store beside it."""
    folder.mkdir(exist_ok=True)
    return AxisStore(
        "swift+axis:///etc/connection.json",
        parse(connection_file, "connection.json"),
        SwiftSettings(connect_timeout=5, read_timeout=20, read_back=read_back),
        SYSTEM,
        DirectoryStore(RealDisk(folder), folder.as_uri()),
        SystemClock(),
        {} if known is None else known,
    )


class Evidence:
    """The evidence system, with a second of its own for this test's recording."""

    def __init__(self, root: Path, destination: Destination) -> None:
        self.root, self.destination = root / "beside", destination
        at = next(_second)
        self.start = f"2026-11-22T{at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}.000Z"

    def open(self) -> Store:
        """With the record sent before the master, as a dock does."""
        store = axis_store(self.root, self.destination.connection_file())
        data = record(start=self.start)
        store.put(f"{FOLDER}/record.json", honest(data))
        return store

    def unreachable(self) -> Store:
        away = f"http://127.0.0.1:{free_ports(1)[0]}/auth/v1.0"
        store = axis_store(self.root, self.destination.connection_file(AuthenticationTokenURI=[away]))
        store.put(f"{FOLDER}/record.json", honest(record(start=self.start)))
        (self.root / FOLDER / "record.json").unlink()
        for folder in (self.root / FOLDER, *list((self.root / FOLDER).parents)[:6]):
            folder.rmdir()
        self.root.write_text("not a folder")
        return store

    def content(self, key: str) -> bytes | None:
        if key != MASTER:
            path = self.root / key
            return path.read_bytes() if path.is_file() else None
        when = self.start.replace("-", "").replace(":", "").replace(".000", "")
        for name, container in self.destination.recordings().items():
            if name.endswith(f"_{when}") and container.objects:
                assert container.meta["status"] == "Complete"
                return next(iter(container.objects.values()))[0]
        return None

    def leftovers(self) -> list[str]:
        return [path.name for path in self.root.iterdir() if path.name.startswith(".")]


@pytest.fixture(scope="session")
def destination() -> Iterator[Destination]:
    """One emulated evidence system for all tests of the contract."""
    with Destination() as running:
        yield running


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
