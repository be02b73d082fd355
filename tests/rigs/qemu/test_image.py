"""The cache of guests: what a build leaves there, and what it takes away. No guest is needed for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.rigs.qemu import image
from hil.rigs.qemu.image import Image, NoImage

PRESENT, OLD, OLDER = "0123456789abcdef", "fedcba9876543210", "00000000ffffffff"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with three guests, a build that was broken off, and things that are nobody's of ours."""
    monkeypatch.setenv("DOCKAGENT_RIG_CACHE", str(tmp_path))
    assert image.cache() == tmp_path / "rig-guest"
    for name in (PRESENT, OLD, OLDER, "making-abc_123", "somebody's"):
        (image.cache() / name).mkdir(parents=True)
        Image(image.cache() / name).disk.touch()
    (image.cache() / "lock").touch()
    return image.cache()


def names(cache: Path) -> set[str]:
    return {path.name for path in cache.iterdir()}


def test_only_the_newest_guest_is_kept_and_those_in_use(cache: Path) -> None:
    present = Image(cache / PRESENT)
    with Image(cache / OLD).in_use(), Image(cache / OLD).in_use():
        image.keep_only(present)
        assert names(cache) == {PRESENT, OLD, "somebody's", "lock"}
        assert Image(cache / OLD).disk.exists()
    image.keep_only(present)
    assert names(cache) == {PRESENT, "somebody's", "lock"}
    assert present.disk.exists()


def test_a_guest_that_was_removed_is_not_used(cache: Path) -> None:
    old = Image(cache / OLD)
    image.keep_only(Image(cache / PRESENT))
    with pytest.raises(NoImage, match="No such file or directory; run: make rig-guest"), old.in_use():
        pytest.fail("it is not there")


def test_a_guest_that_is_removed_while_it_is_waited_for_is_not_used(cache: Path) -> None:
    """As `in_use` finds it when the remover was first: the folder could be opened, and is empty."""
    old = Image(cache / OLD)
    old.disk.unlink()
    with pytest.raises(NoImage, match="was removed from the cache; run: make rig-guest"), old.in_use():
        pytest.fail("nothing is in it")


def test_a_guest_without_its_memory_is_not_made(cache: Path) -> None:
    """What a build leaves that was ended while it booted: the next one begins anew."""
    assert image.built() is None
