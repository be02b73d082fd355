"""``dockagent store``: try what the central store promises, on the live store, and put the answers on record."""

import argparse
import json
import secrets
import textwrap
from pathlib import Path
from typing import Any

import msgspec

from dockagent import config
from dockagent.cli import grounds
from dockagent.clock import SystemClock
from dockagent.core.central import promise as pr
from dockagent.core.central.promise import Kept
from dockagent.core.paths import safe_name
from dockagent.desk import desk
from dockagent.errors import Missing, UsageError
from dockagent.stores.promises import Credential, Proof, Prover

HELP = "try what the central store promises for evidence, and put the answers on record"
DESCRIPTION = """Does to the live store what it must refuse: other bytes than were signed, a second write, a delete, an
early end of retention, a read. It is done to some ten objects of a few bytes below scratch/ in the store; where a lock
holds them they stay until their retention ends. Under the names that are a custodian's, uploads are only begun, and
aborted at once. This dock's own credential is tried; what a lock is worth can only be told with an administrator's,
which is used for this once and kept nowhere. The answers go into the ledger, and every receipt and clip record from
then on names that entry."""
EPILOG = """exit codes: 0 every promise that could be tried is kept · 1 the store only pretends · 2 wrong usage or
configuration · 3 some promise is not kept · 4 the store did not answer enough"""
_WORDS = {
    "write-once": "its lock was tried with an administrator's rights, and held",
    "honest": "it refuses a wrong secret and wrong bytes, and the first object outlasts a second; no lock is proved",
    "tamper-evident": "a folder: what is changed or removed is found by digests, ledger and receipts, not hindered",
    "pretender": "it takes what it must refuse, or names a lock that does not hold: do not rest a case on it",
    "unknown": "it did not answer enough to tell",
}
_SIGNS = {pr.KEPT: "kept", pr.BROKEN: "BROKEN", pr.NOT_ASKED: "not asked"}
_WIDTH = 118


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", parent: argparse.ArgumentParser) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("store", help=HELP, description=HELP)
    acts = parser.add_subparsers(metavar="ACT", required=True)
    act = acts.add_parser("check", parents=[parent], help=HELP, description=DESCRIPTION, epilog=EPILOG)
    act.add_argument("--store", metavar="URL", default="", help="another store than the configured one")
    act.add_argument("--admin-key-id", metavar="ID", default="", help="an administrator's access key")
    act.add_argument("--admin-secret-file", metavar="FILE", type=Path, help="file with the secret that belongs to it")
    act.add_argument(
        "--no-record", action="store_true", help="put nothing on record: for trying before there is a dock"
    )
    grounds.add(act, "basis", "authority", "purpose")
    act.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Try everything. 0: kept, 1: a pretender, 3: some promise is not kept, 4: not enough answers."""
    chosen, home, admin = config.of(args), config.home(args), _admin(args)
    if args.no_record:
        return _show(args, _proof(args, chosen, home, admin), None)
    _need_ledger(home)
    with desk(chosen, home) as at:
        proof = _proof(args, chosen, home, admin)
        done = at.record(msgspec.structs.replace(proof.event(), grounds=grounds.asked(args)))
    return _show(args, proof, done.index)


def _need_ledger(home: Path) -> None:
    """Raises Missing where nothing can be put on record, before anything is asked of the store."""
    if (home / "ledger").is_dir():
        return
    if (home / "keys").is_dir():
        why = f"the dock at {home} has keys, and no ledger before its agent ran"
        raise Missing(f"{why}: the answers cannot go on record", "try with --no-record, or run the agent once before")
    raise Missing(f"there is no dock at {home}", "give its --home, or try with --no-record before there is one")


def _proof(args: argparse.Namespace, chosen: config.Config, home: Path, admin: Credential | None) -> Proof:
    from dockagent.reach import configured_store  # the clients of stores are heavy

    store = configured_store(chosen, home, args.store, SystemClock(), remember=False)
    if not isinstance(store, Prover):
        raise Missing(f"the promises of {store.url} cannot be tried", "ask who runs it what it keeps, in writing")
    return store.prove(f"scratch/{safe_name(config.dock_id(chosen))}/{secrets.token_hex(8)}", admin)


def _admin(args: argparse.Namespace) -> Credential | None:
    if bool(args.admin_key_id) != bool(args.admin_secret_file):
        raise UsageError("half of an administrator's credential", "give both --admin-key-id and --admin-secret-file")
    if not args.admin_key_id:
        return None
    from dockagent.reach import secret_of  # as above

    return Credential(args.admin_key_id, secret_of(str(args.admin_secret_file), "--admin-secret-file"))


def _show(args: argparse.Namespace, proof: Proof, record: int | None) -> int:
    if args.json:
        print(json.dumps(_as_json(proof, record), ensure_ascii=False, indent=2))
    else:
        print("\n".join(lines(proof, record)))
    return exit_code(proof)


def exit_code(proof: Proof) -> int:
    """What this command ends with."""
    if proof.standing == "pretender":
        return 1
    if proof.standing == "unknown":
        return 4
    return 3 if any(one.answer == pr.BROKEN for one in proof.kept) else 0


def _as_json(proof: Proof, record: int | None) -> dict[str, Any]:
    return {
        "store": proof.store,
        "kind": proof.kind,
        "server": proof.server,
        "standing": proof.standing,
        "promises": [
            {**msgspec.to_builtins(one), "means": pr.MEANING.get(one.promise, one.promise)} for one in proof.kept
        ],
        "scratch": proof.scratch,
        "record": record,
    }


def lines(proof: Proof, record: int | None) -> list[str]:
    """What a person is told of ``proof``; ``record``: its number in the ledger, or None."""
    calls = f" (calls itself {proof.server!r}, which proves nothing)" if proof.server else ""
    breaks = proof.standing == "honest" and any(one.answer == pr.BROKEN for one in proof.kept)
    words = _WORDS[proof.standing] + ("; what is BROKEN below, it does not keep" if breaks else "")
    head = [f"{proof.store}{calls}", *_wrapped(f"{proof.standing}: {words}", "")]
    order = (pr.BROKEN, pr.KEPT, pr.NOT_ASKED)
    rows = [one for answer in order for one in proof.kept if one.answer == answer]
    where = "on record as entry " + str(record) if record is not None else "not on record"
    end = [f"{where}; what was tried lies, or lay, under {proof.scratch}/"]
    return [*head, "", *(line for one in rows for line in _of(one)), "", *end]


def _of(one: Kept) -> list[str]:
    return [f"{_SIGNS[one.answer]:<10} {pr.MEANING.get(one.promise, one.promise)}", *_wrapped(one.how, " " * 11)]


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent)
