"""Custodians as real processes: two at once, one killed in the middle, its service, and what it prints."""

import json
import os
import random
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from dockagent.core.central import custodian_key, store_receipt
from dockagent.core.permits import permit
from dockagent.custodian import service
from tests.custodian.made import Dock, Folder, InBucket, Shelf, dock
from tests.custodian.processes import PATIENCE_S, Process
from tests.custodian.test_rounds import PERMITTING

CLIPS = 18
Full = tuple[Shelf, Dock, list[str]]


@pytest.fixture
def full(shelf: Shelf, tmp_path: Path) -> Full:
    """A store with clips of six cameras."""
    one, dice = dock(shelf, tmp_path), random.Random(5)
    prefixes = [one.deliver(dice.randbytes(200_000), f"BWC-{number % 6}") for number in range(CLIPS)]
    one.publish()
    return shelf, one, prefixes


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)


def receipts(shelf: Shelf, prefixes: list[str]) -> list[bytes]:
    found = [shelf.take(f"{prefix}/receipt.json") for prefix in prefixes]
    return [data for data in found if data is not None]


@pytest.mark.parametrize("shares", [("1/2", "2/2"), ("1/1", "1/1")], ids=["parted", "the same work"])
def test_two_at_once_sign_each_clip_once(full: Full, tmp_path: Path, shares: tuple[str, str]) -> None:
    shelf, one, prefixes = full
    known = [service.open_keys(tmp_path / f"c{n}" / "home", f"c{n}")[0].public for n in range(2)]
    two = [
        Process(tmp_path / f"c{n}", shelf, [one], f"c{n}", known, custodian={"share": share})
        for n, share in enumerate(shares)
    ]
    lines = [custodian_key.parse(each.key()) for each in two]
    with two[0], two[1]:
        for each in two:
            each.start("once")
        codes = [each.running.wait(PATIENCE_S) for each in two if each.running]
    assert codes == [0, 0], [(tmp_path / f"c{n}" / "log").read_text()[-800:] for n in range(2)]
    signed = [store_receipt.read(data, lines) for data in receipts(shelf, prefixes)]
    assert len(signed) == CLIPS
    if shares[0] == "1/2":
        by_camera = {one.camera: {two.custodian for two in signed if two.camera == one.camera} for one in signed}
        assert all(len(names) == 1 for names in by_camera.values()), by_camera
    if isinstance(shelf, InBucket) and shares[0] == "1/2":
        assert {shelf.versions(f"{prefix}/receipt.json") for prefix in prefixes} == {1}


def test_killed_at_any_moment_it_goes_on(full: Full, tmp_path: Path) -> None:
    shelf, one, prefixes = full
    with Process(tmp_path / "c", shelf, [one]) as its:
        line = custodian_key.parse(its.key())
        for wanted in (1, 7, 13):
            its.start("once")
            until(partial(_reached, its, shelf, prefixes, wanted))
            assert its.running is not None
            its.running.send_signal(signal.SIGKILL)
            its.running.wait(20)
        code, said = its.once()
        assert (code, said["troubles"]) == (0, [])
        assert len([store_receipt.read(data, [line]) for data in receipts(shelf, prefixes)]) == CLIPS
        assert its.once()[1]["read"] == 0
    if isinstance(shelf, InBucket):
        assert {shelf.versions(f"{prefix}/receipt.json") for prefix in prefixes} == {1}


def _reached(its: Process, shelf: Shelf, prefixes: list[str], wanted: int) -> bool:
    """So many receipts are there, or the round is over."""
    if len(receipts(shelf, prefixes)) >= wanted:
        return True
    return its.running is not None and its.running.poll() is not None


def test_a_take_over(folder: Folder, tmp_path: Path) -> None:
    one = dock(folder, tmp_path)
    prefixes = [one.deliver(f"clip {n}".encode(), f"BWC-{n}") for n in range(6)]
    one.publish()
    with Process(tmp_path / "c", folder, [one], custodian={"share": "1/2", "take_over_minutes": 1}) as its:
        code, said = its.once()
        assert code == 0
        mine = said["receipts"]
        assert 0 < mine < 6
        for path in (folder.root / "clips").rglob("*"):
            past = time.time() - 120
            os.utime(path, (past, past))
        assert its.once()[1]["receipts"] == 6 - mine
    assert len(receipts(folder, prefixes)) == 6


@PERMITTING
def test_it_answers_docks(shelf: Shelf, tmp_path: Path) -> None:
    one = dock(shelf, tmp_path)
    prefix, later = one.deliver(b"a clip"), f"clips/BWC-0001/2026/11/22/{'ef' * 16}"
    clip = prefix.rpartition("/")[2]
    one.publish()
    service, rule = {"listen": "127.0.0.1:0"}, {"policy": "test/1", "age_days": 0, "retention": []}
    with Process(tmp_path / "c", shelf, [one], custodian={"every_s": 1}, service=service, permits=rule) as its:
        its.start()
        until(lambda: its.get(f"/permits/{clip}?folder={prefix}")[0] == 200)
        line = custodian_key.parse(its.key())
        said = store_receipt.read(its.get(f"/receipts/{clip}?folder={prefix}")[1], [line])
        assert said.clip_id == clip
        assert its.get(f"/receipts/{clip}")[1] == its.get(f"/receipts/{clip}?folder={prefix}")[1]
        assert permit.read(its.get(f"/permits/{clip}")[1], [line.public]).clip.clip_id == clip
        assert its.get(f"/receipts/{'ef' * 16}?folder={later}") == (404, b"there is none yet\n")
        assert its.get(f"/receipts/{clip}?folder={later}")[0] == 400
        assert its.get(f"/receipts/{clip}?folder={prefix}&name=master")[0] == 400
        assert its.get("/receipts/../../etc/passwd")[0] == 404
        code, health = its.get("/health")
        assert (code, json.loads(health)["custodian"]) == (200, line.text())
        assert f"/{its.name}/witness+" in json.loads(health)["witness"]
        assert "dockagent_custodian_receipts_total 1\n" in its.get("/metrics")[1].decode()
        assert its.running is not None
        its.running.send_signal(signal.SIGTERM)
        assert its.running.wait(20) == 0


def test_mistakes_are_one_line(folder: Folder, tmp_path: Path) -> None:
    one = dock(folder, tmp_path)
    its = Process(tmp_path / "c", folder, [one], custodian={"share": "3/2"})
    code, said = its.once()
    assert (code, said["err"].count("\n")) == (2, 1)
    assert "not a share of the work" in said["err"]


def test_a_store_that_is_not_mounted_is_no_empty_store(folder: Folder, tmp_path: Path) -> None:
    one = dock(folder, tmp_path)
    its = Process(tmp_path / "c", folder, [one])
    (folder.root / ".dockagent-store").unlink()
    code, said = its.once()
    assert code == 4
    assert "its mark" in said["err"]
