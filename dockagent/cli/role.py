"""What a machine is, for commands that look at any: a dock, only a witness, or a custodian; and what such commands say
of the last two."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockagent import config
from dockagent.clock import SystemClock
from dockagent.core.moment import rfc3339
from dockagent.core.plain import plain
from dockagent.ledger.log import ENTRIES

if TYPE_CHECKING:
    from dockagent.doctor.check import Check

_OWN_TABLES = frozenset({"service", "permits"})  # of a custodian's file, and of no dock's
_SHARED = frozenset({"custodian", "store", "swift"})


def is_custodian(args: argparse.Namespace) -> bool:
    """Whether the configuration in force is a custodian's: the file that is named, else the only one that is here."""
    file = _file(args)
    if file is None:
        return False
    raw = config.read_as(file, dict[str, Any], "docs/configuration.md")
    table = raw.get("custodian")
    own = isinstance(table, dict) and not set(table) <= set(config.Custodian.__struct_fields__)
    return bool(_OWN_TABLES & set(raw)) or (own and set(raw) <= _SHARED)


def _file(args: argparse.Namespace) -> Path | None:
    from dockagent.custodian import settings

    if args.config:
        return Path(args.config)
    if config.SYSTEM_CONFIG.is_file() or not settings.SYSTEM_CONFIG.is_file():
        return None
    return settings.SYSTEM_CONFIG


def custodians_checks(args: argparse.Namespace) -> "Iterator[Check]":
    """What ``doctor`` looks at where this machine is a custodian. Raises UsageError for a file that cannot be read."""
    from dockagent.custodian import key, service, settings, share
    from dockagent.custodian.server import tls_of
    from dockagent.doctor import of_custodian
    from dockagent.doctor.machine import look
    from dockagent.ledger import witness_key
    from dockagent.reach import configured_archive

    file, clock = settings.load(_file(args)), SystemClock()
    home, table, door = settings.home_of(file, args.home or ""), file.custodian, file.service
    url = getattr(args, "store", "") or file.store.url

    def keys() -> str:
        mine, witness = service.open_keys(home, table.name)
        return f"{mine.public.name} signs, {witness.public.name} witnesses"

    def terms() -> str:
        policy = settings.settings_of(file).permits.name
        share.parse(table.share)
        return f"by the rule {policy!r}, share {table.share}" if policy else f"none are signed; share {table.share}"

    def cameras() -> int:
        archive = configured_archive(file.reached, url, clock)
        return len({one for top in ("clips/", "quarantine/") for one in archive.names(top)})

    setup = of_custodian.Setup(
        home=home,
        url=url,
        listen=door.listen,
        pems=[one for one in (("cert_file", door.cert_file), ("client_ca_file", door.client_ca_file)) if one[1]],
        key_files=(key.PRIVATE, key.PUBLIC, witness_key.PRIVATE, witness_key.PUBLIC),
        keys=keys,
        docks=lambda: len(settings.trust_of(file).docks),
        signs=bool(file.permits.policy),
        terms=terms,
        tls=lambda: tls_of(door.cert_file, door.key_file, door.client_ca_file) is not None,
        cameras=cameras,
    )
    yield from of_custodian.examine(setup, look(), clock.now())


def is_witness(args: argparse.Namespace) -> bool:
    """Whether this machine witnesses and does nothing else: it was told where to listen, and neither of bays nor of a
    store, and it has no ledger."""
    chosen = config.of(args)
    alone = (chosen.bays, chosen.store, chosen.furniture) == (config.Bays(), config.Store(), config.Furniture())
    return bool(chosen.witness.listen) and alone and not (config.home(args) / "ledger" / ENTRIES).exists()


def witness_status(args: argparse.Namespace) -> dict[str, Any]:
    """What ``status`` says where this machine only witnesses. Raises UsageError, Refused where its state was altered,
    OSError."""
    from dockagent.durable import RealDisk
    from dockagent.ledger import trust, witness, witness_key
    from dockagent.ledger.lock import is_held

    said, home = config.of(args).witness, config.home(args)
    folders = (home / "keys").is_dir() and (home / "witness").is_dir()
    key = witness_key.read_public(RealDisk(home / "keys")) if folders else None
    logs = []
    for origin in trust.logs_of(said.logs, lambda name: Path(name).read_bytes()):
        head, at = witness.newest(RealDisk(home / "witness"), origin, key) if key else (None, None)
        logs.append({"log": origin, "records": head.size if head else 0, "cosigned": rfc3339(at * 1000) if at else ""})
    runs = is_held(home / "witness" / "lock")
    return {"role": "witness", "running": runs, "listen": said.listen, "key": key.text() if key else "", "logs": logs}


def witness_text(row: dict[str, Any]) -> str:
    """The same for a terminal."""
    lines = [f"Witness: {'running' if row['running'] else 'not running'}, at {row['listen']}; this machine is no dock"]
    lines += [
        f"  {plain(one['log'])}: "
        + (f"cosigned up to {one['records']} records, {one['cosigned']}" if one["cosigned"] else "nothing cosigned yet")
        for one in row["logs"]
    ]
    return "\n".join([*lines, *([] if row["logs"] else ["  it knows no logs: set logs in [witness]"])])


def custodian_status(args: argparse.Namespace) -> dict[str, Any]:
    """What ``status`` says where this machine is a custodian: what is known without asking the store. Raises
    UsageError, OSError."""
    from dockagent.custodian import service, settings
    from dockagent.ledger.lock import is_held

    file = settings.load(_file(args))
    home = settings.home_of(file, args.home or "")
    return {
        "role": "custodian",
        "name": file.custodian.name,
        "running": is_held(home / service.STATE / "lock"),
        "store": file.store.url,
        "listen": file.service.listen,
    }


def custodian_text(row: dict[str, Any]) -> str:
    """The same for a terminal."""
    door = f"docks ask it at {row['listen']}" if row["listen"] else "docks cannot ask it"
    return "\n".join(
        [
            f"Custodian {row['name']}: {'running' if row['running'] else 'not running'}; this machine is no dock",
            f"  beside {row['store'] or 'no store: set url in [store]'}; {door}",
            "  what it found: `dockagent custodian once` says it, and while it runs its /health and /metrics",
        ]
    )
