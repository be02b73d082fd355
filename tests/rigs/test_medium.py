"""Cards as media: what other people's programs find on them, and where the contents of files lie."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hil.cameras.plate import Plate
from hil.cameras.specimen import Specimen, UsbPlate
from hil.rigs.extents import SECTOR, contents
from hil.rigs.medium import FILESYSTEMS, MIB, Medium, NotMade, copy_sparse, digest, lacks, medium_of

TAKEN = datetime(2026, 7, 4, 12, 30, 20, tzinfo=UTC).timestamp()
FILES = {
    "DCIM/100CAM/A clip with a long name.MP4": os.urandom(3 * MIB + 77),
    "DCIM/100CAM/GH010001.MP4": os.urandom(MIB),
    "DCIM/100CAM/ümlaut [1].THM": b"thumb" * 100,
    "MISC/empty": b"",
    ".hidden/version.txt": b"1.0\n",
}


@pytest.fixture(params=FILESYSTEMS)
def camera(request: pytest.FixtureRequest, tmp_path: Path) -> Specimen:
    if why := lacks(request.param):
        pytest.skip(why)
    for name, data in FILES.items():
        path = tmp_path / "card" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (TAKEN, TAKEN))
    return Specimen("one", Plate(), UsbPlate(1, 2), tmp_path / "card", request.param, "BWCAM")


def kernel_mounts(filesystem: str) -> bool:
    return os.geteuid() == 0 and f"\t{filesystem}\n" in Path("/proc/filesystems").read_text()


@contextmanager
def mounted(image: Path, filesystem: str, place: Path) -> Iterator[Path]:
    place.mkdir()
    options = {"vfat": ",utf8=1,tz=UTC", "exfat": ",iocharset=utf8"}.get(filesystem, ",noload")
    subprocess.run(["mount", "-t", filesystem, "-o", f"ro,loop{options}", image, place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def test_the_kernel_finds_all_files_with_their_times(camera: Specimen, tmp_path: Path) -> None:
    if not kernel_mounts(camera.filesystem):
        pytest.skip(f"this kernel cannot mount {camera.filesystem}, or we are not root: run it in the guest")
    medium = medium_of(camera, tmp_path / "media", partitioned=False)
    with mounted(medium.path, camera.filesystem, tmp_path / "mnt") as place:
        found = {str(path.relative_to(place)): path for path in place.rglob("*") if path.is_file()}
        assert {name: path.read_bytes() for name, path in found.items()} == FILES
        assert {path.stat().st_mtime for path in found.values()} == {TAKEN}


def test_it_has_a_label_and_a_partition_or_none(camera: Specimen, tmp_path: Path) -> None:
    bare, cut = (medium_of(camera, tmp_path / "media", partitioned=one) for one in (False, True))
    assert _blkid(bare.path, 0) == {"TYPE": camera.filesystem, "LABEL": "BWCAM"}
    assert _blkid(cut.path, MIB) == {"TYPE": camera.filesystem, "LABEL": "BWCAM"}
    shown: list[str | Path] = ["partx", "--show", "--noheadings", "--output", "NR,START,END,SCHEME", cut.path]
    said = subprocess.run(shown, capture_output=True, text=True, check=True).stdout
    assert said.split() == ["1", "2048", str(cut.sectors - 1), "dos"]


def _blkid(image: Path, offset: int) -> dict[str, str]:
    command = ["blkid", "-p", "-O", str(offset), "-s", "TYPE", "-s", "LABEL", "-o", "export", str(image)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {key: value for key, _, value in (line.partition("=") for line in text.split()) if key != "DEVNAME"}


@pytest.mark.parametrize("partitioned", [False, True])
def test_the_contents_of_files_lie_where_it_says_and_nowhere_else(
    camera: Specimen, tmp_path: Path, partitioned: bool
) -> None:
    medium = medium_of(camera, tmp_path / "media", partitioned=partitioned)
    assert medium.contents is not None
    with medium.path.open("rb") as file:
        found = b"".join(os.pread(file.fileno(), len(part) * SECTOR, part.start * SECTOR) for part in medium.contents)
    assert all(data in found for data in FILES.values())
    whole = sum(-(-len(data) // 4096) * 4096 for data in FILES.values())
    assert len(found) <= whole
    assert all(one.stop < other.start for one, other in zip(medium.contents, medium.contents[1:], strict=False))


def test_a_medium_is_made_once_for_a_card(camera: Specimen, tmp_path: Path) -> None:
    first = medium_of(camera, tmp_path / "media")
    made = first.path.stat()
    assert medium_of(camera, tmp_path / "media") == first and first.path.stat() == made
    (camera.card / ".hidden" / "version.txt").write_bytes(b"1.1\n")
    assert medium_of(camera, tmp_path / "media").path != first.path
    assert medium_of(replace(camera, label="OTHER"), tmp_path / "media").path != first.path
    assert not list((tmp_path / "media").glob("making-*"))


def test_it_is_sparse_and_its_digest_sees_every_bit(camera: Specimen, tmp_path: Path) -> None:
    medium = medium_of(camera, tmp_path / "media")
    assert medium.path.stat().st_blocks * 512 < medium.sectors * SECTOR / 2
    copy = tmp_path / "copy.img"
    copy_sparse(medium.path, copy)
    assert copy.read_bytes() == medium.path.read_bytes()
    assert digest(copy) == digest(medium.path)
    with copy.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\0")
    assert digest(copy) == digest(medium.path)
    with copy.open("r+b") as file:
        file.seek(50 * MIB + 5)
        old = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes((old ^ 1,)))
    assert digest(copy) != digest(medium.path)


def test_a_ready_made_medium_is_used_as_it_is(camera: Specimen, tmp_path: Path) -> None:
    made = medium_of(camera, tmp_path / "media")
    given = medium_of(replace(camera, image=made.path), tmp_path / "other")
    assert given.path == made.path and not (tmp_path / "other").exists()
    assert given == made or camera.filesystem == "ext4"  # of a foreign ext4 nobody knows
    nothing = tmp_path / "nothing.img"
    nothing.write_bytes(bytes(MIB))
    assert medium_of(replace(camera, image=nothing), tmp_path) == Medium(nothing, None)


def test_small_fat_file_systems_are_understood_too(tmp_path: Path) -> None:
    if why := lacks("vfat"):
        pytest.skip(why)
    (tmp_path / "file.bin").write_bytes(data := os.urandom(100_000))
    for bits, size in (("12", MIB), ("16", 16 * MIB)):
        image = tmp_path / f"fat{bits}.img"
        image.write_bytes(bytes(size))
        subprocess.run(["mkfs.vfat", "-F", bits, image], check=True, capture_output=True)
        subprocess.run(["mcopy", "-i", image, tmp_path / "file.bin", "::"], check=True)
        (part,) = contents(image) or ()
        assert image.read_bytes()[part.start * SECTOR :][: len(data)] == data


def test_what_cannot_be_made_is_refused(tmp_path: Path) -> None:
    camera = Specimen("one", Plate(), UsbPlate(1, 2), tmp_path, "ntfs")
    with pytest.raises(ValueError, match="ntfs"):
        medium_of(camera, tmp_path / "media")


def test_a_card_that_cannot_be_made_is_told_with_a_reason(tmp_path: Path) -> None:
    """FAT takes both names for one; mcopy(1) then asks what to do, hears nothing, and ends without a word."""
    if why := lacks("vfat"):
        pytest.skip(why)
    (tmp_path / "card" / "DCIM").mkdir(parents=True)
    for name in ("CLIP.MP4", "clip.mp4"):
        (tmp_path / "card" / "DCIM" / name).write_bytes(b"x")
    camera = Specimen("one", Plate(), UsbPlate(0, 0), tmp_path / "card", "vfat", "BWCAM")
    reason = "mcopy ended with 1: it did not say why; has the card one name twice?"
    with pytest.raises(NotMade, match=reason):
        medium_of(camera, tmp_path / "media")
    assert [path.name for path in (tmp_path / "media").iterdir()] == []
