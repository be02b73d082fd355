"""How a folder keeps what it holds: rights, the immutable flag, and what trying its promises finds."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockagent.core.central import promise as pr
from dockagent.durable import RealDisk
from dockagent.stores.directory import DirectoryStore
from dockagent.stores.guard import MODE, Guard
from dockagent.stores.open_store import open_store
from dockagent.stores.promises import Prover
from tests.contracts.store_sources import honest, some_bytes

KEY = "clips/BWC-0001/2026/11/22/one/master"
DATA = some_bytes(100_001)
SCRATCH = "scratch/dock-7/0123456789abcdef"


@pytest.fixture
def flagged(tmp_path: Path) -> Iterator[Path]:
    """A folder in which the immutable flag can be set; taken off again afterwards, or nobody could remove it."""
    probe, guard = tmp_path / "probe", Guard(tmp_path, immutable=True)
    probe.write_bytes(b"x")
    if not guard.keep("probe"):
        pytest.skip("no right to set the immutable flag, or a file system without it")
    guard.release("probe")
    yield tmp_path
    for path in tmp_path.rglob("*"):
        if path.is_file():
            guard.release(str(path.relative_to(tmp_path)))


def test_nobody_may_write_an_object_that_is_whole(tmp_path: Path) -> None:
    store = open_store((tmp_path / "store").as_uri(), known={})
    store.put(KEY, honest(DATA))
    assert (tmp_path / "store" / KEY).stat().st_mode & 0o777 == MODE
    assert store.put(KEY, honest(DATA)).proof == "re-read"


def test_the_checkpoint_can_still_be_replaced(tmp_path: Path) -> None:
    store = open_store((tmp_path / "store").as_uri(), immutable=True)
    for data in (b"first", b"second"):
        store.replace("ledgers/dock-7/checkpoint", data)
    assert (tmp_path / "store/ledgers/dock-7/checkpoint").read_bytes() == b"second"


def test_an_immutable_object_can_be_neither_changed_nor_removed_and_is_found_again(flagged: Path) -> None:
    store = open_store((flagged / "store").as_uri(), immutable=True)
    store.put(KEY, honest(DATA))
    for attack in (os.unlink, lambda path: path.open("r+b"), lambda path: path.rename(flagged / "elsewhere")):
        with pytest.raises(PermissionError):
            attack(flagged / "store" / KEY)
    assert store.put(KEY, honest(DATA)).proof == "re-read"
    assert (flagged / "store" / KEY).read_bytes() == DATA


def test_a_power_cut_before_the_flag_is_made_good_by_the_next_put(flagged: Path) -> None:
    DirectoryStore(RealDisk(flagged / "store"), "file:///store").put(KEY, honest(DATA))
    open_store((flagged / "store").as_uri(), immutable=True).put(KEY, honest(DATA))
    with pytest.raises(PermissionError):
        (flagged / "store" / KEY).unlink()


@pytest.mark.parametrize("immutable", [False, True])
def test_a_folder_is_tamper_evident_and_says_what_it_does_not_promise(flagged: Path, immutable: bool) -> None:
    store = open_store((flagged / "store").as_uri(), known={}, immutable=immutable)
    assert isinstance(store, Prover)
    proof = store.prove(SCRATCH)
    said = pr.answers(proof.kept)
    assert proof.standing == "tamper-evident"
    for one in (pr.REFUSES_WRONG_HASH, pr.REFUSES_SECOND_WRITE, pr.BYTES_COME_BACK):
        assert said[one] == pr.KEPT
    assert said[pr.REFUSES_DELETE] == (pr.KEPT if immutable else pr.BROKEN)
    assert said[pr.IMMUTABLE_FLAG] == (pr.KEPT if immutable else pr.NOT_ASKED)
    assert said[pr.REFUSES_READ] == pr.BROKEN
    assert not (flagged / "store" / SCRATCH).exists()
