"""Identify: which camera it is, and how far that is proved. On real folders and a real line."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from dockagent.clock import SystemClock
from dockagent.core import events as ev
from dockagent.errors import DockError, Gone, Permanent, Retryable
from dockagent.steps.identify import identify
from dockagent.steps.world import World
from dockagent.transports import ClockReading, Control
from dockagent.transports.folder import FolderFootage
from dockagent.transports.serial_port import ReferenceConsole
from hil.cameras import card as cards
from hil.cameras import pki
from hil.cameras.card import Shift
from hil.cameras.console import Console
from hil.cameras.plate import Plate
from tests.simulation.memory_disk import MemoryDisk
from tests.simulation.voyage import MAKER, PROFILES
from tests.steps.card import OneBay, world_over
from tests.steps.test_take_inventory import Files

PLATE = Plate()
IDENTITY = MAKER.identity(PLATE.model, PLATE.serial, pki.Validity(datetime(2020, 1, 1, tzinfo=UTC)))
CREATED = datetime(2026, 11, 1, 16, tzinfo=UTC)
CARD = b'{"serial": "BWC-0001", "model": "BWC-1", "maker": "Reference", "firmware": "1.4.2"}'


def found(world: World) -> ev.CameraIdentified:
    (event,) = identify(world, "s", "bay-1")
    assert isinstance(event, ev.CameraIdentified)
    assert event.session == "s"
    return event


def codes(event: ev.CameraIdentified) -> list[str]:
    return [finding.code for finding in event.findings]


@pytest.fixture
def card(tmp_path: Path) -> Iterator[FolderFootage]:
    """A signed card of the reference camera."""
    root = tmp_path / "card"
    cards.film_reference(root, PLATE, Shift(clips=1, size=500))
    cards.sign(root, IDENTITY, sequence=1, created=CREATED)
    footage = FolderFootage(root)
    yield footage
    footage.close()


@contextmanager
def line(console: Console, answer_ms: int = 2000) -> Iterator[Control]:
    """A real terminal, answered by the emulated camera."""
    control = ReferenceConsole(os.fspath(console.open()), SystemClock(), 115200, answer_ms, 2)
    try:
        yield control
    finally:
        control.close()
        console.hang_up()


def world(card: Any, control: Control | None = None, **changed: Any) -> World:
    return world_over(MemoryDisk(Random(0)), OneBay(card, control), **changed)


# ---- by its card ----------------------------------------------------------------------------------------------------


def test_a_reference_camera_is_known_by_its_card(card: FolderFootage) -> None:
    event = found(world(card))
    assert event.profile == "reference-signed"
    assert len(event.profile_sha256) == 64
    camera = event.camera
    assert (camera.id, camera.serial, camera.maker) == ("BWC-0001", "BWC-0001", "Reference")
    assert (camera.model, camera.firmware, camera.known_by) == ("BWC-1", "1.4.2", "card")
    assert (event.has_console, event.battery, event.charging) == (False, -1, False)
    assert event.findings == ()


def test_the_profiles_digest_changes_with_the_profile(card: FolderFootage) -> None:
    changed = tuple(msgspec.structs.replace(one, title="another") for one in PROFILES)
    assert found(world(card)).profile_sha256 != found(world(card, profiles=changed)).profile_sha256
    assert found(world(card)).profile_sha256 == found(world(card)).profile_sha256


def test_a_camera_of_which_nothing_is_known_is_unidentified() -> None:
    event = found(world(Files({b"DCIM/100VIDEO/CLIP0001.MP4": b"x"})))
    assert event.profile == "generic-dcf"
    assert (event.camera.id, event.camera.serial, event.camera.known_by) == ("unidentified", "", "nothing")
    assert "unidentified" in codes(event)


def test_no_profile_is_a_refusal_with_the_nearest_reason() -> None:
    with pytest.raises(Permanent, match="not recognised") as caught:
        identify(world(Files({b"notes.txt": b"x"})), "s", "bay-1")
    assert any(profile.name in str(caught.value) for profile in PROFILES)
    assert "dockagent profile match" in caught.value.hint
    assert "\n" not in str(caught.value)


def test_without_profiles_it_says_so() -> None:
    with pytest.raises(Permanent, match="there are no profiles"):
        identify(world(Files({b"DCIM/a.MP4": b"x"}), profiles=()), "s", "bay-1")


def test_an_impostor_is_called_what_it_is() -> None:
    class BootRom(Files):
        def facts(self) -> Mapping[str, str]:
            return {"usb": "4255:000a"}

    with pytest.raises(Permanent, match="boot ROM"):
        identify(world(BootRom({b"DCIM/a.MP4": b"x"})), "s", "bay-1")


def test_a_profile_that_a_person_named_is_used_even_if_it_does_not_fit() -> None:
    (reference,) = [one for one in PROFILES if one.name == "reference-signed"]
    bench = world(Files({b"notes.txt": b"x"}), profiles=(reference,), any_profile=False)
    assert found(bench).profile == "reference-signed"


@pytest.mark.parametrize("said", [b"", b"\xff" * 9000, b'{"serial": "BWC-\\u0000"}', b'{"serial": "' + b"9" * 500])
def test_garbage_on_the_card_is_never_a_name(said: bytes) -> None:
    event = found(world(Files({b"camera.json": said, b"DCIM/100BWC/a.MP4": b"x"})))
    assert event.camera.id.isprintable()
    assert len(event.camera.id) <= 64


def test_a_card_that_is_gone_is_gone() -> None:
    with pytest.raises(Gone):
        identify(world(Files({b"camera.json": CARD}, trouble=Gone("taken"))), "s", "bay-1")


def test_a_card_that_cannot_be_listed_whole_is_identified_by_the_rest() -> None:
    card = Files({b"camera.json": CARD, b"DCIM/100BWC/a.MP4": b"x"}, trouble=Permanent("folder X is damaged"))
    assert found(world(card)).camera.id == "BWC-0001"


@pytest.mark.parametrize("error", [Retryable("medium error at byte 0"), Permanent("the file system is damaged")])
def test_a_file_that_cannot_be_read_does_not_keep_the_footage_on_the_card(error: DockError) -> None:
    """The card's own word on who it is has a bad sector; its footage is as good as any other's."""
    card = Files({b"camera.json": CARD, b"DCIM/100BWC/a.MP4": b"x"}, bad={b"camera.json": error})
    assert found(world(card)).profile


# ---- by its console -------------------------------------------------------------------------------------------------


def test_a_camera_that_signs_our_nonce_is_known_by_proof(card: FolderFootage) -> None:
    camera = Console(PLATE, IDENTITY)
    camera.battery, camera.charging = 37, False
    with line(camera) as control:
        event = found(world(card, control, console_wait_ms=100))
    assert event.camera.known_by == "proof"
    assert (event.has_console, event.sets_clock) == (True, True)
    assert (event.battery, event.charging) == (37, False)
    assert event.findings == ()


def test_every_proof_is_over_a_nonce_of_its_own(card: FolderFootage) -> None:
    camera = Console(PLATE, IDENTITY)
    with line(camera) as control:
        for _ in range(2):
            found(world(card, control))
    asked = [one.request for one in camera.transcript if "PROVE" in one.request]
    assert len(asked) == 2
    assert asked[0].split()[-1] != asked[1].split()[-1]


def test_a_silent_console_is_said_and_the_card_counts(card: FolderFootage) -> None:
    camera = Console(PLATE, IDENTITY)
    camera.faults.silent = True
    with line(camera, answer_ms=50) as control:
        event = found(world(card, control))
    assert codes(event) == ["console"]
    assert (event.camera.known_by, event.has_console) == ("card", False)


def test_a_console_that_hangs_up_is_said_and_the_card_counts(card: FolderFootage) -> None:
    camera = Console(PLATE, IDENTITY)
    camera.faults.hang_up_on = "BATTERY"
    with line(camera, answer_ms=200) as control:
        event = found(world(card, control))
    assert codes(event) == ["console"]
    assert event.camera.id == "BWC-0001"


def test_an_impostors_signature_is_no_proof(card: FolderFootage) -> None:
    camera = Console(PLATE, IDENTITY)
    camera.faults.impostor = True
    with line(camera) as control:
        event = found(world(card, control))
    assert codes(event) == ["identity-proof"]
    assert event.camera.known_by == "console"


def test_a_console_without_a_key_is_no_proof(card: FolderFootage) -> None:
    with line(Console(PLATE)) as control:
        event = found(world(card, control))
    assert codes(event) == ["identity-proof"]


def test_a_console_of_another_camera_than_the_card_is_said(card: FolderFootage) -> None:
    with line(Console(Plate(serial="BWC-0002"), IDENTITY)) as control:
        event = found(world(card, control))
    assert "identity-proof" in codes(event)
    assert event.camera.known_by == "console"
    assert any("BWC-0001" in one.text or "not this camera's" in one.text for one in event.findings)


@pytest.mark.parametrize("chain", [None, b"", b"\xff" * 50])
def test_without_a_certificate_nothing_is_proved(card: FolderFootage, chain: bytes | None) -> None:
    path = card.root / "chain.pem"
    path.unlink()
    if chain is not None:
        path.write_bytes(chain)
    with line(Console(PLATE, IDENTITY)) as control:
        event = found(world(card, control))
    assert codes(event) == ["identity-proof"]
    assert event.camera.known_by == "console"


def test_a_certificate_that_nobody_vouches_for_is_no_proof(tmp_path: Path) -> None:
    """Anybody can make a card and a key with the serial number of another camera."""
    stranger = pki.foreign_identity(MAKER, PLATE.model, PLATE.serial, pki.Validity(datetime(2020, 1, 1, tzinfo=UTC)))
    cards.film_reference(tmp_path, PLATE, Shift(clips=1, size=500))
    cards.sign(tmp_path, stranger, sequence=1, created=CREATED)
    footage = FolderFootage(tmp_path)
    try:
        with line(Console(PLATE, stranger)) as control:
            event = found(world(footage, control))
    finally:
        footage.close()
    assert event.camera.known_by != "proof"


def test_a_profile_without_a_console_never_asks_for_one() -> None:
    class Asked(OneBay):
        def control(self, bay: str, console: Any, wait_ms: int) -> Control | None:
            raise AssertionError("nobody has a console here")

    bench = world_over(MemoryDisk(Random(0)), Asked(Files({b"DCIM/100VIDEO/CLIP0001.MP4": b"x"})))
    assert found(bench).has_console is False


@dataclass(slots=True)
class Odd:
    """A console that answers PROVE with something of its own."""

    answer: bytes
    asked: list[bytes] = field(default_factory=list)

    def identity(self) -> Mapping[str, str]:
        return {"serial": PLATE.serial, "model": PLATE.model, "firmware": PLATE.firmware}

    def battery(self) -> tuple[int, bool]:
        return 50, True

    def clock(self) -> ClockReading:
        raise AssertionError("not now")

    def set_clock(self, utc_ms: int) -> None:
        raise AssertionError("not now")

    def prove(self, nonce: bytes) -> bytes:
        self.asked.append(nonce)
        return self.answer

    def release(self, safe: bool, words: str) -> None:
        raise AssertionError("not now")

    def close(self) -> None:
        return


@pytest.mark.parametrize("answer", [b"", b"\x00", b"\x30\x06\x02\x01\x00\x02\x01\x00", b"\xff" * 72, bytes(10_000)])
def test_a_proof_of_garbage_is_no_proof_and_no_error(card: FolderFootage, answer: bytes) -> None:
    control = Odd(answer)
    event = found(world(card, control))
    assert codes(event) == ["identity-proof"]
    assert [len(nonce) for nonce in control.asked] == [32]
