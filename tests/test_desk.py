"""The desk without a daemon, and what goes over its wire."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from dockagent.config import Access, Config, Officers
from dockagent.core import events as ev
from dockagent.core import strict_json
from dockagent.core.acts import Actor, Grounds
from dockagent.core.model import ClipPhase
from dockagent.core.proof import note
from dockagent.desk import LARGEST, SOCKET, address, append, ask, decode, desk, encode, user_name
from dockagent.errors import Missing, Refused, UsageError
from dockagent.ledger.lock import locked
from tests.core.story import GROUNDS, clip_in, disposed, hold_set
from tests.desk_bench import NOBODY, as_user, home_with, needs_root, public_place, told

CONFIG = Config()
ME = user_name(os.getuid())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A dock that does not run, with one delivered clip."""
    return home_with(tmp_path, clip_in(ClipPhase.DELIVERED))


def last(home: Path) -> ev.Event:
    return told(home)[-1]


# ---- without a daemon -----------------------------------------------------------------------------------------------


def test_an_act_is_appended_with_who_did_it_and_a_checkpoint_over_it(home: Path) -> None:
    with desk(CONFIG, home) as at:
        assert list(at.state.clips) == ["c1"]
        done = at.record(ev.HoldSet("c1", grounds=GROUNDS, actor=Actor("somebody else", "says so", 4711)))
    event = last(home)
    assert isinstance(event, ev.HoldSet)
    assert (event.actor.name, event.actor.known_by, event.actor.uid) == (ME, "own process", os.getuid())
    assert event.grounds == GROUNDS
    assert (done.index + 1, done.size) == (len(told(home)), len(told(home)))
    head = note.parse_checkpoint(note.parse((home / "ledger" / "checkpoint").read_bytes()))
    assert head.size == done.size


def test_what_the_table_refuses_is_raised_and_on_record(home: Path) -> None:
    before = len(told(home))
    with desk(CONFIG, home) as at, pytest.raises(Refused, match="nobody knows a clip c9"):
        at.record(ev.HoldSet("c9", grounds=GROUNDS))
    event = last(home)
    assert isinstance(event, ev.Accessed)
    assert (event.act, event.clip_id, event.outcome, event.actor.name) == ("hold.set", "c9", "refused", ME)
    assert event.grounds == GROUNDS
    assert len(told(home)) == before + 1


def test_who_is_not_on_the_list_is_refused_and_on_record(home: Path) -> None:
    others = Config(access=Access(people=("somebody-else",)))
    with desk(others, home) as at, pytest.raises(Refused, match="may not act"):
        at.record(ev.HoldSet("c1", grounds=GROUNDS))
    event = last(home)
    assert isinstance(event, ev.Accessed)
    assert (event.act, event.outcome) == ("hold.set", "refused")
    listed = Config(access=Access(people=("somebody-else", ME)))
    with desk(listed, home) as at:
        at.record(ev.HoldSet("c1", grounds=GROUNDS))
    assert isinstance(last(home), ev.HoldSet)


def test_only_peoples_acts_are_taken(home: Path) -> None:
    with desk(CONFIG, home) as at, pytest.raises(TypeError, match="Disposed"):
        at.record(disposed())


def test_where_there_is_no_dock_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="there is no dock"), desk(CONFIG, tmp_path):
        pass


def test_a_ledger_that_another_process_has_and_no_desk_is_no_answer(home: Path) -> None:
    """A daemon that is still starting, or a card that is being read in."""
    with desk(CONFIG, home) as at, locked(home / "ledger" / "lock"), pytest.raises(Missing, match="nobody answers"):
        at.record(hold_set())


def test_a_ledger_that_is_let_go_within_two_seconds_is_waited_for(home: Path) -> None:
    """Another command writes its record."""
    released = threading.Event()

    def other() -> None:
        with locked(home / "ledger" / "lock"):
            held.set()
            released.wait(0.5)

    held, writer = threading.Event(), threading.Thread(target=other)
    writer.start()
    try:
        assert held.wait(10)
        with desk(CONFIG, home) as at:
            at.record(ev.HoldSet("c1", grounds=GROUNDS))
    finally:
        released.set()
        writer.join()
    assert isinstance(last(home), ev.HoldSet)


def test_a_socket_that_a_killed_daemon_left_is_passed_over(home: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as dead:
        dead.bind(str(home / SOCKET))
    assert (home / SOCKET).exists()
    assert ask(home, hold_set()) is None
    with desk(CONFIG, home) as at:
        at.record(ev.HoldSet("c1", grounds=GROUNDS))
    assert isinstance(last(home), ev.HoldSet)


@needs_root
def test_root_writes_no_ledger_of_another_user(home: Path) -> None:
    """It could; the dock could not read it afterwards."""
    for folder in (home / "ledger", home):
        os.chown(folder, NOBODY, NOBODY)
    before = (home / "ledger" / "entries.jsonl").read_bytes()
    with pytest.raises(UsageError, match="nobody"):
        append(CONFIG, home, hold_set())
    assert (home / "ledger" / "entries.jsonl").read_bytes() == before


@pytest.fixture
def reachable() -> Iterator[Path]:
    """The same, where other users can look at it."""
    with public_place() as place:
        home = home_with(place, clip_in(ClipPhase.DELIVERED))
        for path in (home, *home.rglob("*")):
            os.chown(path, 0, NOBODY)
        yield home


def look_and_hold(home: Path) -> str:
    with desk(CONFIG, home) as at:
        try:
            at.record(ev.HoldSet("c1", grounds=GROUNDS))
        except UsageError as err:
            return f"{list(at.state.clips)} {err.what}"
    return "recorded"


@needs_root
def test_who_may_only_read_sees_the_clips_and_cannot_act_where_no_agent_runs(reachable: Path) -> None:
    (reachable / "keys").chmod(0o700)  # as systemd-tmpfiles makes it
    before = len(told(reachable))
    answer = as_user(NOBODY, lambda: look_and_hold(reachable))
    assert answer.startswith("['c1'] no agent runs in")
    assert len(told(reachable)) == before


# ---- the wire -------------------------------------------------------------------------------------------------------

ACTS: tuple[ev.PersonsAct, ...] = (
    hold_set(),
    ev.HoldCleared("c1", 3, grounds=GROUNDS),
    ev.Accessed("export", "c1", "failed", "the disk is full", actor=Actor("kay", "x", 7, "miller")),
    ev.Accessed("read", grounds=Grounds("für was", "§ 12", "Kõrgem", "収")),
)


@pytest.mark.parametrize("act", ACTS)
def test_an_act_goes_over_the_wire_and_comes_out_the_same(act: ev.PersonsAct) -> None:
    assert decode(encode(act)) == act


GOOD = encode(hold_set())
BAD = {
    "nothing": b"",
    "no JSON": b"\x00\xff" * 40,
    "half of it": GOOD[:-1],
    "two": GOOD + GOOD,
    "a list": b"[]",
    "a key twice": GOOD[:-1] + b',"clip_id":"c2"}',
    "a key that nobody knows": GOOD[:-1] + b',"sudo":true}',
    "a float": GOOD.replace(b'"uid":1000', b'"uid":1000.0'),
    "a number past 2^53-1": GOOD.replace(b'"uid":1000', b'"uid":9007199254740993'),
    "half a surrogate pair": GOOD.replace(b"Sgt Kay", b"\\ud800"),
    "no kind": b'{"clip_id":"c1"}',
    "a kind of nobody": b'{"type":"hold.steal","clip_id":"c1"}',
    "depth": b'{"type":' * 5000 + b"1" + b"}" * 5000,
    "a step of the dock": strict_json.canonical(msgspec.to_builtins(disposed())),
}


@pytest.mark.parametrize("name", BAD)
def test_nothing_else_is_taken(name: str) -> None:
    with pytest.raises(Refused):
        decode(BAD[name])


def test_what_is_too_long_is_not_sent() -> None:
    with pytest.raises(Refused, match="more than the desk takes"):
        encode(ev.Accessed("read", reason="x" * LARGEST))


def test_an_officer_is_recorded_as_this_dock_keeps_officers(home: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef" * 2)
    secret.chmod(0o600)
    append(Config(officers=Officers("keyed", str(secret))), home, ev.Assigned("BWC-1", "Jane Doe"))
    event = last(home)
    assert isinstance(event, ev.Assigned)
    assert event.officer.startswith("k-")
    with pytest.raises(Refused, match="keeps no officers"):
        append(Config(officers=Officers("none")), home, ev.Assigned("BWC-1", "Jane Doe"))
    assert not any("Jane" in str(one) for one in told(home))


def test_what_is_no_text_is_refused_with_what_to_do() -> None:
    with pytest.raises(Refused, match=r"cannot be recorded.*UTF-8"):
        encode(ev.Accessed("read", reason="\udcff"))


def test_another_socket_in_its_place_is_named(home: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other, address(home) as name:
        other.bind(name)
        other.listen()
        with pytest.raises(Missing, match=r"desk\.sock in the home is not this dock's desk"):
            ask(home, ev.Accessed("read", "c1c1c1"))
