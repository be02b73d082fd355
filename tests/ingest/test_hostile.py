"""Files made to break whoever parses them: each is delivered like any other clip, with a word about its preview."""

import json
import tarfile
from itertools import cycle
from pathlib import Path

from tests.corpus import corpus
from tests.ingest.bench import Station, assert_delivered, place, tree


def fill_with_fuzz(card: Path) -> int:
    """Every fuzzed file of the corpus, under a footage name; how many."""
    kinds = {"riff-AVI.": ".avi", "riff-WAVE": ".wav"}
    lines = corpus("hostile", "container-fuzz-dev.tsv").read_text().splitlines()[1:]
    kind_of = {line.split("\t")[0]: line.split("\t")[2] for line in lines}
    folders = cycle(range(100, 103))
    with tarfile.open(corpus("hostile", "container-fuzz-dev.tar.gz")) as archive:
        for number, member in enumerate(archive):
            data = archive.extractfile(member)
            assert data is not None
            suffix = kinds.get(kind_of[member.name], ".mp4")
            place(card, f"DCIM/{next(folders)}FUZZY/F{number:04}{suffix}", data.read())
    return len(kind_of)


def test_the_whole_hostile_corpus_in_one_card(tmp_path: Path) -> None:
    card, station = tmp_path / "card", Station(tmp_path / "dock", previews=True)
    fuzzed = fill_with_fuzz(card)
    for source in sorted(corpus("hostile").iterdir()):
        if source.suffix in (".mp4", ".wav", ".ts"):
            place(card, f"DCIM/104HOST/{source.name}", source.read_bytes())
    place(card, "DCIM/105GOOD/CLIP0001.MP4", corpus("footage", "prog_8s.mp4").read_bytes())
    before = tree(card)
    run = station.ingest(card)
    assert run.code in (0, 3), run.err
    assert len(run.rows) == fuzzed + 6
    assert set(run.states().values()) == {"delivered"}
    assert_delivered(run, card, station)
    assert tree(card) == before
    good = station.store / run.rows["DCIM/105GOOD/CLIP0001.MP4"]["stored"]
    assert {path.name for path in (good.parent / "preview").iterdir()} == {"sprite.jpg", "storyboard.vtt", "proxy.mp4"}
    assert not station.spooled()
    assert station.count("acquire") == len(run.rows)
    assert "preview" in run.codes
    for finding in run.report["findings"]:
        assert len(finding["text"]) < 1000
        assert "\n" not in json.loads(json.dumps(finding["text"]))
