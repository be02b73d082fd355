"""Whether what is called a receipt is one: a name in a bucket says nothing, a custodian's signature does.

Each is looked at once, and again when it or its master changes in the listing (:mod:`dockagent.custodian.known`). What
nobody signed who is trusted is reported, and the clip gets its receipt under another name. A master that came after its
receipt, or has another size than the receipt says, is to be read again at once; what was not looked at, for which a
round has no time or which could not be read again in it, is not judged.
"""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum

from dockagent.core.central import store_receipt
from dockagent.core.central.store_receipt import StoreReceipt
from dockagent.custodian import reports
from dockagent.custodian.folders import ClipFolder, latest
from dockagent.custodian.reports import Report, Reports
from dockagent.custodian.reread import stored
from dockagent.custodian.world import Custodian, Tally
from dockagent.errors import Missing, Refused

MOST = 4 << 20  # bytes of an envelope
_KEPT_EVERY = 500  # looks
MOST_LOOKS = 10_000  # in a round; the others are not judged before the next ones


class Word(Enum):
    """What is to be said of a clip's masters: each is what its receipt says, as far as dates and sizes tell; one is to
    be read again at once; or one was not looked at now."""

    SAME, AGAIN, UNJUDGED = range(3)


@dataclass(frozen=True, slots=True)
class Signed:
    """A receipt as it lies there: what it says, when it came (ms since 1970 UTC, by the store's clock), and the SHA-256
    (hex) of its envelope."""

    receipt: StoreReceipt
    came_ms: int
    sha256: str


@dataclass(slots=True)
class Receipts:
    """The receipts that a round looks at, at most ``looks`` of them. ``tally``: the round's."""

    custodian: Custodian
    told: Reports
    looks: int = MOST_LOOKS
    tally: Tally = field(default_factory=Tally)
    _who: str = field(init=False, default="")

    def __post_init__(self) -> None:
        self._who = _who(self.custodian)

    def judge(self, folder: ClipFolder) -> tuple[ClipFolder, Word]:
        """The folder with its receipts told from what is only called so, which counts by its name where it was not
        looked at; what is to be said of its masters. Raises Retryable."""
        believed, words = dict[str, str](), {Word.SAME}
        if not folder.masters:
            return folder, Word.SAME
        names = [one for one in folder.objects if one.startswith("receipt") and store_receipt.is_name(one)]
        for name in sorted(names, key=store_receipt.number_of):
            for master, word in self._about(folder, name):
                if master not in believed:
                    believed[master] = name
                    words.add(word)
        judged = ClipFolder(folder.prefix, folder.clip_id, folder.objects, believed)
        return judged, max(words, key=lambda word: word.value)

    def settled(self, folder: ClipFolder) -> None:
        """Each master of a folder that was judged is what its receipt says, as both are listed now."""
        for master, name in (folder.believed or {}).items():
            self.custodian.known.note(_said(self._who, folder, name, master))

    def _about(self, folder: ClipFolder, name: str) -> Iterator[tuple[str, Word]]:
        """The master that a receipt is about, and what is to be said of it. Nothing for what is no receipt."""
        if known := [one for one in folder.masters if _known(self.custodian, self._who, folder, name, one)]:
            yield known[0], Word.SAME
        elif not self.told.stands(folder.clip_id, self._state(folder, name)):
            named = [one for one in folder.masters if name in folder.named_for(one)]
            if self.looks <= 0 or (self._nothing_left and any(map(folder.came_later, named))):
                yield from ((one, Word.UNJUDGED) for one in named)
            else:
                yield from self._look(folder, name)

    @property
    def _nothing_left(self) -> bool:
        """Whether this round reads nothing again any more, so that a look would only say once more that it must."""
        return self.tally.audited >= self.custodian.settings.audit_bytes

    def _state(self, folder: ClipFolder, name: str) -> str:
        one = folder.objects[name]
        return reports.state_of(self._who, one.key, str(one.size), str(one.modified_ms))

    def _look(self, folder: ClipFolder, name: str) -> Iterator[tuple[str, Word]]:
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
        if here is None or here.size != receipt.bytes or here.modified_ms > latest(at_ms):
            yield master, Word.AGAIN
        else:
            self.custodian.known.note(_said(self._who, folder, name, master))
            yield master, Word.SAME


def judged(custodian: Custodian, folder: ClipFolder) -> bool:
    """Whether each master that has a receipt was found to be what that says, just as both are listed; for what is in
    another's share, whose list nobody sees here, dates may say so. Asks nobody; any thread may ask."""
    who, mine = _who(custodian), custodian.share.mine(folder.camera)
    for master in folder.masters:
        names = folder.named_for(master)
        known = any(_known(custodian, who, folder, name, master) for name in names)
        if names and not known and (mine or folder.came_later(master)):
            return False
    return True


def _who(custodian: Custodian) -> str:
    """Whoever is trusted from now on, or no more, was not asked about before."""
    return " ".join(sorted({key.key_id for key in custodian.custodians}))


def _said(who: str, folder: ClipFolder, name: str, master: str) -> str:
    rows = [f"{one.key} {one.size} {one.modified_ms}" for one in map(folder.objects.get, (name, master)) if one]
    return "\n".join([who, *rows])


def _known(custodian: Custodian, who: str, folder: ClipFolder, name: str, master: str) -> bool:
    return custodian.known.has(_said(who, folder, name, master))


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
