"""Whether what is called a receipt is one: a name in a bucket says nothing, a custodian's signature does.

Each is looked at once, and again when it or its master changes in the listing (:mod:`dockagent.custodian.known`). What
nobody signed who is trusted is reported, and the clip gets its receipt under another name. A master that came after its
receipt, or has another size than the receipt says, is to be read again at once.
"""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from dockagent.core.central import store_receipt
from dockagent.core.central.store_receipt import StoreReceipt
from dockagent.custodian import reports
from dockagent.custodian.folders import ClipFolder
from dockagent.custodian.reports import Report, Reports
from dockagent.custodian.reread import stored
from dockagent.custodian.world import Custodian
from dockagent.errors import Missing, Refused

MOST = 4 << 20  # bytes of an envelope
_KEPT_EVERY = 500  # looks
MOST_LOOKS = 10_000  # in a round; the others count by their names until the next ones


@dataclass(frozen=True, slots=True)
class Signed:
    """A receipt as it lies there: what it says, when it came (ms since 1970 UTC, by the store's clock), and the SHA-256
    (hex) of its envelope."""

    receipt: StoreReceipt
    came_ms: int
    sha256: str


@dataclass(slots=True)
class Receipts:
    """The receipts that a round looks at, at most ``looks`` of them."""

    custodian: Custodian
    told: Reports
    looks: int = MOST_LOOKS
    _who: str = field(init=False, default="")

    def __post_init__(self) -> None:
        """Whoever is trusted from now on, or no more, was not asked about before."""
        self._who = " ".join(sorted({key.key_id for key in self.custodian.custodians}))

    def judge(self, folder: ClipFolder) -> tuple[ClipFolder, bool]:
        """The folder with its receipts told from what is only called so; whether a master there is to be read again at
        once. Raises Retryable."""
        believed, again = dict[str, str](), False
        if not folder.masters:
            return folder, False
        names = [one for one in folder.objects if one.startswith("receipt") and store_receipt.is_name(one)]
        for name in sorted(names, key=store_receipt.number_of):
            for master, changed in self._about(folder, name):
                again = again or (changed and master not in believed)
                believed.setdefault(master, name)
        return ClipFolder(folder.prefix, folder.clip_id, folder.objects, believed), again

    def settled(self, folder: ClipFolder) -> None:
        """Each master of a folder that was judged is what its receipt says, as both are listed now."""
        for master, name in (folder.believed or {}).items():
            self.custodian.known.note(self._said(folder, name, master))

    def _about(self, folder: ClipFolder, name: str) -> Iterator[tuple[str, bool]]:
        """The master that a receipt is about, and whether that changed since. Nothing for what is no receipt."""
        if known := self._known(folder, name):
            yield known[0], False
        elif self.told.stands(folder.clip_id, self._state(folder, name)):
            return
        elif self.looks <= 0:
            yield from ((one, False) for one in _named(folder, name))
        else:
            yield from self._look(folder, name)

    def _known(self, folder: ClipFolder, name: str) -> list[str]:
        return [one for one in folder.masters if self.custodian.known.has(self._said(folder, name, one))]

    def _said(self, folder: ClipFolder, name: str, master: str) -> str:
        rows = [f"{one.key} {one.size} {one.modified_ms}" for one in map(folder.objects.get, (name, master)) if one]
        return "\n".join([self._who, *rows])

    def _state(self, folder: ClipFolder, name: str) -> str:
        one = folder.objects[name]
        return reports.state_of(self._who, one.key, str(one.size), str(one.modified_ms))

    def _look(self, folder: ClipFolder, name: str) -> Iterator[tuple[str, bool]]:
        self.looks -= 1
        if self.looks % _KEPT_EVERY == 0:
            self.custodian.known.keep()  # a round over many may be cut off
        try:
            found = read(self.custodian, folder, name)
        except Missing:
            return  # it went since the listing
        except Refused as err:
            words, state = (f"{name} is no receipt: {err.what}",), self._state(folder, name)
            self.told.tell(Report(reports.FALSE, folder.clip_id, state, words, (folder.key(name),)))
            return
        receipt, at_ms = found.receipt, found.came_ms
        master = receipt.key.rpartition("/")[2]
        here = folder.objects.get(master)
        latest = at_ms if at_ms % 1000 else at_ms + 999  # some stores tell only the second
        changed = here is None or here.size != receipt.bytes or here.modified_ms > latest
        if not changed:
            self.custodian.known.note(self._said(folder, name, master))
        yield master, changed


def read(custodian: Custodian, folder: ClipFolder, name: str) -> Signed:
    """What lies under a receipt's name; of several versions the first counts. Raises Missing, Retryable, and Refused
    for what no custodian who is trusted signed about a master in this folder."""
    data, facts = stored(custodian.archive, folder.key(name), MOST, first=True)
    receipt = store_receipt.read(data, custodian.custodians)
    if (receipt.clip_id, receipt.key.rpartition("/")[0]) != (folder.clip_id, folder.prefix):
        raise Refused(f"it is about {receipt.key[:200]} of clip {receipt.clip_id[:64]}")
    return Signed(receipt, facts.modified_ms, hashlib.sha256(data).hexdigest())


def gone(custodian: Custodian, folder: ClipFolder) -> list[StoreReceipt]:
    """The receipts in a folder without masters: each is about one that was there. Raises Retryable."""
    found = list[StoreReceipt]()
    for name in folder.receipts:
        with suppress(Missing, Refused):  # what is no receipt says nothing
            found.append(read(custodian, folder, name).receipt)
    return found


def _named(folder: ClipFolder, name: str) -> list[str]:
    numbers = range(1, store_receipt.MOST_NAMES + 1)
    return [one for one in folder.masters if name in {store_receipt.name_for(one, number) for number in numbers}]
