"""The box walk against broken and hostile files: it refuses, in bounded time and memory, and never guesses."""

import io
import struct
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockagent.core.movie.boxes import MOST_BOXES, Walker
from dockagent.core.movie.clip_samples import NOT_A_MOVIE, Measure, measure
from dockagent.core.movie.movie import read_movie
from dockagent.core.review.sample_table import MOST_SAMPLES
from dockagent.errors import Refused

SAMPLES = (b"one sample", b"two", b"and a third one")
IDENTITY = (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full(kind: bytes, *numbers: int, form: str = "", more: bytes = b"") -> bytes:
    return box(kind, bytes(4), struct.pack(">" + (form or f"{len(numbers)}I"), *numbers), more)


def table(**changed: bytes) -> dict[str, bytes]:
    """The boxes of a track of three pictures; ``changed``: others instead."""
    entry = box(b"jpeg", bytes(24), struct.pack(">HH", 64, 48), bytes(50))
    boxes = {
        "stsd": full(b"stsd", 1, more=entry),
        "stts": full(b"stts", 1, 3, 512),
        "stsc": full(b"stsc", 1, 1, 3, 1),
        "stsz": full(b"stsz", 0, 3, *map(len, SAMPLES)),
        "stco": full(b"stco", 1, 0),
    }
    return {**boxes, **changed}


def clip(media: bytes = b"".join(SAMPLES), edits: bytes = b"", **changed: bytes) -> bytes:
    """A whole small file: media first, so that its samples lie at byte 24 of it."""
    head = box(b"ftyp", b"isom" + bytes(4)) + box(b"mdat", media)
    if "stco" not in changed:
        changed["stco"] = full(b"stco", 1, 24)
    tkhd = full(b"tkhd", 0, 0, 1, 0, 0, 0, 0, 0, 0, *IDENTITY, 64 << 16, 48 << 16)
    mdhd = full(b"mdhd", 0, 0, 12800, 1536, 0)
    hdlr = full(b"hdlr", 0, more=b"vide" + bytes(13))
    media_box = box(b"mdia", mdhd, hdlr, box(b"minf", box(b"stbl", *table(**changed).values())))
    mvhd = full(b"mvhd", 0, 0, 1000, 120, more=bytes(80))
    return head + box(b"moov", mvhd, box(b"trak", tkhd, edits, media_box))


def measured(data: bytes) -> Measure:
    return measure(io.BytesIO(data), len(data))


def test_a_whole_clip_has_a_tree() -> None:
    found = measured(clip())
    assert not found.why
    assert [(track.samples, track.codec, track.time_base) for track in found.tracks] == [(3, "jpeg", "1/12800")]


BROKEN: dict[str, tuple[Callable[[], bytes], str]] = {
    "a sample before the media": (lambda: clip(stco=full(b"stco", 1, 16)), "outside the media data"),
    "a sample behind the media": (lambda: clip(stco=full(b"stco", 1, 25)), "outside the media data"),
    "a sample far away": (lambda: clip(stco=full(b"co64", 1, 1 << 40, form="IQ")), "outside the media data"),
    "a chunk past all": (lambda: clip(stco=full(b"co64", 1, 1 << 63, form="IQ")), "beyond the end of any file"),
    "samples that share bytes": (
        lambda: clip(stsc=full(b"stsc", 1, 1, 1, 1), stco=full(b"stco", 3, 24, 24, 24)),
        "shares bytes",
    ),
    "more sizes than room": (lambda: clip(stsz=full(b"stsz", 0, 4, 1, 2, 3)), "has room for 3"),
    "more bytes than the file": (lambda: clip(stsz=full(b"stsz", 1000, 3)), "more bytes than the file"),
    "a bomb of sizes": (lambda: clip(stsz=full(b"stsz", 1, (1 << 32) - 1)), "more than"),
    "a bomb of times": (lambda: clip(stts=full(b"stts", 1, (1 << 32) - 1, 512)), "another number of samples"),
    "a bomb of entries": (lambda: clip(stts=full(b"stts", (1 << 32) - 1, 3, 512)), "states 4294967295 entries"),
    "a bomb of chunks": (lambda: clip(stsc=full(b"stsc", 1, 1, (1 << 32) - 1, 1)), "more than its 3 samples"),
    "too few times": (lambda: clip(stts=full(b"stts", 1, 2, 512)), "times for 2 of 3"),
    "too few chunks": (lambda: clip(stsc=full(b"stsc", 1, 1, 2, 1)), "hold 2 of its 3"),
    "chunks backwards": (lambda: clip(stsc=full(b"stsc", 2, 1, 1, 1, 1, 1, 1)), "contradict"),
    "no sizes": (lambda: clip(stsz=b""), "stsz is missing"),
    "two tables": (lambda: clip(stts=full(b"stts", 1, 3, 512) * 2), "two boxes 'stts'"),
    "a sync sample too many": (lambda: clip(stss=full(b"stss", 1, 4)), "sync sample is none"),
    "too many edits": (
        lambda: clip(edits=box(b"edts", full(b"elst", 65, *(0,) * 195))),
        "no clip has more than 64",
    ),
    "a box that is too long": (lambda: clip()[:-1], "length that cannot be"),
    "a box that is too short": (lambda: box(b"ftyp") + struct.pack(">I4s", 7, b"moov"), "length that cannot be"),
    "two indexes": (lambda: clip() + box(b"moov"), "two indexes"),
    "no index": (lambda: clip()[:52], "no index"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_clip_has_no_tree_and_a_reason(name: str) -> None:
    make, why = BROKEN[name]
    found = measured(make())
    assert why in found.why
    assert found.why.startswith("byte tree only: ")
    assert (found.tracks, found.doubt) == ((), True)


def test_a_length_of_64_bits_and_one_to_the_end_are_read() -> None:
    media = b"".join(SAMPLES)
    large = box(b"ftyp", b"isom" + bytes(4)) + struct.pack(">I4sQ", 1, b"mdat", 16 + len(media)) + media
    moved = clip(stco=full(b"stco", 1, 32))
    index = moved[moved.index(b"moov") - 4 :]
    assert measured(large + index).trees
    open_end = index + struct.pack(">I4s", 0, b"mdat") + media
    at = len(index) + 8
    open_end = clip(stco=full(b"stco", 1, at))[24 + len(media) :] + open_end[len(index) :]
    assert measured(open_end).trees


@settings(max_examples=400, deadline=1000)
@given(st.data())
def test_any_bytes_are_refused_or_read(data: st.DataObject) -> None:
    whole = bytearray(clip(ctts=full(b"ctts", 1, 3, 512), edits=box(b"edts", full(b"elst", 1, 120, 0, 1 << 16))))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] = data.draw(st.sampled_from((0, 1, 0x7F, 0x80, 0xFF)) | st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    found = measured(bytes(whole[:cut] if cut % 4 == 0 else whole))
    assert found.why or found.tracks
    assert all(track.root or track.why for track in found.tracks)


@settings(max_examples=100, deadline=1000)
@given(st.binary(max_size=400))
def test_noise_is_no_movie(noise: bytes) -> None:
    found = measured(noise)
    assert found.why == NOT_A_MOVIE or found.why.startswith("byte tree only: ")


def test_boxes_in_boxes_past_any_sense_cost_nothing() -> None:
    nested = b""
    for _ in range(3000):
        nested = box(b"moov", nested)
    assert measured(nested).doubt


def test_a_file_of_nothing_but_boxes_is_bounded() -> None:
    class Empty:
        """A file of endless empty boxes."""

        def seek(self, offset: int, whence: int = 0, /) -> int:
            return offset

        def tell(self) -> int:
            return 0

        def read(self, size: int, /) -> bytes:
            return struct.pack(">I4s", 8, b"free") * (size // 8)

    walker = Walker(Empty(), 1 << 40)
    with pytest.raises(Refused, match=f"more than {MOST_BOXES} boxes"):
        read_movie(walker)


def test_what_a_small_file_costs_is_bounded_by_its_bytes() -> None:
    bomb = clip(
        stsz=full(b"stsz", 1, MOST_SAMPLES),
        stts=full(b"stts", 1, MOST_SAMPLES, 1),
        stsc=full(b"stsc", 1, 1, MOST_SAMPLES, 1),
    )
    tracemalloc.start()
    try:
        found = measured(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "more bytes than the file" in found.why
    assert peak < 1 << 20
