"""The published signed files give the verdicts that their publishers say, and altered copies do not."""

import io
from pathlib import Path

import pytest

from dockagent.core.stream.in_stream import AXIS, ONVIF
from dockagent.core.stream.look import look
from tests.corpus import corpus
from tests.in_stream import made
from tests.in_stream.made import (
    AT_MS,
    FILES,
    changed,
    judged,
    messages_of,
    only,
    published,
    slices_of,
    starts_of,
    without,
)

BOTH = pytest.mark.parametrize("name", list(FILES))
PICTURES, GROUP = 256, 62


def mp4(*parts: str) -> bytes:
    return corpus(*parts).read_bytes()


def test_axis_is_as_signed_by_a_key_that_only_the_stream_knows() -> None:
    data = mp4(*FILES["axis"])
    one = only(look(io.BytesIO(data), len(data), made.roots(), AT_MS))
    says = one.verdicts
    assert (one.format, one.pictures, one.covered, one.groups, one.messages) == (AXIS, PICTURES, PICTURES, 5, 5)
    assert (says.intact, says.signature, says.signer, says.time, says.complete) == (
        *("unknown", "pass", "unknown", "unknown", "pass"),
    )
    assert "self-stated" in says.reasons["signer"] and says.quarantine_reason == ""
    assert one.device["manufacturer"] == "Signed Video Framework" and one.counters == (1, 5) and one.hash == "sha256"


def test_onvif_is_intact_under_its_published_root() -> None:
    data = mp4(*FILES["onvif"])
    one = only(look(io.BytesIO(data), len(data), made.roots(), AT_MS))
    says = one.verdicts
    assert (one.format, one.pictures, one.covered, one.messages) == (ONVIF, PICTURES, PICTURES, 5)
    assert (says.intact, says.signature, says.signer, says.complete) == ("pass", "pass", "pass", "pass")
    assert "Test camera" in one.certificate


def test_onvif_without_or_with_another_root_is_not_vouched_for() -> None:
    data = mp4(*FILES["onvif"])
    says = only(look(io.BytesIO(data), len(data), (), AT_MS)).verdicts
    assert (says.intact, says.signature, says.signer) == ("unknown", "pass", "unknown")
    foreign = only(look(io.BytesIO(data), len(data), [made.maker().root.certificate], AT_MS)).verdicts
    assert (foreign.intact, foreign.signer) == ("unknown", "fail")
    late = only(look(io.BytesIO(data), len(data), made.roots(), 4_000_000_000_000)).verdicts
    assert late.signer == "fail" and "not valid" in late.reasons["signer"]


@pytest.mark.parametrize("parts", [("signed", "axis", "test_h264.mp4"), ("signed", "onvif", "test_h265.mp4")])
def test_the_unsigned_originals_have_none(parts: tuple[str, ...]) -> None:
    data = mp4(*parts)
    found = look(io.BytesIO(data), len(data), (), AT_MS)
    assert not found.signatures and not found.why


@BOTH
def test_as_a_raw_stream_it_says_the_same(name: str) -> None:
    one = only(judged(published(name), made.roots(), AT_MS))
    assert (one.covered, one.pictures, one.verdicts.signature, one.verdicts.complete) == (
        PICTURES,
        PICTURES,
        "pass",
        "pass",
    )


@BOTH
def test_every_byte_of_a_picture_counts(name: str, tmp_path: Path) -> None:
    """In the MP4 itself: one bit of one P slice, found by its group, and the other pictures still stand."""
    data = bytearray(mp4(*FILES[name]))
    slice_ = published(name)[slices_of(published(name))[100]]
    data[data.index(slice_) + len(slice_) // 2] ^= 1
    one = only(look(io.BytesIO(bytes(data)), len(data), made.roots(), AT_MS))
    assert one.verdicts.intact == "fail" and "1 altered" in one.verdicts.reasons["intact"]
    assert one.covered == PICTURES - 1 and one.verdicts.signature == "pass"
    assert "group 2" in one.verdicts.quarantine_reason


@BOTH
def test_an_altered_first_picture_takes_its_group_with_it(name: str) -> None:
    stream = published(name)
    for number in (1, 3):
        one = only(judged(changed(stream, starts_of(stream)[number]), made.roots(), AT_MS))
        assert one.verdicts.intact == "fail"
        assert one.covered == PICTURES - GROUP


@BOTH
def test_an_altered_first_picture_of_all(name: str) -> None:
    stream = published(name)
    one = only(judged(changed(stream, starts_of(stream)[0]), made.roots(), AT_MS))
    assert one.verdicts.intact == "fail" and one.covered == PICTURES - GROUP


@BOTH
def test_a_dropped_picture_is_missed(name: str) -> None:
    stream = published(name)
    one = only(judged(without(stream, slices_of(stream)[90]), made.roots(), AT_MS))
    assert one.verdicts.intact == "fail" and one.verdicts.complete == "fail"
    assert "1 missing" in one.verdicts.reasons["intact"] and one.covered == PICTURES - 1


@BOTH
def test_an_added_picture_is_seen(name: str) -> None:
    stream = published(name)
    at = slices_of(stream)[90]
    one = only(judged([*stream[:at], stream[at], *stream[at:]], made.roots(), AT_MS))
    assert one.verdicts.intact == "fail"


@BOTH
def test_exchanged_pictures_are_seen(name: str) -> None:
    stream = published(name)
    one, other = slices_of(stream)[90:92]
    stream[one], stream[other] = stream[other], stream[one]
    found = only(judged(stream, made.roots(), AT_MS))
    assert found.verdicts.intact == "fail" and "moved" in found.verdicts.reasons["intact"]


@BOTH
def test_exchanged_groups_are_seen(name: str) -> None:
    stream = published(name)
    first, second, third = starts_of(stream)[1:4]
    one = only(
        judged([*stream[:first], *stream[second:third], *stream[first:second], *stream[third:]], made.roots(), AT_MS)
    )
    assert one.verdicts.intact == "fail"


@BOTH
def test_a_group_that_is_cut_out_is_missed(name: str) -> None:
    """The group and its own message, which comes with the next one."""
    stream = published(name)
    second, third = starts_of(stream)[1:3]
    gone = {*range(second, third), messages_of(stream)[1]} - {messages_of(stream)[0]}
    one = only(judged(without(stream, *gone), made.roots(), AT_MS))
    assert one.verdicts.intact == "fail" and one.verdicts.complete == "fail"


@BOTH
def test_a_removed_message_leaves_its_group_uncovered(name: str) -> None:
    stream = published(name)
    one = only(judged(without(stream, messages_of(stream)[2]), made.roots(), AT_MS))
    assert (one.verdicts.intact, one.verdicts.signature, one.verdicts.complete) == ("unknown", "pass", "fail")
    assert one.covered == PICTURES - GROUP and not one.verdicts.quarantine_reason
    altered = changed(stream, slices_of(stream)[130])
    hidden = only(judged(without(altered, messages_of(stream)[2]), made.roots(), AT_MS))
    assert hidden.verdicts.intact == "unknown", "an alteration under no signature proves nothing, and passes nothing"
    first = changed(stream, starts_of(stream)[2])
    linked = only(judged(without(first, messages_of(stream)[2]), made.roots(), AT_MS))
    assert linked.verdicts.intact == "fail", "the next message's link still names the first picture"


@BOTH
def test_without_any_message_it_is_unsigned_not_refuted(name: str) -> None:
    stream = published(name)
    found = judged(without(stream, *messages_of(stream)), made.roots(), AT_MS)
    assert not found.signatures and not found.quarantine_reason and not found.why


@BOTH
@pytest.mark.parametrize("place", [100, 700, -30])
def test_an_altered_message_is_no_signature(name: str, place: int) -> None:
    stream = published(name)
    at = messages_of(stream)[1]
    one = only(judged(changed(stream, at, lambda unit: made.flipped(unit, place)), made.roots(), AT_MS))
    assert one.verdicts.signature == "fail" and one.verdicts.intact != "pass"
    assert one.verdicts.quarantine_reason


@BOTH
def test_altered_parameter_sets_are_not_covered_and_that_is_said(name: str) -> None:
    stream = published(name)
    sps = next(at for at, unit in enumerate(stream) if unit[0] & 31 == 7)
    one = only(judged(changed(stream, sps), made.roots(), AT_MS))
    assert one.covered == PICTURES and one.verdicts.signature == "pass"
    assert any("SPS" in line for line in one.outside) and any("sound" in line for line in one.outside)


@BOTH
def test_a_clip_cut_at_a_group_stays_checkable(name: str) -> None:
    stream = published(name)
    begins = starts_of(stream)[2]
    one = only(judged([*stream[:2], *stream[begins:]], made.roots(), AT_MS))
    assert one.covered == one.pictures == PICTURES - 2 * GROUP
    assert one.verdicts.signature == "pass" and one.verdicts.intact in ("pass", "unknown")
    assert one.verdicts.complete == "unknown" and "not here" in one.verdicts.reasons["complete"]
    refuted = only(judged(changed([*stream[:2], *stream[begins:]], 2), made.roots(), AT_MS))
    assert refuted.verdicts.intact == "fail"


@BOTH
def test_an_unsigned_end_is_told(name: str) -> None:
    stream = published(name)
    one = only(judged(stream[: starts_of(stream)[4] + 4], made.roots(), AT_MS))
    assert one.verdicts.intact == "unknown" and one.covered < one.pictures
    assert "at the end" in one.verdicts.reasons["intact"] and one.verdicts.complete == "unknown"


@BOTH
def test_a_truncated_file_is_not_judged(name: str) -> None:
    data = mp4(*FILES[name])
    for length in (len(data) // 3, len(data) - len(data) // 10, 200):
        found = look(io.BytesIO(data[:length]), length, made.roots(), AT_MS)
        assert not any(one.verdicts.intact == "pass" for one in found.signatures)
        assert found.why and found.doubt


def test_one_format_does_not_answer_for_the_other() -> None:
    """A stream with the messages of both is judged by each."""
    both = published("axis")
    others = iter([published("onvif")[at] for at in messages_of(published("onvif"))])
    mixed = [unit for one in both for unit in ((one, next(others)) if made.is_message(one) else (one,))]
    found = judged(mixed, made.roots(), AT_MS)
    assert {one.format for one in found.signatures} == {AXIS, ONVIF}
    assert all(one.covered == PICTURES for one in found.signatures)
