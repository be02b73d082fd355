"""What is handed out is on record, and what is on record as not handed out is not there: whenever the signal comes."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from dockagent.cli.undisturbed import HandingOut, handing_out
from dockagent.config import Config
from dockagent.core import events as ev
from dockagent.core.acts import Grounds, Recorded
from dockagent.core.model import ClipPhase, State
from dockagent.desk import Desk, desk
from dockagent.errors import Interrupted
from tests.core.story import clip_in
from tests.desk_bench import NOBODY, as_user, home_with, needs_root, public_place, told

SHA256 = "ab" * 32
GROUNDS = Grounds(purpose="R v Smith", basis="CPIA 1996 s.3", authority="DI Jones", recipient="Defence")
Act = Callable[[HandingOut, ev.Disclosed, Path, Path], None]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return home_with(tmp_path, clip_in(ClipPhase.DELIVERED))


def hand_out(home: Path, out: Path, act: Act) -> list[str]:
    """A disclosure of one file, as the command does it; ``act`` gives it its name. The kinds of its records."""
    before, work = len(told(home)), out.with_name(".work.part")
    with desk(Config(), home) as at, handing_out(at, ev.DisclosureAsked(("c1",), grounds=GROUNDS), work) as one:
        (work / "bag").mkdir(parents=True)
        (work / "bag" / "file").write_bytes(b"footage")
        done = ev.Disclosed(("c1",), "package", one.asked.index, SHA256, 1, 7, grounds=GROUNDS)
        act(one, done, work / "bag", out)
    return kinds(home, before)


def kinds(home: Path, since: int) -> list[str]:
    return [type(one).__name__ for one in told(home)[since:]]


def publish(one: HandingOut, done: ev.Disclosed, part: Path, out: Path) -> None:
    one.publish(done, part, out)


def test_what_has_its_name_is_on_record(home: Path, tmp_path: Path) -> None:
    assert hand_out(home, tmp_path / "out", publish) == ["DisclosureAsked", "Disclosed"]
    assert (tmp_path / "out" / "file").read_bytes() == b"footage"
    assert not (tmp_path / ".work.part").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_behind_the_name_changes_nothing(home: Path, tmp_path: Path, number: int) -> None:
    """It was handed out by then: a record that says otherwise would be false."""

    def act(one: HandingOut, done: ev.Disclosed, part: Path, out: Path) -> None:
        one.publish(done, part, out)
        os.kill(os.getpid(), number)

    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    assert hand_out(home, tmp_path / "out", act) == ["DisclosureAsked", "Disclosed"]
    assert (tmp_path / "out" / "file").exists()
    assert {one: signal.getsignal(one) for one in before} == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_name_leaves_nothing_and_says_so(home: Path, tmp_path: Path, number: int) -> None:
    """A second one does not keep that from being recorded."""

    def act(one: HandingOut, done: ev.Disclosed, part: Path, out: Path) -> None:
        try:
            os.kill(os.getpid(), number)
        finally:
            os.kill(os.getpid(), signal.SIGINT)
        one.publish(done, part, out)

    before = len(told(home))
    with pytest.raises(Interrupted, match=signal.Signals(number).name):
        hand_out(home, tmp_path / "out", act)
    assert kinds(home, before) == ["DisclosureAsked", "DisclosureFailed"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["home"]


@dataclass(slots=True)
class Interrupting:
    """A desk at which a signal comes while a record of one kind is being written."""

    at: Desk
    when: type[ev.PersonsAct]

    @property
    def state(self) -> State:
        return self.at.state

    def record(self, event: ev.Event) -> Recorded:
        done = self.at.record(event)
        if isinstance(event, self.when):
            os.kill(os.getpid(), signal.SIGTERM)
        return done


@pytest.mark.parametrize("when", [ev.DisclosureAsked, ev.Disclosed])
def test_a_signal_while_a_record_is_written_waits_for_it(home: Path, tmp_path: Path, when: type[ev.PersonsAct]) -> None:
    before, work = len(told(home)), tmp_path / ".work.part"
    with pytest.raises(Interrupted, match="SIGTERM"), desk(Config(), home) as real:
        at = Interrupting(real, when)
        with handing_out(at, ev.DisclosureAsked(("c1",), grounds=GROUNDS), work) as one:
            (work / "bag").mkdir(parents=True)
            done = ev.Disclosed(("c1",), "package", one.asked.index, SHA256, 1, 7, grounds=GROUNDS)
            one.publish(done, work / "bag", tmp_path / "out")
    written = ["DisclosureAsked", *(["Disclosed"] if when is ev.Disclosed else []), "DisclosureFailed"]
    assert kinds(home, before) == written
    assert sorted(one.name for one in tmp_path.iterdir()) == ["home"]


def test_a_name_that_is_taken_is_a_failure(home: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    before = len(told(home))
    with pytest.raises(FileExistsError):
        hand_out(home, tmp_path / "out", publish)
    assert kinds(home, before) == ["DisclosureAsked", "Disclosed", "DisclosureFailed"]
    assert list((tmp_path / "out").iterdir()) == []


@pytest.fixture
def others_place() -> Iterator[Path]:
    """A dock of another user, and a folder of his that may be written and not read: what is published there gets its
    name, and then its folder cannot be synced."""
    with public_place() as place:
        home = home_with(place, clip_in(ClipPhase.DELIVERED))
        (place / "blind").mkdir()
        for path in (place / "blind", home, *home.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        (place / "blind").chmod(0o300)
        yield place


@needs_root
def test_an_error_behind_the_name_is_no_record_that_nothing_was_handed_out(others_place: Path) -> None:
    home, out = others_place / "home", others_place / "blind" / "out"
    before = len(told(home))

    def act() -> str:
        with suppress(PermissionError):
            hand_out(home, out, publish)
            return "no error"
        return "an error"

    assert as_user(NOBODY, act) == "an error"
    assert (out / "file").read_bytes() == b"footage"
    assert kinds(home, before) == ["DisclosureAsked", "Disclosed"]
