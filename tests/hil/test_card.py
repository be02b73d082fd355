"""The four kinds of cards, and what can be done to them after they are made."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hil.cameras.card import CardClip, Shift, alter, clips, film_dcf, film_gopro, film_reference, remove, sign
from hil.cameras.plate import Plate
from tests.hil.bench import BYTES, CREATED, PLATE, identity, statement, video

FIRST = "DCIM/100BWC/BWC0001_20261122T081500Z"


def names(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_an_unsigned_reference_card(tmp_path: Path) -> None:
    film_reference(tmp_path, PLATE, video(clips=1))
    assert names(tmp_path) == [f"{FIRST}.GPS", f"{FIRST}.MP4", f"{FIRST}.THM", "camera.json"]
    assert json.loads((tmp_path / "camera.json").read_text()) == {
        "maker": "Reference",
        "model": "BWC-1",
        "serial": "BWC-0001",
        "firmware": "1.4.2",
    }
    assert clips(tmp_path) == (CardClip(f"{FIRST}.MP4", (f"{FIRST}.GPS", f"{FIRST}.THM")),)
    assert (tmp_path / f"{FIRST}.GPS").read_bytes().startswith(b"$GPRMC,081500.000,A,51")
    assert (tmp_path / f"{FIRST}.MP4").stat().st_mtime == datetime(2026, 11, 22, 8, 15, 1, tzinfo=UTC).timestamp()


def test_signing_adds_two_files_and_counts_what_was_filmed_later(tmp_path: Path) -> None:
    film_reference(tmp_path, PLATE, BYTES)
    before = names(tmp_path)
    sign(tmp_path, identity(), sequence=1, created=CREATED)
    assert set(names(tmp_path)) - set(before) == {"manifest.dsse.json", "chain.pem"}
    film_reference(tmp_path, PLATE, replace(BYTES, first=4, clips=1, start=CREATED))
    sign(tmp_path, identity(), sequence=2, created=CREATED)
    assert [clip["counter"] for clip in statement(tmp_path)["predicate"]["clips"]] == [1, 2, 3, 4]
    assert statement(tmp_path)["predicate"]["clips"][3]["start"] == "2026-11-22T16:02:11Z"


def test_no_two_files_of_a_card_are_equal(tmp_path: Path) -> None:
    film_reference(tmp_path / "bytes", PLATE, BYTES)
    film_reference(tmp_path / "video", PLATE, video())
    film_gopro(tmp_path / "gopro", PLATE, replace(BYTES, seed=2))
    digests = [hashlib.sha256(path.read_bytes()).digest() for path in tmp_path.rglob("DCIM/*/*")]
    assert len(digests) == len(set(digests)) == 9 + 6 + 18


def test_a_folder_holds_at_most_999_files(tmp_path: Path) -> None:
    film_reference(tmp_path, PLATE, Shift(clips=4, first=332, size=1))
    assert {path.name: len(list(path.iterdir())) for path in (tmp_path / "DCIM").iterdir()} == {
        "100BWC": 6,
        "101BWC": 6,
    }
    with pytest.raises(ValueError, match="1 to 9999"):
        film_reference(tmp_path, PLATE, Shift(first=9999, clips=2, size=1))


def test_a_gopro_card(tmp_path: Path) -> None:
    film_gopro(tmp_path, Plate("C3441", "GoPro", "HERO10 Black", "H21.01"), replace(video(), clips=1))
    folder = "DCIM/100GOPRO"
    assert clips(tmp_path) == (
        CardClip(f"{folder}/GX010001.MP4", (f"{folder}/GL010001.LRV", f"{folder}/GX010001.THM")),
        CardClip(f"{folder}/GX020001.MP4", (f"{folder}/GL020001.LRV", f"{folder}/GX020001.THM")),
    )
    assert (tmp_path / folder / "GL010001.LRV").read_bytes()[4:8] == b"ftyp"
    text = (tmp_path / "MISC" / "version.txt").read_text()
    assert text.startswith('{\n"info version":"2.0"\n,"firmware version":"H21.01"\n')
    assert json.loads(text)["camera serial number"] == "C3441"


def test_an_older_gopro_writes_what_is_not_quite_json(tmp_path: Path) -> None:
    film_gopro(tmp_path, PLATE, Shift(clips=1, size=10), chapters=1, trailing_comma=True)
    text = (tmp_path / "MISC" / "version.txt").read_text()
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)
    assert json.loads(text.replace(",\n}", "}"))["camera serial number"] == PLATE.serial


def test_a_dcf_card(tmp_path: Path) -> None:
    film_dcf(tmp_path, Shift(clips=1, size=10))
    assert names(tmp_path) == ["DCIM/100VIDEO/CLIP0001.MP4", "DCIM/100VIDEO/CLIP0001.THM"]
    with pytest.raises(ValueError, match=r"no camera\.json"):
        sign(tmp_path, identity(), sequence=1, created=CREATED)


@pytest.mark.parametrize(("offset", "at"), [(0, 0), (1234, 1234), (-1, 4999)])
def test_alter_flips_one_bit_and_hides_it(tmp_path: Path, offset: int, at: int) -> None:
    film_reference(tmp_path, PLATE, BYTES)
    path = tmp_path / f"{FIRST}.MP4"
    before, time = path.read_bytes(), path.stat().st_mtime_ns
    alter(tmp_path, f"{FIRST}.MP4", offset)
    after = path.read_bytes()
    assert [place for place in range(5000) if before[place] != after[place]] == [at]
    assert path.stat().st_mtime_ns == time


def test_alter_past_the_end_is_refused(tmp_path: Path) -> None:
    film_reference(tmp_path, PLATE, BYTES)
    for offset in (5000, -5001):
        with pytest.raises(ValueError, match="has no byte"):
            alter(tmp_path, f"{FIRST}.MP4", offset)


def test_a_removed_clip_leaves_a_gap_in_the_counters(tmp_path: Path) -> None:
    film_reference(tmp_path, PLATE, BYTES)
    remove(tmp_path, clips(tmp_path)[1].name)
    sign(tmp_path, identity(), sequence=1, created=CREATED)
    assert [clip["counter"] for clip in statement(tmp_path)["predicate"]["clips"]] == [1, 3]
    assert len(statement(tmp_path)["subject"]) == 6
