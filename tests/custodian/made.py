"""Docks that delivered to a store, without their daemons: objects as docks leave them, a signed, published ledger."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from dockagent.clock import SystemClock
from dockagent.core import plan, strict_json
from dockagent.core.proof import merkle
from dockagent.custodian.key import SigningKey
from dockagent.custodian.world import Custodian, PermitPolicy, Settings
from dockagent.durable import RealDisk
from dockagent.ledger import tiles
from dockagent.ledger.keys import Keys
from dockagent.ledger.trust import Trust
from dockagent.stores.archive import Archive, FolderArchive
from dockagent.stores.archive_s3 import S3Archive
from dockagent.stores.open_store import MARK
from tests.contracts.store_places import Bucket
from tests.evidence.made import statement
from tests.ledger import made

CAMERA = "BWC-0001"
PERMISSIVE = Settings(ledger_wait_ms=0, settle_ms=0, permits=PermitPolicy("test/1", modes=()))


class Shelf(Protocol):
    """A store by a way that is not the custodian's."""

    @property
    def url(self) -> str: ...

    def put(self, key: str, data: bytes) -> None: ...

    def take(self, key: str) -> bytes | None: ...

    def listed(self) -> list[str]: ...

    def archive(self) -> Archive: ...


@dataclass(slots=True)
class Folder:
    """A directory store."""

    root: Path

    def __post_init__(self) -> None:
        self.root.mkdir(parents=True)
        (self.root / MARK).write_text("00" * 16 + "\n")

    @property
    def url(self) -> str:
        return self.root.as_uri()

    def put(self, key: str, data: bytes) -> None:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def take(self, key: str) -> bytes | None:
        path = self.root / key
        return path.read_bytes() if path.is_file() else None

    def listed(self) -> list[str]:
        found = (path for path in self.root.rglob("*") if path.is_file() and path.name != MARK)
        return sorted(path.relative_to(self.root).as_posix() for path in found)

    def archive(self) -> Archive:
        return FolderArchive(self.url, self.root)


@dataclass(slots=True)
class InBucket:
    """A bucket on a real server."""

    bucket: Bucket

    @property
    def url(self) -> str:
        return f"s3://{self.bucket.name}/evidence/dock-7"

    def put(self, key: str, data: bytes) -> None:
        self.bucket.client.put_object(Bucket=self.bucket.name, Key=f"evidence/dock-7/{key}", Body=data)

    def take(self, key: str) -> bytes | None:
        return self.bucket.content(key)

    def listed(self) -> list[str]:
        pages = self.bucket.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket.name)
        return sorted(one["Key"].removeprefix("evidence/dock-7/") for page in pages for one in page.get("Contents", []))

    def versions(self, key: str) -> int:
        name = f"evidence/dock-7/{key}"
        answer = self.bucket.client.list_object_versions(Bucket=self.bucket.name, Prefix=name)
        return len([one for one in answer.get("Versions", []) if one["Key"] == name])

    def archive(self) -> Archive:
        return S3Archive(self.bucket.settings(), SystemClock())


@dataclass(slots=True)
class Dock:
    """A dock that delivers to ``shelf`` and publishes its ledger there."""

    shelf: Shelf
    keys: Keys
    entries: list[bytes] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return self.keys.origin

    def tell(self, kind: str, **what: Any) -> int:
        """One more record in the ledger."""
        index = len(self.entries)
        record: dict[str, Any] = {part: {} for part in ("who", "when", "why", "links")}
        record |= {"schema": "urn:dockagent:record:1", "index": index, "type": kind, "what": what}
        self.entries.append(self.keys.sign_record(strict_json.canonical(record)))
        return index

    def deliver(
        self,
        data: bytes,
        camera: str = CAMERA,
        *,
        quarantine: str = "",
        preview: bytes = b"a picture",
        line: bool = True,
        **changed: Any,
    ) -> str:
        """Deliver a clip as the dock's steps do, in their order; its folder's key."""
        clip = plan.clip_id(camera, hashlib.sha256(data).hexdigest())
        prefix = f"quarantine/{camera}/{clip}" if quarantine else f"clips/{camera}/2026/11/22/{clip}"
        acquired = self.tell("acquire", clip_id=clip)
        files = {"master": data, "preview/sprite.jpg": preview}
        about = {"dock": self.keys.dock.id, "ledger": self.origin, "other_paths": [], "role": "footage"}
        about |= {"recording": "r", "belongs_to": "", "quarantine": quarantine, "camera": camera, **changed}
        said = statement(files, clip, **about)
        if line:
            said["predicate"]["catalogue"] = self._line(said, clip, acquired)
        record = self.keys.sign_statement(strict_json.canonical(said))
        digest = hashlib.sha256(record).hexdigest()
        self.tell("quarantine" if quarantine else "admit", clip_id=clip, prefix=prefix, record_sha256=digest)
        for name, content in {"preview/sprite.jpg": preview, "record.json": record, "master": data}.items():
            self.shelf.put(f"{prefix}/{name}", content)
        self.tell("receipt", clip_id=clip, receipt={"key": f"{prefix}/master", "bytes": len(data)}, others=[])
        return prefix

    def _line(self, said: dict[str, Any], clip: str, acquired: int) -> dict[str, Any]:
        same = ("clip_id", "camera", "path", "role", "recording", "belongs_to", "bytes", "dock", "ledger")
        line = {name: said["predicate"][name] for name in same}
        line |= {"sha256": said["subject"][0]["digest"]["sha256"], "acquire_entry": acquired}
        return {"key": f"catalogue/{self.keys.dock.id}/2026/11/22/{clip}.ndjson", "line": line}

    def publish(self, size: int | None = None) -> None:
        """Checkpoint, tiles and bundles into the store."""
        size = len(self.entries) if size is None else size
        root = merkle.root(merkle.leaf_hash(one) for one in self.entries[:size])
        signed = self.keys.sign_checkpoint(size, root).encode()
        publication = tiles.prepare(tiles.Edge(), lambda start, end: self.entries[start:end], signed)
        for thing in publication.objects():
            self.shelf.put(tiles.prefix(self.keys.dock.id) + thing.path, thing.data)


def dock(shelf: Shelf, folder: Path, name: str = "dock-7", seed: int = 7) -> Dock:
    """A dock with keys of its own."""
    return Dock(shelf, made.keys(folder / name, name, seed))


def custodian(shelf: Shelf, folder: Path, docks: Sequence[Dock], name: str = "custodian", **more: Any) -> Custodian:
    """A custodian beside ``shelf`` who trusts these docks."""
    key = SigningKey.open(RealDisk(folder / name / "keys"), name)
    trust = Trust(docks=tuple(one for each in docks for one in each.keys.docks))
    given = {"settings": PERMISSIVE, **more}
    return Custodian(shelf.archive(), key, SystemClock(), trust, **given)


def old(shelf: Folder, prefix: str, days: float = 2) -> None:
    """Have what lies below ``prefix`` look as if it came days ago."""
    at = datetime.now(UTC).timestamp() - days * 86400
    for path in (shelf.root / prefix).rglob("*"):
        os.utime(path, (at, at))
