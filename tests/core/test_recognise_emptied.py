"""A camera whose card was emptied, at its next visit: what stays may be enough, where its profile says so."""

from dataclasses import replace

import pytest

from dockagent.core.camera import recognise
from dockagent.core.camera.recognise import CardFacts
from dockagent.errors import UsageError
from tests.core.profiles import SHIPPED, SMALLEST, parse

TECSAR = CardFacts(label="CAM0042", whole=True)


def first(card: CardFacts) -> recognise.Match:
    return recognise.match(SHIPPED, card)[0]


def test_an_emptied_card_is_known_by_what_stays() -> None:
    found = first(TECSAR)
    assert (found.profile, found.fits, found.identity) == ("tecsar", True, {"serial": "CAM0042"})
    assert "its card was emptied" in found.why


@pytest.mark.parametrize("usb", ["2672:0056", "2ca3:0020", "2e1a:1001"])
def test_so_is_one_under_an_id_of_its_makers_own(usb: str) -> None:
    assert first(CardFacts(usb=usb, whole=True)).fits
    assert not first(CardFacts(usb=usb)).fits, "a card that could not be listed is not an empty one"


def test_the_cameras_own_files_and_computers_do_not_count() -> None:
    left = ("System Volume Information/IndexerVolumeGuid", "Get_started_with_GoPro.url")
    assert first(CardFacts(usb="2672:0056", paths=left, whole=True)).fits
    assert not first(CardFacts(usb="2672:0056", paths=(*left, "holiday.txt"), whole=True)).fits


def test_it_takes_all_of_what_is_named_and_nobody_else_comes_in() -> None:
    assert not first(replace(TECSAR, label="KINGSTON")).fits
    assert not first(replace(TECSAR, label="", usb="8564:1000")).fits, "a stick of Transcend's is no camera"


def test_a_text_that_only_one_maker_uses_is_enough() -> None:
    found = first(CardFacts(usb="8564:4000", strings=("Transcend DrivePro Body",), whole=True))
    assert (found.profile, found.fits) == ("transcend-body", True)
    assert not first(CardFacts(usb="8564:4000", strings=("Transcend",), whole=True)).fits, "its readers say that too"
    stick = CardFacts(usb="8564:1000", strings=("DrivePro",), whole=True)
    assert not first(stick).fits, "a stick with a copy of such a card"


def test_a_camera_whose_own_files_its_probe_names_needs_no_hint() -> None:
    own = tuple(f"BlackVue/Config/{name}" for name in ("version.bin", "config.ini", "bt_ssid.bin"))
    found = first(CardFacts(usb="05e3:0749", paths=own, whole=True))
    assert (found.profile, found.fits) == ("blackvue", True)


@pytest.mark.parametrize("card", [
    CardFacts(usb="0603:8611", whole=True),
    CardFacts(usb="0603:8611", paths=("format.txt",), whole=True),
    CardFacts(usb="05e3:0749", whole=True),
    CardFacts(whole=True),
])  # fmt: skip
def test_what_many_makers_devices_have_in_common_is_not_enough(card: CardFacts) -> None:
    assert not any(one.fits for one in recognise.match(SHIPPED, card))


def test_an_id_of_a_chip_does_not_take_an_emptied_card_from_its_own_profile() -> None:
    card = replace(TECSAR, usb="0603:8611")
    assert [one.profile for one in recognise.match(SHIPPED, card) if one.fits] == ["tecsar"]


def test_a_hint_that_is_not_there_cannot_be_enough() -> None:
    with pytest.raises(UsageError, match=r"match\.emptied: names label, but match\.label is empty"):
        parse(SMALLEST + '\n[match]\nemptied = ["label"]\n')
