"""The cache of kernels: what a build leaves there, and what it takes away. No guest is needed for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.rigs.uml import kernel
from hil.rigs.uml.kernel import NoKernel, in_use, keep_only

PRESENT, OLD, OLDER = "0123456789ab-cdef01234567", "fedcba987654-3210fedcba98", "000000000000-ffffffffffff"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with three kernels, a build that was broken off, and things that are nobody's of ours."""
    monkeypatch.setenv("DOCKAGENT_RIG_CACHE", str(tmp_path))
    assert kernel.cache() == tmp_path
    for name in (PRESENT, OLD, OLDER, "making-abc_123", "rig-guest"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "linux").touch()
    (tmp_path / "lock").touch()
    return tmp_path


def names(cache: Path) -> set[str]:
    return {path.name for path in cache.iterdir()}


def test_only_the_newest_kernel_is_kept_and_those_in_use(cache: Path) -> None:
    present, old = cache / PRESENT / "linux", cache / OLD / "linux"
    with in_use(old), in_use(old):
        keep_only(present)
        assert names(cache) == {PRESENT, OLD, "rig-guest", "lock"}
        assert old.exists()
    keep_only(present)
    assert names(cache) == {PRESENT, "rig-guest", "lock"}
    assert present.exists()


def test_a_kernel_that_was_removed_is_not_used(cache: Path) -> None:
    keep_only(cache / PRESENT / "linux")
    with (
        pytest.raises(NoKernel, match="No such file or directory; run: make rig-kernel"),
        in_use(cache / OLD / "linux"),
    ):
        pytest.fail("it is not there")


def test_a_kernel_that_is_removed_while_it_is_waited_for_is_not_used(cache: Path) -> None:
    """As `in_use` finds it when the remover was first: the folder could be opened, and is empty."""
    (cache / OLD / "linux").unlink()
    with (
        pytest.raises(NoKernel, match="was removed from the cache; run: make rig-kernel"),
        in_use(cache / OLD / "linux"),
    ):
        pytest.fail("nothing is in it")
