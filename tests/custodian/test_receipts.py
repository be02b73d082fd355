"""What is called a receipt and is none: it is reported, and the clip gets its receipt all the same."""

import hashlib
from collections import Counter
from pathlib import Path

import pytest

from dockagent.core.central import store_receipt
from dockagent.core.permits import permit
from dockagent.custodian.folders import folders
from dockagent.custodian.known import FILE, Known
from dockagent.custodian.receipts import Receipts
from dockagent.custodian.reports import Reports
from dockagent.custodian.rounds import once
from dockagent.custodian.world import Custodian, Settings, Tally
from dockagent.durable import RealDisk
from dockagent.evidence.report import Report
from dockagent.evidence.verify import verify
from dockagent.ledger.trust import Trust
from tests.custodian.in_container import InContainer
from tests.custodian.made import PERMISSIVE, Dock, Folder, InBucket, Shelf, custodian, dock, old
from tests.custodian.test_rounds import PERMITTING, reports_of

CLIP = bytes(range(256)) * 9000


@pytest.fixture
def one(shelf: Shelf, tmp_path: Path) -> Dock:
    return dock(shelf, tmp_path)


def test_what_nobody_signed_is_reported_and_silences_nothing(shelf: Shelf, one: Dock, tmp_path: Path) -> None:
    prefix = one.deliver(CLIP)
    one.publish()
    shelf.put(f"{prefix}/receipt.json", b"{}")
    its = custodian(shelf, tmp_path, [one])
    for new, receipts, permits in (({"false-receipt": 1}, 1, 0), ({}, 0, 1), ({}, 0, 0)):
        tally = once(its)
        assert (dict(tally.new), tally.exit_code, tally.refuting, tally.troubles) == (new, 1, 1, [])
        assert (tally.receipts, tally.permits) == (receipts, 0 if "swift" in shelf.url else permits)
    assert shelf.take(f"{prefix}/receipt.json") == b"{}"
    data = shelf.take(f"{prefix}/receipt.2.json")
    assert data is not None
    said = store_receipt.read(data, [its.key.public])
    assert (said.sha256, said.key) == (hashlib.sha256(CLIP).hexdigest(), f"{prefix}/master")
    assert "receipt.json is no receipt" in str(reports_of(shelf, "false-receipt")[0]["words"])


def test_the_clip_under_it_is_looked_at(shelf: Shelf, one: Dock, tmp_path: Path) -> None:
    prefix = one.deliver(CLIP)
    one.publish()
    shelf.put(f"{prefix}/receipt.json", b"{}")
    shelf.put(f"{prefix}/master", CLIP[:-1] + b"!")
    tally = once(custodian(shelf, tmp_path, [one]))
    assert (dict(tally.new), tally.receipts) == ({"false-receipt": 1, "altered": 1}, 0)


def test_a_receipt_for_another_clip_is_none(shelf: Shelf, one: Dock, tmp_path: Path) -> None:
    first, second = one.deliver(CLIP), one.deliver(CLIP + b"more")
    one.publish()
    its = custodian(shelf, tmp_path, [one])
    once(its)
    moved = one.deliver(CLIP + b"a third")
    one.publish()
    shelf.put(f"{moved}/receipt.json", shelf.take(f"{second}/receipt.json") or b"")
    tally = once(its)
    assert (dict(tally.new), tally.receipts) == ({"false-receipt": 1}, 1)
    assert shelf.take(f"{moved}/receipt.2.json") is not None
    assert shelf.take(f"{first}/receipt.2.json") is None


def test_who_is_trusted_later_is_believed_from_then_on(folder: Folder, tmp_path: Path) -> None:
    one = dock(folder, tmp_path)
    prefix = one.deliver(CLIP)
    one.publish()
    other = custodian(folder, tmp_path, [one], "other")
    once(other)
    assert dict(once(custodian(folder, tmp_path, [one])).new) == {"false-receipt": 1}
    its = custodian(folder, tmp_path, [one])
    trust = Trust(docks=its.trust.docks, custodians=(other.key.public,))
    told = once(Custodian(its.archive, its.key, its.clock, trust, PERMISSIVE))
    assert (told.exit_code, told.told, told.receipts) == (0, [], 0)
    assert sorted(file.name for file in (folder.root / prefix).glob("receipt*")) == ["receipt.2.json", "receipt.json"]


@PERMITTING
def test_the_permit_rests_on_the_true_one(shelf: Shelf, one: Dock, tmp_path: Path) -> None:
    prefix = one.deliver(CLIP)
    one.publish()
    shelf.put(f"{prefix}/receipt.json", b"{}")
    its = custodian(shelf, tmp_path, [one])
    once(its)
    once(its)
    signed, receipt = shelf.take(f"{prefix}/permit.json"), shelf.take(f"{prefix}/receipt.2.json")
    assert signed is not None
    assert receipt is not None
    leave = permit.read(signed, [its.key.public.public])
    assert leave.clip.receipt_sha256 == hashlib.sha256(receipt).hexdigest()


def test_no_name_is_left(folder: Folder, tmp_path: Path) -> None:
    one = dock(folder, tmp_path)
    prefix = one.deliver(CLIP)
    one.publish()
    for name in ("receipt.json", *(f"receipt.{number}.json" for number in range(2, 10))):
        folder.put(f"{prefix}/{name}", b"{}")
    tally = once(custodian(folder, tmp_path, [one]))
    assert (dict(tally.new), tally.receipts, tally.exit_code) == ({"false-receipt": 9}, 0, 1)
    assert "every name for its receipt is taken" in tally.troubles[0]


def report_on(folder: Folder, trust: Trust) -> Report:
    return next(one for one in verify(folder.root, trust) if one.kind == "custodian")


def test_verify_takes_the_true_one_and_tells_of_the_other(folder: Folder, tmp_path: Path) -> None:
    one = dock(folder, tmp_path)
    prefix = one.deliver(CLIP)
    one.publish()
    folder.put(f"{prefix}/receipt.json", b"{}")
    its = custodian(folder, tmp_path, [one])
    trust = Trust(docks=one.keys.docks, custodians=(its.key.public,))
    folder.put(f"{prefix}/receipt.json", b"{}")
    assert report_on(folder, trust).verdicts["signer"].word == "fail"
    once(its)
    once(its)
    report = report_on(folder, trust)
    assert {name: one.word for name, one in report.verdicts.items()} == {"intact": "pass", "signer": "pass"}
    assert f"{prefix}/receipt.json" in report.findings[0]
    assert (report.facts[0], report.exit_code) == ("1 permits to erase from a camera", 3)
    clip = next(each for each in verify(folder.root, trust) if each.kind == "clip")
    assert (clip.exit_code, clip.findings) == (0, ())


# ---- what it costs ---------------------------------------------------------------------------------------------------


def asked(its: Custodian) -> Counter[str]:
    """What one round asks of the store."""
    its.archive.asked.clear()
    assert once(its).troubles == []
    return Counter(its.archive.asked)


def test_a_receipt_is_read_once(shelf: Shelf, one: Dock, tmp_path: Path) -> None:
    for number in range(5):
        one.deliver(CLIP + bytes([number]))
    one.publish()
    its = custodian(shelf, tmp_path, [one], settings=Settings(ledger_wait_ms=0))
    once(its)
    first, second, third = asked(its), asked(its), asked(its)
    verb = next(name for name in ("get", "GET") if first[name])
    each = {Folder: 1, InBucket: 2, InContainer: 3}[type(shelf)]  # which one was the first, and that one
    assert (first[verb] - second[verb], second) == (5 * each, third)


def test_what_was_checked_outlives_the_process_and_may_be_lost(folder: Folder, tmp_path: Path) -> None:
    one = dock(folder, tmp_path)
    for number in range(5):
        one.deliver(CLIP + bytes([number]))
    one.publish()
    home = RealDisk(tmp_path / "home")

    def again() -> int:
        its = custodian(folder, tmp_path, [one], settings=Settings(ledger_wait_ms=0), known=Known(home))
        return asked(its)["get"]

    again()
    checked, kept = again(), again()
    assert checked - kept == 5
    with (tmp_path / "home" / FILE).open("ab") as file:
        file.write(b"cut")  # as a crash leaves it
    assert again() == kept
    assert (home.size(FILE) or 0) % 8 == 0
    home.remove(FILE)
    assert again() == checked
    assert again() == kept


def test_what_a_round_has_no_time_for_counts_by_its_name(folder: Folder, tmp_path: Path) -> None:
    one = dock(folder, tmp_path)
    bad, good = one.deliver(CLIP), one.deliver(CLIP + b"more")
    one.publish()
    folder.put(f"{bad}/receipt.json", b"{}")
    its = custodian(folder, tmp_path, [one])

    def judged(looks: int) -> dict[str, list[str]]:
        receipts = Receipts(its, Reports(its, Tally()), looks)
        listed = folders(its.archive.list("clips/BWC-0001/"), [])
        return {one.prefix: receipts.judge(one)[0].receipts for one in listed}

    assert judged(0) == {bad: ["receipt.json"], good: []}
    assert judged(1) == {bad: [], good: []}
    assert judged(0) == {bad: [], good: []}, "the report stands"
    once(its)
    assert judged(0) == judged(9) == {bad: ["receipt.2.json"], good: ["receipt.json"]}


def test_many_are_known(tmp_path: Path) -> None:
    home = RealDisk(tmp_path)
    first, names = Known(home), [f"receipt {number}" for number in range(25_000)]
    for name in names:
        first.note(name)
    first.keep()
    first.keep()
    assert home.size(FILE) == 16 + 8 * len(names)
    for known in (first, Known(home)):
        assert all(known.has(name) for name in names)
        assert not any(known.has(f"another {number}") for number in range(25_000))


# ---- a master that is not as its receipt says ------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"junk on top", CLIP[:-1] + b"!"], ids=["another size", "the same size"])
def test_a_master_overwritten_after_its_receipt_is_read_at_once(
    shelf: Shelf, one: Dock, tmp_path: Path, data: bytes
) -> None:
    bad, _ = one.deliver(CLIP), one.deliver(CLIP + b"more")
    one.publish()
    its = custodian(shelf, tmp_path, [one], settings=Settings(ledger_wait_ms=0, permits=PERMISSIVE.permits))
    once(its)
    once(custodian(shelf, tmp_path, [one], settings=Settings(ledger_wait_ms=0)))
    _later(shelf, f"{bad}/master", data)
    for new in ({"altered": 1}, {}):
        tally = once(its)
        assert (dict(tally.new), tally.exit_code, tally.refuting) == (new, 1, 1)
    (said,) = reports_of(shelf, "altered")
    assert said["what"] == bad.rpartition("/")[2]
    assert shelf.take(f"{bad}/permit.json") is None


def test_the_same_bytes_again_are_read_once_more_and_are_good(folder: Folder, tmp_path: Path) -> None:
    one = dock(folder, tmp_path)
    prefix = one.deliver(CLIP)
    one.publish()
    its = custodian(folder, tmp_path, [one], settings=Settings(ledger_wait_ms=0))
    once(its)
    once(its)
    old(folder, f"{prefix}", -1)
    tally = once(its)
    assert (tally.audits, tally.told, tally.exit_code) == (0, [], 0), "the receipt came as late, by its date"
    folder.put(f"{prefix}/receipt.json", (folder.root / prefix / "receipt.json").read_bytes())
    assert [once(its).audits for _ in range(3)] == [1, 0, 0]


def _later(shelf: Shelf, key: str, data: bytes) -> None:
    """Overwrite it, in a second that is not the receipt's."""
    receipt = f"{key.rpartition('/')[0]}/receipt.json"
    with shelf.archive().open(receipt) as held:
        came = held.facts.modified_ms // 1000
    while True:
        shelf.put(key, data)
        with shelf.archive().open(key) as held:
            if held.facts.modified_ms // 1000 > came:
                return
