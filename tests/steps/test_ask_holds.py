"""A dock asks what became of its holds: from a folder and over HTTP; what is false is said; nothing is said twice."""

import dataclasses
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from dockagent.config import Custodian as Named
from dockagent.core import strict_json
from dockagent.core.central import hold_note
from dockagent.core.central.hold_note import Held, HoldNote
from dockagent.core.central.hold_words import WantedHold
from dockagent.core.events.custodian import CustodianHeld, HoldsAsked
from dockagent.custodian.rounds import once
from dockagent.custodian.server import Desk, DeskServer
from dockagent.custodian.service_state import ServiceState
from dockagent.custodian.world import Custodian
from dockagent.errors import Missing
from dockagent.ledger.custodian_peer import Counterparty
from dockagent.ledger.keys import Keys
from dockagent.steps.ask_custodian import counterparty
from dockagent.steps.ask_holds import ask
from dockagent.steps.world import World
from dockagent.stores.shelf import FolderShelf
from tests.custodian.made import Dock, Folder, custodian, dock

TIME = "2026-11-23T04:02:04.777Z"


@dataclasses.dataclass(slots=True)
class OfStep:
    """What this step touches of a world."""

    custodian: Counterparty | None
    keys: Keys


@dataclasses.dataclass(slots=True)
class Bench:
    """A store with one clip on hold, of which the custodian has said that a folder knows no legal hold."""

    folder: Folder
    dock: Dock
    its: Custodian
    clip: str
    hold: int

    def asked(self, *, seen: str = "", url: str = "") -> tuple[Any, ...]:
        shelf = FolderShelf(self.folder.url, self.folder.root)
        named = Named(keys=(self.its.key.public.text(),), url=url, timeout_s=5)
        world = cast("World", OfStep(counterparty(named, lambda: shelf), self.dock.keys))
        return ask(world, [WantedHold(self.clip, self.hold, seen)])

    def note(self, name: str, signer: Custodian | None = None, **changed: Any) -> None:
        facts: dict[str, Any] = {"objects": (Held("master", "", "off", "on"),), "time": TIME, **changed}
        said = HoldNote(self.clip, "dock-7", self.hold, False, False, custodian="custodian", store="s3://x", **facts)
        payload = {"predicateType": hold_note.PREDICATE, "predicate": msgspec.to_builtins(said)}
        sealed = (signer or self.its).key.seal(strict_json.canonical(payload))
        named = hold_note.which("dock-7", self.hold)
        self.folder.put(f"custodian/holds/{self.clip}/{named}.{name}.json", sealed)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    folder = Folder(tmp_path / "store")
    one = dock(folder, tmp_path)
    prefix = one.deliver(b"a clip of some bytes")
    hold = one.tell("hold.set", clip_id=prefix.rpartition("/")[2])
    one.publish()
    its = custodian(folder, tmp_path, [one])
    once(its)
    return Bench(folder, one, its, prefix.rpartition("/")[2], hold)


def test_from_a_folder_the_newest_refusal_and_then_the_end(bench: Bench) -> None:
    held, end = bench.asked()
    assert isinstance(held, CustodianHeld)
    assert (held.clip_id, held.hold, held.word.outcome) == (bench.clip, bench.hold, "refused")
    assert "is a folder, which knows no legal hold; keep people from deleting it there" in held.word.reason
    assert end == HoldsAsked(1, 0)
    bench.note("refused.2", objects=(), refused="another reason")
    assert bench.asked()[0].word.reason == "another reason"
    bench.note("set")
    held, end = bench.asked()
    assert (held.word.outcome, held.word.objects, held.word.time) == ("reached", 1, TIME)
    assert (held.word.key_id, held.word.store) == (bench.its.key.public.key_id, "s3://x")
    assert end == HoldsAsked(1, 1)


def test_what_is_known_is_not_said_again(bench: Bench) -> None:
    held, _ = bench.asked()
    assert bench.asked(seen=held.word.sha256) == (HoldsAsked(1, 0),)


@pytest.mark.parametrize(
    ("changed", "why"),
    [({"objects": ()}, "neither"), ({"time": "soon"}, "its time"), ({"refused": 5}, "malformed")],
)
def test_a_note_that_is_none_is_said_to_be_false(bench: Bench, changed: dict[str, Any], why: str) -> None:
    bench.note("set", **changed)
    held, end = bench.asked()
    assert (held.word.outcome, why in held.word.reason, held.word.custodian) == ("false", True, "")
    assert end == HoldsAsked(1, 0)


def test_a_note_by_a_stranger_is_false_and_one_of_another_hold_too(bench: Bench, tmp_path: Path) -> None:
    bench.note("set", custodian(bench.folder, tmp_path, [bench.dock], "stranger"))
    assert "not signed by a custodian who is trusted" in bench.asked()[0].word.reason
    bench.hold += 1
    bench.note("set")
    other = hold_note.which("dock-7", bench.hold)
    data = bench.folder.take(f"custodian/holds/{bench.clip}/{other}.set.json")
    assert data is not None
    bench.hold -= 1
    bench.folder.put(f"custodian/holds/{bench.clip}/{hold_note.which('dock-7', bench.hold)}.set.json", data)
    held, _ = bench.asked()
    assert (held.word.outcome, f"about hold {bench.hold + 1}" in held.word.reason) == ("false", True)


@pytest.mark.parametrize("answer", [b"<html>Please sign in</html>", b"", b"{}", b"\xff\xfe"])
def test_what_is_nothing_signed_is_no_note_and_asked_for_again(bench: Bench, answer: bytes) -> None:
    named = hold_note.which("dock-7", bench.hold)
    bench.folder.put(f"custodian/holds/{bench.clip}/{named}.set.json", answer)
    (end,) = bench.asked()
    assert (end.asked, end.found) == (1, 0)
    assert "is nothing signed, and is asked for again" in end.reason
    bench.note("set")
    assert bench.asked()[0].word.outcome == "reached"


def test_a_portal_is_not_asked_about_every_hold(bench: Bench) -> None:
    requests = list[str]()

    def portal(kind: str, clip_id: str, folder: str, name: str) -> bytes:
        requests.append(name)
        return b"<html>Please sign in</html>"

    world = cast("World", OfStep(Counterparty((bench.its.key.public,), portal), bench.dock.keys))
    (end,) = ask(world, [WantedHold(bench.clip, bench.hold)] * 64)
    assert isinstance(end, HoldsAsked)
    assert (end.asked, end.found, len(requests)) == (3, 0, 3)


def test_over_http_and_when_nobody_answers(bench: Bench) -> None:
    desk = Desk(bench.its.key.public, bench.its.archive, None, ServiceState(bench.its.clock, 60))
    server = DeskServer("127.0.0.1:0", desk)
    server.start()
    url = f"http://127.0.0.1:{server.port}"
    try:
        assert bench.asked(url=url) == bench.asked()
        bench.note("set")
        assert bench.asked(url=url)[0].word.outcome == "reached"
        bench.hold += 7
        assert bench.asked(url=url) == (HoldsAsked(1, 0),)
    finally:
        server.stop()
    (end,) = bench.asked(url=url)
    assert (end.asked, end.found) == (1, 0)
    assert "does not answer" in end.reason
    for bad in ("", "dock-7", "dock-7.5", "../x.000000000000005"):
        assert desk.get(f"/holds/{bench.clip}?name={bad}").status == 400


def test_a_dock_without_a_custodian_asks_nobody(bench: Bench) -> None:
    with pytest.raises(Missing):
        ask(cast("World", OfStep(None, bench.dock.keys)), [WantedHold(bench.clip, bench.hold)])
