"""Judges custodians: the one whom this dock believes, and the one that this machine is itself."""

import http.client
import json
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dockagent import config
from dockagent.core import mistake
from dockagent.core.central import custodian_key
from dockagent.core.central.custodian_key import CustodianKey
from dockagent.core.moment import Instant, rfc3339
from dockagent.core.plain import plain
from dockagent.core.proof import certificates
from dockagent.doctor import of_home, of_machine
from dockagent.doctor.check import Check, failure, ok, warning
from dockagent.doctor.machine import Machine
from dockagent.errors import DockError, Refused
from dockagent.ledger.lock import is_held

REACH_S = 5.0
SOON_MS = 30 * 86_400_000  # 30 days: time to have the next certificate issued
_MOST = 64 << 10
_STATE = "witness"  # the folder of the home whose lock a custodian at work holds


# ---- a dock's side --------------------------------------------------------------------------------------------------


def counterparty(setting: config.Custodian, *, erases: bool = False) -> Iterator[Check]:
    """Whose word counts on this dock, and whether its door is open; nothing for a dock without a custodian. ``erases``:
    whether the dock erases cameras by its permits."""
    if not setting.keys and not setting.url:
        return
    try:
        keys = [custodian_key.parse(line) for line in setting.keys]
    except Refused as err:
        yield failure("custodian", f"keys of [custodian]: {err.what}", "take them from `dockagent custodian keys`")
        return
    if not keys:
        yield failure("custodian", "[custodian] has a url and no keys", "take the line from `dockagent custodian keys`")
        return
    yield ok("custodian", f"receipts and permits of {', '.join(key.name for key in keys)} are believed")
    if setting.url:
        yield _reached(setting, keys)
    elif erases:
        why = "none: a hold that another dock set after a permit was signed does not stop an erase here"
        yield warning("custodian door", why, "set url in [custodian]: its service is asked again before each erase")
    else:
        yield ok("custodian door", "none: its receipts are read from the store (url of [custodian])")


def _reached(setting: config.Custodian, keys: Sequence[CustodianKey]) -> Check:
    """Whether its service answers, over TLS that we trust where its address says so, and as one of ``keys``."""
    from dockagent.ledger.conversation import conversation, no_answer, tls  # TLS: only for those who ask somebody

    name, parts = "custodian door", urlsplit(setting.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return failure(name, f"not the address of a custodian: {setting.url!r}", "write url = https://HOST")
    secure, papers = parts.scheme == "https", (setting.client_cert_file, setting.client_key_file)
    try:
        context = tls(setting.ca_file, "custodian", papers) if secure else None
        with conversation(parts.hostname, parts.port or (443 if secure else 80), REACH_S, context) as line:
            line.request("GET", f"{parts.path.rstrip('/')}/health")
            answer = line.getresponse()
            status, body = answer.status, answer.read(_MOST)
    except DockError as err:
        return failure(name, err.what, err.hint)
    except ssl.SSLCertVerificationError as err:
        todo = "check ca_file in [custodian], and the name in its certificate"
        return failure(name, f"{setting.url} shows a certificate that is not trusted: {err.verify_message}", todo)
    except ssl.SSLError as err:
        why = f"TLS with {setting.url} fails: {mistake.in_system(err)}"
        return failure(name, why, "ask who runs it: it may speak no TLS, or let in only who has a client certificate")
    except (OSError, http.client.HTTPException) as err:
        todo = "check its address, its machine and the network; receipts wait until then"
        return warning(name, f"{setting.url}: {no_answer(err)}", todo)
    return _health(name, setting.url, (status, body), keys)


def _health(name: str, url: str, answer: tuple[int, bytes], keys: Sequence[CustodianKey]) -> Check:
    """What an answer (status, body) of ``/health`` says. Whose key it states proves nothing; another's is a mistake."""
    status, body = answer
    try:
        said = json.loads(body)
        trouble, last = plain(str(said["trouble"]))[:200], plain(str(said["last_round"]))[:40]
        its = custodian_key.parse(str(said["custodian"]))
    except (ValueError, KeyError, TypeError, Refused):
        return failure(name, f"{url} answers {status}, but not as a custodian does", "check url in [custodian]")
    if its.key_id not in {key.key_id for key in keys}:
        why = f"{url} signs as {_short(its)}, not as {' or '.join(map(_short, keys))}: its receipts would be alarms"
        todo = "correct url in [custodian], or keys: `dockagent custodian keys` prints the line on its own machine"
        return failure(name, why, todo)
    if status != 200:
        why = f"{url} answers, but makes no good rounds: {trouble or 'it does not say why'}"
        return warning(name, why, "ask who runs it; receipts wait until then")
    return ok(name, f"{url} answers as {_short(its)}; its last round was {f'on {last}' if last else 'not made yet'}")


def _short(key: CustodianKey) -> str:
    return f"{key.name} ({key.key_id[:8]})"


# ---- the custodian's own machine ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Setup:
    """A custodian as its file has it, each part opened as its service would: they raise DockError where that would not
    start. ``listen``: where docks ask, or empty; ``pems``: certificates for that, by the key that names each file;
    ``key_files``: what lies in ``keys/`` once they are made; ``keys``: opens them, and gives the names; ``docks``: how
    many docks are believed; ``signs``: whether there is a policy for permits, ``terms``: which, in words; ``tls``:
    whether docks speak TLS to it; ``cameras``: lists the store, and gives how many cameras it has footage of."""

    home: Path
    url: str
    listen: str
    pems: Sequence[tuple[str, str]]
    key_files: Sequence[str]
    keys: Callable[[], str]
    docks: Callable[[], int]
    signs: bool
    terms: Callable[[], str]
    tls: Callable[[], bool]
    cameras: Callable[[], int]


def examine(setup: Setup, machine: Machine, now: Instant) -> Iterator[Check]:
    """Every check of a machine that is a custodian and no dock."""
    yield ok("role", "this machine is a custodian: its bays, cameras and spool are not looked for")
    yield of_machine.python(machine)
    yield of_machine.clock(now)
    yield of_home.place(setup.home)
    yield of_home.disk(setup.home)
    yield _keys(setup)
    yield _opened("docks", lambda: f"{setup.docks()} sets of docks' keys are believed")
    yield _permits(setup)
    yield from _service(setup, now)
    yield _store(setup)


def _keys(setup: Setup) -> Check:
    missing = [name for name in setup.key_files if not (setup.home / "keys" / name).exists()]
    if len(missing) == len(setup.key_files):
        return failure("keys", "there are none, and it does not start without", "run `dockagent custodian keys`")
    if missing:
        return failure("keys", f"{missing[0]} is missing", "bring the keys folder back from its backup")
    return _opened("keys", lambda: f"{setup.keys()}, private keys readable by their user alone")


def _permits(setup: Setup) -> Check:
    found = _opened("permits", setup.terms)
    if found.word == "ok" and setup.signs and urlsplit(setup.url).scheme == "swift":
        why = "there is a policy, and beside Swift no permit is signed: nobody can tell what the store would let go of"
        return warning("permits", why, "erase cameras only where the footage lies under a lock; see docs/swift.md")
    return found


def _opened(name: str, words: Callable[[], str]) -> Check:
    try:
        return ok(name, words())
    except DockError as err:
        return failure(name, err.what, err.hint)
    except OSError as err:
        return failure(name, f"{err.filename} cannot be read: {err.strerror}", "run this as the custodian's user")


def _service(setup: Setup, now: Instant) -> Iterator[Check]:
    if not setup.listen:
        yield warning(
            "service", "no dock can ask it for receipts or permits", "set listen in [service], if they should"
        )
        return
    try:
        over = "TLS" if setup.tls() else "no TLS: a front must speak it"
    except DockError as err:
        yield failure("service", err.what, err.hint)
        return
    yield _door(setup, over)
    for key, file in setup.pems:
        yield _lasting(f"service {key}", Path(file), now)


def _door(setup: Setup, over: str) -> Check:
    from dockagent.ledger.witness_server import parse_address  # an HTTP server: only for those who are one

    try:
        host, port = parse_address(setup.listen, "service")
        runs = is_held(setup.home / _STATE / "lock")
    except DockError as err:
        return failure("service", err.what, "write listen = HOST:PORT in [service]")
    except OSError as err:
        return failure("service", f"{err.filename} cannot be read: {err.strerror}", "run this as the custodian's user")
    if port == 0:
        return warning(
            "service", f"{setup.listen} is another port at each start", "give listen in [service] a fixed port"
        )
    try:
        if runs:
            socket.create_connection((host or "127.0.0.1", port), REACH_S).close()
        else:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            socket.create_server((host, port), family=family).close()
    except OSError as err:
        what = "it runs, but nothing answers at" if runs else "it cannot listen at"
        todo = "see its log" if runs else "correct listen in [service], or end who listens there"
        return failure("service", f"{what} {setup.listen}: {err.strerror or err}", todo)
    return ok("service", f"{'answers' if runs else 'will listen'} at {setup.listen}, {over}")


def _lasting(name: str, file: Path, now: Instant) -> Check:
    """How long the certificates of a PEM file last."""
    try:
        chain = certificates.parse_chain(file.read_bytes())
    except Refused as err:
        return failure(name, f"{file}: {err.what}", "give a file of certificates in PEM")
    except OSError as err:
        return failure(name, f"{file} cannot be read: {err.strerror}", "run this as the custodian's user")
    if not chain:
        return failure(name, f"{file} holds no certificate", "give a file of certificates in PEM")
    first = min(chain, key=lambda one: one.not_valid_after_utc)
    ends = int(first.not_valid_after_utc.timestamp() * 1000)
    what = f"{certificates.shown(first.subject)} ends {rfc3339(ends)[:10]}"
    if ends <= now.utc_ms:
        return failure(name, f"expired: {what}", "have the next one issued")
    if ends <= now.utc_ms + SOON_MS:
        return warning(name, f"expires soon: {what}", "have the next one issued")
    return ok(name, what)


def _store(setup: Setup) -> Check:
    if not setup.url:
        return failure("store", "a custodian stands beside a store, and none is named", "set url in [store]")
    return _opened("store", lambda: f"{setup.url} can be listed; it has footage of {setup.cameras()} cameras")
