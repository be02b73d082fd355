"""Footage is handed out between the request and the draw of a sample: what witnesses sign for that hand-out is behind
the request too, so that the draw is made from it and from nothing later, whichever checkpoint somebody holds out."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from dockagent.clock import SystemClock
from dockagent.core.proof import note
from dockagent.durable import RealDisk
from dockagent.errors import Retryable
from dockagent.ledger.witness_round import alone
from tests.evidence.disclosing import GROUNDS
from tests.evidence.test_disclose_witnessed import Scene, scene

__all__ = ["scene"]

SAMPLE = ("clips", "--sample", "1")


def _asked(scene: Scene) -> int:
    answer = scene.dock.run(*SAMPLE, "--basis", "policy 7.2", "--authority", "Insp. Kay", "--json")
    assert answer.code == 0, answer.err
    return int(json.loads(answer.out)["request"])


def _draw(scene: Scene, request: int, seed_from: Path | str) -> tuple[int, str, str]:
    answer = scene.dock.run(*SAMPLE, "--request", str(request), "--seed-from", seed_from, "--json")
    return answer.code, answer.out, answer.err


def _size(checkpoint: bytes) -> int:
    return note.parse_checkpoint(note.parse(checkpoint)).size


def _within(proof: Path) -> bytes:
    """The checkpoint at the end of a C2SP tlog-proof."""
    return b"\n\n".join(proof.read_bytes().split(b"\n\n")[1:])


def _in_package(package: Path) -> list[Path]:
    return [one for one in (package / "data" / "ledger").iterdir() if one.name.isdigit()]


def _review(scene: Scene, *checkpoints: Path) -> dict[str, Any]:
    home = scene.dock.root / "home"
    words = [word for one in checkpoints for word in ("--checkpoint", one)]
    trust = scene.dock.trust(witnesses=list(scene.witnesses), quorum=2)
    answer = scene.dock.run("verify", home, *words, "--trust", trust, "--json")
    (found,) = (one for one in json.loads(answer.out)["reports"] if one["kind"] == "review")
    return dict(found)


def test_the_draw_is_from_the_first_package_and_no_other(scene: Scene, tmp_path: Path) -> None:
    dock, clip = scene.dock, scene.dock.clips()[0]["clip_id"]
    request = _asked(scene)
    for name in ("first", "second"):
        assert dock.disclose(tmp_path / name, clip).code == 0
    (first,), (second,) = (_in_package(tmp_path / name) for name in ("first", "second"))
    kept = dock.root / "home" / "ledger" / "witnessed"
    assert (kept / first.name).read_bytes() == first.read_bytes()
    assert (kept / second.name).read_bytes() == second.read_bytes()

    code, _, said = _draw(scene, request, second)
    assert code == 1
    assert f"is not the first behind the request: witnesses cosigned {first.name} records before" in said
    code, out, said = _draw(scene, request, "newest")
    assert code == 0, said
    assert json.loads(out)["checkpoint"][1] == first.name
    report = _review(scene, first, second)
    assert report["verdicts"]["intact"]["verdict"] == "pass", report


@pytest.mark.parametrize("kind", ["excerpt", "derivative"])
def test_what_vouches_for_an_excerpt_or_a_derivative_counts_too(scene: Scene, tmp_path: Path, kind: str) -> None:
    dock, clip = scene.dock, scene.dock.clips()[0]["clip_id"]
    request, out = _asked(scene), tmp_path / kind
    if kind == "excerpt":
        done = dock.disclose(out, clip, "--from", "0", "--to", "1")
    else:
        out.write_bytes(b"redacted")
        done = dock.run("disclose", clip, "--derivative", out, *GROUNDS)
    assert done.code == 0, done.err
    head = _within(out.with_name(f"{kind}.tlog-proof"))
    assert len(note.parse(head).signatures) == 3
    assert dock.disclose(tmp_path / "later", clip).code == 0
    code, said, err = _draw(scene, request, "newest")
    assert code == 0, err
    assert json.loads(said)["checkpoint"][1] == str(_size(head))


_TWO_OTHERS = """
import os, sys
from pathlib import Path
from dockagent.clock import SystemClock
from dockagent.durable import RealDisk
from dockagent.errors import UsageError
from dockagent.ledger.witness_round import alone, keep

disk, checkpoint = RealDisk(Path(sys.argv[1])), Path(sys.argv[2]).read_bytes()
(disk.root / "ledger").mkdir()
for path in (disk.root, disk.root / "ledger"):
    os.chown(path, 4711, 4712)
with alone(disk, "ledger", SystemClock()):
    keep(disk, "ledger", checkpoint, b"token")
assert (os.geteuid(), os.getegid()) == (0, 0)
for path in (disk.root / "ledger").rglob("*"):
    print(path.relative_to(disk.root), path.stat().st_uid, path.stat().st_gid)
os.setgroups([])
os.setegid(4712)
os.seteuid(4713)
try:
    with alone(disk, "ledger", SystemClock()):
        print("alone")
except UsageError as err:
    print(err.what)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_what_root_keeps_is_the_docks_and_the_docks_group_asks_nobody(scene: Scene) -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        home = Path(place) / "home"
        words = [sys.executable, "-c", _TWO_OTHERS, str(home), str(_in_package(scene.package)[0])]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    *made, said = done.stdout.splitlines()
    size = _in_package(scene.package)[0].name
    files = ("witnessed", "witnessed.lock", f"witnessed/{size}", f"witnessed/{size}.tsr")
    assert sorted(made) == sorted(f"ledger/{one} 4711 4712" for one in files)
    assert said == f"witnesses are not asked: only the owner of {home / 'ledger'} may keep what they say"


def test_who_comes_while_another_asks_waits_and_then_asks_nobody(tmp_path: Path) -> None:
    disk, clock = RealDisk(tmp_path), SystemClock()
    (tmp_path / "ledger").mkdir()
    with (
        alone(disk, "ledger", clock),
        pytest.raises(Retryable, match=f"is in use by process {os.getpid()}"),
        alone(disk, "ledger", clock, patience_s=0.2),
    ):
        pytest.fail("two at once")
    with alone(disk, "ledger", clock, patience_s=0):
        assert (tmp_path / "ledger" / "witnessed.lock").exists()
