"""Signatures are read by a child with next to no rights: every clip of the corpus, the published ones and C2PA."""

import shutil
import subprocess
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.core.stream.containers import container_of
from dockagent.core.stream.in_stream import AXIS, C2PA, ONVIF, InStream
from dockagent.media.in_stream import in_stream
from hil.cameras.signed_video import Style, joined, sign
from tests.corpus import corpus
from tests.in_stream import made
from tests.in_stream.made import AT_MS, identity
from tests.media.test_samples import FOUND

SIGNED = {
    "signed/axis/signed_test_h264.mp4": AXIS,
    "signed/onvif/test_signed_h264.mp4": ONVIF,
    "signed/c2pa/video1.mp4": C2PA,
}
ROOT_BUNDLE = ("signed", "c2pa", "test_cert_root_bundle.pem")


def read(clip: Path, *roots: Path) -> InStream:
    return in_stream(clip, clip.stat().st_size, roots, AT_MS, SystemClock())


@pytest.mark.parametrize("name", FOUND)
def test_every_clip_of_the_corpus(name: str) -> None:
    found = read(corpus(*name.split("/")))
    expected = [SIGNED[name]] if name in SIGNED else []
    assert [one.format for one in found.signatures] == expected
    assert found.quarantine_reason == ""
    assert not found.why or FOUND[name] != [720, 1408]
    assert found.why.startswith("signatures in its stream were not looked for: ") or not found.why


@pytest.mark.parametrize(
    ("muxer", "name"),
    [
        ("avi", "AVI"),
        ("matroska", "Matroska or WebM"),
        ("mpegts", "MPEG-TS"),
        ("vob", "MPEG program stream"),
    ],
)
def test_a_container_that_is_not_looked_into_is_named(tmp_path: Path, muxer: str, name: str) -> None:
    """The same signed pictures, in a container that nobody reads: never "there are none"."""
    clip, source = tmp_path / "clip", corpus(*made.ONVIF_FILE)
    words = ["ffmpeg", "-v", "error", "-i", str(source), "-map", "0:v", "-c", "copy", "-f", muxer, str(clip)]
    subprocess.run(words, check=True, timeout=60)
    found = read(clip)
    assert found.why.endswith(f"not looked into is its container, {name}")
    assert (found.signatures, found.doubt) == ((), False)


def test_a_broadcast_stream_with_time_codes_is_one_too() -> None:
    packets = b"".join(bytes(4) + b"\x47" + bytes([number]) * 187 for number in range(4))
    assert container_of(packets[:588]) == "MPEG-TS"
    assert container_of(packets[:388]) == ""


def test_an_avi_is_not_looked_into() -> None:
    assert read(corpus("footage", "camera-mjpeg.avi")).why.endswith("its container, AVI")


@pytest.mark.parametrize("name", ["footage/voice-8khz.wav", "hostile/riff_bomb_1000.wav"])
def test_a_file_that_holds_no_such_stream_needs_no_child(name: str) -> None:
    assert read(corpus(*name.split("/"))) == InStream()


def test_the_published_files_in_the_child() -> None:
    (axis,) = read(corpus(*made.AXIS_FILE)).signatures
    assert (axis.covered, axis.pictures, axis.verdicts.signature, axis.verdicts.signer) == (256, 256, "pass", "unknown")
    (onvif,) = read(corpus(*made.ONVIF_FILE), corpus("signed", "onvif", "ca.pem")).signatures
    assert (onvif.covered, onvif.verdicts.intact, onvif.verdicts.signer) == (256, "pass", "pass")


@pytest.mark.parametrize("h265", [False, True])
def test_a_raw_stream(tmp_path: Path, h265: bool) -> None:
    clip = tmp_path / "BWC0001.264"
    clip.write_bytes(sign(made.filmed(h265=h265), Style("axis"), identity().key, h265=h265))
    (one,) = read(clip).signatures
    assert (one.covered, one.pictures, one.track) == (45, 45, 0)


def test_a_stream_that_takes_the_child_with_it_is_a_reason(tmp_path: Path) -> None:
    """Messages of more memory than a child has would end it; it refuses them before."""
    clip = tmp_path / "BWC0001.264"
    message = b"\x06\x05" + b"\xff" * 4000 + b"\x10" + b"Signed Video...0" + b"\x09" * 1_000_000 + b"\x80"
    clip.write_bytes(joined([b"\x67\x42\x00\x1e", *[message] * 80]))
    found = read(clip)
    assert found.doubt
    assert "messages that sign" in found.why


def c2pa() -> None:
    pytest.importorskip("c2pa", reason="the extra c2pa is not installed")


def test_c2pa_is_validated_where_its_library_is() -> None:
    c2pa()
    clip = corpus("signed", "c2pa", "video1.mp4")
    (alone,) = read(clip).signatures
    assert (alone.verdicts.intact, alone.verdicts.signature, alone.verdicts.signer) == ("unknown", "pass", "unknown")
    assert "says Valid" in alone.verdicts.reasons["intact"]
    (trusted,) = read(clip, corpus(*ROOT_BUNDLE)).signatures
    assert (trusted.verdicts.intact, trusted.verdicts.signature, trusted.verdicts.signer) == ("pass", "pass", "pass")
    assert any("free" in line and "ftyp" in line for line in trusted.outside)
    assert any("additionalExclusionsPresent" in line for line in trusted.noticed)


def test_c2pa_over_altered_pictures_is_refuted(tmp_path: Path) -> None:
    c2pa()
    clip = tmp_path / "altered.mp4"
    data = bytearray(corpus("signed", "c2pa", "video1.mp4").read_bytes())
    data[data.index(b"mdat") + 100_000] ^= 1
    clip.write_bytes(data)
    found = read(clip, corpus(*ROOT_BUNDLE))
    (one,) = found.signatures
    assert one.verdicts.intact == "fail" and "bmffHash.mismatch" in one.verdicts.reasons["intact"]
    assert "C2PA" in found.quarantine_reason


def test_c2pa_does_not_cover_a_box_that_it_excludes(tmp_path: Path) -> None:
    """A known property of the format, shown and told: the whole-file digest is what covers these bytes."""
    c2pa()
    clip = tmp_path / "altered.mp4"
    data = bytearray(corpus("signed", "c2pa", "video1.mp4").read_bytes())
    assert data[4:8] == b"ftyp"
    data[20] ^= 1
    clip.write_bytes(data)
    (one,) = read(clip, corpus(*ROOT_BUNDLE)).signatures
    assert one.verdicts.intact == "pass" and any("exclusions" in line for line in one.outside)


@pytest.mark.parametrize("damage", ["cut", "zeroed"])
def test_a_broken_c2pa_manifest_never_passes(tmp_path: Path, damage: str) -> None:
    c2pa()
    data = bytearray(corpus("signed", "c2pa", "video1.mp4").read_bytes())
    at = data.index(bytes.fromhex("d8fec3d61b0e483c92975828877ec481"))
    data[at + 500 : at + 900] = bytes(400) if damage == "zeroed" else data[at + 100 : at + 500]
    clip = tmp_path / "broken.mp4"
    clip.write_bytes(data)
    (one,) = read(clip, corpus(*ROOT_BUNDLE)).signatures
    assert one.format == C2PA and one.verdicts.intact != "pass" and one.verdicts.signature != "pass"


def test_a_name_that_steers_nothing(tmp_path: Path) -> None:
    clip = tmp_path / "-a%d \udc80.mp4"
    shutil.copy(corpus(*made.AXIS_FILE), clip)
    assert read(clip).signatures[0].covered == 256
