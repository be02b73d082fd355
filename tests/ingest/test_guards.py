"""What must not happen when a technician, a mount or a ledger is not where it was."""

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.ingest.bench import COMMAND, Station
from tests.ingest.test_again import CLIPS, gopro
from tests.transports import loops


@pytest.fixture
def station(tmp_path: Path) -> Station:
    return Station(tmp_path / "dock")


def test_footage_in_the_spool_outlives_its_ledger(tmp_path: Path, station: Station) -> None:
    """A new ledger does not know the clips of the old one; their bytes stay all the same, and it is said."""
    (tmp_path / "file").touch()
    assert station.ingest(gopro(tmp_path / "card", "C1"), store=f"file://{tmp_path}/file/away").code == 1
    kept = sorted(path.read_bytes() for path in station.home.glob("spool/*/master"))
    assert len(kept) == len(CLIPS)
    (station.home / "ledger").rename(tmp_path / "old ledger")
    run = station.ingest(gopro(tmp_path / "other", "C2"))
    assert run.code == 0
    assert sorted(path.read_bytes() for path in station.home.glob("quarantine/*.unknown/master")) == kept
    assert run.err.count("no record speaks of clip") == len(CLIPS)


def test_another_store_gets_the_clips_too(tmp_path: Path, station: Station) -> None:
    card = gopro(tmp_path / "card", "C1")
    assert station.ingest(card).code == 0
    second = tmp_path / "second"
    assert station.ingest(card, store=f"file://{second}").code == 0
    assert len(list(second.glob("clips/*/*/*/*/*/master"))) == len(CLIPS)


def test_a_store_that_lost_its_clips_gets_them_again(tmp_path: Path, station: Station) -> None:
    card = gopro(tmp_path / "card", "C1")
    assert station.ingest(card).code == 0
    shutil.rmtree(station.store / "clips")
    assert station.ingest(card).code == 0
    assert len(list(station.store.glob("clips/*/*/*/*/*/master"))) == len(CLIPS)
    station.verify(3)  # the catalogue still has the lines of the lost records beside the new ones, and it is said


def test_a_store_that_is_not_mounted_gets_nothing(tmp_path: Path, station: Station) -> None:
    loops.needs_root("mount")
    station.store.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", station.store], check=True)
    try:
        assert station.ingest(gopro(tmp_path / "card", "C1")).code == 0
    finally:
        subprocess.run(["umount", station.store], check=True)
    run = station.ingest(gopro(tmp_path / "other", "C2", b"other"))
    assert run.code == 1
    assert "is it mounted" in str(run.report)
    assert list(station.store.iterdir()) == []
    assert len(list(station.home.glob("spool/*/master"))) == len(CLIPS)


def test_a_ledger_with_records_taken_out_is_refused(tmp_path: Path, station: Station) -> None:
    card = gopro(tmp_path / "card", "C1")
    assert station.ingest(card).code == 0
    entries = station.home / "ledger" / "entries.jsonl"
    lines = entries.read_bytes().splitlines(keepends=True)
    entries.write_bytes(b"".join(lines[:5] + lines[6:]))
    (station.home / "ledger" / "checkpoint").unlink()
    run = station.ingest(card)
    assert run.code == 1
    assert "some were taken out or put in" in run.err
    trust = station.folder / "trust.json"
    trust.write_bytes((station.home / "keys" / "trust.json").read_bytes())
    done = subprocess.run(
        [COMMAND, "verify", station.home, "--trust", trust], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1, done.stdout
    assert "some were taken out or put in" in done.stdout


def test_a_manifest_that_nobody_reads_is_told_of(tmp_path: Path, station: Station) -> None:
    """Else taking camera.json off a card would turn an altered clip into an unsigned one without a word."""
    card = gopro(tmp_path / "card", "C1")
    envelope = {"payloadType": "x", "payload": base64.b64encode(b"{}").decode(), "signatures": []}
    (card / "manifest.dsse.json").write_text(json.dumps(envelope))
    run = station.ingest(card)
    assert run.code == 3
    assert "manifest-ignored" in run.codes


@pytest.mark.parametrize("source", ["home", "above", "keys", "store"])
def test_the_docks_own_folders_are_no_card(tmp_path: Path, station: Station, source: str) -> None:
    assert station.ingest(gopro(tmp_path / "card", "C1")).code == 0
    where = {"home": station.home, "above": station.folder, "keys": station.home / "keys", "store": station.store}
    run = station.ingest(where[source])
    assert (run.code, run.out) == (2, "")
    assert "lie in one another" in run.err
    assert not list(station.store.rglob("identity.pem"))


def test_a_closed_output_is_no_traceback(tmp_path: Path, station: Station) -> None:
    assert station.ingest(gopro(tmp_path / "card", "C1")).code == 0
    for ending in (">&-", "> /dev/full"):
        done = subprocess.run(
            ["bash", "-c", f"'{COMMAND}' status --home '{station.home}' {ending}"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr


def test_a_clip_that_was_taken_out_of_the_store_is_missed(tmp_path: Path, station: Station) -> None:
    """Its folder is gone whole, so nothing in the store tells; the ledger's receipts do."""
    assert station.ingest(gopro(tmp_path / "card", "C1")).code == 0
    station.verify()
    shutil.rmtree(next(station.store.glob("clips/*/*/*/*/*")))
    station.verify(1)
