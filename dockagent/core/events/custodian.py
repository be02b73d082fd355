"""The custodian's word on what was delivered, as a dock hears it. Part of :mod:`core.events`."""

from dockagent.core.central.custodian_state import CustodianWord, HoldWord
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


class CustodianHeld(Event, frozen=True, tag="custodian.hold"):
    """What the custodian says became, in the store, of the hold that record ``hold`` of this ledger set."""

    clip_id: str
    hold: int
    word: HoldWord


class HoldsAsked(Event, frozen=True, tag="custodian.hold.asked"):
    """The custodian was asked about so many holds, and ``found`` of them have reached the store; ``reason``: what stood
    in the way, or empty."""

    asked: int
    found: int
    reason: str = ""


OfCustodian = CustodianReceived | CustodianRefuted | CustodianAsked | CustodianHeld | HoldsAsked
