"""Erasing from cards with FAT and exFAT, as the kernel itself writes them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.transports.bays import DockBays
from tests.rigs.inside.test_erase_power import pytestmark
from tests.transports import loops, volumes
from tests.transports.fat_judges import damage
from tests.transports.test_erase import card, granted, target, test_a_card_is_writable_for_the_act_alone

__all__ = ["card", "pytestmark", "test_a_card_is_writable_for_the_act_alone"]  # pytest finds them by their names here

LONG = "DCIM/100BWC/the night of the twenty-second, \u00e9\u4e2d.MP4"
PROTECTED = "DCIM/100BWC/LOCK0001.MP4"
STAYS = "DCIM/100BWC/STAYS.MP4"
KINDS = ("fat32", "exfat")


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_of_a_long_name_and_the_card_is_whole(tmp_path: Path, kind: str) -> None:
    """Judged by the file system's own program, and by a reader that shares no code with the kernel. The attribute by
    which cameras mark a protected clip (FAT: read-only) is none of the file system's locks: a permit goes before it."""
    tree = {LONG: b"long" * 50_000, PROTECTED: b"kept by hand" * 1000, STAYS: b"stays" * 40_000, "MISC/a": b"a"}
    image = volumes.make(tmp_path / "card", kind)
    with volumes.filled(image, kind) as root:
        volumes.write(root, tree)
        (root / PROTECTED).chmod(0o555)  # vfat: all of r and x, and all or none of w
        assert not (root / PROTECTED).stat().st_mode & 0o222, "the attribute is not there"
        named = [target(root, path) for path in (LONG, PROTECTED)]
    with loops.loop_device() as loop, closing(DockBays(SystemClock(), tmp_path / "mounts")) as bays:
        loop.insert(image)
        bays.came("A", "block", str(loop.node), {})
        before = {one.path: one for one in bays.footage("A").list()}
        done = bays.erase("A", named, granted)
        after = {one.path: one for one in bays.footage("A").list()}
    assert done.gone == (LONG.encode(), PROTECTED.encode())
    assert not done.trouble
    assert after == {path: one for path, one in before.items() if path not in done.gone}
    assert damage(image, kind) == []
    with closing(DockBays(SystemClock(), tmp_path / "raw", read="raw")) as bays, loops.loop_device() as loop:
        loop.insert(image)
        bays.came("A", "block", str(loop.node), {})
        assert {one.path for one in bays.footage("A").list()} == after.keys()
