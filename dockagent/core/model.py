"""The values that events carry and the state that they add up to.

Values are frozen and go into custody records as they are (JSON, whole numbers only). :class:`State` and what hangs
below it changes only in ``core/session.py``; it is never stored: replaying the ledger makes it again.
"""

from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from dockagent.core.acts import Ask
from dockagent.core.camera.inventory import Entry, Finding, Skipped
from dockagent.core.camera.manifest import Reading, Verdicts
from dockagent.core.central import receipt
from dockagent.core.central.custodian_state import CustodianState
from dockagent.core.central.promise import StoreCheck
from dockagent.core.movie.clip_samples import Measure
from dockagent.core.permits.permit_state import PermitState
from dockagent.core.stream.in_stream import InStream
from dockagent.core.uplink.early_parts import NO_PARTS, Early, Parts
from dockagent.core.uplink.trouble import Trouble, Uplink

Receipt = receipt.Receipt  # here too: it is part of what events carry
CHUNK = 1 << 20  # bytes of one leaf of a clip's chunk tree


class Camera(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who a camera is. ``id`` names it in keys and records: its serial, or ``unidentified``.

    ``known_by`` says how far to trust that: ``proof`` (it signed our nonce), ``console`` (it says so), ``card`` (a file
    on it says so) or ``nothing``.
    """

    id: str
    serial: str
    maker: str
    model: str
    firmware: str
    known_by: str
    officer: str = ""  # who wears it, where its dialogue says so


class Thing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One object beside a master: its name below the clip's folder, bytes, and SHA-256 (hex)."""

    name: str
    bytes: int
    sha256: str


class Seal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a clip is sealed: the format, to whom, and the sealed copies of its master and its previews. Each is named
    as what is in it, with ``.age`` behind. Only the recipients can open them, and no dock is one."""

    format: str
    recipients: tuple[str, ...]
    master: Thing
    previews: tuple[Thing, ...]


class Cosigner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A witness that cosigned a checkpoint: its name, its key's hash (8 hex digits), and the time that it stated (ms
    since 1970 UTC)."""

    name: str
    key_hash: str
    time_ms: int


class TimeStamp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An RFC 3161 token over a checkpoint: from where, its serial number (hex), its time (ms since 1970 UTC), and
    the SHA-256 (hex) of the token."""

    url: str
    serial: str
    time_ms: int
    token_sha256: str


class Hold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order not to dispose of a clip: the number of the record that set it, its grounds, who set it, and when (ms
    since 1970 UTC)."""

    record: int
    basis: str
    authority: str
    by: str
    since_ms: int


class Attribution(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose a clip is and of what kind, as known when its bytes were in; ``core/attribution.py`` says what each
    ``..._by`` may be. ``entry``: the number of its ``acquire`` record. Times in ms since 1970 UTC; ``start_ms``: when
    its recording began, by the camera's manifest; ``zone``: the camera's, as it says."""

    entry: int = -1
    maker: str = ""
    model: str = ""
    bay: str = ""
    docked_ms: int = 0
    start_ms: int | None = None
    start_by: str = ""
    zone: str = ""
    officer: str = ""
    officer_by: str = ""
    category: str = ""
    category_by: str = ""
    marked: bool = False
    marked_by: str = ""


class ReviewFilter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which footage is asked for: all of it, or only that for which each of these fits. ``since_ms``, ``until_ms``:
    acquired from the one on and before the other (ms since 1970 UTC; 0: no end)."""

    camera: str = ""
    officer: str = ""
    category: str = ""
    since_ms: int = 0
    until_ms: int = 0


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a review asks for: ``sample`` clips of the ``candidates`` that fit the filter at that moment, the sorted
    list of whose ids has this SHA-256 (hex, over a line each)."""

    filter: ReviewFilter
    sample: int
    candidates: int
    candidates_sha256: str


class SessionPhase(StrEnum):
    """Where a camera's stay in a bay stands. The table of moves is in ``core/session.py``."""

    ATTACHED = "attached"
    IDENTIFIED = "identified"
    LISTED = "listed"
    RELEASED = "released"
    REFUSED = "refused"


class ClipPhase(StrEnum):
    """Where a clip stands, from its bytes at rest in the spool to the spool's room being free again."""

    ACQUIRED = "acquired"
    VERIFIED = "verified"
    MEASURED = "measured"
    PREVIEWED = "previewed"
    SEALED = "sealed"  # the sealed copy is proved; the plaintext is still here
    LOCKED = "locked"  # nothing but the sealed copy is left
    ADMITTED = "admitted"
    SHOWN = "shown"
    DELIVERED = "delivered"
    DONE = "done"


UNDELIVERED = frozenset(ClipPhase) - {ClipPhase.DELIVERED, ClipPhase.DONE}


UNLISTED = "unlisted"  # code of the finding that there is more on the card than its inventory says
RELISTS = 3  # how often a card that changes under us is listed again before its files are taken as they are


@dataclass(slots=True)
class Item:
    """One file of a session's inventory that is to be pulled."""

    entry: Entry
    clip_id: str = ""
    trouble: Trouble = field(default_factory=Trouble)


@dataclass(slots=True)
class Session:
    """One stay of one camera in one bay."""

    id: str
    bay: str
    port: str
    kind: str
    address: str
    attached_ms: int
    phase: SessionPhase = SessionPhase.ATTACHED
    camera: Camera | None = None
    profile: str = ""
    profile_sha256: str = ""
    battery: int = -1
    has_console: bool = False
    clock_read: bool = False
    clock_set: bool = False
    offset_ms: int | None = None
    manifest_sha256: str = ""
    items: dict[str, Item] = field(default_factory=dict)
    to_pull: dict[str, None] = field(default_factory=dict)
    undelivered: set[str] = field(default_factory=set)
    skipped: tuple[Skipped, ...] = ()
    identity_findings: list[Finding] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    relists: int = 0
    pulled_bytes: int = 0
    trouble: Trouble = field(default_factory=Trouble)
    safe: bool = False
    words: str = ""
    told: str = ""
    officer: str = ""  # who wears the camera, by its dialogue

    @property
    def unlisted(self) -> bool:
        """Whether there is more on the card than its inventory says."""
        return any(finding.code == UNLISTED for finding in self.findings)

    @property
    def failed(self) -> list[Item]:
        """Items that will not be tried again in this session."""
        return [item for item in self.items.values() if item.trouble.final]


@dataclass(slots=True)
class Clip:
    """One file whose bytes the dock has read in full. It outlives its session."""

    id: str
    camera: str
    session: str
    path: str
    role: str
    recording: str
    belongs_to: str
    mtime_ms: int
    bytes: int
    sha256: str
    fingerprint: str
    chunk_root: str
    acquired_ms: int
    parts: Parts = NO_PARTS
    about: Attribution = field(default_factory=Attribution)
    profile: str = ""
    aliases: list[str] = field(default_factory=list)
    manifest_sha256: str = ""
    phase: ClipPhase = ClipPhase.ACQUIRED
    verdicts: Verdicts | None = None
    other_verdicts: dict[str, Verdicts] = field(default_factory=dict)  # under its other paths
    quarantine: str = ""
    measure: Measure | None = None  # None: nobody looked for samples in it
    in_stream: InStream | None = None  # None: nobody looked for signatures in its stream
    prefix: str = ""
    record_sha256: str = ""
    preview: tuple[Thing, ...] = ()
    seal: Seal | None = None  # None: it lies in dock and store as the camera gave it
    findings: list[Finding] = field(default_factory=list)
    receipt: Receipt | None = None
    holds: tuple[Hold, ...] = ()
    trouble: Trouble = field(default_factory=Trouble)

    @property
    def stored(self) -> tuple[Thing, tuple[Thing, ...]]:
        """What goes to the store: its master and its previews, sealed where it is."""
        if self.seal is None:
            return Thing("master", self.bytes, self.sha256), self.preview
        return self.seal.master, self.seal.previews

    @property
    def stripped(self) -> bool:
        """Whether the dock has recorded that nothing of it is left in the clear."""
        return self.seal is not None and self.phase is not ClipPhase.SEALED

    @property
    def kept(self) -> bool:
        """Whether only a hold keeps it in the spool: it is delivered, and nothing is left to do."""
        return self.phase is ClipPhase.DELIVERED and bool(self.holds)


@dataclass(slots=True)
class History:
    """What outsiders have vouched for. ``records``: how many the ledger has; ``newest_other``: index of the newest one
    that is not about a checkpoint, or -1; ``urgent``: of the newest one that others must hear of at once, or -1;
    ``settled``: the size of the newest checkpoint that needs no further try, and
    when; ``witnessed`` and ``stamped``: the sizes that a quorum of witnesses and a time-stamping authority vouch for
    (0: none), and when; ``cosigners`` of ``asked`` witnesses cosigned the newest one, where ``quorum`` are needed."""

    records: int = 0
    newest_other: int = -1
    urgent: int = -1
    settled: int = 0
    settled_ms: int = 0
    tried_ms: int = 0
    witnessed: int = 0
    witnessed_ms: int = 0
    stamped: int = 0
    stamped_ms: int = 0
    cosigners: int = 0
    asked: int = 0
    quorum: int = 0
    findings: tuple[str, ...] = ()
    trouble: Trouble = field(default_factory=Trouble)


@dataclass(frozen=True, slots=True)
class Wearer:
    """The officer whom a camera named in its dialogue, before it left to come back as a disk: by which profile, with
    which serial, and when (ms since 1970 UTC)."""

    officer: str
    profile: str
    serial: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """A camera was given to an officer (empty: to nobody), from one time until another (ms since 1970 UTC; 0: until
    the next)."""

    from_ms: int
    until_ms: int
    officer: str


@dataclass(slots=True)
class Review:
    """A sample that was asked for, ``by`` whom: the frozen list, empty once it is drawn; ``size``, ``root`` (hex) and
    ``cosigners`` of the first checkpoint behind it that the ledger knows to be witnessed (0: none yet); ``drawn``: the
    record of the draw."""

    asked: Question
    candidates: tuple[str, ...]
    asked_ms: int
    by: str
    size: int = 0
    root: str = ""
    cosigners: tuple[Cosigner, ...] = ()
    drawn: int | None = None


@dataclass(slots=True)
class State:
    """All that the dock believes: the sum of the ledger's events.

    ``queues`` holds, for each phase, the ids of the clips in it, in the order in which they came to it; ``known`` maps
    a camera and an item id (path and size on it) to the clips acquired under it, each with the file's time then;
    ``held`` has the holds on clips that were lost to the dock and have not been pulled again yet;
    ``to_judge`` holds further paths of known clips that are not judged yet; ``manifests`` maps a camera to the
    highest manifest sequence seen; ``readings`` holds, by digest, the manifests that clips still wait to be judged by;
    ``assignments`` maps a camera to whom it was given, oldest first; ``wearers`` maps a bay to the officer whom the
    camera named that left it to come back as a disk; ``reviews`` has, by the number of its record, each sample that was
    asked for.
    """

    dock: str = ""
    running: bool = False
    sessions: dict[str, Session] = field(default_factory=dict)
    clips: dict[str, Clip] = field(default_factory=dict)
    queues: dict[ClipPhase, dict[str, None]] = field(default_factory=lambda: {phase: {} for phase in ClipPhase})
    known: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    manifests: dict[str, int] = field(default_factory=dict)
    held: dict[str, tuple[Hold, ...]] = field(default_factory=dict)
    to_judge: dict[tuple[str, str], str] = field(default_factory=dict)  # (clip id, path) to a manifest's digest
    readings: dict[str, Reading] = field(default_factory=dict)
    uplink: Uplink = field(default_factory=Uplink)
    spool: Trouble = field(default_factory=Trouble)
    keys_noted: str = ""  # digest of the last statement and certificates about this dock's keys
    history: History = field(default_factory=History)
    asks: dict[int, Ask] = field(default_factory=dict)  # by the number of the record that asked
    assignments: dict[str, list[Assignment]] = field(default_factory=dict)
    wearers: dict[str, Wearer] = field(default_factory=dict)
    reviews: dict[int, Review] = field(default_factory=dict)
    early: dict[str, Early] = field(default_factory=dict)  # by item, what went to the store before it was all read
    custodian: CustodianState = field(default_factory=CustodianState)
    permits: PermitState = field(default_factory=PermitState)
    store_checks: dict[str, StoreCheck] = field(default_factory=dict)  # the newest, by the store's URL

    def session(self, session_id: str) -> Session | None:
        """The session with this id, if its camera is still in its bay."""
        return next((one for one in self.sessions.values() if one.id == session_id), None)
