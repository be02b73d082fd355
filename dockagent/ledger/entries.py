"""The lines of a ledger's ``entries.jsonl``: how they are cut apart, and what one must be. Pure over a reader."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from dockagent.core.proof import dsse
from dockagent.errors import Refused
from dockagent.ledger.keys import RECORD

MAX_ENTRY = 96 << 20
"""Longest line in bytes: room for the listing of a very full card, and an end to what a hostile file can cost."""

_BLOCK = 1 << 20


class Readable(Protocol):
    """Anything that gives 1..n bytes, or b"" at the end."""

    def read(self, size: int, /) -> bytes: ...


def lines(source: Readable) -> Iterator[bytes]:
    """The lines, each with its newline. Only the last may lack it: unfinished, or longer than :data:`MAX_ENTRY`
    (then nothing after it is read)."""
    pending = b""
    while block := source.read(_BLOCK):
        *whole, pending = (pending + block).split(b"\n")
        for line in whole:
            yield line + b"\n"
        if len(pending) > MAX_ENTRY:
            break
    if pending:
        yield pending


def payload(line: bytes, keys: Sequence[ec.EllipticCurvePublicKey] | None) -> bytes:
    """The custody record in one line. Raises Refused where the line is not an envelope of a record, or not one that
    one of ``keys`` signed. With None the signature is not looked at: for showing, never for proving."""
    envelope = dsse.parse(line)
    if envelope.payload_type != RECORD:
        raise Refused(f"the envelope holds {envelope.payload_type[:80]!r}, not a custody record")
    if keys is not None and not any(dsse.signed_by(envelope, key) for key in keys):
        named = ", ".join(f"{dsse.key_id(key)[:16]}…" for key in keys)
        raise Refused(f"the record is not signed by the dock's key for its place: {named or 'none is known'}")
    return envelope.payload
