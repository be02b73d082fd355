"""A checkpoint goes round: who signs, what is kept and published, and what each of the others' troubles comes to."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from dockagent.core import events as ev
from dockagent.core.camera.inventory import Finding
from dockagent.core.history import CONTRADICTED
from dockagent.core.proof import cosignature, merkle, note
from dockagent.errors import Missing, Permanent, Refused, Retryable, UsageError
from dockagent.ledger import tiles_read
from dockagent.ledger.ask_witness import Reply, WitnessPeer
from dockagent.ledger.leaves import Leaves
from dockagent.ledger.log import Ledger
from dockagent.ledger.notary import Notary, Stamper, notary_of
from dockagent.ledger.witness import Witness
from dockagent.steps.notarize import notarize, notarize_at_stop
from dockagent.steps.world import World
from dockagent.stores import Source, Stored
from tests.ledger import made, witnesses
from tests.simulation.actors import MemoryStore, SimBays, VirtualClock
from tests.simulation.memory_disk import MemoryDisk, PowerCut, SubDisk
from tests.steps.card import keys, world_over

NAMES = ("w.example/0", "w.example/1", "w.example/2")
HEAD = "ledgers/dock-7/checkpoint"
Post = Callable[[WitnessPeer, bytes], Reply]


class Place:
    """A dock's home in memory with a ledger, and three witnesses in this process."""

    def __init__(self, store: MemoryStore | None = None, stamp: Stamper | None = None) -> None:
        self.disk, self.store = MemoryDisk(Random(0)), store or MemoryStore(Random(0))
        self.others: dict[str, Witness] = {
            name: witnesses.witness(keys(), name=name, seed=n, clock=VirtualClock()) for n, name in enumerate(NAMES)
        }
        self.peers = tuple(witnesses.peer(name, n) for n, name in enumerate(NAMES))
        self.stamp = stamp
        self.asked: list[tuple[str, bytes]] = []
        self.away: set[str] = set()

    def grow(self, count: int) -> None:
        with Ledger.open(SubDisk(self.disk, "ledger"), keys()) as log:
            log.append([made.record(log.size + n) for n in range(count)])
            log.checkpoint()

    def world(self, **changed: object) -> World:
        facts: dict[str, object] = {"stamp": self.stamp, "stamp_url": "http://tsa" if self.stamp else ""}
        notary = Notary(self.peers, 2, self._post, Leaves(self.disk, "ledger"))
        notary = replace(notary, **{**facts, **changed})  # type: ignore[arg-type]
        return world_over(self.disk, SimBays({}, Random(0)), store=self.store, notary=notary)

    def round(self, **changed: object) -> ev.Checkpointed:
        (event,) = notarize(self.world(**changed))
        assert isinstance(event, ev.Checkpointed)
        return event

    def _post(self, peer: WitnessPeer, body: bytes) -> Reply:
        self.asked.append((peer.name, body))
        if peer.name in self.away:
            raise Retryable(f"witness {peer.name} does not answer")
        answer = self.others[peer.name].add_checkpoint(body)
        return Reply(answer.status, answer.body)

    def kept(self, size: int) -> note.Note:
        return note.parse(self.disk.read(f"ledger/witnessed/{size}"))

    def get(self, path: str, most: int) -> bytes | None:
        return self.store.objects.get(f"ledgers/dock-7/{path}")


def codes(event: ev.Checkpointed) -> list[str]:
    return [one.code for one in event.findings]


def test_all_sign_all_is_kept_and_published() -> None:
    place = Place()
    place.grow(300)
    event = place.round()
    assert (event.size, event.asked, event.quorum, event.findings, event.retry) == (300, 3, 2, (), False)
    assert [one.name for one in event.cosigners] == list(NAMES)
    good, bad = cosignature.good(place.kept(300), [peer.key for peer in place.peers])
    assert (len(good), bad) == (3, ())
    assert event.published == "ledgers/dock-7/checkpoint"
    published = place.store.objects[event.published]
    assert published == place.disk.read("ledger/witnessed/300") == place.store.objects["ledgers/dock-7/checkpoints/300"]
    head = note.parse_checkpoint(note.parse(published))
    lines = place.disk.read("ledger/entries.jsonl").splitlines()
    assert list(tiles_read.entries(place.get, head)) == lines
    assert event.root == merkle.root(map(merkle.leaf_hash, lines)).hex()


def test_it_goes_on_from_where_each_witness_is() -> None:
    place = Place()
    place.grow(3)
    place.round()
    place.away = {NAMES[1]}
    for _ in range(3):
        place.grow(4)
        assert codes(place.round()) == ["witness"]
    place.away.clear()
    place.grow(2)
    place.asked.clear()
    event = place.round()
    assert (event.size, len(event.cosigners)) == (17, 3)
    olds = [(name, body.split(b"\n")[0]) for name, body in place.asked]
    assert olds == [(NAMES[0], b"old 15"), (NAMES[1], b"old 3"), (NAMES[2], b"old 15")], "no question too many"
    place.disk.remove("ledger/witnessed/17")  # what we thought they know may be lost: they tell
    place.grow(1)
    assert len(place.round().cosigners) == 3


def test_without_a_quorum_nothing_is_published_and_the_word_of_one_is_kept() -> None:
    place = Place()
    place.grow(5)
    place.away = {NAMES[0], NAMES[1]}
    event = place.round()
    assert ([one.name for one in event.cosigners], codes(event), event.published) == ([NAMES[2]], ["witness"] * 2, "")
    assert place.store.objects == {}
    assert len(place.kept(5).signatures) == 2
    place.away.clear()
    place.asked.clear()
    assert len(place.round().cosigners) == 3
    assert [name for name, _ in place.asked] == [NAMES[0], NAMES[1]], "who has signed is not asked again"


def test_a_fork_is_neither_cosigned_nor_published_nor_stamped() -> None:
    place = Place()
    place.grow(6)
    place.round()
    seen = dict(place.store.objects)
    for path in ("ledger/entries.jsonl", "ledger/checkpoint", "ledger/witnessed/6"):
        place.disk.remove(path)
    with Ledger.open(SubDisk(place.disk, "ledger"), keys()) as log:
        log.append([made.record(n, "rewritten") for n in range(9)])
        log.checkpoint()
    event = place.round(stamp=lambda data: (b"token", 1, "1"), stamp_url="http://tsa")
    assert (event.cosigners, event.stamp, event.published) == ((), None, "")
    assert all("another" in one.text for one in event.findings)
    assert codes(event) == [CONTRADICTED] * 3
    assert place.store.objects == seen


def test_a_ledger_that_was_rewritten_under_what_is_kept_is_refused() -> None:
    place = Place()
    place.grow(6)
    place.round()
    for path in ("ledger/entries.jsonl", "ledger/checkpoint"):
        place.disk.remove(path)
    with Ledger.open(SubDisk(place.disk, "ledger"), keys()) as log:
        log.append([made.record(n, "rewritten") for n in range(6)])
        log.checkpoint()
    with pytest.raises(Refused, match="this ledger was rewritten"):
        notarize(place.world())


def test_a_witness_with_another_clock_counts_and_is_named() -> None:
    place = Place()
    ahead = VirtualClock()
    ahead.sleep(3600)
    place.others[NAMES[0]] = witnesses.witness(keys(), name=NAMES[0], seed=0, clock=ahead)
    place.grow(5)
    event = place.round()
    assert (len(event.cosigners), codes(event)) == (3, ["witness-clock"])
    assert "3600 s ahead of ours" in event.findings[0].text or "3599 s ahead of ours" in event.findings[0].text


def test_a_time_stamp_is_over_the_part_that_never_changes() -> None:
    stamped: list[bytes] = []

    def stamp(data: bytes) -> tuple[bytes, int, str]:
        stamped.append(data)
        return b"a token", 1_795_000_000_000, "a0"

    place = Place(stamp=stamp)
    place.grow(5)
    event = place.round()
    assert event.stamp is not None
    assert (event.stamp.serial, event.stamp.time_ms) == ("a0", 1_795_000_000_000)
    assert stamped == [place.disk.read("ledger/checkpoint")]
    assert place.disk.read("ledger/witnessed/5.tsr") == b"a token"
    assert place.store.objects["ledgers/dock-7/checkpoints/5.tsr"] == b"a token"


@pytest.mark.parametrize(
    "error", [Retryable("away"), Refused("a foreign chain"), Missing("no tool"), Permanent("never")]
)
def test_an_authority_in_trouble_stops_nobody_else(error: Exception) -> None:
    def stamp(data: bytes) -> tuple[bytes, int, str]:
        raise error

    place = Place(stamp=stamp)
    place.grow(5)
    event = place.round()
    assert (len(event.cosigners), event.stamp, codes(event)) == (3, None, ["timestamp"])
    assert event.retry is isinstance(error, Retryable)
    assert event.published


def test_a_store_that_is_away_is_tried_again_and_nothing_else_is_lost() -> None:
    place = Place()
    place.grow(5)
    place.store.away = True
    event = place.round()
    assert (len(event.cosigners), event.retry, codes(event), event.published) == (3, True, ["publish"], "")
    place.store.away = False
    place.grow(1)
    assert place.round().published


def test_other_bytes_in_the_store_are_an_alarm_and_stay() -> None:
    place = Place()
    place.grow(5)
    place.store.objects["ledgers/dock-7/tile/0/000.p/5"] = b"somebody else's"
    event = place.round()
    assert (codes(event), event.retry, event.published) == (["publish"], False, "")
    assert "other bytes" in event.findings[0].text
    assert "ledgers/dock-7/checkpoint" not in place.store.objects


class Breaking(MemoryStore):
    """A store that the dock may only put to, and that goes away after so many objects."""

    left = 1000

    def put(self, key: str, source: Source, progress: Callable[[int], None] | None = None) -> Stored:
        self.left -= 1
        if self.left < 0:
            raise Retryable("the store is away")
        return super().put(key, source, progress)


@pytest.mark.parametrize("puts", range(7))
def test_what_is_taken_and_may_not_be_looked_at_is_its_own(puts: int) -> None:
    """The store, or the power, went in the middle of a publication: what was put before that is taken then."""
    store = Breaking(Random(0))
    place = Place(store)
    place.grow(300)
    store.blind, store.left = True, puts
    event = place.round()
    assert (bool(event.published), event.retry) == (puts == 6, puts < 6), sorted(store.objects)
    store.left = 1000
    for mark in place.disk.names("ledger/published"):
        place.disk.remove(f"ledger/published/{mark}")
    event = place.round()
    assert (event.published, event.retry, set(codes(event))) == (HEAD, False, {"publish"} if puts else set())
    assert {one.severity for one in event.findings} == ({"notice"} if puts else set())
    if puts:
        assert f"{min(puts, 5)} parts of the published ledger were in the store already" in event.findings[-1].text
    head = note.parse_checkpoint(note.parse(store.objects[HEAD]))
    assert list(tiles_read.entries(place.get, head)) == place.disk.read("ledger/entries.jsonl").splitlines()
    place.grow(300)
    event = place.round()
    assert (event.size, event.published, event.findings) == (600, HEAD, ())


def test_somebody_elses_tile_under_a_key_that_it_may_not_look_at_leads_nobody_astray() -> None:
    place = Place()
    place.grow(5)
    place.store.blind = True
    place.store.objects["ledgers/dock-7/tile/0/000.p/5"] = b"somebody else's"
    event = place.round()
    assert (event.published, [one.severity for one in event.findings]) == (HEAD, ["notice"])
    assert "takes them for its own; the custodian holds each against the checkpoint" in event.findings[0].text
    with pytest.raises(Refused):
        list(tiles_read.entries(place.get, note.parse_checkpoint(note.parse(place.store.objects[HEAD]))))


def test_an_earlier_word_on_the_same_records_stays() -> None:
    place = Place()
    place.grow(5)
    place.round()
    place.disk.remove("ledger/witnessed/5")
    first = place.store.objects["ledgers/dock-7/checkpoints/5"]
    place.away = {NAMES[0]}
    event = place.round()
    assert event.findings[-1] == Finding("publish", event.findings[-1].text, "notice")
    assert place.store.objects["ledgers/dock-7/checkpoints/5"] == first


def test_the_power_may_go_at_every_durable_call() -> None:
    """Whatever is left, the next round is good, and no witness is ever contradicted."""
    whole = Place(stamp=lambda data: (b"a token", 1, "a0"))
    whole.grow(5)
    before = whole.disk.calls
    whole.round()
    steps = whole.disk.calls - before
    assert steps >= 3
    for cut in range(1, steps + 1):
        place = Place(stamp=lambda data: (b"a token", 1, "a0"))
        place.grow(5)
        place.disk.cut_at = place.disk.calls + cut
        with pytest.raises(PowerCut):
            notarize(place.world())
        place.disk.power_cut()
        for more in (0, 2):
            if more:
                place.grow(more)
            event = place.round()
            assert (len(event.cosigners), event.retry, bool(event.published)) == (3, False, True)
            assert cosignature.good(place.kept(5 + more), [peer.key for peer in place.peers])[1] == ()


def test_at_the_end_there_is_no_time_to_lose() -> None:
    place = Place()
    place.grow(5)
    world = place.world()
    assert world.notary is not None
    assert notarize_at_stop(world, world.notary, 60) == "the last 5 records are cosigned by 3 of 3"
    assert len(place.kept(5).signatures) == 4
    assert place.store.objects == {}
    place.grow(5)
    place.asked.clear()
    assert "by 0 of 3" in notarize_at_stop(world, world.notary, 0)
    assert place.asked == []


def test_settings_that_cannot_work_are_named() -> None:
    leaves = Leaves(MemoryDisk(Random(0)), "ledger")
    one = f"{witnesses.key().public.text()} http://w:1"
    assert notary_of([], 0, leaves, 1.0) is None
    notary = notary_of([one], 0, leaves, 1.0)
    assert notary is not None
    assert notary.quorum == 1
    with pytest.raises(UsageError, match="names one key twice"):
        notary_of([one, one], 0, leaves, 1.0)
    with pytest.raises(UsageError, match="names 1 witnesses, fewer than its quorum of 2"):
        notary_of([one], 2, leaves, 1.0)
    with pytest.raises(Exception, match="without roots"):
        notary_of([], 0, leaves, 1.0, stamp_url="http://tsa")
