"""What the emulated cameras sign is verified, whatever the formats leave to a signer: the signer is code of its own."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from dockagent.core.stream.in_stream import StreamSignature
from hil.cameras.pki import foreign_identity
from hil.cameras.signed_video import Style, film_raw, film_signed, joined, sign, units, wrap
from tests.in_stream import made
from tests.in_stream.made import (
    NOW_MS,
    changed,
    identity,
    judged,
    maker,
    messages_of,
    only,
    signed,
    slices_of,
    starts_of,
)

CHAIN = identity().chain_pem()
AXIS, ONVIF = Style("axis", chain=CHAIN), Style("onvif", chain=CHAIN)
STYLES = {
    "axis": AXIS,
    "onvif": ONVIF,
    "axis, SHA-384, signed behind emulation prevention": replace(AXIS, hash="sha384", escaped=True),
    "onvif, SHA-512": replace(ONVIF, hash="sha512"),
    "onvif, signed behind emulation prevention": replace(ONVIF, escaped=True),
    "axis, parts of groups, late": replace(AXIS, part=4, late=2),
    "onvif, parts of groups, late": replace(ONVIF, part=4, late=2),
    "axis, whole groups, later than a group": replace(AXIS, late=15),
    "onvif, whole groups, later than a group": replace(ONVIF, late=15),
    "onvif, no list of hashes": replace(ONVIF, listed=False),
    "onvif, parts without lists": replace(ONVIF, listed=False, part=4, late=3),
    "axis, the key in every third message": replace(AXIS, keys_every=3),
    "axis, the key once and apart": replace(AXIS, keys_apart=True),
    "onvif, the key once and apart": replace(ONVIF, keys_apart=True),
    "onvif, three groups a signature": replace(ONVIF, sign_every=3),
    "onvif, six parts a signature": replace(ONVIF, part=3, sign_every=6, escaped=True),
}


def trusted(stream: list[bytes]) -> StreamSignature:
    return only(judged(stream, [maker().root.certificate], NOW_MS))


@pytest.mark.parametrize(("h265", "slices"), [(False, 1), (False, 3), (True, 1)], ids=["h264", "h264 slices", "h265"])
@pytest.mark.parametrize("style", STYLES.values(), ids=list(STYLES))
def test_all_that_is_signed_is_verified(style: Style, h265: bool, slices: int, tmp_path: Path) -> None:
    stream = signed(style, h265=h265, slices=slices)
    raw, mp4 = tmp_path / "v.raw", tmp_path / "v.mp4"
    raw.write_bytes(joined(stream))
    wrap(raw, mp4, made.LOOK.rate)
    for data in (raw.read_bytes(), mp4.read_bytes()):
        one = only(judged(data, [maker().root.certificate], NOW_MS))
        says = one.verdicts
        assert (says.intact, says.signature, says.signer, says.complete) == ("pass",) * 4, says.reasons
        assert (one.covered, one.pictures, one.groups) == (45, 45, 5)
        assert one.hash == style.hash and "nobody vouches" in says.reasons["time"]


@pytest.mark.parametrize("style", STYLES.values(), ids=list(STYLES))
def test_an_altered_slice_is_refuted_in_every_style(style: Style) -> None:
    stream = signed(style)
    one = trusted(changed(stream, slices_of(stream)[17]))
    assert one.verdicts.intact == "fail", one.verdicts.reasons
    assert one.covered < 45
    assert one.covered == 44 if style.listed and style.sign_every == 1 else one.covered < 44


@pytest.mark.parametrize("style", STYLES.values(), ids=list(STYLES))
def test_a_dropped_slice_is_refuted_in_every_style(style: Style) -> None:
    stream = signed(style)
    one = trusted(made.without(stream, slices_of(stream)[17]))
    assert one.verdicts.intact == "fail", one.verdicts.reasons


@pytest.mark.parametrize("style", STYLES.values(), ids=list(STYLES))
def test_a_last_picture_that_goes_is_refuted(style: Style) -> None:
    stream = signed(style)
    one = trusted(made.without(stream, slices_of(stream)[-1]))
    assert one.verdicts.intact == "fail", one.verdicts.reasons


def test_axis_without_a_list_is_as_its_text_says_but_claims_nothing_where_it_differs() -> None:
    """The published Axis file has other hashes over its groups than the text: a mismatch refutes nothing."""
    stream = signed(replace(AXIS, listed=False))
    assert trusted(stream).verdicts.intact == "pass"
    altered = trusted(changed(stream, slices_of(stream)[17])).verdicts
    assert altered.intact == "unknown" and "not verified by this version" in altered.reasons["intact"]


@pytest.mark.parametrize("style", [AXIS, ONVIF], ids=["axis", "onvif"])
def test_signed_again_by_another_key_is_a_foreign_signer(style: Style) -> None:
    stranger = foreign_identity(maker(), "M1", "BWC-0001", made._VALID)
    one = trusted(signed(replace(style, chain=stranger.chain_pem()), stranger.key))
    assert (one.verdicts.intact, one.verdicts.signature, one.verdicts.signer) == ("unknown", "pass", "fail")


@pytest.mark.parametrize("maker_name", ["axis", "onvif"])
def test_a_group_signed_again_by_another_key_is_refused(maker_name: str) -> None:
    stranger = foreign_identity(maker(), "M1", "BWC-0001", made._VALID)
    style = Style("axis") if maker_name == "axis" else ONVIF
    theirs = Style("axis") if maker_name == "axis" else replace(ONVIF, chain=stranger.chain_pem())
    stream, forged = signed(style), signed(theirs, stranger.key)
    at = messages_of(stream)[2]
    says = trusted([*stream[:at], forged[messages_of(forged)[2]], *stream[at + 1 :]]).verdicts
    assert says.signature == "fail" and "2 different keys" in says.reasons["signature"]
    assert says.intact != "pass" and says.quarantine_reason


def test_a_message_under_a_key_that_it_does_not_carry_is_bad() -> None:
    """The forger leaves the camera's certificate in."""
    other = ec.generate_private_key(ec.SECP256R1())
    assert trusted(signed(ONVIF, other)).verdicts.signature == "fail"


def test_no_key_at_all_proves_nothing() -> None:
    stream = signed(replace(AXIS, keys_apart=True))
    one = trusted(made.without(stream, messages_of(stream)[0]))
    assert (one.verdicts.signature, one.verdicts.intact, one.covered) == ("unknown", "unknown", 0)


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_other_curves(curve: ec.EllipticCurve) -> None:
    one = only(judged(signed(Style("axis"), ec.generate_private_key(curve))))
    assert (one.verdicts.signature, one.covered) == ("pass", 45)


def test_rsa() -> None:
    key = rsa.generate_private_key(65537, 3072)
    stream = sign(made.filmed(), Style("axis"), key)
    one = only(judged(stream))
    assert (one.verdicts.signature, one.covered) == ("pass", 45)
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505  it must not be believed
    says = only(judged(sign(made.filmed(), Style("axis"), weak))).verdicts
    assert says.signature == "unknown" and "not verified by this version" in says.reasons["signature"]


def test_two_recordings_in_one_file_are_not_taken_for_one() -> None:
    first = signed(ONVIF)
    one = trusted([*first, *first])
    assert one.verdicts.intact != "pass" and one.covered < one.pictures
    other = list(units(sign(film_raw(made.LOOK, 2), ONVIF, identity().key)))
    joined_up = trusted([*first, *other])
    assert joined_up.verdicts.intact == "unknown" and "begins anew" in joined_up.verdicts.reasons["intact"]


def test_an_inserted_group_is_seen() -> None:
    """A whole group of the same camera, with its good message, put where it was not."""
    stream = signed(ONVIF)
    begins, ends = starts_of(stream)[1:3]
    one = trusted([*stream[:ends], *stream[begins:ends], *stream[ends:]])
    assert one.verdicts.intact == "fail"


def test_a_repeated_message_is_only_a_repetition() -> None:
    """The text lets a camera send each message twice against losses."""
    twice = [unit for one in signed(ONVIF) for unit in ([one, one] if made.is_message(one) else [one])]
    one = trusted(twice)
    assert (one.verdicts.intact, one.covered, one.messages) == ("pass", 45, 10)


def test_pictures_of_a_kind_that_no_signer_hashes_are_told() -> None:
    stream = signed(ONVIF)
    at = slices_of(stream)[12]
    partition = bytes((stream[at][0] & 0xE0 | 2,)) + stream[at][1:]
    one = trusted([*stream[:at], partition, *stream[at:]])
    assert one.verdicts.intact == "unknown" and "leave out" in one.verdicts.reasons["intact"]


def test_the_stated_times_are_told_and_not_believed() -> None:
    says = trusted(signed(replace(ONVIF, began=datetime(2026, 3, 4, 5, 6, tzinfo=UTC)))).verdicts
    assert says.time == "unknown" and "2026-03-04T05:06:01.000Z" in says.reasons["time"]
    odd = trusted(signed(replace(AXIS, began=datetime(1980, 1, 1, tzinfo=UTC)))).verdicts
    assert "no dates" in odd.reasons["time"]


def test_the_film_of_a_signing_camera_plays(tmp_path: Path) -> None:
    clip = tmp_path / "BWC0001.MP4"
    film_signed(clip, made.LOOK, 3, ONVIF, identity().key)
    one = only(judged(clip.read_bytes(), [maker().root.certificate], NOW_MS))
    assert (one.verdicts.intact, one.covered) == ("pass", 45)


def access_unit(stream: list[bytes], at: int) -> int:
    """Where the access unit of the slice ``at`` begins: the messages before it are part of it (H.264 7.4.1.2.3)."""
    while at and stream[at - 1][0] & 31 not in (1, 5):
        at -= 1
    return at


@pytest.mark.parametrize("style", STYLES.values(), ids=list(STYLES))
def test_a_clip_cut_on_group_borders_is_never_refuted(style: Style) -> None:
    """Messages that come late for what was cut off in front, and those that are cut off behind, accuse nobody."""
    stream = signed(style)
    starts = [access_unit(stream, at) for at in starts_of(stream)]
    setup = [unit for unit in stream[: starts[0]] if not made.is_message(unit)]
    for first, end in ((1, 5), (2, 5), (2, 4), (0, 3)):
        part = stream[starts[first] : starts[end] if end < len(starts) else len(stream)]
        found = judged([*setup, *part], [maker().root.certificate], NOW_MS)
        for one in found.signatures:
            assert one.verdicts.intact != "fail", one.verdicts.reasons
            assert one.verdicts.complete != "pass" or (first, end) == (0, 3)
            assert not one.verdicts.quarantine_reason
