"""The desk: where people's acts get into the ledger, also while the daemon runs.

A daemon answers at a Unix socket in its home (``desk.sock``); the kernel says who asks (unix(7), ``SO_PEERCRED``).
Where none answers, the command takes the ledger's lock and appends itself, which only the dock's own user can. Each
act is a connection of its own, one message each way (``SOCK_SEQPACKET`` keeps their bounds), so that a long export
neither holds the ledger nor minds a daemon that starts or stops meanwhile. The other end: ``desk_server.py``.
"""

import os
import pwd
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import msgspec

from dockagent import __version__, desk_rules
from dockagent.clock import SystemClock
from dockagent.config import Config, officers_of
from dockagent.core import custody, mistake, strict_json
from dockagent.core.acts import REFUSED, Actor, Grounds, Recorded
from dockagent.core.events import Accessed, AnyEvent, Assigned, Event, PersonsAct
from dockagent.core.model import State
from dockagent.core.officers import Officers
from dockagent.core.session import advance
from dockagent.durable import RealDisk
from dockagent.errors import Missing, Refused, UsageError
from dockagent.ledger.keys import Keys, read_sets
from dockagent.ledger.keys_lineage import Lineage
from dockagent.ledger.lock import InUse
from dockagent.ledger.log import Ledger
from dockagent.ledger.trust import DockIdentity

SOCKET = "desk.sock"
LARGEST = 128 << 10  # bytes of one message; well below what a socket takes without asking (net.core.wmem_max)
CONNECT_S, ANSWER_S = 5.0, 60.0  # the dock may wait half a minute for its disk
PATIENCE_S, _POLL_S = 2.0, 0.02  # without a daemon another command has the ledger for as long as one record takes
_NO_LOGIN = 2**32 - 1  # proc(5): nobody logged in above this process
_CLIPPED = 200  # characters of what a failed try said that its record keeps


class Busy(Missing):
    """Another process writes the ledger now, and no daemon answers for it."""


class Desk(Protocol):
    """Open for one command. ``state``: what the dock believed when it was opened; only to be read."""

    @property
    def state(self) -> State: ...

    def record(self, event: Event) -> Recorded:
        """Have a person's act recorded; the desk fills in ``actor``. When it returns, the record is durable.

        Raises Refused where a rule forbids it (the try is then on record), or where this person may not; Missing where
        no answer came, in which case the act may be on record or not.
        """
        ...


@contextmanager
def desk(config: Config, home: Path) -> Iterator[Desk]:
    """The desk of the dock in ``home``. Raises Missing where there is no dock."""
    state = State()
    custody.replay(payloads(home), state)
    yield _Desk(config, home, state)


class _Desk:
    def __init__(self, config: Config, home: Path, state: State) -> None:
        self.state = state
        self._config, self._home = config, home

    def record(self, event: Event) -> Recorded:
        if not isinstance(event, PersonsAct):
            raise TypeError(f"{type(event).__name__} is no person's act")
        clock = SystemClock()
        end = clock.monotonic() + PATIENCE_S
        while True:
            answer = ask(self._home, event)
            try:  # a daemon that has just begun holds the lock, and answers soon
                return answer if answer is not None else append(self._config, self._home, event)
            except Busy:
                if clock.monotonic() >= end:
                    raise
                clock.sleep(_POLL_S)


# ---- who, and whether they may --------------------------------------------------------------------------------------


def user_name(uid: int) -> str:
    """The user's name on this machine; ``#1234`` for a number without one, as sudo(8) writes it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def may(people: Sequence[str], actor: Actor) -> bool:
    """Whether ``[access] people`` lets this person act; who is not kept out by a list is kept out by file modes."""
    return not people or actor.name in people


def at_the_door(event: PersonsAct, officers: Officers) -> PersonsAct:
    """The act under this dock's words for officers, whatever the command that sent it was told: a record is for good.
    Raises Refused where the dock keeps none."""
    if not isinstance(event, Assigned):
        return event
    return msgspec.structs.replace(event, officer=officers.let_in(event.officer))


def login() -> str:
    """Who logged in above this process, where that is another than who runs it (``sudo``); empty where unknown."""
    try:
        uid = int(Path("/proc/self/loginuid").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return ""  # a kernel without audit
    return "" if uid in (_NO_LOGIN, os.getuid()) else user_name(uid)


def refused_try(event: Event | None, actor: Actor, reason: str) -> Accessed:
    """The record of an act that did not happen; ``event`` None: nothing that could be understood was asked for."""
    if not isinstance(event, PersonsAct):
        return Accessed("login", outcome=REFUSED, reason=reason[:_CLIPPED], actor=actor)
    act = event.act if isinstance(event, Accessed) else str(type(event).__struct_config__.tag)
    clip = str(getattr(event, "clip_id", ""))
    grounds = Grounds(*(text[:_CLIPPED] for text in msgspec.structs.astuple(event.grounds)))
    return Accessed(act[:_CLIPPED], clip[:_CLIPPED], REFUSED, reason[:_CLIPPED], actor=actor, grounds=grounds)


# ---- with a daemon --------------------------------------------------------------------------------------------------


@contextmanager
def address(home: Path) -> Iterator[str]:
    """A name for the socket that fits into a ``sockaddr_un`` (107 bytes) however long the home's path is."""
    folder = os.open(home, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET}"
    finally:
        os.close(folder)


def encode(event: PersonsAct) -> bytes:
    """An act as a message. Raises Refused for one that is too long or has no form in JSON."""
    try:
        message = strict_json.canonical(msgspec.to_builtins(event))
    except Refused as err:
        raise Refused(f"what was typed cannot be recorded: {err.what}", "type it in UTF-8; see `locale`") from err
    if len(message) > LARGEST:
        raise Refused(f"what is to be recorded takes {len(message)} bytes, more than the desk takes", f"{LARGEST}")
    return message


def decode(message: bytes) -> PersonsAct:
    """The act in a message. Raises Refused for anything but a person's act, strictly written."""
    try:
        event: Event = msgspec.convert(strict_json.parse(message), AnyEvent)
    except msgspec.ValidationError as err:
        raise Refused(f"not an act: {mistake.in_form(err)}") from err
    if not isinstance(event, PersonsAct):
        raise Refused(f"{type(event).__name__} is not for people to record")
    return event


def ask(home: Path, event: PersonsAct) -> Recorded | None:
    """Have the daemon of ``home`` record an act; None where no daemon listens there: a socket without a process behind
    it is what a killed one left. Raises Refused and Missing as :meth:`Desk.record` does."""
    message = encode(msgspec.structs.replace(event, actor=Actor(login=login())))
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
        line.settimeout(CONNECT_S)
        try:
            with address(home) as name:
                line.connect(name)
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except PermissionError as err:
            raise Refused("you have no right to this dock's desk", "have yourself put into the dock's group") from err
        except BlockingIOError as err:
            raise Missing("too many people stand at the dock's desk", "try again") from err
        except OSError as err:
            hint = f"stop the agent, remove {home / SOCKET}, and start it again"
            raise Missing(f"{SOCKET} in the home is not this dock's desk: {err.strerror}", hint) from err
        return _answer(_exchange(line, message))


def _exchange(line: socket.socket, message: bytes) -> bytes:
    try:
        line.send(message)
        line.settimeout(ANSWER_S)
        answer = line.recv(LARGEST)
    except OSError as err:
        raise Missing(f"the dock did not answer: {mistake.in_system(err)}", _UNSURE) from err
    if not answer:
        raise Missing("the dock gave no answer", _UNSURE)
    return answer


_UNSURE = "`dockagent show CLIP` tells whether it is recorded; else try again"


def _answer(data: bytes) -> Recorded:
    try:
        said = msgspec.convert(strict_json.parse(data), dict[str, str | int])
        no = Refused(str(said["refused"]), str(said["hint"])) if "refused" in said else None
        done = Recorded(0, 0, 0) if no else msgspec.convert(said, Recorded)
    except (Refused, KeyError, msgspec.ValidationError) as err:
        raise Missing("the dock's answer cannot be understood", _UNSURE) from err
    if no:
        raise no
    return done


# ---- without one ----------------------------------------------------------------------------------------------------


def append(config: Config, home: Path, event: PersonsAct) -> Recorded:
    """Record an act without a daemon: under the ledger's lock, after a replay, with a checkpoint.

    Raises Refused where a rule forbids it (the try is recorded), Busy where another process has the ledger now,
    UsageError for a user whose files the dock could not read afterwards.
    """
    _refuse_other_user(home)
    me = Actor(user_name(os.getuid()), "own process", os.getuid(), login())
    event, officers = msgspec.structs.replace(event, actor=me), officers_of(config)
    try:
        keys = Keys.load(RealDisk(home / "keys"))
        opened = Ledger.open(RealDisk(home / "ledger"), keys)
    except InUse as err:
        raise Busy(f"nobody answers at the dock's desk, and {err.what}", "try again when that one has ended") from err
    except Refused as err:
        raise Missing(f"nobody answers at the dock's desk, and {err.what}", err.hint) from err
    with opened as ledger:
        dock = keys.dock
        who = config.dock
        policy = config.erase.policy
        setting = custody.Setting(dock.origin, dock.id, who.site, who.responsible, __version__, config.sha256, policy)
        state = State(dock=dock.id)
        custody.replay(ledger.payloads(), state)
        try:
            if not may(config.access.people, me):
                raise Refused(f"{me.name} may not act at this dock", "people of [access] names who may")
            desk_rules.check(config, home, event)
            return _recorded(ledger, setting, state, at_the_door(event, officers))
        except Refused as err:
            _recorded(ledger, setting, state, refused_try(event, me, err.what))
            raise


def _recorded(ledger: Ledger, setting: custody.Setting, state: State, event: Event) -> Recorded:
    at = SystemClock().now()
    payload = custody.record(event, ledger.size, at, setting, state)
    advance(state, event, at.utc_ms)
    index = ledger.append([payload]).start
    ledger.checkpoint()
    return Recorded(index, ledger.size, at.utc_ms)


def _refuse_other_user(home: Path) -> None:
    """The ledger's files must stay the dock's own: root could write them, and the dock could not read them then."""
    owner = (home / "ledger").stat().st_uid
    if os.geteuid() != owner:
        name = user_name(owner)
        raise UsageError(
            f"no agent runs in {home}, and its ledger is {name}'s",
            f"start the agent, or run this as {name}: `sudo -u {name} {' '.join(sys.argv[:1])} …`",
        )


def payloads(home: Path) -> Iterator[bytes]:
    """The records of the dock in ``home``, each checked by the dock's key, read beside a running daemon without
    changing anything. Raises Missing where there is no dock."""
    identities = public_keys(home)
    return Ledger.read(RealDisk(home / "ledger"), Lineage(identities))


def public_keys(home: Path) -> tuple[DockIdentity, ...]:
    """Who the dock in ``home`` is: its sets of keys, oldest first. Raises Missing where there is no dock."""
    ledger, keys = home / "ledger", home / "keys"
    if not ledger.is_dir():
        raise Missing(f"there is no dock at {home}", "give its --home, or start one with `dockagent run`")
    # The dock's group may read the ledger, but not the keys folder. The public keys are in both.
    return read_sets(RealDisk(keys if os.access(keys, os.R_OK | os.X_OK) else ledger))
