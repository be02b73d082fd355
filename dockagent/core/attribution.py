"""Whose a clip is and of what kind: what is known when its bytes are in, each with how it is known.

Told once, from the state at the moment of the ``acquire`` record, and never changed afterwards: so a filter over it
means the same for the dock, for the catalogue in the store, and for whoever replays the ledger.

An officer is known by (best first)

========= =========================================================================================================
signed    the camera signed it about these very bytes, and a root that this dock trusts vouches for the camera
assigned  the station had given the camera to this officer (``dockagent assign``) at the time in question
stated    the camera says so in a signed manifest, but nobody vouches for the camera, or it is about other bytes
dialogue  the camera said so when it was asked for its card (GA/T 947, the number of its wearer)
========= =========================================================================================================

The time in question is when the recording began, where the camera signed that (``assigned-at-start``), else when the
camera was docked (``assigned-at-docking``): a file's own time is nobody's word, and often when it ended.
"""

from collections.abc import Sequence

from dockagent.core import events as ev
from dockagent.core.camera.manifest import Reading
from dockagent.core.camera.statement import Claim
from dockagent.core.model import Assignment, Attribution, Session, State, Wearer
from dockagent.errors import Refused

SIGNED, STATED, DIALOGUE = "signed", "stated", "dialogue"
AT_START, AT_DOCKING = "assigned-at-start", "assigned-at-docking"
LONGEST = 64  # characters of an officer's id that a person gives
LATEST_MS = 253_402_300_800_000  # the end of the year 9999
COMES_BACK_MS = 120_000  # a camera that became a disk, after it had said who wears it


def attribute(state: State, session: Session, path: str, sha256: str) -> Attribution:
    """What is known about the file at ``path`` with the digest ``sha256`` that was just acquired in ``session``;
    the number of its record is how many records there are."""
    claim, how = _claim(state.readings.get(session.manifest_sha256), path, sha256)
    camera = session.camera
    officer, officer_by = _officer(state, session, claim, how)
    return Attribution(
        entry=state.history.records,
        maker=camera.maker if camera else "",
        model=camera.model if camera else "",
        bay=session.bay,
        docked_ms=session.attached_ms,
        start_ms=claim.start_ms if claim else None,
        start_by=how,
        zone=claim.zone if claim else "",
        officer=officer,
        officer_by=officer_by,
        category=claim.category if claim else "",
        category_by=how if claim and claim.category else "",
        marked=claim.marked if claim else False,
        marked_by=how if claim and claim.marked else "",
    )


def who_had(assignments: Sequence[Assignment], at_ms: int) -> str:
    """The officer to whom a camera was given at that time, by its ``assignments``, oldest first; empty for nobody."""
    newest = next((one for one in reversed(assignments) if one.from_ms <= at_ms), None)
    if newest is None or (newest.until_ms and at_ms >= newest.until_ms):
        return ""
    return newest.officer


def check(state: State, event: ev.Assigned, at_ms: int) -> None:
    """Raises Refused for an assignment that says nothing, or ends before it begins."""
    for what, text in (("camera", event.camera), ("officer", event.officer)):
        if len(text) > LONGEST or not text.isprintable():
            raise Refused(f"the {what} {text[:LONGEST]!r} is longer than {LONGEST} characters, or cannot be shown")
    if not event.camera or event.camera == "unidentified":
        raise Refused("an assignment needs a camera that can be told from others")
    if event.until_ms and not at_ms < event.until_ms < LATEST_MS:
        raise Refused("the assignment would be over before it begins, or never")


def assigned(state: State, event: ev.Assigned, at_ms: int) -> None:
    """From its record on the camera is this officer's; nobody's, where it names none."""
    state.assignments.setdefault(event.camera, []).append(Assignment(at_ms, event.until_ms, event.officer))


def told(state: State, bay: str, event: ev.ModeAsked, at_ms: int) -> None:
    """The camera in ``bay`` said who wears it, and goes to come back as a disk."""
    camera = event.camera
    state.wearers[bay] = Wearer(camera.officer, event.profile, camera.serial, at_ms)


def wearer(state: State, bay: str, event: ev.CameraIdentified, at_ms: int) -> str:
    """Who wears the camera that was identified in ``bay``: as its console says, or as the camera said that left this
    bay just before, where this is it by profile, serial (where its card tells one) and time."""
    before = state.wearers.pop(bay, None)
    if event.camera.officer or before is None:
        return event.camera.officer
    same = before.profile == event.profile and event.camera.serial in ("", before.serial)
    return before.officer if same and 0 <= at_ms - before.at_ms <= COMES_BACK_MS else ""


def _claim(reading: Reading | None, path: str, sha256: str) -> tuple[Claim | None, str]:
    claim = reading.manifest.clips.get(path) if reading is not None and reading.manifest is not None else None
    if reading is None or claim is None:
        return None, ""
    return claim, SIGNED if reading.signer == "pass" and claim.sha256 == sha256 else STATED


def _officer(state: State, session: Session, claim: Claim | None, how: str) -> tuple[str, str]:
    if claim is not None and claim.officer and how == SIGNED:
        return claim.officer, SIGNED
    given = state.assignments.get(session.camera.id, ()) if session.camera else ()
    when, by = (claim.start_ms, AT_START) if claim and how == SIGNED else (session.attached_ms, AT_DOCKING)
    if officer := who_had(given, when):
        return officer, by
    if claim is not None and claim.officer:
        return claim.officer, STATED
    return (session.officer, DIALOGUE) if session.officer else ("", "")
