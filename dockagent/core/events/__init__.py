"""Everything that can happen, one frozen value each. An event is recorded in the ledger before anyone relies on it.

The ``type`` of a record is the tag of its event. Field names are part of the record's format: add, never rename.
Failures carry ``retry``: whether the same act may succeed later without anyone's help.
"""

import hashlib

from dockagent.core.camera.inventory import Entry, Finding, Skipped
from dockagent.core.camera.manifest import Reading, Verdicts
from dockagent.core.events import access as events_access
from dockagent.core.events import checkpoint as events_checkpoint
from dockagent.core.events import disclosure as events_disclosure
from dockagent.core.events import early as events_early
from dockagent.core.events import event
from dockagent.core.events import review as events_review
from dockagent.core.events import store as events_store
from dockagent.core.events.checkpoint import OfCheckpoints
from dockagent.core.events.custodian import OfCustodian
from dockagent.core.events.permit import OfPermits
from dockagent.core.model import Camera, Receipt, Seal, Thing
from dockagent.core.movie.clip_samples import Measure
from dockagent.core.stream.in_stream import InStream
from dockagent.core.uplink.early_parts import NO_PARTS, Parts

PLAINTEXT = "plaintext"  # what a Disposed takes away that leaves the sealed copy

Event = event.Event  # here too, so that one name leads to all of them
PersonsAct = event.PersonsAct
Accessed = events_access.Accessed
HoldSet = events_access.HoldSet
HoldCleared = events_access.HoldCleared
Checkpointed = events_checkpoint.Checkpointed
CheckpointFailed = events_checkpoint.CheckpointFailed
Disclosed = events_disclosure.Disclosed
DisclosureAsked = events_disclosure.DisclosureAsked
DisclosureFailed = events_disclosure.DisclosureFailed
Assigned = events_review.Assigned
SampleAsked = events_review.SampleAsked
SampleDrawn = events_review.SampleDrawn
StoreChecked = events_store.StoreChecked
SentEarly = events_early.SentEarly


class DockStarted(Event, frozen=True, tag="dock.start"):
    """The agent replayed its ledger and is ready."""

    version: str
    config_sha256: str
    after: str  # "first start", "clean stop" or "crash or power cut"


class DockStopped(Event, frozen=True, tag="dock.stop"):
    """The agent ended on purpose; a ledger whose last start has no stop after it saw a crash or a power cut."""

    reason: str


class KeysCertified(Event, frozen=True, tag="keys.certify"):
    """What the dock's identity says about the keys in force, and what its agency's CA says about the identity.
    ``statement``: a DSSE envelope (core/proof/key_statement), or empty for a dock from before there were any;
    ``chain_pem``: the identity's certificates, leaf first, or empty."""

    generation: int
    statement: str
    chain_pem: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 (hex) by which the dock knows that this was said already."""
        return hashlib.sha256(f"{self.generation}\n{self.statement}\n{self.chain_pem}".encode()).hexdigest()


class KeysRotated(Event, frozen=True, tag="keys.rotate"):
    """The last record under the old keys: the statement (a DSSE envelope) about those that follow."""

    statement: str


class KeysTaken(Event, frozen=True, tag="keys.rotated"):
    """The first record under new keys. ``statement_sha256``: of the statement in the record before; ``checkpoint``: the
    signed note by the old log key that covers that record."""

    generation: int
    statement_sha256: str
    checkpoint: str


class CameraAttached(Event, frozen=True, tag="camera.attach"):
    """Something that may be a camera appeared in a bay."""

    session: str
    bay: str
    port: str
    kind: str  # folder, block, or usb: a device that shows no disk
    address: str
    facts: dict[str, str]


class CameraIdentified(Event, frozen=True, tag="camera.identify"):
    """Which camera it is, and which profile speaks for it."""

    session: str
    camera: Camera
    profile: str
    profile_sha256: str
    has_console: bool
    sets_clock: bool
    battery: int  # percent, or -1 when not known
    charging: bool
    findings: tuple[Finding, ...]


class ModeAsked(Event, frozen=True, tag="camera.mode"):
    """A camera that shows no card was asked by its maker's dialogue to become a disk. It leaves, and comes back in the
    same port with another identity. ``camera``: who it said it is."""

    session: str
    camera: Camera
    profile: str
    words: str


class ClockMeasured(Event, frozen=True, tag="clock.camera"):
    """The camera's clock against the dock's, before anybody sets it."""

    session: str
    camera_ms: int
    dock_ms: int
    offset_ms: int
    uncertainty_ms: int
    zone: str


class ClockUnset(Event, frozen=True, tag="clock.unset"):
    """The camera's clock had no time: there is no offset to record before it is set."""

    session: str
    reason: str


class ClockSet(Event, frozen=True, tag="clock.set"):
    """``done``: whether it was set; it is left alone within the tolerance."""

    session: str
    done: bool
    offset_before_ms: int | None
    offset_after_ms: int
    uncertainty_ms: int


class InventoryTaken(Event, frozen=True, tag="camera.inventory"):
    """The whole listing before anything is read. ``held``: item ids of entries whose bytes the dock has already,
    with the clip that they are. ``missing``: clips on this card that were delivered once, but that the dock's store
    does not hold: another store, or one that lost them. They are pulled and delivered anew."""

    session: str
    entries: tuple[Entry, ...]
    skipped: tuple[Skipped, ...]
    findings: tuple[Finding, ...]
    held: dict[str, str]
    manifest: Reading | None
    manifest_sha256: str
    missing: tuple[str, ...] = ()


class SessionFailed(Event, frozen=True, tag="session.failed"):
    """A step about the camera as a whole failed; ``step`` names it."""

    session: str
    step: str
    reason: str
    retry: bool


class Acquired(Event, frozen=True, tag="acquire"):
    """One file read in full and at rest in the spool, re-read cold from the spool's medium with the same digest."""

    session: str
    item: str
    clip_id: str
    path: str
    bytes: int
    listed_bytes: int
    sha256: str
    fingerprint: str
    chunk_root: str
    resumed_at: int
    read_ms: int
    parts: Parts = NO_PARTS


class AcquireFailed(Event, frozen=True, tag="acquire.failed"):
    """``kind``: read (the card's medium), gone (the camera), vanished (the file), changed, spool or spool-full."""

    session: str
    item: str
    path: str
    kind: str
    reason: str
    retry: bool
    kept_bytes: int


class Verified(Event, frozen=True, tag="verify"):
    """What the camera's manifest proves about a clip."""

    clip_id: str
    verdicts: Verdicts


class PathVerified(Event, frozen=True, tag="verify.path"):
    """What the manifest proves about a file whose bytes are those of a clip that the dock has under another path."""

    clip_id: str
    path: str
    verdicts: Verdicts


class Measured(Event, frozen=True, tag="measure"):
    """The sample trees of a clip, or why it has none. ``sha256``: of the master that was read for them. ``in_stream``:
    the signatures in the clip's own stream; None where nobody looked for any."""

    clip_id: str
    sha256: str
    measure: Measure
    in_stream: InStream | None = None


class Previewed(Event, frozen=True, tag="derive"):
    """Working copies made from a master. None of them is evidence of anything but their own digest."""

    clip_id: str
    parent_sha256: str
    things: tuple[Thing, ...]
    findings: tuple[Finding, ...]
    tool: str


class Sealed(Event, frozen=True, tag="seal"):
    """Sealed copies of the master and its previews are at rest in the spool, re-read cold with the digests of ``seal``.
    ``plaintext``: what was read from the spool for the master, in the same pass."""

    clip_id: str
    plaintext: Thing
    seal: Seal
    findings: tuple[Finding, ...]


class Admitted(Event, frozen=True, tag="admit"):
    """The clip record is signed and the clip's place in the store is fixed."""

    clip_id: str
    prefix: str
    record_sha256: str


class Quarantined(Event, frozen=True, tag="quarantine"):
    """Like :class:`Admitted`, to a place apart, because the clip's integrity is in doubt."""

    clip_id: str
    prefix: str
    record_sha256: str
    reason: str


class ClipFields(Event, frozen=True, tag="clip.fields"):
    """The root (hex) over the salted fields of one clip's record, ``count`` of them. It does not say of which clip, so
    that an excerpt can show this record, and with it those fields alone that are meant to be seen."""

    root: str
    count: int


class Transferred(Event, frozen=True, tag="transfer"):
    """The previews of a clip are in the store, before its master."""

    clip_id: str
    receipts: tuple[Receipt, ...]
    findings: tuple[Finding, ...]


class Delivered(Event, frozen=True, tag="receipt"):
    """The store proved that it holds the master, or the custodian did (``proof`` of the receipt is then ``custodian``).
    ``others``: what went with it (record, manifest, chain, line)."""

    clip_id: str
    receipt: Receipt
    others: tuple[Receipt, ...]
    findings: tuple[Finding, ...] = ()


class ClipFailed(Event, frozen=True, tag="clip.failed"):
    """A step about one clip failed; ``step`` names it."""

    clip_id: str
    step: str
    reason: str
    retry: bool
    link: bool  # the way to the store is in trouble, not this clip
    lost: bool = False  # the dock's copy is not what it was: the clip has to be pulled again
    record: bool = False  # the clip record is not what it was: it has to be signed again
    kind: str = ""  # core/uplink/trouble.py: Kind; empty in old records
    after_ms: int = 0  # the store asked us to wait so long
    key: str = ""  # under which the store has something that this dock may not look at


class Disposed(Event, frozen=True, tag="dispose"):
    """The dock's own copy is gone. ``authority``: the record or receipt that it rests on. ``what``: the dock's copy, or
    ``plaintext``, which leaves the sealed one. ``method``: ``unlinked plaintext`` (its blocks are free, not
    overwritten) or ``sealed copy removed`` (whatever is left of it opens for its recipients only); empty in old
    records."""

    clip_id: str
    what: str
    authority: str
    method: str = ""


class Released(Event, frozen=True, tag="camera.release"):
    """``told``: how the camera was told, or why not."""

    session: str
    safe: bool
    words: str
    told: str


class CameraChanged(Event, frozen=True, tag="camera.changed"):
    """Files came or went on a listed card: it is listed again. ``again``: found just before its release."""

    session: str
    again: bool = False


class CameraDetached(Event, frozen=True, tag="camera.detach"):
    """The camera left its bay; ``clean``: it had been released."""

    session: str
    clean: bool
    left: int  # items of the inventory that had not been pulled


AnyEvent = (
    DockStarted
    | DockStopped
    | KeysCertified
    | KeysRotated
    | KeysTaken
    | CameraAttached
    | CameraIdentified
    | ModeAsked
    | ClockMeasured
    | ClockUnset
    | ClockSet
    | InventoryTaken
    | SessionFailed
    | Acquired
    | AcquireFailed
    | Verified
    | PathVerified
    | Measured
    | Previewed
    | Sealed
    | Admitted
    | Quarantined
    | ClipFields
    | Transferred
    | Delivered
    | ClipFailed
    | Disposed
    | Released
    | CameraChanged
    | CameraDetached
    | OfCheckpoints
    | events_access.OfAccess
    | events_disclosure.OfDisclosures
    | events_review.OfReviews
    | StoreChecked
    | SentEarly
    | OfCustodian
    | OfPermits
)
