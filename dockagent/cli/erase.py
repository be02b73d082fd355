"""``dockagent erase``: hand a permit in, by which the dock may erase a clip from its camera."""

import argparse
import json
from pathlib import Path

from dockagent import config
from dockagent.cli import grounds
from dockagent.config import Config
from dockagent.core import moment
from dockagent.core.central import custodian_key
from dockagent.core.events.permit import PermitHandedIn
from dockagent.core.permits import permit as permits
from dockagent.core.permits.permit import Permit
from dockagent.desk import desk
from dockagent.errors import Refused, UsageError

HELP = "hand in the custodian's permit to erase a clip from its camera; the dock judges it, and it goes on record"
DESCRIPTION = """Footage is erased from a camera only where the configuration allows it ([erase]), only what a permit
of the custodian names, and only while the camera is in its bay. This hands in a permit by hand, for a dock that cannot
reach the custodian. The dock holds it against all that it knows, and follows it when the camera is there, or records on
which ground it does not; `dockagent show CLIP` tells. docs/erase.md lists the grounds."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", parent: argparse.ArgumentParser) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("erase", parents=[parent], help=HELP, description=DESCRIPTION)
    parser.add_argument("--permit", metavar="FILE", required=True, help="the permit, as the custodian signed it")
    grounds.add(parser, "purpose", "basis", "authority")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0: it is on record. 1: it is refused. 2: this dock does not erase, or there is no such file."""
    settings = config.of(args)
    if settings.erase.when != "permit":
        raise UsageError("this dock erases nothing from cameras", 'that is [erase] when = "permit"; see docs/erase.md')
    data = _read(Path(args.permit))
    permit = permits.read(data, [one.public for one in _keys(settings)])
    with desk(settings, config.home(args)) as open_desk:
        event = PermitHandedIn(permit.clip.clip_id, permit, (data.decode(),), grounds=grounds.asked(args))
        done = open_desk.record(event)
    row = {"permit": permit.id, "clip_id": permit.clip.clip_id, "record": done.index, "ledger_size": done.size}
    print(json.dumps(row, indent=2) if args.json else _words(permit, done.index))
    return 0


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(permits.LARGEST + 1)
    except OSError as err:
        raise UsageError(f"cannot read the permit {path}: {err.strerror}", "check --permit") from err


def _keys(settings: Config) -> list[custodian_key.CustodianKey]:
    """Raises UsageError where nobody's permits are believed."""
    if not settings.custodian.keys:
        raise UsageError("this dock believes no custodian", "name one: keys of [custodian]")
    try:
        return [custodian_key.parse(line) for line in settings.custodian.keys]
    except Refused as err:
        raise UsageError(f"keys of [custodian]: {err.what}", "take them from `dockagent custodian keys`") from err


def _words(permit: Permit, record: int) -> str:
    until = moment.rfc3339(permit.until_ms)
    return (
        f"permit {permit.id} is on record as {record}: {permit.clip.path} may be erased from camera {permit.camera} "
        f"until {until}; the dock judges it when the camera is there"
    )
