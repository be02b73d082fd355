"""The cameras that stand in the dock right now, and how each is reached. Watches tell it, steps ask it.

A camera that does not answer is given up, its bay switched off and on (:mod:`usb_port`), and the camera then comes as
any other: its session goes on where it was.
"""

import logging
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dockagent.clock import Clock
from dockagent.core.camera.profile import Console
from dockagent.errors import DockError, Gone
from dockagent.transports import Control, FileFact, Footage, FootageReader, NoCard
from dockagent.transports.dialogues import Dialogues
from dockagent.transports.erase import CannotErase, Erasure, Leave, Target, erase_below, erase_on
from dockagent.transports.isolated import HANG_S, Ended, Hung, IsolatedFootage
from dockagent.transports.mass_storage import MOUNTS, may_mount, open_source, run_program
from dockagent.transports.reader_child import SURROUNDINGS

log = logging.getLogger(__name__)

CYCLE_AGAIN_S = 60.0  # a camera that hangs again at once is not switched off and on for ever
CYCLE_PATIENCE_S = 15.0
CLOSING_S = 15.0  # nobody who lets a camera go takes so long; if one does, it is left behind
PORT = "usb_port"  # the fact that names a camera's USB port, as the kernel does
REMEMBERED_S = 120.0  # what a port showed so long ago says nothing about what it shows now
_STILL_IMAGE = "0601"  # USB class and subclass of what speaks PTP or MTP
_LOOK_AGAIN_S = 0.05


@dataclass(frozen=True, slots=True)
class _Card:
    kind: str
    address: str
    facts: Mapping[str, str]


class DockBays:
    """For each bay the card and the console that are there; opened when first asked for, closed when they leave.

    ``dialogues``: the lines to cameras. ``mounts``: where cards of block devices are mounted. ``read``: ``auto``,
    ``mount`` or ``raw``, see :func:`dockagent.transports.mass_storage.open_source`. ``hang_s``: how long a camera may
    leave a question without an answer. Every call may come from any thread, and none waits much longer than that.
    """

    def __init__(
        self,
        clock: Clock,
        mounts: Path = MOUNTS,
        *,
        read: str = "auto",
        hang_s: float = HANG_S,
        dialogues: Dialogues | None = None,
    ) -> None:
        self._clock, self._mounts, self._dialogues = clock, mounts, dialogues or Dialogues(clock)
        self._read, self._hang_s = read, hang_s
        self._lock = threading.Lock()
        self._cards: dict[str, _Card] = {}
        self._lines: dict[str, str] = {}
        self._footage: dict[str, Footage] = {}
        self._controls: dict[str, Control] = {}
        self._reviving: dict[str, _Card] = {}
        self._cycled: dict[str, float] = {}
        self._showed: dict[str, tuple[str, float]] = {}
        self._asked: dict[str, str] = {}

    def came(self, bay: str, kind: str, address: str, facts: Mapping[str, str]) -> None:
        """A card (``folder``, ``block``), a USB device that shows none (``usb``) or a console (``tty``) is there now.
        The fact ``usb_port`` names the port that is switched off and on when the camera hangs."""
        self.left(bay, kind)
        with self._lock:
            if kind == "tty":
                self._lines[bay] = address
                return
            self._cards[bay] = _Card(kind, address, {**facts, **self._before(bay)})
            if kind == "usb":
                self._showed[bay] = (_usb_id(facts), self._clock.monotonic())

    def _before(self, bay: str) -> Mapping[str, str]:
        """What a USB device that showed no card in this bay a moment ago was, and the profile whose dialogue it
        answered, as facts of what stands there now."""
        usb, when = self._showed.pop(bay, ("", float("-inf")))
        profile = self._asked.pop(bay, "")
        return {"before": usb, "answered": profile} if self._clock.monotonic() - when < REMEMBERED_S else {}

    def asked(self, bay: str, profile: str) -> None:
        """The camera in ``bay`` was asked by this profile's dialogue to show its card."""
        with self._lock:
            self._asked[bay] = profile

    def left(self, bay: str, kind: str) -> None:
        """It is gone. What was open is closed; whoever still reads gets Gone."""
        old: Footage | Control | None
        with self._lock:
            if kind == "tty":
                self._lines.pop(bay, None)
                old = self._controls.pop(bay, None)
            else:
                card = self._cards.pop(bay, None)
                old = self._footage.pop(bay, None)
                if card is not None and card.kind == "usb":
                    old = self._controls.pop(bay, None) or old
        _close(bay, old)

    def rest(self, bay: str) -> None:
        """Let the card go; it is opened anew when it is asked for again."""
        with self._lock:
            old = self._footage.pop(bay, None)
        _close(bay, old)

    def footage(self, bay: str) -> Footage:
        """The card in ``bay``. Raises Gone for an empty bay and for one that is being switched off and on, NoCard for a
        USB device that shows none, and what opening the card raises."""
        with self._lock:
            if bay in self._footage:
                return self._footage[bay]
            if bay not in self._cards:
                raise Gone(f"there is no camera in {bay}", "put the camera back")
            card = self._cards[bay]
            if self._reviving.get(bay) is card:  # not the next one's business
                raise Gone(f"the camera in {bay} hangs; its bay is being switched off and on", "wait")
        opened = _WithFacts(self._open(card, partial(self._ended, bay, card)), card.facts)
        return self._keep(bay, card, opened)

    def _open(self, card: _Card, ended: Ended) -> Footage:
        path = Path(card.address)
        if card.kind == "folder":
            return IsolatedFootage("folder", path, self._hang_s, ended)
        if card.kind == "usb":
            if not any(one.startswith(_STILL_IMAGE) for one in card.facts.get("interfaces", "").split()):
                raise NoCard(card.facts)
            return IsolatedFootage("mtp", path, self._hang_s, ended)
        try:
            return open_source(path, under=self._mounts, read=self._read, hang_s=self._hang_s, ended=ended)
        except Hung as err:
            ended(err)
            raise

    def erase(self, bay: str, targets: Sequence[Target], leave: Leave) -> Erasure:
        """Erase these files from the card in ``bay``, which nobody reads meanwhile. Raises what
        :func:`dockagent.transports.erase.erase_on` raises, and CannotErase for a camera that shows no disk."""
        with self._lock:
            card = self._cards.get(bay)
        if card is None:
            raise Gone(f"there is no camera in {bay}", "put the camera back")
        if card.kind == "usb":
            raise CannotErase("this camera shows no disk, and nothing is known by which it could be asked to erase")
        if card.kind == "block" and (self._read == "raw" or not may_mount()):
            raise CannotErase("this dock reads cards without mounting them, and writes to none", "see docs/erase.md")
        self.rest(bay)
        path = Path(card.address)
        if path.is_dir():
            return erase_below(path, targets, leave, self._hang_s)
        return erase_on(path, targets, leave, self._mounts, self._hang_s)

    def _keep(self, bay: str, card: _Card, opened: Footage) -> Footage:
        with self._lock:
            if self._cards.get(bay) is card and self._reviving.get(bay) is not card:
                return self._footage.setdefault(bay, opened)
        _close(bay, opened)
        raise Gone(f"the camera in {bay} was taken", "put the camera back")

    def _ended(self, bay: str, card: _Card, err: DockError) -> None:
        """The child that reads this card hung or crashed: the next one to ask gets another. Told by the thread that
        noticed, which has to go on at once."""
        with self._lock:
            if self._cards.get(bay) is not card or self._reviving.get(bay) is card:
                return
            old = self._footage.pop(bay, None)
            port = self._port_to_cycle(bay, card) if isinstance(err, Hung) else ""
            self._reviving[bay] = card
        log.warning("%s: %s", bay, err)
        threading.Thread(target=self._revive, args=(bay, card, port, old), name=f"revive {bay}", daemon=True).start()

    def _port_to_cycle(self, bay: str, card: _Card) -> str:
        now = self._clock.monotonic()
        if PORT not in card.facts or now - self._cycled.get(bay, float("-inf")) < CYCLE_AGAIN_S:
            return ""
        self._cycled[bay] = now
        return card.facts[PORT]

    def _revive(self, bay: str, card: _Card, port: str, old: Footage | None) -> None:
        try:
            if port:
                log.warning("%s: USB port %s: %s", bay, port, _cycle(port))
            _close(bay, old)
        finally:
            with self._lock:
                if self._reviving.get(bay) is card:
                    del self._reviving[bay]

    def control(self, bay: str, console: Console, wait_ms: int) -> Control | None:
        """The line to the camera in ``bay``, waiting up to ``wait_ms`` for a console to appear; None where there is
        none."""
        if console.kind == "none":
            return None
        if console.kind != "reference-console":
            return self._dialogue(bay, console)
        until = self._clock.monotonic() + wait_ms / 1000
        while True:
            with self._lock:
                if bay in self._controls:
                    return self._controls[bay]
                line = self._lines.get(bay)
            if line is not None:
                break
            if self._clock.monotonic() >= until:
                return None
            self._clock.sleep(_LOOK_AGAIN_S)
        return self._keep_control(bay, self._dialogues.on_line(console, line))

    def _dialogue(self, bay: str, console: Console) -> Control | None:
        """A maker's own dialogue with a camera that shows no card; one that shows it has nothing more to say."""
        with self._lock:
            card, held = self._cards.get(bay), self._controls.get(bay)
        if held is not None or card is None or card.kind != "usb":
            return held
        opened = self._dialogues.of_device(console, bay, card.address)
        return None if opened is None else self._keep_control(bay, opened)

    def _keep_control(self, bay: str, opened: Control) -> Control:
        with self._lock:
            return self._controls.setdefault(bay, opened)

    def close(self) -> None:
        """Let everything go, all bays at once: one whose camera hangs takes some seconds. May be repeated."""
        with self._lock:
            bays = sorted({*self._cards, *self._lines})
        leaving = [threading.Thread(target=self._leave, args=(bay,), name=f"leave {bay}", daemon=True) for bay in bays]
        for one in leaving:
            one.start()
        for one in leaving:
            one.join(CLOSING_S)

    def _leave(self, bay: str) -> None:
        self.left(bay, "folder")
        self.left(bay, "tty")


def _cycle(port: str) -> str:
    """Switch a port off and on in a process of its own: the kernel may hang there as well. What came of it."""
    command = (sys.executable, "-P", "-s", "-B", "-m", "dockagent.transports.usb_port", port)
    try:
        return run_program(command, CYCLE_PATIENCE_S, SURROUNDINGS)[1].strip()
    except DockError as err:
        return str(err)


def _close(bay: str, old: Footage | Control | None) -> None:
    """Close what left. That this fails changes nothing for the dock, but a person should know."""
    try:
        if old is not None:
            old.close()
    except DockError as err:
        log.warning("%s: %s", bay, err)


def _usb_id(facts: Mapping[str, str]) -> str:
    vendor, product = facts.get("vendor_id"), facts.get("product_id")
    return f"{vendor}:{product}".lower() if vendor and product else ""


class _WithFacts:
    """A card together with what its device said over USB."""

    def __init__(self, footage: Footage, facts: Mapping[str, str]) -> None:
        self._footage = footage
        self._facts = dict(facts)
        if usb := _usb_id(facts):
            self._facts["usb"] = usb

    def list(self) -> Iterator[FileFact]:
        return self._footage.list()

    def open(self, path: bytes) -> FootageReader:
        return self._footage.open(path)

    def facts(self) -> Mapping[str, str]:
        return {**self._facts, **self._footage.facts()}

    def close(self) -> None:
        self._footage.close()
