"""Erasing in a simulated life: a custodian who signs permits, good and bad ones, the act on a simulated card, and the
promise that is looked at afterwards."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from dockagent.core import strict_json
from dockagent.core.central import store_receipt
from dockagent.core.events.permit import EraseAsked, Erased, PermitSeen
from dockagent.core.model import State
from dockagent.core.permits import permit
from dockagent.core.permits.permit import Named, Permit
from dockagent.core.proof import dsse
from dockagent.core.session import advance
from dockagent.errors import Gone
from dockagent.ledger.custodian_peer import Counterparty
from dockagent.transports.erase import Changed, Erasure, Leave, Target
from tests.simulation import promises
from tests.simulation.actors import MemoryStore, SimCamera, VirtualClock
from tests.simulation.custodian import SimCustodian
from tests.simulation.memory_disk import MemoryDisk
from tests.simulation.promises import Broken, Evidence

DAY_MS = 86_400_000
_ODD = ("stale", "not yet", "camera", "bytes", "receipt", "dock", "path", "key", "nonsense")


@dataclass(slots=True)
class SimPermits:
    """Signs a permit for each clip that has a receipt; one in so many is one that no dock may follow (``odd``)."""

    custodian: SimCustodian
    store: MemoryStore
    clock: VirtualClock
    odd: float = 0.25
    random: Random = field(default_factory=lambda: Random(5))
    signed: dict[str, bytes] = field(default_factory=dict)
    bad: set[str] = field(default_factory=set)

    @property
    def peer(self) -> Counterparty:
        """The custodian as a dock knows it, permits included."""
        return Counterparty((self.custodian.key.public,), self._fetch)

    def _fetch(self, kind: str, clip_id: str, folder: str, name: str) -> bytes | None:
        if kind != "permits":
            return self.custodian.peer.fetch(kind, clip_id, folder, name)
        receipts = [one for key, one in self.custodian.signed.items() if key.startswith(f"{folder}/")]
        if clip_id not in self.signed and receipts and self.random.random() >= self.custodian.trouble:
            self.signed[clip_id] = self._sign(receipts[-1])
        return self.signed.get(clip_id)

    def _sign(self, envelope: bytes) -> bytes:
        receipt = store_receipt.read(envelope, [self.custodian.key.public])
        folder = receipt.key.rpartition("/")[0]
        said = strict_json.parse(dsse.parse(self.store.objects[f"{folder}/record.json"]).payload)["predicate"]
        digest = hashlib.sha256(envelope).hexdigest()
        paths = dict.fromkeys([said["path"], *said.get("other_paths", [])])
        files = [Named(path, receipt.clip_id, receipt.clip_sha256, receipt.clip_bytes, digest) for path in paths]
        kind = self.random.choice(_ODD) if self.random.random() < self.odd else ""
        now = self.clock.now().utc_ms
        facts: dict[str, Any] = {"dock": "any", "camera": receipt.camera, "issued_ms": now, "from_ms": now}
        facts |= {"until_ms": now + DAY_MS, "policy": kind or "good", "files": _spoil(kind, files)}
        facts |= {"dock": "elsewhere"} if kind == "dock" else {}
        facts |= {"camera": "SIM-99"} if kind == "camera" else {}
        facts |= {"from_ms": now - DAY_MS, "until_ms": now - 1} if kind == "stale" else {}
        facts |= {"from_ms": now + DAY_MS // 2} if kind == "not yet" else {}
        one = Permit(id=permit.name(facts["camera"], facts["files"], facts["policy"]), **facts)
        if kind:
            self.bad.add(one.id)
        made = self.custodian.key.seal(permit.statement(one))
        if kind == "key":
            return made.replace(b'"sig":"M', b'"sig":"N')
        return b"{}" if kind == "nonsense" else made


def _spoil(kind: str, files: list[Named]) -> tuple[Named, ...]:
    first = files[0]
    if kind == "bytes":
        return (Named(first.path, first.clip_id, "00" * 32, first.bytes, first.receipt_sha256),)
    if kind == "receipt":
        return (Named(first.path, first.clip_id, first.sha256, first.bytes, "00" * 32),)
    if kind == "path":
        return (Named("camera.json", first.clip_id, first.sha256, first.bytes, first.receipt_sha256),)
    return tuple(files)


@dataclass(slots=True)
class SimEraser:
    """A :class:`dockagent.steps.world.Eraser` on simulated cards. The power may go before and after each file; so may
    the camera; and somebody may have written to a file that is to go. ``log``: what really went. ``careless``: a
    negative control, which takes more than it was told; ``calm``: neither happens any more."""

    cameras: dict[str, SimCamera]
    disk: MemoryDisk
    random: Random = field(default_factory=lambda: Random(6))
    log: list[tuple[str, str, str]] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)  # the durable call of each
    careless: bool = False
    calm: bool = False

    def erase(self, bay: str, targets: Sequence[Target], leave: Leave) -> Erasure:
        camera = self.cameras[bay.removeprefix("bay-")]
        camera.check()
        if not self.calm and self.random.random() < 0.1:
            self._write_to(camera, targets[0].path)
        for one in targets:
            data = camera.files.get(one.path, b"")
            if one.path not in camera.files or hashlib.sha256(data).hexdigest() != one.sha256 or len(data) != one.size:
                raise Changed(f"{one.path!r} is not what it was (simulated)")
        leave()
        for one in [*targets, *self._more(camera, targets)]:
            if not self.calm and self.random.random() < 0.05:
                camera.there = False
                raise Gone("the camera was taken while it was being erased (simulated)")
            self.disk.elsewhere(lambda one=one: self._take(camera, one))  # type: ignore[misc]
        return Erasure(tuple(one.path for one in targets), "", 100, 200, "simulated")

    def _take(self, camera: SimCamera, one: Target) -> None:
        del camera.files[one.path]
        self.calls.append(self.disk.calls)
        self.log.append((camera.serial, one.path.decode(), one.sha256))

    def _more(self, camera: SimCamera, targets: Sequence[Target]) -> list[Target]:
        named = {one.path for one in targets}
        rest = [path for path in camera.files if path not in named and path.startswith(b"DCIM/")]
        if not self.careless or not rest:
            return []
        data = camera.files[rest[0]]
        return [Target(rest[0], len(data), hashlib.sha256(data).hexdigest())]

    def _write_to(self, camera: SimCamera, path: bytes) -> None:
        data = camera.files.get(path, b"")
        if data:
            camera.files[path] = data[:-1] + bytes([data[-1] ^ 1])
            camera.offered.add(hashlib.sha256(camera.files[path]).hexdigest())


def erased_rightly(seen: Evidence, eraser: SimEraser, permits: SimPermits) -> None:
    """Promise 2, for what is not on a camera any more: the ledger asked for each file before, under a permit that is
    in the ledger, with a receipt for those bytes; neither was in doubt or on hold then; and the store has it."""
    state, asked = State(), dict[tuple[str, str], EraseAsked]()
    for event, at_ms in promises.records(seen.disk):
        if isinstance(event, EraseAsked):
            asked.update({(one.path, one.sha256): event for one in event.files})
            _allowed(state, event, permits)
        advance(state, event, at_ms)
    stored = {hashlib.sha256(data).hexdigest() for data in seen.store.objects.values()}
    for serial, path, sha256 in eraser.log:
        ask = asked.get((path, sha256))
        if ask is None or not ask.session.endswith(f"bay-{serial}"):
            raise Broken(f"promise 2: {path} of {serial} was erased, and no record had asked for it")
        clip = next(state.clips[one.clip_id] for one in ask.files if one.path == path)
        if clip.stored[0].sha256 not in stored:
            raise Broken(f"promise 1: {path} of {serial} was erased, and the store does not have it")


def _allowed(state: State, event: EraseAsked, permits: SimPermits) -> None:
    known = state.permits.known.get(event.permit)
    if known is None or event.permit in permits.bad:
        raise Broken(f"promise 2: {event.files[0].path} was to be erased under a permit that is none")
    for one in event.files:
        clip = state.clips[one.clip_id]
        word = state.custodian.words.get(one.clip_id)
        if clip.receipt is None or word is None or word.sha256 != one.receipt_sha256:
            raise Broken(f"promise 2: {one.path} was to be erased without its receipt")
        if (clip.sha256, clip.bytes) != (one.sha256, one.bytes) or one not in known.permit.files:
            raise Broken(f"promise 2: {one.path} was to be erased, and its permit names other bytes")
        if clip.holds or clip.quarantine:
            raise Broken(f"promise 8: {one.path} was to be erased, and it is on hold or in quarantine")


def outcome(seen: Evidence) -> tuple[int, int, int]:
    """How many files have a tombstone with their digest, how many were found gone, how many permits are known."""
    _, events = promises.history(seen.disk)
    stones = [one for event in events if isinstance(event, Erased) for one in event.files]
    whole = sum(bool(one.sha256) for one in stones)
    return whole, len(stones) - whole, sum(isinstance(event, PermitSeen) for event in events)
