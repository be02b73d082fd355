"""What one custodian works with, and what came of a round."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from dockagent.clock import Clock
from dockagent.core.central.custodian_key import CustodianKey
from dockagent.custodian.key import SigningKey
from dockagent.custodian.known import Known
from dockagent.custodian.share import WHOLE, Share
from dockagent.errors import Missing
from dockagent.evidence.keyring import Keyring
from dockagent.ledger.tiles_read import Get
from dockagent.ledger.trust import Trust
from dockagent.ledger.witness import Witness
from dockagent.stores.archive import Archive

MINUTE_MS, DAY_MS = 60_000, 86_400_000
MOST_TROUBLES = 1000
"""A store that goes away in the middle of a round is in trouble with each clip: so many are said, others counted."""


@dataclass(frozen=True, slots=True)
class PermitPolicy:
    """When a permit is signed. ``name``: what the permit calls this policy; empty: none is signed. ``age_ms``: how old
    the receipt must be; ``modes``: the retention modes that count, empty for any or none; ``left_ms``: how long the
    retention must still last; ``valid_ms``: how long the permit may be used; ``renewals``: how
    often one that ran out is signed anew."""

    name: str = ""
    age_ms: int = 0
    modes: tuple[str, ...] = ("COMPLIANCE",)
    left_ms: int = 0
    valid_ms: int = 90 * DAY_MS
    renewals: int = 0


@dataclass(frozen=True, slots=True)
class Settings:
    """``ledger_wait_ms``: how long a clip may wait for its dock's ledger to show it, before its receipt is signed
    without a checkpoint; ``settle_ms``: how long a folder whose record or master is not there yet may stay so;
    ``overdue_ms``: how old a dock's newest checkpoint may be; ``take_over_ms``: when others' work is taken over;
    ``lift_holds``: whether the store's legal hold ends with the last hold of a dock, or a person lifts it;
    ``audit_ms``: after how long what has its receipt is read again, 0 for never, at most about
    ``audit_bytes`` in a round."""

    ledger_wait_ms: int = 60 * MINUTE_MS
    settle_ms: int = 24 * 60 * MINUTE_MS
    overdue_ms: int = 24 * 60 * MINUTE_MS
    take_over_ms: int = 120 * MINUTE_MS
    permits: PermitPolicy = PermitPolicy()
    lift_holds: bool = True
    audit_ms: int = 0
    audit_bytes: int = 10 << 30


@dataclass(frozen=True, slots=True)
class Custodian:
    """``trust``: the docks whose records count. ``witness``: with which found checkpoints are cosigned, or None.
    ``known``: which receipts were checked; ``sizes``: how many records it has read of each dock's ledger since it was
    started; ``beat``: called before each clip and for each MiB that is read; what it raises ends the round."""

    archive: Archive
    key: SigningKey
    clock: Clock
    trust: Trust
    settings: Settings = Settings()
    share: Share = WHOLE
    witness: Witness | None = None
    known: Known = field(default_factory=Known)
    sizes: dict[str, int] = field(default_factory=dict)
    beat: Callable[[], None] = lambda: None

    @property
    def custodians(self) -> tuple[CustodianKey, ...]:
        """Whose receipts and notes are believed: its own, and those of the others whom the trust files name."""
        return (self.key.public, *self.trust.custodians)

    @property
    def keyring(self) -> Keyring:
        """Whose signatures are believed."""
        return Keyring.of(self.trust)

    def now_ms(self) -> int:
        """Ms since 1970 UTC."""
        return self.clock.now().utc_ms

    def get(self, prefix: str) -> Get:
        """How the objects below ``prefix`` (with a slash at its end) are read, for a published ledger."""

        def read(path: str, most: int) -> bytes | None:
            try:
                with self.archive.open(prefix + path) as source:
                    parts, left = list[bytes](), most + 1
                    while left and (data := source.read(min(left, 1 << 20))):
                        parts.append(data)
                        left -= len(data)
                    return b"".join(parts)
            except Missing:
                return None

        return read


@dataclass(slots=True)
class Tally:
    """What a round did. ``told``: reports that were written now, or stand already; ``refuting``: how many of them say
    that something is not what it must be; ``waiting``: clips that are too young to be judged. ``read``: bytes.
    ``audited``: bytes that were read again of what has its receipt. ``untold``: how many troubles there were beside
    those in ``troubles``."""

    seen: int = 0
    receipts: int = 0
    lost_races: int = 0
    permits: int = 0
    audits: int = 0
    lines: int = 0
    cosigned: int = 0
    waiting: int = 0
    read: int = 0
    audited: int = 0
    refuting: int = 0
    told: list[str] = field(default_factory=list)
    new: Counter[str] = field(default_factory=Counter)
    troubles: list[str] = field(default_factory=list)
    untold: int = 0

    def trouble(self, words: str) -> bool:
        """Note that something could not be looked at; whether there is room left to say what."""
        room = len(self.troubles) < MOST_TROUBLES
        if room:
            self.troubles.append(words)
        self.untold += not room
        return room

    @property
    def exit_code(self) -> int:
        """4: the store could not be asked about something; 1: something is not what it must be; 3: findings."""
        if self.refuting:
            return 1
        if self.troubles:
            return 4
        return 3 if self.told else 0
