"""Lives of a dock that may only put. A put whose answer was lost meets a key that is taken, and the dock may not look
by what: only the custodian can say that the clip is delivered."""

from collections import Counter

import pytest

from dockagent.core import events as ev
from dockagent.core.central.receipt import BY_CUSTODIAN
from dockagent.core.events.custodian import CustodianReceived
from tests.simulation.promises import Broken, history
from tests.simulation.voyage import Life

SEEDS, BATCH = 40, 10


def _live(seed: int) -> Counter[str]:
    life = Life(seed, blind=True)
    try:
        life.live()
        return _vouched(life)
    except BaseException as err:
        raise AssertionError(f"seed {seed} broke: {type(err).__name__}: {err}") from err


def _vouched(life: Life) -> Counter[str]:
    """Whoever's word a delivery rests on: where it is the custodian's, his receipt for that key is on record too."""
    state, events = history(life.disk)
    words = {(one.clip_id, one.word.key) for one in events if isinstance(one, CustodianReceived)}
    told: Counter[str] = Counter()
    for event in events:
        if isinstance(event, ev.Delivered) and event.receipt.proof == BY_CUSTODIAN:
            if (event.clip_id, event.receipt.key) not in words:
                raise Broken(f"clip {event.clip_id} counts as delivered by a receipt that is not on record")
            told["by custodian"] += 1
        elif isinstance(event, ev.Delivered):
            told["by store"] += 1
    if state.custodian.unseen:
        raise Broken(f"{len(state.custodian.unseen)} clips still wait for the custodian's word")
    return told


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_what_the_dock_may_not_see_is_settled_by_the_custodian(first: int) -> None:
    told: Counter[str] = Counter()
    for seed in range(first, first + BATCH):
        told += _live(seed)
    assert told["by custodian"] >= BATCH // 2, "no answer was lost that mattered"
    assert told["by store"] >= BATCH // 2
