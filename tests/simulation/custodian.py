"""A custodian beside the simulated store: reads back what lies there, signs, and is away as often as the seed says."""

import hashlib
from dataclasses import dataclass, field
from random import Random

from dockagent.core import strict_json
from dockagent.core.central import store_receipt
from dockagent.core.central.store_receipt import Held, Retention, StoreReceipt
from dockagent.core.model import CHUNK
from dockagent.core.moment import rfc3339
from dockagent.core.proof import merkle
from dockagent.core.proof.dsse import parse
from dockagent.custodian.key import SigningKey
from dockagent.errors import Retryable
from dockagent.ledger.custodian_peer import Counterparty
from tests.simulation.actors import MemoryStore, VirtualClock
from tests.simulation.memory_disk import MemoryDisk

WAITS_EVERY = 3  # in one of so many lives the dock keeps its copy until the custodian has spoken


@dataclass(slots=True)
class SimCustodian:
    """``trouble``: how often it does not answer, or has not come to a clip yet."""

    seed: int
    store: MemoryStore
    clock: VirtualClock
    trouble: float
    random: Random = field(init=False)
    key: SigningKey = field(init=False)
    signed: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.key = SigningKey.open(MemoryDisk(Random(4)), "sim-custodian", Random(4).randbytes)

    @property
    def peer(self) -> Counterparty:
        """As a dock knows it."""
        return Counterparty((self.key.public,), self._fetch)

    def _fetch(self, kind: str, clip_id: str, folder: str, name: str) -> bytes | None:
        if kind != "receipts":
            return None
        if self.random.random() < self.trouble:
            raise Retryable("the custodian is away (simulated)")
        key = f"{folder}/{name}"
        masters = [f"{folder}/{one}" for one in self._masters(folder) if store_receipt.name_for(one) == name]
        if key not in self.signed and masters and self.random.random() >= self.trouble:
            self.signed[key] = self._sign(clip_id, folder, masters[0])
        return self.signed.get(key)

    def _masters(self, folder: str) -> list[str]:
        names = (key.removeprefix(f"{folder}/") for key in self.store.objects if key.startswith(f"{folder}/master"))
        return sorted(names)

    def _sign(self, clip_id: str, folder: str, key: str) -> bytes:
        data, record = self.store.objects[key], self.store.objects[f"{folder}/record.json"]
        said = strict_json.parse(parse(record).payload)
        camera = next(one["digest"]["sha256"] for one in said["subject"] if one["name"] == "master")
        leaves = (merkle.leaf_hash(data[at : at + CHUNK]) for at in range(0, len(data), CHUNK))
        receipt = StoreReceipt(
            store=self.store.url,
            key=key,
            version="",
            etag="",
            bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            chunk_root=merkle.root(leaves).hex(),
            clip_id=clip_id,
            camera=said["predicate"]["camera"],
            clip_bytes=said["predicate"]["bytes"],
            clip_sha256=camera,
            record=Held("record.json", len(record), hashlib.sha256(record).hexdigest()),
            objects=(),
            retention=Retention(),
            legal_hold=store_receipt.OFF,
            checkpoint=None,
            quarantine=said["predicate"]["quarantine"],
            findings=(),
            custodian=self.key.public.name,
            time=rfc3339(self.clock.now().utc_ms),
        )
        return self.key.seal(store_receipt.statement(receipt))
