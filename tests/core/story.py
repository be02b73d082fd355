"""States of a dock, made by nothing but events; and everything that may happen next."""

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from dockagent.core import custody, plan
from dockagent.core import events as ev
from dockagent.core.acts import Actor, Grounds
from dockagent.core.camera.inventory import Entry
from dockagent.core.camera.manifest import Reading, Verdicts
from dockagent.core.camera.statement import Claim, Manifest
from dockagent.core.model import (
    UNDELIVERED,
    Camera,
    Clip,
    ClipPhase,
    Cosigner,
    Receipt,
    Seal,
    Session,
    SessionPhase,
    State,
    Thing,
)
from dockagent.core.moment import Instant
from dockagent.core.movie.clip_samples import Measure, Track
from dockagent.core.session import advance
from dockagent.errors import Refused

S, C = SessionPhase, ClipPhase
NOW = 1_795_000_000_000
CAMERA = Camera("BWC-0001", "BWC-0001", "Reference", "BWC-1", "1.4.2", "proof")
OVER = "over"
SETTING = custody.Setting("dockagent.local/dock-7", "dock-7", "station 4", "Sgt Kay", "1.0", "c0" * 32)


@dataclass(slots=True)
class Story:
    """A state and how it came about."""

    state: State = field(default_factory=State)
    at_ms: int = NOW
    payloads: list[bytes] = field(default_factory=list)

    def tell(self, *events: ev.Event) -> "Story":
        for event in events:
            self.at_ms += 10
            at = Instant(self.at_ms, "boot", self.at_ms * 1000, "ntp", 5)
            payload = custody.record(event, len(self.payloads), at, SETTING, self.state)
            advance(self.state, event, self.at_ms)
            self.payloads.append(payload)
        return self


def entry(path: str = "DCIM/a.MP4", size: int = 100, role: Any = "footage", belongs_to: str = "") -> Entry:
    return Entry(path, size, NOW, role, path.rpartition(".")[0], None, belongs_to, False, 0)


def item(path: str = "DCIM/a.MP4", size: int = 100) -> str:
    return plan.item_id(CAMERA.id, path, size)


def attached(bay: str = "A") -> ev.CameraAttached:
    return ev.CameraAttached(f"s/{bay}", bay, f"port-{bay}", "folder", f"/bays/{bay}", {"label": "BWC"})


def identified(bay: str = "A", *, console: bool = False, camera: Camera = CAMERA) -> ev.CameraIdentified:
    return ev.CameraIdentified(f"s/{bay}", camera, "reference-signed", "9f" * 32, console, True, 80, True, ())


def mode_asked(bay: str = "A") -> ev.ModeAsked:
    return ev.ModeAsked(f"s/{bay}", CAMERA, "ambarella-body", "asked to show its card")


def measured(bay: str = "A") -> ev.ClockMeasured:
    return ev.ClockMeasured(f"s/{bay}", NOW + 5000, NOW, 5000, 3, "Europe/London")


def unset(bay: str = "A") -> ev.ClockUnset:
    return ev.ClockUnset(f"s/{bay}", "the camera's clock has no time")


def clock_set(bay: str = "A") -> ev.ClockSet:
    return ev.ClockSet(f"s/{bay}", True, 5000, 1, 3)


def inventory(bay: str = "A", *entries: Entry, **changed: Any) -> ev.InventoryTaken:
    facts: dict[str, Any] = {"held": {}, "manifest": None, "manifest_sha256": "", "skipped": (), "findings": ()}
    return ev.InventoryTaken(session=f"s/{bay}", entries=entries or (entry(),), **{**facts, **changed})


def acquired(bay: str = "A", path: str = "DCIM/a.MP4", clip: str = "c1", size: int = 100) -> ev.Acquired:
    return ev.Acquired(
        session=f"s/{bay}",
        item=item(path, size),
        clip_id=clip,
        path=path,
        bytes=size,
        listed_bytes=size,
        sha256=f"{clip:0>64}",
        fingerprint="f1" * 32,
        chunk_root="d0" * 32,
        resumed_at=0,
        read_ms=7,
    )


def unread(bay: str = "A", path: str = "DCIM/a.MP4", kind: str = "read", *, retry: bool = True) -> ev.AcquireFailed:
    return ev.AcquireFailed(f"s/{bay}", item(path), path, kind, f"{kind}, as it happens", retry, 0)


def verdicts(reason: str = "") -> Verdicts:
    return Verdicts("fail" if reason else "pass", "pass", "pass", "pass", "pass", {"intact": "said"}, reason)


ACTOR = Actor("kay", "peer credentials", 1000)
GROUNDS = Grounds(basis="order 17/26", authority="Sgt Kay")


def hold_set(clip: str = "c1", grounds: Grounds = GROUNDS) -> ev.HoldSet:
    return ev.HoldSet(clip, actor=ACTOR, grounds=grounds)


def hold_cleared(clip: str = "c1", hold: int = -1, grounds: Grounds = GROUNDS) -> ev.HoldCleared:
    return ev.HoldCleared(clip, hold, actor=ACTOR, grounds=grounds)


def receipt(clip: str = "c1", **changed: Any) -> Receipt:
    facts = {"store": "s3://x", "key": f"clips/{clip}/master", "bytes": 100, "sha256": f"{clip:0>64}"}
    return Receipt(**{**facts, "proof": "re-read", "version": "", "etag": "", **changed})


SPRITE = Thing("sprite.jpg", 9, "ab" * 32)


def verified(clip: str = "c1", reason: str = "") -> ev.Verified:
    return ev.Verified(clip, verdicts(reason))


def trees(clip: str = "c1", **changed: Any) -> ev.Measured:
    tree = Track(0, "vide", "avc1", "1/12800", 30, "ab" * 32, 0, "presentation\n", "cd" * 32)
    return ev.Measured(clip, f"{clip:0>64}", Measure(**{"tracks": (tree,), **changed}))


def previewed(clip: str = "c1", *things: Thing) -> ev.Previewed:
    return ev.Previewed(clip, f"{clip:0>64}", things, (), "ffmpeg 5")


def sealed(clip: str = "c1", *things: Thing, **changed: Any) -> ev.Sealed:
    """Sealed to one recipient, with these previews."""
    made = tuple(Thing(f"{thing.name}.age", thing.bytes + 316, "5f" * 32) for thing in things)
    seal = {"format": "age-encryption.org/v1", "recipients": ("age1x",), "master": SEALED, "previews": made}
    return ev.Sealed(clip, Thing("master", 100, f"{clip:0>64}"), Seal(**{**seal, **changed}), ())


SEALED = Thing("master.age", 416, "5e" * 32)


def stripped(clip: str = "c1") -> ev.Disposed:
    return ev.Disposed(clip, ev.PLAINTEXT, "seal record", "unlinked plaintext")


def delivered_sealed(clip: str = "c1") -> ev.Delivered:
    return delivered(clip, key=f"clips/{clip}/master.age", bytes=SEALED.bytes, sha256=SEALED.sha256)


def admitted(clip: str = "c1") -> ev.Admitted:
    return ev.Admitted(clip, f"clips/{clip}", "e0" * 32)


def quarantined(clip: str = "c1") -> ev.Quarantined:
    return ev.Quarantined(clip, f"quarantine/{clip}", "e0" * 32, "intact: said")


def transferred(clip: str = "c1") -> ev.Transferred:
    return ev.Transferred(clip, (receipt(clip, key="preview"),), ())


def delivered(clip: str = "c1", **changed: Any) -> ev.Delivered:
    return ev.Delivered(clip, receipt(clip, **changed), ())


def disposed(clip: str = "c1") -> ev.Disposed:
    return ev.Disposed(clip, "the dock's copy", f"receipt for clips/{clip}/master")


def trouble(clip: str = "c1", step: str = "send-master", *, retry: bool = True, link: bool = False) -> ev.ClipFailed:
    return ev.ClipFailed(clip, step, "as it happens", retry, link)


def session_trouble(bay: str = "A", step: str = "identify", *, retry: bool = True) -> ev.SessionFailed:
    return ev.SessionFailed(f"s/{bay}", step, "as it happens", retry)


def released(bay: str = "A", *, safe: bool = True) -> ev.Released:
    return ev.Released(f"s/{bay}", safe, "all 1 files delivered", "told")


def detached(bay: str = "A") -> ev.CameraDetached:
    return ev.CameraDetached(f"s/{bay}", True, 0)


def session_in(phase: SessionPhase | str) -> Story:
    """A dock whose camera in bay A is just so far; its card has one file."""
    steps: dict[SessionPhase | str, tuple[ev.Event, ...]] = {
        OVER: (attached(), detached()),
        S.ATTACHED: (attached(),),
        S.REFUSED: (attached(), session_trouble(retry=False)),
        S.IDENTIFIED: (attached(), identified()),
        S.LISTED: (attached(), identified(), inventory()),
        S.RELEASED: (attached(), identified(), inventory(), released()),
    }
    return Story().tell(ev.DockStarted("1.0", "c0", "first start"), *steps[phase])


def clip_in(phase: ClipPhase, doubt: str = "", *things: Thing, seals: bool = False) -> Story:
    """A dock that has one clip, c1, just so far; ``doubt``: why it is quarantined; ``things``: its previews; ``seals``:
    whether it seals, as it does for the phases of sealing."""
    doubted = quarantined() if doubt else admitted()
    seals = seals or phase in (C.SEALED, C.LOCKED)
    steps: list[tuple[ClipPhase, ev.Event]] = [
        (C.VERIFIED, verified(reason=doubt)),
        (C.MEASURED, trees()),
        (C.PREVIEWED, previewed("c1", *things)),
        *([(C.SEALED, sealed("c1", *things)), (C.LOCKED, stripped())] if seals else []),
        (C.ADMITTED, doubted),
        (C.SHOWN, transferred()),
        (C.DELIVERED, delivered_sealed() if seals else delivered()),
        (C.DONE, disposed()),
    ]
    story = session_in(S.LISTED).tell(acquired())
    for _, event in steps:
        clip = story.state.clips["c1"]
        if clip.phase is phase:
            break
        if isinstance(event, ev.Transferred) and clip.phase is C.SHOWN:
            continue
        if isinstance(event, ev.Disposed) and clip.phase is C.DONE:
            continue
        story.tell(event)
    assert story.state.clips["c1"].phase is phase
    return story


def one_session(story: Story, bay: str = "A") -> Session:
    return story.state.sessions[bay]


def one_clip(story: Story, clip: str = "c1") -> Clip:
    return story.state.clips[clip]


def refused(story: Story, event: ev.Event) -> str:
    """The reason for which ``event`` is refused, the state being just as before."""
    before = deepcopy(story.state)
    with pytest.raises(Refused) as caught:
        advance(story.state, event, NOW)
    assert story.state == before, f"{type(event).__name__} was refused and left a trace"
    return caught.value.what


def check_order(state: State) -> None:
    """What is always true of a state, however it came about."""
    places = [clip_id for phase in C for clip_id in state.queues[phase]]
    assert sorted(places) == sorted(state.clips), "every clip stands in just one queue"
    for phase in C:
        assert all(state.clips[clip_id].phase is phase for clip_id in state.queues[phase])
    for bay, session in state.sessions.items():
        assert session.bay == bay
        assert session.to_pull.keys() <= session.items.keys()
        for item_id, one in session.items.items():
            waiting, done, gone = item_id in session.to_pull, bool(one.clip_id), one.trouble.final
            assert (waiting, done, gone).count(True) == 1, "a file is to be pulled, or is pulled, or was given up"
        unsent = {one.clip_id for one in session.items.values() if one.clip_id}
        unsent = {clip_id for clip_id in unsent if state.clips[clip_id].phase in UNDELIVERED}
        assert unsent <= session.undelivered, "a camera must not be let go before its clips are delivered"
        assert all(state.clips[clip_id].phase in UNDELIVERED for clip_id in session.undelivered)


def reading(sequence: int, signer: Any = "pass", digest: str = "m1", *, valid: bool = True) -> Reading:
    claims = {"DCIM/a.MP4": Claim("a0" * 32, 1, 100, NOW, "")}
    said = Manifest("BWC-0001", "Reference", "BWC-1", "1", sequence, NOW, claims, {}, ()) if valid else None
    return Reading(digest, "pass" if valid else "fail", "why", signer, "why", "BWC-0001", "key", NOW, 5, said, ())


# ---- whole lives ----------------------------------------------------------------------------------------------------

FILES = ("DCIM/a.MP4", "DCIM/b.MP4", "DCIM/c.GPS")


def possible(state: State) -> list[ev.Event]:
    """Everything that may happen next to a dock of two bays."""
    found: list[ev.Event] = [ev.DockStarted("1.0", "c0", "clean stop"), ev.DockStopped("asked")]
    signed = Cosigner("w.example/1", "00" * 4, NOW)
    found += [ev.Checkpointed(1, "aa" * 32, (signed,) * n, 3, 2, None, "", ()) for n in (1, 2)]
    found.append(ev.CheckpointFailed("notarize", "as it happens", True))
    for bay in ("A", "B"):
        session = state.sessions.get(bay)
        found += _possible_in(state, session) if session else [attached(bay)]
    for clip in state.clips.values():
        found += _possible_to(clip)
    return found


def _possible_in(state: State, session: Session) -> list[ev.Event]:
    bay = session.bay
    always = [detached(bay), session_trouble(bay), session_trouble(bay, "set-clock", retry=False)]
    if session.phase is S.ATTACHED:
        return [*always, identified(bay), identified(bay, console=True)]
    if session.phase is S.IDENTIFIED:
        known = {one: list(ids)[-1] for one, ids in state.known.get(CAMERA.id, {}).items()}
        files = [entry(name, role="sidecar" if name.endswith("GPS") else "footage") for name in FILES]
        listing = inventory(bay, *files, manifest=reading(3), manifest_sha256="m1")
        return [*always, measured(bay), unset(bay), clock_set(bay), listing, inventory(bay, *files, held=known)]
    if session.phase is S.LISTED:
        waiting = [session.items[one].entry.path for one in session.to_pull]
        reads = [acquired(bay, name, f"c{name[5]}") for name in waiting]
        fails = [unread(bay, name, kind) for name in waiting for kind in ("read", "changed", "spool-full")]
        return [*always, *reads, *fails, ev.CameraChanged(session.id), released(bay)]
    return [*always, ev.CameraChanged(session.id)] if session.phase is S.RELEASED else always


def _possible_to(clip: Clip) -> list[ev.Event]:
    name = clip.id
    after: dict[ClipPhase, list[ev.Event]] = {
        C.ACQUIRED: [verified(name), verified(name, "intact: no")],
        C.VERIFIED: [trees(name), trees(name, tracks=(), why="none", doubt=True), trouble(name, "measure")],
        C.MEASURED: [previewed(name), previewed(name, SPRITE), trouble(name, "preview")],
        C.PREVIEWED: [quarantined(name) if clip.quarantine else admitted(name), sealed(name, *clip.preview)],
        C.SEALED: [stripped(name), trouble(name, "strip"), msgspec.structs.replace(trouble(name, "strip"), lost=True)],
        C.LOCKED: [quarantined(name) if clip.quarantine else admitted(name)],
        C.ADMITTED: [transferred(name)],
        C.SHOWN: [
            delivered_sealed(name) if clip.seal else delivered(name),
            trouble(name, retry=False),
            trouble(name, link=True),
            msgspec.structs.replace(trouble(name), record=True),
        ],
        C.DELIVERED: [] if clip.holds else [disposed(name)],
        C.DONE: [],
    }
    return [*after[clip.phase], hold_set(name), *(hold_cleared(name, one.record) for one in clip.holds)]
