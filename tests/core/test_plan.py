"""Names and places: stable for ever, distinct for distinct things, and harmless as parts of a path."""

import hashlib
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockagent.core import plan
from dockagent.core.model import Clip
from dockagent.stores.keys import checked

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
DAY_MS = 86_400_000


def clip(**changed: str | int) -> Clip:
    facts: dict[str, str | int] = {
        "id": "4f" * 16,
        "camera": "BWC-0001",
        "session": "s",
        "path": "a.MP4",
        "role": "footage",
        "recording": "a",
        "belongs_to": "",
        "mtime_ms": 1_795_335_300_000,
        "bytes": 1,
        "sha256": "00",
        "fingerprint": "",
        "chunk_root": "",
        "acquired_ms": 0,
    }
    return Clip(**{**facts, **changed})  # type: ignore[arg-type]


def test_ids_never_change() -> None:
    """Every dock, and every version of it, must arrive at the same key for the same clip."""
    sha256 = hashlib.sha256(b"footage").hexdigest()
    wanted = hashlib.sha256(f"dockagent/clip/1\nBWC-0001\n{sha256}".encode()).hexdigest()[:32]
    assert plan.clip_id("BWC-0001", sha256) == wanted
    assert (
        plan.item_id("BWC-0001", "DCIM/a.MP4", 5)
        == (hashlib.sha256(b"dockagent/item/1\nBWC-0001\nDCIM/a.MP4\n5").hexdigest()[:32])
    )


@given(st.tuples(TEXT, TEXT, st.integers(0, 2**60)), st.tuples(TEXT, TEXT, st.integers(0, 2**60)))
def test_distinct_items_have_distinct_ids(one: tuple[str, str, int], other: tuple[str, str, int]) -> None:
    """Paths have no line breaks in their text form, so that no two triples read alike."""
    one, other = ((camera, path.replace("\n", ""), size) for camera, path, size in (one, other))
    assert (plan.item_id(*one) == plan.item_id(*other)) == (one == other)


@given(TEXT, st.binary(max_size=5))
def test_a_clips_id_is_32_hex_digits_of_source_and_content(camera: str, data: bytes) -> None:
    sha256 = hashlib.sha256(data).hexdigest()
    found = plan.clip_id(camera, sha256)
    assert re.fullmatch(r"[0-9a-f]{32}", found)
    assert found != plan.clip_id(f"{camera}x", sha256)
    assert found != plan.clip_id(camera, hashlib.sha256(data + b"x").hexdigest())


# ---- fingerprints ---------------------------------------------------------------------------------------------------


@given(st.one_of(st.integers(0, 1 << 42), st.integers(0, 1 << 18), st.integers(-4, 4).map(lambda off: (1 << 17) + off)))
def test_probes_lie_within_the_file_in_order_and_apart(size: int) -> None:
    ranges = plan.fingerprint_ranges(size)
    ends = [0]
    for offset, length in ranges:
        assert length > 0
        assert offset >= ends[-1], "probes overlap"
        ends.append(offset + length)
    assert ends[-1] == size
    assert ranges == [] if size == 0 else ranges[0][0] == 0
    assert sum(length for _, length in ranges) <= 200 << 10, "more than a listing's worth of reading"


@given(st.integers(1, 1 << 42))
def test_no_large_hole_is_left_between_probes_of_a_large_file(size: int) -> None:
    ranges = plan.fingerprint_ranges(size)
    if size > 1 << 20:
        holes = [after[0] - (before[0] + before[1]) for before, after in pairwise(ranges)]
        assert max(holes) <= size // 14


# ---- the store ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mtime_ms", "day"),
    [
        (1_795_335_300_000, "2026/11/22"),
        (0, "1970/01/01"),
        (DAY_MS - 1, "1970/01/01"),
        (DAY_MS, "1970/01/02"),
        (-1, "1970/01/01"),
        (-(2**62), "1970/01/01"),
        (2**62, "1970/01/01"),
        (253_402_300_799_999, "9999/12/31"),
        (253_402_300_800_000, "1970/01/01"),
    ],
)
def test_a_clips_day_is_the_cameras_own_or_the_first(mtime_ms: int, day: str) -> None:
    assert plan.store_prefix(clip(mtime_ms=mtime_ms)) == f"clips/BWC-0001/{day}/{'4f' * 16}"


def test_a_quarantined_clip_is_kept_apart() -> None:
    assert plan.store_prefix(clip(quarantine="intact: no")) == f"quarantine/BWC-0001/{'4f' * 16}"
    assert plan.spool_folder("4f") == "spool/4f"
    assert plan.spool_folder("4f", "intact: no") == "quarantine/4f"


@given(st.text(max_size=100), st.integers(-(2**62), 2**62), st.sampled_from(["", "doubt"]))
def test_every_prefix_is_an_object_key_that_every_store_takes(camera: str, mtime_ms: int, doubt: str) -> None:
    prefix = plan.store_prefix(clip(camera=camera, mtime_ms=mtime_ms, quarantine=doubt))
    for name in ("master", "record.json", "preview/sprite.jpg", "manifest.dsse.json"):
        assert checked(f"{prefix}/{name}")


def test_the_files_of_a_pull_and_of_a_manifest_do_not_meet() -> None:
    places = [plan.part_file("x"), plan.leaves_file("x"), plan.manifest_file("x"), plan.chain_file("x")]
    assert len({*places, f"{plan.spool_folder('x')}/master"}) == 5
    assert all(place.startswith("spool/") for place in places)


# ---- waiting --------------------------------------------------------------------------------------------------------


def test_docks_do_not_knock_in_step() -> None:
    waits = {plan.backoff_ms(5, f"dock-{number}") for number in range(50)}
    assert len(waits) > 25
