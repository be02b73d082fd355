"""Cards as real cameras write them, with real footage: everything is delivered, grouped, and left as it was."""

from pathlib import Path, PurePosixPath

import pytest

from tests.corpus import corpus
from tests.ingest.bench import Station, assert_delivered, place, sha256, tree
from tests.ingest.cards import PULLED, Layout, layouts

CAMERAS = (
    "GoPro HERO9 Black",
    "BlackVue Elite 9 (2 channel)",
    "VIOFO A329S (3 channel)",
    "Sony A7 III, XAVC S",
    "70mai M310",
    "Sony AVCHD",
    "DJI Mavic 3 / Mini 4 Pro",
    "Axis body-worn system, upload containers (not a card)",
    "Canon EOS stills + movie",
)
BELONGS = {
    "DCIM/100GOPRO/GH010001.THM": "DCIM/100GOPRO/GH010001.MP4",
    "DCIM/100GOPRO/GL010001.LRV": "DCIM/100GOPRO/GH010001.MP4",
    "PRIVATE/M4ROOT/CLIP/C0001M01.XML": "PRIVATE/M4ROOT/CLIP/C0001.MP4",
    "PRIVATE/M4ROOT/THMBNL/C0001T01.JPG": "PRIVATE/M4ROOT/CLIP/C0001.MP4",
    "PRIVATE/AVCHD/BDMV/CLIPINF/00000.CPI": "PRIVATE/AVCHD/BDMV/STREAM/00000.MTS",
    "DCIM/DJI_001/DJI_20250925130032_0001_D.SRT": "DCIM/DJI_001/DJI_20250925130032_0001_D.MP4",
    "DCIM/DJI_001/DJI_20250925130032_0001_D.LRF": "DCIM/DJI_001/DJI_20250925130032_0001_D.MP4",
    "REC1/REC1.20250619_160400_ab12.mkv.metadata.json": "REC1/20250619_160400_ab12.mkv",
    "REC1/20250619_160400_ab12_bwc01_gpstrail.json": "REC1/20250619_160400_ab12.mkv",
}


CONTAINERS = (
    *(
        "bbb-480p-30s.mp4",
        "apple-screen.mov",
        "camera-mjpeg.avi",
        "segment.ts",
        "hevc.mp4",
        "avc.mkv",
        "rotation90.mp4",
    ),
    *("h263.3gp", "amr-nb.3gp", "voice-8khz.wav", "bext.wav", "m2ts-head.mts", "fragmented.mp4", "frag/1.m4s"),
    *("short-cenc.mp4", "headers/QuickTime.mov"),
)


def layout_of(camera: str) -> Layout:
    return next(one for one in layouts() if one.camera == camera)


def test_every_layout_of_the_corpus_is_here() -> None:
    assert {one.camera for one in layouts()} == set(CAMERAS)


@pytest.mark.parametrize("camera", CAMERAS)
def test_a_real_layout_is_delivered_and_grouped(camera: str, tmp_path: Path) -> None:
    card, station, layout = tmp_path / "card", Station(tmp_path / "dock"), layout_of(camera)
    layout.build(card)
    before = tree(card)
    run = station.ingest(card)
    assert run.code == 0, (run.out, run.err)
    assert tree(card) == before
    pulled = {path for path, role in layout.roles.items() if role in PULLED}
    assert set(run.rows) == pulled
    assert {path: row["role"] for path, row in run.rows.items()} == {path: layout.roles[path] for path in pulled}
    assert_delivered(run, card, station)
    for group in layout.groups:
        assert len({run.rows[path]["recording"] for path in group}) == 1, group
    assert {path: run.rows[path]["belongs_to"] for path in BELONGS if path in pulled} == {
        path: clip for path, clip in BELONGS.items() if path in pulled
    }
    left_out = {path: role for path, role in layout.roles.items() if role not in PULLED}
    assert {path: row["role"] for path, row in run.skipped.items()} == left_out
    assert all(row["reason"] for row in run.skipped.values())
    stored = {sha256(path) for path in station.store.rglob("*") if path.is_file()}
    assert not stored & {sha256(card / path) for path in left_out}
    assert not station.spooled()


def test_a_gopro_card_with_a_proxy_and_an_orphan_thumbnail(tmp_path: Path) -> None:
    card, station = tmp_path / "card", Station(tmp_path / "dock", previews=True)
    place(card, "MISC/version.txt", corpus("footage", "gopro-version.txt").read_bytes())
    for name, source in (
        ("GX012297.MP4", "hero5-trimmed.mp4"),
        ("GL012297.LRV", "GL012297.LRV"),
        ("GX012299.THM", "GX012299.THM"),
    ):
        place(card, f"DCIM/100GOPRO/{name}", corpus("footage", source).read_bytes())
    run = station.ingest(card)
    assert run.code == 0, run.out
    assert run.report["camera"]["profile"] == "gopro-hero"
    assert run.report["camera"]["serial"]
    assert "orphan-thumbnail" in run.codes
    assert run.rows["DCIM/100GOPRO/GL012297.LRV"]["belongs_to"] == "DCIM/100GOPRO/GX012297.MP4"
    assert run.rows["DCIM/100GOPRO/GX012299.THM"]["belongs_to"] == ""
    assert_delivered(run, card, station)
    previews = {path.name for path in station.store.rglob("preview/*")}
    assert previews == {"sprite.jpg", "storyboard.vtt", "proxy.mp4"}
    station.verify()


def test_every_container_of_the_corpus_with_previews(tmp_path: Path) -> None:
    card, station = tmp_path / "card", Station(tmp_path / "dock", previews=True)
    sources = [corpus("footage", name) for name in CONTAINERS]
    for source in sources:
        place(card, f"DCIM/100VIDEO/{source.name}", source.read_bytes())
    before = tree(card)
    run = station.ingest(card)
    assert run.code in (0, 3), run.err
    assert len(run.rows) == len(CONTAINERS)
    assert set(run.states().values()) == {"delivered"}
    assert_delivered(run, card, station)
    assert tree(card) == before
    with_proxy = {path.parent.parent.name for path in station.store.rglob("preview/proxy.mp4")}
    ids = {PurePosixPath(path).name: row["clip_id"] for path, row in run.rows.items()}
    for name in ("bbb-480p-30s.mp4", "apple-screen.mov", "camera-mjpeg.avi", "segment.ts", "hevc.mp4", "avc.mkv"):
        assert ids[name] in with_proxy, name
    told = {finding["path"] for finding in run.report["findings"] if finding["code"] == "preview"}
    for name in ("bext.wav", "short-cenc.mp4", "1.m4s"):
        assert f"DCIM/100VIDEO/{name}" in told, name
    station.verify()
