"""Judges a machine that witnesses others and is no dock: its key, its state, its door."""

from collections.abc import Iterator
from pathlib import Path

from dockagent.config import Config
from dockagent.core.moment import Instant
from dockagent.doctor import of_home, of_machine, of_witnesses
from dockagent.doctor.check import Check, failure, ok, warning
from dockagent.doctor.machine import Machine
from dockagent.durable import RealDisk
from dockagent.errors import DockError
from dockagent.ledger.witness_key import PRIVATE, PUBLIC, WitnessKey, read_public

_STATE = "witness"


def examine(chosen: Config, home: Path, machine: Machine, now: Instant) -> Iterator[Check]:
    """Every check of such a machine."""
    yield ok("role", "this machine witnesses others and is no dock: no [bays], no [store], no ledger")
    yield of_machine.python(machine)
    yield of_machine.clock(now)
    yield of_home.place(home)
    yield of_home.disk(home)
    yield _key(home)
    yield _state(home)
    yield from of_witnesses.witness(chosen.witness, home)


def _key(home: Path) -> Check:
    disk, folder = RealDisk(home / "keys") if (home / "keys").is_dir() else None, home / "keys"
    try:
        if disk is None or not any((folder / name).exists() for name in (PRIVATE, PUBLIC)):
            return warning(
                "witness key", "there is none yet; the first start makes it", "run `dockagent witness --vkey`"
            )
        public = read_public(disk)
        if public is None or not (folder / PRIVATE).exists():
            return failure("witness key", f"half of it is missing in {folder}", "run `dockagent witness --vkey`")
        key = WitnessKey.open(disk, public.name)
    except DockError as err:
        return failure("witness key", err.what, err.hint)
    except OSError as err:
        return failure("witness key", f"{folder} cannot be read: {err.strerror}", "run this as the witness's user")
    return ok("witness key", f"{key.public.text()}, readable by its user alone")


def _state(home: Path) -> Check:
    """Whether it remembers what it cosigned; without that it could be led to sign a second history."""
    folder = home / _STATE
    try:
        heads = [one for one in folder.iterdir() if len(one.name) == 64] if folder.is_dir() else []
    except OSError as err:
        return failure("witness state", f"{folder} cannot be read: {err.strerror}", "run this as the witness's user")
    return ok("witness state", f"{len(heads)} logs cosigned so far")
