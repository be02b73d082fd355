"""Worker threads: one lane does one thing at a time, nothing unforeseen ends it, and a hanging one is named."""

import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from dockagent.core import events as ev
from dockagent.core.orders import Identify, MakePreview, Order, Pull, SendMaster
from dockagent.steps import unforeseen
from dockagent.workers import Done, Workers

IN_A, IN_B = Identify("bay:A", "s/A", "A"), Identify("bay:B", "s/B", "B")
STOPPED = ev.DockStopped("so that there is an event")


class Bench:
    """Workers and what they report."""

    def __init__(self) -> None:
        self.done: queue.Queue[Done] = queue.Queue()
        self.workers = Workers(self.done.put, unforeseen)

    def hear(self) -> Done:
        return self.done.get(timeout=5)


def gives(*events: ev.Event) -> Callable[[], tuple[ev.Event, ...]]:
    return lambda: events


def raises(error: BaseException) -> Callable[[], tuple[ev.Event, ...]]:
    def act() -> tuple[ev.Event, ...]:
        raise error

    return act


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_step_is_run_and_what_it_found_is_reported(bench: Bench) -> None:
    bench.workers.start(IN_A, gives(STOPPED))
    assert bench.hear() == Done(IN_A, (STOPPED,))
    assert bench.workers.stop(5) == []


def test_one_lane_runs_one_thing_at_a_time_in_order(bench: Bench) -> None:
    running, seen = 0, []

    def act(number: int) -> Callable[[], tuple[ev.Event, ...]]:
        def run() -> tuple[ev.Event, ...]:
            nonlocal running
            running += 1
            seen.append((number, running, threading.current_thread().name))
            time.sleep(0.01)
            running -= 1
            return ()

        return run

    for number in range(5):
        bench.workers.start(IN_A, act(number))
    assert bench.workers.stop(5) == []
    assert seen == [(number, 1, "bay:A") for number in range(5)]
    assert bench.done.qsize() == 5


def test_lanes_run_side_by_side(bench: Bench) -> None:
    both = threading.Barrier(2, timeout=5)

    def meet() -> tuple[ev.Event, ...]:
        both.wait()
        return ()

    bench.workers.start(IN_A, meet)
    bench.workers.start(IN_B, meet)
    assert {bench.hear().order, bench.hear().order} == {IN_A, IN_B}
    assert bench.workers.stop(5) == []


@pytest.mark.parametrize(
    "error",
    [ValueError("odd"), KeyError("clip"), MemoryError(), RecursionError("deep"), AssertionError(), OSError(5, "x")],
)
@pytest.mark.parametrize(
    ("order", "kind"),
    [
        (IN_A, ev.SessionFailed),
        (Pull("bay:A", "s/A", "A", "item-1"), ev.AcquireFailed),
        (MakePreview("preview:0", "c1"), ev.ClipFailed),
        (SendMaster("uplink:0", "c1"), ev.ClipFailed),
    ],
)
def test_what_nobody_foresaw_becomes_an_event_and_the_lane_lives_on(
    bench: Bench, error: Exception, order: Order, kind: type[ev.Event], caplog: pytest.LogCaptureFixture
) -> None:
    bench.workers.start(order, raises(error))
    (event,) = bench.hear().events
    assert isinstance(event, kind)
    assert isinstance(event, ev.SessionFailed | ev.AcquireFailed | ev.ClipFailed)
    assert type(error).__name__ in event.reason
    assert "report" in event.reason
    assert event.retry
    assert "nobody foresaw" in caplog.text
    bench.workers.start(order, gives(STOPPED))
    assert bench.hear().events == (STOPPED,)
    assert bench.workers.stop(5) == []


def test_stopping_waits_for_what_is_being_done(bench: Bench) -> None:
    def slowly() -> tuple[ev.Event, ...]:
        time.sleep(0.1)
        return (STOPPED,)

    bench.workers.start(IN_A, slowly)
    bench.workers.start(IN_A, gives(STOPPED))
    assert bench.workers.stop(5) == []
    assert bench.done.qsize() == 2


def test_a_hanging_worker_is_named_in_time_and_the_others_end(bench: Bench) -> None:
    let_go = threading.Event()

    def hang() -> tuple[ev.Event, ...]:
        let_go.wait(30)
        return ()

    bench.workers.start(IN_A, hang)
    bench.workers.start(IN_B, gives(STOPPED))
    bench.hear()
    started = time.monotonic()
    assert bench.workers.stop(0.2) == ["bay:A"]
    assert time.monotonic() - started < 2
    let_go.set()
    assert bench.hear().order == IN_A  # it does not vanish: it reports when it comes back


def test_who_waits_for_something_gets_its_end_and_reports(bench: Bench) -> None:
    gone = threading.Event()

    def wait() -> tuple[ev.Event, ...]:
        assert gone.wait(30)
        return (STOPPED,)

    bench.workers.start(IN_A, wait)
    bench.workers.start(IN_B, wait)
    assert bench.workers.stop(0.5, gone.set) == []
    assert {bench.hear().order, bench.hear().order} == {IN_A, IN_B}


def test_however_many_hang_they_are_waited_for_together(bench: Bench) -> None:
    let_go = threading.Event()

    def hang() -> tuple[ev.Event, ...]:
        let_go.wait(30)
        return ()

    lanes = [f"bay:{number}" for number in range(8)]
    for lane in lanes:
        bench.workers.start(Identify(lane, "s", lane), hang)
    started = time.monotonic()
    assert bench.workers.stop(0.3) == lanes
    assert time.monotonic() - started < 1.5
    let_go.set()


def test_stopping_may_be_repeated_and_starting_again_works(bench: Bench) -> None:
    assert bench.workers.stop(1) == []
    bench.workers.start(IN_A, gives(STOPPED))
    bench.hear()
    assert bench.workers.stop(5) == bench.workers.stop(5) == []
    bench.workers.start(IN_A, gives(STOPPED))
    assert bench.hear().order == IN_A
    assert bench.workers.stop(5) == []


HANGS = """
import threading
from concurrent.futures import ThreadPoolExecutor
from dockagent.workers import leave_who_hangs
begun = threading.Event()
def hang():
    begun.set()
    threading.Event().wait()
ThreadPoolExecutor(1).submit(hang)
begun.wait()
print("all is said")
"""


@pytest.mark.parametrize(("end", "code"), [("leave_who_hangs()", 0), ("pass", None)])
def test_a_pool_that_hangs_keeps_a_process_only_where_nobody_leaves_it(end: str, code: int | None) -> None:
    with subprocess.Popen([sys.executable, "-u", "-c", HANGS + end], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "all is said\n"
        ended: int | None = None
        with suppress(subprocess.TimeoutExpired):
            ended = process.wait(3 if code is None else 30)
        process.kill()
    assert ended == code


def test_a_process_in_which_nobody_hangs_ends_as_any() -> None:
    command = "from dockagent.workers import leave_who_hangs; leave_who_hangs(); print('on')"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "on\n"
