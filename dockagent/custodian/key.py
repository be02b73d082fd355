"""The P-256 key with which a custodian signs receipts, permits and reports, and nothing else.

``custodian.pem`` (PKCS #8, mode 0600) lies in the keys folder of the custodian's own home; ``custodian.key`` is the
line that docks and trust files are given.
"""

import secrets
from dataclasses import dataclass, field
from typing import Self

from cryptography.hazmat.primitives.asymmetric import ec

from dockagent.core.central import custodian_key
from dockagent.core.central.custodian_key import CustodianKey
from dockagent.core.proof import dsse
from dockagent.durable import Disk
from dockagent.errors import Refused, UsageError
from dockagent.ledger.keys_identity import ECDSA, Random, encoded, new_p256, p256, private_key

PRIVATE, PUBLIC = "custodian.pem", "custodian.key"
_BACKUP = "bring the keys folder back from its backup; a custodian with a new key has to be made known to every dock"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The private key and its public side."""

    public: CustodianKey
    _private: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def open(cls, disk: Disk, name: str, random: Random = secrets.token_bytes) -> Self:
        """The key in ``disk`` (the keys folder), made for the custodian ``name`` where there is none yet.

        ``custodian.key`` is written last: a crash before it leaves a creation that the next call finishes with the same
        key. Raises UsageError for a name that cannot be one or is another's, for a key that others can read, and for
        one that is damaged.
        """
        if not custodian_key.good_name(name):
            raise UsageError(f"not a custodian's name: {name!r}", "use up to 64 letters, digits, dots, dashes")
        if disk.size(PRIVATE) is None:
            if disk.size(PUBLIC) is not None:
                raise UsageError(f"{PUBLIC} is there, but {PRIVATE} is not", _BACKUP)
            key = new_p256(random)
            disk.create(PRIVATE, encoded(key, None), 0o600)
        private = p256(private_key(disk, PRIVATE, None, _BACKUP), PRIVATE, _BACKUP)
        if disk.size(PUBLIC) is None:
            disk.create(PUBLIC, CustodianKey(name, private.public_key()).text().encode() + b"\n", 0o644)
        public = _public(disk)
        if public.public != private.public_key():
            raise UsageError(f"{PUBLIC} is not that of {PRIVATE}", _BACKUP)
        if public.name != name:
            raise UsageError(
                f"these keys are custodian {public.name}'s, not {name}'s", "correct name, or give its home"
            )
        return cls(public, private)

    def sign(self, data: bytes) -> bytes:
        """ECDSA with SHA-256 (DER) over ``data``."""
        return self._private.sign(data, ECDSA)

    def seal(self, payload: bytes) -> bytes:
        """The envelope of an in-toto Statement (canonical JSON)."""
        return dsse.seal(dsse.IN_TOTO, payload, self.public.key_id, self.sign)


def _public(disk: Disk) -> CustodianKey:
    try:
        return custodian_key.parse(disk.read(PUBLIC).decode("utf-8"))
    except (UnicodeDecodeError, Refused) as err:
        raise UsageError(f"{PUBLIC} is damaged: {err}", _BACKUP) from err
