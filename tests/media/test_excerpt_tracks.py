"""An excerpt is held against its proof in a child: what it finds is what the code finds by itself, within limits."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from dockagent.clock import SystemClock
from dockagent.core.disclosure import excerpt_proof, excerpt_tracks
from dockagent.core.disclosure.excerpt_proof import Proof
from dockagent.core.disclosure.excerpt_tracks import Found
from dockagent.core.movie.clip_samples import Track
from dockagent.media import excerpt_tracks as media
from tests.evidence.excerpts import Dock
from tests.evidence.test_excerpt import KINDS
from tests.media import made


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("scene")
    dock, clip = Dock.create(folder / "home"), made.make(folder / "clip.mp4", *KINDS["b-frames.mp4"])
    dock.excerpt(clip, (2000, 3000), folder / "out")
    proof = excerpt_proof.parse((folder / "out" / "excerpt.json").read_bytes())
    assert proof.fields
    shown = [one.value for one in proof.fields.shown if one.name.startswith("samples.")]
    return {
        "file": folder / "out" / "excerpt.mp4",
        "proof": proof,
        "said": {one["track"]: Track(**one) for one in shown},
    }


def by_child(file: Path, scene: dict[str, Any], **more: Any) -> Found:
    with file.open("rb", buffering=0) as source:
        source.seek(7)  # wherever it stands
        return media.check(source, file.stat().st_size, scene["proof"], scene["said"], SystemClock(), **more)


def by_itself(file: Path, scene: dict[str, Any]) -> Found:
    with file.open("rb", buffering=0) as source:
        return excerpt_tracks.check_tracks(source, file.stat().st_size, scene["proof"], scene["said"])


def test_it_finds_what_the_code_finds(scene: dict[str, Any], tmp_path: Path) -> None:
    good = by_child(scene["file"], scene)
    assert good == by_itself(scene["file"], scene)
    assert not (good.wrong or good.gaps or good.unread)
    assert len(good.facts) == 2
    data = scene["file"].read_bytes()
    altered = {
        "cut": data[:3000],
        "longer": data + b"\0\0\0\x10freesecret!!",
        "flipped": data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
        "empty": b"",
        "junk": b"\xff" * 4096,
    }
    for name, its in altered.items():
        (tmp_path / name).write_bytes(its)
        found = by_child(tmp_path / name, scene)
        assert found == by_itself(tmp_path / name, scene), name
        assert (found.wrong or found.gaps) and not found.unread, name


def test_one_that_needs_too_much_memory_is_not_judged(scene: dict[str, Any]) -> None:
    found = by_child(scene["file"], scene, memory=24 << 20)
    assert found.unread.startswith("reading its samples ended")
    assert not found.facts


def test_the_proof_may_be_as_long_as_any(scene: dict[str, Any]) -> None:
    """It goes to the child as a file: an argument may have 128 KiB."""
    proof: Proof = scene["proof"]
    long = {**scene, "proof": msgspec.structs.replace(proof, tlog_proof="x" * (1 << 20))}
    assert by_child(scene["file"], long) == by_itself(scene["file"], scene)
