"""``dockagent erase``: hand a permit in, by which the dock may erase a clip from its camera."""

import argparse
import json
from pathlib import Path
from typing import Any

from dockagent import config
from dockagent.cli import grounds, history
from dockagent.clock import SystemClock
from dockagent.config import Config
from dockagent.core.central import custodian_key
from dockagent.core.events.permit import PermitHandedIn
from dockagent.core.model import State
from dockagent.core.permits import permit as permits
from dockagent.core.permits import permit_waits
from dockagent.core.permits.erasing import Ground
from dockagent.core.permits.permit import Permit
from dockagent.core.permits.permit_state import KnownPermit
from dockagent.core.plain import plain
from dockagent.desk import desk
from dockagent.errors import Refused, UsageError

HELP = "hand in the custodian's permit to erase a clip from its camera; the dock judges it, and it goes on record"
DESCRIPTION = """Footage is erased from a camera only where the configuration allows it ([erase]), only what a permit
of the custodian names, and only while the camera is in its bay. This hands in a permit by hand, for a dock that cannot
reach the custodian. The dock holds it against all that it knows, and follows it when the camera is there, or records on
which ground it does not; `dockagent show CLIP` tells. docs/erase.md lists the grounds."""

_TAKE_IT = "hand in the file as the custodian signed it: permit.json of the clip's folder in the store"
_FOR_GOOD: dict[str, str] = {
    Ground.STALE: "ask who runs the custodian for a new one: those that ran out are renewed, some times",
    Ground.WRONG_DOCK: "hand it in at that dock",
    Ground.REPLAY: "there is nothing more to do: what it named is gone from the camera",
}
"""The grounds that no day and no camera takes away, and what to do."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", parent: argparse.ArgumentParser) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("erase", parents=[parent], help=HELP, description=DESCRIPTION)
    parser.add_argument("--permit", metavar="FILE", required=True, help="the permit, as the custodian signed it")
    grounds.add(parser, "purpose", "basis", "authority")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0: it is on record. 1: it is refused; or it is on record, and of no use to this dock for good. 2: this dock
    does not erase, or there is no such file."""
    settings = config.of(args)
    if settings.erase.when != "permit":
        raise UsageError("this dock erases nothing from cameras", 'that is [erase] when = "permit"; see docs/erase.md')
    file = Path(args.permit)
    data = _read(file)
    permit = _permit(file, data, _keys(settings))
    with desk(settings, config.home(args)) as open_desk:
        event = PermitHandedIn(permit.clip.clip_id, permit, (data.decode(),), grounds=grounds.asked(args))
        done = open_desk.record(event)
        found = _found(args, open_desk.state, permit, done.index)
    row = {"permit": permit.id, "clip_id": permit.clip.clip_id, "record": done.index, "ledger_size": done.size}
    row |= {
        "camera": permit.camera,
        "bay": found["bay"],
        "ground": found["ground"],
        "text": permit_waits.prospect(found),
    }
    if args.json:
        print(json.dumps(row, indent=2))
    if hint := _FOR_GOOD.get(found["ground"]):
        why = f"the permit in {file} is on record as {done.index}, and this dock never follows it: {found['why']}"
        raise Refused(plain(why), hint)
    if not args.json:
        print(plain(_words(permit, done.index, found)))
    return 0


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(permits.LARGEST + 1)
    except OSError as err:
        raise UsageError(f"cannot read the permit {path}: {err.strerror}", "check --permit") from err


def _permit(file: Path, data: bytes, keys: list[custodian_key.CustodianKey]) -> Permit:
    """Raises Refused, naming the file, for anything but a permit that one of ``keys`` signed."""
    if len(data) > permits.LARGEST:
        raise Refused(f"{file} is no permit: none has more than {permits.LARGEST} bytes", _TAKE_IT)
    try:
        return permits.read(data, [one.public for one in keys])
    except Refused as err:
        raise Refused(f"{file} is not taken as a permit: {plain(err.what)}", err.hint or _TAKE_IT) from err


def _keys(settings: Config) -> list[custodian_key.CustodianKey]:
    """Raises UsageError where nobody's permits are believed."""
    if not settings.custodian.keys:
        raise UsageError("this dock believes no custodian", "name one: keys of [custodian]")
    try:
        return [custodian_key.parse(line) for line in settings.custodian.keys]
    except Refused as err:
        raise UsageError(f"keys of [custodian]: {err.what}", "take them from `dockagent custodian keys`") from err


def _found(args: argparse.Namespace, state: State, permit: Permit, record: int) -> dict[str, Any]:
    """Where the permit's camera is, and what speaks against the permit, by what the dock believed before."""
    state.dock = history.dock_id(args)
    history.only_what_is_here(state, args)
    known = state.permits.known.get(permit.id)
    return permit_waits.row(
        state, KnownPermit(permit, record, "", known.spent if known else set()), SystemClock().now().utc_ms
    )


def _words(permit: Permit, record: int, found: dict[str, Any]) -> str:
    return f"permit {permit.id} to erase {permit.clip.path} is on record as {record}, {permit_waits.prospect(found)}"
