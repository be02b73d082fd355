"""Whoever verifies does not parse footage himself: it may have been made to break him."""

import io
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from dockagent.clock import SystemClock
from dockagent.core import strict_json
from dockagent.core.movie.clip_samples import Measure
from dockagent.core.stream.in_stream import InStream
from dockagent.evidence.footage import Footage, footage
from dockagent.evidence.verify import verify
from dockagent.ledger.trust import Trust
from tests.corpus import corpus
from tests.evidence import made
from tests.evidence.test_check_samples import trees
from tests.in_stream.made import ONVIF_FILE
from tests.ledger.made import keys

PARSERS = ("movie.py", "movie_raw.py", "track_box.py", "sample_table.py", "nal_units.py", "scan.py", "signed_sei.py")


def files_entered(run: Any) -> set[str]:
    """Run something; the names of our files of which code ran in this process meanwhile."""
    seen = set[str]()

    def look(frame: FrameType, event: str, arg: object) -> None:
        if event == "call" and "/dockagent/" in frame.f_code.co_filename:
            seen.add(frame.f_code.co_filename.rpartition("/dockagent/")[2])

    sys.setprofile(look)
    try:
        run()
    finally:
        sys.setprofile(None)
    return seen


def signed_clip(tmp_path: Path) -> tuple[Path, Trust]:
    """A stored clip with sample trees, whose own stream is signed."""
    by, master = keys(tmp_path / "keys"), corpus(*ONVIF_FILE).read_bytes()
    said = trees(master, tmp_path)
    with footage(io.BytesIO(master)) as film:
        stream = film.in_stream()
    assert stream.signatures
    folder = made.clip(tmp_path / "store", by, files={"master": master})
    members = {"samples": msgspec.to_builtins(said), "in_stream": msgspec.to_builtins(stream)}
    statement = made.statement({"master": master}, "clip-1", **members)
    (folder / "record.json").write_bytes(by.sign_statement(strict_json.canonical(statement)))
    return folder, Trust((by.dock,))


def test_samples_and_signatures_are_read_in_another_process(tmp_path: Path) -> None:
    folder, trust = signed_clip(tmp_path)
    reports = []
    entered = files_entered(lambda: reports.extend(verify(folder, trust)))
    assert reports[0].verdicts["intact"].word == "pass"
    assert any("sample tree made again" in fact for fact in reports[0].facts)
    assert any("found again the same" in fact for fact in reports[0].facts)
    assert "evidence/check_clip.py" in entered, "the look works"
    parsed = sorted(one for one in entered if one.startswith("core/") and one.rpartition("/")[2] in PARSERS)
    kinds = {"core/movie/movie.py", "core/stream/nal_units.py"}  # whose first bytes say what kind of file it is
    assert set(parsed) <= kinds, parsed


def test_what_is_no_real_file_is_read_all_the_same() -> None:
    data = corpus("footage", "bbb-480p-30s.mp4").read_bytes()
    with footage(io.BytesIO(data)) as film, corpus("footage", "bbb-480p-30s.mp4").open("rb", buffering=0) as file:
        same = Footage(file, len(data)).measure()
        assert film.measure() == same
        assert film.in_stream() == InStream()
    assert same.trees


class Hurried(SystemClock):
    """A clock by which any child takes too long."""

    ticks = 0.0

    def monotonic(self) -> float:
        self.ticks += 10_000.0
        return self.ticks


def test_footage_that_does_not_let_go_leaves_a_doubt() -> None:
    clip = corpus("footage", "bbb-480p-30s.mp4")
    with clip.open("rb", buffering=0) as file:
        film = Footage(file, clip.stat().st_size, Hurried())
        found: Measure = film.measure()
        assert found.doubt and "was stopped" in found.why
        assert not found.trees
        assert film.in_stream().doubt
