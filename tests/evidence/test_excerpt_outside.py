"""The court's expert: docs/check-excerpt.go, the Go project's own log code, and the lines of a stock ffmpeg. Nothing of
the agent is used to check, and every forgery that concerns samples, keys or log is refused there too."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from dockagent.evidence.check_handed_out import beside
from tests.evidence import excerpts
from tests.evidence.excerpts import Dock
from tests.evidence.test_excerpt import KINDS
from tests.evidence.test_excerpt_deceits import DECEITS, filmed
from tests.media import framehash, made
from tests.outside import go_built

PROGRAM = Path(__file__).parents[2] / "docs" / "check-excerpt.go"
# What an expert's other look has to find: what ffmpeg prints does not tell, or no more than the proof's own words are
# wrong.
NOT_IN_LINES = {
    "it is turned": "framehash prints no matrix: see ffprobe",
    "something is hidden behind it": "players never see it",
    "something is hidden in it": "players never see it",
    "its last sample lasts for ages": "no leaf says how long a sample lasts, since releases of ffmpeg differ",
    "it is said to show another time": "a word in the proof",
}


@pytest.fixture(scope="module")
def expert(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[int, str]]:
    program = go_built(PROGRAM, tmp_path_factory.mktemp("expert"))

    def check(out: Path, *keys: str | Path) -> tuple[int, str]:
        video = next(out.glob("excerpt.m*"))
        (out / "lines").write_text(framehash.printed(video))
        record, place, _ = beside(out)
        argv = [program, out / "excerpt.json", out / "lines", *keys]
        argv += [record, place] if keys and record.exists() else []
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        last = (done.stdout + done.stderr).splitlines()[-1]
        begins = {0: "accepted", 1: "refused:", 3: "not refuted, but open:"}
        assert last.startswith(begins[done.returncode]), last
        return done.returncode, last if done.returncode == 1 else done.stdout

    return check


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("scene")
    dock, clip = Dock.create(folder / "home"), filmed(folder / "clip.mp4", "testsrc2", 440)
    dock.excerpt(clip, (4000, 8000), folder / "honest", reveal=("camera",))
    (folder / "key.pem").write_text(dock.keys.public_pem)
    return {"keys": (folder / "key.pem", dock.keys.vkey), "honest": folder / "honest"}


@pytest.mark.parametrize(
    ("name", "tracks"), [*((name, "") for name in KINDS), ("b-frames.mp4", "video"), ("b-frames.mp4", "audio")]
)
def test_an_honest_excerpt_is_accepted(
    tmp_path: Path, expert: Callable[..., tuple[int, str]], name: str, tracks: str
) -> None:
    dock = Dock.create(tmp_path / "home")
    clip = made.make(tmp_path / name, *KINDS[name])
    dock.excerpt(clip, (2500, 3500), tmp_path / "out", tracks=tracks, reveal=("camera",))
    (tmp_path / "key.pem").write_text(dock.keys.public_pem)
    code, words = expert(tmp_path / "out", tmp_path / "key.pem", dock.keys.vkey)
    assert code == 0, words
    assert 'shown: camera "BWC-0001"' in words
    other = Dock.create(tmp_path / "other")
    (tmp_path / "other.pem").write_text(other.keys.public_pem)
    assert "not signed by this key" in expert(tmp_path / "out", tmp_path / "other.pem", dock.keys.vkey)[1]
    assert expert(tmp_path / "out", tmp_path / "key.pem", other.keys.vkey)[0] == 1


@pytest.mark.parametrize("deceit", DECEITS)
def test_a_deceit_is_refused(
    scene: dict[str, Any], tmp_path: Path, expert: Callable[..., tuple[int, str]], deceit: str
) -> None:
    folder = excerpts.copy(scene["honest"], tmp_path / "forged")
    DECEITS[deceit][0](folder)
    assert expert(folder, *scene["keys"])[0] == (3 if deceit in NOT_IN_LINES else 1)
    for file, place in zip(beside(scene["honest"])[:2], beside(folder)[:2], strict=True):
        place.write_bytes(file.read_bytes())
    code, words = expert(folder, *scene["keys"])
    assert (code, "it is not the excerpt that was handed out" in words) == (1, True)


def test_what_was_not_shown_is_never_simply_accepted(
    scene: dict[str, Any], tmp_path: Path, expert: Callable[..., tuple[int, str]]
) -> None:
    code, words = expert(scene["honest"], *scene["keys"])
    assert (code, 'to "Defence" for "R v Smith"' in words) == (0, True)
    code, words = expert(scene["honest"])
    assert (code, "the keys came along" in words) == (3, True)
    folder = excerpts.copy(scene["honest"], tmp_path / "without")
    proof = json.loads((folder / "excerpt.json").read_bytes())
    (folder / "excerpt.json").write_bytes(rfc8785.dumps({**proof, "tlog_proof": ""}))
    assert expert(folder, *scene["keys"])[0] == 1
    excerpts.take_away(folder)
    code, words = expert(folder, *scene["keys"])
    assert (code, "the ledger may not have it" in words, "as it was handed out" in words) == (3, True, True)
