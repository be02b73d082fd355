"""What an evidence system in Axis' dialect promises, as far as it can be tried without leaving anything in it.

In a container of footage nothing is a trial: what is put there is a recording that somebody has to look at, and the
dialect has no way to take it back. So only the door and the clock are tried, and every other promise has its reason.
"""

from dockagent.clock import Clock
from dockagent.core.central import promise
from dockagent.core.central.promise import Kept, not_asked
from dockagent.stores.promises import Proof
from dockagent.stores.swift_client import Client
from dockagent.stores.swift_promises import right_clock, strangers
from dockagent.stores.swift_settings import SwiftSettings

_WOULD_STAY = "to try it, footage that is none would have to be put into the evidence system, and would stay there"
_NO_WORD = "the dialect has no words for it; ask who runs the evidence system, in writing"
_REASONS = {
    promise.REFUSES_WRONG_HASH: f"{_WOULD_STAY}; with each clip its MD5 is sent, the dialect knows no SHA-256",
    promise.REFUSES_READ: f"{_WOULD_STAY}; a system need not show footage again",
    promise.BYTES_COME_BACK: f"{_WOULD_STAY}; each delivery tells: its proof is a re-read, or md5",
    promise.REFUSES_SECOND_WRITE: f"{_WOULD_STAY}; after Complete nothing may follow",
    promise.KEEPS_VERSIONS: _NO_WORD,
    promise.CHECKS_COMPOSITE: "there are no parts in the dialect",
    promise.STATES_CHECKSUMS: "the dialect states MD5; SHA-256 is only what a reader computes",
    promise.REFUSES_DELETE: "body-worn systems delete nothing; what somebody else may, only who runs it can say",
    promise.REFUSES_CUSTODIANS_NAMES: "the dialect has no such names",
    promise.REFUSES_EARLY_END: _NO_WORD,
    promise.LOCK_REFUSES_DELETE: _NO_WORD,
    promise.LOCK_REFUSES_EARLY_END: _NO_WORD,
    promise.KEEPS_LEGAL_HOLD: _NO_WORD,
    promise.KEEPS_LEGAL_HOLD_OF_PARTS: "there are no parts in the dialect",
}


def proof_of(url: str, settings: SwiftSettings, client: Client, clock: Clock, scratch: str) -> Proof:
    """Every answer, in a fixed order. Raises NoAnswer and DockError where the system cannot be asked at all."""
    hello = client.renew()
    found: tuple[Kept, ...] = (
        strangers(settings),
        right_clock(hello, clock, url),
        *(not_asked(name, why) for name, why in _REASONS.items()),
    )
    return Proof(url, "swift", found, hello.headers.get("server", ""), scratch)
