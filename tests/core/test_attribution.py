"""Whose a clip is: every source by its rank, assignments from their record on, and never changed afterwards."""

from typing import Any

import msgspec
import pytest

from dockagent.core import attribution
from dockagent.core import events as ev
from dockagent.core.model import Assignment, Attribution
from tests.core.story import (
    CAMERA,
    NOW,
    Story,
    acquired,
    attached,
    detached,
    entry,
    identified,
    inventory,
    mode_asked,
    one_clip,
    reading,
    refused,
)

BYTES = f"{'c1':0>64}"  # what the story's clip is by its digest


def given(officer: str, camera: str = CAMERA.id, **more: Any) -> ev.Assigned:
    return ev.Assigned(camera, officer, **more)


def manifest(signer: str = "pass", **said: Any) -> dict[str, Any]:
    """A session's manifest whose claim about a.MP4 says so."""
    found = reading(1, signer)
    assert found.manifest is not None
    said = {"sha256": BYTES, **said}
    claims = {path: msgspec.structs.replace(one, **said) for path, one in found.manifest.clips.items()}
    whole = msgspec.structs.replace(found, manifest=msgspec.structs.replace(found.manifest, clips=claims))
    return {"manifest": whole, "manifest_sha256": whole.sha256}


def taken(*before: ev.Event, listed: dict[str, Any] | None = None, wearer: str = "") -> Attribution:
    """What is known about a clip that was taken in after these events."""
    camera = msgspec.structs.replace(CAMERA, officer=wearer)
    story = Story().tell(ev.DockStarted("1", "c0", "first start"), *before, attached(), identified(camera=camera))
    story.tell(inventory("A", entry(), **(listed or {})), acquired())
    return one_clip(story).about


STARTED: dict[str, Any] = {"start_ms": NOW + 25}  # after the first record of a story's assignments, before the second
SAYS: dict[str, Any] = {"officer": "4711"}


@pytest.mark.parametrize(
    ("before", "listed", "wearer", "officer", "by"),
    [
        ((), None, "", "", ""),
        ((), None, "0042", "0042", "dialogue"),
        ((given("0815"),), None, "0042", "0815", "assigned-at-docking"),
        ((given("0815", "another"),), None, "", "", ""),
        ((), manifest(**SAYS), "", "4711", "signed"),
        ((given("0815"),), manifest(**SAYS), "", "4711", "signed"),
        ((given("0815"),), manifest("unknown", **SAYS), "", "0815", "assigned-at-docking"),
        ((), manifest("unknown", **SAYS), "0042", "4711", "stated"),
        ((), manifest("fail", **SAYS), "", "4711", "stated"),
        ((), manifest(sha256="ee" * 32, **SAYS), "", "4711", "stated"),
        ((given("0815"),), manifest(sha256="ee" * 32, **SAYS), "", "0815", "assigned-at-docking"),
        ((given("0815"), given("0007")), manifest(**STARTED), "", "0815", "assigned-at-start"),
        ((given("0815"), given("0007")), manifest("unknown", **STARTED), "", "0007", "assigned-at-docking"),
        ((given("0815"), given("")), None, "0042", "0042", "dialogue"),
        ((given("0815", until_ms=NOW + 25), given("x", "y")), None, "", "", ""),
    ],
)
def test_the_best_source_counts(before: Any, listed: Any, wearer: str, officer: str, by: str) -> None:
    about = taken(*before, listed=listed, wearer=wearer)
    assert (about.officer, about.officer_by) == (officer, by)


def test_category_mark_and_start_are_as_far_known_as_their_manifest() -> None:
    said = {"category": "traffic", "marked": True, "zone": "Europe/London"}
    for signer, by in (("pass", "signed"), ("unknown", "stated")):
        about = taken(listed=manifest(signer, **said))
        assert (about.category, about.category_by) == ("traffic", by)
        assert (about.marked, about.marked_by) == (True, by)
        assert (about.start_ms, about.start_by, about.zone) == (NOW, by, "Europe/London")
    nothing = taken()
    assert (nothing.start_ms, nothing.start_by, nothing.category_by, nothing.marked_by) == (None, "", "", "")


def test_camera_bay_and_record_are_noted() -> None:
    about = taken()
    assert (about.maker, about.model, about.bay, about.entry) == ("Reference", "BWC-1", "A", 4)
    assert about.docked_ms == NOW + 20


def test_what_is_told_later_changes_nothing() -> None:
    story = Story().tell(ev.DockStarted("1", "c0", "first start"), attached(), identified(), inventory(), acquired())
    before = one_clip(story).about
    story.tell(given("0815"), given("0007"))
    assert one_clip(story).about == before


HAD = [Assignment(100, 0, "a"), Assignment(200, 250, "b"), Assignment(300, 0, ""), Assignment(400, 0, "c")]


@pytest.mark.parametrize(
    ("at_ms", "who"),
    [
        (99, ""),
        (100, "a"),
        (199, "a"),
        (200, "b"),
        (249, "b"),
        (250, ""),
        (300, ""),
        (399, ""),
        (400, "c"),
        (9999, "c"),
    ],
)
def test_who_had_a_camera(at_ms: int, who: str) -> None:
    assert attribution.who_had(HAD, at_ms) == who


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (given("0815", ""), "needs a camera"),
        (given("0815", "unidentified"), "needs a camera"),
        (given("x" * 65), "longer than 64"),
        (given("a\nb"), "cannot be shown"),
        (given("0815", until_ms=NOW), "over before it begins"),
    ],
)
def test_an_assignment_that_cannot_be_is_refused(event: ev.Assigned, why: str) -> None:
    assert why in refused(Story().tell(ev.DockStarted("1", "c0", "first start")), event)


def comes_back(**facts: Any) -> str:
    """The officer of a camera that said 0042 in its dialogue, left, and came back as a disk."""
    asked = mode_asked()
    asked = msgspec.structs.replace(asked, camera=msgspec.structs.replace(asked.camera, officer="0042"))
    found = msgspec.structs.replace(identified(), **{"profile": asked.profile, **facts})
    story = Story().tell(ev.DockStarted("1", "c0", "first start"), attached(), asked, detached(), attached(), found)
    return story.state.sessions["A"].officer


def test_a_camera_that_became_a_disk_is_still_its_wearers() -> None:
    assert comes_back() == "0042"
    assert comes_back(camera=msgspec.structs.replace(CAMERA, id="unidentified", serial="")) == "0042"
    assert comes_back(camera=msgspec.structs.replace(CAMERA, serial="another")) == ""
    assert comes_back(profile="another") == ""


def test_but_not_for_ever() -> None:
    asked = msgspec.structs.replace(mode_asked(), camera=msgspec.structs.replace(CAMERA, officer="0042"))
    story = Story().tell(ev.DockStarted("1", "c0", "first start"), attached(), asked, detached())
    story.at_ms += attribution.COMES_BACK_MS
    story.tell(attached(), msgspec.structs.replace(identified(), profile=asked.profile))
    assert story.state.sessions["A"].officer == ""
    assert story.state.wearers == {}
