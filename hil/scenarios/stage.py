"""Where a scenario is played: a rig, a dock, its cameras; and everything that is seen of them, as it happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path

from hil.cameras.specimen import Specimen
from hil.demo.custodian import Custodian
from hil.demo.place import Place
from hil.demo.records import Follower, Record
from hil.rigs import Rig, Stay
from hil.rigs.rest import rest
from hil.scenarios.agent import StillAgent
from hil.scenarios.cast import Member
from hil.scenarios.model import Scenario
from hil.scenarios.pace import Pace, lacks
from hil.scenarios.telling import told

HEAD = 4096
LOOK_EVERY = 0.02
PATIENCE = 90.0
"""Seconds that a wait takes at most where its line says nothing, on a rig of patience 1. No promise of the dock's: only
a run that fails is the slower for it."""


class Unmet(Exception):
    """A line of a script that could not be carried out, or a wait that did not end in time."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that was seen. ``seconds`` since the beginning; ``kind``: script, rig, or the type of a record."""

    seconds: float
    bay: str
    camera: str
    kind: str
    words: str


@dataclass(slots=True)
class Stage:
    """One play. ``patience``: how much slower than a good laptop this rig is.

    ``pace``: lets the dock read step by step where somebody waits for a byte; ``holds``: the cameras for whose sake it
    does and stands still afterwards; ``bays``: who is where now; ``stays``: every stay of each camera; ``before``: the
    digest of each medium as it was plugged in last; ``running``: whether the script wants the dock to run; ``over``: it
    was ended after the script; ``custodian``: who stands beside the store, where the dock may erase.
    """

    scenario: Scenario
    rig: Rig
    place: Place
    agent: StillAgent
    cast: Mapping[str, Member]
    pace: Pace
    patience: float = 1.0
    custodian: Custodian | None = None
    ledger: Follower = field(init=False)
    moments: list[Moment] = field(default_factory=list)
    bays: dict[str, str] = field(default_factory=dict)
    stays: dict[str, list[Stay]] = field(default_factory=dict)
    before: dict[str, str] = field(default_factory=dict)
    running: bool = False
    over: bool = False
    exits: list[int | str] = field(default_factory=list)
    holds: set[str] = field(default_factory=set)
    _sessions: dict[str, str] = field(default_factory=dict)
    _clips: dict[str, str] = field(default_factory=dict)
    _marks: dict[str, int] = field(default_factory=dict)
    _left: set[int] = field(default_factory=set)
    _heads: dict[str, frozenset[bytes]] = field(default_factory=dict)
    _began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.ledger = Follower(self.place.entries)

    # -- what the script does -----------------------------------------------------------------------------------------

    def plug(self, name: str, bay: str) -> None:
        """Put a camera into a bay; what is on its card now is what counts as true. Raises Unmet."""
        self.look()
        member = self.cast[name]
        # The dock may know a moment before the rig does that a camera has left.
        self.until(lambda: self.stay(name) is None, f"{name} is in no bay", 2)
        self._note_truth(member, member.specimen.card)
        if member.touched:
            self.before[name], member.touched = self.rig.digest(member.specimen), False
        self._marks[name] = len(self.ledger.all)
        self.bays[bay] = name
        self.say("script", f"{name} is plugged into {bay}", bay, name)
        if name in self.holds or self._leaves_by_itself(member):
            self._watch(name, member.specimen.card, bay)
        stay = self.rig.plug(bay, member.specimen, member.part.script)
        self.stays.setdefault(name, []).append(stay)

    def unplug(self, name: str) -> None:
        """Pull it out, and look whether its medium is as it was. No error if it left by itself."""
        self.look()
        stays = self.stays.get(name, [])
        if not stays:
            raise Unmet(f"{name} was never in a bay")
        if self.stay(name) is not None:
            self.say("script", f"{name} is pulled out", self.bay_of(name), name)
        self._pull(name, stays[-1])

    def take_home(self, name: str) -> None:
        """Pull out a camera that has been in a bay, now that all is over. No error if it left before."""
        self._pull(name, self.stays[name][-1])

    def _pull(self, name: str, stay: Stay) -> None:
        self._left.add(id(stay))
        stay.unplug()
        self.pace.forget(name)

    def start(self) -> None:
        """Start the dock, until it has recorded that; what was said about cameras before does not count any more.
        Raises Unmet."""
        self.say("script", "the dock is started")
        self.look()
        for name in self._marks:
            self._marks[name] = len(self.ledger.all)
        before = len(list(self.ledger.of("dock.start")))
        self.agent.start()
        self.running = True
        for name in self.holds:
            if self.stay(name) is not None:
                self._watch(name, self.place.bays / self.bay_of(name), self.bay_of(name))
        self.until(lambda: len(list(self.ledger.of("dock.start"))) > before, "the dock is ready", None)

    def stay(self, name: str) -> Stay | None:
        """A camera's present stay."""
        stays = self.stays.get(name, [])
        return stays[-1] if stays and stays[-1].there else None

    def bay_of(self, name: str) -> str:
        """The bay in which a camera is, or was last."""
        return next((bay for bay, there in reversed(self.bays.items()) if there == name), "")

    # -- a dock that stands still -------------------------------------------------------------------------------------

    def hold(self, name: str) -> None:
        """From when a camera comes, or the dock starts, the dock reads its card step by step; only where a card is a
        folder. It stands still where nobody calls :meth:`step` any more, until :meth:`let_go`."""
        if "folder" in self.rig.bays() and not self.cast[name].part.script.letters and not lacks():
            self.holds.add(name)

    def step(self, name: str) -> bool:
        """Let a dock that reads a camera's card step by step take a step. Never true: whether it has come far enough is
        known otherwise."""
        if name in self.holds:
            self.pace.given(name)
        return False

    def let_go(self) -> None:
        """Let a dock that stands still go on."""
        for name in self.holds:
            self.pace.forget(name)
        self.holds.clear()

    def read(self, camera: Specimen) -> int:
        """Bytes of a camera's files that the dock has, or has read where it reads step by step: who asks again lets
        it take its next step. From any thread."""
        return max(self.pulled(camera), self.pace.given(camera.name))

    def _leaves_by_itself(self, member: Member) -> bool:
        """Whether its script pulls it out of a folder behind what was read of it."""
        faults, read = member.part.script, self.read(member.specimen)
        places = [index * faults.step + faults.step // 2 for index, one in enumerate(faults.letters) if one == "U"]
        return "folder" in self.rig.bays() and any(place > read for place in places)

    def _watch(self, name: str, card: Path, bay: str) -> None:
        self.pace.watch(name, card, self.place.bays / bay)

    # -- what is seen -------------------------------------------------------------------------------------------------

    def say(self, kind: str, words: str, bay: str = "", camera: str = "", at: datetime | None = None) -> None:
        """Note a moment, now or at a time."""
        seconds = ((at or datetime.now(UTC)) - self._began).total_seconds()
        self.moments.append(Moment(seconds, bay, camera, kind, words))

    def look(self) -> None:
        """Take the ledger's news, and notice cameras that left by themselves."""
        for name, stays in self.stays.items():
            stay = stays[-1]
            if not stay.there and id(stay) not in self._left:
                self._left.add(id(stay))
                self.pace.forget(name)
                read = self.pace.given(name)
                far = f" after {read} bytes of its files" if read else ""
                self.say("rig", f"{name} left its bay by itself{far}", self.bay_of(name), name)
        for record in self.ledger.news():
            self._take(record)

    def until(self, true: Callable[[], bool], what: str, seconds: float | None) -> None:
        """Look on until something is true. Raises Unmet when it is not in time, or the dock ended by itself."""
        limit = (seconds if seconds is not None else PATIENCE) * self.patience
        end = time.monotonic() + limit
        began = time.monotonic()
        self.look()
        while not true():
            if self.running and not self.agent.alive():
                raise Unmet(f"{what}: the dock ended by itself; it said: {self.agent.last_words(2)}")
            if time.monotonic() > end:
                raise Unmet(f"{what}: not within {limit:g} s")
            time.sleep(rest(time.monotonic() - began, LOOK_EVERY))
            began = time.monotonic()
            self.look()

    def about(self, name: str, *types: str, now: bool = False) -> list[Record]:
        """The records about a camera, oldest first; ``now``: only those since it was plugged in last and the dock was
        started last."""
        first = self._marks.get(name, 0) if now else 0
        return [one for one in self.ledger.all[first:] if (not types or one.type in types) and self.whose(one) == name]

    def whose(self, record: Record) -> str:
        """The camera that a record is about, by the bay in which it was, whatever the dock believes; or empty."""
        return self._sessions.get(record.session) or self._clips.get(str(record.what.get("clip_id", "")), "")

    def pulled(self, camera: Specimen) -> int:
        """Bytes of this camera's files that are in the dock, those included that are being pulled now."""
        # Called from a rig's own thread: reads only what is never shortened.
        whole = {one.what["path"]: int(one.what["bytes"]) for one in self.about(camera.name, "acquire")}
        return sum(whole.values()) + sum(self._parts(camera.name))

    def _parts(self, name: str) -> Iterator[int]:
        """Sizes of the files that are being pulled from a camera. The agent does not say which part is whose file, but
        how a file begins says it."""
        try:
            parts = [*self.place.parts.glob("*.part")]
        except FileNotFoundError:  # the run is over and its folders are gone
            return
        for part in parts:
            try:
                with part.open("rb") as file:
                    if _begins(file.read(HEAD), self._heads.get(name, frozenset())):
                        yield part.stat().st_size
            except FileNotFoundError:
                continue  # it got its final name just now, and its record follows

    def changed_in_bay(self, name: str, folder: Path) -> None:
        """The camera itself changed its card, which is in ``folder`` while it is in its bay."""
        self._note_truth(self.cast[name], folder)
        self.before[name] = self.rig.digest(self.cast[name].specimen)

    def _take(self, record: Record) -> None:
        session, bay = record.session, record.bay
        if record.type == "camera.attach" and bay in self.bays:
            self._sessions[session] = self.bays[bay]
        if record.type == "acquire":
            self._clips.setdefault(record.what["clip_id"], self._sessions.get(session, ""))
        self.say(record.type, told(record), bay, self.whose(record), datetime.fromisoformat(record.utc))

    def _note_truth(self, member: Member, card: Path) -> None:
        if not member.known:
            return
        member.now = digests(card)
        for path, digest in member.now.items():
            member.truth.setdefault(path, set()).add(digest)
        self._heads[member.part.name] = frozenset(_head(card / path) for path in member.now)


def digests(card: Path) -> dict[str, str]:
    """Path below the card's root to SHA-256 of every file."""
    files = (path for path in sorted(card.rglob("*")) if path.is_file())
    return {path.relative_to(card).as_posix(): sha256(path) for path in files}


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


def _begins(head: bytes, heads: frozenset[bytes]) -> bool:
    return bool(head) and any(one.startswith(head) for one in heads)
