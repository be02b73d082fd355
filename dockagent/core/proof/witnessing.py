"""The witness protocol, c2sp.org/tlog-witness: what is sent to a witness, and what a witness must answer. Pure.

A witness remembers one head for each log. It cosigns a newer one only where a proof shows that the newer log begins
with the log that it has seen; so whoever holds a log's key cannot take records back before the witness.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dockagent.core.proof import merkle, note
from dockagent.errors import Refused

MOST_PROOF = 63
MOST_REQUEST = 64 << 10  # bytes: 63 proof lines take 3 KiB, the rest is the checkpoint and others' signatures
SIZE_TYPE = "text/x.tlog.size"
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")
_SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n")
Logs = Mapping[str, Sequence[note.VerifierKey]]
"""Origin to the keys that may sign this log's checkpoints."""


@dataclass(frozen=True, slots=True)
class Request:
    """The body of an ``add-checkpoint``: the size that the witness is thought to know, the proof from there (32-byte
    hashes), and the checkpoint's note as it is."""

    old: int
    proof: tuple[bytes, ...]
    checkpoint: bytes

    def encode(self) -> bytes:
        """The bytes to send."""
        lines = [f"old {self.old}", *(base64.b64encode(one).decode() for one in self.proof), "", ""]
        return "\n".join(lines).encode() + self.checkpoint


@dataclass(frozen=True, slots=True)
class Head:
    """The newest head of a log that a witness has cosigned; size 0 where it has seen none."""

    size: int = 0
    root: bytes = merkle.EMPTY_ROOT


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer other than 200: HTTP status, words for a person, and for 409 the size that the witness knows."""

    status: int
    words: str
    known: int = -1


@dataclass(frozen=True, slots=True)
class Submitted:
    """A request whose checkpoint is signed by its log: what may be looked up and compared."""

    request: Request
    signed: note.Note
    head: note.Checkpoint


def parse(data: bytes) -> Request:
    """Take the body of an ``add-checkpoint`` apart. Raises Refused where it is none."""
    if len(data) > MOST_REQUEST:
        raise Refused(f"not an add-checkpoint: more than {MOST_REQUEST} bytes")
    top, blank, checkpoint = data.partition(b"\n\n")
    try:
        first, *lines = top.decode("ascii").split("\n")
    except UnicodeDecodeError as err:
        raise Refused("not an add-checkpoint: its proof is not ASCII") from err
    old = _OLD.fullmatch(first)
    if not blank or old is None:
        raise Refused("not an add-checkpoint: it must begin with `old SIZE`, and a blank line goes before the note")
    if len(lines) > MOST_PROOF:
        raise Refused(f"not an add-checkpoint: more than {MOST_PROOF} lines of proof")
    return Request(int(old[1]), tuple(_hash(line) for line in lines), checkpoint)


def parse_size(body: bytes) -> int:
    """The size in the body of a 409. Raises Refused where there is none."""
    found = _SIZE.fullmatch(body)
    if found is None:
        raise Refused(f"the witness answered 409 without the size that it knows: {body[:60]!r}")
    return int(found[1])


def submitted(data: bytes, logs: Logs) -> Submitted | Refusal:
    """Whose checkpoint it is and whether its log signed it: 400, 404 or 403 where not."""
    try:
        request = parse(data)
        signed = note.parse(request.checkpoint)
        head = note.parse_checkpoint(signed, extended=True)
    except Refused as err:
        return Refusal(400, err.what)
    keys = logs.get(head.origin)  # once: a custodian's trust files may take the log away meanwhile
    if keys is None:
        return Refusal(404, f"this witness does not know the log {head.origin[:200]!r}")
    if not any(_signs(signed, key) for key in keys):
        return Refusal(403, f"the checkpoint is not signed by a key of the log {head.origin!r} that is known here")
    if request.old > head.size:
        return Refusal(400, f"the old size {request.old} is larger than the checkpoint's, {head.size}")
    return Submitted(request, signed, head)


def judge(asked: Submitted, known: Head) -> Refusal | None:
    """Whether ``asked`` continues what this witness knows: None where it may be cosigned, else 409 or 422."""
    old, head = asked.request.old, asked.head
    if old != known.size:
        return Refusal(409, f"the newest checkpoint cosigned here is over {known.size} records", known.size)
    if head.size == known.size and head.root != known.root:
        return Refusal(409, f"another tree of {known.size} records was cosigned here: a fork", known.size)
    try:
        if old > 0:
            merkle.verify_consistency(old, known.root, head.size, head.root, asked.request.proof)
        elif asked.request.proof:
            raise Refused("consistency refuted: nothing leads from an empty log, so its proof is empty")
    except Refused as err:
        return Refusal(422, err.what)
    return None


def _signs(signed: note.Note, key: note.VerifierKey) -> bool:
    try:
        note.check(signed, key)
    except Refused:
        return False
    return True


def _hash(line: str) -> bytes:
    try:
        raw = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError) as err:
        raise Refused("not an add-checkpoint: a line of its proof is not base64") from err
    if len(raw) != 32 or base64.b64encode(raw).decode() != line:
        raise Refused("not an add-checkpoint: a line of its proof is not a SHA-256 hash")
    return raw
