"""A witness: remembers the newest head of each log that it knows, and cosigns what continues it.

State under the witness's own :class:`~dockagent.durable.Disk`: one file for each log, the checkpoint that was cosigned
last, with the cosignature. It is made durable before anybody gets the cosignature. Comparing and storing are one act
under one lock. A head that cannot be read back is an error, never "none": a witness that forgets could be led to cosign
a second history.

Who asks for the same tree again gets the time at which it was cosigned first, and so, as Ed25519 has no chance in it,
the same cosignature: another one each second would be as many seeds to choose a sample from (docs/review.md).
c2sp.org/tlog-witness wants a cosignature on the checkpoint, and not that it be a new one.
"""

import hashlib
import threading
from dataclasses import dataclass

from dockagent.clock import Clock
from dockagent.core.proof import cosignature, note, witnessing
from dockagent.core.proof.witnessing import Head, Logs, Refusal
from dockagent.durable import Disk
from dockagent.errors import DockError, Refused
from dockagent.ledger.witness_key import WitnessKey

TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over HTTP. ``note``: one line for the log of whoever runs the witness."""

    status: int
    body: bytes
    kind: str = TEXT
    note: str = ""


class Witness:
    """``disk``: its state, which nobody else may write; ``logs``: whose checkpoints it cosigns. Any number of threads
    may ask at once."""

    def __init__(self, disk: Disk, key: WitnessKey, logs: Logs, clock: Clock) -> None:
        self._disk, self._key, self._logs, self._clock = disk, key, logs, clock
        self._lock = threading.Lock()
        for name in disk.names(""):
            if name.endswith(".tmp"):  # a crash ended its writing; nobody was answered
                disk.remove(name)

    @property
    def public(self) -> note.VerifierKey:
        """Its key, as others know it."""
        return self._key.public

    def add_checkpoint(self, data: bytes) -> Answer:
        """The answer to the body ``data`` of an ``add-checkpoint`` (c2sp.org/tlog-witness)."""
        asked = witnessing.submitted(data, self._logs)
        if isinstance(asked, Refusal):
            return _refused(asked)
        with self._lock:
            try:
                return self._compare_and_store(asked)
            except (DockError, OSError) as err:
                # Whether the head was stored nobody knows; it is read again for the next request.
                return Answer(500, b"the witness's own disk is in trouble\n", note=f"{asked.head.origin}: {err}")

    def known(self, origin: str) -> Head:
        """The newest head of a log that this witness has cosigned. Raises Refused where its file was altered, OSError
        where it cannot be read."""
        return self._cosigned(origin)[0]

    def _cosigned(self, origin: str) -> tuple[Head, int | None]:
        """The same, and when it was first cosigned (POSIX seconds); None where none was."""
        return newest(self._disk, origin, self._key.public)

    def _compare_and_store(self, asked: witnessing.Submitted) -> Answer:
        text, head = asked.signed.text, asked.head
        known, first = self._cosigned(head.origin)
        refusal = witnessing.judge(asked, known)
        if refusal is not None:
            return _refused(refusal, head.origin)
        if first is not None and head.size == known.size:  # and of the same root, which was judged
            line = self._key.cosign(text, first)
            return Answer(200, line.encode(), note=f"cosigned {head.origin} over {head.size} records again, as before")
        line = self._key.cosign(text, self._clock.now().utc_ms // 1000)
        self._disk.write(_file(head.origin), f"{text}\n{line}".encode())
        return Answer(200, line.encode(), note=f"cosigned {head.origin} over {head.size} records")


def newest(disk: Disk, origin: str, key: note.VerifierKey) -> tuple[Head, int | None]:
    """The newest head of a log in a witness's state on ``disk``, and when ``key`` cosigned it first (POSIX seconds,
    None where it never did). Raises Refused where its file was altered, OSError where it cannot be read."""
    path = _file(origin)
    if disk.size(path) is None:
        return Head(), None
    signed = note.parse(disk.read(path))
    made = cosignature.check(signed, key)
    head = note.parse_checkpoint(signed, extended=True)
    if head.origin != origin:
        raise Refused(f"the witness's state of {origin} is about {head.origin}")
    return Head(head.size, head.root), made.seconds


def _refused(refusal: Refusal, origin: str = "") -> Answer:
    words = f"{refusal.status}: {origin + ': ' if origin else ''}{refusal.words}"
    if refusal.known >= 0:
        return Answer(refusal.status, b"%d\n" % refusal.known, witnessing.SIZE_TYPE, words)
    return Answer(refusal.status, refusal.words.encode() + b"\n", note=words)


def _file(origin: str) -> str:
    """A file name for any origin: origins have slashes, and may be longer than a name."""
    return hashlib.sha256(origin.encode()).hexdigest()
