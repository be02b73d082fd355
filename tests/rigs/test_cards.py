"""The cards of a rig: what a camera goes on in when it comes again, and when its card is another one by then."""

from pathlib import Path

import pytest

from hil.cameras.usb.reach import Reach
from hil.rigs.cards import Cards
from hil.rigs.faults import Script
from hil.rigs.medium import lacks
from tests.rigs.readers import MIB, a_camera

pytestmark = pytest.mark.skipif(bool(lacks()), reason=lacks())
PULLED_IN_THE_SECOND = Script("rU")


def read_all(reach: Reach, sectors: int) -> str:
    """The letters that strike while all of a medium is read, as often as need be."""
    met, first = "", 0
    while first < sectors:
        ahead = reach.ahead(first, sectors - first)
        reach.gave(first, ahead.sectors)
        first += ahead.sectors
        if ahead.letter:
            met += ahead.letter
            reach.struck(ahead.letter, first)
    return met


def test_a_script_goes_on_when_the_card_was_changed_in_between(tmp_path: Path) -> None:
    """The letter that pulled the camera out does not pull it out again."""
    camera, cards = a_camera(tmp_path), Cards(tmp_path / "rig", writable=True)
    card = cards.card(camera, PULLED_IN_THE_SECOND)
    assert read_all(card.reach, card.medium.sectors) == "U"
    before = card.path.read_bytes()
    clip = camera.card / "DCIM" / "CLIP.MP4"
    clip.write_bytes(clip.read_bytes()[::-1])
    cards.digest(camera)  # as somebody does who wants to know what is on it before it is plugged in again
    again = cards.card(camera, PULLED_IN_THE_SECOND)
    assert again.path.read_bytes() != before
    assert read_all(again.reach, again.medium.sectors) == ""
    assert again.reach.fresh == 2 * 4 * MIB  # all of both


def test_another_script_begins_anew(tmp_path: Path) -> None:
    camera, cards = a_camera(tmp_path), Cards(tmp_path / "rig", writable=True)
    for script in (Script("rU"), Script("rrE"), Script("rU")):
        card = cards.card(camera, script)
        assert read_all(card.reach, card.medium.sectors) == script.letters.strip("r")
    assert read_all(cards.card(camera, Script("rU")).reach, card.medium.sectors) == ""


def test_the_same_of_files_without_a_medium(tmp_path: Path) -> None:
    camera, cards = a_camera(tmp_path, functions=("mtp",)), Cards(tmp_path / "rig", writable=True)
    sectors = 4 * MIB // 512
    assert read_all(cards.files(camera, PULLED_IN_THE_SECOND), sectors) == "U"
    clip = camera.card / "DCIM" / "CLIP.MP4"
    clip.write_bytes(clip.read_bytes()[::-1])
    again = cards.files(camera, PULLED_IN_THE_SECOND)
    assert read_all(again, sectors) == ""
    assert again.fresh == 2 * 4 * MIB
