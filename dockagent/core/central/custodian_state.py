"""What a dock knows of the custodian's word on its clips. Part of :class:`dockagent.core.model.State`."""

from dataclasses import dataclass, field

import msgspec


class CustodianWord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A receipt of the custodian that the dock checked: SHA-256 (hex) of its envelope; who signed it, with the
    ``keyid``; the master's ``key`` in the store and ``version``; ``mode`` and ``until`` of its retention; the legal
    hold; how many records of the dock's ledger the custodian had seen (0: none); when it read the master back
    (RFC 3339), and what it noticed."""

    sha256: str
    custodian: str
    key_id: str
    key: str
    version: str
    mode: str
    until: str
    legal_hold: str
    ledger_size: int
    time: str
    findings: tuple[str, ...] = ()


class HoldWord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the custodian says became of a hold in the store: SHA-256 (hex) of the envelope; ``outcome``: ``reached``,
    ``refused``, or ``false`` where what lies there in the custodian's name is no good note; who signed it, with the
    ``keyid``, about which store and when (RFC 3339); how many ``objects`` the store keeps, or the ``reason``."""

    sha256: str
    outcome: str
    custodian: str = ""
    key_id: str = ""
    store: str = ""
    time: str = ""
    objects: int = 0
    reason: str = ""


@dataclass(slots=True)
class HoldState:
    """What the dock knows of its holds on delivered clips. By the number of the record that set it: ``words``;
    ``waiting``: those of which it is not known that the store keeps them, with their clip, the one that is asked about
    next first; ``delivered``: what the store said to the dock at the delivery of a clip that was on hold already.
    ``published``: how many records of this dock's ledger are in the store. ``asked_ms``, ``misses``, ``reason``: as in
    :class:`CustodianState`."""

    words: dict[int, HoldWord] = field(default_factory=dict)
    waiting: dict[int, str] = field(default_factory=dict)
    delivered: dict[int, str] = field(default_factory=dict)
    published: int = 0
    asked_ms: int = 0
    misses: int = 0
    reason: str = ""


@dataclass(slots=True)
class CustodianState:
    """``words``: by clip; ``waiting``: delivered clips without one, with when they were delivered (ms since 1970 UTC),
    the one that is asked for next first; ``unseen``: clips that are not delivered as far as the dock can tell, because
    the store has something under their master's key, which is given, that the dock may not look at: they wait too, from
    when they met it; ``alarms``: clips with a receipt that is false, and why. ``asked_ms``: when
    receipts were last asked for; ``misses``: how often in a row none came; ``reason``: what stood in the way then;
    ``holds``: what became of holds."""

    words: dict[str, CustodianWord] = field(default_factory=dict)
    waiting: dict[str, int] = field(default_factory=dict)
    unseen: dict[str, str] = field(default_factory=dict)
    alarms: dict[str, str] = field(default_factory=dict)
    asked_ms: int = 0
    misses: int = 0
    reason: str = ""
    holds: HoldState = field(default_factory=HoldState)
