"""The clips in a listing: which objects lie in a clip's folder, and what is still to be done about it."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from dockagent.core import plan
from dockagent.core.central import store_receipt
from dockagent.core.central.store_receipt import name_for
from dockagent.stores.archive import Listed

CLIPS, QUARANTINE = "clips/", "quarantine/"
_FOLDER = re.compile(r"(clips/[^/]+/\d{4}/\d\d/\d\d/([0-9a-f]{32})|quarantine/[^/]+/([0-9a-f]{32}))/(.+)")
_MASTER = re.compile(r"master|master(\.[0-9a-f]{8})?\.age")
_RECORD = re.compile(r"record\.json(\.[0-9a-f]{8}){0,2}")


@dataclass(frozen=True)
class ClipFolder:
    """A clip's folder as it was listed. ``prefix``: its key without a slash at the end; ``objects``: by name.
    ``believed``: the name of the receipt for each master, by the master's name, once their signatures were looked at;
    until then a receipt counts by its name."""

    prefix: str
    clip_id: str
    objects: dict[str, Listed]
    believed: Mapping[str, str] | None = None

    @property
    def camera(self) -> str:
        """The camera's name: whose share of the work it is."""
        return self.prefix.split("/")[1]

    @property
    def quarantined(self) -> bool:
        """Whether it lies apart."""
        return self.prefix.startswith(QUARANTINE)

    @property
    def masters(self) -> list[str]:
        """The stored masters; more than one where a clip was sealed twice."""
        return sorted(name for name in self.objects if name.startswith("master") and _MASTER.fullmatch(name))

    @property
    def records(self) -> list[str]:
        """The clip records, the first dock's first."""
        found = [name for name in self.objects if _RECORD.fullmatch(name)]
        return sorted(found, key=lambda name: (name != "record.json", name))

    @property
    def contents(self) -> list[str]:
        """What docks put there besides records: masters, previews, manifests."""
        records = set(self.records)
        return sorted(name for name in self.objects if name not in records and not is_custodians(name))

    @property
    def receipts(self) -> list[str]:
        """The custodian's receipts."""
        if self.believed is not None:
            return sorted(self.believed.values())
        return sorted(name for name in self.objects if store_receipt.is_name(name))

    @property
    def main_receipt(self) -> str:
        """The receipt that a permit rests on: that for the master as the first dock stored it; empty where there is
        none."""
        found = (self.receipt_of(one) for one in self.masters if name_for(one) == store_receipt.FILE)
        return next(filter(None, found), "")

    def receipt_of(self, master: str) -> str:
        """What the receipt for a master is called here; empty where there is none."""
        if self.believed is not None:
            return self.believed.get(master, "")
        return name_for(master) if name_for(master) in self.objects else ""

    def named_for(self, master: str) -> list[str]:
        """What is called a receipt for a master, whoever signed it."""
        names = (name_for(master, number) for number in range(1, store_receipt.MOST_NAMES + 1))
        return [name for name in names if name in self.objects]

    def came_later(self, master: str) -> bool:
        """Whether a master is younger than all that says that it was read, as far as dates tell."""
        said = [*self.named_for(master), *filter(store_receipt.is_audit, self.objects)]
        read_ms = max((latest(self.objects[name].modified_ms) for name in said), default=0)
        return self.objects[master].modified_ms > read_ms

    def free_names(self, master: str) -> list[str]:
        """What a new receipt for a master may be called, best first."""
        names = (name_for(master, number) for number in range(1, store_receipt.MOST_NAMES + 1))
        return [name for name in names if name not in self.objects]

    @property
    def audited_ms(self) -> int:
        """When all of it was last read back: for the youngest receipt, or in the newest audit (ms since 1970 UTC)."""
        audits = [one.modified_ms for name, one in self.objects.items() if store_receipt.is_audit(name)]
        return max(audits + [self.objects[name].modified_ms for name in self.receipts], default=0)

    @property
    def next_audit(self) -> str:
        """The name of the next audit."""
        return f"audit.{max(map(store_receipt.audit_number, self.objects), default=0) + 1}.json"

    @property
    def permits(self) -> int:
        """The number of the newest permit; 0 where there is none."""
        return max(map(store_receipt.permit_number, self.objects), default=0)

    @property
    def without_receipt(self) -> list[str]:
        """The masters that have no receipt yet."""
        return [name for name in self.masters if not self.receipt_of(name)]

    @property
    def since_ms(self) -> int:
        """When its newest object came (ms since 1970 UTC), by the store's clock."""
        return max(one.modified_ms for one in self.objects.values())

    @cached_property
    def state(self) -> str:
        """A name for what lies there now (16 hex digits), receipts and permits left out: a report about it holds until
        something is added or altered."""
        rows = [f"{name} {self.objects[name].size} {self.objects[name].modified_ms}" for name in self._told]
        return hashlib.sha256("\n".join([self.prefix, *rows]).encode()).hexdigest()[:16]

    @property
    def _told(self) -> list[str]:
        return sorted([*self.records, *self.contents])

    def key(self, name: str) -> str:
        """The key of an object in it."""
        return f"{self.prefix}/{name}"


def folders(listing: Iterable[Listed], strays: list[str]) -> Iterator[ClipFolder]:
    """The clips of a listing in which each folder's objects come together; one folder is in memory at a time. Keys
    that are in no clip's folder are added to ``strays``."""
    prefix, clip_id, objects = "", "", dict[str, Listed]()
    for one in listing:
        found = _FOLDER.fullmatch(one.key)
        if found is None:
            strays.append(one.key)
            continue
        if found[1] != prefix:
            if objects:
                yield ClipFolder(prefix, clip_id, objects)
            prefix, clip_id, objects = found[1], found[2] or found[3], {}
        objects[found[4]] = one
    if objects:
        yield ClipFolder(prefix, clip_id, objects)


def latest(at_ms: int) -> int:
    """When something that a store says came at ``at_ms`` may have come at the latest: some tell only the second."""
    return at_ms if at_ms % 1000 else at_ms + 999


def is_custodians(name: str) -> bool:
    """Whether an object of a clip's folder is a custodian's, by its name: a receipt, a permit, an audit."""
    return store_receipt.is_name(name) or store_receipt.is_permit(name) or store_receipt.is_audit(name)


def sealed(master: str) -> bool:
    """Whether a stored master is a sealed copy."""
    return master.endswith(plan.SEALED)
