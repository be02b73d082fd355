"""The custodian at work: its parts built from its settings, one round or rounds until it is told to stop."""

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from dockagent import systemd
from dockagent.clock import Clock, SystemClock
from dockagent.custodian import key, share
from dockagent.custodian import settings as settings_of
from dockagent.custodian.key import SigningKey
from dockagent.custodian.known import Known
from dockagent.custodian.rounds import Refusals, once
from dockagent.custodian.server import Desk, DeskServer, tls_of
from dockagent.custodian.service_state import ServiceState
from dockagent.custodian.settings import File, Service
from dockagent.custodian.trusted import Trusted
from dockagent.custodian.world import MINUTE_MS, Custodian, Tally
from dockagent.durable import RealDisk
from dockagent.errors import DockError, UsageError
from dockagent.ledger import witness_key
from dockagent.ledger.lock import locked
from dockagent.ledger.witness import Witness
from dockagent.ledger.witness_key import WitnessKey
from dockagent.ledger.witness_server import parse_address
from dockagent.stores.archive import Archive

log = logging.getLogger(__name__)

KEYS, STATE, RECEIPTS = "keys", "witness", "receipts"
_BEAT_S = 5.0
_LATE_ROUNDS = 10

Open = Callable[[str, Clock, str], Archive]
"""Opens the store at a URL, for somebody who is named by letters and digits. Raises UsageError."""


class Ended(Exception):
    """Somebody asked the custodian to stop, in the middle of a round. Nothing is lost: the next one goes on."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a custodian is made of. ``trust``: whom it believes, which may change while it works; ``open_again``: its
    store once more, for those who ask it."""

    custodian: Custodian
    file: File
    trust: Trusted
    open_again: Callable[[], Archive]


def open_keys(home: Path, name: str) -> tuple[SigningKey, WitnessKey]:
    """The custodian's two keys in ``home``, made where they are not there yet. Raises UsageError."""
    with _usable(home):
        disk = RealDisk(home / KEYS)
        return SigningKey.open(disk, name), WitnessKey.open(disk, f"dockagent.local/{name}/witness")


def keys_of(home: Path, name: str) -> tuple[SigningKey, WitnessKey]:
    """The same, and none is made: whoever works with a home that was not mounted, or is another's, would sign what
    nobody believes. Raises UsageError."""
    with _usable(home):
        for private, public in ((key.PRIVATE, key.PUBLIC), (witness_key.PRIVATE, witness_key.PUBLIC)):
            if not any((home / KEYS / one).exists() for one in (private, public)):
                why = f"there are no keys of a custodian in {home / KEYS}: {private} is missing"
                raise UsageError(why, "make them with `dockagent custodian keys`, or name the right home (--home)")
    return open_keys(home, name)


@contextmanager
def _usable(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        raise UsageError(f"cannot use {home}: {err.strerror}", "run this as the custodian's user") from err


@contextmanager
def opened(file: File, home: Path, open_store: Open, url: str = "") -> Iterator[Parts]:
    """The custodian of ``home``, the only one over it while this is entered. ``url``: a store instead of the file's.
    Raises UsageError for settings that cannot work, Refused where another process works with this home."""
    clock, chosen = SystemClock(), url or file.store.url
    if not chosen:
        raise UsageError("a custodian stands beside a store", "set url in [store] of its configuration")
    signing, witnessing = keys_of(home, file.custodian.name)
    trust = Trusted(file)
    settings, part = settings_of.settings_of(file), share.parse(file.custodian.share)
    _check_service(file.service)
    again = partial(open_store, chosen, clock, signing.public.key_id)
    archive, disk = again(), RealDisk(home / STATE)
    with locked(disk.path("lock"), "custodian", "dockagent-custodian"):
        custodian = Custodian(
            archive=archive,
            key=signing,
            clock=clock,
            trust=trust.now,
            settings=settings,
            share=part,
            witness=Witness(disk, witnessing, trust.logs, clock),
            known=Known(RealDisk(home / RECEIPTS)),
        )
        yield Parts(custodian, file, trust, again)


def run(parts: Parts, ready: Callable[[int], None] = lambda port: None) -> None:
    """Rounds until SIGTERM or SIGINT. Tells systemd when it is ready and that it is alive. ``ready`` is told the port
    of the service, 0 where there is none."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    table, clock = parts.file.custodian, parts.custodian.clock
    state = ServiceState(clock, max(_LATE_ROUNDS * table.every_s, 600))
    custodian = replace(parts.custodian, beat=_beat(clock, ended))
    with ExitStack() as stack:
        port = _serve(stack, parts, state)
        ready(port)
        systemd.notify("READY=1")
        rounds(custodian, parts.trust, state, ended, table.every_s, table.whole_minutes)
        systemd.notify("STOPPING=1")


def rounds(
    custodian: Custodian,
    trust: Trusted,
    state: ServiceState,
    ended: threading.Event,
    every_s: int,
    whole_minutes: int,
) -> None:
    """Round after round, ``every_s`` seconds apart, each ``whole_minutes`` one over others' shares too. The trust files
    are read again before each."""
    refused: Refusals = {}
    whole_at = 0
    while not ended.is_set():
        custodian = replace(custodian, trust=trust.read_again())
        now = custodian.now_ms()
        whole = now >= whole_at or whole_at - now > whole_minutes * MINUTE_MS
        try:
            tally = once(custodian, whole=whole, refused=refused, saw=state.saw, heard=state.heard)
        except Ended:
            return
        except (DockError, OSError) as err:
            log.warning("no round could be made: %s", err)
            state.failed(str(err))
        else:
            state.ended(tally)
            whole_at = now + whole_minutes * MINUTE_MS if whole else whole_at
            log.log(logging.INFO if tally.new or tally.receipts else logging.DEBUG, "%s", words(tally))
        _wait(custodian, ended, every_s)


def words(tally: Tally) -> str:
    """What a round did, in a line."""
    new = ", ".join(f"{count} {kind}" for kind, count in sorted(tally.new.items()))
    return (
        f"{tally.seen} clips seen: {tally.receipts} receipts, {tally.permits} permits, {tally.audits} audits,"
        f" {tally.lines} catalogue lines, {tally.cosigned} checkpoints cosigned, {tally.waiting} waiting,"
        f" {len(tally.told)} reports stand"
        + (f"; new: {new}" if new else "")
        + (f"; {len(tally.troubles) + tally.untold} could not be looked at" if tally.troubles else "")
    )


def _wait(custodian: Custodian, ended: threading.Event, seconds: float) -> None:
    until = custodian.clock.monotonic() + seconds
    while not ended.is_set() and (left := until - custodian.clock.monotonic()) > 0:
        systemd.notify("WATCHDOG=1")
        ended.wait(min(left, _BEAT_S))


def _beat(clock: Clock, ended: threading.Event) -> Callable[[], None]:
    last = [clock.monotonic()]

    def beat() -> None:
        if ended.is_set():
            raise Ended
        if clock.monotonic() - last[0] >= _BEAT_S:
            systemd.notify("WATCHDOG=1")
            last[0] = clock.monotonic()

    return beat


def _check_service(service: Service) -> None:
    """Raises UsageError for a ``[service]`` that could not answer, also where nobody is to ask now."""
    if service.listen:
        parse_address(service.listen, "service")
        tls_of(service.cert_file, service.key_file, service.client_ca_file)


def _serve(stack: ExitStack, parts: Parts, state: ServiceState) -> int:
    service = parts.file.service
    if not service.listen:
        return 0
    tls = tls_of(service.cert_file, service.key_file, service.client_ca_file)
    its = parts.custodian
    server = DeskServer(service.listen, Desk(its.key.public, parts.open_again(), its.witness, state), tls)
    server.start()
    stack.callback(server.stop)
    log.info("the custodian answers at %s%s", service.listen, " (TLS)" if tls else "")
    return server.port
