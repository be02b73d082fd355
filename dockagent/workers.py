"""Worker threads: one per bay that is in use, and a few for desk, previews and uplink. A worker takes an order, runs
its step and gives back events. What nobody foresaw becomes an event too; it never ends a worker, and never the dock.
"""

import logging
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
        self._threads: list[threading.Thread] = []

    def start(self, order: Order, task: Task) -> None:
        """Have ``task`` run in the order's lane."""
        if order.lane not in self._lanes:
            lane: queue.Queue[tuple[Order, Task] | None] = queue.Queue()
            self._lanes[order.lane] = lane
            thread = threading.Thread(target=self._work, args=(lane,), name=order.lane, daemon=True)
            self._threads.append(thread)
            thread.start()
        self._lanes[order.lane].put((order, task))

    def stop(self, patience_s: float) -> list[str]:
        """Ask all to end after what they do now; the names of those that did not within ``patience_s`` seconds each.
        May be repeated.

        A thread that hangs in a camera's read is left behind: it holds nothing that is not safe to repeat.
        """
        for lane in self._lanes.values():
            lane.put(None)
        for thread in self._threads:
            thread.join(patience_s)
        left = [thread.name for thread in self._threads if thread.is_alive()]
        self._lanes, self._threads = {}, []
        return left

    def _work(self, lane: "queue.Queue[tuple[Order, Task] | None]") -> None:
        while (job := lane.get()) is not None:
            order, task = job
            try:
                events = task()
            except Exception as err:
                log.exception("order %s failed in a way that nobody foresaw", order)
                events = self._unforeseen(order, err)
            self._report(Done(order, events))
