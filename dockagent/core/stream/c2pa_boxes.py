"""Whether a file says that it carries a C2PA manifest: our own walk of its boxes, which checks nothing.

C2PA Technical Specification, appendix A.5 (BMFF): a ``uuid`` box of the type below, a version and flags, a purpose that
a zero ends, and for the purpose ``manifest`` the file offset of a Merkle box and then the manifest store: a JUMBF
superbox (ISO/IEC 19566-5) whose description has the type ``c2pa``.
"""

from dataclasses import dataclass

from dockagent.core.movie.boxes import Walker, name
from dockagent.errors import Refused

UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_STORE = bytes.fromhex("63327061001100108000 00aa00389b71")  # "c2pa" and the JUMBF suffix
_PURPOSE = 64  # bytes; longer is none
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Found:
    """``boxes`` of C2PA in the file, by purpose. ``stores``: bytes of each manifest store. ``broken``: why what says
    that it is a manifest is none, or empty."""

    purposes: tuple[str, ...]
    stores: tuple[int, ...]
    broken: str = ""


def c2pa_in(walker: Walker) -> Found | None:
    """None where no box says so. Raises Refused for a file whose boxes break a rule."""
    purposes, stores, broken = list[str](), list[int](), ""
    for box in walker.top():
        if box.kind != b"uuid" or box.end - box.body < 16 or walker.read(box.body, 16) != UUID:
            continue
        if len(purposes) >= _MOST:
            raise Refused(f"it has more than {_MOST} boxes of C2PA")
        at = box.body + 20
        words, ended, _ = walker.read(at, max(0, min(_PURPOSE, box.end - at))).partition(b"\0")
        purposes.append(name(words))
        if words in (b"manifest", b"original", b"update"):
            size = _store(walker, at + len(words) + len(ended) + 8, box.end)
            stores += [size] if size else []
            broken = broken or ("" if size else "a box of C2PA holds no manifest store")
    return Found(tuple(purposes), tuple(stores), broken) if purposes else None


def _store(walker: Walker, at: int, end: int) -> int:
    """The length of the manifest store at ``at``, or 0 where none is."""
    if end - at < 40:
        return 0
    head = walker.read(at, 40)
    length = int.from_bytes(head[:4], "big")
    right = head[4:8] == b"jumb" and head[12:16] == b"jumd" and head[16:32] == _STORE
    return length if right and 40 <= length <= end - at else 0
