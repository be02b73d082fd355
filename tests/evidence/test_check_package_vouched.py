"""A package that was made while the witness was away: its older checkpoint is vouched for, its newest is not."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.evidence.disclosing import Dock
from tests.evidence.test_disclose_witnessed import witness_at


@dataclass(frozen=True, slots=True)
class Scene:
    """A dock, its witness's key, and the package."""

    dock: Dock
    witness: str
    package: Path


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    root = tmp_path_factory.mktemp("dock")
    dock = Dock(root)
    dock.configure()
    dock.film(1)
    log = next(one for one in dock.run("keys", "show").out.split() if one.startswith("dockagent.local/dock-7+"))
    with ExitStack() as stack:
        key, peer = witness_at(stack, root / "w1", "w1", log)
        dock.configure(witnesses={"ask": [peer], "quorum": 1})
        assert dock.run("ingest", root / "card").code == 0  # its end is witnessed, and kept so
    with socket.create_server(("127.0.0.1", 0)) as door:
        nobody = door.getsockname()[1]
    dock.configure(witnesses={"ask": [f"{key} http://127.0.0.1:{nobody}"], "quorum": 1})
    done = dock.disclose(root / "package", dock.clips()[0]["clip_id"])
    assert done.code in (0, 3), done.err
    assert len(list((root / "package" / "data" / "ledger").iterdir())) == 2
    yield Scene(dock, key, root / "package")


def time_of(report: dict[str, Any]) -> tuple[str, str]:
    return report["verdicts"]["time"]["verdict"], report["verdicts"]["time"]["why"]


def test_a_clip_is_vouched_for_by_the_checkpoint_over_its_own_record(scene: Scene) -> None:
    code, reports = scene.dock.verify(scene.package, witnesses=[scene.witness])
    assert code == 0, reports
    word, why = time_of(reports["clip"])
    assert word == "pass"
    assert "which names this clip record: dockagent.local/w1/witness saw this history" in why


def test_it_is_told_which_records_are_vouched_for_and_which_are_not(scene: Scene) -> None:
    _, reports = scene.dock.verify(scene.package, witnesses=[scene.witness])
    asked = scene.dock.records("disclose.ask")[-1]["index"]
    word, why = time_of(reports["records"])
    vouched, other = why.split("; ", 1)
    assert word == "unknown"
    assert " records, from record " in vouched and "dockagent.local/w1/witness saw this history" in vouched
    assert why.endswith("no outside time stamp or witness vouches for it")
    assert f"record {asked}: the dock's own clock says when" in other


def test_a_quorum_is_missed_for_those_records_alone(scene: Scene) -> None:
    """Who demands the witness refuses the package, and is told for which record; the clip's own time is vouched for."""
    code, reports = scene.dock.verify(scene.package, witnesses=[scene.witness], quorum=1)
    word, why = time_of(reports["records"])
    asked = scene.dock.records("disclose.ask")[-1]["index"]
    assert (code, word) == (1, "fail")
    assert f"record {asked}: the trust file demands 1 witnesses, and 0 cosigned" in why
    assert time_of(reports["clip"])[0] == "pass"


def test_lines_of_witnesses_that_nobody_named_are_not_denied(scene: Scene) -> None:
    _, reports = scene.dock.verify(scene.package)
    word, why = time_of(reports["clip"])
    assert word == "unknown"
    assert "lines in the names of 'dockagent.local/w1/witness' are on its checkpoints" in why
