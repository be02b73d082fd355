"""What a central store promises for evidence, and what an attempt to break each promise found.

A store's name proves nothing: servers take headers that they do not understand, and some answer with a lock that they
do not have. So each promise is tried (``dockagent store check``), and the answers are a record.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import msgspec

Answer = Literal["kept", "broken", "not asked"]
KEPT: Answer = "kept"
BROKEN: Answer = "broken"
NOT_ASKED: Answer = "not asked"

# Names of promises. They are part of the records' format: add, never rename.
REFUSES_STRANGERS = "refuses-wrong-secret"
REFUSES_WRONG_HASH = "refuses-wrong-hash"
REFUSES_SECOND_WRITE = "refuses-second-write"
KEEPS_VERSIONS = "keeps-versions"
REFUSES_DELETE = "refuses-delete"
REFUSES_EARLY_END = "refuses-early-end-of-retention"
REFUSES_READ = "refuses-read"
REFUSES_CUSTODIANS_NAMES = "refuses-custodians-names"
STATES_CHECKSUMS = "states-checksums"
CHECKS_COMPOSITE = "checks-composite"
LOCK_REFUSES_DELETE = "lock-refuses-delete"
LOCK_REFUSES_EARLY_END = "lock-refuses-early-end-of-retention"
LOCK_AS_STATED = "lock-as-stated"
KEEPS_LEGAL_HOLD = "keeps-legal-hold"
KEEPS_LEGAL_HOLD_OF_PARTS = "keeps-legal-hold-of-parts"
RIGHT_CLOCK = "right-clock"
BYTES_COME_BACK = "gives-back-the-bytes"
IMMUTABLE_FLAG = "immutable-flag"

MEANING = {
    REFUSES_STRANGERS: "a request signed with a wrong secret is refused",
    REFUSES_WRONG_HASH: "bytes that differ from their signed SHA-256 are refused",
    REFUSES_SECOND_WRITE: "a second write under the same name is refused",
    KEEPS_VERSIONS: "a second write, where it is taken, leaves the first version",
    REFUSES_DELETE: "this dock cannot delete what it wrote",
    REFUSES_EARLY_END: "this dock cannot end or shorten the retention of what it wrote",
    REFUSES_READ: "this dock cannot read what it wrote",
    REFUSES_CUSTODIANS_NAMES: "this dock cannot write where a custodian's receipts, permits and audits lie",
    STATES_CHECKSUMS: "the store states the SHA-256 that it computed",
    CHECKS_COMPOSITE: "a wrong checksum over all parts is refused",
    LOCK_REFUSES_DELETE: "an administrator cannot delete it before its retention ends",
    LOCK_REFUSES_EARLY_END: "an administrator cannot end or shorten its retention",
    LOCK_AS_STATED: "an object that the store calls locked cannot be deleted",
    KEEPS_LEGAL_HOLD: "a legal hold that is set at the upload is kept",
    KEEPS_LEGAL_HOLD_OF_PARTS: "a legal hold that is set at an upload in parts is kept",
    RIGHT_CLOCK: "the store's clock and ours agree",
    BYTES_COME_BACK: "what was written comes back from the medium byte for byte",
    IMMUTABLE_FLAG: "the file system's immutable flag keeps an object from being changed or removed",
}

HONEST = (REFUSES_STRANGERS, REFUSES_WRONG_HASH)  # without these it is no store for evidence
LOCKS = (LOCK_REFUSES_DELETE, LOCK_REFUSES_EARLY_END)  # with these it is write-once


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One promise, the answer (``kept``, ``broken``, ``not asked``), and ``how`` it was found out, in one line."""

    promise: str
    answer: Answer
    how: str


@dataclass(frozen=True, slots=True)
class StoreCheck:
    """The newest check of one store: the number of its record, when (ms since 1970 UTC), and what it found."""

    record: int
    at_ms: int
    standing: str
    kept: tuple[Kept, ...]


def kept(promise: str, how: str) -> Kept:
    """The promise holds."""
    return Kept(promise, KEPT, how)


def broken(promise: str, how: str) -> Kept:
    """The promise does not hold."""
    return Kept(promise, BROKEN, how)


def not_asked(promise: str, why: str) -> Kept:
    """Nobody knows."""
    return Kept(promise, NOT_ASKED, why)


def answers(found: Iterable[Kept]) -> dict[str, Answer]:
    """The answer to each promise by its name."""
    return {one.promise: one.answer for one in found}
