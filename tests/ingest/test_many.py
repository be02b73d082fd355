"""Many small files: what one card costs must grow with its files, not with their square."""

import random
import re
import time
from contextlib import suppress
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
    assert station.count("acquire") == FILES
    again, peak = _with_peak(station, card)
    assert again == 0
    assert 20 < peak < 300, "MiB resident"
    assert station.count("acquire") == FILES


def _with_peak(station: Station, card: Path) -> tuple[int, int]:
    """Exit code and largest resident size (MiB) of one more ingest. Read while it runs: what wait(2) says of a child
    begins with what its parent had when it forked."""
    process, peak = station.start(card), 0
    while process.poll() is None:
        with suppress(OSError):
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = max(peak, *map(int, re.findall(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)), 0)
        time.sleep(0.02)
    process.communicate()
    return process.returncode, peak // 1024
