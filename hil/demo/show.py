"""What every scene works with: place, agent, cameras, screen; waiting for something while the person watches."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from hil.demo.agent import Agent
from hil.demo.cast import Actor
from hil.demo.place import Place
from hil.demo.records import Follower, Record
from hil.demo.screen import Screen
from hil.demo.tally import CameraTally, Tally
from hil.demo.telling import tell

LOOK_EVERY = 0.1


class Unmet(Exception):
    """Something that the demonstration claims did not hold; one line that says what."""


@dataclass(slots=True)
class Show:
    """One demonstration."""

    place: Place
    agent: Agent
    screen: Screen
    ledger: Follower
    tally: Tally = field(default_factory=Tally)
    cast: list[Actor] = field(default_factory=list)

    def look(self) -> None:
        """Take the ledger's news: tell what is worth telling, draw the progress."""
        for record in self.ledger.news():
            self.tally.take(record)
            line = tell(record, self.tally.about(record))
            if line is not None:
                self.screen.say(f"{record.utc[11:19]}  {line.words}", line.tone, indent=20)
        self.screen.cameras(list(self.tally.cameras.values()), self.place.in_parts())

    def until(self, true: Callable[[], bool], what: str, seconds: float) -> None:
        """Look on until something is true. Raises Unmet when it is not within so many seconds, or the agent ended."""
        end = time.monotonic() + seconds
        while not true():
            if not self.agent.alive():
                raise Unmet(f"{what}: the agent ended by itself; it said: {self.agent.last_words(1)}")
            if time.monotonic() > end:
                raise Unmet(f"{what}: not within {seconds:.0f} s; see {self.place.log}")
            self.look()
            time.sleep(LOOK_EVERY)
        self.look()

    def expect(self, true: bool, words: str) -> None:
        """Print a claim that holds. Raises Unmet for one that does not."""
        if not true:
            raise Unmet(f"this does not hold: {words}")
        self.screen.check(words)

    def counted(self, serial: str) -> CameraTally:
        """The numbers of one camera; zeros for one that the dock has not met."""
        return self.tally.cameras.get(serial, CameraTally(serial))

    def about(self, actor: Actor, kind: str) -> list[Record]:
        """The records of a type about a camera, oldest first."""
        camera = self.counted(actor.serial)
        return [record for record in self.ledger.of(kind) if self.tally.about(record) is camera]

    def last(self, actor: Actor, kind: str) -> Record:
        """The last of them. Raises Unmet where there is none."""
        found = self.about(actor, kind)
        if not found:
            raise Unmet(f"the ledger has no record {kind} about {actor.serial}")
        return found[-1]
