"""``dockagent disclose --from --to`` from the card to the court, through the installed command alone."""

import hashlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.bench import COMMAND, Station
from tests.media import made

_LAVFI = ("-f", "lavfi", "-i", "testsrc2=size=160x120:rate=30:duration=6", "-f", "lavfi", "-i", "sine=duration=6")
GROUNDS = ["--purpose", "case 7", "--basis", "order 12", "--authority", "the chief", "--recipient", "the court"]


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Station:
    """A dock that has delivered one clip, and holds no copy of it any more."""
    folder = tmp_path_factory.mktemp("dock")
    card = folder / "card" / "DCIM" / "100BWC"
    card.mkdir(parents=True)
    made.make(card / "BWC0001.MP4", *_LAVFI, "-c:v", "libx264", "-bf", "2", "-g", "30", "-c:a", "aac")
    found = Station(folder / "dock")
    assert found.ingest(folder / "card").code == 0
    return found


def clip_of(station: Station) -> dict[str, Any]:
    (row,) = [one for one in station.events() if one["type"] == "acquire"]
    item: dict[str, Any] = row["what"]
    return item


def disclose(station: Station, *more: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    argv = [COMMAND, "disclose", clip_of(station)["clip_id"], "--home", station.home, "--config", station.config()]
    argv += ["--store", f"file://{station.store}", *GROUNDS, *more]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=90, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def newest(station: Station, kind: str) -> dict[str, Any]:
    return [one for one in station.events() if one["type"] == kind][-1]


def test_an_excerpt_goes_out_and_is_on_record(station: Station, tmp_path: Path) -> None:
    out = tmp_path / "part"
    said = json.loads(
        disclose(
            station, "--from", "2.5", "--to", "00:00:03.500", "--reveal", "camera,time", "--out", out, "--json"
        ).stdout
    )
    assert (said["from_ms"], said["to_ms"], said["lead_in_ms"], said["lead_out_ms"]) == (2000, 4000, 500, 500)
    assert sorted(one.name for one in out.iterdir()) == ["excerpt.json", "excerpt.mp4"]
    asked, done = newest(station, "disclose.ask"), newest(station, "disclose")
    assert asked["index"] == done["what"]["asked"] < done["index"] == said["record"]
    assert done["what"]["package_sha256"] == hashlib.sha256((out / "excerpt.json").read_bytes()).hexdigest()
    assert (done["what"]["kind"], done["what"]["tracks"]) == ("excerpt", [0, 1])
    assert done["what"]["ranges"] == ["00:00:02.000 to 00:00:04.000"]
    assert asked["what"]["ranges"] == ["00:00:02.500 to 00:00:03.500"]
    assert done["why"]["basis"] == "order 12"
    assert done["why"]["recipient"] == "the court"
    assert clip_of(station)["clip_id"].encode() not in (out / "excerpt.json").read_bytes()
    station.verify()
    verified = subprocess.run(
        [COMMAND, "verify", out, "--trust", station.folder / "trust.json", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    (report,) = json.loads(verified.stdout)["reports"]
    assert verified.returncode == 0, verified.stdout
    assert report["kind"] == "excerpt"
    assert {name: one["verdict"] for name, one in report["verdicts"].items()} == {
        "intact": "pass", "signature": "pass", "signer": "pass", "time": "unknown", "complete": "pass",
    }  # fmt: skip


def test_it_is_said_in_words_too(station: Station, tmp_path: Path) -> None:
    done = disclose(station, "--from", "1", "--to", "2", "--tracks", "video", "--out", tmp_path / "part")
    assert "0 ms of lead-in and 0 ms of lead-out beyond what was asked for" in done.stdout
    assert "of the clip record it shows samples.0" in done.stdout


def test_one_that_fails_leaves_nothing_but_its_record(station: Station, tmp_path: Path) -> None:
    done = disclose(station, "--from", "60", "--to", "70", "--out", tmp_path / "part", code=2)
    assert "there is nothing from 60000 to 70000 ms" in done.stderr
    assert not list(tmp_path.iterdir())
    failed = newest(station, "disclose.failed")
    assert failed["what"]["kind"] == "excerpt"
    assert "there is nothing" in failed["what"]["reason"]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["--from", "2026-11-22T08:15:00Z", "--to", "9"], "is a time of day"),
        (["--from", "1:75", "--to", "9"], "is no time in a clip"),
        (["--from", "3", "--to", "3"], "is not before"),
        (["--from", "3"], "needs a beginning and an end"),
        (["--tracks", "video"], "needs a beginning and an end"),
    ],
)
def test_what_makes_no_sense_is_not_even_asked(station: Station, tmp_path: Path, more: list[str], why: str) -> None:
    before = station.count("disclose.ask")
    assert why in disclose(station, *more, "--out", tmp_path / "part", code=2).stderr
    assert station.count("disclose.ask") == before


def test_a_folder_that_is_there_is_not_touched(station: Station, tmp_path: Path) -> None:
    assert "is there already" in disclose(station, "--from", "1", "--to", "2", "--out", tmp_path, code=2).stderr


def test_a_derivative_is_on_record_with_its_digest(station: Station, tmp_path: Path) -> None:
    redacted = tmp_path / "redacted.mp4"
    master = next(station.store.rglob("master"))
    made.make(redacted, "-i", str(master), "-vf", "boxblur=9", "-c:a", "copy")
    said = json.loads(disclose(station, "--derivative", redacted, "--json").stdout)
    digest = hashlib.sha256(redacted.read_bytes()).hexdigest()
    assert said["wasDerivedFrom"] == hashlib.sha256(master.read_bytes()).hexdigest()
    done = newest(station, "disclose")
    assert (done["what"]["kind"], done["what"]["package_sha256"]) == ("derivative", digest)
    assert done["what"]["clips"] == [clip_of(station)["clip_id"]]
    assert "cannot read" in disclose(station, "--derivative", tmp_path / "absent", code=2).stderr
    assert (
        "put on record whole" in disclose(station, "--derivative", redacted, "--from", "1", "--to", "2", code=2).stderr
    )
    assert newest(station, "disclose.failed")["what"]["kind"] == "derivative"
    station.verify()


def test_an_interrupted_one_leaves_nothing_but_its_record(station: Station, tmp_path: Path) -> None:
    """The master comes through a pipe that gives nothing, so that the work stands still until the signal."""
    master = next(station.store.rglob("master"))
    kept = master.rename(master.with_name("kept"))
    os.mkfifo(master)
    try:
        argv = [COMMAND, "disclose", clip_of(station)["clip_id"], "--home", station.home, "--config", station.config()]
        argv += ["--store", f"file://{station.store}", *GROUNDS, "--from", "1", "--to", "2", "--out", tmp_path / "part"]
        child = subprocess.Popen(argv, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while not list(tmp_path.glob(".part.*.part")):
            assert child.poll() is None and time.monotonic() < end
            time.sleep(0.02)
        child.send_signal(signal.SIGTERM)
        _, err = child.communicate(timeout=60)
    finally:
        master.unlink()
        kept.rename(master)
    assert (child.returncode, err.count(b"\n")) == (130, 1), err
    assert not list(tmp_path.iterdir())
    failed = newest(station, "disclose.failed")
    assert failed["what"]["kind"] == "excerpt"
    assert "SIGTERM" in failed["what"]["reason"]
