"""Which files are sent while they are read, and what becomes of that.

An object's key holds the clip's id, and so the digest of all its bytes. It is known beforehand only where a trusted
camera signed the file's digest; those files alone are sent early. What the camera signed is not believed for it: the
upload stays unfinished until the file was read, proved, judged and recorded, and then the ordinary put finds the parts,
compares each with the digest that was computed from the bytes read, and completes it. Where the bytes turned out to be
others, or the clip was judged doubtful, the upload is dropped and the clip goes its own way.

Not sent early: what is sealed (the plaintext never leaves the dock), what is one part only, what the dock or the store
has, and anything while the link is in trouble or the upload hours are over. What is ready goes first.
"""

from collections.abc import Iterator

from dockagent.core import plan
from dockagent.core.events import early as events_early
from dockagent.core.model import ClipPhase, Item, Session, State
from dockagent.core.uplink import link
from dockagent.core.uplink.early_parts import Early
from dockagent.core.uplink.trouble import Trouble
from dockagent.core.uplink.turns import Terms

_PLACED = (ClipPhase.ADMITTED, ClipPhase.SHOWN, ClipPhase.DELIVERED, ClipPhase.DONE)


def signed(state: State, session: Session, path: str) -> str:
    """The SHA-256 (hex) that a trusted camera signed for a file on its card, or empty."""
    reading = state.readings.get(session.manifest_sha256)
    if reading is None or reading.manifest is None or reading.signer != "pass":
        return ""
    return reading.manifest.digest(path)


def expected(state: State, session: Session, item: Item) -> Early | None:
    """What an item of this session will be, and where it will lie in the store; None where nobody can know yet."""
    sha256 = signed(state, session, item.entry.path)
    if not sha256 or session.camera is None:
        return None
    clip_id = plan.clip_id(session.camera.id, sha256)
    folder = plan.clip_folder(session.camera.id, item.entry.mtime_ms, clip_id)
    return Early(session.id, clip_id, f"{folder}/master")


def may_send(state: State, bay: str, session_id: str, item_id: str, part_size: int) -> Early | None:
    """What a file that is being pulled will be, where it is one to send early in parts of ``part_size`` bytes."""
    session, before = state.sessions.get(bay), state.early.get(item_id)
    if session is None or session.id != session_id or item_id not in session.to_pull:
        return None
    item = session.items[item_id]
    if item.entry.bytes <= part_size or (before is not None and before.over == session.id):
        return None
    found = expected(state, session, item)
    return found if found is not None and found.expected not in state.clips else None


def line_is_free(state: State, now_ms: int, terms: Terms, *, alone: bool) -> bool:
    """Whether what is not ready yet may use the line. While the link is in trouble it does so only ``alone``, and
    when it is time for another try: it may be what finds out that the link is back."""
    trouble = state.uplink.trouble
    return terms.hours.open(now_ms) and trouble.due(now_ms) and (alone or not trouble.attempts)


def to_drop(state: State) -> Iterator[tuple[str, Early]]:
    """Items whose early parts are of no use, because the clip went another way."""
    for item_id, early in state.early.items():
        if early.astray or _placed_elsewhere(state, early):
            yield item_id, early


def _placed_elsewhere(state: State, early: Early) -> bool:
    clip = state.clips.get(early.expected)
    return clip is not None and clip.phase in _PLACED and early.key != f"{clip.prefix}/{clip.stored[0].name}"


def acquired(state: State, item_id: str, clip_id: str) -> None:
    """A file was read: is it the clip that its camera signed?"""
    if (early := state.early.get(item_id)) is not None:
        early.astray = early.expected != clip_id


def sent(state: State, event: events_early.SentEarly, at_ms: int) -> None:
    """Some parts are in the store, or are not any more."""
    if event.how == "dropped":
        state.early.pop(event.item, None)
        return
    over = "" if event.how == "turn" or event.link else event.session
    before = state.early.get(event.item)
    astray = before is not None and before.astray and before.expected == event.expected
    state.early[event.item] = Early(event.session, event.expected, event.key, over, astray)
    if event.link:
        link.failed(state, event.item, Trouble(event.reason, kind=event.kind), at_ms, event.after_ms)
    elif event.parts:
        link.answered(state, at_ms)
