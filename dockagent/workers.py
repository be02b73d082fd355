"""Worker threads: one per bay that is in use, and a few for desk, previews and uplink. A worker takes an order, runs
its step and gives back events. What nobody foresaw becomes an event too; it never ends a worker, and never the dock.
"""

import logging
import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from dockagent.core.events import Event
from dockagent.core.orders import Order

log = logging.getLogger(__name__)

Task = Callable[[], tuple[Event, ...]]


@dataclass(frozen=True, slots=True)
class Done:
    """An order was carried out; ``events`` is what the step found out."""

    order: Order
    events: tuple[Event, ...]


class Workers:
    """One thread for each lane, started when the lane is first used. ``report`` is called from those threads."""

    def __init__(
        self, report: Callable[[Done], None], unforeseen: Callable[[Order, Exception], tuple[Event, ...]]
    ) -> None:
        """``unforeseen(order, error)`` makes the event that stands for an error that no step foresaw."""
        self._report = report
        self._unforeseen = unforeseen
        self._lanes: dict[str, queue.Queue[tuple[Order, Task] | None]] = {}
        self._alive: set[str] = set()
        self._ended = threading.Condition()

    def start(self, order: Order, task: Task) -> None:
        """Have ``task`` run in the order's lane."""
        if order.lane not in self._lanes:
            lane: queue.Queue[tuple[Order, Task] | None] = queue.Queue()
            self._lanes[order.lane] = lane
            with self._ended:
                self._alive.add(order.lane)
            threading.Thread(target=self._work, args=(order.lane, lane), name=order.lane, daemon=True).start()
        self._lanes[order.lane].put((order, task))

    def stop(self, patience_s: float, let_go: Callable[[], None] = lambda: None) -> list[str]:
        """Ask all to end after what they do now. When some have not within ``patience_s`` seconds, ``let_go`` takes
        away what they may be waiting for, and they get as long once more. The names of those that did not end even
        then. May be repeated.

        A thread that still hangs is left behind: it holds nothing that is not safe to repeat.
        """
        for lane in self._lanes.values():
            lane.put(None)
        with self._ended:
            ended = self._ended.wait_for(lambda: not self._alive, patience_s)
        if not ended:
            let_go()
        with self._ended:
            self._ended.wait_for(lambda: not self._alive, patience_s)
            left = sorted(self._alive)
            self._lanes, self._alive = {}, set()
        return left

    def _work(self, name: str, lane: "queue.Queue[tuple[Order, Task] | None]") -> None:
        try:
            self._do_all(lane)
        finally:
            with self._ended:
                self._alive.discard(name)
                self._ended.notify_all()

    def _do_all(self, lane: "queue.Queue[tuple[Order, Task] | None]") -> None:
        while (job := lane.get()) is not None:
            order, task = job
            try:
                events = task()
            except Exception as err:
                log.exception("order %s failed in a way that nobody foresaw", order)
                events = self._unforeseen(order, err)
            self._report(Done(order, events))


def leave_who_hangs() -> None:
    """End the process here and now if a thread was left behind: the interpreter would wait for those of thread pools as
    long as a store or a disk keeps them. For who has everything that must last on the disk, and said."""
    if threading.active_count() > 1:
        left = [one.name for one in threading.enumerate() if one is not threading.current_thread()]
        log.warning("left behind: %s", ", ".join(left))
        logging.shutdown()
        os._exit(0)
