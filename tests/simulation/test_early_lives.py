"""Lives in which large signed files go to the store while they are read: no promise is broken, whatever is cut when."""

import pytest

from dockagent.core import events as ev
from dockagent.core.model import CHUNK
from dockagent.errors import DockError
from tests.simulation import promises
from tests.simulation.actors import SimCamera
from tests.simulation.promises import Broken
from tests.simulation.voyage import Life, signed_files

SEEDS = range(400, 420)
SERIAL = "SIM-0"


def early_life(seed: int, cut_at: int = 0) -> Life:
    """A life with one camera whose clips are of several parts, all signed; one was altered since."""
    life = Life(seed, cut_at=cut_at)
    life.sealer = None
    names = [f"DCIM/100BWC/BWC{n:04}_20261122T08{n:02}00Z.MP4" for n in (1, 2)]
    files = {name.encode(): life.random.randbytes(3 * CHUNK + 77) for name in names}
    files[b"camera.json"] = b'{"serial": "SIM-0", "model": "BWC-1", "maker": "S", "firmware": "1"}'
    files |= signed_files(SERIAL, names, files)
    last = names[-1].encode()
    files[last] = files[last][:-1] + bytes([files[last][-1] ^ 1])
    life.cameras = {SERIAL: SimCamera(SERIAL, files)}
    return life


def told(life: Life) -> list[ev.SentEarly]:
    _, events = promises.history(life.disk)
    return [event for event in events if isinstance(event, ev.SentEarly)]


def lived(life: Life) -> Life:
    try:
        life.live()
    except BaseException as err:
        raise AssertionError(f"seed {life.seed}, cut at {life.cut_at}: {type(err).__name__}: {err}") from err
    return life


@pytest.fixture(scope="module")
def lives() -> list[Life]:
    return [lived(early_life(seed)) for seed in SEEDS]


def test_the_altered_clip_is_kept_apart_in_every_life(lives: list[Life]) -> None:
    for life in lives:
        masters = [key for key in life.store.objects if key.startswith("quarantine/") and key.endswith("/master")]
        assert len(masters) == 1


def test_parts_are_used_and_those_of_the_altered_clip_are_thrown_away(lives: list[Life]) -> None:
    assert sum(life.store.used > 0 for life in lives) >= 5
    ends = [event.how for life in lives for event in told(life)]
    assert ends.count("dropped") >= 5
    assert {"sent", "turn", "stopped"} <= set(ends)


def test_nothing_that_the_ledger_knows_of_is_left_lying(lives: list[Life]) -> None:
    """What a power cut kept out of the ledger, the store's own rule for unfinished uploads takes."""
    for life in lives:
        state, _ = promises.history(life.disk)
        assert not [one for one in state.early.values() if one.astray and one.key in life.store.parts]


def test_power_cut_at_every_durable_call() -> None:
    whole = lived(early_life(402, cut_at=1 << 40))
    assert told(whole)
    for call in range(1, whole.disk.calls + 1, 5):
        lived(early_life(402, cut_at=call))


def test_a_store_that_joins_parts_without_comparing_them_is_caught() -> None:
    caught = 0
    for seed in SEEDS:
        life = early_life(seed)
        life.store.careless = True
        try:
            life.live()
        except (Broken, DockError) as err:
            caught += "promise 4" in str(err) or "promise 1" in str(err)
    assert caught >= 3
