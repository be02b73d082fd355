"""The inventory of a card: roles and takes of real card layouts, order, findings, and that nothing is ever lost."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockagent.core import paths
from dockagent.core.camera import inventory, layout, profile, recognise
from dockagent.core.camera.inventory import FileFact, Finding, Inventory, take
from tests.corpus import corpus

FOLDER = Path(__file__).resolve().parents[2] / "firmware_profiles"
SHIPPED = {path.stem: profile.parse(path.read_bytes(), path.name) for path in FOLDER.glob("*.toml")}
REFERENCE, GOPRO, GENERIC = (SHIPPED[name] for name in ("reference-signed", "gopro-hero", "generic-dcf"))
CARDS = (
    "GoPro HERO9 Black", "BlackVue Elite 9 (2 channel)", "VIOFO A329S (3 channel)", "Sony A7 III, XAVC S", "70mai M310",
    "Sony AVCHD", "DJI Mavic 3 / Mini 4 Pro", "Axis body-worn system, upload containers (not a card)",
    "Canon EOS stills + movie",
)  # fmt: skip

OWN = {
    "GoPro HERO9 Black": "gopro-hero", "BlackVue Elite 9 (2 channel)": "blackvue",
    "VIOFO A329S (3 channel)": "novatek-dcf", "DJI Mavic 3 / Mini 4 Pro": "dji",
}  # fmt: skip


def listed(*names: str, size: int = 10) -> list[FileFact]:
    return [FileFact(name, size, 1000 * count) for count, name in enumerate(names)]


def roles(taken: Inventory) -> Mapping[str, str]:
    return {one.path: one.role for one in taken.entries} | {one.path: one.role for one in taken.skipped}


def codes(taken: Inventory) -> list[str]:
    return [one.code for one in taken.findings]


def finding(taken: Inventory, code: str) -> Finding:
    (one,) = [one for one in taken.findings if one.code == code]
    return one


def card(name: str) -> dict[str, Any]:
    cards: list[dict[str, Any]] = json.loads(corpus("card-layouts", "layouts-dev.json").read_bytes())["cards"]
    assert {one["camera"] for one in cards} == set(CARDS)
    return next(one for one in cards if one["camera"] == name)


# ---- real cards -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CARDS)
def test_every_file_of_a_real_card_has_its_role(name: str) -> None:
    files = card(name)["files"]
    wanted = {one["path"]: one["role"].removesuffix("-do-not-upload") for one in files}
    best = recognise.match(SHIPPED.values(), recognise.CardFacts(paths=tuple(wanted)))[0]
    assert best.profile == OWN.get(name, "generic-dcf")
    for used in {best.profile, "generic-dcf"}:
        taken = take(SHIPPED[used], listed(*wanted))
        assert roles(taken) == wanted
        assert all(one.reason for one in taken.skipped)
        assert {one.role for one in taken.skipped} <= {"os-junk", "private", "camera-owned"}


@pytest.mark.parametrize("name", [name for name in CARDS if name not in ("70mai M310", "Sony AVCHD")])
def test_what_was_one_take_is_one_recording(name: str) -> None:
    one = card(name)
    for used in {OWN.get(name, "generic-dcf"), "gopro-hero" if name.startswith("GoPro") else "generic-dcf"}:
        are_grouped(one, take(SHIPPED[used], listed(*(file["path"] for file in one["files"]))))


def are_grouped(one: Mapping[str, Any], taken: Inventory) -> None:
    entries = {entry.path: entry for entry in taken.entries}
    groups = one.get("groups", [])
    takes = [{entries[path].recording for path in group} for group in groups]
    assert all(len(one) == 1 for one in takes)
    assert len({next(iter(one)) for one in takes}) == len(groups)
    for entry in taken.entries:
        owner = entries.get(entry.belongs_to)
        assert owner is None or (owner.role == "footage" and owner.recording == entry.recording)
        assert entry.role not in ("proxy", "thumbnail") or owner is not None


@pytest.mark.parametrize(("path", "clip"), [
    ("DCIM/DJI_001/DJI_20250925130032_0001_D.SRT", "DCIM/DJI_001/DJI_20250925130032_0001_D.MP4"),
    ("PRIVATE/M4ROOT/THMBNL/C0001T01.JPG", "PRIVATE/M4ROOT/CLIP/C0001.MP4"),
    ("PRIVATE/M4ROOT/SUB/C0001S03.MP4", "PRIVATE/M4ROOT/CLIP/C0001.MP4"),
    ("PRIVATE/AVCHD/BDMV/CLIPINF/00000.CPI", "PRIVATE/AVCHD/BDMV/STREAM/00000.MTS"),
    ("REC1/REC1.20250619_160400_ab12.mkv.metadata.json", "REC1/20250619_160400_ab12.mkv"),
    ("REC1/20250619_160400_ab12_bwc01_gpstrail.json", "REC1/20250619_160400_ab12.mkv"),
    ("BlackVue/Record/20260505_090047_N.3gf", "BlackVue/Record/20260505_090047_NF.mp4"),
    ("DCIM/100BWC/A.GPS", "DCIM/100BWC/a.mp4"),
])  # fmt: skip
def test_generic_sidecars_find_their_clip(path: str, clip: str) -> None:
    taken = take(GENERIC, listed(path, clip))
    assert [(one.path, one.belongs_to) for one in taken.entries] == [(clip, ""), (path, clip)]
    assert taken.findings == ()


@pytest.mark.parametrize(("path", "clip"), [
    ("GL012297.LRV", "GX012297.MP4"), ("GX012297.THM", "GX012297.MP4"), ("GX012297.WAV", "GX012297.MP4"),
    ("GLAB9555.LRV", "GXAB9555.MP4"), ("GOPR0002.THM", "GOPR0002.MP4"), ("GP010002.LRV", "GP010002.MP4"),
])  # fmt: skip
def test_gopro_sidecars_find_their_clip(path: str, clip: str) -> None:
    folder = "DCIM/100GOPRO/"
    taken = take(GOPRO, listed(folder + path, folder + clip, folder + "GX019999.MP4"))
    assert {one.path: one.belongs_to for one in taken.entries}[folder + path] == folder + clip


def test_every_footage_file_of_the_corpus_is_pulled_as_what_it_is() -> None:
    root = corpus("footage")
    names = [str(path.relative_to(root)) for path in sorted(root.rglob("*")) if path.is_file()]
    taken = roles(take(GENERIC, listed(*names)))
    others = {name: role for name, role in taken.items() if role != "footage"}
    assert others == {"GL012297.LRV": "proxy", "GX012299.THM": "thumbnail", "gopro-version.txt": "other"}
    assert len(taken) - len(others) >= 20


def test_hostile_names_are_pulled_like_any_other() -> None:
    naughty = json.loads(corpus("hostile", "blns.json").read_bytes())
    names = sorted({paths.to_text(name.encode()) + ".mp4" for name in naughty})
    taken = take(GENERIC, listed(*names))
    assert len(taken.entries) + len(taken.skipped) == len(names)
    assert all("private" in one.role or "junk" in one.role for one in taken.skipped)
    assert "name-unprintable" in codes(taken)


# ---- rules ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [
    ".Spotlight-V100/x", ".fseventsd/y", "System Volume Information/WPSettings.dat", "LOST.DIR/1",
    "$RECYCLE.BIN/S-1/x.mp4",
    ".Trashes/501/x.mp4", "DCIM/100BWC/._BWC0001_20261122T081500Z.MP4", ".DS_Store", "DCIM/Thumbs.db",
])  # fmt: skip
def test_what_computers_leave_is_junk_on_every_card(name: str) -> None:
    for one in SHIPPED.values():
        (skipped,) = take(one, listed(name)).skipped
        assert (skipped.role, bool(skipped.reason)) == ("os-junk", True)


@pytest.mark.parametrize(
    "name", ["FSCK0000.REC", "FOUND.000/FILE0000.CHK", "BWC0001", "notes.txt", "x/y.unknown", "%FF"]
)
def test_what_no_rule_names_is_pulled_as_other(name: str) -> None:
    for one in SHIPPED.values():
        (entry,) = take(one, listed(name)).entries
        assert (entry.role, entry.recording) == ("other", name)


@pytest.mark.parametrize("name", [
    "BlackVue/Config/config.ini", "BlackVue/Config/bt_ssid.bin", "wifi.conf", "cfg/WLAN_setup.xml", "system/config.ini",
])  # fmt: skip
def test_network_secrets_never_leave_the_card(name: str) -> None:
    (skipped,) = take(GENERIC, listed(name)).skipped
    assert skipped.role == "private"


def test_the_reference_card() -> None:
    stem = "DCIM/100BWC/BWC0001_20261122T081500Z"
    names = ["camera.json", "manifest.dsse.json", "chain.pem", f"{stem}.THM", f"{stem}.GPS", f"{stem}.MP4"]
    taken = take(REFERENCE, listed(*names))
    assert [(one.path, one.role, one.belongs_to) for one in taken.entries] == [
        (f"{stem}.MP4", "footage", ""),
        (f"{stem}.GPS", "sidecar", f"{stem}.MP4"),
        (f"{stem}.THM", "thumbnail", f"{stem}.MP4"),
    ]
    assert [one.role for one in taken.skipped] == ["camera-owned"] * 3
    assert taken.findings == ()


def test_flagged_first_then_oldest_first_and_recordings_together() -> None:
    folder = "DCIM/Movie/"
    facts = [
        FileFact("DCIM/Photo/old.JPG", 1, 0),
        FileFact(folder + "2026_0601_170000_000003R.MP4", 1, 9000),
        FileFact(folder + "2026_0601_160000_000001F.MP4", 1, 1000),
        FileFact(folder + "2026_0601_170000_000002F.MP4", 1, 2000),
        FileFact(folder + "2026_0601_160000_000001F.SRT", 1, 500),
        FileFact("DCIM/Movie/RO/2026_0601_180000_000009F.MP4", 1, 99_000),
    ]
    taken = take(GENERIC, facts)
    assert [one.path.rpartition("/")[2] for one in taken.entries] == [
        "2026_0601_180000_000009F.MP4",
        "2026_0601_160000_000001F.MP4",
        "2026_0601_160000_000001F.SRT",
        "2026_0601_170000_000002F.MP4",
        "2026_0601_170000_000003R.MP4",
        "old.JPG",
    ]
    assert [one.order for one in taken.entries] == list(range(6))
    assert [one.flagged for one in taken.entries] == [True, False, False, False, False, False]


def test_chapters_are_pulled_in_their_order() -> None:
    folder = "DCIM/100GOPRO/"
    taken = take(GOPRO, listed(folder + "GP020007.MP4", folder + "GP010007.MP4", folder + "GOPR0007.MP4"))
    assert [one.chapter for one in taken.entries] == [0, 1, 2]
    assert len({one.recording for one in taken.entries}) == 1
    assert taken.findings == ()


# ---- findings -------------------------------------------------------------------------------------------------------


def test_orphans_are_pulled_and_said() -> None:
    folder = "DCIM/100GOPRO/"
    taken = take(GOPRO, listed(folder + "GX012299.THM", folder + "GL012299.LRV"))
    assert len(taken.entries) == 2
    assert [one.belongs_to for one in taken.entries] == ["", ""]
    assert len({one.recording for one in taken.entries}) == 1
    assert finding(taken, "orphan-thumbnail").path == folder + "GX012299.THM"
    assert finding(taken, "orphan-proxy").severity == "notice"


def test_missing_chapters() -> None:
    folder = "DCIM/100GOPRO/"
    taken = take(GOPRO, listed(*(f"{folder}GX{chapter}0005.MP4" for chapter in ("01", "03", "07"))))
    texts = [one.text for one in taken.findings]
    assert texts == [
        "recording DCIM/100GOPRO/0005: chapter 2 is not on the card",
        "recording DCIM/100GOPRO/0005: chapters 4 to 6 are not on the card",
    ]
    assert "chapter 1 is not" in finding(take(GOPRO, listed(folder + "GX020005.MP4")), "missing-chapter").text
    assert "chapter 0 is not" in finding(take(GOPRO, listed(folder + "GP010005.MP4")), "missing-chapter").text


def test_counter_gaps_are_a_warning_where_the_camera_never_leaves_one() -> None:
    names = [f"DCIM/{folder}BWC/BWC{count:04}_20261122T0815{count:02}Z.MP4" for folder, count in ((100, 3), (101, 6))]
    found = finding(take(REFERENCE, listed(*names, "manifest.dsse.json", "chain.pem")), "counter-gap")
    assert (found.text, found.severity) == (
        "the camera's counter jumps: numbers 4 to 5 are not on the card", "warning"
    )  # fmt: skip


def test_a_card_without_its_manifest_is_said() -> None:
    taken = take(REFERENCE, listed("camera.json", "MANIFEST.DSSE.JSON"))
    assert finding(taken, "manifest-missing").path == "chain.pem"


@pytest.mark.parametrize(("numbers", "wraps", "gaps"), [
    ([], 0, ()), ([5], 0, ()), ([1, 2, 3], 0, ()), ([1, 3], 0, ((2, 2),)), ([3, 9, 4, 4], 0, ((5, 8),)),
    ([], 9999, ()), ([5], 9999, ()), ([9998, 9999, 1, 2], 9999, ()), ([9998, 2], 9999, ((9999, 1),)),
    ([9997, 9999, 1], 9999, ((9998, 9998),)), ([62, 826], 999_999, ((63, 825),)), ([0, 2], 9, ((1, 1),)),
    ([8, 12], 9, ((9, 11),)),
])  # fmt: skip
def test_holes(numbers: list[int], wraps: int, gaps: tuple[tuple[int, int], ...]) -> None:
    assert inventory.holes(numbers, wraps) == gaps


def test_what_the_listing_itself_shows() -> None:
    facts = [
        *listed("DCIM/A.MP4", "DCIM/a.mp4", "DCIM/B.MP4", "DCIM/B.MP4", "DCIM/%FF.MP4", "DCIM/%0A.MP4", "DCIM/%25.MP4"),
        FileFact("DCIM/zero.MP4", 0, 0),
    ]
    taken = take(GENERIC, facts)
    assert sorted(codes(taken)) == ["case-collision", "empty-clip", "listed-twice", "name-not-utf8", "name-unprintable"]
    assert finding(taken, "name-unprintable").path == "DCIM/%0A.MP4"
    assert finding(taken, "name-not-utf8").path == "DCIM/%FF.MP4"
    assert finding(taken, "empty-clip").path == "DCIM/zero.MP4"
    assert finding(taken, "listed-twice").severity == "warning"
    assert len(taken.entries) == 7


def test_findings_of_one_kind_are_counted_not_poured_out() -> None:
    taken = take(GENERIC, [FileFact(f"{count}.mp4", 0, 0) for count in range(1000)])
    assert codes(taken) == ["empty-clip"] * (inventory.FINDINGS_EACH + 1)
    assert taken.findings[-1].text == f"and {1000 - inventory.FINDINGS_EACH} more of the same kind"


# ---- for every card -------------------------------------------------------------------------------------------------

_names = st.one_of(
    st.binary(min_size=1, max_size=12).map(paths.to_text),
    st.from_regex(r"\ADCIM/10[01]GOPRO/G[XHLP][0A]\d000[1-3]\.(MP4|LRV|THM|WAV)\Z"),
    st.from_regex(r"\ADCIM/10[01]BWC/BWC000\d_20261122T08150\dZ\.(MP4|GPS|THM)\Z"),
    st.sampled_from(["._x", "config.ini", "MISC/version.txt", "PRIVATE/M4ROOT/CLIP/C0001M01.XML", ""]),
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(list(SHIPPED.values())),
    st.lists(st.builds(FileFact, _names, st.integers(0, 9), st.integers(-5, 5)), max_size=30),
)
def test_every_file_ends_up_exactly_once(used: profile.Profile, files: list[FileFact]) -> None:
    taken = take(used, files)
    got = [*(one.path for one in taken.entries), *(one.path for one in taken.skipped)]
    assert sorted(got) == sorted({file.path for file in files})
    entries = {one.path: one for one in taken.entries}
    for entry in taken.entries:
        if entry.belongs_to:
            owner = entries[entry.belongs_to]
            assert owner.role == "footage"
            assert owner.order < entry.order
            assert owner.recording == entry.recording
    assert msgspec.json.decode(msgspec.json.encode(taken), type=Inventory) == taken


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.builds(FileFact, _names, st.integers(0, 9), st.integers(0, 5)), unique_by=lambda one: one.path),
    st.randoms(),
)
def test_the_order_of_the_listing_does_not_matter(files: list[FileFact], random: Any) -> None:
    shuffled = files.copy()
    random.shuffle(shuffled)
    keys = [layout.reader(GOPRO)(one.path).key for one in files]
    if len(set(filter(None, keys))) == len(list(filter(None, keys))):  # else the first clip of a key has its sidecars
        assert take(GOPRO, files).entries == take(GOPRO, shuffled).entries


def test_ten_thousand_files_take_well_under_two_seconds() -> None:
    names = [
        f"DCIM/{100 + n // 999}BWC/BWC{n:04}_20261122T081500Z.{kind}"
        for n in range(2500)
        for kind in ("MP4", "THM", "GPS")
    ]
    names += [f"LOG/{n}.dat" for n in range(2500)]
    for used in (GENERIC, REFERENCE):
        started = time.process_time()
        taken = take(used, listed(*names))
        assert time.process_time() - started < 2
        assert len(taken.entries) == 10_000
