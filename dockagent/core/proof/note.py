"""C2SP signed notes and transparency-log checkpoints (c2sp.org/signed-note, c2sp.org/tlog-checkpoint), Ed25519 only.
Witnesses' cosignatures, which are lines of the same notes, are in ``core/proof/cosignature.py``.

A note is text that a person can read, a blank line, and one line for each signature. A checkpoint is a note of three
lines: whose log, how many leaves, which root. Signatures by keys that we do not know are kept and left alone: they are
for others (witnesses) to check.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from dockagent.errors import Refused

ED25519 = b"\x01"
"""Signature type byte (c2sp.org/signed-note, "Signature types")."""

MOST = 1 << 20  # bytes
_MAX_SIGNATURES = 100
_DASH = "\u2014 "
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_KEY_HASH = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key that signs notes. ``name``: no spaces, no ``+``; ``public``: 32 raw bytes of Ed25519; ``kind``: the
    signature type byte, which keeps what a key signs as a log apart from what it signs as a witness."""

    name: str
    public: bytes
    kind: bytes = ED25519

    @property
    def key_hash(self) -> bytes:
        """Four bytes that tell one key of a name from another."""
        return hashlib.sha256(self.name.encode() + b"\n" + self.kind + self.public).digest()[:4]

    def text(self) -> str:
        """The ``vkey`` form: name, hex key hash, base64 of type byte and key, joined by ``+``."""
        return f"{self.name}+{self.key_hash.hex()}+{_encode(self.kind + self.public)}"


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: the signer's name, 4 bytes of key hash, and the signature's own bytes. Not yet verified."""

    name: str
    key_hash: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A note taken apart. ``text`` ends with a newline and is what was signed. Nothing is verified by parsing."""

    text: str
    signatures: tuple[NoteSignature, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head: whose log (``origin``), how many leaves (``size``), and their RFC 6962 root (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{_encode(self.root)}\n"


def parse_vkey(text: str, kind: bytes = ED25519) -> VerifierKey:
    """Read a ``vkey`` of the signature type ``kind``. Raises Refused for a bad name, another type, or a key hash that
    is not this key's."""
    name, _, rest = text.partition("+")
    stated, _, encoded = rest.partition("+")
    if not _is_name(name) or not _KEY_HASH.fullmatch(stated):
        raise Refused(f"not a verifier key: {text[:120]!r}; it reads name+8 hex digits+base64")
    raw = _decode(encoded, "verifier key")
    if raw[:1] != kind or len(raw) != 33:
        raise Refused(f"verifier key of {name!r} is not an Ed25519 key of type 0x{kind.hex()}")
    key = VerifierKey(name, raw[1:], kind)
    if key.key_hash.hex() != stated:
        raise Refused(f"verifier key of {name!r} states the key hash {stated}, but it is {key.key_hash.hex()}")
    return key


def seal(text: str, key: VerifierKey, sign: Callable[[bytes], bytes]) -> str:
    """The signed note. ``sign`` gets the text's bytes and returns the 64-byte Ed25519 signature."""
    if not text.endswith("\n") or _has_control(text):
        raise Refused("cannot sign as a note: the text must end with a newline and have no control characters")
    return f"{text}\n{signature_line(NoteSignature(key.name, key.key_hash, sign(text.encode())))}"


def signature_line(one: NoteSignature) -> str:
    """The line of a note that holds this signature, with its newline."""
    return f"{_DASH}{one.name} {_encode(one.key_hash + one.signature)}\n"


def parse_signature_lines(lines: str) -> tuple[NoteSignature, ...]:
    """Signature lines, each with its newline, and nothing else. Raises Refused for anything else."""
    if not lines.endswith("\n") or _has_control(lines):
        raise Refused("not a signed note: its signature lines do not end with a newline, or have control characters")
    found = lines[:-1].split("\n")
    if len(found) > _MAX_SIGNATURES:
        raise Refused(f"not a signed note: more than {_MAX_SIGNATURES}")
    return tuple(_signature(line) for line in found)


def parse(data: bytes) -> Note:
    """Take a signed note apart. Raises Refused with the reason where it is not one."""
    if len(data) > MOST:
        raise Refused(f"not a signed note: {len(data)} bytes, more than {MOST}")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as err:
        raise Refused(f"not a signed note: it is not text: byte {err.start} is not UTF-8") from err
    if _has_control(whole):
        raise Refused("not a signed note: it has control characters")
    text, blank, lines = whole.rpartition("\n\n")
    if not blank or not text or not lines.endswith("\n"):
        raise Refused("not a signed note: no blank line followed by whole signature lines")
    return Note(text + "\n", parse_signature_lines(lines))


def names(note: Note, key: VerifierKey) -> bool:
    """Whether a signature line is in the name of ``key``, good or not: anybody can write that."""
    return any((one.name, one.key_hash) == (key.name, key.key_hash) for one in note.signatures)


def check(note: Note, key: VerifierKey) -> None:
    """Check that ``key`` signed the note. Raises Refused where it did not, or where a signature in its name is bad."""
    mine = [one for one in note.signatures if (one.name, one.key_hash) == (key.name, key.key_hash)]
    if not mine:
        raise Refused(f"the note is not signed by {key.name!r} with key {key.key_hash.hex()}")
    public = Ed25519PublicKey.from_public_bytes(key.public)
    for one in mine:
        try:
            public.verify(one.signature, note.text.encode())
        except InvalidSignature as err:
            raise Refused(f"the note's signature by {key.name!r} is not valid") from err


def parse_checkpoint(note: Note, *, extended: bool = False) -> Checkpoint:
    """The tree head that a note states. Raises Refused where it is not exactly origin, size and root: a further line
    would be signed but read by nobody here. ``extended``: take other logs' further lines, which a witness makes no
    statement about (c2sp.org/tlog-cosignature)."""
    lines = note.text.split("\n")
    if not extended and (len(lines) != 4 or lines[3] or not lines[0]):
        raise Refused("not a checkpoint: it must be three lines: origin, size, root")
    if len(lines) < 4 or not all(lines[:-1]):
        raise Refused("not a checkpoint: it must begin with three lines: origin, size, root, and have no empty one")
    origin, size, encoded = lines[:3]
    if not _NUMBER.fullmatch(size):
        raise Refused(f"not a checkpoint: {size[:40]!r} is not a number of leaves")
    root = _decode(encoded, "checkpoint")
    if len(root) != hashlib.sha256().digest_size:
        raise Refused("not a checkpoint: the root is not a SHA-256 hash")
    return Checkpoint(origin, int(size), root)


def _signature(line: str) -> NoteSignature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not _is_name(name):
        raise Refused(f"not a signed note: {line[:80]!r} is not a signature line")
    raw = _decode(encoded, "signed note")
    if len(raw) < 5:
        raise Refused(f"not a signed note: the signature by {name!r} is too short")
    return NoteSignature(name, raw[:4], raw[4:])


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(char.isspace() for char in name)


def _has_control(text: str) -> bool:
    return any(char < " " and char != "\n" for char in text)


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _decode(text: str, what: str) -> bytes:
    """Base64 with one spelling only: padding bits that a lax reader would skip are refused."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as err:
        raise Refused(f"not a {what}: bad base64: {text[:20]!r}") from err
    if _encode(raw) != text:
        raise Refused(f"not a {what}: its base64 is not in the one plain form")
    return raw
