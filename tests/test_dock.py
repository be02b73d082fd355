"""The one loop: record, believe, act; comings and goings in their order; nothing that happens stops it."""

import hashlib
import logging
from collections.abc import Iterator

import pytest

from dockagent.core import events as ev
from dockagent.core import plan
from dockagent.core.model import ClipPhase, SessionPhase
from dockagent.core.orders import Identify, Pull
from dockagent.core.proof import note
from dockagent.dock import Stop
from dockagent.workers import Done
from tests.dock_bench import Bench, camera
from tests.steps.card import some_bytes


@pytest.fixture
def bench() -> Iterator[Bench]:
    found = Bench(camera(), camera("SIM-2"))
    yield found
    found.ledger.close()


def after_words(bench: Bench) -> list[str]:
    return [event.after for event in bench.events if isinstance(event, ev.DockStarted)]


# ---- a life ---------------------------------------------------------------------------------------------------------


def test_one_camera_goes_through_from_end_to_end(bench: Bench) -> None:
    bench.see("appeared")
    bench.run()
    assert bench.kinds()[:-2] == [
        "dock.start", "keys.certify", "camera.attach", "camera.identify", "camera.inventory", "acquire", "verify",
        "measure", "derive", "clip.fields", "admit", "receipt",
    ]  # fmt: skip
    assert set(bench.kinds()[-2:]) == {"dispose", "camera.release"}
    (session,) = bench.dock.state.sessions.values()
    assert (session.phase, session.safe) == (SessionPhase.RELEASED, True)
    digest = hashlib.sha256(some_bytes(5000)).hexdigest()
    (master,) = [data for key, data in bench.store.objects.items() if key.endswith("/master")]
    assert hashlib.sha256(master).hexdigest() == digest
    assert plan.clip_id("SIM-1", digest) in bench.dock.state.clips
    assert bench.dock.idle


def test_no_order_is_given_while_it_is_under_way(bench: Bench) -> None:
    bench.see("appeared")
    for _ in range(5):
        bench.turn()
    assert bench.hands.given == [Identify("bay:A", bench.dock.state.sessions["A"].id, "A")]
    assert bench.dock.busy == set(bench.hands.given)
    assert not bench.dock.idle


def test_two_cameras_are_read_side_by_side(bench: Bench) -> None:
    bench.see("appeared", "SIM-1", bay="A")
    bench.see("appeared", "SIM-2", bay="B")
    bench.turn()
    assert [order.lane for order in bench.hands.given] == ["bay:A", "bay:B"]
    bench.run()
    assert all(one.safe for one in bench.dock.state.sessions.values())


def test_when_it_is_idle_the_checkpoint_is_over_everything(bench: Bench) -> None:
    bench.see("appeared")
    bench.run()
    head = bench.home.read("ledger/checkpoint")
    assert note.parse_checkpoint(note.parse(head)).size == bench.ledger.size == len(bench.events)


# ---- starting again -------------------------------------------------------------------------------------------------


def test_a_start_says_after_what() -> None:
    first = Bench(camera())
    first.close()
    second = Bench(camera(), home=first.home)
    second.ledger.close()  # as after a power cut: no stop was recorded
    third = Bench(camera(), home=first.home)
    third.close()
    assert after_words(third) == ["first start", "clean stop", "crash or power cut"]


def test_what_was_believed_is_believed_again() -> None:
    first = Bench(camera())
    first.store.away = True
    first.see("appeared")
    first.run(60)
    clips = {clip.id: (clip.phase, clip.sha256) for clip in first.dock.state.clips.values()}
    assert [phase for phase, _ in clips.values()] == [ClipPhase.SHOWN]
    first.close()
    first.store.away = False
    again = Bench(camera(), home=first.home, store=first.store)
    assert {clip.id: (clip.phase, clip.sha256) for clip in again.dock.state.clips.values()} == clips
    again.run()  # no recovery code, and no camera: the state asks for its orders
    assert [clip.phase for clip in again.dock.state.clips.values()] == [ClipPhase.DONE]
    again.ledger.close()


def test_docking_again_costs_a_listing_and_no_copy(bench: Bench) -> None:
    for _ in range(2):
        bench.see("appeared")
        bench.run()
        bench.see("gone")
        bench.run(3)
    assert bench.kinds().count("camera.inventory") == 2
    assert bench.kinds().count("acquire") == 1
    detached = [event for event in bench.events if isinstance(event, ev.CameraDetached)]
    assert [(event.clean, event.left) for event in detached] == [(True, 0), (True, 0)]


def test_after_a_stop_no_order_is_given_and_what_was_done_is_recorded(bench: Bench) -> None:
    bench.see("appeared")
    bench.turn()
    done = bench.hands.work()
    bench.dock.post(Stop("signal"))
    bench.dock.post(done)
    bench.turn()
    assert bench.dock.stopping == "signal"
    assert bench.hands.waiting == []
    bench.dock.stop()
    assert bench.kinds()[-2:] == ["camera.identify", "dock.stop"]
    assert isinstance(bench.events[-1], ev.DockStopped)
    assert bench.events[-1].reason == "signal"


# ---- comings and goings ---------------------------------------------------------------------------------------------


def test_a_camera_that_leaves_while_it_is_read_is_over_when_its_worker_is_back(bench: Bench) -> None:
    bench.see("appeared")
    bench.turn()
    bench.see("gone")
    bench.turn()
    assert bench.bays.told == [("came", "SIM-1"), ("left", "folder")], "its reader hears of it at once"
    assert "A" in bench.dock.state.sessions
    bench.dock.post(bench.hands.work())
    bench.turn()
    assert bench.dock.state.sessions == {}
    assert bench.kinds()[-2:] == ["session.failed", "camera.detach"]


def test_the_next_camera_waits_for_the_last_ones_worker(bench: Bench) -> None:
    bench.see("appeared", "SIM-1")
    bench.turn()
    bench.see("gone", "SIM-1")
    bench.see("appeared", "SIM-2")
    bench.turn()
    assert ("came", "SIM-2") not in bench.bays.told
    bench.dock.post(bench.hands.work())
    bench.turn()
    assert bench.bays.told[-1] == ("came", "SIM-2")
    assert bench.kinds()[-2:] == ["camera.detach", "camera.attach"]
    bench.run()
    identified = [event for event in bench.events if isinstance(event, ev.CameraIdentified)]
    assert [event.camera.serial for event in identified] == ["SIM-2"]


def test_a_camera_that_appears_twice_starts_a_new_stay(bench: Bench) -> None:
    bench.see("appeared")
    bench.turn()
    first = bench.dock.state.sessions["A"].id
    bench.see("appeared")
    bench.turn()
    bench.dock.post(bench.hands.work())
    bench.turn()
    assert bench.dock.state.sessions["A"].id != first
    assert bench.kinds().count("camera.attach") == 2
    assert bench.kinds().count("camera.detach") == 1


def test_a_camera_that_is_gone_before_anybody_looked_leaves_no_trace(bench: Bench) -> None:
    bench.see("appeared")
    bench.see("gone")
    bench.turn()
    assert bench.kinds() == ["dock.start", "keys.certify"]
    assert bench.hands.given == []


def test_a_console_of_the_next_camera_does_not_meet_the_last_ones_worker(bench: Bench) -> None:
    bench.see("appeared", "SIM-1")
    bench.turn()
    bench.see("gone", "SIM-1")
    bench.see("appeared", "/dev/ttyACM1", "tty")
    bench.see("appeared", "SIM-2")
    bench.turn()
    assert ("came", "/dev/ttyACM1") not in bench.bays.told
    bench.dock.post(bench.hands.work())
    bench.turn()
    assert {("came", "SIM-2"), ("came", "/dev/ttyACM1")} <= set(bench.bays.told)


def test_a_console_that_comes_first_is_there_for_its_camera(bench: Bench) -> None:
    bench.see("appeared", "/dev/ttyACM0", "tty")
    bench.turn()
    bench.see("appeared")
    bench.turn()
    assert bench.bays.told == [("came", "/dev/ttyACM0"), ("came", "SIM-1")]


def test_a_console_that_leaves_does_not_end_the_stay(bench: Bench) -> None:
    bench.see("appeared")
    bench.see("appeared", "/dev/ttyACM0", "tty")
    bench.turn()
    bench.see("gone", "/dev/ttyACM0", "tty")
    bench.run()
    assert bench.bays.told[-1] == ("left", "tty")
    assert bench.safe()


def test_a_card_that_changes_is_listed_again_and_new_files_are_pulled() -> None:
    one = camera()
    bench = Bench(one)
    bench.see("appeared")
    bench.run()
    one.files[b"DCIM/100BWC/b.MP4"] = some_bytes(700, seed=2)
    bench.see("changed")
    bench.turn()
    assert not bench.safe()
    bench.run()
    assert len(bench.dock.state.clips) == 2
    assert bench.safe()
    bench.ledger.close()


def test_a_change_while_the_card_is_looked_at_is_not_forgotten(bench: Bench) -> None:
    bench.see("appeared")
    bench.turn()
    bench.see("changed")
    bench.run()
    assert bench.kinds().count("camera.inventory") == 2


def test_a_change_of_an_empty_bay_means_nothing(bench: Bench) -> None:
    bench.see("changed")
    bench.run(5)
    assert bench.kinds() == ["dock.start", "keys.certify"]


# ---- what must not stop it ------------------------------------------------------------------------------------------


def test_an_event_that_cannot_follow_is_logged_and_not_recorded(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    order = Pull("bay:A", "long/gone", "A", "item")
    late = ev.AcquireFailed("long/gone", "item", "a.MP4", "gone", "taken", True, 0)
    with caplog.at_level(logging.WARNING):
        bench.dock.post(Done(order, (late, ev.CameraDetached("long/gone", True, 0))))
        bench.turn()
    assert bench.kinds() == ["dock.start", "keys.certify"]
    assert caplog.text.count("not recorded") == 2
    bench.see("appeared")
    bench.run()
    assert bench.safe()


def test_a_card_that_lies_about_a_size_does_not_stop_the_dock() -> None:
    bench = Bench(camera(), camera("SIM-2"))
    bench.bays.liars.add("A")
    try:
        bench.see("appeared", "SIM-1", bay="A")
        bench.see("appeared", "SIM-2", bay="B")
        bench.run()
        assert bench.safe("B")
    finally:
        bench.ledger.close()


def test_an_event_too_long_for_one_record_does_not_stop_the_dock() -> None:
    """What a step found must never be able to end the loop: after a restart the same card would end it again."""
    bench = Bench(camera())
    try:
        bench.see("appeared")
        bench.run(4)
        bench.dock.post(Done(Identify("bay:B", "s", "B"), (ev.SessionFailed("s", "x", "y" * (7 << 20), True),)))
        bench.run()
        assert bench.safe()
    finally:
        bench.ledger.close()


@pytest.mark.parametrize("damage", ["gone", "altered"])
def test_a_clip_whose_spool_copy_is_lost_is_pulled_again_when_its_camera_is_docked_again(damage: str) -> None:
    """As the error says ("pull the clip again", "dock the camera again"): the camera still has every byte."""
    bench = Bench(camera())
    bench.store.away = True
    bench.see("appeared")
    bench.run(60)
    (clip,) = bench.dock.state.clips.values()
    master = f"{plan.spool_folder(clip.id)}/master"
    if damage == "gone":
        bench.home.remove(master)
    else:
        bench.home.write(master, b"x" * clip.bytes)
    bench.store.away = False
    bench.run(60)
    bench.see("gone")
    bench.see("appeared")
    bench.run()
    bench.ledger.close()
    assert [one.phase for one in bench.dock.state.clips.values()] == [ClipPhase.DONE]
