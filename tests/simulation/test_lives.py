"""The whole agent, seeded: no promise is broken in any life, and the checks really can fail."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from dockagent.errors import DockError
from tests.simulation.fingerprint import fingerprint
from tests.simulation.promises import Broken
from tests.simulation.voyage import Life

SEEDS, BATCH = 320, 20
SIGNS = 8  # a life with a signed manifest that seals nothing
SMALL_LIVES = (32, 13, 7)  # lives with few durable calls, in which the power is cut at every single one of them


def _live(life: Life) -> None:
    try:
        life.live()
    except BaseException as err:
        again = f"python -m tests.simulation {life.seed} {life.cut_at or ''}".rstrip()
        raise AssertionError(f"seed {life.seed} broke: {type(err).__name__}: {err}. Live it again: {again}") from err


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_every_promise_is_kept_in_every_life(first: int) -> None:
    for seed in range(first, first + BATCH):
        _live(Life(seed))


@pytest.mark.parametrize("seed", SMALL_LIVES)
def test_power_cut_at_every_durable_call(seed: int) -> None:
    whole = Life(seed, cut_at=1 << 40)
    _live(whole)
    assert whole.disk.calls > 20
    for call in range(1, whole.disk.calls + 1):
        _live(Life(seed, cut_at=call))


def _broken(flawed: Callable[[int], Life]) -> list[str]:
    """What breaks in twenty lives with a flaw."""
    found = []
    for seed in range(20):
        try:
            flawed(seed).live()
        except (Broken, DockError, OSError) as err:
            found.append(f"{type(err).__name__}: {err}")
    return found


def test_a_disk_that_lies_about_sync_is_caught() -> None:
    assert len(_broken(lambda seed: Life(seed, lies=True, cut_at=60 + seed))) >= 10


def test_a_store_that_keeps_other_bytes_is_caught() -> None:
    assert sum("promise" in one for one in _broken(lambda seed: Life(seed, spoil=True))) >= 10


def test_a_store_that_keeps_nothing_is_caught() -> None:
    assert sum("promise 1" in one for one in _broken(lambda seed: Life(seed, forgets=True))) >= 10


def test_a_dock_that_seals_other_bytes_is_caught() -> None:
    assert sum("promise 1" in one for one in _broken(lambda seed: Life(seed, blunders=True))) >= 10


def test_a_held_clip_whose_copy_goes_is_caught() -> None:
    assert sum("promise 8" in one for one in _broken(lambda seed: Life(seed, steals=True))) >= 10


def test_a_dock_that_does_not_wait_for_its_custodian_is_caught() -> None:
    assert sum("promise 9" in one for one in _broken(lambda seed: Life(seed, hasty=True))) >= 10


def test_a_life_can_be_lived_again() -> None:
    first, second = Life(6), Life(6)  # it seals nothing: age pads by chance, and sizes decide what is tried first
    _live(first)
    _live(second)
    assert (first.disk.calls, first.clock.ms) == (second.disk.calls, second.clock.ms)
    assert first.store.objects.keys() == second.store.objects.keys()


def test_a_life_can_be_lived_again_in_another_process() -> None:
    """Cameras sign there in the same way: clip ids follow from bytes, and waiting times from clip ids."""
    life = Life(SIGNS)
    assert any(b"manifest.dsse.json" in camera.files for camera in life.cameras.values())
    _live(life)
    words = [sys.executable, "-m", "tests.simulation", str(SIGNS)]
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    assert f"ended as {fingerprint(life)}\n" in said
