"""What a round asks about each dock: is its ledger published and fresh, does it go on from what was seen, and is every
clip that it says it delivered in the store?

Up to which record a ledger was compared with the store is noted in the bucket (``custodian/ledgers/<dock>/<size>``), so
that nobody begins anew; a comparison that is made twice does no harm.
"""

from array import array
from bisect import bisect_left
from contextlib import suppress
from dataclasses import dataclass, field

from dockagent.core.moment import rfc3339
from dockagent.core.proof import cosignature, dsse, note
from dockagent.core.proof.witnessing import Request
from dockagent.custodian import reports
from dockagent.custodian.clip_record import MARKS, Ledgers
from dockagent.custodian.holds import Holds
from dockagent.custodian.published import Delivered, Published, delivered
from dockagent.custodian.reports import Report, Reports
from dockagent.custodian.world import DAY_MS, Custodian, Tally
from dockagent.errors import Missing, Permanent, Refused, Retryable
from dockagent.ledger import tiles
from dockagent.ledger.trust import DockIdentity
from dockagent.ledger.witness import Witness
from dockagent.stores import Conflict
from dockagent.stores.keys import checked

COSIGNED = "custodian/cosigned/"
_OWN_DISK = "look at the disk of the custodian's home; no permit is given until then"
MARK_RECORDS = 256  # a mark is written after so many records, or once a day


@dataclass(slots=True)
class Ids:
    """The clips whose master is in the store, as 8 bytes each: ten million take 80 MB."""

    _ids: "array[int]" = field(default_factory=lambda: array("Q"))
    _sorted: bool = True

    def add(self, clip_id: str) -> None:
        """Note one."""
        self._ids.append(int(clip_id[:16], 16))
        self._sorted = False

    def __contains__(self, clip_id: str) -> bool:
        if not self._sorted:
            self._ids = array("Q", sorted(self._ids))
            self._sorted = True
        wanted = int(clip_id[:16], 16)
        at = bisect_left(self._ids, wanted)
        return at < len(self._ids) and self._ids[at] == wanted


def check_dock(
    custodian: Custodian, dock: DockIdentity, ledgers: Ledgers, ids: Ids, holds: Holds, told: Reports
) -> None:
    """Compare one dock's published ledger with the clock, with what was seen of it, and with the store. ``ids``: a
    listing that was made after ``ledgers`` had read the dock's checkpoint. Raises Retryable."""
    try:
        ledger = ledgers.of(dock.id)
        if ledger is None:
            told.tell(Report(reports.OVERDUE, dock.id, reports.state_of("never"), ("it has published no ledger",)))
            return
        check_signed(ledger, dock, custodian)
        holds.check(dock.id)  # a fork and a rollback too
        _check_delivered(custodian, dock, ledgers, ledger, ids, holds, told)
    except (Refused, Missing) as err:
        what = (f"the published ledger of dock {dock.id} is damaged or forged: {err.what}",)
        told.tell(Report(reports.LEDGER, dock.id, reports.state_of(err.what), what, (tiles.prefix(dock.id),)))
        return
    since = ledger.published_ms
    if custodian.now_ms() - since > custodian.settings.overdue_ms:
        words = f"its newest checkpoint, over {ledger.head.size} records, is of {rfc3339(since)}"
        told.tell(Report(reports.OVERDUE, dock.id, reports.state_of(str(ledger.head.size)), (words,)))


def check_signed(ledger: Published, dock: DockIdentity, custodian: Custodian) -> None:
    """Raises Refused unless one of this dock's trusted sets of keys signed the checkpoint."""
    keys = [one.log_key for one in custodian.trust.docks if one.origin == ledger.head.origin == dock.origin]
    refused = Refused(f"its checkpoint is of {ledger.head.origin!r}")
    for key in keys:
        try:
            note.check(ledger.note, key)
        except Refused as err:
            refused = err
        else:
            return
    raise refused


def goes_on(custodian: Custodian, dock: DockIdentity, ledger: Published, tally: Tally) -> None:
    """Cosign the checkpoint that was found, where the dock did not ask for that itself, of docks of every share: what
    comes later must go on from it. One that was cosigned is no rollback where a newer one was cosigned too: a dock is
    cosigned before it publishes. Raises Refused for a rollback and a fork; Retryable, also where the witness's own
    state cannot be used, which is no word about the ledger."""
    witness = custodian.witness
    if witness is None or cosignature.good(ledger.note, [witness.public])[0]:
        return
    try:
        known = witness.known(ledger.head.origin)
    except (Refused, OSError) as err:
        raise Retryable(f"what the witness has cosigned cannot be read: {err}", _OWN_DISK) from err
    if known.size == ledger.head.size and known.root == ledger.head.root:
        return
    if known.size > ledger.head.size:
        raise Refused(f"it ends after {ledger.head.size} records; {known.size} were seen before: it was rolled back")
    request = Request(known.size, ledger.consistency(known.size), ledger.signed)
    answer = witness.add_checkpoint(request.encode())
    if answer.status == 500:
        raise Retryable(answer.note, _OWN_DISK)
    if answer.status != 200:
        raise Refused(f"it does not go on from the {known.size} records that were seen before: {answer.note}")
    if custodian.share.mine(dock.id):
        _keep(custodian, dock, ledger, witness, answer.body)
        tally.cosigned += 1


def _keep(custodian: Custodian, dock: DockIdentity, ledger: Published, witness: Witness, line: bytes) -> None:
    key = f"{COSIGNED}{dock.id}/{ledger.head.size:015d}.{witness.public.key_hash.hex()}"
    with suppress(Conflict):  # cosigned at another moment, before a crash: that one is as good
        custodian.archive.add(key, ledger.signed.rstrip(b"\n") + b"\n" + line)


def _check_delivered(
    custodian: Custodian, dock: DockIdentity, ledgers: Ledgers, ledger: Published, ids: Ids, holds: Holds, told: Reports
) -> None:
    mark, marked_ms = ledgers.marked(dock.id)
    lost = holds.open(dock.id)
    for number, entry in ledger.entries(mark, ledger.head.size):
        custodian.beat()
        payload = dsse.parse(entry).payload
        if b'"type":"receipt"' in payload and (said := delivered(payload, number)) is not None:
            lost |= _lost(custodian, dock, said, number, ids, told)
    grown = ledger.head.size - mark
    late = custodian.now_ms() - marked_ms > DAY_MS
    if not lost and grown > 0 and (grown >= MARK_RECORDS or late):
        key = f"{MARKS}{dock.id}/{ledger.head.size:015d}"
        try:
            custodian.archive.add(key, ledger.head.text().encode())
        except Conflict as err:
            raise Refused(f"another tree of {ledger.head.size} records was compared before: a fork") from err


def where(custodian: Custodian, key: str) -> str:
    """Where an object is that cannot be read. Raises Retryable."""
    versions = custodian.archive.versions(key)
    hidden = len(versions)
    if not hidden:
        return "it is not in the store"
    if versions == [""]:  # Swift lists a large object whose segments are gone
        return "it is listed and cannot be read: somebody deleted it, or parts of it are missing"
    what = "a version of it is" if hidden == 1 else f"{hidden} versions of it are"
    return f"somebody deleted it, and {what} still there: take the delete marker over {key} away to bring it back"


def _lost(custodian: Custodian, dock: DockIdentity, said: Delivered, number: int, ids: Ids, told: Reports) -> bool:
    """Whether a clip that the ledger says was delivered is not in the store; reported then. Raises Refused for a place
    that no store has."""
    clip, key = said.clip_id, said.receipt.key
    if clip in ids or not key.startswith(("clips/", "quarantine/")):
        return False
    try:
        checked(key)
    except Permanent as err:  # of the key alone: what the store refuses is no word about the ledger
        raise Refused(f"record {number} is malformed: {err.what}") from err
    try:
        with custodian.archive.open(key):
            return False
    except Missing:
        words = f"record {number} of dock {dock.id} says that it was delivered; {where(custodian, key)}"
        told.tell(Report(reports.LOST, clip, reports.state_of(key), (words,), (key,)))
        return True
