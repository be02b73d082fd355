"""A published ledger: what is written, in which order, and what is refused when it is read back."""

import hashlib
import itertools
import os
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from dockagent.core.proof import merkle, note
from dockagent.errors import Missing, Refused
from dockagent.ledger import tiles, tiles_read
from dockagent.ledger.keys import Keys
from tests.ledger import made

SIZES = [1, 2, 255, 256, 257, 511, 512, 1000]


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return made.keys(tmp_path / "keys")


def reading(entries: Sequence[bytes]) -> tiles.Read:
    return lambda start, end: iter(entries[start:end])


def many(count: int, word: bytes = b"entry") -> list[bytes]:
    return [b"%s %d" % (word, number) for number in range(count)]


def signed(keys: Keys, entries: Sequence[bytes]) -> bytes:
    return keys.sign_checkpoint(len(entries), merkle.root(map(merkle.leaf_hash, entries))).encode()


def head(data: bytes) -> note.Checkpoint:
    return note.parse_checkpoint(note.parse(data))


def publish(folder: Path, keys: Keys, entries: Sequence[bytes], start: tiles.Edge = tiles.Edge()) -> tiles.Edge:  # noqa: B008
    """Write a publication as a store would: nothing that is final is ever replaced by other bytes."""
    plan = tiles.prepare(start, reading(entries), signed(keys, entries))
    for one in plan.objects():
        path = folder / one.path
        path.parent.mkdir(parents=True, exist_ok=True)
        assert not (one.final and path.exists()) or path.read_bytes() == one.data, one.path
        path.write_bytes(one.data)
    return plan.edge


def back(folder: Path) -> list[bytes]:
    checkpoint = head((folder / "checkpoint").read_bytes())
    return list(tiles_read.entries(tiles_read.in_folder(folder), checkpoint))


@pytest.mark.parametrize("size", SIZES)
def test_what_is_published_can_be_read_back(tmp_path: Path, keys: Keys, size: int) -> None:
    entries = many(size)
    edge = publish(tmp_path / "out", keys, entries)
    assert back(tmp_path / "out") == entries
    assert (edge.size, edge.root()) == (size, merkle.root(map(merkle.leaf_hash, entries)))
    assert tiles.decode(edge.encode()) == edge
    assert tiles_read.edge(tiles_read.in_folder(tmp_path / "out"), head(signed(keys, entries))) == edge


def test_an_empty_ledger_is_a_checkpoint_alone(tmp_path: Path, keys: Keys) -> None:
    publish(tmp_path / "out", keys, [])
    assert names(tmp_path / "out") == {"checkpoint"}
    assert back(tmp_path / "out") == []


def test_a_ledger_becomes_its_own_lines(tmp_path: Path, keys: Keys) -> None:
    lines = made.entries(made.ledger(tmp_path / "ledger", keys, 20))
    publish(tmp_path / "out", keys, lines)
    bundle = (tmp_path / "out/tile/entries/000.p/20").read_bytes()
    assert bundle == b"".join(len(line).to_bytes(2, "big") + line for line in lines)
    leaves = b"".join(hashlib.sha256(b"\0" + line).digest() for line in lines)
    assert (tmp_path / "out/tile/0/000.p/20").read_bytes() == leaves


def test_the_names_are_those_of_the_specification(tmp_path: Path, keys: Keys) -> None:
    publish(tmp_path / "out", keys, many(70_000))
    found = names(tmp_path / "out")
    levels = [sum(name.startswith(f"tile/{level}/") for name in found) for level in range(4)]
    assert levels == [274, 2, 1, 0]  # the specification's own example of 70,000 entries
    assert {"tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1", "tile/entries/273.p/112"} <= found
    assert tiles.tile_path(0, 1234067) == "tile/0/x001/x234/067"
    assert tiles.bundle_path(1000, 3) == "tile/entries/x001/000.p/3"
    assert tiles.prefix("dock-7") == "ledgers/dock-7/"


@pytest.mark.parametrize("steps", [[1, 2, 3, 700], [255, 256, 257, 258], [256, 512, 512, 513], [100, 65_536, 65_700]])
def test_going_on_writes_what_one_publication_would(tmp_path: Path, keys: Keys, steps: list[int]) -> None:
    entries, edge = many(steps[-1]), tiles.Edge()
    for size in steps:
        edge = publish(tmp_path / "grown", keys, entries[:size], tiles.decode(edge.encode()))
        assert back(tmp_path / "grown")[-1] == entries[size - 1]
    publish(tmp_path / "once", keys, entries)
    assert names(tmp_path / "once") <= names(tmp_path / "grown")
    for name in names(tmp_path / "once"):
        assert (tmp_path / "once" / name).read_bytes() == (tmp_path / "grown" / name).read_bytes()
    publish(tmp_path / "grown", keys, entries)  # all of it anew: every name keeps its bytes
    assert back(tmp_path / "grown") == entries


def test_a_checkpoint_is_never_there_before_what_it_speaks_of(tmp_path: Path, keys: Keys) -> None:
    older, newer = many(300), [*many(560), bytes(70_000), *many(3, b"more")]
    edge = publish(tmp_path, keys, older)
    for one in tiles.prepare(edge, reading(newer), signed(keys, newer)).objects():
        assert back(tmp_path) == older  # before each write, the last one included
        (tmp_path / one.path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / one.path).write_bytes(one.data)
    assert (one.path, one.final) == ("checkpoint", False)
    assert back(tmp_path) == newer


def test_long_entries_lie_beside_and_never_where_others_would_misread_them(tmp_path: Path, keys: Keys) -> None:
    entries = many(600)
    entries[3], entries[300], entries[599] = bytes(65_535), b"x" * 65_536, b"y" * (3 << 20)
    publish(tmp_path, keys, entries)
    assert back(tmp_path) == entries
    found = names(tmp_path)
    assert {"tile/entries/000", "large/entries/001", "large/entries/002.p/88", "large/300", "large/599"} <= found
    assert not {"tile/entries/001", "tile/entries/002.p/88", "large/003"} & found
    assert (tmp_path / "large/599").read_bytes() == entries[599]
    for path in ("large/599", "large/entries/001"):
        with without(tmp_path / path), pytest.raises(Missing):
            back(tmp_path)
    for data in (entries[300][:-1] + b"z", entries[300] + b"x", b"x", b""):
        with replaced(tmp_path / "large/300", data), pytest.raises(Refused, match="altered"):
            back(tmp_path)
    assert back(tmp_path) == entries


def test_no_object_can_be_altered(tmp_path: Path, keys: Keys) -> None:
    entries = many(600)
    publish(tmp_path, keys, entries)
    for name in sorted(names(tmp_path) - {"checkpoint"}):
        whole = (tmp_path / name).read_bytes()
        flipped = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in (0, len(whole) // 2, len(whole) - 1)]
        for data in (*flipped, whole[:-1], whole + b"\0", whole[32:] + whole[:32], b""):
            with replaced(tmp_path / name, data), pytest.raises(Refused):
                back(tmp_path)
        with without(tmp_path / name), pytest.raises(Missing):
            back(tmp_path)
    assert back(tmp_path) == entries


def test_what_is_handed_out_is_proved_first(tmp_path: Path, keys: Keys) -> None:
    entries = many(600)
    publish(tmp_path, keys, entries)
    bundle = tmp_path / "tile/entries/001"
    handed_out: list[bytes] = []
    with replaced(bundle, bundle.read_bytes().replace(b"entry 300", b"entry 3OO")), pytest.raises(Refused, match="300"):
        for one in tiles_read.entries(tiles_read.in_folder(tmp_path), head(signed(keys, entries))):
            handed_out.append(one)  # what came before the refusal is what counts
    assert handed_out == entries[:300]


def test_a_pipe_in_a_folder_is_no_object(tmp_path: Path, keys: Keys) -> None:
    publish(tmp_path, keys, many(3))
    with without(tmp_path / "tile/0/000.p/3"):
        os.mkfifo(tmp_path / "tile/0/000.p/3")
        try:
            with pytest.raises(Missing, match=r"000\.p/3"):
                back(tmp_path)
        finally:
            (tmp_path / "tile/0/000.p/3").unlink()
    assert len(back(tmp_path)) == 3


def test_a_whole_object_stands_for_its_removed_start(tmp_path: Path, keys: Keys) -> None:
    entries = many(300)
    older = head(signed(keys, entries[:100]))
    publish(tmp_path, keys, entries)
    assert list(tiles_read.entries(tiles_read.in_folder(tmp_path), older)) == entries[:100]


def test_a_fork_and_a_roll_back_are_not_published(tmp_path: Path, keys: Keys) -> None:
    entries = many(600)
    edge = publish(tmp_path, keys, entries[:500])
    for fork in ([*entries[:3], b"rewritten", *entries[4:]], [*entries[:499], b"rewritten", *entries[500:]]):
        with pytest.raises(Refused, match="do not lead to its checkpoint"):
            tiles.prepare(edge, reading(entries), signed(keys, fork))
    with pytest.raises(Refused, match="500 records are published already"):
        tiles.prepare(edge, reading(entries), signed(keys, entries[:499]))
    with pytest.raises(Refused, match="up to 599 do not lead"):
        tiles.prepare(edge, reading(entries[:599]), signed(keys, entries))
    other = tiles.Edge().past(map(merkle.leaf_hash, many(500, b"other")))
    with pytest.raises(Refused, match="do not lead"):  # a cache of another ledger
        tiles.prepare(other, reading(entries), signed(keys, entries))
    assert back(tmp_path) == entries[:500]


def test_entries_that_change_between_two_readings_end_it_before_the_checkpoint(keys: Keys) -> None:
    entries, turn = many(10), itertools.count()

    def read(start: int, end: int) -> list[bytes]:
        return entries[start:end] if next(turn) == 0 else many(10, b"other")[start:end]

    written: list[tiles.Object] = []
    with pytest.raises(Refused, match="other entries when it was read again"):
        written.extend(tiles.prepare(tiles.Edge(), read, signed(keys, entries)).objects())
    assert "checkpoint" not in {one.path for one in written}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"dockagent edge v1 \n",
        b"dockagent edge v1 1\n",
        b"dockagent edge v1 -1\n",
        b"x 0\n",
        b"dockagent edge v1 00\n",
    ],
)
def test_a_spoiled_cache_is_refused(data: bytes) -> None:
    with pytest.raises(Refused, match="not the edge"):
        tiles.decode(data)
    edge = tiles.Edge().past(map(merkle.leaf_hash, many(300))).encode()
    for spoiled in (edge[:-1], edge + b"\0"):
        with pytest.raises(Refused, match="not the edge"):
            tiles.decode(spoiled)


def test_catching_up_needs_little_memory(keys: Keys) -> None:
    """20,000 entries of 4 KiB are 78 MiB; a bundle of them is 1 MiB."""
    count, entry = 20_000, b"e" * 4096
    root = merkle.root(itertools.repeat(merkle.leaf_hash(entry), count))
    note_of_all = keys.sign_checkpoint(count, root).encode()
    read: Callable[[int, int], Iterator[bytes]] = lambda start, end: itertools.repeat(entry, end - start)  # noqa: E731
    tracemalloc.start()
    written = sum(len(one.data) for one in tiles.prepare(tiles.Edge(), read, note_of_all).objects())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert written > count * (2 + len(entry) + 32)
    assert peak < 8 << 20


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and "keys" not in path.parts}


class replaced:  # noqa: N801
    """A file with other bytes for a while; ``None``: without the file."""

    def __init__(self, path: Path, data: bytes | None) -> None:
        self._path, self._data = path, data

    def __enter__(self) -> None:
        self._whole = self._path.read_bytes()
        if self._data is None:
            self._path.unlink()
        else:
            self._path.write_bytes(self._data)

    def __exit__(self, *_: object) -> None:
        self._path.write_bytes(self._whole)


def without(path: Path) -> replaced:
    return replaced(path, None)
