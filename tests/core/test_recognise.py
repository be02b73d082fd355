"""Which profile a card fits, what a device without a card is, and who a camera says it is."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockagent.core.camera import recognise
from dockagent.core.camera.recognise import CardFacts
from tests.core.profiles import SHIPPED, SMALLEST, parse
from tests.corpus import corpus


def first(card: CardFacts) -> recognise.Match:
    return recognise.match(SHIPPED, card)[0]


def test_gopro_is_known_by_its_own_version_file() -> None:
    listing = ("MISC/version.txt", "DCIM/100GOPRO/GX010001.MP4")
    wanted = recognise.wanted_files(SHIPPED, listing)
    assert wanted == {"MISC/version.txt": 4096}
    head = corpus("footage", "gopro-version.txt").read_bytes()
    best = first(CardFacts(paths=listing, files={"MISC/version.txt": head}, usb="2672:0056", label="U3000PRO"))
    assert (best.profile, best.fits) == ("gopro-hero", True)
    assert best.identity == {"model": "HERO99 Black", "serial": "C9999999999999", "firmware": "H99.09.09.00.00"}
    assert "USB id 2672:0056" in best.why
    assert not any("U3000PRO" in line for line in best.why)


def test_gopro_without_a_readable_version_file_is_still_one() -> None:
    best = first(CardFacts(paths=("misc/VERSION.TXT", "dcim/100gopro/gx010001.mp4"), files={"misc/VERSION.TXT": b""}))
    assert (best.profile, best.fits, best.identity) == ("gopro-hero", True, {})


def test_reference_camera_and_its_identity() -> None:
    head = b'{"maker": "Reference", "firmware": "1.4.2", "serial": "BWC-0001", "model": "BWC-1"}'
    best = first(CardFacts(paths=("camera.json", "manifest.dsse.json"), files={"camera.json": head}))
    assert best.profile == "reference-signed"
    assert best.identity == {"maker": "Reference", "model": "BWC-1", "serial": "BWC-0001", "firmware": "1.4.2"}


def test_usb_id_and_label_alone_are_never_an_identity() -> None:
    found = recognise.match(SHIPPED, CardFacts(usb="2672:0056", strings=("GoPro HERO9",), label="BWC-0001"))
    assert not any(one.fits for one in found)
    assert recognise.best(found) is None
    gopro = next(one for one in found if one.profile == "gopro-hero")
    assert "USB id 2672:0056" in gopro.why
    assert gopro.missing == ("has no MISC/version.txt", "has no DCIM/[0-9][0-9][0-9]GOPRO")


STUCK = [
    ("4255:000a", "ambarella-body", "Ambarella chip in its boot ROM"), ("1f3a:efe8", "generic-dcf", "Allwinner chip"),
    ("2207:320b", "generic-dcf", "Rockchip"), ("2207:281a", "generic-dcf", "Rockchip"),
    ("0603:8612", "novatek-dcf", "Novatek camera as a webcam"), ("0603:1002", "novatek-dcf", "Mobius"),
    ("04fc:1528", "generic-dcf", "Sunplus"), ("1b3f:2002", "generic-dcf", "Generalplus"),
    ("2e1a:0002", "insta360", "mode for its app"), ("2e1a:4c04", "insta360", "Insta360 Link"),
    ("18d1:4ee0", "gat947-e12", "fastboot"), ("18d1:d00d", "gat947-e12", "fastboot"),
]  # fmt: skip


@pytest.mark.parametrize(("usb", "name", "what"), STUCK, ids=[usb for usb, _, _ in STUCK])
def test_a_camera_in_recovery_mode_is_named_not_called_empty(usb: str, name: str, what: str) -> None:
    stuck = recognise.recovery(SHIPPED, usb)
    assert stuck is not None
    assert stuck.profile == name
    assert what in stuck.what
    found = recognise.match(SHIPPED, CardFacts(usb=usb))
    assert recognise.best(found) is None
    assert (
        recognise.nearest_miss(found) == f"{name} says that it cannot be read now: this is {stuck.what}; {stuck.todo}"
    )


def test_no_recovery_id_is_spoken_to() -> None:
    ids = {one.usb for profile in SHIPPED for one in profile.match.recovery}
    assert ids >= {usb for usb, _, _ in STUCK if not usb.startswith("2207")}
    assert not {usb for usb in ids if recognise.dialogues(SHIPPED, usb)}


@pytest.mark.parametrize("usb", ["", "2672:0056", "0603:8611", "4255:0001", "2207:0010", "ffff:ffff", "2e1a:000"])
def test_what_shows_its_card_or_answers_is_not_stuck(usb: str) -> None:
    assert recognise.recovery(SHIPPED, usb) is None


def test_the_id_in_full_goes_before_a_star() -> None:
    wide, narrow = (
        parse(SMALLEST + f"[match]\nrecovery=[{{usb='{usb}', what='{what}', todo='t'}}]")
        for usb, what in (("2207:3*", "wide"), ("2207:320b", "narrow"))
    )
    for both in ((wide, narrow), (narrow, wide)):
        stuck = recognise.recovery(both, "2207:320b")
        assert stuck is not None
        assert stuck.what == "narrow"


def test_what_shows_files_under_the_id_of_such_a_mode_is_not_believed() -> None:
    found = recognise.match(SHIPPED, CardFacts(usb="4255:000a", paths=("DCIM/100GOPRO/GX010001.MP4",)))
    assert not any(one.fits for one in found)
    assert recognise.nearest_miss(found).startswith("ambarella-body says that it cannot be read now")
    (gopro,) = (one for one in found if one.profile == "gopro-hero")
    assert gopro.missing == ("ambarella-body knows the USB id as an Ambarella chip in its boot ROM",)


# ---- cameras that have to be asked ----------------------------------------------------------------------------------

CARD = ("DCIM/100MEDIA/A.MP4",)


def test_dialogues_are_known_by_their_id_and_sent_to_no_other() -> None:
    def asked(usb: str) -> list[str]:
        return [one.name for one in recognise.dialogues(SHIPPED, usb)]

    assert asked("4255:0001") == ["ambarella-body"]
    assert asked("18d1:4ee7") == ["gat947-e12", "gat947-zzx"]
    assert asked("4255:000a") == asked("4255:0002") == asked("2672:0056") == asked("") == []
    assert all(one.control.storage for one in recognise.dialogues(SHIPPED, "18d1:4ee2"))
    known = {one.name: one for one in SHIPPED}
    assert recognise.knows_usb(known["ambarella-body"], "4255:0001")
    assert recognise.knows_usb(known["gopro-hero"], "2672:0056")
    assert not recognise.knows_usb(known["ambarella-body"], "4255:0002")


def test_in_command_mode_the_impostors_are_named_and_nobody_is_refused() -> None:
    found = {one.profile: one for one in recognise.match(SHIPPED, CardFacts(usb="4255:0001"))}
    amba = found["ambarella-body"]
    asks = "the dock asks it to become a disk, with the password of its configuration"
    assert amba.missing == (f"shows no card yet; {asks}",)
    assert [line for line in amba.doubts if "ONE RS" in line]
    assert [line for line in amba.doubts if "boot loader" in line]
    assert recognise.by_nearness(found.values())[0] is amba


def test_a_card_without_a_mark_fits_only_after_its_dialogue() -> None:
    best = first(CardFacts(usb="4255:0002", paths=CARD, label="A0012345", before=("4255:0001",)))
    assert (best.profile, best.identity) == ("ambarella-body", {"serial": "A0012345"})
    assert first(CardFacts(usb="4255:0002", paths=CARD, label="A0012345")).profile == "generic-dcf"
    assert first(CardFacts(usb="4255:0001", paths=CARD, label="A0012345")).profile == "generic-dcf"


def test_an_emptied_card_fits_too_after_its_dialogue() -> None:
    best = first(CardFacts(usb="4255:0002", label="A0012345", before=("4255:0001",)))
    assert (best.profile, best.fits) == ("ambarella-body", True)


@pytest.mark.parametrize(("answered", "profile"), [
    ("", "gat947-e12"), ("gat947-e12", "gat947-e12"), ("gat947-zzx", "gat947-zzx"),
])  # fmt: skip
def test_of_two_dialogues_with_one_id_the_one_that_was_answered_counts(answered: str, profile: str) -> None:
    card = CardFacts(usb="18d1:4ee8", paths=CARD, before=("18d1:4ee7",), answered=answered)
    assert first(card).profile == profile
    others = {"gat947-e12", "gat947-zzx"} - {profile}
    assert not answered or not any(one.fits for one in recognise.match(SHIPPED, card) if one.profile in others)


@pytest.mark.parametrize(("text", "path"), [
    ("Ambarell A9 DSC EVK Platf", CARD[0]), ("", "DCIM/Camera01/VID_20261122_081500_00_001.insv"),
])  # fmt: skip
def test_an_insta360_is_not_the_body_camera_whose_id_it_shares(text: str, path: str) -> None:
    card = CardFacts(usb="4255:0003", strings=(text,), paths=(path,), before=("4255:0001",))
    found = {one.profile: one for one in recognise.match(SHIPPED, card)}
    assert "Insta360" in found["ambarella-body"].missing[0]
    assert first(card).profile == ("insta360" if path.endswith("insv") else "generic-dcf")


# ---- who it says it is ----------------------------------------------------------------------------------------------


def test_the_label_speaks_only_where_the_maker_puts_the_camera_there() -> None:
    tree = ("files/data/20261122/081500.mp4",)
    assert first(CardFacts(paths=tree, label="cam01")).identity == {"serial": "cam01"}
    assert first(CardFacts(paths=tree, label="CAM01")).profile == "tecsar"
    for label in ("U3000PRO", "", "CAM", "CAM01x"):
        best = first(CardFacts(paths=tree, label=label))
        assert (best.profile, best.identity) == ("generic-dcf", {})


@pytest.mark.parametrize(("head", "label", "path", "serial"), [
    (b"S1", "L2", "DCIM/P3/a", "S1"), (b"no", "L2", "DCIM/P3/a", "P3"), (b"no", "L2", "DCIM/a", "L2"),
    (b"no", "X2", "DCIM/P3/a", "P3"), (b"no", "X2", "DCIM/a", ""),
])  # fmt: skip
def test_a_file_speaks_before_a_name_and_a_name_before_the_label(
    head: bytes, label: str, path: str, serial: str
) -> None:
    hint = "[[probe]]\ncounts='hint'\npath=['id']\nidentity=['(?P<serial>S[0-9])']\n"
    rules = "[identity]\nlabel='(?P<serial>L[0-9])'\npath='DCIM/(?P<serial>P[0-9])/.*'\n"
    one = parse(SMALLEST.replace("[layout]", hint + "[layout]") + rules)
    card = CardFacts(paths=("id", path), files={"id": head}, label=label)
    assert recognise.match([one], card)[0].identity.get("serial", "") == serial


def test_the_model_in_a_folders_name() -> None:
    best = first(CardFacts(paths=("DPB10/2026_1122_081500.MP4",), usb="8564:1b00"))
    assert (best.profile, best.identity) == ("transcend-body", {"model": "DPB10"})


def test_a_stick_with_a_copy_is_not_the_camera() -> None:
    assert first(CardFacts(paths=("DPB10/2026_1122_081500.MP4",), usb="8564:1000")).profile == "generic-dcf"


# ---- impostors, probes, globs ---------------------------------------------------------------------------------------


def test_an_impostor_is_not_taken_for_the_camera() -> None:
    card = CardFacts(usb="4255:0001", paths=("DCIM/100GOPRO/GX010001.MP4",))
    gopro = next(one for one in recognise.match(SHIPPED, card) if one.profile == "gopro-hero")
    assert not gopro.fits
    assert "Insta360 ONE RS" in gopro.missing[0]
    assert first(card).profile == "generic-dcf"


def test_impostors_by_label_and_path_must_fit_in_full() -> None:
    text = SMALLEST + "[match]\nimpostors=[{what='a viewer', label='VIEW.*', path='viewer/*.exe'}]"
    one = parse(text)
    card = CardFacts(label="VIEWER", paths=("DCIM/a", "viewer/x.exe"))
    assert recognise.match([one], card)[0].missing == ("is not this camera but a viewer",)
    assert recognise.match([one], CardFacts(label="VIEWER", paths=("DCIM/a",)))[0].fits
    assert recognise.match([one], CardFacts(label="OTHER", paths=card.paths))[0].fits


def test_a_must_probe_that_misses_is_said_and_a_hint_is_not_needed() -> None:
    hint = "\n[[probe]]\ncounts='hint'\npath=['id.txt']\nidentity=['(?P<serial>[0-9]+)']\n"
    one = parse(SMALLEST.replace("[layout]", hint + "[layout]"))
    assert recognise.match([one], CardFacts(paths=("DCIM/a",)))[0].fits
    assert recognise.match([one], CardFacts(paths=("x",)))[0].missing == ("has no DCIM",)
    read = CardFacts(paths=("DCIM/a", "id.txt"), files={"id.txt": b"no 42\n"})
    assert recognise.match([one], read)[0].identity == {"serial": "42"}


def test_only_the_first_bytes_that_were_asked_for_count() -> None:
    one = parse(SMALLEST + "[[probe]]\npath=['id']\nmax_bytes=4\nidentity=['(?P<serial>S\\d+)']".replace("\\", "\\\\"))
    card = CardFacts(paths=("DCIM/a", "id"), files={"id": b"....S1"})
    assert "does not say what" in recognise.match([one], card)[0].missing[0]


@pytest.mark.parametrize(("glob", "path", "fits"), [
    ("DCIM", "dcim/100/a.mp4", True), ("DCIM/*/a.mp4", "DCIM/1/2/a.mp4", False), ("**/*.mp4", "a.MP4", True),
    ("**/*.mp4", "x/y/a.mp4", True), ("D?IM/[0-9]*", "DCIM/100X/a", True), ("a.c", "abc", False), ("x", "y/x", False),
    ("DCIM/[0-9][0-9][0-9]GOPRO", "DCIM/ABCGOPRO/a", False),
])  # fmt: skip
def test_globs(glob: str, path: str, fits: bool) -> None:
    one = parse(SMALLEST.replace('"DCIM"', json.dumps(glob)))
    assert recognise.match([one], CardFacts(paths=(path,)))[0].fits is fits


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=9), st.text(max_size=9), st.lists(st.text(max_size=20)), st.binary(max_size=200))
def test_matching_never_raises_and_shows_only_what_is_printable(
    usb: str, label: str, paths: list[str], head: bytes
) -> None:
    files = {"camera.json": b'{"serial": "' + head + b'"', "MISC/version.txt": head}
    card = CardFacts(usb, (label,), label, (*paths, *files), files)
    for one in recognise.match(SHIPPED, card):
        assert one.fits is (not one.missing)
        assert all(value.isprintable() for value in one.identity.values())
