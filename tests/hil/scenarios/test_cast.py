"""Cameras whose footage does not lie in DCIM, and those that have no console."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.scenarios import cast
from hil.scenarios.cast import Member
from hil.scenarios.model import Part

OUTSIDE = {"tecsar": "files/data/20260901/081500_0001.mp4", "transcend-body": "DPB10/2026_0901_081500.MP4"}


def _made(folder: Path, part: Part) -> Member:
    return cast.make(part, folder / part.name, folder / "keys", None)


def _part(model: str, **changed: object) -> Part:
    return Part("alice", model, cast.example_serial("alice", model), clips=2, clip_kib=4, **changed)  # type: ignore[arg-type]


@pytest.mark.parametrize("model", OUTSIDE)
def test_what_a_script_changes_is_the_footage_wherever_it_lies(tmp_path: Path, model: str) -> None:
    member = _made(tmp_path, _part(model))
    home = member.specimen.card
    assert not (home / "DCIM").exists()
    first, *others = member.clips(home)
    assert first == OUTSIDE[model]
    assert set(member.clips(home)) <= member.due
    before = {name: (home / name).read_bytes() for name in member.clips(home)}
    member.alter(1)
    altered = (home / first).read_bytes()
    assert [one ^ other for one, other in zip(altered, before[first], strict=True) if one != other] == [1]
    assert all((home / name).read_bytes() == before[name] for name in others)
    member.remove(1)
    assert member.clips(home) == tuple(others)
    with pytest.raises(ValueError, match=f"alice has {len(others)} clips, no clip {len(others) + 1}"):
        member.alter(len(others) + 1)


def test_a_bit_is_flipped_and_a_clip_is_stretched_outside_dcim(tmp_path: Path) -> None:
    plain, altered = _made(tmp_path / "1", _part("tecsar")), _made(tmp_path / "2", _part("tecsar", altered=2))
    same = [
        (plain.specimen.card / name).read_bytes() == (altered.specimen.card / name).read_bytes()
        for name in plain.clips(plain.specimen.card)
    ]
    assert same == [True, False]
    long = _made(tmp_path / "3", _part("tecsar", sparse=True))
    assert {(long.specimen.card / name).stat().st_size for name in long.clips(long.specimen.card)} == {4096}


@pytest.mark.parametrize("model", ["reference-unsigned", "generic-dcf", "tecsar", "gopro-hero", "insta360"])
def test_what_a_computer_left_is_no_clip(tmp_path: Path, model: str) -> None:
    plain, junk = _made(tmp_path / "1", _part(model)), _made(tmp_path / "2", _part(model, quirk="computer-junk"))
    there = plain.clips(plain.specimen.card)
    assert len(there) >= 2
    assert [name for name in junk.clips(junk.specimen.card) if "/._" not in name] == list(there)
    if model != "reference-unsigned":
        assert junk.clips(junk.specimen.card) == there


def test_an_empty_card_has_the_folder_that_its_family_makes(tmp_path: Path) -> None:
    part = Part("alice", "reference-signed", "BWC-1", clips=0)
    assert (_made(tmp_path, part).specimen.card / "DCIM").is_dir()


@pytest.mark.parametrize(
    ("model", "mode", "lacking"),
    [
        ("tecsar", "", 'its mode storage lacks the function "acm" and dialogue = "reference-console"'),
        ("ambarella-body", "command", 'its mode command lacks the function "acm" and dialogue = "reference-console"'),
    ],
)
def test_a_camera_without_a_serial_line_is_given_no_console(
    tmp_path: Path, model: str, mode: str, lacking: str
) -> None:
    part = _part(model, mode=mode, console="fine")
    for refuse in (cast.needs_of, lambda one: _made(tmp_path, one)):
        with pytest.raises(ValueError, match=f"^{model} has no console: {lacking}$"):
            refuse(part)
