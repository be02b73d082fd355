"""Permits are asked for, judged, and followed: the one arrow of the flow that takes footage from a camera.

A step erases only what a record in the ledger asked for before, and only after every file was hashed again on the card.
What a power cut leaves is told from the card: :func:`look_after`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from dockagent.core.camera.inventory import Finding
from dockagent.core.events import permit as ev
from dockagent.core.events.event import Event
from dockagent.core.moment import rfc3339
from dockagent.core.paths import to_bytes, to_text
from dockagent.core.permits import permit as permits
from dockagent.core.permits.erasing import Ground, Refusal
from dockagent.core.permits.permit import Named
from dockagent.core.permits.permit_state import KnownPermit, OpenAsk, Tombstone
from dockagent.core.permits.permit_table import Wanted
from dockagent.errors import DockError, Missing, Refused, Retryable
from dockagent.ledger.custodian_peer import Counterparty, Withheld
from dockagent.steps import unprotect
from dockagent.steps.ask_custodian import MOST_UNSIGNED, nothing_signed
from dockagent.steps.listing import list_card
from dockagent.steps.world import World
from dockagent.transports import FileFact
from dockagent.transports.erase import CannotErase, Changed, Erasure, Target

PERMIT = "permit.json"
FOUND_GONE = "found gone after an interruption"
_LONGEST = 500  # characters of a reason
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Job:
    """What was asked by record ``asked``, under a permit that record ``authority`` has, in this stay of its camera."""

    session: str
    bay: str
    asked: int
    ask: OpenAsk
    clip: str
    authority: int
    until_ms: int  # the permit's end, ms since 1970 UTC
    profile: str = ""  # of a camera that has a console, which may have to let go of a file first
    folders: Mapping[str, str] = field(default_factory=dict)  # of each clip's master in the store, by clip


def seek(
    world: World, sessions: tuple[str, ...], wanted: Sequence[Wanted], refused: Mapping[str, str]
) -> tuple[Event, ...]:
    """Ask the custodian for permits. ``refused``: digests of envelopes whose refusal is on record. A custodian who is
    away is asked again later, and so is one in whose place something else answers; nobody waits for one."""
    if world.custodian is None:
        raise Missing("no custodian is named", "name one in [custodian]")
    found, reason, on_record = list[Event](), "", dict(refused)
    tried = unsigned = 0
    for one in wanted:
        if unsigned >= MOST_UNSIGNED:
            break
        tried += 1
        try:
            data = world.custodian.fetch("permits", one.clip_id, one.folder, PERMIT)
        except Withheld as err:
            reason = str(err)[:_LONGEST]
            continue
        except Retryable as err:
            reason = str(err)[:_LONGEST]
            break
        if data is None:
            continue
        if why := nothing_signed(data, f"{one.folder}/{PERMIT}"):
            reason, unsigned = why, unsigned + 1
            continue
        event = _read(world.custodian, one, data)
        if isinstance(event, ev.PermitSeen):
            found.append(event)
        elif on_record.get(event.sha256) != event.ground:
            on_record[event.sha256] = event.ground
            found.append(event)
    count = sum(isinstance(one, ev.PermitSeen) for one in found)
    return (*found, ev.PermitsSought(sessions, tried, count, reason))


def _read(custodian: Counterparty, one: Wanted, data: bytes) -> ev.PermitSeen | ev.PermitRefused:
    try:
        permit = permits.read(data, [key.public for key in custodian.keys])
        if permit.clip.clip_id != one.clip_id:
            raise Refused(f"the permit for clip {one.clip_id} is about clip {permit.clip.clip_id}")
    except Refused as err:
        ground = Ground.UNKNOWN_KEY if isinstance(err, permits.UnknownKey) else Ground.UNREADABLE
        return ev.PermitRefused(one.clip_id, hashlib.sha256(data).hexdigest(), ground, str(err)[:_LONGEST])
    if permit.camera != one.camera:  # it would wait for that camera, and nobody would hear why nothing happens here
        words = f"the permit is for camera {permit.camera}; this clip was read from {one.camera}"
        return ev.PermitRefused(one.clip_id, hashlib.sha256(data).hexdigest(), Ground.WRONG_CAMERA, words[:_LONGEST])
    return ev.PermitSeen(one.clip_id, permit, data.decode())


def recall(world: World, session: str, bay: str, profile: str) -> tuple[Event, ...]:
    """Tell the camera, where it can be told, that it has to stay."""
    told = "no console"
    if profile:
        try:
            control = world.bays.control(bay, world.profile(profile).control, 0)
            if control is not None:
                control.release(safe=False, words="footage is being erased; keep the camera")
                told = "told"
        except DockError as err:
            told = f"could not be told: {err}"
    return (ev.CameraRecalled(session, told[:_LONGEST]),)


def ask(session: str, known: KnownPermit, refusal: Refusal | None, files: tuple[Named, ...]) -> tuple[Event, ...]:
    """Say what is going to be erased under a permit, or why nothing is. The card is not touched."""
    clip, permit = known.permit.clip.clip_id, known.permit.id
    if refusal is not None:
        words = refusal.words[:_LONGEST]
        return (ev.PermitRefused(clip, known.sha256, refusal.ground, words, permit, session),)
    return (ev.EraseAsked(session, clip, permit, files),)


def withdraw(job: Job, refusal: Refusal) -> tuple[Event, ...]:
    """Something came between the record and the act, a hold for instance: the card is not touched."""
    return (_failed(job, refusal.ground, refusal.words, retry=True),)


def erase(world: World, job: Job) -> tuple[Event, ...]:
    """Erase what was asked for, and prove it.

    1. The permit's time is not over, and the custodian, where he has a door, still hands it out. 2. The card is
    listed: every file is there with its size. 3. The camera lets go of them, where its profile knows how to ask for
    that. 4. All of them are hashed again, which may take hours; all of 1. still holds, and nobody set a hold here
    meanwhile; then they go, through descriptors that stay open (``transports/erase_child``). 5. The card is listed
    again, on a read-only mount: they are gone, and no other file came, went or changed.
    """
    if world.eraser is None:
        return (_failed(job, Ground.POLICY, "this dock does not erase", retry=False),)
    asked = ""
    try:
        _leave(world, job)
        before = _listing(world, job.bay)
        _all_there(job, before)
        asked = unprotect.ask_camera(world, job.bay, job.profile, job.ask.files)
        targets = [Target(to_bytes(one.path), one.bytes, one.sha256) for one in job.ask.files]
        done = world.eraser.erase(job.bay, targets, partial(_last_leave, world, job))
        after = _listing(world, job.bay)
    except _NoLeave as err:
        return (_failed(job, err.ground, f"{asked}{err}", retry=err.again),)
    except unprotect.Protected as err:
        return (_failed(job, Ground.MEDIUM, str(err), retry=err.again),)
    except (Changed, CannotErase) as err:
        ground = Ground.CHANGED if isinstance(err, Changed) else Ground.MEDIUM
        return (_failed(job, ground, f"{asked}{err}", retry=False),)
    except DockError as err:
        return (_failed(job, Ground.MEDIUM, f"{asked}{err}", retry=True, unsure=True),)
    return _told(job, replace(done, method=f"{asked}{done.method}"), before, after)


class _NoLeave(Exception):
    """What is to be erased may not be erased now, or nobody can tell; ``again``: whether that may pass."""

    def __init__(self, ground: Ground, words: str, *, again: bool) -> None:
        super().__init__(words)
        self.ground, self.again = ground, again


def _leave(world: World, job: Job) -> None:
    if world.clock.now().utc_ms >= job.until_ms:
        raise _NoLeave(Ground.STALE, f"the permit was valid until {rfc3339(job.until_ms)}", again=False)
    if world.custodian is None:
        return
    try:
        why = _withheld(world.custodian, job)
    except Retryable as err:
        words = f"the custodian is asked once more before anything goes: {err}"
        raise _NoLeave(Ground.WITHHELD, words, again=True) from err
    if why:
        raise _NoLeave(Ground.WITHHELD, why, again=False)


def _last_leave(world: World, job: Job) -> None:
    _leave(world, job)
    if not world.gate.shut([one.clip_id for one in job.ask.files]):
        raise _NoLeave(Ground.HOLD, "a hold was set on it while its files were hashed", again=True)


def _withheld(custodian: Counterparty, job: Job) -> str:
    """Why the custodian does not hand out the permit any more, or empty. A permit that was handed out cannot be called
    back; another dock may have put the clip on hold since. Where permits are read from the store there is nobody to
    ask. Raises Retryable where he does not answer."""
    for clip_id, folder in job.folders.items() if custodian.door else ():
        try:
            data = custodian.fetch("permits", clip_id, folder, PERMIT)
        except Withheld as err:
            return err.what
        if data is not None and (why := nothing_signed(data, f"{folder}/{PERMIT}")):
            raise Retryable(why)
        if clip_id != job.clip:
            continue  # it goes with the clip that the permit is about, and need not have one of its own
        if data is None:
            return "the custodian has no permit for it any more"
        event = _read(custodian, Wanted(clip_id, folder, job.ask.camera), data)
        if isinstance(event, ev.PermitRefused):
            return event.reason
    return ""


def _told(
    job: Job, done: Erasure, before: Mapping[bytes, FileFact], after: Mapping[bytes, FileFact]
) -> tuple[Event, ...]:
    gone = [one for one in job.ask.files if to_bytes(one.path) in done.gone]
    back = [one.path for one in gone if to_bytes(one.path) in after]
    if back:
        words = f"{back[0]} is still listed after it was erased: this card does not keep what is written to it"
        return (_failed(job, Ground.MEDIUM, words, retry=False, unsure=True),)
    stones = tuple(Tombstone(one.path, one.clip_id, one.sha256, one.bytes, one.receipt_sha256) for one in gone)
    noticed = _others(before, after, set(done.gone))
    if done.trouble:
        noticed = (Finding("erase-incomplete", done.trouble[:_LONGEST], "warning"), *noticed)
    return (_erased(job, done.method, stones, done.free_before, done.free_after, noticed),)


def _erased(
    job: Job, method: str, stones: tuple[Tombstone, ...], before: int, after: int, noticed: tuple[Finding, ...]
) -> ev.Erased:
    told = {one.path for one in stones}
    left = tuple(one.path for one in job.ask.files if one.path not in told)
    authority = f"permit {job.ask.permit}, record {job.authority}"
    return ev.Erased(
        job.session, job.asked, job.clip, job.ask.permit, authority, method, stones, left, before, after, noticed
    )


def _others(before: Mapping[bytes, FileFact], after: Mapping[bytes, FileFact], gone: set[bytes]) -> tuple[Finding, ...]:
    """What else is not as it was."""
    changed = [path for path in sorted({*before, *after} - gone) if before.get(path) != after.get(path)]
    words = "came, went or changed while other files were erased from its card"
    return tuple(
        Finding("erase-other", f"{to_text(path)} {words}", "warning", to_text(path)) for path in changed[:_SHOWN]
    )


def look_after(world: World, job: Job) -> tuple[Event, ...]:
    """See on the card what became of an erasing that has no end in the ledger. What is gone was erased, or lost: nobody
    hashed it in this run, so its tombstone has no digest of its own. What is there is tried again under its permit."""
    here = _listing(world, job.bay)
    gone = [one for one in job.ask.files if to_bytes(one.path) not in here]
    if not gone:
        return (_failed(job, Ground.MEDIUM, "it was interrupted before anything was erased", retry=True),)
    stones = tuple(Tombstone(one.path, one.clip_id, "", 0, one.receipt_sha256) for one in gone)
    return (_erased(job, FOUND_GONE, stones, -1, -1, ()),)


def _listing(world: World, bay: str) -> dict[bytes, FileFact]:
    """The whole card by raw path. Raises what listing raises; Retryable where some of it cannot be listed."""
    files, trouble = list_card(world.bays.footage(bay))
    if trouble:
        raise Retryable(f"not all of the card can be listed: {trouble}")
    return {fact.path: fact for fact in files}


def _all_there(job: Job, listed: Mapping[bytes, FileFact]) -> None:
    for one in job.ask.files:
        fact = listed.get(to_bytes(one.path))
        if fact is None or fact.special or fact.size != one.bytes:
            raise Changed(f"{one.path} is not on the card as it was read")


def _failed(job: Job, ground: Ground, reason: str, *, retry: bool, unsure: bool = False) -> ev.EraseFailed:
    return ev.EraseFailed(job.session, job.asked, job.clip, ground, reason[:_LONGEST], retry, unsure)


def job_of(session: str, bay: str, number: int, ask: OpenAsk, known: KnownPermit, profile: str) -> Job:
    """The facts for a step about what record ``number`` asked. ``profile``: of a camera with a console, or empty."""
    permit = known.permit
    return Job(session, bay, number, ask, permit.clip.clip_id, known.record, permit.until_ms, profile)
