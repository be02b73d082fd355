"""MassStorage on real loop devices: whatever happens, not one bit of the card changes."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from dockagent.errors import Gone, Permanent, Retryable, UsageError
from dockagent.transports.isolated import IsolatedFootage
from dockagent.transports.mass_storage import MassStorage, let_go_of_all, open_source, run_program
from dockagent.transports.mountinfo import mounts
from tests.transports import loops

TOOLS = ("mkfs.ext4", "blkid", "losetup", "dumpe2fs", "blockdev")


@pytest.fixture
def card(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    (folder / "DCIM").mkdir(parents=True)
    (folder / "DCIM/a.MP4").write_bytes(bytes(range(256)) * 20_000)
    return folder


def _pulled_out_while_writing(work: Path, card: Path) -> Path:
    """The image of a card that lost power: its journal was not replayed, and a deleted file was still open."""
    living, image = loops.ext4(work / "living.img", card, 32), work / "card.img"
    place = work / "rw"
    place.mkdir()
    loops.run("mount", "-o", "loop", living, place)
    try:
        orphan = os.open(place / "DCIM/orphan", os.O_RDWR | os.O_CREAT)
        os.write(orphan, b"x" * 100_000)
        os.fsync(orphan)
        (place / "DCIM/orphan").unlink()
        (place / "DCIM/b.MP4").write_bytes(b"b")
        os.sync()
        image.write_bytes(living.read_bytes())
        os.close(orphan)
    finally:
        loops.run("umount", place)
    assert "needs_recovery" in loops.run("dumpe2fs", "-h", image)
    return image


def _session(footage: MassStorage) -> None:
    with closing(footage):
        assert footage.facts()["readonly"] == "yes"
        for fact in footage.list():
            with footage.open(fact.path) as reader:
                while reader.read(1 << 20):
                    pass


def test_a_dirty_journal_and_an_orphan_stay_as_they_are_on_a_device(tmp_path: Path, card: Path) -> None:
    loops.needs_root(*TOOLS)
    image = _pulled_out_while_writing(tmp_path, card)
    before = loops.sha256(image)
    with loops.loop_device() as loop:
        loop.insert(image)
        _session(MassStorage(loop.node, under=tmp_path / "mounts"))
        assert loops.run("blockdev", "--getro", loop.node).strip() == "0"  # as it was
    assert loops.sha256(image) == before
    assert list((tmp_path / "mounts").iterdir()) == []


def test_a_dirty_journal_and_an_orphan_stay_as_they_are_in_an_image(tmp_path: Path, card: Path) -> None:
    loops.needs_root(*TOOLS)
    image = _pulled_out_while_writing(tmp_path, card)
    before = loops.sha256(image)
    _session(MassStorage(image, under=tmp_path / "mounts"))
    assert loops.sha256(image) == before


def test_facts_name_the_card(tmp_path: Path, card: Path) -> None:
    loops.needs_root(*TOOLS)
    with loops.loop_device() as loop:
        loop.insert(loops.ext4(tmp_path / "card.img", card))
        with closing(MassStorage(loop.node, under=tmp_path / "mounts")) as footage:
            facts = footage.facts()
    assert facts["label"] == "BWCAM"
    assert len(facts["uuid"]) == 36
    assert (facts["filesystem"], facts["mounted_by"], facts["device"]) == ("ext4", "dockagent", str(loop.node))


def test_a_reader_that_is_still_open_does_not_hold_the_mount(tmp_path: Path, card: Path) -> None:
    loops.needs_root(*TOOLS)
    footage = MassStorage(loops.ext4(tmp_path / "card.img", card), under=tmp_path / "mounts")
    with footage.open(b"DCIM/a.MP4") as reader:
        assert reader.read(10)
        footage.close()
        assert list((tmp_path / "mounts").iterdir()) == []


def test_somebody_elses_mount_is_used_and_left(tmp_path: Path, card: Path) -> None:
    loops.needs_root(*TOOLS)
    place = tmp_path / "media"
    place.mkdir()
    with loops.loop_device() as loop:
        loop.insert(loops.ext4(tmp_path / "card.img", card))
        loops.run("mount", loop.node, place)
        try:
            with closing(MassStorage(loop.node, under=tmp_path / "mounts")) as footage:
                assert b"DCIM/a.MP4" in [fact.path for fact in footage.list()]
                assert (footage.facts()["readonly"], footage.facts()["mounted_by"]) == ("no", "another program")
            assert place.is_mount()
        finally:
            loops.run("umount", place)


def test_a_bad_block_is_retryable_and_says_where(tmp_path: Path, card: Path) -> None:
    loops.needs_root(*TOOLS)
    (card / "DCIM/a.MP4").write_bytes(os.urandom(6 << 20))
    image = loops.ext4(tmp_path / "card.img", card, 16)
    with loops.loop_device() as loop:
        loop.insert(image)
        footage = MassStorage(loop.node, under=tmp_path / "mounts")
        with closing(footage), footage.open(b"DCIM/a.MP4") as reader:
            os.truncate(image, 4 << 20)  # the medium ends early: every block behind it is an I/O error
            with pytest.raises(Retryable, match=r"medium error at byte \d+ of DCIM/a.MP4"):
                while reader.read(64 << 10):
                    pass


def _encrypted(image: Path) -> None:
    with image.open("r+b") as disk:
        disk.write(b"LUKS\xba\xbe\0\x01aes\0")


def _truncated(image: Path) -> None:
    loops.ext4(image)
    os.truncate(image, 1 << 20)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda image: None, "no file system that is known"),
        (lambda image: loops.partition_table(image, (1, 2)), "a partition table"),
        (_encrypted, "crypto_LUKS"),
        (_truncated, "cannot mount"),
    ],
)
def test_what_cannot_be_mounted_says_why_and_leaves_nothing(
    tmp_path: Path, spoil: Callable[[Path], None], words: str
) -> None:
    loops.needs_root(*TOOLS)
    image = tmp_path / "card.img"
    image.write_bytes(bytes(4 << 20))
    spoil(image)
    with loops.loop_device() as loop:
        loop.insert(image)
        before = loops.sha256(image)
        with pytest.raises(Permanent, match=words) as caught:
            MassStorage(loop.node, under=tmp_path / "mounts")
        assert "\n" not in str(caught.value)
        assert loops.run("blockdev", "--getro", loop.node).strip() == "0"
        assert loops.sha256(image) == before
    assert not (tmp_path / "mounts").exists() or list((tmp_path / "mounts").iterdir()) == []


def test_a_device_that_left_is_gone(tmp_path: Path) -> None:
    loops.needs_root(*TOOLS)
    with pytest.raises(Gone):
        MassStorage(Path("/dev/sd-not-there"), under=tmp_path)


def test_a_program_that_hangs_is_given_up() -> None:
    with pytest.raises(Retryable, match=r"sleep got no answer from 30 within 0.2 s"):
        run_program(("sleep", "30"), 0.2)


def test_open_source_takes_folders_devices_and_images(tmp_path: Path, card: Path) -> None:
    with closing(open_source(card)) as footage:
        assert isinstance(footage, IsolatedFootage)
    with pytest.raises(UsageError, match="cannot use"):
        open_source(tmp_path / "none")
    with pytest.raises(UsageError, match="holds no footage"):
        open_source(Path("/dev/null"))
    loops.needs_root(*TOOLS)
    image = loops.ext4(tmp_path / "card.img", card)
    with closing(open_source(image, under=tmp_path / "mounts")) as footage:
        assert [fact.path for fact in footage.list()] == [b"DCIM/a.MP4"]


def test_without_root_the_error_says_what_to_do() -> None:
    script = (
        "import os, sys\nfrom pathlib import Path\n"
        "from dockagent.transports.mass_storage import open_source\nfrom dockagent.errors import Missing\n"
        "if os.geteuid() == 0: os.setresuid(65534, 65534, 65534)\n"
        "try:\n    open_source(Path('/usr/bin/env'))\nexcept Missing as err:\n    print(err)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=30)
    assert "/usr/bin/env holds no file system that can be read without mounting it; cannot mount" in done.stdout
    assert "that needs root, or CAP_SYS_ADMIN; run as root, or mount it read-only yourself" in done.stdout, done.stderr


def test_what_a_killed_dock_left_mounted_is_let_go_at_the_next_start(tmp_path: Path, card: Path) -> None:
    loops.needs_root(*TOOLS)
    image = loops.ext4(tmp_path / "card.img", card, 32)
    under = tmp_path / "home" / "mounts"
    program = (
        "import os, signal; from pathlib import Path; from dockagent.transports.mass_storage import MassStorage; "
        f"kept = MassStorage(Path({str(image)!r}), under=Path({str(under)!r})); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program], check=False, timeout=60)
    (left,) = under.iterdir()
    assert any(mount.point == os.fsencode(left) for mount in mounts())
    let_go_of_all(under)
    assert list(under.iterdir()) == []
    assert not any(mount.point == os.fsencode(left) for mount in mounts())
    let_go_of_all(tmp_path / "never there")
