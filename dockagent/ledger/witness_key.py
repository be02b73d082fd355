"""The Ed25519 key with which this machine cosigns other docks' checkpoints. It never signs anything else: one key, one
protocol (c2sp.org/tlog-cosignature, "Additional statements").

``witness.pem`` (PKCS #8, mode 0600) lies beside the dock's other keys, ``witness.vkey`` is what others are given.
"""

import re
import secrets
from dataclasses import dataclass, field
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dockagent.core.proof import cosignature, note
from dockagent.durable import Disk
from dockagent.errors import Refused, UsageError
from dockagent.ledger.keys_identity import Random, ed25519, encoded, private_key

PRIVATE, PUBLIC = "witness.pem", "witness.vkey"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")
_BACKUP = "bring the keys folder back from its backup; a witness with a new key has to be made known anew"


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """The private key, and the public side that goes into others' configuration and trust files."""

    public: note.VerifierKey
    _private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def open(cls, disk: Disk, name: str, random: Random = secrets.token_bytes) -> Self:
        """The key in ``disk`` (the keys folder), made for the witness ``name`` where there is none yet.

        ``witness.vkey`` is written last: a crash before it leaves a creation that the next call finishes with the same
        key. Raises UsageError for a name that cannot be one, a key that others can read, or one that is damaged.
        """
        if not _NAME.fullmatch(name):
            raise UsageError(f"not a witness's name: {name!r}", "use letters, digits, dots, dashes and slashes")
        if disk.size(PRIVATE) is None:
            if disk.size(PUBLIC) is not None:
                raise UsageError(f"{PUBLIC} is there, but {PRIVATE} is not", _BACKUP)
            key = Ed25519PrivateKey.from_private_bytes(random(32))
            disk.create(PRIVATE, encoded(key, None), 0o600)
        private = ed25519(private_key(disk, PRIVATE, None, _BACKUP), PRIVATE, _BACKUP)
        raw = private.public_key().public_bytes_raw()
        if disk.size(PUBLIC) is None:
            disk.create(PUBLIC, cosignature.witness_key(name, raw).text().encode() + b"\n", 0o644)
        public = read_public(disk)
        if public is None or public.public != raw:
            raise UsageError(f"{PUBLIC} is not that of {PRIVATE}", _BACKUP)
        return cls(public, private)

    def cosign(self, text: str, seconds: int) -> str:
        """The signature line over a checkpoint's body, with its newline; ``seconds``: POSIX time."""
        return cosignature.cosign(text, seconds, self.public, self._private.sign)


def name_of(origin: str) -> str:
    """What the witness beside the ledger ``origin`` is called."""
    return f"{origin}/witness"


def read_public(disk: Disk) -> note.VerifierKey | None:
    """The public side in the keys folder ``disk``, or None. Needs no right to the private key. Raises UsageError."""
    try:
        return cosignature.parse_vkey(disk.read(PUBLIC).decode("utf-8").strip())
    except FileNotFoundError:
        return None
    except (UnicodeDecodeError, Refused) as err:
        raise UsageError(f"{PUBLIC} is damaged: {err}", _BACKUP) from err
