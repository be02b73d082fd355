"""One round: list, and do what is still to be done. Everything in it may be repeated, and be cut off anywhere.

1. The docks' ledgers are read, so that what they say is older than 2. the listing, camera by camera. 3. Holds are
carried out; receipts that were never looked at are; a master that is not as its receipt says is read again; each clip
without a receipt is examined; each with one may get its permit. 4. The docks' ledgers are compared with the listing.
5. What is due is audited.
A bad object, clip or dock is reported and never stops the others.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from dockagent.core.central import store_receipt
from dockagent.custodian import permits, reports
from dockagent.custodian.audit import Due, audit, still_unheld
from dockagent.custodian.clip_record import Ledgers
from dockagent.custodian.docks import Ids, check_dock, check_signed, goes_on, where
from dockagent.custodian.examine import Found, Waits, examine
from dockagent.custodian.folders import CLIPS, QUARANTINE, ClipFolder, folders
from dockagent.custodian.holds import Holds
from dockagent.custodian.lines import check_line
from dockagent.custodian.receipts import MOST_LOOKS, Receipts, Word, gone, read
from dockagent.custodian.reports import Report, Reports
from dockagent.custodian.world import DAY_MS, Custodian, Tally
from dockagent.errors import DockError, Missing, Refused
from dockagent.ledger.trust import DockIdentity
from dockagent.stores import Conflict

log = logging.getLogger(__name__)

_MOST_STRAYS = 20
_MOST_REFUSED = 100_000


Refusals = dict[str, int]
"""Clips that were refused a permit, each with the time (ms since 1970 UTC) from which to ask again. A cache: with an
empty one the same is refused once more."""


def once(
    custodian: Custodian,
    *,
    whole: bool = True,
    refused: Refusals | None = None,
    saw: Callable[[str, str], None] = lambda clip_id, prefix: None,
    heard: Callable[[Holds, Reports], None] = lambda holds, told: None,
    looks: int = MOST_LOOKS,
) -> Tally:
    """One round over the store. ``whole``: also over what is other custodians' share and waits too long there.
    ``saw``: told each clip's id and folder; ``heard``: told of the docks' holds as soon as they are read, and of the
    reports; ``looks``: at how many receipts it looks. Raises Retryable where the store cannot even be listed."""
    tally, refused = Tally(), _pruned(custodian, refused)
    told, ledgers, ids, strays = Reports(custodian, tally), Ledgers(custodian), Ids(), list[str]()
    holds, audits, receipts = Holds(custodian), Due(custodian), Receipts(custodian, told, looks, tally)
    docks = [one for one in _newest(custodian) if custodian.share.mine(one.id)]
    for dock in _newest(custodian):  # others' docks too: whoever signs permits must know of every hold
        _apart(tally, f"dock {dock.id}", partial(_open, custodian, ledgers, holds, dock, tally))
    heard(holds.as_read(), told)
    for folder in _listing(custodian, strays, whole=whole):
        custodian.beat()
        tally.seen += 1
        if folder.masters:
            ids.add(folder.clip_id)
            saw(folder.clip_id, folder.prefix)
        if holds.due(folder.clip_id):
            _apart(tally, f"{folder.prefix}: hold", partial(holds.carry_out, folder, told))
        if custodian.share.mine(folder.camera) or _left_over(custodian, folder):
            judged = partial(_judged, custodian, folder, receipts, audits, holds, told, tally)
            _apart(tally, folder.prefix, partial(_one, custodian, judged, ledgers, holds, told, tally, refused))
    for dock in docks:
        custodian.beat()
        _apart(tally, f"dock {dock.id}", partial(check_dock, custodian, dock, ledgers, ids, holds, told))
    for folder in audits.oldest_first():
        if tally.audited >= custodian.settings.audit_bytes:
            break
        _apart(tally, f"{folder.prefix}: audit", partial(audit, custodian, folder, holds, told, tally))
    for key in strays[:_MOST_STRAYS]:
        report = Report(reports.STRAY, "key", reports.state_of(key), ("it is in no clip's folder",), (key,))
        _apart(tally, key, partial(told.tell, report))
    _apart(tally, "which receipts were checked", custodian.known.keep)
    return tally


def _open(custodian: Custodian, ledgers: Ledgers, holds: Holds, dock: DockIdentity, tally: Tally) -> None:
    custodian.beat()
    ledgers.marked(dock.id)  # before the checkpoint is read: whoever marks meanwhile has seen a newer one
    try:
        if (ledger := ledgers.of(dock.id)) is not None:
            check_signed(ledger, dock, custodian)
            goes_on(custodian, dock, ledger, tally)
        holds.read(dock.id, ledgers, ledger)
    except (Refused, Missing) as err:
        holds.doubt(dock.id, err)  # said when the dock is checked


def _pruned(custodian: Custodian, refused: Refusals | None) -> Refusals:
    """Without those that are to be asked about again: there is room for only so many."""
    if refused is None:
        return {}
    now = custodian.now_ms()
    for prefix in [prefix for prefix, until_ms in refused.items() if until_ms <= now]:
        del refused[prefix]
    return refused


def _apart(tally: Tally, what: str, act: Callable[[], None]) -> None:
    """Do one thing; the store's trouble with it is noted, and the next thing comes."""
    try:
        act()
    except (DockError, OSError) as err:
        if tally.trouble(f"{what}: {err}"):
            log.warning("%s: %s", what, err)


def _newest(custodian: Custodian) -> list[DockIdentity]:
    """Each trusted dock once."""
    return list({one.id: one for one in custodian.trust.docks}.values())


def _listing(custodian: Custodian, strays: list[str], *, whole: bool) -> Iterator[ClipFolder]:
    """Camera by camera, each listed when its turn comes, in an order that is another for each custodian: two who have
    the same share meet seldom."""
    mine = custodian.key.public.name
    for top in (CLIPS, QUARANTINE):
        cameras = custodian.archive.names(top)
        for camera in sorted(cameras, key=lambda one: hashlib.sha256(f"{mine}/{one}".encode()).digest()):
            if whole or custodian.share.mine(camera):
                yield from folders(custodian.archive.list(f"{top}{camera}/"), strays)


def _left_over(custodian: Custodian, folder: ClipFolder) -> bool:
    """Whether another's work has waited so long that it is taken over."""
    due = bool(folder.without_receipt) or not folder.masters
    return due and custodian.now_ms() - folder.since_ms > custodian.settings.take_over_ms


def _judged(
    custodian: Custodian,
    folder: ClipFolder,
    receipts: Receipts,
    audits: Due,
    holds: Holds,
    told: Reports,
    tally: Tally,
) -> ClipFolder | None:
    """The folder with its receipts told from what is only called so; None where a master is not what its receipt
    says, or was not read again yet, or nobody looked at its receipt yet."""
    folder, word = receipts.judge(folder)
    if word is Word.SAME:
        audits.see(folder)
        still_unheld(custodian, folder, holds, told)
        return folder
    if not _same(custodian, folder, word, holds, told, tally):
        return None
    receipts.settled(folder)
    return folder


def _same(custodian: Custodian, folder: ClipFolder, word: Word, holds: Holds, told: Reports, tally: Tally) -> bool:
    """Whether a master that changed since its receipt was read again and is what it says. Only so much is read in a
    round: where a store was copied every master is younger than its receipt."""
    if told.altered(folder.clip_id, folder.state):
        return False
    if word is Word.UNJUDGED or tally.audited >= custodian.settings.audit_bytes:
        tally.waiting += 1
        return False
    good = tally.audits
    audit(custodian, folder, holds, told, tally)
    return tally.audits > good


def _one(
    custodian: Custodian,
    judged: Callable[[], ClipFolder | None],
    ledgers: Ledgers,
    holds: Holds,
    told: Reports,
    tally: Tally,
    refused: Refusals,
) -> None:
    folder = judged()
    if folder is None:
        return
    if folder.without_receipt:
        _receive(custodian, folder, ledgers, told, tally)
    elif not folder.masters:
        _unfinished(custodian, folder, told, tally)
    elif not permits.due(custodian, folder) or custodian.now_ms() < refused.get(folder.prefix, 0):
        return
    elif _free(folder, holds, told):
        _permit(custodian, folder, tally, refused)


def _free(folder: ClipFolder, holds: Holds, told: Reports) -> bool:
    """Whether no audit has found that it is altered, which dates and sizes need not tell, and no dock has it on hold,
    whatever the store could be told of that. Where a ledger was not read, that was said once for all clips."""
    return not told.altered(folder.clip_id, folder.state) and not holds.unread and not holds.forbids(folder.clip_id)


def _receive(custodian: Custodian, folder: ClipFolder, ledgers: Ledgers, told: Reports, tally: Tally) -> None:
    if any(told.stands(folder.clip_id, one) for one in (folder.state, told.believing(folder.state))):
        return
    try:
        examined = examine(custodian, folder, ledgers, tally)
    except Waits:
        tally.waiting += 1
        return
    except Found as found:
        report = found.report
        log.warning("%s: %s", folder.prefix, "; ".join(report.words))
        told.tell(replace(report, state=told.believing(report.state)) if report.kind == reports.WRONG else report)
        return
    check_line(custodian, folder, examined.record, told, tally)
    for master, receipt in examined.receipts.items():
        _add(custodian, folder, master, custodian.key.seal(store_receipt.statement(receipt)), tally)


def _add(custodian: Custodian, folder: ClipFolder, master: str, sealed: bytes, tally: Tally) -> None:
    """Store a receipt under the first name that is free, or that another custodian's has by now. Raises Refused where
    there is no such name."""
    for name in folder.free_names(master):
        try:
            custodian.archive.add(folder.key(name), sealed)
        except Conflict:
            if _another_was_first(custodian, folder, name):
                tally.lost_races += 1
                return
        else:
            tally.receipts += 1
            return
    raise Refused("every name for its receipt is taken by what is none", "find out who may put receipt* there")


def _another_was_first(custodian: Custodian, folder: ClipFolder, name: str) -> bool:
    try:
        read(custodian, folder, name)
    except (Refused, Missing) as err:
        log.warning("%s: it came while the clip was read, and is no receipt: %s", folder.key(name), err.what)
        return False
    log.info("%s: another custodian was first", folder.key(name))
    return True


def _unfinished(custodian: Custodian, folder: ClipFolder, told: Reports, tally: Tally) -> None:
    """A record or a preview without a master: a dock is still at it, or never came back; where it has its receipt,
    somebody took the master away."""
    if told.stands(folder.clip_id, folder.state):
        return
    if was := gone(custodian, folder):
        words = tuple(f"{one.key} was there at {one.time}; {where(custodian, one.key)}" for one in was)
        told.tell(Report(reports.ALTERED, folder.clip_id, folder.state, words, (f"{folder.prefix}/",)))
        return
    if custodian.now_ms() - folder.since_ms < custodian.settings.settle_ms:
        tally.waiting += 1
        return
    words = ("a dock began to deliver it, and the master has not come",)
    told.tell(Report(reports.UNFINISHED, folder.clip_id, folder.state, words, (f"{folder.prefix}/",)))


def _permit(custodian: Custodian, folder: ClipFolder, tally: Tally, refused: Refusals) -> None:
    try:
        why = permits.sign(custodian, folder)
    except Conflict:
        tally.lost_races += 1
        return
    if why:
        log.info("%s: no permit: %s", folder.prefix, why)
        if len(refused) < _MOST_REFUSED:
            refused[folder.prefix] = custodian.now_ms() + DAY_MS
        return
    tally.permits += 1
