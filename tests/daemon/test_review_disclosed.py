"""Footage is handed out beside a running agent that sends its ledger round too: whoever of the two is first, the draw
is from the first checkpoint behind the request that anybody holds."""

from pathlib import Path

from dockagent.core.proof import note
from tests.daemon.test_review import SAMPLE, Station, docked, station

__all__ = ["station"]

GROUNDS = ("--purpose", "R v Smith", "--basis", "CPIA s.3", "--authority", "DI Jones", "--recipient", "Defence")


def test_the_draw_passes_over_no_checkpoint_that_was_handed_out(station: Station, tmp_path: Path) -> None:
    box = station.box
    station.start()
    docked(box, "BWC-1", "bay1", 4, files=True)
    box.until_released(1)
    request = station.asked("--camera", "BWC-1")["request"]
    clip = next(row["clip_id"] for row in station.clips().json() if row["role"] == "footage")
    url = box.place.store.as_uri()
    for name in ("first", "second"):
        answer = box.agent.ask("disclose", clip, "--out", tmp_path / name, "--store", url, *GROUNDS)
        assert answer.code == 0, answer.err
    handed = [one for one in tmp_path.glob("*/data/ledger/*") if one.name.isdigit()]
    assert len(handed) == 2
    for one in handed:
        kept, given = (note.parse(file.read_bytes()) for file in (station.kept(int(one.name)), one))
        assert (kept.text, set(kept.signatures)) == (given.text, set(given.signatures))
    sizes = [int(one.name) for one in station.kept(0).parent.iterdir() if one.name.isdigit()]
    first = min(size for size in sizes if size > request)
    assert first <= min(int(one.name) for one in handed)
    answer = station.clips("--sample", str(SAMPLE), "--request", str(request), "--seed-from", "newest")
    assert answer.code == 0, answer.err
    assert answer.json()["checkpoint"][1] == str(first)
    assert box.agent.stop() == 0
    assert station.verified()["review ledger"]["verdicts"]["intact"]["verdict"] == "pass"
