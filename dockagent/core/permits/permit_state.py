"""What a dock knows of permits and of what it erased. Part of :class:`dockagent.core.model.State`."""

from dataclasses import dataclass, field

import msgspec

from dockagent.core.permits.permit import Named, Permit
from dockagent.core.uplink.trouble import Trouble


class Tombstone(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was at ``path`` on the camera, as the dock read it once more just before it went: ``sha256`` (hex) and
    ``bytes`` of what was hashed, all of it through the descriptor whose name was then removed. Empty and 0 where the
    file was found gone after an interruption, so that nobody can say more than that the dock had asked for it."""

    path: str
    clip_id: str
    sha256: str
    bytes: int
    receipt_sha256: str


@dataclass(slots=True)
class KnownPermit:
    """A permit that the dock has in its ledger: the number of that record, the digest (hex) of its envelope, and which
    of its paths are erased (``spent``). ``refused``: the ground that is on record, or empty; ``trouble``: why erasing
    failed in ``session``."""

    permit: Permit
    record: int
    sha256: str
    spent: set[str] = field(default_factory=set)
    refused: str = ""
    trouble: Trouble = field(default_factory=Trouble)
    session: str = ""

    @property
    def left(self) -> tuple[Named, ...]:
        """What it still may be followed for."""
        return tuple(one for one in self.permit.files if one.path not in self.spent)

    def due(self, session: str, now_ms: int) -> bool:
        """Whether to try in this session. What failed for good in one stay of a camera may work in its next."""
        return self.session != session or self.trouble.due(now_ms)


@dataclass(frozen=True, slots=True)
class OpenAsk:
    """What the dock said that it would erase, and has not said what came of it. ``sure``: the card was not touched
    since; where that is not known, the card itself is asked."""

    session: str
    camera: str
    permit: str
    files: tuple[Named, ...]
    sure: bool = True


@dataclass(slots=True)
class PermitState:
    """``known``: permits by id; ``pending``: by camera, the ids of those that are not used up, in the order of their
    records; ``of_clip``: by clip, the newest permit about it; ``asks``: by record number, what has no end yet;
    ``gone``: by clip, the paths erased, with the record's number; ``refused``: by digest of an envelope that is no
    permit for us, the ground; ``sought``: by session, when permits were last asked for (ms since 1970 UTC), and
    ``cursor``: how many clips were asked about so far."""

    known: dict[str, KnownPermit] = field(default_factory=dict)
    pending: dict[str, dict[str, None]] = field(default_factory=dict)
    of_clip: dict[str, str] = field(default_factory=dict)
    asks: dict[int, OpenAsk] = field(default_factory=dict)
    gone: dict[str, dict[str, int]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    sought: dict[str, int] = field(default_factory=dict)
    cursor: int = 0
