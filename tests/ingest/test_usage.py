"""A person's mistakes: one line that says what, why and what to do, the contract's exit code, and no traceback."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.ingest.bench import COMMAND, Ingested, Station, assert_delivered, place


@pytest.fixture
def card(tmp_path: Path) -> Path:
    place(tmp_path / "card", "DCIM/100VIDEO/CLIP0001.MP4", b"a clip")
    return tmp_path / "card"


@pytest.fixture
def station(tmp_path: Path) -> Station:
    return Station(tmp_path / "dock")


def assert_usage(run: Ingested, *words: str) -> None:
    assert run.code == 2, (run.code, run.out, run.err)
    assert run.err.startswith("dockagent: ")
    assert len(run.err.splitlines()) == 1, run.err
    assert "; " in run.err, "what to do about it"
    assert all(word in run.err for word in words), run.err
    assert run.out == ""


def test_no_such_source(station: Station, tmp_path: Path) -> None:
    assert_usage(station.ingest(tmp_path / "nowhere"), "nowhere", "No such file")
    assert not station.home.exists(), "a mistyped source must not make a home"


def test_an_unknown_profile(station: Station, card: Path) -> None:
    assert_usage(station.ingest(card, "--profile", "axon"), "axon", "generic-dcf")


@pytest.mark.parametrize(
    "url", ["ftp://host/x", "file://relative/x", "file:///", "s3://", "s3:///x", "x", "file:///a?b"]
)
def test_a_wrong_store_url(url: str, station: Station, card: Path) -> None:
    assert_usage(station.ingest(card, store=url))


def test_a_home_that_cannot_be_used(station: Station, card: Path, tmp_path: Path) -> None:
    station.home = Path("/proc/nothing")
    assert_usage(station.ingest(card), "/proc/nothing", "--home")
    station.home = place(tmp_path, "a-file", b"")
    assert_usage(station.ingest(card), "a-file", "--home")


@pytest.mark.parametrize(
    "text", ["[dock]\nnmae = 1\n", "= 3", "[limits]\npulls = 'x'\n", "\0", "[trust]\ncamera_roots = 5\n"]
)
def test_a_mistake_in_the_configuration(text: str, card: Path, tmp_path: Path) -> None:
    config = place(tmp_path, "wrong.toml", text.encode())
    argv = [str(COMMAND), "ingest", str(card), "--home", str(tmp_path / "home"), "--config", str(config)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert_usage(Ingested(done.returncode, {}, done.stdout, done.stderr, 0), "wrong.toml")


def test_a_missing_root_certificate(card: Path, tmp_path: Path) -> None:
    assert_usage(Station(tmp_path / "dock", roots=(tmp_path / "none.pem",)).ingest(card), "none.pem", "camera_roots")


def test_a_text_file_as_source(station: Station, tmp_path: Path) -> None:
    run = station.ingest(place(tmp_path, "notes.txt", b"not an image\n"), as_json=False)
    assert run.code in (1, 2)
    assert "notes.txt" in run.out + run.err
    assert "KEEP THE CAMERA" in run.out or run.err


def test_an_empty_folder_and_one_without_footage(station: Station, tmp_path: Path) -> None:
    """Not recognised is not the same as empty: 1, and what can be done."""
    (tmp_path / "empty").mkdir()
    place(tmp_path / "papers", "readme.txt", b"no footage")
    for folder in ("empty", "papers"):
        run = station.ingest(tmp_path / folder)
        assert run.code == 1
        assert run.report["clips"] == []
        assert "not recognised" in run.report["reason"]
        assert "generic-dcf" in run.report["reason"] or "no footage" in run.report["reason"], run.report["reason"]


def test_a_card_with_folders_and_no_clips_yet(station: Station, tmp_path: Path) -> None:
    """A freshly formatted card is a camera's: nothing to pull, nothing wrong, it may be taken."""
    place(
        tmp_path / "card",
        "MISC/version.txt",
        b'{"camera type":"HERO10","camera serial number":"C1","firmware version":"1"}',
    )
    (tmp_path / "card/DCIM/100GOPRO").mkdir(parents=True)
    run = station.ingest(tmp_path / "card")
    assert run.code == 0, run.report
    assert run.report["safe_to_take"]


def test_a_second_ingest_at_the_same_time(station: Station, card: Path) -> None:
    for number in range(300):
        place(card, f"DCIM/101VIDEO/CLIP{number:04}.MP4", os.urandom(30_000))
    running = station.start(card)
    deadline = time.monotonic() + 30
    while not (station.home / "ledger" / "entries.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    second = subprocess.run(station.argv(card), capture_output=True, text=True, timeout=60, check=False)
    _, err = running.communicate(timeout=90)
    assert running.returncode == 0, err
    assert second.returncode in (1, 2, 4), second.stdout
    assert "Traceback" not in second.stderr
    assert len(second.stderr.splitlines()) == 1
    assert str(station.home) in second.stderr, second.stderr
    run = station.ingest(card)
    assert run.code == 0
    assert_delivered(run, card, station)
    station.verify()


def test_a_reader_that_goes_away(station: Station, card: Path) -> None:
    """``dockagent ingest … --json | head -1``: no traceback, and the footage is delivered all the same."""
    for number in range(500):
        place(card, f"DCIM/101VIDEO/CLIP{number:04}.MP4", b"%d" % number)
    with subprocess.Popen(station.argv(card), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        err = running.stderr.read()
        running.wait(90)
    assert b"Traceback" not in err
    assert b"Exception" not in err
    assert station.count("receipt") == 501
    station.verify()
