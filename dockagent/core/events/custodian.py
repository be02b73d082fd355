"""The custodian's word on what was delivered, as a dock hears it. Part of :mod:`core.events`."""

from dockagent.core.central.custodian_state import CustodianWord
from dockagent.core.events.event import Event


class CustodianReceived(Event, frozen=True, tag="custodian.receipt"):
    """The custodian read the clip back from storage and signed a receipt, which the dock checked against what it read
    from the camera."""

    clip_id: str
    word: CustodianWord


class CustodianRefuted(Event, frozen=True, tag="custodian.alarm"):
    """What lies in the custodian's name is no good receipt for this clip. ``sha256``: of the envelope (hex)."""

    clip_id: str
    sha256: str
    reason: str


class CustodianAsked(Event, frozen=True, tag="custodian.asked"):
    """Receipts for so many clips were asked for; ``reason``: what stood in the way, or empty."""

    asked: int
    found: int
    reason: str = ""


OfCustodian = CustodianReceived | CustodianRefuted | CustodianAsked
