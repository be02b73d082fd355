"""Chains of clusters, as FAT and exFAT keep them: a table that names for each cluster the next one."""

import struct
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from dockagent.transports.raw_medium import HOLE, Extent, Medium
from dockagent.transports.raw_volume import Node

FIRST = 2  # the table's first two entries are no clusters
ENDS = "its chain of clusters ends"
_PAGE = 48 << 10  # bytes; no entry of 12, 16 or 32 bits lies across its end
_PAGES = 64
_FORMATS = {16: "<H", 32: "<I"}
Runs = Sequence[tuple[int, int]]  # neighbouring clusters: the first, and how many


class Chain:
    """The table at byte ``at`` of the medium, of ``bits`` (12, 16, 32) each, for so many ``clusters``. ``mask``: the
    bits that count."""

    def __init__(self, medium: Medium, at: int, bits: int, clusters: int, mask: int) -> None:
        self.clusters = clusters
        self._medium, self._at, self._bits, self._mask = medium, at, bits, mask
        self._length = -(-(clusters + FIRST) * bits // 8)
        self._pages: OrderedDict[int, bytes] = OrderedDict()

    @property
    def second(self) -> int:
        """The table's second entry: it stands for no cluster, but FAT keeps flags of the volume there."""
        return self._next(1)

    def follow(self, start: int, most: int) -> tuple[Runs, str]:
        """Up to ``most`` clusters from ``start``, and why there are fewer (ENDS, or damage), or ""."""
        runs: list[tuple[int, int]] = []
        seen = bytearray((self.clusters >> 3) + 1)
        cluster, first, count, why = start, start, 0, ""
        for number in range(most):
            why = self._fault(cluster, seen, number)
            if why:
                break
            seen[cluster - FIRST >> 3] |= 1 << (cluster - FIRST & 7)
            if cluster != first + count:
                runs.append((first, count))
                first, count = cluster, 0
            count += 1
            cluster = self._next(cluster)
        return ([*runs, (first, count)] if count else runs), why

    def contiguous(self, start: int, most: int) -> tuple[Runs, str]:
        """The same for what lies in one piece and has no chain."""
        if most and not FIRST <= start <= self.clusters + FIRST - most:
            return [], "it does not lie on the card"
        return ([(start, most)] if most else []), ""

    def _fault(self, cluster: int, seen: bytearray, number: int) -> str:
        if number and cluster >= self._mask - 7:
            return ENDS
        if not FIRST <= cluster < self.clusters + FIRST:
            return f"its chain of clusters leads off the card after {number}"
        if seen[cluster - FIRST >> 3] & 1 << (cluster - FIRST & 7):
            return "its chain of clusters bites its own tail"
        return ""

    def _next(self, cluster: int) -> int:
        number, at = divmod(cluster * self._bits // 8, _PAGE)
        page = self._pages.get(number) or self._load(number)
        if self._bits == 12:
            pair: int = struct.unpack_from("<H", page, at)[0]
            return pair >> 4 if cluster & 1 else pair & 0xFFF
        value: int = struct.unpack_from(_FORMATS[self._bits], page, at)[0]
        return value & self._mask

    def _load(self, number: int) -> bytes:
        """A part of the table."""
        start = number * _PAGE
        page = self._medium.read(self._at + start, min(_PAGE, self._length - start))
        self._pages[number] = page
        if len(self._pages) > _PAGES:
            self._pages.popitem(last=False)
        return page


@dataclass(frozen=True, slots=True)
class Layout:
    """Where clusters lie: cluster FIRST at byte ``data_at``, each of ``cluster`` bytes."""

    chain: Chain
    data_at: int
    cluster: int

    def extents(self, node: Node) -> tuple[Sequence[Extent], str]:
        """Where a file's bytes lie, what was never written as a hole; and why that is not all of them, or ""."""
        valid = min(node.valid, node.size)
        find = self.chain.contiguous if node.contiguous else self.chain.follow
        runs, why = find(node.start, -(-valid // self.cluster))
        extents, at = [], 0
        for first, count in runs:
            length = min(count * self.cluster, valid - at)
            extents.append(Extent(at, self.data_at + (first - FIRST) * self.cluster, length))
            at += length
        if not why and valid < node.size:
            extents.append(Extent(valid, HOLE, node.size - valid))
        return extents, why

    def folder(self, medium: Medium, node: Node) -> tuple[bytes, str]:
        """All bytes of a folder, at most ``node.size``, and why these are not all, or "": one that is stated to be
        longer than its chain only has the chain."""
        extents, why = self.extents(node)
        data = b"".join(medium.read(one.where, one.length) for one in extents if one.where != HOLE)
        return data, "" if why == ENDS else why
