"""The ledger on disk: what is appended lasts, what a crash leaves is cut off, what a checkpoint covers is never cut."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dockagent.core.proof import merkle, note
from dockagent.durable import Appender, DiskFull, RealDisk
from dockagent.errors import Refused
from dockagent.ledger.keys import Keys
from dockagent.ledger.log import Ledger
from tests.ledger import made


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return made.keys(tmp_path / "keys")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


def root_of(folder: Path) -> bytes:
    return merkle.root(map(merkle.leaf_hash, made.entries(folder)))


def test_records_are_read_back_in_order(folder: Path, keys: Keys) -> None:
    with Ledger.open(RealDisk(folder), keys) as log:
        assert (log.size, log.root()) == (0, merkle.EMPTY_ROOT)
        assert log.append([made.record(0)]) == range(0, 1)
        assert log.append([]) == range(1, 1)
        assert log.append([made.record(1), made.record(2)]) == range(1, 3)
        assert list(log.payloads()) == [made.record(number) for number in range(3)]
        assert log.root() == root_of(folder)
    with Ledger.open(RealDisk(folder), keys) as log:
        assert (log.size, log.root(), log.cut) == (3, root_of(folder), 0)
        assert log.append([made.record(3)]) == range(3, 4)
        assert list(log.payloads()) == [made.record(number) for number in range(4)]


def test_a_checkpoint_is_signed_only_when_there_is_something_new(folder: Path, keys: Keys) -> None:
    with Ledger.open(RealDisk(folder), keys) as log:
        empty = log.checkpoint()
        assert note.parse_checkpoint(note.parse(empty.encode())) == note.Checkpoint(keys.origin, 0, merkle.EMPTY_ROOT)
        log.append([made.record(0)])
        first = log.checkpoint()
        stamp = (folder / "checkpoint").stat().st_ino
        assert log.checkpoint() == first
        assert (folder / "checkpoint").stat().st_ino == stamp
    with Ledger.open(RealDisk(folder), keys) as log:
        assert log.checkpoint() == first == (folder / "checkpoint").read_text()
        assert (folder / "checkpoint").stat().st_ino == stamp
        log.append([made.record(1)])
        parsed = note.parse(log.checkpoint().encode())
    note.check(parsed, keys.dock.log_key)
    assert note.parse_checkpoint(parsed) == note.Checkpoint(keys.origin, 2, root_of(folder))


@pytest.mark.parametrize(
    "garbage", [b"\0" * 700 + b"\n", b"{}\n", b"\n", b"x\ny\n", b"\xff" * 3_000_000, b'{"payload":"","payloadType"']
)
def test_garbage_after_the_last_synced_line_is_set_aside(folder: Path, keys: Keys, garbage: bytes) -> None:
    made.ledger(folder, keys, 6, pinned=4)
    whole = (folder / "entries.jsonl").read_bytes()
    (folder / "entries.jsonl").write_bytes(whole + garbage)
    assert list(Ledger.read(RealDisk(folder))) == [made.record(number) for number in range(6)]
    with Ledger.open(RealDisk(folder), keys) as log:
        assert (log.size, log.cut) == (6, len(garbage))
        assert len(list(log.payloads())) == 6
    assert (folder / "entries.jsonl").read_bytes() == whole
    assert [part.read_bytes() for part in (folder / "cut").iterdir()] == [garbage]


def test_what_is_no_record_of_ours_beyond_the_checkpoint_is_set_aside(tmp_path: Path, folder: Path, keys: Keys) -> None:
    made.ledger(folder, keys, 4)
    lines, stranger = made.entries(folder), made.keys(tmp_path / "stranger", seed=8)
    for line in (stranger.sign_record(made.record(4)), keys.sign_statement(made.record(4))):
        made.write_entries(folder, [*lines, line])
        with Ledger.open(RealDisk(folder), keys) as log:
            assert (log.size, log.cut) == (4, len(line) + 1)


def damaged(lines: list[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    yield "cut", lines[:-1]
    yield "cut", []
    yield "altered", [lines[0], made.flip(lines[1]), *lines[2:]]
    yield "altered", [lines[1], lines[0], *lines[2:]]
    yield "cut", [*lines[:1], *lines[2:]]
    yield "altered", [*lines[:1], *lines[2:], lines[1]]


def test_what_the_checkpoint_covers_is_never_cut(folder: Path, keys: Keys) -> None:
    made.ledger(folder, keys, 4)
    for word, lines in damaged(made.entries(folder)):
        made.write_entries(folder, lines)
        before = (folder / "entries.jsonl").read_bytes()
        with pytest.raises(Refused, match=rf"the ledger was {word}.*do not continue"):
            Ledger.open(RealDisk(folder), keys)
        assert (folder / "entries.jsonl").read_bytes() == before
        assert not (folder / "cut").exists()


def test_a_cut_inside_the_last_covered_record_is_refused(folder: Path, keys: Keys) -> None:
    made.ledger(folder, keys, 4)
    whole = (folder / "entries.jsonl").read_bytes()
    for size in (0, len(whole) // 2, len(whole) - 1):
        (folder / "entries.jsonl").write_bytes(whole[:size])
        with pytest.raises(Refused, match="the ledger was cut"):
            Ledger.open(RealDisk(folder), keys)
    (folder / "entries.jsonl").unlink()
    with pytest.raises(Refused, match="the ledger was cut"):
        Ledger.open(RealDisk(folder), keys)


def test_a_bad_or_foreign_checkpoint_is_refused(tmp_path: Path, folder: Path, keys: Keys) -> None:
    made.ledger(folder, keys, 4)
    other = made.keys(tmp_path / "other", seed=8).sign_checkpoint(4, root_of(folder))
    good = (folder / "checkpoint").read_text()
    for text in (other, good.replace("\n4\n", "\n3\n"), "", good + "x"):
        (folder / "checkpoint").write_text(text or "\n")
        with pytest.raises(Refused, match="checkpoint was altered"):
            Ledger.open(RealDisk(folder), keys)


def test_another_docks_ledger_is_refused(tmp_path: Path, folder: Path, keys: Keys) -> None:
    made.ledger(folder, keys, 4)
    with pytest.raises(Refused, match="belongs to other keys"):
        Ledger.open(RealDisk(folder), made.keys(tmp_path / "other", seed=8))
    (folder / "trust.json").unlink()
    with pytest.raises(Refused, match=r"lost its trust\.json"):
        Ledger.open(RealDisk(folder), keys)


def test_only_canonical_records_go_in(folder: Path, keys: Keys) -> None:
    with Ledger.open(RealDisk(folder), keys) as log:
        for payload in (b'{"b":1,"a":2}', b'{ "a":1}', b"", b"[1.5]"):
            with pytest.raises(Refused):
                log.append([made.record(0), payload])
        assert log.append([made.record(0)]) == range(0, 1)
    assert len(made.entries(folder)) == 1


class _FullDisk(RealDisk):
    """A real folder whose medium has no room left for ``after`` more synced appends; half of the bytes get there."""

    after = 0

    def append(self, path: str, *, scratch: bool = False, forget: bool = False) -> Appender:
        self.after -= 1
        return (
            _FullAppender(super().append(path, scratch=scratch, forget=forget))
            if self.after < 0
            else super().append(path, scratch=scratch, forget=forget)
        )


class _FullAppender:
    def __init__(self, inner: Appender) -> None:
        self._inner = inner

    def write(self, data: bytes | memoryview) -> None:
        self._inner.write(data[: len(data) // 2])
        raise DiskFull("the disk is full")

    def sync(self) -> None:
        self._inner.sync()

    def __enter__(self) -> "_FullAppender":
        self._inner.__enter__()
        return self

    def __exit__(self, *reason: Any) -> None:
        self._inner.__exit__(*reason)


def test_after_a_failed_write_nothing_goes_on_until_it_is_opened_again(folder: Path, keys: Keys) -> None:
    disk = _FullDisk(folder)
    disk.after = 2
    with Ledger.open(disk, keys) as log:
        log.append([made.record(0)])
        with pytest.raises(DiskFull):
            log.append([made.record(1), made.record(2)])
        for act in (lambda: log.append([made.record(1)]), log.checkpoint, lambda: list(log.payloads())):
            with pytest.raises(Refused, match="restart the agent"):
                act()
        assert log.size == 1
    with Ledger.open(RealDisk(folder), keys) as log:
        assert log.size in (1, 2)
        assert list(log.payloads()) == [made.record(number) for number in range(log.size)]


def test_a_reader_beside_the_writer_cuts_nothing(folder: Path, keys: Keys) -> None:
    assert list(Ledger.read(RealDisk(folder))) == []
    made.ledger(folder, keys, 5, pinned=3)
    torn = (folder / "entries.jsonl").read_bytes()[:-1]
    with Ledger.open(RealDisk(folder), keys):
        (folder / "entries.jsonl").write_bytes(torn)
        read = list(Ledger.read(RealDisk(folder), keys.dock.record_key))
    assert read == [made.record(number) for number in range(4)]
    assert (folder / "entries.jsonl").read_bytes() == torn


def test_a_reader_refuses_what_the_checkpoint_covers_and_is_not_there(folder: Path, keys: Keys) -> None:
    made.ledger(folder, keys, 5)
    lines = made.entries(folder)
    made.write_entries(folder, lines[:4])
    with pytest.raises(Refused, match="4 records are left of 5"):
        list(Ledger.read(RealDisk(folder)))
    made.write_entries(folder, [*lines[:2], made.flip(lines[2]), *lines[3:]])
    with pytest.raises(Refused, match="record 2 of the ledger cannot be believed"):
        list(Ledger.read(RealDisk(folder), keys.dock.record_key))


@contextmanager
def another_process(folder: Path, keys_folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the ledger open until it is killed."""
    code = (
        "import sys, pathlib; from dockagent.durable import RealDisk; from dockagent.ledger.keys import Keys\n"
        "from dockagent.ledger.log import Ledger\n"
        "with Ledger.open(RealDisk(pathlib.Path(sys.argv[1])), Keys.load(RealDisk(pathlib.Path(sys.argv[2])))):\n"
        "    print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, folder, keys_folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
        process.kill()


def test_two_processes_never_write_one_ledger(tmp_path: Path, folder: Path, keys: Keys) -> None:
    with another_process(folder, tmp_path / "keys") as process:
        with pytest.raises(Refused, match=f"in use by process {process.pid}; stop that one first"):
            Ledger.open(RealDisk(folder), keys)
        process.send_signal(signal.SIGKILL)
        process.wait()
        with Ledger.open(RealDisk(folder), keys) as log:  # the kernel let go of the lock of the dead one
            with pytest.raises(Refused, match=f"in use by process {os.getpid()}"):
                Ledger.open(RealDisk(folder), keys)
            log.close()
            log.close()
            Ledger.open(RealDisk(folder), keys).close()
