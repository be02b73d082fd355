"""``dockagent keys``: make, show and enrol the dock's identity."""

import argparse
import sys
from pathlib import Path

from dockagent import config
from dockagent.core import dsse
from dockagent.durable import RealDisk
from dockagent.errors import UsageError
from dockagent.ledger.keys import Keys, read_public
from dockagent.ledger.trust import DockIdentity, Trust

HELP = "make, show and enrol the dock's identity"
NEXT = """Next: have the agency's CA sign this request (`openssl req -in {out} -noout -text -verify` shows it), and give
the agency this dock's trust file from `dockagent keys show --json`, so that others can check its records."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", parent: argparse.ArgumentParser) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("keys", help=HELP, description=HELP)
    acts = parser.add_subparsers(metavar="ACT", required=True)
    init = acts.add_parser("init", parents=[parent], help="make the keys of a new dock; never replaces keys")
    init.add_argument("--dock", metavar="ID", help="the dock's name (default: id of [dock] in the configuration)")
    init.set_defaults(run=run_init)
    show = acts.add_parser("show", parents=[parent], help="show the public keys; with --json: a trust file")
    show.set_defaults(run=run_show)
    enroll = acts.add_parser("enroll", parents=[parent], help="write a certificate request for the agency's CA")
    enroll.add_argument("--out", metavar="FILE", type=Path, required=True, help="where the request (PEM) goes")
    enroll.set_defaults(run=run_enroll)


def run_init(args: argparse.Namespace) -> int:
    """Make the keys of a new dock."""
    folder, dock_id = config.home(args) / "keys", args.dock or config.of(args).dock.id
    try:
        keys = Keys.create(RealDisk(folder), dock_id)
    except OSError as err:
        raise UsageError(f"cannot make keys in {folder}: {err.strerror}", "run this as the dock's user") from err
    _show(keys.dock, as_json=args.json)
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Show the public side; needs no right to the private keys."""
    _show(read_public(_keys_folder(args)), as_json=args.json)
    return 0


def run_enroll(args: argparse.Namespace) -> int:
    """Write a certificate request and say what to do with it."""
    request = Keys.load(_keys_folder(args)).csr_pem(config.of(args).dock.site)
    try:
        with args.out.open("x", encoding="ascii") as file:
            file.write(request)
    except OSError as err:
        raise UsageError(f"cannot write {args.out}: {err.strerror}", "give another --out") from err
    print(NEXT.format(out=args.out))
    return 0


def _keys_folder(args: argparse.Namespace) -> RealDisk:
    folder = config.home(args) / "keys"
    if not folder.is_dir():
        raise UsageError(f"this dock has no keys: there is no {folder}", "run `dockagent keys init`, or check --home")
    return RealDisk(folder)


def _show(dock: DockIdentity, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(Trust((dock,)).encode().decode())
        return
    print(f"dock           {dock.id}")
    print(f"ledger         {dock.origin}")
    print(f"record key id  {dsse.key_id(dock.record_key)}")
    print(f"checkpoint key {dock.log_key.text()}")
    print(dock.record_key_pem, end="")
