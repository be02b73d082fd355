"""The daemon's end of the desk: takes people's acts at a Unix socket and has the dock record them.

Whoever can reach the socket may send anything: one message of bounded length within bounded time is read, strictly,
and nothing but a person's act goes on to the dock. Who asks is what the kernel says, never what the message says. A
failed try is a record too, but only so many for each user: the ledger is for ever, and nobody may fill it with noise.
The client's end, and the words on the wire: ``desk.py``.
"""

import logging
import os
import queue
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from dockagent.clock import Clock
from dockagent.core import strict_json
from dockagent.core.acts import Actor, Recorded
from dockagent.core.events import PersonsAct
from dockagent.core.officers import PLAIN, Officers
from dockagent.desk import ANSWER_S, LARGEST, SOCKET, address, at_the_door, decode, may, refused_try, user_name
from dockagent.dock import Ask
from dockagent.durable import RealDisk
from dockagent.errors import Refused

log = logging.getLogger(__name__)

MODE = 0o660
RECEIVE_S = 5.0
MOST_AT_ONCE, MOST_OF_ONE = 32, 4  # visitors, and those of one user: nobody keeps the others out
TRIES, ONE_MORE_AFTER_S = 10, 60.0  # failed tries of one user that are recorded at once, and then one a minute
_LONGEST_NAME = 64
_CREDENTIALS = struct.Struct("3i")  # struct ucred (unix(7)): pid, uid, gid


class Tries:
    """How many failed tries of each user may still be recorded. ``seconds``: a clock that only goes forward."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._left: dict[int, tuple[float, float]] = {}  # uid: tries left, as of when
        self._unsaid: Counter[int] = Counter()

    def one_more(self, uid: int) -> int | None:
        """Take one; the number of tries before it that were not recorded, or None where this one may not be either."""
        now = self._seconds()
        left, then = self._left.get(uid, (float(TRIES), now))
        left = min(float(TRIES), left + (now - then) / ONE_MORE_AFTER_S)
        if left < 1:
            self._left[uid] = (left, now)
            self._unsaid[uid] += 1
            return None
        self._left[uid] = (left - 1, now)
        return self._unsaid.pop(uid, 0)


@dataclass(frozen=True, slots=True)
class _Office:
    """What every visit needs. ``check`` raises Refused for an act that proves too little (``desk_rules``); ``post``
    hands an act to the dock's loop."""

    people: Sequence[str]
    check: Callable[[PersonsAct], None]
    post: Callable[[Ask], None]
    tries: Tries
    lock: threading.Lock
    officers: Officers

    def hear(self, line: socket.socket, who: Actor) -> bytes:
        """Hear one message; its answer, empty for a visitor who only looked in. Raises OSError where the visitor is too
        slow or gone, or the dock is."""
        line.settimeout(RECEIVE_S)
        message = line.recv(LARGEST + 1)  # of a longer one the kernel cuts the rest
        if not message and may(self.people, who):
            return b""
        return strict_json.canonical(self._answer(message, who))

    def _answer(self, message: bytes, who: Actor) -> dict[str, Any]:
        event: PersonsAct | None = None
        try:
            if len(message) > LARGEST:
                raise Refused(f"a message of more than {LARGEST} bytes")
            event = decode(message) if message else None
            who = _with_login(who, event)
            if event is None or not may(self.people, who):
                raise Refused(f"{who.name} may not act at this dock", "people of [access] names who may")
            self.check(event)
            act = at_the_door(msgspec.structs.replace(event, actor=who), self.officers)
            return asdict(self._have_recorded(act))
        except Refused as err:
            self._note(event, who, err.what)
            return {"refused": err.what, "hint": err.hint}

    def _have_recorded(self, event: PersonsAct) -> Recorded:
        answers: queue.Queue[Recorded | Refused] = queue.Queue(1)
        self.post(Ask(event, answers.put_nowait))
        try:
            answer = answers.get(timeout=ANSWER_S)
        except queue.Empty as err:
            raise TimeoutError("the dock did not come to it in time") from err
        if isinstance(answer, Refused):
            raise answer
        return answer

    def _note(self, event: PersonsAct | None, who: Actor, reason: str) -> None:
        """Have the failed try recorded, where this user has not had too many recorded of late."""
        with self.lock:
            unsaid = self.tries.one_more(who.uid)
        log.warning("refused at the desk: %s: %s%s", who.name, reason, "" if unsaid is not None else "; not recorded")
        if unsaid is not None:
            tried = refused_try(event, who, reason)
            more = f"; {unsaid} more tries before this one are not recorded" if unsaid else ""
            self._have_recorded(msgspec.structs.replace(tried, reason=tried.reason + more))


def _with_login(who: Actor, event: PersonsAct | None) -> Actor:
    """The login that the command passed on; a name and nothing else."""
    said = event.actor.login if event is not None else ""
    fits = said.isprintable() and len(said) <= _LONGEST_NAME and said != who.name
    return msgspec.structs.replace(who, login=said) if fits else who


class DeskServer:
    """The open desk of one dock. Its threads end with :meth:`close`, or with the process."""

    def __init__(self, line: socket.socket, office: _Office) -> None:
        """``line`` listens."""
        self._line, self._office = line, office
        self._here: Counter[int] = Counter()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._wait_for_visitors, name="desk", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let nobody in any more; who is here is still answered. May be repeated."""
        if not self._closing.is_set():
            self._closing.set()
            self._line.shutdown(socket.SHUT_RDWR)  # wakes accept
            self._thread.join()
            self._line.close()

    def _wait_for_visitors(self) -> None:
        while not self._closing.is_set():
            try:
                line, _ = self._line.accept()
            except OSError as err:
                if not self._closing.is_set():
                    log.warning("the desk cannot let anybody in: %s", err)
                    self._closing.wait(1.0)  # out of files, say: what is open may be closed by then
                continue
            self._let_in(line)

    def _let_in(self, line: socket.socket) -> None:
        _, uid, _ = _CREDENTIALS.unpack(line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        with self._lock:
            if self._here.total() >= MOST_AT_ONCE or self._here[uid] >= MOST_OF_ONE:
                line.close()
                return
            self._here[uid] += 1
        try:
            threading.Thread(target=self._attend, args=(line, uid), name=f"desk:{uid}", daemon=True).start()
        except RuntimeError as err:  # no more threads: this visitor is sent away, and the next may be let in
            log.warning("the desk cannot attend to anybody: %s", err)
            line.close()
            self._gone(uid)

    def _attend(self, line: socket.socket, uid: int) -> None:
        try:
            with line:
                try:
                    answer = self._office.hear(line, Actor(user_name(uid), "peer credentials", uid))
                finally:
                    self._gone(uid)  # before the answer: whoever has it may come again at once
                if answer:
                    line.settimeout(RECEIVE_S)
                    line.send(answer)
        except OSError as err:
            log.info("a visitor to the desk (uid %d) got no answer: %s", uid, err)

    def _gone(self, uid: int) -> None:
        with self._lock:
            self._here[uid] -= 1


@contextmanager
def open_desk(
    home: RealDisk,
    people: Sequence[str],
    check: Callable[[PersonsAct], None],
    post: Callable[[Ask], None],
    clock: Clock,
    officers: Officers = PLAIN,
) -> Iterator[DeskServer | None]:
    """The desk of the dock in ``home``, whose ledger the caller holds; None, said in the log, where the home cannot
    have a socket: cameras are drained all the same."""
    try:
        line = _listening(home)
    except OSError as err:
        log.warning("nobody can act at this dock's desk: no socket in %s: %s", home.root, err)
        yield None
        return
    server = DeskServer(line, _Office(people, check, post, Tries(clock.monotonic), threading.Lock(), officers))
    try:
        yield server
    finally:
        server.close()
        home.remove(SOCKET)


def _listening(home: RealDisk) -> socket.socket:
    """The socket, open to the dock's user and to the group that its home is for. One that a killed daemon left goes
    first: who holds the ledger is the only daemon."""
    home.remove(SOCKET)
    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with address(home.root) as name:
            line.bind(name)
            _admit_group_of(home.root, Path(name))
            Path(name).chmod(MODE)
        line.listen(MOST_AT_ONCE)
    except OSError:
        line.close()
        raise
    return line


def _admit_group_of(home: Path, made: Path) -> None:
    """A process that is in another group than the home's may not be able to give the socket to that one."""
    wanted = home.stat().st_gid
    if made.stat().st_gid != wanted:
        try:
            os.chown(made, -1, wanted)
        except PermissionError as err:
            log.warning("the home's group cannot act at this dock's desk: %s", err)
