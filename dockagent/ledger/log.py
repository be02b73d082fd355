"""The append-only custody ledger: what a court reads, and what the daemon replays after a power cut.

Files under the ledger's own :class:`~dockagent.durable.Disk`: ``entries.jsonl``, one DSSE envelope a line, whose bytes
without the newline are a leaf of an RFC 6962 tree; ``checkpoint``, a C2SP signed note over the first so many leaves.
A record counts once ``append`` has returned. What a crash leaves after the last synced line is moved to ``cut/``; what
a checkpoint covers is never cut, and a ledger that does not match its checkpoint is refused.
"""

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives.asymmetric import ec

from dockagent.core import strict_json
from dockagent.core.proof import merkle, note
from dockagent.durable import Disk, RealDisk
from dockagent.errors import Refused
from dockagent.ledger import entries
from dockagent.ledger.keys import PUBLIC, Keys
from dockagent.ledger.keys_lineage import Lineage
from dockagent.ledger.lock import locked
from dockagent.ledger.trust import DockIdentity, parse

ENTRIES, CHECKPOINT = "entries.jsonl", "checkpoint"
_ALTERED = "do not continue: keep this folder as it is, and bring back its newest copy"


class Ledger:
    """An open ledger, with its one writer. A context manager; closing lets the lock go."""

    def __init__(
        self, disk: Disk, keys: Keys, edge: merkle.Frontier, lineage: Lineage, *, head: str, held: ExitStack, cut: int
    ) -> None:
        """Use :meth:`open`. ``cut``: bytes that an unfinished append had left and that were moved to ``cut/``."""
        self.cut = cut
        self._disk, self._keys, self._edge, self._lineage = disk, keys, edge, lineage
        self._head, self._held = head, held
        self._head_size = _checkpoint(head.encode(), lineage).size if head else -1
        self._usable = True

    @classmethod
    def open(cls, disk: Disk, keys: Keys) -> Self:
        """Open the ledger in ``disk`` (a new one where there is none) and bring it to a whole record.

        Raises Refused where another process has it, where it is another dock's, or where it was cut or altered.
        """
        with ExitStack() as held:
            if isinstance(disk, RealDisk):  # only a real folder has other processes
                held.enter_context(locked(disk.path("lock")))
            _claim(disk, keys)
            head = disk.read(CHECKPOINT) if disk.size(CHECKPOINT) is not None else b""
            lineage = Lineage(keys.docks)
            edge, end = _measure(disk, lineage, _checkpoint(head, lineage) if head else None)
            cut = _set_aside(disk, end)
            # A killed process may have left whole lines that only the page cache holds: make them last before
            # anybody believes them.
            with disk.append(ENTRIES) as file:
                file.sync()
            return cls(disk, keys, edge, lineage, head=head.decode(), held=held.pop_all(), cut=cut)

    @staticmethod
    def read(disk: Disk, key: Lineage | ec.EllipticCurvePublicKey | None = None) -> Iterator[bytes]:
        """The records' payloads, oldest first, without opening for writing: for commands beside a running daemon.

        What an append has not finished is left out. With ``key`` (one for all records, or the dock's sets) each
        signature is checked. Raises Refused for a
        line below the checkpoint that is not a record.
        """
        head = disk.read(CHECKPOINT) if disk.size(CHECKPOINT) is not None else b""
        return _payloads(disk, key, note.parse_checkpoint(note.parse(head)).size if head else 0)

    @property
    def size(self) -> int:
        """How many records there are."""
        return self._edge.size

    def root(self) -> bytes:
        """The Merkle root (32 bytes) over all records."""
        return self._edge.root()

    @property
    def last_checkpoint(self) -> str:
        """The newest signed note that is durable; it may cover fewer records than there are. Empty for none."""
        return self._head

    def append(self, payloads: Sequence[bytes]) -> range:
        """Sign the records (canonical JSON each) and write them with one sync; returns their indexes.

        When this returns, they are durable. When it raises from the disk, nobody knows what is on the medium: the
        ledger then refuses everything until it is opened again.
        """
        self._check_usable()
        self._check_in_force()
        sealed = [self._seal(payload) for payload in payloads]
        before, edge = self._edge.size, self._edge
        if not sealed:
            return range(before, before)
        for line in sealed:
            edge = edge.append(merkle.leaf_hash(line))
        self._usable = False
        with self._disk.append(ENTRIES) as file:
            file.write(b"\n".join(sealed) + b"\n")
            file.sync()
        self._edge, self._usable = edge, True
        for index, payload in enumerate(payloads, before):
            self._lineage.take(index, payload)
        return range(before, edge.size)

    def payloads(self) -> Iterator[bytes]:
        """The records' payloads, oldest first; each signature is checked on the way. Raises Refused for one that is
        not this dock's."""
        self._check_usable()
        return itertools.islice(_payloads(self._disk, Lineage(self._keys.docks), self.size), self.size)

    @property
    def in_force(self) -> DockIdentity:
        """The keys that sign the next record: others than this ledger was opened with, right after it was handed over
        to them."""
        return self._lineage.at(self.size)[-1]

    def checkpoint(self) -> str:
        """The signed note over all records; a new one is made durable first when the ledger has grown."""
        self._check_usable()
        if self._head_size < self.size:
            head = self._keys.sign_checkpoint(self.size, self.root())
            self._usable = False
            self._disk.write(CHECKPOINT, head.encode())
            self._head, self._head_size, self._usable = head, self.size, True
        return self._head

    def close(self) -> None:
        """Let the lock go. May be repeated; the ledger cannot be used afterwards."""
        self._usable = False
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _check_usable(self) -> None:
        if not self._usable:
            raise Refused("the ledger is closed, or a write to it failed", "open it again: restart the agent")

    def _check_in_force(self) -> None:
        if self.in_force.same_keys == self._keys.dock.same_keys:
            return
        if self.in_force.key_set.since > self._keys.dock.key_set.since:
            raise Refused("the ledger was handed over to new keys", "finish it: `dockagent keys rotate`, or a start")
        raise Refused(
            f"the ledger has {self.size} records, but its keys are for those from {self._keys.dock.key_set.since} on:"
            " it was cut",
            _ALTERED,
        )

    def _seal(self, payload: bytes) -> bytes:
        if strict_json.canonical(strict_json.parse(payload)) != payload:
            raise Refused("a custody record must be canonical JSON (RFC 8785)")
        line = self._keys.sign_record(payload)
        if len(line) > entries.MAX_ENTRY:
            raise Refused(f"a custody record of {len(payload)} bytes is too long for the ledger")
        return line


def _claim(disk: Disk, keys: Keys) -> None:
    """Put the public keys beside a new ledger, and the newest beside an old one; refuse one that belongs to others."""
    mine = keys.trust.encode()
    if disk.size(PUBLIC) is None:
        if disk.size(CHECKPOINT) is not None or disk.size(ENTRIES):
            raise Refused(
                f"the ledger has lost its {PUBLIC}, so nobody can tell whose it is",
                f"copy {PUBLIC} from the keys folder of the dock that wrote it",
            )
        disk.write(PUBLIC, mine)
    elif (beside := disk.read(PUBLIC)) != mine:
        theirs = [one.same_keys for one in parse(beside).docks]
        if not theirs or theirs != [one.same_keys for one in keys.docks][: len(theirs)]:
            raise Refused(
                f"the ledger belongs to other keys than those of dock {keys.dock.id}",
                "bring back the keys that go with it, or move the ledger folder away to start a new one",
            )
        disk.write(PUBLIC, mine)  # keys were changed, or certificates came


def _checkpoint(head: bytes, lineage: Lineage) -> note.Checkpoint:
    try:
        signed = note.parse(head)
        said = note.parse_checkpoint(signed)
        for one in lineage.heads(said.size):
            note.check(signed, one.log_key)
    except Refused as err:
        raise Refused(f"the ledger's checkpoint was altered or is not this dock's: {err.what}", _ALTERED) from err
    return said


def _measure(disk: Disk, lineage: Lineage, head: note.Checkpoint | None) -> tuple[merkle.Frontier, int]:
    """The frontier over the whole records and the bytes that they take. Raises Refused where they are not what the
    checkpoint says. Below the checkpoint the root speaks for every line; above it each line must be signed. A change
    of keys that the keys folder does not know of yet can only be in the last record below, or above."""
    pinned = head.size if head else 0
    edge, end = merkle.Frontier(), 0
    for line in _lines(disk):
        followed = edge.size < pinned - 1 or _is_record(line, lineage, edge.size)
        if not line.endswith(b"\n") or (edge.size >= pinned and not followed):
            break
        edge, end = edge.append(merkle.leaf_hash(line[:-1])), end + len(line)
        if head and edge.size == pinned and edge.root() != head.root:
            raise Refused(
                f"the ledger was altered: its first {pinned} records are not those of its checkpoint", _ALTERED
            )
    if edge.size < pinned:
        raise Refused(f"the ledger was cut: it has {edge.size} records, its checkpoint is over {pinned}", _ALTERED)
    return edge, end


def _is_record(line: bytes, lineage: Lineage, index: int) -> bool:
    try:
        lineage.take(index, entries.payload(line, _record_keys(lineage, index)))
    except Refused:
        return False
    return True


def _record_keys(
    whose: Lineage | ec.EllipticCurvePublicKey | None, index: int
) -> Sequence[ec.EllipticCurvePublicKey] | None:
    if isinstance(whose, Lineage):
        return [one.record_key for one in whose.at(index)]
    return None if whose is None else [whose]


def _set_aside(disk: Disk, end: int) -> int:
    """Move what lies after the last whole record to ``cut/`` and cut it off; the number of bytes moved. Nothing that
    ``append`` had answered for is among it, but a person may want to see it."""
    size = disk.size(ENTRIES) or 0
    if size <= end:
        return 0
    with disk.reader(ENTRIES) as reader:
        reader.seek(end)
        tail = b"".join(iter(lambda: reader.read(1 << 20), b""))
    disk.write(f"cut/{end:015d}-{hashlib.sha256(tail).hexdigest()[:16]}", tail)
    disk.truncate(ENTRIES, end)
    return size - end


def _payloads(disk: Disk, whose: Lineage | ec.EllipticCurvePublicKey | None, least: int) -> Iterator[bytes]:
    """The payloads up to the first line that is not a whole record. Raises Refused where fewer than ``least`` are."""
    index = 0
    for line in _lines(disk):
        try:
            if not line.endswith(b"\n"):
                raise Refused("its line is unfinished")
            payload = entries.payload(line, _record_keys(whose, index))
            if isinstance(whose, Lineage):
                whose.take(index, payload)
        except Refused as err:
            if index >= least:
                return
            raise Refused(f"record {index} of the ledger cannot be believed: {err.what}", _ALTERED) from err
        yield payload
        index += 1
    if index < least:
        raise Refused(f"the ledger was cut: {index} records are left of {least}", _ALTERED)


def _lines(disk: Disk) -> Iterator[bytes]:
    if disk.size(ENTRIES) is None:
        return
    with disk.reader(ENTRIES) as reader:
        yield from entries.lines(reader)
