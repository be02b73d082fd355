"""``tlog-proof@v1`` files (c2sp.org/tlog-proof): that one entry is in a log, in a text that needs nothing else.

A first line with the format's name, the entry's number, the RFC 6962 inclusion path from the leaf upwards, a blank
line, and the log's checkpoint with its cosignatures. The optional ``extra`` line, which nobody signs, is refused here.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass

from dockagent.core.proof import merkle, note
from dockagent.errors import Refused

HEAD = "c2sp.org/tlog-proof@v1"
SUFFIX = ".tlog-proof"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")
_MOST = 1 << 20  # bytes; a note is no longer
_MOST_PATH = 64  # hashes: a tree is no higher


@dataclass(frozen=True, slots=True)
class TlogProof:
    """A proof taken apart: ``index`` of the entry, ``path`` of 32-byte hashes, ``checkpoint``: the signed note as it
    was. Nothing is verified by parsing."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes

    def encode(self) -> bytes:
        """The file's bytes."""
        lines = [HEAD, f"index {self.index}", *(base64.b64encode(one).decode() for one in self.path), "", ""]
        return "\n".join(lines).encode() + self.checkpoint

    def head(self) -> note.Checkpoint:
        """What the checkpoint states. Raises Refused where it is none."""
        return note.parse_checkpoint(note.parse(self.checkpoint))

    def check(self, leaf: bytes) -> note.Checkpoint:
        """Check that the entry with the hash ``leaf`` is in the tree of the checkpoint, which is returned. Who signed
        that is another question. Raises Refused."""
        head = self.head()
        merkle.verify_inclusion(leaf, self.index, head.size, self.path, head.root)
        return head


class Prover:
    """Makes many proofs under one ``checkpoint``, which is over exactly these ``leaves`` (leaf hashes). Every perfect
    subtree is hashed once, which costs twice the leaves' 32 bytes; a proof then costs its own length."""

    def __init__(self, leaves: Sequence[bytes], checkpoint: bytes) -> None:
        self._size, self._checkpoint = len(leaves), checkpoint
        self._levels = [list(leaves)]
        while len(below := self._levels[-1]) > 1:
            pairs = zip(below[::2], below[1::2], strict=False)
            self._levels.append([merkle.node_hash(left, right) for left, right in pairs])

    def proof(self, index: int) -> TlogProof:
        """The proof for entry ``index``. Raises Refused for one that is not under the checkpoint."""
        if not 0 <= index < self._size:
            raise Refused(f"no inclusion proof: leaf {index} is not in a tree of {self._size}")
        path: list[bytes] = []
        low, high = 0, self._size
        while high - low > 1:
            middle = low + _split(high - low)
            path.append(self._root(middle, high) if index < middle else self._root(low, middle))
            low, high = (low, middle) if index < middle else (middle, high)
        return TlogProof(index, tuple(reversed(path)), self._checkpoint)

    def _root(self, low: int, high: int) -> bytes:
        """The hash over some leaves that a tree of RFC 6962 has a node for."""
        width = high - low
        if width & (width - 1) == 0:
            return self._levels[width.bit_length() - 1][low // width]
        middle = low + _split(width)
        return merkle.node_hash(self._root(low, middle), self._root(middle, high))


def _split(size: int) -> int:
    """The largest power of two below ``size`` (RFC 6962 section 2.1)."""
    return 1 << (size - 1).bit_length() - 1


def of(leaves: Sequence[bytes], index: int, checkpoint: bytes) -> TlogProof:
    """One proof for entry ``index`` under ``checkpoint``, which is over exactly these leaf hashes. Raises Refused."""
    return TlogProof(index, merkle.inclusion_proof(leaves, index), checkpoint)


def parse(data: bytes) -> TlogProof:
    """Take a proof apart. Raises Refused with the reason where it is not one."""
    head, blank, checkpoint = data[: _MOST + 1].partition(b"\n\n")
    if len(data) > _MOST or not blank:
        raise Refused(f"not a {HEAD}: it has no blank line before a checkpoint, or is longer than {_MOST} bytes")
    try:
        first, *lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as err:
        raise Refused(f"not a {HEAD}: its proof is not ASCII") from err
    index = _INDEX.fullmatch(lines[0]) if lines else None
    if first != HEAD or index is None:
        raise Refused(f"not a {HEAD}: it must begin with that name and the line `index NUMBER`")
    if len(lines) - 1 > _MOST_PATH:
        raise Refused(f"not a {HEAD}: its path has more than {_MOST_PATH} hashes")
    return TlogProof(int(index[1]), tuple(_hash(line) for line in lines[1:]), checkpoint)


def _hash(line: str) -> bytes:
    try:
        raw = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError) as err:
        raise Refused(f"not a {HEAD}: a line of its path is not base64") from err
    if len(raw) != 32 or base64.b64encode(raw).decode() != line:
        raise Refused(f"not a {HEAD}: a line of its path is not a SHA-256 hash")
    return raw
