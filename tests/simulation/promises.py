"""The promises of the house, checked from outside: only ledger, disk, store and cameras count."""

import hashlib
from dataclasses import dataclass, field

from dockagent.core import custody, plan
from dockagent.core import events as ev
from dockagent.core.events.custodian import CustodianReceived
from dockagent.core.model import UNDELIVERED, Clip, State
from dockagent.core.proof import merkle, note
from dockagent.core.proof.witnessing import Head
from dockagent.core.review import catalogue
from dockagent.core.session import advance
from dockagent.ledger.log import Ledger
from tests.simulation import agency
from tests.simulation.actors import MemoryStore, SimCamera
from tests.simulation.memory_disk import MemoryDisk, SubDisk
from tests.simulation.outsiders import Outsiders

ORIGIN = "dockagent.local/sim"


class Broken(AssertionError):
    """A promise does not hold. The text names it."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that an outsider can see."""

    disk: MemoryDisk
    store: MemoryStore
    cameras: dict[str, SimCamera]
    outsiders: Outsiders
    waits: bool = field(default=False, kw_only=True)  # the dock keeps its copy until the custodian has read the clip
    held: frozenset[int] = frozenset()  # holds (their record's number) that were set while the dock had the master

    @property
    def truth(self) -> set[str]:
        """SHA-256 of every byte string that a camera has ever offered."""
        return set().union(*(camera.offered for camera in self.cameras.values()))


def history(disk: MemoryDisk) -> tuple[State, list[ev.Event]]:
    """The ledger replayed into a state of its own, and its events."""
    state, told = State(), records(disk)
    for event, at_ms in told:
        advance(state, event, at_ms)
    return state, [event for event, _ in told]


def records(disk: MemoryDisk) -> list[tuple[ev.Event, int]]:
    """The ledger's events, each with its time (ms since 1970 UTC)."""
    payloads = Ledger.read(SubDisk(disk, "ledger"))
    return [custody.event_of(payload, index) for index, payload in enumerate(payloads)]


def always(seen: Evidence) -> None:
    """What must hold at every moment, also right after a power cut."""
    state, events = history(seen.disk)
    for clip in state.clips.values():
        _true_bytes(clip, seen)
        if clip.phase in UNDELIVERED:
            _whole_in_spool(clip, seen)
        else:
            _whole_in_store(clip, seen)
        if any(one.record in seen.held for one in clip.holds) and not in_spool(clip, seen.disk):
            raise Broken(f"promise 8: clip {clip.path} ({clip.phase}) is on hold, and the dock's copy is gone")
    _one_identity(state, seen)
    _released_rightly(records(seen.disk))
    _vouched_before_disposal(events, seen)
    _stored_bytes_are_true(seen)
    _history_is_the_witnessed_one(seen)


def _true_bytes(clip: Clip, seen: Evidence) -> None:
    if clip.sha256 not in seen.truth:
        raise Broken(f"promise 4: clip {clip.path} has a digest that no camera ever offered")


def in_spool(clip: Clip, disk: MemoryDisk) -> bool:
    """Whether the dock has the clip's master whole, or what it was sealed to. Power that goes while the plaintext is
    removed leaves what is sealed, and no record that the plaintext is gone."""
    names = {clip.stored[0].name} if clip.stripped else {"master", clip.stored[0].name}
    folders = {plan.spool_folder(clip.id), plan.spool_folder(clip.id, clip.quarantine)}
    places = [f"{folder}/{name}" for folder in sorted(folders) for name in sorted(names)]
    held = [disk.read(path) for path in places if disk.size(path) is not None]
    return any(_is(clip, data) for data in held)


def _whole_in_spool(clip: Clip, seen: Evidence) -> None:
    if not in_spool(clip, seen.disk):
        raise Broken(f"promise 1: clip {clip.path} ({clip.phase}) is neither whole in the spool nor delivered")


def _whole_in_store(clip: Clip, seen: Evidence) -> None:
    if clip.receipt is None:
        raise Broken(f"promise 2: clip {clip.path} is {clip.phase} without a receipt")
    data = seen.store.objects.get(clip.receipt.key, b"")
    if not _is(clip, data):
        raise Broken(f"promise 1: clip {clip.path} has a receipt, but the store does not hold its bytes")
    _listed(clip, seen)


def _listed(clip: Clip, seen: Evidence) -> None:
    """The catalogue's line about it is in the store, and is what the signed record says."""
    own = [data for key, data in seen.store.objects.items() if key.startswith(f"{clip.prefix}/record.json")]
    record = next((one for one in own if hashlib.sha256(one).hexdigest() == clip.record_sha256), None)
    listed = catalogue.line(record) if record is not None else None
    if listed is None:
        raise Broken(f"promise 5: clip {clip.path} is delivered without a record, or without a line for the catalogue")
    key, line = listed
    if line not in (seen.store.objects.get(key), seen.store.objects.get(catalogue.again(key, line))):
        raise Broken(f"promise 7: the catalogue has no true line about {clip.path}")


def _is(clip: Clip, data: bytes) -> bool:
    """Whether these are the bytes that the camera gave; for a sealed clip, whether the agency finds them inside."""
    digest = hashlib.sha256(data).hexdigest()
    if not clip.stripped and digest == clip.sha256:
        return True
    return (
        clip.seal is not None
        and digest == clip.seal.master.sha256
        and hashlib.sha256(agency.opened(data)).hexdigest() == clip.sha256
    )


def nothing_in_the_clear(seen: Evidence) -> None:
    """Of a clip whose plaintext is on record as gone, no file of the dock holds it, nor its previews. Not counted is
    what was kept of a file that had another size when its camera went away: that pull was never finished."""
    state, _ = history(seen.disk)
    pulled = {item for known in state.known.values() for item, clips in known.items() if clips}
    secret = {
        digest: clip.path
        for clip in state.clips.values()
        if clip.stripped and clip.bytes > 1
        for digest in (clip.sha256, *(thing.sha256 for thing in clip.preview))
    }
    for path, inode in seen.disk.files.items() if secret else ():
        folder, _, name = path.rpartition("/")
        if folder == "spool/manifests" or (folder == "spool/parts" and name.partition(".")[0] not in pulled):
            continue  # the first stay readable for all who check
        if (found := secret.get(hashlib.sha256(bytes(inode.data)).hexdigest())) is not None:
            raise Broken(f"promise 4: {path} holds {found} in the clear, although that is sealed")


def _one_identity(state: State, seen: Evidence) -> None:
    masters = [key for key in seen.store.objects if key.endswith(("/master", "/master.age"))]
    owners = {key: key.split("/")[-2] for key in masters}
    if len(set(owners.values())) != len(masters):
        raise Broken("promise 3: one clip was delivered under two keys")
    content = {(clip.camera, clip.sha256) for clip in state.clips.values()}
    if len(content) != len(state.clips):
        raise Broken("promise 3: one content of one camera has two clip ids")


def _vouched_before_disposal(events: list[ev.Event], seen: Evidence) -> None:
    vouched: set[str] = set()
    for event in events if seen.waits else ():
        if isinstance(event, ev.Delivered):
            vouched.discard(event.clip_id)
        if isinstance(event, CustodianReceived):
            vouched.add(event.clip_id)
        if isinstance(event, ev.Disposed) and event.what != ev.PLAINTEXT and event.clip_id not in vouched:
            raise Broken(f"promise 9: the copy of clip {event.clip_id} went before the custodian had read it back")


def _stored_bytes_are_true(seen: Evidence) -> None:
    for key, data in seen.store.objects.items():
        name = key.rpartition("/")[2]
        if not name.startswith("master"):
            continue
        inside = agency.opened(data) if name.endswith(plan.SEALED) else data
        if hashlib.sha256(inside).hexdigest() not in seen.truth:
            raise Broken(f"promise 4: the store's {key} is not what any camera gave")


def _history_is_the_witnessed_one(seen: Evidence) -> None:
    """Whatever a witness has seen, a published checkpoint says, or lies beside the ledger, is a head of the ledger."""
    entries = seen.disk.files.get("ledger/entries.jsonl")
    lines = bytes(entries.data).split(b"\n")[:-1] if entries else []
    leaves = [merkle.leaf_hash(line) for line in lines]
    heads = [(f"witness {name}", one.known(ORIGIN)) for name, one in seen.outsiders.witnesses.items()]
    kept = {path: bytes(one.data) for path, one in seen.disk.files.items() if path.startswith("ledger/witnessed/")}
    for place, data in {**kept, **seen.store.objects}.items():
        if place.startswith("ledger/witnessed/") or place.endswith("/checkpoint") or "/checkpoints/" in place:
            head = note.parse_checkpoint(note.parse(data))
            heads.append((place, Head(head.size, head.root)))
    for who, seen_head in heads:
        if merkle.root(leaves[: seen_head.size]) != seen_head.root:
            raise Broken(
                f"promise 5: the ledger of {len(leaves)} records is not the one of {seen_head.size} that {who} has"
            )


def _released_rightly(told: list[tuple[ev.Event, int]]) -> None:
    state = State()
    for event, at_ms in told:
        if isinstance(event, ev.Released) and event.safe:
            session = state.session(event.session)
            items = session.items.values() if session else ()
            for item in items:
                clip = state.clips.get(item.clip_id)
                if clip is None or clip.receipt is None or clip.receipt.sha256 != clip.stored[0].sha256:
                    raise Broken(f"promise 2: a camera was released although {item.entry.path} has no receipt")
        advance(state, event, at_ms)


def at_end(seen: Evidence) -> None:
    """What must hold when the world was quiet for long enough: everything is delivered, or has a reason."""
    nothing_in_the_clear(seen)
    state, _ = history(seen.disk)
    for camera in seen.cameras.values():
        for path, data in camera.files.items():
            if path in camera.bad or not path.startswith(b"DCIM/"):
                continue
            digest = hashlib.sha256(data).hexdigest()
            clip = state.clips.get(plan.clip_id(camera.serial, digest))
            if clip is None:
                raise Broken(f"promise 6: {path!r} of {camera.serial} was never pulled")
            if clip.phase in UNDELIVERED and not clip.trouble.reason:
                raise Broken(f"promise 7: {path!r} of {camera.serial} is {clip.phase} without a reason")
            if clip.phase in UNDELIVERED and not any(clip.id in key for key in seen.store.refuses):
                raise Broken(f"promise 6: {path!r} of {camera.serial} is {clip.phase}: {clip.trouble.reason}")
    for session in state.sessions.values():
        for item in session.items.values():
            if not item.clip_id and not item.trouble.reason:
                raise Broken(f"promise 7: {item.entry.path} is not pulled, without a reason")
