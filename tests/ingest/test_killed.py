"""kill -9 at any moment, and again: in the end everything is delivered exactly once and the ledger is whole."""

import random
import signal
import time
from pathlib import Path

from tests.corpus import corpus
from tests.ingest.bench import Station, assert_delivered, left_behind, place, tree


def test_killed_again_and_again(tmp_path: Path) -> None:
    card, station = tmp_path / "card", Station(tmp_path / "dock", previews=True)
    seeded = random.Random(2026)
    for number in range(40):
        place(card, f"DCIM/100VIDEO/CLIP{number:04}.MP4", seeded.randbytes(seeded.choice((10, 30_000, 3_000_000))))
    for name in ("prog_8s.mp4", "split/v2.mp4", "camera-mjpeg.avi"):
        place(card, f"DCIM/101VIDEO/{Path(name).name}", corpus("footage", name).read_bytes())
    before = tree(card)
    for _ in range(8):
        running = station.start(card)
        wait_for_records(station, records(station) + seeded.randint(1, 40))
        time.sleep(seeded.uniform(0, 0.02))
        running.kill()
        _, err = running.communicate(timeout=30)
        assert running.returncode == -signal.SIGKILL, err
        assert b"Traceback" not in err
        assert not left_behind(station.folder)
    run = station.ingest(card)
    assert run.code in (0, 3), (run.code, run.err, run.report["reason"])
    assert tree(card) == before
    assert_delivered(run, card, station)
    assert len(station.masters()) == len(run.rows)
    receipts = [event["what"]["clip_id"] for event in station.events() if event["type"] == "receipt"]
    assert len(receipts) == len(set(receipts)) == len(run.rows), "a clip was delivered twice"
    assert not station.spooled()
    assert not list(station.store.glob(".part*"))
    station.verify()


def records(station: Station) -> int:
    """Lines in the ledger, the last perhaps half written."""
    entries = station.home / "ledger" / "entries.jsonl"
    return entries.read_bytes().count(b"\n") if entries.exists() else 0


def wait_for_records(station: Station, wanted: int) -> None:
    deadline = time.monotonic() + 30
    while records(station) < wanted and time.monotonic() < deadline:
        time.sleep(0.002)


def test_interrupted_by_a_person(tmp_path: Path) -> None:
    """Ctrl-C: one line, exit 130, and the next run goes on."""
    card, station = tmp_path / "card", Station(tmp_path / "dock")
    for number in range(200):
        place(card, f"DCIM/100VIDEO/CLIP{number:04}.MP4", random.Random(number).randbytes(30_000))
    running = station.start(card)
    time.sleep(1.5)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=30)
    assert running.returncode == 130, err
    assert b"Traceback" not in err
    assert len(err.splitlines()) == 1
    run = station.ingest(card)
    assert run.code == 0
    assert_delivered(run, card, station)
    station.verify()
