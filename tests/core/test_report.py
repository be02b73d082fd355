"""What came of one card: as the contract's object, as text, and as an exit code."""

import json
from typing import Any

import pytest

from dockagent.core import events as ev
from dockagent.core import report
from dockagent.core.camera.inventory import Finding, Skipped
from dockagent.core.model import ClipPhase, SessionPhase, State
from dockagent.errors import Missing
from tests.core.story import (
    SPRITE,
    Story,
    acquired,
    admitted,
    attached,
    clip_in,
    delivered,
    entry,
    identified,
    inventory,
    item,
    previewed,
    released,
    session_in,
    session_trouble,
    trouble,
    unread,
    verified,
)

S, C = SessionPhase, ClipPhase
ROW = {"path", "bytes", "sha256", "state", "clip_id", "reason", "verdicts"}  # of the contract
VERDICTS = {"intact", "signature", "signer", "time", "complete"}


def row(story: Story) -> dict[str, Any]:
    (only,) = report.card(story.state, "A")["clips"]
    assert set(only) >= ROW
    assert set(only["verdicts"]) == VERDICTS
    result: dict[str, Any] = only
    return result


def done() -> Story:
    return clip_in(C.DONE).tell(released())


@pytest.mark.parametrize(
    ("phase", "state", "reason"),
    [
        (C.ACQUIRED, "spooled", "waiting: to be verified"),
        (C.VERIFIED, "spooled", "waiting: to be measured"),
        (C.MEASURED, "spooled", "waiting: for its preview"),
        (C.PREVIEWED, "spooled", "waiting: for its record"),
        (C.SEALED, "spooled", "waiting: for its plaintext to be removed"),
        (C.LOCKED, "spooled", "waiting: for its record"),
        (C.ADMITTED, "spooled", "waiting: for its preview to be delivered"),
        (C.SHOWN, "spooled", "waiting: to be delivered"),
        (C.DELIVERED, "delivered", ""),
        (C.DONE, "delivered", ""),
    ],
)
def test_a_clip_says_where_it_stands_and_why(phase: ClipPhase, state: str, reason: str) -> None:
    found = row(clip_in(phase, "", SPRITE))
    assert (found["state"], found["reason"]) == (state, reason)
    assert (found["path"], found["bytes"], found["sha256"], found["clip_id"]) == (
        "DCIM/a.MP4", 100, f"{'c1':0>64}", "c1",
    )  # fmt: skip


def test_a_file_that_is_not_pulled_says_why() -> None:
    assert (row(session_in(S.LISTED))["state"], row(session_in(S.LISTED))["reason"]) == (
        "waiting", "waiting to be pulled",
    )  # fmt: skip
    given_up = row(session_in(S.LISTED).tell(unread(retry=False)))
    assert (given_up["state"], given_up["reason"]) == ("failed", "read, as it happens")
    full = row(session_in(S.LISTED).tell(unread(kind="spool-full")))
    assert full["reason"] == "spool-full, as it happens"


def test_a_clip_in_doubt_is_quarantined_and_its_troubles_are_said_too() -> None:
    story = clip_in(C.SHOWN, "intact: other bytes")
    assert (row(story)["state"], row(story)["reason"]) == ("quarantined", "intact: other bytes")
    story.tell(trouble())
    assert row(story)["reason"] == "intact: other bytes; as it happens"


def test_sidecars_stand_with_their_clip() -> None:
    story = session_in(S.IDENTIFIED)
    story.tell(inventory("A", entry(), entry("DCIM/a.GPS", role="sidecar", belongs_to="DCIM/a.MP4")))
    clip, sidecar = report.card(story.state, "A")["clips"]
    assert (clip["sidecars"], sidecar["sidecars"], sidecar["belongs_to"]) == (["DCIM/a.GPS"], [], "DCIM/a.MP4")


def test_what_was_left_out_is_said() -> None:
    story = session_in(S.IDENTIFIED).tell(inventory("A", skipped=(Skipped("wifi.cfg", "private", "passwords"),)))
    assert report.card(story.state, "A")["skipped"] == [{"path": "wifi.cfg", "role": "private", "reason": "passwords"}]


def test_a_card_that_is_not_there_is_missing() -> None:
    with pytest.raises(Missing, match="went away"):
        report.card(State(), "A")


EXITS: dict[str, tuple[Any, int]] = {
    "all delivered": (done, 0),
    "not yet": (lambda: clip_in(C.SHOWN), 1),
    "not recognised": (lambda: session_in(S.REFUSED), 1),
    "a file given up": (lambda: session_in(S.LISTED).tell(unread(retry=False), released(safe=False)), 1),
    "quarantined": (lambda: clip_in(C.DONE, "doubt").tell(released()), 3),
    "a notice": (
        lambda: session_in(S.IDENTIFIED).tell(
            inventory("A", findings=(Finding("x", "y", "notice"),)), acquired(), verified(), previewed(), admitted(),
            delivered(), released(),
        ),
        0,
    ),
    "a warning": (
        lambda: session_in(S.IDENTIFIED).tell(
            inventory("A", findings=(Finding("x", "y", "warning"),)), acquired(), verified(), previewed(), admitted(),
            delivered(), released(),
        ),
        3,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXITS)
def test_the_exit_code_is_the_contracts(name: str) -> None:
    story, code = EXITS[name]
    assert report.exit_code(report.card(story().state, "A")) == code


STORIES: dict[str, Any] = {
    **{str(phase): (lambda phase=phase: clip_in(phase, "", SPRITE)) for phase in C},
    **{str(phase): (lambda phase=phase: session_in(phase)) for phase in S},
    "trouble": lambda: session_in(S.ATTACHED).tell(session_trouble()),
    "quarantined": lambda: clip_in(C.DONE, "doubt").tell(released()),
}


@pytest.mark.parametrize("name", STORIES)
def test_every_state_can_be_told_to_programs_and_people(name: str) -> None:
    result = report.card(STORIES[name]().state, "A")
    assert json.loads(json.dumps(result)) == result
    text = report.as_text(result, "file:///store")
    assert text.splitlines()[-1].startswith("SAFE TO TAKE" if result["safe_to_take"] else "KEEP THE CAMERA: ")
    assert "Store: file:///store" in text
    assert all(line.isprintable() for line in text.splitlines())
    assert result["safe_to_take"] or result["reason"], "what is not delivered has a reason"


def test_a_long_card_is_cut_for_people_and_whole_for_programs() -> None:
    story = session_in(S.IDENTIFIED).tell(inventory("A", *(entry(f"DCIM/{n}.MP4") for n in range(100))))
    result = report.card(story.state, "A")
    assert len(result["clips"]) == 100
    text = report.as_text(result, "s3://x")
    assert "and 60 more" in text
    assert "100 files" in text
    assert len(text.splitlines()) < 150


def test_progress_counts_bytes_and_never_more_than_there_are() -> None:
    assert list(report.amounts(State(), "A")) == []
    assert list(report.amounts(session_in(S.LISTED).state, "A")) == [("pull", 100, 0), ("upload", 100, 0)]
    assert list(report.amounts(clip_in(C.SHOWN).state, "A")) == [("pull", 100, 100), ("upload", 100, 0)]
    assert list(report.amounts(clip_in(C.DONE).state, "A")) == [("pull", 100, 100), ("upload", 100, 100)]


def test_a_second_visit_counts_what_is_held() -> None:
    story = clip_in(C.DONE).tell(ev.CameraDetached("s/A", True, 0), attached(), identified())
    story.tell(inventory("A", held={item(): "c1"}))
    assert list(report.amounts(story.state, "A")) == [("pull", 100, 100), ("upload", 100, 100)]
