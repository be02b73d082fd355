"""The daemon's desk: real sockets, real users, and whatever they may send."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.core import events as ev
from dockagent.core import strict_json
from dockagent.core.acts import Actor
from dockagent.core.model import ClipPhase
from dockagent.core.officers import Officers
from dockagent.desk import LARGEST, SOCKET, address, ask, encode, user_name
from dockagent.desk_server import MODE, MOST_OF_ONE, TRIES, DeskServer, Tries, open_desk
from dockagent.dock import Dock
from dockagent.durable import RealDisk
from dockagent.errors import Missing, Refused
from tests.core.story import GROUNDS, disposed, hold_set
from tests.desk_bench import NOBODY, as_user, needs_root, public_place
from tests.dock_bench import Bench, camera
from tests.test_desk import BAD

LIMIT_S = 20.0
KEYED = Officers("keyed", b"0123456789abcdef")
ME = user_name(os.getuid())


def anything_goes(event: ev.PersonsAct) -> None:
    """No rules beyond the state's."""


@dataclass(slots=True)
class Running:
    """A dock whose loop turns in a thread, with an open desk. ``clip``: the one that it delivered."""

    home: Path
    bench: Bench
    server: DeskServer
    clip: str
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def dock(self) -> Dock:
        return self.bench.dock

    def turn(self) -> None:
        while not self.ended.is_set():
            self.dock.turn(self.bench.hands, 0.02)

    def tries(self) -> list[ev.Accessed]:
        return [one for one in self.bench.events if isinstance(one, ev.Accessed)]

    def admits(self) -> bool:
        """Whether the desk has a place for whoever runs the test."""
        try:
            return ask(self.home, ev.Accessed("read", self.clip)) is not None
        except Missing:
            return False

    def until(self, true: Callable[[], bool]) -> None:
        end = time.monotonic() + LIMIT_S
        while not true():
            assert time.monotonic() < end, "it did not come to that"
            time.sleep(0.02)

    def send(self, message: bytes) -> bytes:
        """Anything at all, as whoever runs the test; what comes back."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line, address(self.home) as name:
            line.settimeout(LIMIT_S)
            line.connect(name)
            line.send(message)
            return line.recv(LARGEST)


@pytest.fixture
def people() -> tuple[str, ...]:
    """Who may act; a test may say so."""
    return ()


@pytest.fixture
def running(people: tuple[str, ...]) -> Iterator[Running]:
    bench = Bench(camera())
    bench.see("appeared")
    bench.run()
    (clip,) = bench.dock.state.clips
    with public_place() as place:
        home = RealDisk(place / ("a-folder-whose-name-is-long-" * 5))
        os.chown(home.root, -1, NOBODY if os.geteuid() == 0 else os.getegid())
        with open_desk(home, people, anything_goes, bench.dock.post, SystemClock(), KEYED) as server:
            assert server is not None
            found = Running(home.root, bench, server, clip)
            loop = threading.Thread(target=found.turn)
            loop.start()
            yield found
            found.ended.set()
            loop.join(LIMIT_S)
    bench.ledger.close()


# ---- acts -----------------------------------------------------------------------------------------------------------


def test_an_act_is_in_the_ledger_when_the_answer_comes(running: Running) -> None:
    done = ask(running.home, ev.HoldSet(running.clip, grounds=GROUNDS))
    assert done is not None
    event = running.bench.events[done.index]
    assert isinstance(event, ev.HoldSet)
    assert (event.actor.name, event.actor.known_by, event.actor.uid) == (ME, "peer credentials", os.getuid())
    assert [one.record for one in running.dock.state.clips[running.clip].holds] == [done.index]


def test_who_acts_is_what_the_kernel_says(running: Running) -> None:
    forged = ev.HoldSet(running.clip, grounds=GROUNDS, actor=Actor("the-chief", "own process", 4711, "miller"))
    assert b"index" in running.send(encode(forged))
    event = running.bench.events[-1]
    assert isinstance(event, ev.HoldSet)
    assert event.actor == Actor(ME, "peer credentials", os.getuid(), "miller")


def test_a_name_comes_in_as_the_dock_keeps_names_whatever_the_sender_keeps(running: Running) -> None:
    assert b"index" in running.send(encode(ev.Assigned("BWC-1", "Jane Doe", grounds=GROUNDS)))
    event = running.bench.events[-1]
    assert isinstance(event, ev.Assigned)
    assert event.officer == KEYED.known_as("Jane Doe")


@pytest.mark.parametrize("login", ["two\nlines", "x" * 65])
def test_a_login_that_is_no_name_is_left_out(running: Running, login: str) -> None:
    running.send(encode(ev.HoldSet(running.clip, grounds=GROUNDS, actor=Actor(login=login))))
    event = running.bench.events[-1]
    assert isinstance(event, ev.HoldSet)
    assert event.actor.login == ""


def test_what_the_table_refuses_comes_back_with_its_reason_and_is_on_record(running: Running) -> None:
    with pytest.raises(Refused, match="nobody knows a clip c9"):
        ask(running.home, hold_set("c9"))
    (tried,) = running.tries()
    assert (tried.act, tried.clip_id, tried.outcome) == ("hold.set", "c9", "refused")
    assert (tried.actor.name, tried.grounds) == (ME, GROUNDS)


def test_many_at_once_each_get_their_own_answer(running: Running) -> None:
    done: list[int] = []

    def one() -> None:
        answer = ask(running.home, ev.Accessed("read", running.clip))
        assert answer is not None
        done.append(answer.index)

    for _ in range(5):
        together = [threading.Thread(target=one) for _ in range(MOST_OF_ONE)]
        for each in together:
            each.start()
        for each in together:
            each.join(LIMIT_S)
    assert len(set(done)) == 5 * MOST_OF_ONE
    assert all(isinstance(running.bench.events[index], ev.Accessed) for index in done)


# ---- others ---------------------------------------------------------------------------------------------------------


@needs_root
def test_another_user_of_the_group_acts_under_its_own_name(running: Running) -> None:
    act = ev.HoldSet(running.clip, grounds=GROUNDS)
    assert as_user(NOBODY, lambda: str(ask(running.home, act))).startswith("Recorded(")
    event = running.bench.events[-1]
    assert isinstance(event, ev.HoldSet)
    assert (event.actor.name, event.actor.uid) == (user_name(NOBODY), NOBODY)


def refusal(home: Path, act: ev.PersonsAct) -> str:
    try:
        return str(ask(home, act))
    except Refused as err:
        return err.what


@needs_root
def test_the_mode_keeps_out_who_is_not_of_the_group(running: Running) -> None:
    running.home.chmod(0o755)
    stranger = NOBODY - 1
    assert "no right" in as_user(stranger, lambda: refusal(running.home, hold_set(running.clip)))
    assert running.tries() == []


@needs_root
@pytest.mark.parametrize("people", [("root",)])
def test_who_is_not_on_the_list_is_refused_and_on_record(running: Running) -> None:
    act = ev.HoldSet(running.clip, grounds=GROUNDS)
    assert "may not act" in as_user(NOBODY, lambda: refusal(running.home, act))
    (tried,) = running.tries()
    assert (tried.act, tried.outcome, tried.actor.uid) == ("hold.set", "refused", NOBODY)
    assert running.dock.state.clips[running.clip].holds == ()
    assert ask(running.home, act) is not None


@pytest.mark.parametrize("people", [("somebody-else",)])
def test_who_is_not_on_the_list_and_says_nothing_is_a_refused_login(running: Running) -> None:
    assert b"refused" in running.send(b"")
    (tried,) = running.tries()
    assert (tried.act, tried.outcome, tried.actor.name) == ("login", "refused", ME)


# ---- junk -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [one for one in BAD if BAD[one]])
def test_junk_is_refused_on_record_and_hurts_nobody(running: Running, name: str) -> None:
    assert "refused" in strict_json.parse(running.send(BAD[name]))
    (tried,) = running.tries()
    assert (tried.act, tried.outcome, tried.actor.uid) == ("login", "refused", os.getuid())
    assert len(tried.reason) < 300
    assert ask(running.home, ev.HoldSet(running.clip, grounds=GROUNDS)) is not None


def test_a_message_that_is_too_long_is_refused(running: Running) -> None:
    assert b"more than" in running.send(b"x" * (LARGEST + 1))
    assert ask(running.home, ev.HoldSet(running.clip, grounds=GROUNDS)) is not None


def test_a_step_of_the_dock_is_not_taken_from_people(running: Running) -> None:
    step = disposed(running.clip)
    assert b"not for people" in running.send(strict_json.canonical({"type": "dispose", **_fields(step)}))
    assert running.dock.state.clips[running.clip].phase is ClipPhase.DONE
    assert sum(isinstance(one, ev.Disposed) for one in running.bench.events) == 1, "the dock's own"


def _fields(event: ev.Disposed) -> dict[str, str]:
    return {"clip_id": event.clip_id, "what": event.what, "authority": event.authority}


def test_who_goes_before_the_answer_leaves_the_act_and_nothing_else(running: Running) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line, address(running.home) as name:
        line.connect(name)
        line.send(encode(ev.HoldSet(running.clip, grounds=GROUNDS)))
    running.until(lambda: bool(running.dock.state.clips[running.clip].holds))
    assert ask(running.home, ev.Accessed("read", running.clip)) is not None
    ours = [one for one in running.bench.events if isinstance(one, ev.PersonsAct)]
    assert {type(one) for one in ours} == {ev.HoldSet, ev.Accessed}


def test_those_who_say_nothing_do_not_keep_others_out(running: Running) -> None:
    """One user's silent visitors take only that user's places; when they go, the places are free."""
    silent = []
    with address(running.home) as name:
        for _ in range(MOST_OF_ONE):
            line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            line.connect(name)
            silent.append(line)
    if os.geteuid() == 0:
        act = ev.HoldSet(running.clip, grounds=GROUNDS)
        assert as_user(NOBODY, lambda: str(ask(running.home, act))).startswith("Recorded(")
    with pytest.raises(Missing):
        ask(running.home, ev.Accessed("read", running.clip))
    for line in silent:
        line.close()
    running.until(running.admits)


def test_failed_tries_cannot_fill_the_ledger(running: Running) -> None:
    for number in range(3 * TRIES):
        with pytest.raises(Refused):
            ask(running.home, hold_set(f"nobody-{number}"))
    assert len(running.tries()) == TRIES
    assert ask(running.home, ev.HoldSet(running.clip, grounds=GROUNDS)) is not None, "acts that may happen go on"


def test_tries_come_back_one_a_minute_and_say_how_many_were_left_out() -> None:
    now = 1000.0
    tries = Tries(lambda: now)
    assert [tries.one_more(7) for _ in range(TRIES + 3)] == [0] * TRIES + [None] * 3
    assert tries.one_more(8) == 0, "another user's are not touched"
    now += 59
    assert tries.one_more(7) is None
    now += 2
    assert tries.one_more(7) == 4
    assert tries.one_more(7) is None
    now += 10**9
    assert [tries.one_more(7) for _ in range(TRIES + 1)] == [1] + [0] * (TRIES - 1) + [None]


# ---- coming and going -----------------------------------------------------------------------------------------------


def test_its_socket_is_for_its_user_and_the_homes_group(running: Running) -> None:
    facts = (running.home / SOCKET).stat()
    assert facts.st_mode & 0o777 == MODE
    assert facts.st_gid == running.home.stat().st_gid
    assert len(str(running.home / SOCKET)) > 107, "longer than a socket's address may be"


def test_closed_it_is_gone_and_one_that_was_left_behind_is_replaced(tmp_path: Path) -> None:
    bench = Bench(camera())
    home = RealDisk(tmp_path / "home")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as dead, address(home.root) as name:
        dead.bind(name)
    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with open_desk(home, (), anything_goes, bench.dock.post, SystemClock()), line, address(home.root) as name:
        line.connect(name)
    assert not (home.root / SOCKET).exists()
    assert ask(home.root, hold_set()) is None
    bench.ledger.close()


def desk_in_a_home_of_another_group(home: Path) -> str:
    disk = RealDisk(home)
    with open_desk(disk, (), anything_goes, lambda _: None, SystemClock()) as server:
        return f"{server is not None} {(home / SOCKET).stat().st_gid} {(home / SOCKET).stat().st_mode & 0o777:o}"


@needs_root
def test_one_who_cannot_give_the_socket_to_the_homes_group_has_a_desk_for_itself() -> None:
    """As under the service, which may not change owners at all."""
    with public_place() as place:
        home = place / "home"
        home.mkdir(mode=0o750)
        os.chown(home, NOBODY, 0)
        assert as_user(NOBODY, lambda: desk_in_a_home_of_another_group(home)) == f"True {NOBODY} 660"


def test_a_home_that_can_have_no_socket_still_has_a_dock(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    home = RealDisk(tmp_path / "home")
    (home.root / SOCKET / "in the way").mkdir(parents=True)
    with open_desk(home, (), anything_goes, lambda _: None, SystemClock()) as server:
        assert server is None
    assert "nobody can act" in caplog.text
