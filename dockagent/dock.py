"""The one loop that owns all state. Decide, record, act.

An event is recorded in the ledger, then believed, then orders follow from what is believed. Nothing here touches a
camera, a file or a network: steps do, in worker threads, and come back through the inbox.
"""

import logging
import queue
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from dockagent.core import custody
from dockagent.core import events as ev
from dockagent.core.acts import Recorded
from dockagent.core.model import Session, SessionPhase, State
from dockagent.core.moment import Instant, rfc3339
from dockagent.core.narrate import tell
from dockagent.core.orders import Dispose, Limits, Notarize, Order, orders
from dockagent.core.paths import to_text
from dockagent.core.permits.erase_orders import Erase
from dockagent.core.session import advance
from dockagent.errors import Refused
from dockagent.ledger.keys_enroll import news
from dockagent.ledger.log import Ledger
from dockagent.steps import failure_of, task
from dockagent.steps.detect import Sighting
from dockagent.steps.world import World
from dockagent.workers import Done, Task

log = logging.getLogger(__name__)

MOST_RECORD = 64 << 20  # bytes; the ledger takes half as much again, for the envelope
GATHER_S = 0.002
CHECKPOINT_EVERY = 256  # records; also whenever there is nothing else to do


class Crew(Protocol):
    """Whoever carries orders out: :class:`dockagent.workers.Workers`, or a simulation."""

    def start(self, order: Order, task: Task) -> None: ...


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask the loop to end after what is in the inbox."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ask:
    """A person asks for an act to be recorded. ``answer`` is called once, by the loop, when the record is durable or
    why there is none; it must neither wait nor raise."""

    event: ev.PersonsAct
    answer: Callable[[Recorded | Refused], None]


Message = Sighting | Done | Stop | Ask


class Dock:
    """All state of one dock, and the only writer of its ledger. ``post`` may be called from any thread; everything
    else belongs to the thread that runs :meth:`turn`."""

    def __init__(self, world: World, ledger: Ledger, setting: custody.Setting, limits: Limits, state: State) -> None:
        """``state``: a new one, which from here on only this loop changes."""
        self.state = state
        self.stopping = ""
        self.inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._world, self._ledger, self._setting, self._limits = world, ledger, setting, limits
        self._busy: set[Order] = set()
        self._arriving: dict[str, Sighting] = {}
        self._lines: dict[str, Sighting] = {}
        self._leaving: set[str] = set()
        self._changed: set[str] = set()
        self._asked: list[Ask] = []

    def post(self, message: Message) -> None:
        """Hand in something that happened."""
        self.inbox.put(message)

    @property
    def idle(self) -> bool:
        """Nothing is under way and nothing waits to be heard."""
        return not self._busy and self.inbox.empty()

    @property
    def busy(self) -> frozenset[Order]:
        """The orders under way."""
        return frozenset(self._busy)

    def start(self) -> None:
        """Replay the ledger, so that what was known is known again, and record the start."""
        custody.replay(self._ledger.payloads(), self.state)
        after = "first start" if not self._ledger.size else "crash or power cut" if self.state.running else "clean stop"
        keys_news = news(self._world.keys.dock, self.state.keys_noted)
        self._record([ev.DockStarted(self._setting.version, self._setting.config_sha256, after), *keys_news])

    def turn(self, crew: Crew, timeout_s: float) -> None:
        """Hear what happened (waiting up to ``timeout_s``), record it, and give the orders that follow."""
        self._record(self._hear(self._take(timeout_s)))
        self._answer()
        self._bays()
        if not self.stopping:
            self._act(crew)
        if self.idle:
            self._ledger.checkpoint()

    def stop(self) -> None:
        """Record the stop. Whoever calls has ended the workers."""
        self._record(self._hear(self._take(0)))
        self._answer()
        for one in self._asked:  # behind a disposal that did not come to its end
            one.answer(Refused("the dock is stopping", "try again when it runs"))
        self._record([ev.DockStopped(self.stopping or "asked to stop")])
        self._ledger.checkpoint()

    def _take(self, timeout_s: float) -> list[Message]:
        messages: list[Message] = []
        try:
            messages.append(self._next(timeout_s))
            while True:  # what comes just after shares one sync with it
                messages.append(self._next(GATHER_S if timeout_s else 0))
        except queue.Empty:
            return messages

    def _next(self, timeout_s: float) -> Message:
        """The next message. Raises queue.Empty when none came in time.

        Asked without waiting first, always: after an item was taken without waiting, the queue's own lock is free, and
        ``get`` with a time limit then waits for ever if the limit is over before it looks a second time (CPython 3.11,
        Modules/_queuemodule.c: the time left is negative). A dock on a busy machine slept until the next event.
        """
        try:
            return self.inbox.get_nowait()
        except queue.Empty:
            if not timeout_s:
                raise
        return self.inbox.get(timeout=timeout_s)

    def _hear(self, messages: Iterable[Message]) -> list[ev.Event]:
        found: list[ev.Event] = []
        for message in messages:
            if isinstance(message, Done):
                self._busy.discard(message.order)
                if isinstance(message.order, Erase):
                    self._world.gate.end(message.order.clips)
                found.extend(message.events)
            elif isinstance(message, Stop):
                self.stopping = self.stopping or message.reason
            elif isinstance(message, Ask):
                self._asked.append(message)
            else:
                self._see(message)
        return found

    def _answer(self) -> None:
        """Record what people asked for, each with a sync of its own, and tell them. While a clip is being disposed of
        or goes from its camera, what is asked about it waits: a hold comes before the first file goes, and stops it,
        or after the last."""
        asked, self._asked = self._asked, []
        for one in asked:
            if self._waits(one.event):
                self._asked.append(one)
            else:
                one.answer(self._act_of(one.event))

    def _waits(self, event: ev.PersonsAct) -> bool:
        clip = getattr(event, "clip_id", "")
        if any(isinstance(order, Dispose) and order.clip == clip for order in self._busy):
            return True
        erasing = any(isinstance(order, Erase) and clip in order.clips for order in self._busy)
        return erasing and not self._world.gate.enter(clip, stops=isinstance(event, ev.HoldSet))

    def _act_of(self, event: ev.PersonsAct) -> Recorded | Refused:
        index, at = self._ledger.size, self._world.clock.now()
        try:
            payload = custody.record(event, index, at, self._setting, self.state)
            line = tell(event, self.state)
            advance(self.state, event, at.utc_ms)
        except Refused as err:
            log.warning("not recorded: %s", err)
            return err
        self._append([payload])
        self._ledger.checkpoint()  # who acts may take a proof of it along, however busy the dock is
        log.info("%s", line)
        return Recorded(index, self._ledger.size, at.utc_ms)

    def _see(self, sighting: Sighting) -> None:
        bay, console = sighting.bay, sighting.kind == "tty"
        if sighting.action == "gone":
            self._world.bays.left(bay, sighting.kind)
            (self._lines if console else self._arriving).pop(bay, None)
            if not console:
                self._leaving.add(bay)
        elif sighting.action == "changed":
            if not console:
                self._changed.add(bay)
        elif not console:
            self._arriving[bay] = sighting
        elif bay in self._leaving or (bay in self._arriving and bay in self.state.sessions):
            self._lines[bay] = sighting  # the next camera's; the last one's worker must not meet it
        else:
            self._world.bays.came(bay, sighting.kind, sighting.address, sighting.facts)

    def _bays(self) -> None:
        """Comings and goings, for bays whose worker is free: what it was doing has been recorded by then."""
        at_work = {order.lane for order in self._busy}
        for bay in sorted({*self._leaving, *self._arriving, *self._changed}):
            if f"bay:{bay}" in at_work:
                continue
            if bay in self._leaving or bay in self._arriving:
                self._left(bay)
            if bay in self._arriving:
                self._arrived(self._arriving.pop(bay))
            if bay in self._changed:
                self._card_changed(bay)

    def _left(self, bay: str) -> None:
        self._leaving.discard(bay)
        self._changed.discard(bay)
        session = self.state.sessions.get(bay)
        if session is not None:
            self._record([self._detached(session)])

    def _detached(self, session: Session) -> ev.Event:
        clean = session.phase is SessionPhase.RELEASED and session.safe
        return ev.CameraDetached(session.id, clean, len(session.to_pull) + len(session.failed))

    def _attached(self, bay: str, port: str, kind: str, address: str, facts: Mapping[str, str]) -> ev.Event:
        session = f"{rfc3339(self._world.clock.now().utc_ms)}/{bay}"
        return ev.CameraAttached(session, bay, port, kind, address, dict(facts))

    def _arrived(self, sighting: Sighting) -> None:
        bay = sighting.bay
        for one in (sighting, self._lines.pop(bay, None)):
            if one is not None:
                self._world.bays.came(bay, one.kind, one.address, one.facts)
        address = to_text(sighting.address.encode("utf-8", "surrogateescape"))
        self._record([self._attached(bay, sighting.port, sighting.kind, address, sighting.facts)])

    def _card_changed(self, bay: str) -> None:
        session = self.state.sessions.get(bay)
        if session is not None and session.phase in (SessionPhase.ATTACHED, SessionPhase.IDENTIFIED):
            return  # it is going to be listed anyway; look again afterwards
        self._changed.discard(bay)
        if session is not None and session.phase is SessionPhase.REFUSED:
            self._record(
                [self._detached(session), self._attached(bay, session.port, session.kind, session.address, {})]
            )
        elif session is not None:
            self._record([ev.CameraChanged(session.id)])

    def _record(self, found: Iterable[ev.Event]) -> None:
        """Into the ledger with one sync, then believed by everyone. An event that the tables refuse is only logged."""
        payloads: list[bytes] = []
        for heard in found:
            at = self._world.clock.now()
            event, payload = self._payload(heard, self._ledger.size + len(payloads), at)
            if self._believe(event, at):
                payloads.append(payload)
        if payloads:
            self._append(payloads)

    def _append(self, payloads: list[bytes]) -> None:
        self._ledger.append(payloads)
        if self._ledger.size % CHECKPOINT_EVERY < len(payloads):
            self._ledger.checkpoint()

    def _payload(self, event: ev.Event, index: int, at: Instant) -> tuple[ev.Event, bytes]:
        """The event and its record; for an event that no record can hold, the failure that it comes down to."""
        try:
            payload = custody.record(event, index, at, self._setting, self.state)
            if len(payload) <= MOST_RECORD:
                return event, payload
            reason = f"what was found takes {len(payload)} bytes, more than one record may"
        except Refused as err:
            reason = f"what was found cannot be recorded: {err}"
        instead = failure_of(event, reason)
        return instead, custody.record(instead, index, at, self._setting, self.state)

    def _believe(self, event: ev.Event, at: Instant) -> bool:
        line = tell(event, self.state)
        try:
            advance(self.state, event, at.utc_ms)
        except Refused as err:
            log.warning("not recorded: %s", err)
            return False
        log.info("%s", line)
        return True

    def _act(self, crew: Crew) -> None:
        for order in orders(self.state, self._world.clock.now().utc_ms, self._busy, self._limits):
            self._busy.add(order)
            if isinstance(order, Notarize):
                self._ledger.checkpoint()  # what goes round is what the ledger is now, and is durable before it goes
            crew.start(order, task(order, self.state, self._world))
