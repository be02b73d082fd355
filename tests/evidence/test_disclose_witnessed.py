"""A package whose checkpoints live witnesses cosigned: before Go's own note code, and before one who demands them."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM

import pytest

from dockagent.core.proof import note
from hil.demo.agent import COMMAND
from tests.evidence.disclosing import Dock, copy
from tests.ledger.test_outside import outside
from tests.outside import Accepts

__all__ = ["outside"]


@dataclass(frozen=True, slots=True)
class Scene:
    """A dock, its two witnesses' keys, and a package that it handed out while they ran."""

    dock: Dock
    witnesses: tuple[str, str]
    package: Path


def witness_at(stack: ExitStack, place: Path, name: str, log: str) -> tuple[str, str]:
    """A running witness of the log with this checkpoint key: its key, and where it answers."""
    place.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    config = place / "config"
    config.write_text(f'[dock]\nid = "{name}"\n[witness]\nlisten = "127.0.0.1:{port}"\nlogs = ["{log}"]\n')
    words = [str(COMMAND), "witness", "--home", str(place / "home"), "--config", str(config)]
    key = subprocess.run([*words, "--vkey"], capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(process.wait, 30)
    stack.callback(process.send_signal, SIGTERM)
    end = time.monotonic() + 60
    while not _answers(port):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.1)
    return key, f"{key} http://127.0.0.1:{port}"


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    root = tmp_path_factory.mktemp("dock")
    with ExitStack() as stack:
        dock = Dock(root)
        dock.configure()
        dock.film(1)
        log = next(one for one in dock.run("keys", "show").out.split() if one.startswith("dockagent.local/dock-7+"))
        first, second = (witness_at(stack, root / name, name, log) for name in ("w1", "w2"))
        dock.configure(witnesses={"ask": [first[1], second[1]], "quorum": 2})
        done = dock.disclose(root / "package", dock.clips()[0]["clip_id"])
        assert done.code == 0, done.err
        yield Scene(dock, (first[0], second[0]), root / "package")


def test_who_demands_both_witnesses_has_them(scene: Scene) -> None:
    code, reports = scene.dock.verify(scene.package, witnesses=list(scene.witnesses), quorum=2)
    assert code == 0, reports
    for kind in ("package", "records", "clip"):
        assert reports[kind]["verdicts"]["time"]["verdict"] == "pass", kind
        assert "dockagent.local/w1/witness" in reports[kind]["verdicts"]["time"]["why"]


def test_who_demands_another_one_has_not(scene: Scene, tmp_path: Path) -> None:
    key = subprocess.run(
        [COMMAND, "witness", "--vkey", "--home", tmp_path / "w3"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.strip()
    code, reports = scene.dock.verify(scene.package, witnesses=[*scene.witnesses, key], quorum=3)
    assert code == 1
    assert "demands 3 witnesses, and 2 cosigned" in reports["records"]["verdicts"]["time"]["why"]


def test_a_cosignature_that_was_taken_out_is_missed(scene: Scene, tmp_path: Path) -> None:
    altered = copy(scene.package, tmp_path / "altered")
    for file in (altered.with_name("altered.tlog-proof"), *altered.rglob("*.tlog-proof")):
        lines = file.read_text().splitlines(keepends=True)
        file.write_text("".join(line for line in lines if "/w2/witness" not in line))
    code, reports = scene.dock.verify(altered, witnesses=list(scene.witnesses), quorum=2)
    assert code == 1
    assert reports["package"]["verdicts"]["time"]["verdict"] == "fail"


def test_go_accepts_each_cosignature_and_no_altered_one(scene: Scene, outside: Accepts, tmp_path: Path) -> None:
    vkey = next(one for one in scene.dock.run("keys", "show").out.split() if one.startswith("dockagent.local/dock-7+"))
    heads = [one for one in (scene.package / "data" / "ledger").iterdir() if one.suffix != ".tsr"]
    cosigned = [one for one in heads if len(note.parse(one.read_bytes()).signatures) == 3]
    assert cosigned
    for head in cosigned:
        for witness in scene.witnesses:
            assert outside("cosigned", vkey, head, witness)
        lines = head.read_text().splitlines(keepends=True)
        bad = tmp_path / head.name
        bad.write_text("".join([lines[0], f"{int(lines[1]) + 1}\n", *lines[2:]]))
        assert not outside("cosigned", vkey, bad, scene.witnesses[0])


def test_a_quorum_that_is_missed_is_said_before_it_is_handed_out(scene: Scene, tmp_path: Path) -> None:
    """One of the two witnesses is away: the clips are good, and whoever demands both refuses the package."""
    dock, (first, second) = scene.dock, scene.witnesses
    ask = dock.tables["witnesses"]["ask"]
    with socket.create_server(("127.0.0.1", 0)) as door:
        nobody = door.getsockname()[1]
    dock.configure(witnesses={"ask": [ask[0], f"{second} http://127.0.0.1:{nobody}"], "quorum": 2})
    try:
        done = dock.disclose(tmp_path / "package", dock.clips()[0]["clip_id"])
    finally:
        dock.configure(witnesses={"ask": ask, "quorum": 2})
    assert done.code == 3, done.err
    assert "The quorum is missed: 1 of 2 witnesses cosigned the ledger, and 2 are asked for." in done.err
    record = dock.records("disclose")[-1]["what"]
    assert (record["cosigned"], record["quorum"]) == (1, 2)
    said = json.loads((tmp_path / "package" / "data" / "package.json").read_bytes())
    assert said["witnesses"] == {"asked": 2, "needed": 2, "cosigned": 1}
    page = (tmp_path / "package" / "data" / "index.html").read_text()
    assert "The quorum is missed" in page
    assert str(nobody) not in page and "http://" not in page
    code, reports = dock.verify(tmp_path / "package", witnesses=[first, second], quorum=2)
    assert (code, reports["records"]["verdicts"]["intact"]["verdict"]) == (1, "pass")
    for kind in ("package", "records"):
        assert "the quorum is missed, which says nothing against the bytes" in reports[kind]["verdicts"]["time"]["why"]
    assert reports["clip"]["result"] == "good"
    code, _ = dock.verify(tmp_path / "package", witnesses=[first, second], quorum=1)
    assert code == 0
