"""Judges whether outsiders vouch for the ledger: whether witnesses can be reached, since when enough of them have not
signed, and whether this machine can be one."""

import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from dockagent.config import Timestamps, Witness, Witnesses
from dockagent.core.moment import Instant, rfc3339
from dockagent.core.proof import cosignature, note
from dockagent.core.summary import minutes_ago
from dockagent.doctor.check import Check, failure, ok, warning
from dockagent.durable import RealDisk
from dockagent.errors import DockError, Refused
from dockagent.ledger import trust, witness_key, witnessed
from dockagent.ledger.ask_witness import WitnessPeer
from dockagent.ledger.lock import is_held
from dockagent.ledger.notary import check_authority, peers_of, quorum_of

REACH_S = 3.0
OVERDUE = 4  # so many times the configured wait
_NEWEST = 64  # checkpoints that are looked through


def witnesses(
    setting: Witnesses,
    stamps: Timestamps,
    stamp_roots: Callable[[], Sequence[x509.Certificate]],
    home: Path,
    now: Instant,
) -> Iterator[Check]:
    """The authority's roots (``stamp_roots`` reads them as the daemon would), each witness, and when enough of them
    signed last."""
    try:
        check_authority(stamps.url, stamp_roots())
    except DockError as err:
        yield failure("timestamps", err.what, err.hint)
    if not setting.ask and not setting.quorum and not stamps.url:
        yield warning(
            "history",
            "no outsider vouches for the ledger: whoever has this dock's keys can rewrite it",
            "name witnesses in [witnesses], see docs/witnesses.md",
        )
        return
    try:
        peers = peers_of(setting.ask, setting.quorum, _own_key(home))
    except DockError as err:
        yield failure("history", err.what, err.hint)
        return
    except OSError as err:
        yield failure("history", f"{err.filename} cannot be read: {err.strerror}", "run this as the agent's user")
        return
    for peer in peers:
        yield _reached(peer, setting.ca_file)
    if peers:
        yield _since(setting, peers, home, now)


def witness(setting: Witness, home: Path) -> Iterator[Check]:
    """Whether what this machine is to witness can be read."""
    if not setting.listen:
        return
    try:
        logs = trust.logs_of(setting.logs, lambda name: Path(name).read_bytes())
    except DockError as err:
        yield failure("witness", err.what, err.hint)
    except OSError as err:
        yield failure("witness", f"{err.filename} cannot be read: {err.strerror}", "check logs in [witness]")
    else:
        if logs:
            yield _door(setting.listen, home, len(logs))
        else:
            yield failure("witness", "it listens, but knows no logs", "give it the docks' checkpoint keys in logs")


def _own_key(home: Path) -> note.VerifierKey | None:
    folder = home / "keys"
    return witness_key.read_public(RealDisk(folder)) if folder.is_dir() else None


def _door(listen: str, home: Path, logs: int) -> Check:
    """Whether this machine's witness answers; where no agent runs, whether it could listen there."""
    from dockagent.ledger.witness_server import parse_address  # an HTTP server: only for those who are one

    try:
        host, port = parse_address(listen)
        runs = any(is_held(home / name / "lock") for name in ("ledger", "witness"))
    except DockError as err:
        return failure("witness", err.what, err.hint)
    except OSError as err:
        return failure("witness", f"{err.filename} cannot be read: {err.strerror}", "run this as the agent's user")
    if port == 0:
        return warning("witness", f"{listen} is another port at each start", "give listen in [witness] a fixed port")
    return _answers(listen, (host or "127.0.0.1", port), logs) if runs else _can_listen(listen, (host, port), logs)


def _answers(listen: str, address: tuple[str, int], logs: int) -> Check:
    try:
        socket.create_connection(address, REACH_S).close()
    except OSError as err:
        return failure(
            "witness",
            f"the agent runs, but nothing answers at {listen}: {err.strerror or err}",
            "see its log for why it witnesses nobody, and start it again",
        )
    return ok("witness", f"answers at {listen} for {logs} logs")


def _can_listen(listen: str, address: tuple[str, int], logs: int) -> Check:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    try:
        socket.create_server(address, family=family).close()
    except OSError as err:
        return failure("witness", f"cannot listen at {listen}: {err.strerror or err}", "correct listen in [witness]")
    return ok("witness", f"will listen at {listen} for {logs} logs when the agent runs")


def _reached(peer: WitnessPeer, ca_file: str) -> Check:
    """Whether it takes a connection; for https, whether it shows a certificate that we trust."""
    from dockagent.ledger.conversation import conversation, tls  # TLS: only for those who ask somebody

    parts = urlsplit(peer.url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    try:
        with conversation(parts.hostname or "", port, REACH_S, tls(ca_file, "witnesses") if secure else None):
            pass
    except DockError as err:
        return failure("witness reached", err.what, err.hint)
    except OSError as err:
        return warning(
            "witness reached", f"{peer.name} at {peer.url}: {err.strerror or err}", "check its machine and the network"
        )
    return ok("witness reached", f"{peer.name} at {peer.url}")


def _since(setting: Witnesses, peers: Sequence[WitnessPeer], home: Path, now: Instant) -> Check:
    quorum = quorum_of(setting.quorum, len(peers))
    newest = _newest(home, peers, quorum)
    if newest is None:
        return warning(
            "history",
            f"no checkpoint bears the {quorum} cosignatures that are needed",
            "start the agent, and see `dockagent status` for what hinders it",
        )
    size, seconds = newest
    words = f"{quorum} of {len(peers)} witnesses saw {size} records {minutes_ago(seconds * 1000, now.utc_ms)}"
    if now.utc_ms - seconds * 1000 > OVERDUE * setting.every_minutes * 60_000:
        when = rfc3339(seconds * 1000)[:19]
        return warning("history", f"{words}; not since {when}Z", "see `dockagent status` for what hinders it")
    return ok("history", words)


def _newest(home: Path, peers: Sequence[WitnessPeer], quorum: int) -> tuple[int, int] | None:
    """Size and time of the newest checkpoint that enough witnesses cosigned."""
    if not (home / "ledger").is_dir():
        return None
    disk = RealDisk(home)
    for size in reversed(witnessed.sizes(disk, "ledger")[-_NEWEST:]):
        try:
            signed = note.parse(disk.read(witnessed.path_of("ledger", size)))
        except (Refused, OSError):
            continue  # `dockagent verify` tells of it
        good, _ = cosignature.good(signed, [peer.key for peer in peers])
        if len(good) >= quorum:
            return size, sorted(one.seconds for one in good)[quorum - 1]
    return None
