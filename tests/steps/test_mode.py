"""A device that shows no card: reported for what it is, or asked to show one, and no stranger is told anything."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from dockagent.config import load_profiles
from dockagent.core import events as ev
from dockagent.core.camera.profile import Console
from dockagent.errors import DockError, Gone, Permanent, Retryable
from dockagent.steps.identify import identify
from dockagent.steps.mode import is_keyboard_too
from dockagent.steps.world import World
from dockagent.transports import ClockReading, Control, Footage, NoCard
from tests.simulation.memory_disk import MemoryDisk
from tests.steps.card import world_over

PROFILES = tuple(load_profiles(Path(__file__).parents[2] / "firmware_profiles"))


@dataclass(slots=True)
class Dialogue:
    """A maker's dialogue. ``fails``: what it raises when it is asked who it is."""

    serial: str = "A1B2C3D4"
    fails: DockError | None = None
    asked: list[str] = field(default_factory=list)

    def identity(self) -> Mapping[str, str]:
        self.asked.append("identity")
        if self.fails is not None:
            raise self.fails
        return {"serial": self.serial, "model": "", "firmware": ""}

    def to_storage(self) -> None:
        self.asked.append("to_storage")

    def battery(self) -> tuple[int, bool]:
        raise Permanent("not in this dialogue")

    def clock(self) -> ClockReading:
        raise Permanent("not in this dialogue")

    def set_clock(self, utc_ms: int) -> None:
        raise Permanent("not in this dialogue")

    def prove(self, nonce: bytes) -> bytes:
        raise Permanent("not in this dialogue")

    def release(self, safe: bool, words: str) -> None:
        raise Permanent("not in this dialogue")

    def close(self) -> None:
        return


@dataclass(slots=True)
class BareBay:
    """A bay with a device that shows no card."""

    facts: Mapping[str, str]
    line: Control | None
    kinds: list[str] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)

    def asked(self, bay: str, profile: str) -> None:
        self.told.append((bay, profile))

    def came(self, bay: str, kind: str, address: str, facts: Mapping[str, str]) -> None:
        raise AssertionError("no step tells the bays who came")

    def left(self, bay: str, kind: str) -> None:
        raise AssertionError("no step tells the bays who left")

    def rest(self, bay: str) -> None:
        return

    def footage(self, bay: str) -> Footage:
        raise NoCard(self.facts)

    def control(self, bay: str, console: Console, wait_ms: int) -> Control | None:
        self.kinds.append(console.kind)
        return self.line


def facts(usb: str, interfaces: str = "ff0000", **more: str) -> dict[str, str]:
    vendor, product = usb.split(":")
    return {"vendor_id": vendor, "product_id": product, "interfaces": interfaces, **more}


def world(bay: BareBay) -> World:
    return world_over(MemoryDisk(Random(0)), bay, profiles=PROFILES)


def test_a_camera_with_a_dialogue_is_asked_who_it_is_and_then_for_its_card() -> None:
    line = Dialogue()
    bay = BareBay(facts("4255:0001"), line)
    (event,) = identify(world(bay), "s", "bay-1")
    assert isinstance(event, ev.ModeAsked)
    assert (event.camera.serial, event.camera.known_by, event.profile) == ("A1B2C3D4", "console", "ambarella-body")
    assert line.asked == ["identity", "to_storage"]
    assert bay.kinds == ["amba-bulk"]
    assert bay.told == [("bay-1", "ambarella-body")]


@pytest.mark.parametrize("error", [Permanent("it is another device"), Retryable("it is silent")])
def test_a_stranger_with_the_same_id_is_told_nothing(error: DockError) -> None:
    line = Dialogue(fails=error)
    bay = BareBay(facts("4255:0001"), line)
    with pytest.raises(type(error), match=str(error.what)):
        identify(world(bay), "s", "bay-1")
    assert line.asked == ["identity"]
    assert bay.told == []


def test_a_device_that_leaves_while_it_is_asked_is_gone() -> None:
    with pytest.raises(Gone):
        identify(world(BareBay(facts("4255:0001"), Dialogue(fails=Gone("it left")))), "s", "bay-1")


def test_a_dialogue_without_a_line_says_where_to_name_one() -> None:
    with pytest.raises(Retryable, match="nothing answers for profile"):
        identify(world(BareBay(facts("4255:0001"), None)), "s", "bay-1")


@pytest.mark.parametrize("usb", ["4255:000a", "1f3a:efe8", "2207:330d", "0603:8612", "04fc:1528"])
def test_a_camera_in_another_mode_is_reported_with_what_to_do(usb: str) -> None:
    line = Dialogue()
    with pytest.raises(Permanent) as caught:
        identify(world(BareBay(facts(usb), line)), "s", "bay-1")
    assert usb in caught.value.what
    assert "its footage cannot be read now" in caught.value.what
    assert caught.value.hint
    assert line.asked == []


def test_a_disk_without_a_medium_is_not_an_empty_bay() -> None:
    bare = facts("0603:8611", "080650", product="DSC", serial="77")
    with pytest.raises(Permanent, match="0603:8611 DSC 77 is a disk without a medium"):
        identify(world(BareBay(bare, None)), "s", "bay-1")


def test_what_nobody_knows_is_named() -> None:
    with pytest.raises(Permanent, match="abcd:1234 Acme Thing shows no card, and no profile knows"):
        identify(world(BareBay(facts("abcd:1234", manufacturer="Acme", product="Thing"), None)), "s", "bay-1")


@pytest.mark.parametrize(("interfaces", "is_one"), [("080650", False), ("080650 030101", True), ("", False)])
def test_a_keyboard_beside_the_disk_is_seen(interfaces: str, is_one: bool) -> None:
    assert is_keyboard_too({"interfaces": interfaces}) is is_one
