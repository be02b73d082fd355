"""A store that is away, refuses or is full, and a dock's own disk that is too small: nothing is lost, the reason is
said, and the next ingest with a working store makes good.
"""

import os
import random
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ingest.bench import Ingested, Station, assert_delivered, place, tree

MIB = 1 << 20


def make_card(card: Path, clips: int = 3, size: int = 50_000) -> Path:
    """A card of pseudo-random clips."""
    for number in range(clips):
        place(card, f"DCIM/100VIDEO/CLIP{number:04}.MP4", random.Random(number).randbytes(size))
    return card


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A tmpfs of ``size`` bytes at ``folder``; skips where only root may mount and we are not."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder.mkdir(parents=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"this machine mounts no tmpfs: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def assert_kept(run: Ingested, card: Path, station: Station) -> None:
    """Nothing was delivered, all of it rests in the spool, and a person is told why."""
    assert run.code == 1, run.out
    assert set(run.states().values()) == {"spooled"}
    assert not run.report["safe_to_take"]
    assert run.report["reason"]
    for path, row in run.rows.items():
        assert (station.home / "spool" / row["clip_id"] / "master").read_bytes() == (card / path).read_bytes()


def assert_made_good(station: Station, clips: int, tmp_path: Path) -> None:
    """The next ingest, of another card altogether, delivers what waited."""
    other = place(tmp_path / "other", "DCIM/100VIDEO/OTHER001.MP4", b"another card").parents[2]
    run = station.ingest(other)
    assert run.code == 0, (run.out, run.err)
    assert len(station.masters()) == clips + 1
    assert not station.spooled()
    station.verify()


def test_a_closed_port(tmp_path: Path) -> None:
    card = make_card(tmp_path / "card")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        secret = place(tmp_path, "secret", b"not a secret")
        secret.chmod(0o600)
        keys = f'access_key = "someone"\nsecret_key_file = "{secret}"\n'
        s3 = f'[store]\nendpoint = "http://127.0.0.1:{port}"\nregion = "us-east-1"\n{keys}'
        station = Station(tmp_path / "dock", extra=s3)
        before = tree(card)
        run = station.ingest(card, store="s3://footage/dock")
    assert_kept(run, card, station)
    assert tree(card) == before
    assert run.seconds < 40
    assert f"127.0.0.1:{port}" in run.report["reason"]
    text = station.ingest(card, store="s3://footage/dock", as_json=False)
    assert text.code == 1
    assert "KEEP THE CAMERA" in text.out
    assert len(max(text.out.splitlines(), key=len)) < 400
    assert_made_good(station, 3, tmp_path)


def test_a_store_folder_that_may_not_be_written(tmp_path: Path) -> None:
    card = make_card(tmp_path / "card")
    station = Station(tmp_path / "dock")
    with small_disk(tmp_path / "readonly", MIB) as disk:
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        run = station.ingest(card, store=f"file://{disk}")
        assert_kept(run, card, station)
        assert "ead-only" in run.report["reason"]
        below = station.ingest(card, store=f"file://{disk}/new/folder")
        assert_kept(below, card, station)
        assert "ead-only" in below.report["reason"]
    assert_made_good(station, 3, tmp_path)


def test_a_store_folder_that_cannot_be_made(tmp_path: Path) -> None:
    card, station = make_card(tmp_path / "card"), Station(tmp_path / "dock")
    place(tmp_path, "a-file", b"")
    run = station.ingest(card, store=f"file://{tmp_path}/a-file/store")
    assert_kept(run, card, station)
    assert "a-file" in run.report["reason"]
    assert_made_good(station, 3, tmp_path)


def test_a_store_that_fills_up(tmp_path: Path) -> None:
    card, station = make_card(tmp_path / "card", clips=6, size=MIB), Station(tmp_path / "dock")
    with small_disk(tmp_path / "full", 3 * MIB) as disk:
        run = station.ingest(card, store=f"file://{disk}")
        assert run.code == 1
        states = sorted(run.states().values())
        assert set(states) == {"delivered", "spooled"}, states
        waiting = [row["reason"] for row in run.rows.values() if row["state"] == "spooled"]
        assert any("full" in reason or "fit" in reason for reason in waiting), waiting
        assert not list(disk.glob(".part*"))
        delivered = states.count("delivered")
    assert_made_good(station, 6 - delivered, tmp_path)


def test_a_spool_smaller_than_the_card_comes_through_in_turns(tmp_path: Path) -> None:
    card = make_card(tmp_path / "card", clips=8, size=3 * MIB)
    with small_disk(tmp_path / "dock", 12 * MIB) as disk:
        station = Station(disk)
        station.store = tmp_path / "store"
        run = station.ingest(card)
        assert run.code == 0, (run.report["reason"], run.states())
        assert_delivered(run, card, station)
        station.verify()


def test_a_spool_too_small_for_one_clip(tmp_path: Path) -> None:
    card = make_card(tmp_path / "card", clips=2, size=MIB)
    place(card, "DCIM/100VIDEO/HUGE0001.MP4", random.Random(9).randbytes(16 * MIB))
    with small_disk(tmp_path / "dock", 12 * MIB) as disk:
        station = Station(disk)
        station.store = tmp_path / "store"
        run = station.ingest(card)
        assert run.code == 1
        rows = run.rows
        assert rows["DCIM/100VIDEO/HUGE0001.MP4"]["state"] in ("waiting", "failed")
        assert "spool is full" in rows["DCIM/100VIDEO/HUGE0001.MP4"]["reason"]
        assert {row["state"] for path, row in rows.items() if "CLIP" in path} == {"delivered"}, run.states()
        assert "spool is full" in run.report["reason"]
