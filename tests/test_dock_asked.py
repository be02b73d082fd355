"""The loop and people's acts: each has its own sync and its own answer, and none meets a disposal half-way."""

from collections.abc import Iterator
from random import Random

import pytest

from dockagent.core import events as ev
from dockagent.core import plan
from dockagent.core.acts import Recorded
from dockagent.core.orders import Dispose
from dockagent.dock import Ask, Stop
from dockagent.errors import Refused
from tests.core.story import ACTOR, GROUNDS
from tests.dock_bench import Bench, camera
from tests.simulation.memory_disk import MemoryDisk, PowerCut

Answer = Recorded | Refused


@pytest.fixture
def bench() -> Iterator[Bench]:
    found = Bench(camera())
    yield found
    found.ledger.close()


def until_disposal(bench: Bench) -> str:
    """Turn until the clip's disposal is under way, and nothing of it done; the clip."""
    bench.see("appeared")
    for _ in range(400):
        bench.turn()
        disposals = [order for order, _ in bench.hands.waiting if isinstance(order, Dispose)]
        if disposals:
            return disposals[0].clip
        if bench.hands.waiting:
            bench.dock.post(bench.hands.work())
    raise AssertionError("no clip was ever to be disposed of")


def hold(bench: Bench, clip: str) -> list[Answer]:
    """Ask for a hold; where its answer will be."""
    answers: list[Answer] = []
    bench.dock.post(Ask(ev.HoldSet(clip, actor=ACTOR, grounds=GROUNDS), answers.append))
    return answers


def only_clip(bench: Bench) -> str:
    (clip,) = bench.dock.state.clips
    return clip


def until_delivered(bench: Bench) -> str:
    """Turn until the store has the clip, and stop just before its disposal is ordered; the clip."""
    bench.see("appeared")
    for _ in range(400):
        bench.turn()
        if "admit" in bench.kinds():
            return only_clip(bench)
        if bench.hands.waiting:
            bench.dock.post(bench.hands.work())
    raise AssertionError("no clip was ever admitted")


def test_an_answer_names_the_record(bench: Bench) -> None:
    clip = until_delivered(bench)
    answers = hold(bench, clip)
    bench.turn()
    (answer,) = answers
    assert isinstance(answer, Recorded)
    assert isinstance(bench.events[answer.index], ev.HoldSet)


def test_a_hold_keeps_the_copy_and_clearing_it_frees_the_room(bench: Bench) -> None:
    clip = until_delivered(bench)
    answers = hold(bench, clip)
    bench.run()
    assert "receipt" in bench.kinds()
    assert "dispose" not in bench.kinds()
    assert bench.safe(), "a hold keeps no camera"
    master = f"{plan.spool_folder(clip)}/master"
    assert bench.home.size(master) == 5000
    (answer,) = answers
    assert isinstance(answer, Recorded)
    bench.dock.post(Ask(ev.HoldCleared(clip, answer.index, actor=ACTOR, grounds=GROUNDS), answers.append))
    bench.run()
    assert bench.kinds().count("dispose") == 1
    assert bench.home.size(master) is None


def test_a_hold_that_comes_during_a_disposal_waits_for_its_end(bench: Bench) -> None:
    """Else the ledger would say that a copy is held which is gone."""
    clip = until_disposal(bench)
    answers = hold(bench, clip)
    for _ in range(3):
        bench.turn()
    assert answers == []
    bench.run()
    kinds = bench.kinds()
    assert kinds.index("dispose") < kinds.index("hold.set")
    assert isinstance(answers[0], Recorded)


def test_what_is_asked_about_another_clip_does_not_wait(bench: Bench) -> None:
    until_disposal(bench)
    answers = hold(bench, "nobody")
    bench.turn()
    (answer,) = answers
    assert isinstance(answer, Refused)


def test_at_the_stop_whoever_waits_is_answered(bench: Bench) -> None:
    clip = until_disposal(bench)
    waiting = hold(bench, clip)
    bench.turn()
    late: list[Answer] = []
    bench.dock.post(Stop("asked"))
    bench.dock.post(Ask(ev.Accessed("read", actor=ACTOR), late.append))
    bench.dock.stop()
    assert isinstance(waiting[0], Refused)
    assert isinstance(late[0], Recorded)
    assert bench.kinds()[-2:] == ["access", "dock.stop"]


def test_each_act_is_durable_before_it_is_answered() -> None:
    """The power goes as soon as the answer is there: the record is too."""
    home = MemoryDisk(Random(5))
    bench = Bench(camera(), home=home)
    clip = until_delivered(bench)
    answers: list[Answer] = []

    def cut(answer: Answer) -> None:
        answers.append(answer)
        raise PowerCut

    bench.dock.post(Ask(ev.HoldSet(clip, actor=ACTOR, grounds=GROUNDS), cut))
    with pytest.raises(PowerCut):
        bench.turn()
    bench.ledger.close()
    home.power_cut()
    again = Bench(camera(), home=home, store=bench.store)
    assert isinstance(answers[0], Recorded)
    assert [one.record for one in again.dock.state.clips[clip].holds] == [answers[0].index]
    again.ledger.close()


def test_an_act_that_no_record_can_hold_is_refused_and_stops_nothing(bench: Bench) -> None:
    clip = until_delivered(bench)
    answers: list[Answer] = []
    bench.dock.post(Ask(ev.Accessed("read", clip, reason="half \ud800 of a pair", actor=ACTOR), answers.append))
    bench.run()
    assert isinstance(answers[0], Refused)
    assert "dispose" in bench.kinds()
