"""The clip table of a dock that seals: what a seal must say, what its receipt is about, and where trouble leads."""

from typing import Any

import msgspec
import pytest

from dockagent.core import events as ev
from dockagent.core.acts import Actor, Grounds
from dockagent.core.model import ClipPhase, Thing
from tests.core.story import (
    SEALED,
    SPRITE,
    admitted,
    clip_in,
    delivered,
    delivered_sealed,
    disposed,
    one_clip,
    refused,
    sealed,
    stripped,
    trouble,
    verified,
)

C = ClipPhase


@pytest.mark.parametrize("lie", [{"sha256": "00" * 32}, {"bytes": 99}])
def test_a_seal_over_other_bytes_is_refused(lie: dict[str, Any]) -> None:
    honest = sealed("c1", SPRITE)
    other = msgspec.structs.replace(honest, plaintext=msgspec.structs.replace(honest.plaintext, **lie))
    assert "other bytes" in refused(clip_in(C.PREVIEWED, "", SPRITE), other)


@pytest.mark.parametrize(
    "lie", [{"recipients": ()}, {"master": Thing("master", 416, "5e" * 32)}, {"previews": (Thing("x.age", 1, "00"),)}]
)
def test_a_seal_says_of_what_and_for_whom(lie: dict[str, Any]) -> None:
    assert "of what" in refused(clip_in(C.PREVIEWED, "", SPRITE), sealed("c1", SPRITE, **lie)).replace(
        "what it is of", "of what"
    )


def test_the_receipt_of_a_sealed_clip_is_about_the_sealed_object() -> None:
    story = clip_in(C.SHOWN, seals=True)
    assert "sealed from those" in refused(story, delivered())
    clip = one_clip(story.tell(delivered_sealed()))
    assert clip.receipt is not None
    assert (clip.phase, clip.receipt.sha256, clip.sha256) == (C.DELIVERED, SEALED.sha256, f"{'c1':0>64}")


def test_a_sealed_receipt_is_none_for_a_clip_that_is_not_sealed() -> None:
    assert "other bytes" in refused(clip_in(C.SHOWN), delivered_sealed())


def test_a_record_is_not_signed_while_the_plaintext_is_there() -> None:
    assert "which is sealed" in refused(clip_in(C.SEALED), admitted())


def test_only_a_sealed_clips_plaintext_goes_before_it_is_delivered() -> None:
    for phase in (C.PREVIEWED, C.SHOWN):
        refused(clip_in(phase), stripped())
    refused(clip_in(C.SEALED), disposed())


def test_a_preview_that_was_not_sealed_is_left_out() -> None:
    clip = one_clip(clip_in(C.PREVIEWED, "", SPRITE).tell(sealed("c1")))
    assert clip.preview == ()
    assert clip.stored == (SEALED, ())


def test_a_sealed_copy_that_is_gone_is_made_again_from_the_plaintext() -> None:
    story = clip_in(C.SEALED, "", SPRITE).tell(msgspec.structs.replace(trouble(step="strip"), lost=True))
    clip = one_clip(story)
    assert (clip.phase, clip.seal) == (C.PREVIEWED, None)
    assert one_clip(story.tell(sealed("c1", SPRITE))).phase is C.SEALED


def test_a_sealed_copy_that_is_gone_later_is_pulled_again() -> None:
    story = clip_in(C.SHOWN, seals=True).tell(msgspec.structs.replace(trouble(), lost=True))
    assert "c1" not in story.state.clips


def test_a_damaged_record_of_a_sealed_clip_is_signed_again_without_unsealing() -> None:
    clip = one_clip(clip_in(C.SHOWN, seals=True).tell(msgspec.structs.replace(trouble(), record=True)))
    assert clip.phase is C.LOCKED
    assert clip.stripped


@pytest.mark.parametrize("phase", C)
def test_a_clip_is_stripped_once_that_is_recorded(phase: ClipPhase) -> None:
    assert one_clip(clip_in(phase, "", SPRITE, seals=True)).stripped is (
        phase in (C.LOCKED, C.ADMITTED, C.SHOWN, C.DELIVERED, C.DONE)
    )


def test_a_hold_keeps_the_footage_not_its_plaintext() -> None:
    """What is on hold is sealed all the same: the sealed copy is the footage."""
    hold = ev.HoldSet("c1", actor=Actor("kay", "test", 1000), grounds=Grounds("", "order", "court", ""))
    story = clip_in(C.SEALED).tell(hold, stripped(), admitted(), delivered_sealed())
    assert "on hold" in refused(story, disposed())


def test_a_record_from_before_there_was_a_method_is_read() -> None:
    assert ev.Disposed("c1", "the dock's copy", "receipt").method == ""
    assert one_clip(clip_in(C.ACQUIRED).tell(verified())).seal is None
