"""A stored clip's sample trees are made again and compared; a record that is wrong about them is refuted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dockagent.core import strict_json
from dockagent.core.movie.clip_samples import Measure, measure
from dockagent.evidence.report import Report
from dockagent.evidence.verify import verify
from dockagent.ledger.keys import Keys
from dockagent.ledger.trust import Trust
from tests.corpus import corpus
from tests.evidence import made
from tests.ledger.made import keys as made_keys
from tests.media import framehash

CLIP = ("footage", "bbb-480p-30s.mp4")


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return made_keys(tmp_path / "keys")


def trees(data: bytes, tmp_path: Path) -> Measure:
    file = tmp_path / "measured"
    file.write_bytes(data)
    with file.open("rb") as source:
        return measure(source, len(data))


def stored(tmp_path: Path, keys: Keys, master: bytes, samples: Measure | None) -> Path:
    """A clip's folder whose signed record tells of ``samples``."""
    folder = made.clip(tmp_path / "store", keys, files={"master": master})
    changed: dict[str, Any] = {} if samples is None else {"samples": msgspec.to_builtins(samples)}
    statement = made.statement({"master": master}, "clip-1", **changed)
    (folder / "record.json").write_bytes(keys.sign_statement(strict_json.canonical(statement)))
    return folder


def check(folder: Path, keys: Keys) -> Report:
    (report,) = verify(folder, Trust((keys.dock,)))
    return report


def test_trees_are_made_again(tmp_path: Path, keys: Keys) -> None:
    master = corpus(*CLIP).read_bytes()
    said = trees(master, tmp_path)
    report = check(stored(tmp_path, keys, master, said), keys)
    assert report.verdicts["intact"].word == "pass"
    for track in said.tracks:
        assert any(f"the same root {track.root}" in fact for fact in report.facts)


def test_a_record_without_trees_says_byte_tree_only(tmp_path: Path, keys: Keys) -> None:
    for samples in (None, Measure(why="byte tree only: it is no MP4 or QuickTime file")):
        report = check(stored(tmp_path, keys, b"some bytes", samples), keys)
        assert report.verdicts["intact"].word == "pass"
        assert any(fact.startswith("byte tree only") for fact in report.facts)


@pytest.mark.parametrize("alter", [framehash.flip_sample, framehash.swap_samples, framehash.slow_down])
def test_an_altered_clip_under_a_record_of_the_original_is_refuted(
    tmp_path: Path, keys: Keys, alter: Callable[[bytes], bytes]
) -> None:
    master = corpus(*CLIP).read_bytes()
    folder = stored(tmp_path, keys, master, trees(master, tmp_path))
    (folder / "master").write_bytes(alter(master))
    verdict = check(folder, keys).verdicts["intact"]
    assert verdict.word == "fail"
    assert "other bytes" in verdict.why
    if alter is not framehash.swap_samples:  # swapped chunks may only be refused as a whole
        assert "than the record says" in verdict.why.partition(";")[2]


@pytest.mark.parametrize("alter", [framehash.flip_sample, framehash.slow_down])
def test_trees_of_other_samples_are_refuted_though_every_byte_is_signed(
    tmp_path: Path, keys: Keys, alter: Callable[[bytes], bytes]
) -> None:
    master = corpus(*CLIP).read_bytes()
    verdict = check(stored(tmp_path, keys, alter(master), trees(master, tmp_path)), keys).verdicts["intact"]
    assert verdict.word == "fail"
    assert "other samples than the record says" in verdict.why


def test_another_presentation_is_refuted(tmp_path: Path, keys: Keys) -> None:
    master = corpus(*CLIP).read_bytes()
    at = master.index(b"tkhd") + 4 + 40  # the matrix of the first track
    turned = master[:at] + bytes(4) + master[at + 4 :]
    verdict = check(stored(tmp_path, keys, turned, trees(master, tmp_path)), keys).verdicts["intact"]
    assert verdict.word == "fail"
    assert "another presentation than the record says" in verdict.why


def test_a_record_that_tells_two_presentations_is_refuted(tmp_path: Path, keys: Keys) -> None:
    master = corpus(*CLIP).read_bytes()
    first, *others = trees(master, tmp_path).tracks
    lie = msgspec.structs.replace(first, presentation=first.presentation.replace("rotation 0", "rotation 90"))
    verdict = check(stored(tmp_path, keys, master, Measure((lie, *others))), keys).verdicts["intact"]
    assert verdict.word == "fail"
    assert "contradicts itself about how track 0 is shown" in verdict.why


def test_trees_that_cannot_be_made_again_cannot_be_told(tmp_path: Path, keys: Keys) -> None:
    said = trees(corpus(*CLIP).read_bytes(), tmp_path)
    verdict = check(stored(tmp_path, keys, b"no footage at all", said), keys).verdicts["intact"]
    assert verdict.word == "unknown"
    assert "cannot be compared" in verdict.why


def test_samples_of_another_shape_make_the_record_unreadable(tmp_path: Path, keys: Keys) -> None:
    folder = made.clip(tmp_path / "store", keys, files={"master": b"bytes"})
    shapes: list[Any] = [[], {"tracks": 7}, {"tracks": [{"track": 0}]}]
    for odd in shapes:
        statement = made.statement({"master": b"bytes"}, "clip-1", samples=odd)
        (folder / "record.json").write_bytes(keys.sign_statement(strict_json.canonical(statement)))
        verdict = check(folder, keys).verdicts["intact"]
        assert verdict.word == "unknown"
        assert "samples" in verdict.why
