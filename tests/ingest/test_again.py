"""Docking again costs a listing, not a copy; and what is new, even under an old name, is never taken for known."""

import os
from pathlib import Path

import pytest

from tests.ingest.bench import Station, assert_delivered, place, sha256

CLIPS = tuple(f"DCIM/100GOPRO/GX01000{n}.MP4" for n in range(1, 5))


def gopro(card: Path, serial: str, seed: bytes = b"") -> Path:
    version = f'{{\n"firmware version":"H21.01","camera type":"HERO10 Black","camera serial number":"{serial}"\n}}\n'
    place(card, "MISC/version.txt", version.encode())
    for name in CLIPS:
        place(card, name, (name.encode() + seed) * 20_000)
    return card


@pytest.fixture
def station(tmp_path: Path) -> Station:
    return Station(tmp_path / "dock")


def test_the_same_card_twice(tmp_path: Path, station: Station) -> None:
    card = gopro(tmp_path / "card", "C1")
    first = station.ingest(card)
    assert first.code == 0
    before = station.masters()
    acquired = station.count("acquire")
    second = station.ingest(card)
    assert second.code == 0
    assert station.count("acquire") == acquired == len(CLIPS)
    assert station.masters() == before
    assert {path: row["clip_id"] for path, row in second.rows.items()} == {
        path: row["clip_id"] for path, row in first.rows.items()
    }
    assert_delivered(second, card, station)
    station.verify()


def test_a_new_home_finds_its_clips_in_the_store(tmp_path: Path, station: Station) -> None:
    """Two docks, one store: one identity, no overwriting, and each dock's record beside the master."""
    card = gopro(tmp_path / "card", "C1")
    assert station.ingest(card).code == 0
    other = Station(tmp_path / "other")
    other.store = station.store
    run = other.ingest(card)
    assert run.code == 0, run.err
    assert len(station.masters()) == len(CLIPS)
    assert_delivered(run, card, other)
    for row in run.rows.values():
        assert len(list((station.store / row["stored"]).parent.glob("record.json*"))) == 2


def test_a_clip_was_added(tmp_path: Path, station: Station) -> None:
    card = gopro(tmp_path / "card", "C1")
    station.ingest(card)
    place(card, "DCIM/100GOPRO/GX010005.MP4", b"new")
    run = station.ingest(card)
    assert run.code == 0
    assert station.count("acquire") == len(CLIPS) + 1
    assert_delivered(run, card, station)


@pytest.mark.parametrize("size", [50, 1000, 200_000, 3_000_000])
def test_a_clip_was_replaced_by_another_of_the_same_size_and_name(size: int, tmp_path: Path, station: Station) -> None:
    card = gopro(tmp_path / "card", "C1")
    clip = place(card, CLIPS[0], os.urandom(size))
    first = station.ingest(card)
    facts = clip.stat()
    clip.write_bytes(os.urandom(size))
    os.utime(clip, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    second = station.ingest(card)
    assert second.code == 0
    assert second.rows[CLIPS[0]]["clip_id"] != first.rows[CLIPS[0]]["clip_id"]
    assert station.count("acquire") == len(CLIPS) + 1
    assert len(station.masters()) == len(CLIPS) + 1
    assert_delivered(second, card, station)
    third = station.ingest(card)
    assert station.count("acquire") == len(CLIPS) + 1
    assert_delivered(third, card, station)
    station.verify()


def test_one_byte_in_the_middle_of_a_known_clip_changed(tmp_path: Path, station: Station) -> None:
    """The fingerprint reads edges and probes only; a change between them, with the time kept, is not seen at docking.
    What must not happen is that the report vouches for the digest of bytes that it did not read."""
    card = gopro(tmp_path / "card", "C1")
    clip = place(card, CLIPS[0], os.urandom(4 << 20))
    station.ingest(card)
    with clip.open("r+b") as file:
        file.seek(2_345_678)
        file.write(b"\0changed\0")
    run = station.ingest(card)
    row = run.rows[CLIPS[0]]
    assert row["sha256"] == sha256(clip) or run.code == 3, "a clip with a new time and other bytes passes as delivered"


def test_two_cameras_with_the_same_names(tmp_path: Path, station: Station) -> None:
    one, two = gopro(tmp_path / "one", "C1", b"1"), gopro(tmp_path / "two", "C2", b"2")
    for card in (one, two):
        assert_delivered(station.ingest(card), card, station)
    assert len(station.masters()) == 2 * len(CLIPS)
    assert {Path(key).parts[1] for key in station.masters()} == {"C1", "C2"}


def test_the_same_file_on_two_cameras_is_two_clips(tmp_path: Path, station: Station) -> None:
    one, two = gopro(tmp_path / "one", "C1"), gopro(tmp_path / "two", "C2")
    ids = set()
    for card in (one, two):
        run = station.ingest(card)
        assert_delivered(run, card, station)
        ids |= {row["clip_id"] for row in run.rows.values()}
    assert len(station.masters()) == len(ids) == 2 * len(CLIPS)


def test_two_unidentified_cards_with_the_same_names(tmp_path: Path, station: Station) -> None:
    for seed in (b"1", b"2"):
        card = tmp_path / seed.decode()
        place(card, "DCIM/100VIDEO/CLIP0001.MP4", b"clip of " + seed)
        run = station.ingest(card)
        assert run.code == 0
        assert_delivered(run, card, station)
    assert len(station.masters()) == 2


def test_a_renamed_clip_keeps_its_identity(tmp_path: Path, station: Station) -> None:
    card = gopro(tmp_path / "card", "C1")
    first = station.ingest(card)
    (card / CLIPS[0]).rename(card / "DCIM/100GOPRO/GX010009.MP4")
    run = station.ingest(card)
    row = run.rows["DCIM/100GOPRO/GX010009.MP4"]
    assert row["clip_id"] == first.rows[CLIPS[0]]["clip_id"]
    assert CLIPS[0] in row["other_paths"], "the other name under which these bytes were seen"
    assert len(station.masters()) == len(CLIPS)
    assert_delivered(run, card, station)
