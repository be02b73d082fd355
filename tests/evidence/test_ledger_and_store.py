"""What a ledger and its store say of each other, what a checkpoint that one kept is worth, and what a CA's root is."""

import shutil
import subprocess
from pathlib import Path

import pytest

from dockagent.durable import RealDisk
from dockagent.ledger.keys import Keys
from tests.ingest.bench import COMMAND, Station, place
from tests.ledger import made
from tests.ledger.authority import Authority, pem
from tests.ledger.test_tiles import publish


def verify(*words: str | Path, code: int) -> str:
    done = subprocess.run([COMMAND, "verify", *words], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def station(tmp_path: Path) -> Station:
    """A dock that has delivered one clip."""
    one = Station(tmp_path / "dock")
    place(tmp_path / "card", "DCIM/100BWC/CLIP0001.MP4", b"first" * 999)
    assert one.ingest(tmp_path / "card").code == 0
    one.verify()
    return one


def _film_on(station: Station) -> None:
    card = station.folder.parent / "card"
    place(card, "DCIM/100BWC/CLIP0002.MP4", b"second" * 999)
    assert station.ingest(card).code == 0


def test_a_ledger_that_was_rolled_back_does_not_know_the_clips_in_the_store(station: Station) -> None:
    """Also where the store's copy of the ledger was rolled back with it."""
    older, published = station.folder / "older", station.store / "ledgers"
    shutil.copytree(station.home / "ledger", older)
    _film_on(station)
    shutil.rmtree(published, ignore_errors=True)
    assert "the ledger knows all 2 clips" in verify(
        station.home, station.store, "--trust", station.folder / "trust.json", "--json", code=0
    )
    shutil.rmtree(station.home / "ledger")
    shutil.copytree(older, station.home / "ledger")
    said = verify(station.home, station.store, "--trust", station.folder / "trust.json", code=1)
    assert "the ledger does not know 1 of the 2 clips in the store" in said


def test_a_clip_signed_with_stolen_keys_is_not_in_the_ledger(station: Station, tmp_path: Path) -> None:
    thief = Station(tmp_path / "thief")
    shutil.copytree(station.home / "keys", thief.home / "keys")
    place(tmp_path / "forged", "DCIM/100BWC/FORGED01.MP4", b"forged" * 999)
    assert thief.ingest(tmp_path / "forged").code == 0
    shutil.copytree(thief.store / "clips", station.store / "clips", dirs_exist_ok=True)
    said = verify(station.home, station.store, "--trust", station.folder / "trust.json", code=1)
    assert "the ledger does not know 1 of the 2 clips in the store" in said


@pytest.fixture
def publishing(station: Station) -> Station:
    """The same with two clips; its ledger is published in its store."""
    _film_on(station)
    keys = Keys.load(RealDisk(station.home / "keys"))
    folder = station.store / "ledgers" / keys.dock.id
    folder.parent.mkdir(exist_ok=True)
    publish(folder, keys, made.entries(station.home / "ledger"))
    (folder / "checkpoints").mkdir(exist_ok=True)
    shutil.copy(folder / "checkpoint", folder / "checkpoints" / str(len(made.entries(station.home / "ledger"))))
    return station


def _taken_out(store: Path) -> None:
    """A clip's folder, and its line of the catalogue: nothing that is left names it but the ledger."""
    folder = next(file.parent for file in store.rglob("record.json"))
    lines = list((store / "catalogue").rglob(f"{folder.name}*.ndjson"))
    assert lines
    for line in lines:
        line.unlink()
    shutil.rmtree(folder)


@pytest.mark.parametrize("moved", [False, True])
def test_a_store_alone_misses_a_clip_of_which_its_published_ledger_tells(
    publishing: Station, tmp_path: Path, moved: bool
) -> None:
    store, trust = publishing.store, publishing.folder / "trust.json"
    if moved:
        store = publishing.store.rename(tmp_path / "elsewhere")
    said = verify(store, "--trust", trust, "--json", code=0)
    assert "objects that the ledger has receipts for are in the store" in said
    _taken_out(store)
    said = verify(store, "--trust", trust, code=1)
    assert "delivered objects are not in the store: clips/" in said


def test_what_was_delivered_since_it_was_published_is_no_finding(publishing: Station, tmp_path: Path) -> None:
    place(tmp_path / "more", "DCIM/100BWC/CLIP0009.MP4", b"third" * 999)
    assert publishing.ingest(tmp_path / "more").code == 0
    verify(publishing.store, "--trust", publishing.folder / "trust.json", code=0)


def test_a_checkpoint_of_another_ledger_is_not_passed_over(station: Station, tmp_path: Path) -> None:
    other, trust = Station(tmp_path / "other"), station.folder / "trust.json"
    other.extra = '[dock]\nid = "dock-8"\n'
    assert other.ingest(tmp_path / "card").code == 0
    checkpoint = other.home / "ledger/checkpoint"
    said = verify(station.home, "--trust", trust, "--checkpoint", checkpoint, code=4)
    assert "it is of 'dockagent.local/dock-8', no ledger that was checked" in said
    junk = tmp_path / "junk"
    junk.write_bytes(b"\xffnothing")
    assert "it is no checkpoint" in verify(station.home, "--trust", trust, "--checkpoint", junk, code=4)
    mine = station.home / "ledger/checkpoint"
    verify(station.home, "--trust", trust, "--checkpoint", mine, code=0)


def test_the_agencys_root_is_enough_for_home_and_store(station: Station, tmp_path: Path) -> None:
    agency, root, chain = Authority.root(), tmp_path / "ca.pem", tmp_path / "chain.pem"
    root.write_bytes(pem(agency.certificate))
    chain.write_bytes(pem(*agency.for_dock(Keys.load(RealDisk(station.home / "keys")))))
    words: list[str | Path] = ["keys", "enroll", "--certificate", chain, "--home", station.home]
    subprocess.run([COMMAND, *words], capture_output=True, timeout=60, check=True)
    _film_on(station)
    verify(station.home, station.store, "--trust", root, code=0)
    (station.folder / "trust.json").unlink()  # the dock's keys, from before they were certified
    said = verify(station.store, "--trust", root, code=4)
    assert "give the dock's home as well" in said
    other = tmp_path / "other.pem"
    other.write_bytes(pem(Authority.root().certificate))
    assert "its certificates do not help" in verify(station.home, station.store, "--trust", other, code=1)


def test_a_home_without_its_ledger_does_not_hide_what_the_store_says(station: Station) -> None:
    trust = station.folder / "trust.json"
    shutil.rmtree(station.home / "ledger")
    said = verify(station.home, station.store, "--trust", trust, code=4)
    assert "there is neither a ledger nor a clip" in said
    assert f"clip {station.store}" in said
