"""Lives in which permits are followed: nothing goes from a camera that should not, whenever the power goes."""

from collections import Counter

import pytest

from dockagent.errors import DockError
from tests.simulation import erasing
from tests.simulation.promises import Broken
from tests.simulation.voyage import Life

SEEDS, BATCH = 60, 20
SMALL_LIFE, PARTS = 6, 4  # a life with few durable calls, in which footage is erased
STRIDE = 3  # every call, one by one, takes ten minutes of a processor; set to 1 it is done
BUSY_LIVES = (1, 3, 7, 15, 16)


def _live(life: Life) -> Counter[str]:
    try:
        life.live()
        erasing.erased_rightly(life.evidence, life.eraser, life.permits)
    except BaseException as err:
        again = f"Life({life.seed}, erases=True, cut_at={life.cut_at}).live()"
        raise AssertionError(f"broke: {type(err).__name__}: {err}. Live it again: {again}") from err
    whole, found, permits = erasing.outcome(life.evidence)
    return Counter(erased=len(life.eraser.log), whole=whole, found=found, permits=permits)


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_nothing_is_erased_without_receipt_and_permit_for_its_bytes(first: int) -> None:
    told: Counter[str] = Counter()
    for seed in range(first, first + BATCH):
        told += _live(Life(seed, erases=True))
    assert told["permits"] >= BATCH
    assert told["whole"] >= BATCH // 2, "permits are followed at all"


@pytest.mark.parametrize("part", range(PARTS))
def test_power_cut_at_many_durable_calls(part: int) -> None:
    whole = Life(SMALL_LIFE, erases=True, cut_at=1 << 40)
    assert _live(whole)["erased"] > 0
    for call in range(1 + part, whole.disk.calls + 1, PARTS * STRIDE):
        _live(Life(SMALL_LIFE, erases=True, cut_at=call))


def test_what_went_when_the_power_did_is_found_gone() -> None:
    told: Counter[str] = Counter()
    for seed in BUSY_LIVES:
        whole = Life(seed, erases=True, cut_at=1 << 40)
        _live(whole)
        for call in whole.eraser.calls:
            told += _live(Life(seed, erases=True, cut_at=call))
    assert told["found"] > 0


def test_a_dock_that_takes_more_than_its_permit_says_is_caught() -> None:
    broken = []
    for seed in range(20):
        life = Life(seed, erases=True)
        life.eraser.careless = True
        try:
            life.live()
            erasing.erased_rightly(life.evidence, life.eraser, life.permits)
        except (Broken, DockError, OSError) as err:
            broken.append(str(err))
    assert sum("promise" in one for one in broken) >= 5
