"""What the desk looks at before a person's act is recorded, beyond what the state alone can tell.

The core knows which checkpoint a draw has to be made of, and not whether witnesses signed it: that takes their keys and
the ledger's bytes. The command looks too; but whoever may use the desk can send it a draw without the command.
"""

from pathlib import Path

from dockagent.config import Config
from dockagent.core import events as ev
from dockagent.core.central import custodian_key
from dockagent.core.events.permit import PermitHandedIn
from dockagent.core.permits import permit
from dockagent.durable import RealDisk
from dockagent.errors import Refused
from dockagent.ledger.ask_witness import parse_peer
from dockagent.ledger.keys import read_sets
from dockagent.ledger.notary import quorum_of
from dockagent.ledger.seed_notes import Court, refuse_unwitnessed

LEDGER = "ledger"
NOTHING = "no footage fits the filter, so there is nothing to draw from"


def court(config: Config, home: Path) -> Court:
    """Whose word counts at the dock in ``home``."""
    peers = [parse_peer(one) for one in config.witnesses.ask]
    keys = tuple(dict.fromkeys(dock.log_key for dock in read_sets(RealDisk(home / LEDGER))))
    return Court(keys, [peer.key for peer in peers], quorum_of(config.witnesses.quorum, len(peers)))


def check(config: Config, home: Path, event: ev.PersonsAct) -> None:
    """Raises Refused for a sample of nothing, for a draw whose seed witnesses did not sign, and for a permit that no
    custodian signed whom this dock believes, or that it would not follow from anybody."""
    if isinstance(event, ev.SampleAsked) and not event.question.candidates:
        raise Refused(NOTHING, "see which do with `dockagent clips`")
    if isinstance(event, ev.SampleDrawn):
        refuse_unwitnessed(RealDisk(home), LEDGER, event.checkpoint, court(config, home))
    if isinstance(event, PermitHandedIn):
        if config.erase.when != "permit":
            raise Refused("this dock erases nothing from cameras", "see [erase] in docs/configuration.md")
        keys = [custodian_key.parse(line).public for line in config.custodian.keys]
        permit.read("".join(event.documents).encode(), keys)
