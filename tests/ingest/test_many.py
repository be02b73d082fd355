"""Many small files: what one card costs must grow with its files, not with their square."""

import random
import resource
from pathlib import Path

from tests.ingest.bench import Station, assert_delivered, place

FILES = 1000  # 10,000 take longer than a test may


def test_a_thousand_small_files(tmp_path: Path) -> None:
    card, station = tmp_path / "card", Station(tmp_path / "dock")
    seeded = random.Random(1)
    for number in range(FILES):
        name = f"DCIM/{100 + number // 500}VIDEO/CLIP{number:05}.MP4"
        place(card, name, seeded.randbytes(seeded.randint(1000, 20_000)))
    run = station.ingest(card)
    assert run.code == 0, run.err
    assert len(run.rows) == FILES
    assert set(run.states().values()) == {"delivered"}
    assert_delivered(run, card, station)
    assert run.seconds < 60
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 300 * 1024  # KiB, of the largest child so far
    assert station.count("acquire") == FILES
    again = station.ingest(card)
    assert again.code == 0
    assert station.count("acquire") == FILES
    assert again.seconds < 20, "docking again costs a listing"
