"""Published ledgers before the Go project's tile code, which shares nothing with ours."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dockagent.ledger.keys import Keys
from tests.ledger import made
from tests.ledger.test_tiles import many, names, publish, replaced, without
from tests.outside import go_program

SOURCE = Path(__file__).parent / "outside" / "tiles" / "main.go"


@pytest.fixture(scope="session")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, str], bool]:
    """Runs the Go verifier: True when it accepts, False when it says that it refuses."""
    return go_program(SOURCE, tmp_path_factory.mktemp("go-tiles"))


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return made.keys(tmp_path / "keys")


@pytest.mark.parametrize("size", [1, 255, 256, 257, 600, 65_536 + 300])
def test_tiles_and_bundles_are_accepted(
    tmp_path: Path, keys: Keys, outside: Callable[[Path, str], bool], size: int
) -> None:
    publish(tmp_path / "out", keys, many(size))
    assert outside(tmp_path / "out", keys.vkey)
    assert not outside(tmp_path / "out", made.keys(tmp_path / "other", seed=8).vkey)


def test_a_real_ledger_with_a_long_record_is_accepted(
    tmp_path: Path, keys: Keys, outside: Callable[[Path, str], bool]
) -> None:
    lines = made.entries(made.ledger(tmp_path / "ledger", keys, 20))
    lines.append(keys.sign_record(made.record(20, "x" * 100_000)))
    publish(tmp_path / "out", keys, lines)
    assert outside(tmp_path / "out", keys.vkey)
    with replaced(tmp_path / "out/large/020", made.flip(lines[20])):
        assert not outside(tmp_path / "out", keys.vkey)


def test_altered_objects_are_refused(tmp_path: Path, keys: Keys, outside: Callable[[Path, str], bool]) -> None:
    out = tmp_path / "out"
    publish(out, keys, many(600))
    for name in sorted(names(out)):
        whole = (out / name).read_bytes()
        for at in (0, len(whole) // 2, len(whole) - 1):
            with replaced(out / name, whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]):
                assert not outside(out, keys.vkey), (name, at)
        with without(out / name):
            assert not outside(out, keys.vkey), name
    assert outside(out, keys.vkey)
