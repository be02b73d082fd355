"""The arrows of the flow, one file each, in the order in which footage takes them:

``detect``          a camera appears in a bay, or leaves it
``identify``        which camera it is, which profile speaks for it
``clocks``          its clock is measured, recorded, then set
``take_inventory``  its card is listed, its manifest read
``pull``            each file comes to rest in the spool, proved by a cold re-read
``early``           parts of it go to the store meanwhile
``verify``          each clip is judged by the manifest
``measure``         the trees over its samples are made
``derive``          working copies for people to look at
``seal``            where the agency wants it: sealed copies are made, and the plaintext goes
``admit``           the clip record is signed; a clip in doubt goes to quarantine
``upload``          previews, then record and master, go to the store
``erase``           where a permit allows it: the footage goes from the camera
``release``         the spool is freed; the camera may be taken
``notarize``        outsiders vouch for the ledger of all this
``ask_custodian``   whoever stands beside the store has read it all back
``ask_holds``       and keeps there what people put on hold later

:func:`task` binds an order to its step with the facts that it needs, so that no step ever looks at the state.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from dockagent.core import events as ev
from dockagent.core import orders as od
from dockagent.core import plan
from dockagent.core.central import custodian_table, hold_words, store_table
from dockagent.core.events.custodian import CustodianAsked, CustodianHeld, HoldsAsked, OfCustodian
from dockagent.core.events.permit import Erased, EraseFailed, PermitRefused, PermitSeen, PermitsSought
from dockagent.core.model import Clip, ClipPhase, Session, State
from dockagent.core.permits import erase_orders as eo
from dockagent.core.permits import erasing, permit_table
from dockagent.core.permits.erasing import Ground
from dockagent.core.uplink import early as early_files
from dockagent.core.uplink.early_parts import NO_PARTS
from dockagent.errors import DockError, Missing, Retryable
from dockagent.steps import (
    admit,
    ask_custodian,
    ask_holds,
    clocks,
    derive,
    early,
    erase,
    identify,
    measure,
    notarize,
    pull,
    release,
    seal,
    take_inventory,
    upload,
    verify,
)
from dockagent.steps.world import World

_UNSEALED = (ClipPhase.ACQUIRED, ClipPhase.VERIFIED, ClipPhase.MEASURED, ClipPhase.PREVIEWED)
LONGEST_REASON = 2000  # characters; a record has room for more, a person has not
Step = Callable[[], tuple[ev.Event, ...]]

_NAMES: dict[type[od.Order], str] = {
    od.Identify: "identify",
    od.ReadClock: "read-clock",
    od.SetClock: "set-clock",
    od.TakeInventory: "inventory",
    od.Pull: "pull",
    od.Release: "release",
    od.Verify: "verify",
    od.VerifyPath: "verify",
    od.Measure: "measure",
    od.MakePreview: "preview",
    od.Seal: "seal",
    od.Strip: "strip",
    od.Admit: "admit",
    od.SendPreview: "send-preview",
    od.SendMaster: "send-master",
    od.Dispose: "dispose",
    od.SendEarly: "send-early",
    od.DropEarly: "drop-early",
    od.Notarize: "notarize",
    od.AskCustodian: "ask-custodian",
    od.AskHolds: "ask-holds",
    eo.SeekPermits: "seek-permits",
    eo.Recall: "recall",
    eo.AskErase: "ask-erase",
    eo.Erase: "erase",
    eo.LookAfter: "look-after",
}


def task(order: od.Order, state: State, world: World) -> Step:
    """What to do for ``order``: a call without arguments that returns events, and never raises a DockError."""
    if isinstance(order, od.BayOrder):
        step = _bay_step(order, state, world)
    elif isinstance(order, od.ClipOrder):
        step = _clip_step(order, state.clips[order.clip], world)
        if isinstance(order, od.VerifyPath):
            step = partial(
                verify.verify_path, _frozen(state.clips[order.clip]), order.path, state.readings.get(order.manifest)
            )
        if isinstance(order, od.Verify):
            clip = _frozen(state.clips[order.clip])
            step = partial(verify.verify, clip, state.readings.get(clip.manifest_sha256))
        if isinstance(order, od.Admit):
            check = store_table.newest(state, world.store.url)
            step = partial(admit.admit, world, _frozen(state.clips[order.clip]), check)
    elif isinstance(order, od.EarlyOrder):
        step = _early_step(order, state, world)
    elif isinstance(order, od.Notarize):
        step = partial(notarize.notarize, world)
    elif isinstance(order, od.AskCustodian):
        step = partial(ask_custodian.ask, world, custodian_table.wanted(state, world.store.url))
    elif isinstance(order, od.AskHolds):
        step = partial(ask_holds.ask, world, hold_words.wanted(state))
    elif isinstance(order, eo.SeekPermits):
        clips = permit_table.wanted(state, order.sessions)
        step = partial(erase.seek, world, order.sessions, clips, dict(state.permits.refused))
    else:
        raise TypeError(f"no step for {order}")
    return partial(_guarded, order, step)


def _guarded(order: od.Order, step: Step) -> tuple[ev.Event, ...]:
    try:
        return step()
    except DockError as err:
        return failure(order, str(err), retry=isinstance(err, Retryable))
    except OSError as err:
        return failure(order, f"the dock's own disk failed: {err}", retry=True)


def unforeseen(order: od.Order, error: Exception) -> tuple[ev.Event, ...]:
    """The event that stands for an error that no step foresaw: recorded, shown, and tried again later."""
    return failure(order, f"unforeseen {type(error).__name__}: {error}; please report it with the log", retry=True)


def failure(order: od.Order, reason: str, *, retry: bool) -> tuple[ev.Event, ...]:
    """The event that says why an order could not be carried out."""
    name, reason = _NAMES[type(order)], reason[:LONGEST_REASON]
    if isinstance(order, od.Pull):
        return (ev.AcquireFailed(order.session, order.item, "", "read", reason, retry, 0),)
    if isinstance(order, eo.Erase | eo.LookAfter):
        return (EraseFailed(order.session, order.asked, "", Ground.MEDIUM, reason, retry=True, unsure=True),)
    if isinstance(order, eo.AskErase | eo.Recall):
        return (ev.SessionFailed(order.session, name, reason, retry=True),)
    if isinstance(order, eo.SeekPermits):
        return (PermitsSought(order.sessions, 0, 0, reason),)
    if isinstance(order, od.BayOrder):
        return (ev.SessionFailed(order.session, name, reason, retry),)
    if isinstance(order, od.ClipOrder):
        return (ev.ClipFailed(order.clip, name, reason, retry, link=False),)
    if isinstance(order, od.Notarize):
        return (ev.CheckpointFailed(name, reason, retry),)
    if isinstance(order, od.AskCustodian):
        return (CustodianAsked(0, 0, reason),)
    if isinstance(order, od.AskHolds):
        return (HoldsAsked(0, 0, reason),)
    if isinstance(order, od.EarlyOrder):
        how = "stopped" if isinstance(order, od.SendEarly) else "dropped"
        return (ev.SentEarly(order.session, order.item, order.expected, order.key, 0, 0, how, reason),)
    raise TypeError(f"no failure for {order}")


def failure_of(event: ev.Event, reason: str) -> ev.Event:
    """The failure that stands for an event that cannot be recorded. It is final: the same would come of it again."""
    session, clip = getattr(event, "session", ""), getattr(event, "clip_id", "")
    if isinstance(event, ev.Acquired | ev.AcquireFailed):
        return ev.AcquireFailed(session, event.item, "", "read", reason, retry=False, kept_bytes=0)
    if isinstance(event, EraseFailed | Erased):
        return EraseFailed(session, event.asked, clip, Ground.MEDIUM, reason, retry=False, unsure=True)
    if isinstance(event, PermitSeen | PermitRefused):
        return PermitsSought((), 1, 0, reason)
    if isinstance(event, CustodianHeld | HoldsAsked):
        return HoldsAsked(1, 0, reason)
    if isinstance(event, OfCustodian):
        return CustodianAsked(1, 0, reason)
    if clip:
        return ev.ClipFailed(clip, "record", reason, retry=False, link=False)
    if isinstance(event, ev.Checkpointed | ev.CheckpointFailed):
        return ev.CheckpointFailed("record", reason, retry=False)
    return ev.SessionFailed(session, "record", reason, retry=False)


def _bay_step(order: od.BayOrder, state: State, world: World) -> Step:
    session = state.sessions[order.bay]
    if (erasing_step := _erase_step(order, session, state, world)) is not None:
        return erasing_step
    if isinstance(order, od.Identify):
        return partial(identify.identify, world, order.session, order.bay)
    if isinstance(order, od.ReadClock):
        return partial(clocks.read_clock, world, order.session, order.bay, session.profile)
    if isinstance(order, od.SetClock):
        return partial(clocks.set_clock, world, order.session, order.bay, session.profile, session.offset_ms)
    if isinstance(order, od.TakeInventory):
        return partial(take_inventory.take_inventory, world, _listing(session, state))
    if isinstance(order, od.Pull):
        entry = session.items[order.item].entry
        who = session.camera.id if session.camera else identify.UNIDENTIFIED
        signed, relists = early_files.signed(state, session, entry.path), session.relists
        room = _headroom(entry.bytes, state) if world.sealer else 0
        job = pull.Task(session.id, order.bay, who, order.item, entry, relists, signed, room, world.part_size)
        return partial(pull.pull, world, job)
    if isinstance(order, od.Release):
        profile = session.profile if session.has_console else ""
        expected = {item.entry.path: item.entry.bytes for item in session.items.values()} if order.safe else None
        left_out = frozenset(one.path for one in session.skipped)
        return partial(release.release, world, release.Task(order, profile, expected, left_out))
    raise TypeError(f"no step for {order}")


def _erase_step(order: od.BayOrder, session: Session, state: State, world: World) -> Step | None:
    if isinstance(order, eo.Recall):
        profile = session.profile if session.has_console else ""
        return partial(erase.recall, world, session.id, order.bay, profile)
    if isinstance(order, eo.AskErase):
        known = state.permits.known[order.permit]
        refusal = erasing.judge(state, known, session, world.clock.now().utc_ms)
        return partial(erase.ask, session.id, known, refusal, erasing.targets(state, session, known))
    if isinstance(order, eo.Erase | eo.LookAfter):
        ask = state.permits.asks[order.asked]
        profile = session.profile if session.has_console else ""
        job = erase.job_of(session.id, order.bay, order.asked, ask, state.permits.known[ask.permit], profile)
        if isinstance(order, eo.LookAfter):
            return partial(erase.look_after, world, job)
        refusal = erasing.judge(state, state.permits.known[ask.permit], session, world.clock.now().utc_ms)
        if refusal is not None:
            return partial(erase.withdraw, job, refusal)
        clip = state.permits.known[ask.permit].permit.clip  # what is left of a permit may be a file beside it only
        return partial(erase.erase, world, replace(job, folders=permit_table.folders(state, (clip, *ask.files))))
    return None


def _listing(session: Session, state: State) -> take_inventory.Task:
    if session.camera is None:
        raise Missing(f"session {session.id} has no identified camera")
    camera = session.camera.id
    known = {
        item: tuple((clip, state.clips[clip].fingerprint, mtime_ms) for clip, mtime_ms in clips.items())
        for item, clips in state.known.get(camera, {}).items()
    }
    receipts = {clip.id: clip.receipt for clip in state.clips.values() if clip.camera == camera and clip.receipt}
    last = state.manifests.get(camera)
    who = session.camera.serial
    return take_inventory.Task(session.id, session.bay, camera, who, session.profile, known, last, receipts)


def _early_step(order: od.EarlyOrder, state: State, world: World) -> Step:
    if not isinstance(order, od.SendEarly):
        return partial(early.drop_early, world, early.Task(order.session, order.item, order.expected, order.key))
    session = state.sessions[order.bay]
    entry, until_ms = session.items[order.item].entry, world.terms.hours.changes_ms(world.clock.now().utc_ms)
    sha256 = early_files.signed(state, session, entry.path)
    job = early.Task(session.id, order.item, order.expected, order.key, entry.bytes, sha256, until_ms)
    return partial(early.send_early, world, job)


def _headroom(size: int, state: State) -> int:
    """Room for the largest sealed copy that is still to be made: a spool full of plaintext could never be emptied."""
    queues = (state.queues[phase] for phase in _UNSEALED)
    return max((size, *(state.clips[clip].bytes for queue in queues for clip in queue)))


def _clip_step(order: od.ClipOrder, clip: Clip, world: World) -> Step:
    folder = plan.spool_folder(clip.id, clip.quarantine)
    if isinstance(order, od.Measure):
        return partial(measure.measure, world, clip.id, clip.sha256, clip.bytes)
    if isinstance(order, od.MakePreview):
        return partial(derive.derive, world, clip.id, clip.sha256)
    if isinstance(order, od.Seal):
        return partial(seal.seal, world, _frozen(clip))
    if isinstance(order, od.Strip) and clip.seal is not None:
        return partial(seal.strip, world, clip.id, clip.seal)
    master, previews = clip.stored
    if isinstance(order, od.SendPreview | od.SendMaster):
        job = upload.Task(
            clip=clip.id,
            folder=folder,
            prefix=clip.prefix,
            master=master,
            preview=previews,
            record_sha256=clip.record_sha256,
            manifest_sha256=clip.manifest_sha256,
            parts=NO_PARTS if clip.seal else clip.parts,
            hold=bool(clip.holds),
            until_ms=world.terms.until_ms(clip, world.clock.now().utc_ms),
        )
        return partial(upload.send_preview if isinstance(order, od.SendPreview) else upload.send_master, world, job)
    key = clip.receipt.key if clip.receipt else ""
    paths = [f"{folder}/{name}" for name in (*(f"preview/{one.name}" for one in previews), "record.json", master.name)]
    method = "sealed copy removed" if clip.seal else "unlinked plaintext"
    return partial(release.dispose, world, clip.id, paths, f"receipt for {key}", method)


def _frozen(clip: Clip) -> Clip:
    """A copy that the dock's loop cannot change while a step reads it."""
    return replace(clip, aliases=list(clip.aliases), findings=list(clip.findings))
