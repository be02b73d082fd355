"""Families of cameras as data: each is built, and the dock's profile of that name, and no other, must speak for it."""

from __future__ import annotations

import dataclasses
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dockagent.config import load_profiles
from dockagent.core.camera import inventory, recognise
from dockagent.core.camera.profile import Profile
from dockagent.core.camera.recognise import CardFacts, Match
from dockagent.core.paths import to_text
from dockagent.steps.identify import card_facts
from dockagent.transports.folder import FolderFootage
from hil.cameras import models
from hil.cameras.__main__ import main
from hil.cameras.console import Console
from hil.cameras.footage import Look
from hil.cameras.models import cards, quirks, reader
from hil.cameras.specimen import Specimen, UsbPlate
from hil.rigs.faults import Script
from tests.hil.bench import identity

PROFILES = load_profiles(None)
BY_NAME: dict[str, Profile] = {one.name: one for one in PROFILES}
FAMILIES = models.families()


def built(family: str, root: Path, **changed: object) -> Specimen:
    return models.build(family, models.model(family).example, root, clip_bytes=3000, **changed)  # type: ignore[arg-type]


def usb_id(plate: UsbPlate) -> str:
    return f"{plate.vendor:04x}:{plate.product:04x}"


def command_id(family: str) -> tuple[str, ...]:
    """The id under which a camera of this family is asked for its card, if it has to be."""
    return tuple(mode.usb for mode in models.model(family).mode if mode.then)


def facts_of(camera: Specimen, before: tuple[str, ...] = ()) -> CardFacts:
    """What a dock learns of a specimen: its card by the dock's own listing, the rest by what it says over USB."""
    footage = FolderFootage(camera.card)
    try:
        card = card_facts(PROFILES, footage)
    finally:
        footage.close()
    texts = (camera.usb.manufacturer, camera.usb.name, camera.usb.serial, *camera.usb.inquiry[:2])
    card = dataclasses.replace(card, usb=usb_id(camera.usb), label=camera.label, strings=tuple(filter(None, texts)))
    if "storage" not in camera.functions and "mtp" not in camera.functions:
        card = CardFacts(usb=card.usb, strings=card.strings)
    return dataclasses.replace(card, before=before)


def answered(card: CardFacts, family: str) -> CardFacts:
    return dataclasses.replace(card, answered=family if command_id(family) else "")


def tells_serial(profile: Profile) -> bool:
    """Whether the profile says where on the card the serial number stands."""
    texts = (profile.identity.label, profile.identity.path, *(text for one in profile.probe for text in one.identity))
    return any("(?P<serial>" in text for text in texts)


def matches(card: CardFacts) -> dict[str, Match]:
    return {one.profile: one for one in recognise.match(PROFILES, card)}


def test_each_profile_has_an_emulator_and_each_emulator_a_profile() -> None:
    assert set(FAMILIES) == set(BY_NAME)


@pytest.mark.parametrize("family", FAMILIES)
def test_its_profile_fits_and_no_other_but_the_catch_all(family: str, tmp_path: Path) -> None:
    camera = built(family, tmp_path / "card")
    found = matches(answered(facts_of(camera, command_id(family)), family))
    assert next(iter(found)) == family
    assert {name for name, one in found.items() if one.fits} <= {family, "generic-dcf"}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_file_has_the_role_that_the_camera_gave_it(family: str, tmp_path: Path) -> None:
    signs = identity() if family == "reference-signed" else None
    camera = built(family, tmp_path / "card", identity=signs)
    shift = models.shift_of(family, camera.plate.serial)
    planned = cards.plan(models.model(family), camera.plate, shift, signed=signs is not None)
    wanted = {path: file.role for path, file in planned}
    assert len(wanted) == len(planned)
    footage = FolderFootage(camera.card)
    files = [inventory.FileFact(to_text(one.path), one.size, one.mtime_ms) for one in footage.list()]
    footage.close()
    taken = inventory.take(BY_NAME[family], files)
    assert {one.path: one.role for one in taken.entries} | {one.path: one.role for one in taken.skipped} == wanted
    owners = {one.path for one in taken.entries if one.role == "footage"}
    belongs = [one for one in taken.entries if one.role in ("proxy", "thumbnail", "sidecar")]
    assert all(one.belongs_to in owners for one in belongs)
    assert taken.findings == ()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_identity_that_the_family_leaves_on_its_card_is_found(family: str, tmp_path: Path) -> None:
    camera = built(family, tmp_path / "card")
    found = matches(answered(facts_of(camera, command_id(family)), family))[family].identity
    plate = camera.plate.as_json()
    assert all(plate[key] == value for key, value in found.items())
    assert ("serial" in found) is tells_serial(BY_NAME[family])
    assert family != "transcend-body" or found == {"model": "DPB10"}


IMPOSTORS = [
    (family, count) for family in FAMILIES for count, _ in enumerate(models.model(family).impostor)
]  # fmt: skip


@pytest.mark.parametrize(("family", "count"), IMPOSTORS)
def test_an_impostor_is_named_and_not_taken_for_the_camera(family: str, count: int, tmp_path: Path) -> None:
    impostor = models.impostors(family, tmp_path / "impostors")[count]
    found = matches(facts_of(impostor, command_id(family)))[family]
    assert not found.fits
    asked = usb_id(impostor.usb) in BY_NAME[family].control.usb
    assert any("may also be" in line for line in found.doubts) is asked
    stuck = recognise.recovery(PROFILES, usb_id(impostor.usb))
    named = [line for line in found.missing if "is not this camera but" in line or (stuck and stuck.what in line)]
    assert bool(named) is not asked


MODES = [
    (family, mode.name) for family in FAMILIES for mode in models.model(family).mode
    if not {"storage", "mtp"} & set(mode.functions)
]  # fmt: skip


@pytest.mark.parametrize(("family", "mode"), MODES)
def test_a_mode_without_a_card_is_asked_or_reported(family: str, mode: str, tmp_path: Path) -> None:
    camera = built(family, tmp_path / "card", mode=mode)
    usb = usb_id(camera.usb)
    asked = {one.name for one in recognise.dialogues(PROFILES, usb)}
    stuck = recognise.recovery(PROFILES, usb)
    if models.model(family).mode_called(mode).dialogue:
        assert family in asked
        assert BY_NAME[family].control.kind == models.model(family).mode_called(mode).dialogue
        assert stuck is None
        assert camera.then is not None
        assert camera.then.functions == ("storage",)
        assert usb_id(camera.then.usb) != usb
        assert camera.then.card == camera.card
    else:
        assert stuck is not None
        assert not asked
        assert stuck.todo


# ---- what is built --------------------------------------------------------------------------------------------------


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_camera_films_the_same_and_another_one_never_does(family: str, tmp_path: Path) -> None:
    one, again = built(family, tmp_path / "1"), built(family, tmp_path / "2")
    assert contents(one.card) == contents(again.card)
    other = models.build(family, models.model(family).example, tmp_path / "3", clip_bytes=3000, seed=7)
    footage = set(models.footage_in(family, one.plate, models.shift_of(family, one.plate.serial)))
    assert footage
    first, third = contents(one.card), contents(other.card)
    assert {first[name] for name in footage}.isdisjoint({third[name] for name in footage})
    assert len({first[name] for name in footage}) == len(footage)
    times = {(one.card / name).stat().st_mtime for name in footage}
    assert min(times) > datetime(2026, 11, 22, 8, 15, tzinfo=UTC).timestamp() - 1


def test_the_reference_family_signs_and_talks(tmp_path: Path) -> None:
    camera = built("reference-signed", tmp_path / "card", identity=identity())
    assert (camera.card / "manifest.dsse.json").exists()
    assert isinstance(camera.talker, Console)
    assert camera.functions == ("storage", "acm")
    with pytest.raises(ValueError, match="does not sign"):
        built("dji", tmp_path / "dji", identity=identity())


def test_real_video_on_demand(tmp_path: Path) -> None:
    shift = models.shift_of("insta360", "IXE2A1234567", clips=1, clip_bytes=None)
    shift = dataclasses.replace(shift, look=Look(0.5, 64, 48, 5))
    camera = models.build("insta360", "IXE2A1234567", tmp_path / "card", shift=shift)
    for name in ("VID_20261122_081500_00_001.insv", "LRV_20261122_081500_11_001.insv"):
        probe = ["ffprobe", "-v", "error", "-show_entries", "format=format_name", "-of", "csv=p=0"]
        said = subprocess.run([*probe, str(camera.card / "DCIM/Camera01" / name)], capture_output=True, check=True)
        assert b"mp4" in said.stdout


@pytest.mark.parametrize("family", FAMILIES)
def test_its_faults_are_known(family: str, tmp_path: Path) -> None:
    faults = models.model(family).fault
    assert faults
    for count, fault in enumerate(faults):
        if fault.script:
            assert Script(fault.script).needs
        if fault.quirk:
            built(family, tmp_path / str(count), quirk=[fault.quirk])


@pytest.mark.parametrize(("quirk", "code"), [
    ("empty-clip", "empty-clip"), ("orphan-sidecar", "orphan-thumbnail"), ("computer-junk", ""), ("repaired", ""),
])  # fmt: skip
def test_a_quirk_does_what_it_says(quirk: str, code: str, tmp_path: Path) -> None:
    camera = built("generic-dcf", tmp_path / "card", quirk=[quirk])
    footage = FolderFootage(camera.card)
    files = [inventory.FileFact(to_text(one.path), one.size, one.mtime_ms) for one in footage.list()]
    footage.close()
    taken = inventory.take(BY_NAME["generic-dcf"], files)
    assert {one.code for one in taken.findings} == ({code} if code else set())
    assert any(one.role == "os-junk" for one in taken.skipped) is (quirk == "computer-junk")
    assert any(one.role == "other" for one in taken.entries) is (quirk == "repaired")


def test_quirks_of_names_and_times(tmp_path: Path) -> None:
    assert built("ambarella-body", tmp_path / "1", quirk=["label-case"]).label == "a0012345"
    stale = built("gopro-hero", tmp_path / "2", quirk=["stale-label", "trailing-comma", "clock-reset"])
    assert (stale.label, stale.plate.serial) == ("U3000PRO", "C3441325000017")
    assert (stale.card / "MISC/version.txt").read_text().endswith('",\n}\n')
    clip = next(stale.card.rglob("*.MP4"))
    assert datetime.fromtimestamp(clip.stat().st_mtime, UTC).year == 2015
    assert matches(facts_of(stale))["gopro-hero"].identity["serial"] == stale.plate.serial
    whole, cut = built("dji", tmp_path / "3"), built("dji", tmp_path / "4", quirk=["cut-clip"])
    sizes = [(one.card / "DCIM/100MEDIA/DJI_0002.MP4").stat().st_size for one in (whole, cut)]
    assert sizes == [3000, 1800]


@pytest.mark.parametrize(("family", "serial", "changed", "said"), [
    ("axon", "1", {}, "no family is called 'axon'; there are "),
    ("tecsar", "BWC-1", {}, "'BWC-1' is no serial number of tecsar: they are like 'CAM01'"),
    ("tecsar", "CAM01", {"mode": "mtp"}, "tecsar has no mode 'mtp'; it has storage"),
    ("tecsar", "CAM01", {"quirk": ["rust"]}, "no quirk is called rust; there are cut-clip"),
])  # fmt: skip
def test_what_cannot_be_built_is_said(
    family: str, serial: str, changed: dict[str, str], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=said):
        models.build(family, serial, tmp_path / "card", clip_bytes=10, **changed)  # type: ignore[arg-type]


def test_a_card_is_never_made_over_another(tmp_path: Path) -> None:
    built("tecsar", tmp_path)
    with pytest.raises(ValueError, match="is not empty"):
        built("tecsar", tmp_path)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_command_makes_every_family(family: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--kind", family, "--bytes", "3000", "--clips", "2"]
    assert main(["make", str(tmp_path / "card"), "--quirk", "computer-junk", *words]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'card'}\n"
    made = {path.name for path in (tmp_path / "card").rglob("*") if path.is_file()}
    assert made >= {path.name for path in built(family, tmp_path / "built").card.rglob("*") if path.is_file()}
    assert ".DS_Store" in made
    assert ("manifest.dsse.json" in made) is (family == "reference-signed")
    assert main(["make", str(tmp_path / "other"), *words, "--serial", "/" * 65]) == 1
    assert "is no serial number of" in capsys.readouterr().err


# ---- mistakes in a file ---------------------------------------------------------------------------------------------

GOOD = """
title = "x"
serial = '[0-9]+'
example = "1"
[[mode]]
name = "storage"
usb = "1111:2222"
functions = ["storage"]
[card]
[[file]]
path = "DCIM/{number}.MP4"
role = "footage"
holds = "video"
"""


@pytest.mark.parametrize(("text", "said"), [
    ("title = ", "try.toml: not a TOML file"),
    ("family = 'y'\n" + GOOD, "family: not a key"),
    (GOOD.replace('title = "x"', "titel = 1"), "titel: unknown key; there are family, title, serial"),
    (GOOD.replace('title = "x"', ""), "title: missing"),
    (GOOD.replace('title = "x"', "title = 3"), "title: must be str, not 3"),
    (GOOD.replace('["storage"]', '"storage"'), "mode[1].functions: must be a list, not 'storage'"),
    (GOOD.replace('["storage"]', '["stroage"]'), "mode[1].functions: 'stroage' is not known; there are storage, acm"),
    (GOOD.replace("1111:2222", "1111:222G"), "mode[1].usb: '1111:222G' is not vvvv:pppp"),
    (GOOD.replace('example = "1"', 'example = "x"'), "example: 'x' does not fit serial, '[0-9]+'"),
    (GOOD.replace("[0-9]+", "["), "serial: '[' is not a regular expression"),
    (GOOD.replace('name = "storage"', 'name = "work"'), "mode: none is called storage or mtp"),
    (GOOD.replace('name = "storage"', 'name = "storage"\nthen = "disk"'), "mode[1].then: 'disk': needs a dialogue"),
    (GOOD.replace('name = "storage"', 'name = "storage"\ndialogue = "morse"'), "mode[1].dialogue: 'morse' is not"),
    (GOOD.replace('["storage"]', '["storage", "acm"]'), "mode[1].functions: acm needs a dialogue that is spoken there"),
    (GOOD.replace('name = "storage"', 'name = "storage"\ndialogue = "amba-bulk"'),
     "mode[1].dialogue: 'amba-bulk' needs a function to speak on: acm or bulk"),
    (GOOD.replace('name = "storage"', 'name = "storage"\nsays_serial = "{seral}"'),
     "mode[1].says_serial: '{seral}' cannot be filled ('seral'); words: serial, maker, model, firmware"),
    (GOOD.replace("[card]", "[card]\nlabel = '{makr}'"), "card.label: '{makr}' cannot be filled ('makr'); words: "),
    (GOOD.replace("[card]", "[card]\nlabel = '{serial.x}'"), "card.label: '{serial.x}' cannot be filled ("),
    (GOOD + "[[impostor]]\nwhat = 'x'\nusb = '1111:2222'\nfunctions = []\nsays_serial = '{0}'",
     "impostor[1].says_serial: '{0}' cannot be filled"),
    (GOOD.replace('name = "storage"', 'name = "storage"\ninquiry = ["a", "b"]'), "mode[1].inquiry: must be three"),
    (GOOD.replace("[card]", "[card]\nfilesystem = 'ntfs'"), "card.filesystem: 'ntfs' is not known; there are vfat"),
    (GOOD.replace('"footage"', '"film"'), "file[1].role: 'film' is not known; there are footage"),
    (GOOD.replace('"video"', '"text"'), "file[1].text: goes with holds"),
    (GOOD.replace("DCIM/", "../"), "file[1].path: '../{number}.MP4' does not lie on the card"),
    (GOOD + "share = -1", "file[1].share: -1 is no part of a clip; write more than 0 and at most 1"),
    (GOOD + "share = 1.5", "file[1].share: 1.5 is no part of a clip"),
    (GOOD + "after = -1", "file[1]: channel and after count from 0; -1 is less"),
    (GOOD.replace('["storage"]', "[]"), "mode[1].functions: is empty; a device does something: storage, acm"),
    (GOOD.replace("[card]", "[card]\nlabel = 'TWELVE LONG1'"), "card.label: 'TWELVE LONG1' has 12 characters"),
    (GOOD.replace("[card]", "[card]\nfirst = -1"), "card.first: -1 is no number of a recording"),
    (GOOD + "channel = true", "file[1].channel: must be int, not True"),
    (GOOD + "[[fault]]\nwhy = 'x'", "fault[1]: give script, quirk or talk, one of them"),
    (GOOD + "[[fault]]\nwhy = 'x'\nscript = 'rX'", "fault[1].script: no fault is called X; there are rEB"),
    (GOOD + "[[fault]]\nwhy = 'x'\nquirk = 'rust'", "fault[1].quirk: 'rust' is not known; there are cut-clip"),
    (GOOD + "[[fault]]\nwhy = 'x'\ntalk = 'silent'", "fault[1].talk: 'silent' is not known"),
    (GOOD + "[[impostor]]\nwhat = 'x'\nusb = '1'\nfunctions = []", "impostor[1].usb: '1' is not vvvv:pppp"),
])  # fmt: skip
def test_a_mistake_in_a_file_is_named_with_its_key(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"^try\.toml: ") as caught:
        reader.read(text.encode(), "try")
    assert said in str(caught.value)


def test_a_good_file_is_read_and_a_bad_template_is_said(tmp_path: Path) -> None:
    good = reader.read(GOOD.encode(), "try")
    plate, shift = dataclasses.replace(models.plate_of("dji", "5YSZK1B0023ABC")), models.shift_of("dji", "1", clips=1)
    assert [path for path, _ in cards.plan(good, plate, shift)] == ["DCIM/1.MP4"]
    bad = reader.read(GOOD.replace("{number}", "{nummer}").encode(), "try")
    with pytest.raises(ValueError, match=r"cannot be filled .*; words: serial, maker, model, firmware, number, start"):
        cards.film(bad, tmp_path, plate, shift)
    loose = reader.read(GOOD.replace('"video"', '"low"').encode(), "try")
    with pytest.raises(ValueError, match="is made of a video, and none stands above it"):
        cards.film(loose, tmp_path, plate, dataclasses.replace(shift, size=None))


SECOND = '[[file]]\npath = "dcim/{number}.mp4"\nrole = "photo"\n'


@pytest.mark.parametrize(("text", "said"), [
    (GOOD.replace("{number}", "CLIP"), "file[1].path: 'DCIM/CLIP.MP4' gives two files the path DCIM/CLIP.MP4"),
    (GOOD + SECOND, "file[2].path: 'dcim/{number}.mp4' gives two files the path dcim/1.mp4"),
    (GOOD.replace("{number}", "{number}:{start:%H}"), "no path of vfat; leave out : * ?"),
    (GOOD.replace("{number}", "{nummer}"), "cannot be filled"),
])  # fmt: skip
def test_a_card_that_cannot_be_is_refused(text: str, said: str) -> None:
    """FAT takes two names in different cases for one, and mcopy(1) ends there without a word."""
    with pytest.raises(ValueError, match=r"^try\.toml: ") as caught:
        cards.check(reader.read(text.encode(), "try"))
    assert said in str(caught.value)


def test_no_recording_is_written_over_another(tmp_path: Path) -> None:
    model = reader.read(GOOD.encode(), "try")
    plate, shift = models.plate_of("dji", "5YSZK1B0023ABC"), models.shift_of("dji", "1", clips=2, clip_bytes=10)
    cards.film(model, tmp_path, plate, shift)
    with pytest.raises(ValueError, match=r"two recordings would have the path DCIM/1\.MP4; film fewer"):
        cards.film(model, tmp_path, plate, shift)


@pytest.mark.parametrize(("quirk", "clips", "said"), [
    ("cut-clip", 0, "quirk cut-clip needs a clip, and there is none"),
    ("trailing-comma", 1, r"quirk trailing-comma is about MISC/version\.txt, and there is none"),
])  # fmt: skip
def test_a_quirk_that_has_nothing_to_spoil_says_so(quirk: str, clips: int, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        models.build("dji", "5YSZK1B0023ABC", tmp_path / "card", clips=clips, clip_bytes=10, quirk=[quirk])


def test_every_quirk_is_some_familys() -> None:
    listed = {fault.quirk for family in FAMILIES for fault in models.model(family).fault if fault.quirk}
    assert listed == set(quirks.QUIRKS)
