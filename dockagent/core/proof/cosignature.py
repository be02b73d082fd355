"""Witnesses' cosignatures over checkpoints: c2sp.org/tlog-cosignature, timestamped Ed25519 (``cosignature/v1``).

A cosignature is a line of the checkpoint's note. It says that, as of its time, the checkpoint is the largest consistent
head of this log that the witness has seen. Lines by keys that we do not know are left alone, as the document demands.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from dockagent.core.proof import note
from dockagent.errors import Refused

COSIGNATURE = b"\x04"
"""Signature type byte of a timestamped Ed25519 cosignature (c2sp.org/tlog-cosignature, "Format")."""

_SIGNATURE = 8 + 64  # big-endian seconds, then the Ed25519 signature
_LATEST = 253_402_300_799  # 9999-12-31T23:59:59Z; the document allows any time up to 2^63 - 1


@dataclass(frozen=True, slots=True)
class Cosignature:
    """One good cosignature: by whom, and when the witness says that it made it (POSIX seconds)."""

    witness: note.VerifierKey
    seconds: int


def witness_key(name: str, public: bytes) -> note.VerifierKey:
    """The key of the witness ``name`` (32 raw bytes of Ed25519)."""
    return note.VerifierKey(name, public, COSIGNATURE)


def parse_vkey(text: str) -> note.VerifierKey:
    """Read a witness's ``vkey``. Raises Refused for one that is not of type 0x04: a log's key is no witness's."""
    return note.parse_vkey(text, COSIGNATURE)


def message(text: str, seconds: int) -> bytes:
    """What is signed: two lines, then the whole body of the checkpoint's note ("Ed25519 signed message")."""
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def cosign(text: str, seconds: int, key: note.VerifierKey, sign: Callable[[bytes], bytes]) -> str:
    """The signature line by ``key`` over a checkpoint's body, with its newline. ``sign`` gives 64 bytes."""
    if not 0 <= seconds <= _LATEST:
        raise Refused(f"cannot cosign: {seconds} is not a time")
    signature = seconds.to_bytes(8) + sign(message(text, seconds))
    return note.signature_line(note.NoteSignature(key.name, key.key_hash, signature))


def check(signed: note.Note, key: note.VerifierKey) -> Cosignature:
    """The newest cosignature of ``key`` on a checkpoint. Raises Refused where it is not there, and where any line in
    the name of this key is bad."""
    mine = [one for one in signed.signatures if (one.name, one.key_hash) == (key.name, key.key_hash)]
    if not mine:
        raise Refused(f"the checkpoint is not cosigned by {key.name!r} with key {key.key_hash.hex()}")
    return Cosignature(key, max(_seconds(one, signed.text, key) for one in mine))


def good(signed: note.Note, keys: Iterable[note.VerifierKey]) -> tuple[tuple[Cosignature, ...], tuple[str, ...]]:
    """The good cosignatures of those ``keys``, one for each public key whatever its names, and a line for each that is
    bad."""
    found: dict[bytes, Cosignature] = {}
    bad = []
    for key in keys:
        if all(one.name != key.name or one.key_hash != key.key_hash for one in signed.signatures):
            continue
        try:
            found.setdefault(key.public, check(signed, key))
        except Refused as err:
            bad.append(err.what)
    return tuple(found.values()), tuple(bad)


def strangers(signed: note.Note, keys: Iterable[note.VerifierKey]) -> tuple[str, ...]:
    """In whose names the lines are that are by none of those ``keys``. Nobody here can tell who made them."""
    known = {(key.name, key.key_hash) for key in keys}
    return tuple(one.name for one in signed.signatures if (one.name, one.key_hash) not in known)


def _seconds(one: note.NoteSignature, text: str, key: note.VerifierKey) -> int:
    if len(one.signature) != _SIGNATURE:
        raise Refused(f"the cosignature by {key.name!r} has {len(one.signature)} bytes, not {_SIGNATURE}")
    seconds = int.from_bytes(one.signature[:8])
    if seconds > _LATEST:
        raise Refused(f"the cosignature by {key.name!r} states a time that is none")
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(one.signature[8:], message(text, seconds))
    except InvalidSignature as err:
        raise Refused(f"the cosignature by {key.name!r} is not valid") from err
    return seconds
