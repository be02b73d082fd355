"""Whoever made the file chose every byte of it: nothing raises or runs on, and nothing passes that is not signed."""

import io
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dockagent.core.movie.boxes import Walker
from dockagent.core.stream import gop_chain, nal_units
from dockagent.core.stream import scan as stream_scan
from dockagent.core.stream.c2pa_boxes import UUID as C2PA_UUID
from dockagent.core.stream.look import look
from dockagent.core.stream.nal_units import Codec
from dockagent.core.stream.signed_sei import parse
from dockagent.errors import Refused
from hil.cameras.signed_video import UUID, Style, escape, joined, units
from tests.corpus import corpus
from tests.in_stream import made
from tests.in_stream.made import identity, judged, messages_of, signed

STYLES = {"axis": Style("axis"), "onvif": Style("onvif", chain=identity().chain_pem())}
HEAD = {"axis": UUID["axis"], "onvif": UUID["onvif"]}
MANY = settings(max_examples=150, deadline=5000, suppress_health_check=[HealthCheck.too_slow])


def message(name: str, body: bytes, flags: int = 0) -> bytes:
    size = 17 + len(body)
    return b"\x06\x05" + b"\xff" * (size // 255) + bytes((size % 255,)) + HEAD[name] + bytes((flags,)) + body + b"\x80"


@MANY
@given(name=st.sampled_from(sorted(STYLES)), data=st.data())
def test_a_mangled_message_never_passes(name: str, data: st.DataObject) -> None:
    stream = signed(STYLES[name])
    at = data.draw(st.sampled_from(messages_of(stream)))
    unit = bytearray(stream[at])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(unit) - 1))
        unit[place] ^= data.draw(st.integers(1, 255))
    if data.draw(st.booleans()):
        del unit[data.draw(st.integers(1, len(unit) - 1)) :]
    altered = [*stream[:at], bytes(unit), *stream[at + 1 :]]
    found = judged(altered, [made.maker().root.certificate])
    assert all(one.verdicts.intact != "pass" or one.covered == one.pictures == 45 for one in found.signatures)


@MANY
@given(name=st.sampled_from(sorted(STYLES)), body=st.binary(max_size=400), flags=st.integers(0, 255))
def test_any_message_is_parsed_or_refused(name: str, body: bytes, flags: int) -> None:
    for unit in (message(name, body, flags), escape(message(name, body, flags)), message(name, body, flags)[:-1]):
        try:
            parse(unit, Codec.H264)
        except Refused as err:
            assert "\n" not in err.what


@MANY
@given(
    st.binary(max_size=2000),
    st.sampled_from([b"\0\0\0\1\x67", b"\0\0\1\x06\x05", b"\0\0\0\1\x40\x01", b"\0\0\0\x08ftyp"]),
)
def test_any_bytes_are_looked_at(rest: bytes, begins: bytes) -> None:
    data = begins + rest
    assert not any(one.verdicts.intact == "pass" for one in look(io.BytesIO(data), len(data), (), 0).signatures)


@MANY
@given(order=st.data(), name=st.sampled_from(sorted(STYLES)))
def test_no_other_order_of_units_is_wholly_as_signed(order: st.DataObject, name: str) -> None:
    stream = signed(STYLES[name])
    slices = made.slices_of(stream)
    one, other = order.draw(st.sampled_from(slices)), order.draw(st.sampled_from(slices))
    shuffled = list(stream)
    shuffled[one], shuffled[other] = shuffled[other], shuffled[one]
    (found,) = judged(shuffled).signatures
    assert (found.verdicts.intact == "fail") == (stream[one] != stream[other])


def took(stream: bytes) -> float:
    before = time.monotonic()
    look(io.BytesIO(stream), len(stream), (), 0)
    return time.monotonic() - before


def test_a_message_that_states_four_gigabytes_is_refused() -> None:
    stream = joined([b"\x67\x42\x00\x1e", b"\x06\x05" + b"\xff" * 100 + UUID["axis"] + b"\0" * 40 + b"\x80"])
    assert judged(stream + b"\0\0\1\x06\x05" + b"\xff" * 3_000_000).why == ""
    huge = message("onvif", b"\x07\xff\xff" + b"\x01" * 65535 + b"\x07\xff\xff" + b"\x01" * 65535)
    (one,) = judged([b"\x67\x42\x00\x1e", huge]).signatures
    assert one.verdicts.signature == "fail" and "twice" in one.verdicts.reasons["signature"]
    longest = message("onvif", b"\x09" * nal_units.LONGEST_MESSAGE)
    (one,) = judged([b"\x67\x42\x00\x1e", longest]).signatures
    assert "larger than any" in one.verdicts.reasons["signature"]


def test_too_many_messages_end_with_a_reason() -> None:
    one = message("axis", bytes.fromhex("06000201ff"), 0x40)
    count = stream_scan.MOST_BYTES // (1 << 19) + 2
    big = message("onvif", b"".join(bytes((tag,)) + b"\xff\xff" + b"\1" * 65535 for tag in range(20, 28)))
    found = judged(joined([b"\x67\x42\x00\x1e", one, *[big] * count]))
    assert not found.signatures and found.doubt and "messages that sign" in found.why


def test_many_groups_and_many_lying_messages_take_no_square_time() -> None:
    """Messages whose hashes fit nowhere, before thousands of groups: each is tried at a bounded number of places."""
    stream = signed(Style("onvif", listed=False, chain=identity().chain_pem()))
    liars = [made.flipped(stream[at], 300) for at in messages_of(stream)]
    first = next(unit for unit in stream if unit[0] & 31 == 5)
    groups = [bytes((*first[:20], number >> 8 | 1, number & 255 | 1)) for number in range(6000)]
    small = joined([stream[0], *groups[:600], *liars * 20])
    large = joined([stream[0], *groups, *liars * 200])
    assert took(large) < max(1.0, 40 * took(small))


def test_nothing_but_start_codes_ends() -> None:
    stream = b"\0\0\1\x67\x42" + b"\0\0\1" * 1_000_000
    assert took(stream) < 5


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 4, b"\0" * 4 + b"manifest\0", b"\0" * 4 + b"manifest\0" + b"\0" * 8 + b"\0" * 60]
)
def test_a_box_of_c2pa_without_a_manifest_is_told(content: bytes) -> None:
    data = corpus("signed", "onvif", "test_h265.mp4").read_bytes()
    data += (24 + len(content)).to_bytes(4, "big") + b"uuid" + C2PA_UUID + content
    (one,) = look(io.BytesIO(data), len(data), (), 0).signatures
    assert one.format == "c2pa" and one.verdicts.intact == "unknown"
    assert one.messages == 0


@pytest.mark.parametrize("shift", range(-5, 6))
def test_a_start_code_across_two_reads_is_found(shift: int) -> None:
    """The stream is read in pieces of 1 MiB; compared with the emulated signer's own reading."""
    first = b"\x67" + b"\x42" * ((1 << 20) + shift - 5)
    stream = joined([first, b"\x41\x9a" + b"\1" * 10, b"\x41\x9a" + b"\2" * (1 << 20), b"\x06\x05"]) + b"\0\0\0"
    video = nal_units.ByteStream(Walker(io.BytesIO(stream), len(stream)))
    assert [unit.data for unit in video.units(whole=True)] == list(units(stream))


def test_messages_that_fit_nowhere_do_not_keep_anybody_for_hours() -> None:
    """A small file can ask for a hash over thousands of slices at every group, for each of its messages."""
    stream = signed(Style("onvif", listed=False, chain=identity().chain_pem()))
    liars = [made.flipped(stream[at], 300) for at in messages_of(stream)]
    first = next(unit for unit in stream if unit[0] & 31 == 5)
    data = joined([stream[0], *[first] * 600, *liars])
    (one,) = stream_scan.scan(io.BytesIO(data), len(data), raw=True)
    documents = one.messages[0].documents
    slices = gop_chain.hash_slices(one.video.units(whole=True), one.video.codec, documents, "sha256", left_out=False)
    with pytest.raises(Refused, match="fit nowhere"):
        gop_chain.match(slices, documents, "sha256", most=1000)
    gop_chain.match(slices, documents, "sha256")  # not too much by itself
