"""A dock asks for receipts: over HTTP and from a folder; what is false is an alarm, who is away is asked again."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from dockagent.config import Custodian as Named
from dockagent.core import events as ev
from dockagent.core.central import store_receipt
from dockagent.core.central.custodian_table import Wanted
from dockagent.core.events.custodian import CustodianAsked, CustodianReceived, CustodianRefuted
from dockagent.custodian.rounds import once
from dockagent.custodian.server import Desk, DeskServer
from dockagent.custodian.service_state import ServiceState
from dockagent.custodian.world import Custodian
from dockagent.errors import Missing, UsageError
from dockagent.ledger.custodian_peer import Counterparty
from dockagent.steps.ask_custodian import ask, counterparty
from dockagent.steps.world import World
from dockagent.stores.shelf import FolderShelf
from tests.custodian.made import Dock, Folder, custodian, dock

CLIP = b"a clip of some bytes"


@dataclasses.dataclass(slots=True)
class Bench:
    """A store with one clip and its receipt, and the way to it."""

    folder: Folder
    dock: Dock
    its: Custodian
    prefix: str

    def wanted(self, **changed: Any) -> Wanted:
        clip = self.prefix.rpartition("/")[2]
        receipt = (self.folder.root / self.prefix / "receipt.json").read_bytes()
        said = store_receipt.read(receipt, [self.its.key.public])
        one = Wanted(clip, said.key, said.bytes, said.sha256, said.clip_bytes, said.clip_sha256)
        return dataclasses.replace(one, **changed)

    def peer(self, **named: Any) -> Counterparty:
        shelf = FolderShelf(self.folder.url, self.folder.root)
        made = counterparty(Named(keys=(self.its.key.public.text(),), **named), lambda: shelf)
        assert made is not None
        return made


@dataclasses.dataclass(slots=True)
class OfStep:
    """What this step touches of a world."""

    custodian: Counterparty | None


def asked(peer: Counterparty | None, *wanted: Wanted) -> tuple[Any, ...]:
    return ask(cast("World", OfStep(peer)), wanted)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    folder = Folder(tmp_path / "store")
    one = dock(folder, tmp_path)
    prefix = one.deliver(CLIP)
    one.publish()
    its = custodian(folder, tmp_path, [one])
    once(its)
    return Bench(folder, one, its, prefix)


def test_from_a_folder(bench: Bench) -> None:
    received, end = asked(bench.peer(), bench.wanted())
    assert isinstance(received, CustodianReceived)
    assert (received.word.custodian, received.word.ledger_size) == ("custodian", 3)
    assert received.word.key_id == bench.its.key.public.key_id
    assert end == CustodianAsked(1, 1)


def test_over_http_and_when_nobody_answers(bench: Bench) -> None:
    state = ServiceState(bench.its.clock, 60)
    server = DeskServer("127.0.0.1:0", Desk(bench.its.key.public, bench.its.archive, None, state))
    server.start()
    peer = bench.peer(url=f"http://127.0.0.1:{server.port}", timeout_s=5)
    try:
        received, _ = asked(peer, bench.wanted())
        none = asked(peer, bench.wanted(clip_id="0" * 32, key=f"clips/BWC-0001/2026/11/22/{'0' * 32}/master"))
    finally:
        server.stop()
    assert isinstance(received, CustodianReceived)
    assert none == (CustodianAsked(1, 0),)
    (end,) = asked(peer, bench.wanted(), bench.wanted())
    assert (end.asked, end.found) == (1, 0)
    assert "does not answer" in end.reason


@pytest.mark.parametrize(
    "changed",
    [{"bytes": 1}, {"sha256": "00" * 32}, {"clip_bytes": 1}, {"clip_sha256": "00" * 32}, {"clip_id": "00" * 16}],
)
def test_a_receipt_about_other_bytes_is_an_alarm(bench: Bench, changed: dict[str, Any]) -> None:
    refuted, end = asked(bench.peer(), bench.wanted(**changed))
    assert isinstance(refuted, CustodianRefuted)
    assert "is false" in refuted.reason
    assert end.found == 1


def test_for_a_clip_whose_key_is_taken_the_receipt_is_the_delivery(bench: Bench) -> None:
    wanted = bench.wanted(store=bench.folder.url)
    delivered, received, end = asked(bench.peer(), wanted)
    assert isinstance(delivered, ev.Delivered)
    assert isinstance(received, CustodianReceived)
    proof = delivered.receipt
    assert (proof.proof, proof.store, proof.key) == ("custodian", bench.folder.url, wanted.key)
    assert (proof.bytes, proof.sha256) == (len(CLIP), hashlib.sha256(CLIP).hexdigest())
    assert (received.word.key, received.word.version) == (proof.key, proof.version)
    assert end == CustodianAsked(1, 1)


@pytest.mark.parametrize("changed", [{"store": "s3://elsewhere/force"}, {"sha256": "00" * 32}, {"bytes": 1}])
def test_a_receipt_of_another_store_or_about_other_bytes_delivers_nothing(
    bench: Bench, changed: dict[str, Any]
) -> None:
    refuted, end = asked(bench.peer(), bench.wanted(**{"store": bench.folder.url, **changed}))
    assert isinstance(refuted, CustodianRefuted)
    assert end == CustodianAsked(1, 1)


def test_a_receipt_by_nobody_who_is_known_is_an_alarm(bench: Bench, tmp_path: Path) -> None:
    wanted = bench.wanted()
    stranger = custodian(bench.folder, tmp_path, [bench.dock], "stranger")
    file = bench.folder.root / bench.prefix / "receipt.json"
    said = store_receipt.read(file.read_bytes(), [bench.its.key.public])
    forged = msgspec.structs.replace(said, custodian="stranger")
    file.write_bytes(stranger.key.seal(store_receipt.statement(forged)))
    refuted, _ = asked(bench.peer(), wanted)
    assert isinstance(refuted, CustodianRefuted)
    assert "not signed by a custodian who is trusted" in refuted.reason


@pytest.mark.parametrize(
    "answer",
    [b"<html>Please sign in</html>", b"", b"{}", b"\xff\xfe", "half"],
    ids=["page", "empty", "{}", "noise", "half"],
)
def test_what_is_nothing_signed_is_no_answer_and_asked_for_again(bench: Bench, answer: bytes | str) -> None:
    wanted, file = bench.wanted(), bench.folder.root / bench.prefix / "receipt.json"
    receipt = file.read_bytes()
    file.write_bytes(receipt[: len(receipt) // 2] if isinstance(answer, str) else answer)
    (end,) = asked(bench.peer(), wanted)
    assert (end.asked, end.found) == (1, 0)
    assert "is nothing signed, and is asked for again" in end.reason
    file.write_bytes(receipt)
    assert isinstance(asked(bench.peer(), wanted)[0], CustodianReceived)


def test_a_portal_is_not_asked_about_every_clip(bench: Bench) -> None:
    wanted, requests = bench.wanted(), list[str]()

    def portal(kind: str, clip_id: str, folder: str, name: str) -> bytes:
        requests.append(name)
        return b"<html>Please sign in</html>"

    (end,) = asked(Counterparty((bench.its.key.public,), portal), *[wanted] * 64)
    assert (end.asked, end.found, len(requests)) == (3, 0, 27)


@pytest.mark.parametrize("false", ["nothing signed", "by a stranger"])
def test_the_true_one_under_another_name_counts(bench: Bench, tmp_path: Path, false: str) -> None:
    file = bench.folder.root / bench.prefix / "receipt.json"
    receipt = file.read_bytes()
    stranger = custodian(bench.folder, tmp_path, [bench.dock], "stranger")
    wanted = bench.wanted()
    file.write_bytes(stranger.key.seal(b"{}") if false == "by a stranger" else b"{}")
    file.with_name("receipt.2.json").write_bytes(receipt)
    received, end = asked(bench.peer(), wanted)
    assert isinstance(received, CustodianReceived)
    assert (received.word.sha256, end) == (hashlib.sha256(receipt).hexdigest(), CustodianAsked(1, 1))


def test_it_is_handed_out_over_http_too(bench: Bench) -> None:
    wanted, file = bench.wanted(), bench.folder.root / bench.prefix / "receipt.json"
    file.write_bytes(b"{}")
    once(bench.its)
    server = DeskServer(
        "127.0.0.1:0", Desk(bench.its.key.public, bench.its.archive, None, ServiceState(bench.its.clock, 60))
    )
    server.start()
    try:
        received, _ = asked(bench.peer(url=f"http://127.0.0.1:{server.port}", timeout_s=5), wanted)
    finally:
        server.stop()
    assert isinstance(received, CustodianReceived)
    second = file.with_name("receipt.2.json").read_bytes()
    assert received.word.sha256 == hashlib.sha256(second).hexdigest()


def test_settings_that_cannot_work() -> None:
    with pytest.raises(UsageError, match="no keys"):
        counterparty(Named(url="https://x"), lambda: FolderShelf("", Path("/")))
    with pytest.raises(UsageError, match=r"keys of .custodian."):
        counterparty(Named(keys=("nonsense",)), lambda: FolderShelf("", Path("/")))
    assert counterparty(Named(), lambda: FolderShelf("", Path("/"))) is None
    with pytest.raises(Missing):
        asked(None)
