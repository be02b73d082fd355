"""What people are told of permits that wait: at once when one is handed in, and by status until it is used or over."""

from typing import Any

import msgspec
import pytest

from dockagent.core.events.permit import PermitHandedIn
from dockagent.core.model import Camera, SessionPhase
from dockagent.core.permits import permit_table, permit_waits, permit_words
from dockagent.core.permits.permit import Permit
from tests.core import permits, story
from tests.core.permits import C1, C2, DAY_MS, PERMIT_ID, asks, erased, leave, named, ready

OTHER = "BWC-0002"


def handed(what: Permit) -> PermitHandedIn:
    return PermitHandedIn(what.clip.clip_id, what, (permits.envelope(what).decode(),), actor=story.ACTOR)


def prospects(told: story.Story, at_ms: int = story.NOW + 5000) -> list[str]:
    return [permit_waits.prospect(one) for one in permit_waits.waiting(told.state, at_ms)]


def test_one_for_another_camera_says_so_until_its_time_is_over() -> None:
    told = ready().tell(handed(leave(camera=OTHER)))
    (said,) = prospects(told)
    assert said.startswith(f"for camera {OTHER}, which is not in this dock (here: BWC-0001 in bay A): NOT FOLLOWED")
    assert "(wrong-camera)" in said
    assert "was read from camera BWC-0001, not BWC-0002" in said
    assert prospects(told, story.NOW + DAY_MS) == []
    assert permit_table.to_seek(told.state, told.at_ms, 60_000) == ("s/A",), "the clip's own permit is still asked for"


def test_one_for_another_dock_says_so_and_hinders_nothing() -> None:
    told = ready()
    told.state.dock = "dock-7"
    told.tell(handed(leave(dock="dock-8")))
    assert "NOT FOLLOWED as things are (wrong-dock)" in prospects(told)[0]
    assert permit_table.to_seek(told.state, told.at_ms, 60_000) == ("s/A",)


def test_one_for_a_camera_that_left_waits_for_it() -> None:
    told = ready(leave()).tell(story.detached())
    (said,) = prospects(told)
    assert said == (
        "for camera BWC-0001, which is not in this dock: it waits until that camera is in a bay, "
        f"{permit_words.moment(leave().until_ms)} at the latest"
    )
    told.state.running = False
    assert prospects(told)[0].startswith("for camera BWC-0001, while no agent runs: it waits until that camera")


def test_one_for_a_camera_that_is_here() -> None:
    told = ready(leave())
    assert prospects(told) == ["for camera BWC-0001, which is in bay A: it is followed now"]
    told.tell(story.hold_set(C1))
    assert prospects(told)[0].startswith("for camera BWC-0001, which is in bay A: NOT FOLLOWED as things are (hold)")


def test_a_card_without_what_it_names_is_said() -> None:
    told = ready(leave())
    told.state.sessions["A"].items.clear()
    assert "nothing that it lets go is on that card now; it waits until 2026-" in prospects(told)[0]


def test_one_that_is_used_waits_no_more() -> None:
    one = leave()
    told = ready(one).tell(asks(one))
    told.tell(erased(told.state.history.records - 1, one))
    assert prospects(told) == []


def test_of_a_clip_that_nobody_read_here() -> None:
    told = story.session_in(SessionPhase.LISTED).tell(handed(leave(camera=OTHER)))
    assert "NOT FOLLOWED as things are (foreign-clip)" in prospects(told)[0]


def test_many_are_told_by_camera_and_never_more_than_asked_for() -> None:
    told = permits.with_sidecars(leave(), leave(named("DCIM/b.MP4", C2), id="1f" * 16)).tell(story.detached())
    told.tell(handed(leave(camera=OTHER, id="2f" * 16)))
    rows = permit_waits.waiting(told.state, told.at_ms)
    first, second = permit_waits.lines(rows, 20)
    assert first.startswith("  2 permits: for camera BWC-0001, which is not in this dock: it waits until")
    assert second.startswith(f"  permit {'2f' * 16} for DCIM/a.MP4: for camera {OTHER}")
    assert permit_waits.lines(rows, 1) == [first, "  … and 1 more (see --json)"]


def test_a_camera_that_nobody_recognised_is_not_named() -> None:
    told = story.session_in(SessionPhase.ATTACHED).tell(handed(leave(camera=OTHER)))
    assert "(here:" not in prospects(told)[0]
    told.state.sessions["A"].camera = msgspec.structs.replace(Camera("x", "", "", "", "", "nothing"), id="x\n\x1b[1m")
    (line,) = permit_waits.lines(permit_waits.waiting(told.state, told.at_ms), 20)
    assert line.isprintable()
    assert PERMIT_ID in line


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({}, ""),
        ({"legal_hold": "unknown"}, "allow him s3:GetObjectLegalHold"),
        ({"legal_hold": "on"}, "while the store has a legal hold on it"),
        ({"ledger_size": 0}, "no published ledger showed its record"),
        ({"findings": ("a stranger's object",)}, "its receipt has findings; a person decides about it: a stranger's"),
    ],
)
def test_why_no_permit_comes(changed: dict[str, Any], why: str) -> None:
    told = ready().tell(permits.word(**changed))
    said = permit_waits.none_comes(told.state, told.state.clips[C1])
    assert (why in said, bool(said)) == (True, bool(why))
    assert permit_waits.none_come(told.state) == ({said: 1} if why else {})
    told.tell(permits.seen(leave()))
    assert permit_waits.none_comes(told.state, told.state.clips[C1]) == "", "there is one"


def test_beside_swift_none_ever_comes() -> None:
    told = ready().tell(permits.word(legal_hold="unknown"))
    clip = told.state.clips[C1]
    assert clip.receipt is not None
    clip.receipt = msgspec.structs.replace(clip.receipt, store="swift://evidence/north")
    assert permit_waits.none_comes(told.state, clip) == (
        "no permit is ever signed: Swift cannot say that nobody holds it;"
        " deliver to a store under lock, or empty the camera by hand"
    )


def test_none_comes_for_what_is_on_hold_or_in_quarantine_or_has_no_receipt() -> None:
    held = ready().tell(story.hold_set(C1))
    assert "while it is on hold" in permit_waits.none_comes(held.state, held.state.clips[C1])
    doubted = ready(doubt="intact: no")
    assert "in quarantine" in permit_waits.none_comes(doubted.state, doubted.state.clips[C1])
    del doubted.state.custodian.words[C1]
    assert permit_waits.none_comes(doubted.state, doubted.state.clips[C1]) == "", "he may still come to it"
