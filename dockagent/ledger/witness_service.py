"""A witness at work: its key, its state, its door, and that it is the only one over this state."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dockagent.clock import Clock
from dockagent.durable import RealDisk
from dockagent.errors import UsageError
from dockagent.ledger import trust
from dockagent.ledger.keys import PUBLIC, read_public
from dockagent.ledger.keys_new import refuse_lost_public_side
from dockagent.ledger.lock import locked
from dockagent.ledger.witness import Witness
from dockagent.ledger.witness_key import WitnessKey, name_of
from dockagent.ledger.witness_server import WitnessServer

log = logging.getLogger(__name__)

STATE = "witness"


@contextmanager
def serving(listen: str, logs: Sequence[str], home: Path, dock_id: str, clock: Clock) -> Iterator[WitnessServer]:
    """The witness of ``home``, answering at ``listen`` (``HOST:PORT``). ``logs``: whose checkpoints it takes, each a
    vkey or the path of a trust file. It is called after the dock of this home, or after ``dock_id`` where there is
    none. Its key is made where it is not there yet.

    Raises UsageError for settings that cannot work, Refused where another process is this witness already.
    """
    known = trust.logs_of(logs, _read_trust)
    if not listen or not known:
        raise UsageError("a witness needs an address and somebody's log", "set listen and logs in [witness]")
    key = open_key(home, dock_id)
    disk = RealDisk(home / STATE)
    with locked(disk.path("lock"), "witness"):
        server = WitnessServer(listen, Witness(disk, key, known, clock))
        server.start()
        log.info("witness %s answers at %s for %d logs", key.public.text(), listen, len(known))
        try:
            yield server
        finally:
            server.stop()


def open_key(home: Path, dock_id: str) -> WitnessKey:
    """The witness key of ``home``, made where it is not there yet."""
    keys = RealDisk(home / "keys")
    refuse_lost_public_side(home)
    origin = read_public(keys).origin if keys.size(PUBLIC) is not None else f"dockagent.local/{dock_id}"
    return WitnessKey.open(keys, name_of(origin))


def _read_trust(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as err:
        raise UsageError(f"cannot read {name}: {err.strerror}", "check logs in [witness]") from err
