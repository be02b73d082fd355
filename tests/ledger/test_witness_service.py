"""A witness at work: called after its dock, alone over its state, and never started on half a configuration."""

import http.client
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.errors import Refused, UsageError
from dockagent.ledger.witness_service import open_key, serving
from tests.ledger import made, witnesses

CLOCK = SystemClock()
HERE = "127.0.0.1:0"


def test_it_is_called_after_the_dock_of_its_home(tmp_path: Path) -> None:
    made.keys(tmp_path / "home" / "keys", "dock-7")
    assert open_key(tmp_path / "home", "other").public.name == "dockagent.local/dock-7/witness"
    assert open_key(tmp_path / "apart", "apart").public.name == "dockagent.local/apart/witness"


def test_it_answers_and_remembers_over_a_restart(tmp_path: Path) -> None:
    dock = made.keys(tmp_path / "dock")
    (tmp_path / "trust").write_bytes(dock.trust.encode())
    hashes, statuses = witnesses.leaves(9), []
    for old in (0, 0, 4):
        with serving(HERE, [str(tmp_path / "trust")], tmp_path / "home", "apart", CLOCK) as server:
            line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
            line.request("POST", "/add-checkpoint", witnesses.request(dock, hashes, old, 4 + old).encode())
            statuses.append(line.getresponse().status)
            line.close()
    assert statuses == [200, 409, 200]


def test_two_over_one_state_are_one_too_many(tmp_path: Path) -> None:
    dock = made.keys(tmp_path / "dock")
    with serving(HERE, [dock.vkey], tmp_path / "home", "apart", CLOCK):
        second = serving(HERE, [dock.vkey], tmp_path / "home", "apart", CLOCK)
        with pytest.raises(Refused, match="in use by process"):
            second.__enter__()


@pytest.mark.parametrize(
    ("listen", "logs", "words"),
    [
        ("", ["V"], "an address and somebody's log"),
        (HERE, [], "an address and somebody's log"),
        (HERE, ["a+b"], "not the checkpoint key of a dock"),
        (HERE, ["/nowhere/trust.json"], "cannot read /nowhere"),
        ("nowhere", ["V"], "not an address"),
    ],
)
def test_half_a_configuration_is_named(tmp_path: Path, listen: str, logs: list[str], words: str) -> None:
    vkey = made.keys(tmp_path / "dock").vkey
    given = [vkey if one == "V" else one for one in logs]
    with pytest.raises(UsageError, match=words), serving(listen, given, tmp_path / "home", "apart", CLOCK):
        raise AssertionError("it must not start")
