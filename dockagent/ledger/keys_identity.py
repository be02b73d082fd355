"""Where a dock's identity lives: in a file of its own, in a systemd credential, or in a TPM.

The identity is a P-256 key that signs little (:mod:`dockagent.core.proof.key_statement`, certificate requests). What
signs every record and checkpoint are keys in files beside it. An identity that is not a file of the keys folder also
gives the secret under which those files are encrypted (PKCS #8), so that a stolen disk signs nothing.

One small file says which it is: ``identity.pem``, ``identity.credential`` or ``identity.tpm``; the set of keys that
brought in another identity adds its number (``identity-3.tpm``).
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from dockagent.core import strict_json
from dockagent.core.secret_file import refuse_open_to_others
from dockagent.durable import Disk, RealDisk
from dockagent.errors import Missing, Refused, UsageError

CREDENTIAL = "dockagent.identity"
"""Name of the credential with the first identity; a later one adds the number of its set: ``dockagent.identity-3``."""

KINDS = ("pem", "credential", "tpm")
"""Suffixes of the file that says where an identity is."""

_BACKUP = "bring back the keys folder from its backup"
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

Random = Callable[[int], bytes]
"""Gives that many random bytes; a simulation hands in a seeded one."""


class Identity(Protocol):
    """An identity that is there. ``kind``: file, credential or tpm; ``where``: for a person."""

    @property
    def kind(self) -> str: ...

    @property
    def where(self) -> str: ...

    @property
    def public(self) -> ec.EllipticCurvePublicKey: ...

    def sign(self, data: bytes) -> bytes:
        """ECDSA with SHA-256 over ``data``, DER. Raises Missing where the key has gone away."""
        ...

    def lock(self) -> bytes | None:
        """The secret that encrypts the other keys' files, or None where they lie as openly as the identity itself."""
        ...


Maker = Callable[[Disk, int, Random], None]
"""Puts a new identity into the keys folder, for the set of that number. Does nothing where it is there already."""


class SoftwareIdentity:
    """A private key in the memory of this process. ``locks``: whether it also encrypts the other keys' files."""

    def __init__(self, kind: str, where: str, key: ec.EllipticCurvePrivateKey, *, locks: bool) -> None:
        self.kind, self.where, self.public = kind, where, key.public_key()
        self._key, self._locks = key, locks

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data, ECDSA)

    def lock(self) -> bytes | None:
        if not self._locks:
            return None
        secret = self._key.private_numbers().private_value.to_bytes(32)
        derived = HKDF(hashes.SHA256(), 32, salt=None, info=b"dockagent: lock of signing keys").derive(secret)
        return derived.hex().encode()


def file_name(stem: str, generation: int, suffix: str) -> str:
    """The name of a key's file in the set ``generation``: ``log.pem``, ``log-2.pem``."""
    return f"{stem}.{suffix}" if generation == 1 else f"{stem}-{generation}.{suffix}"


def in_file(disk: Disk, generation: int, random: Random) -> None:
    """A :data:`Maker`: a new key in a file (mode 0600)."""
    name = file_name("identity", generation, "pem")
    if disk.size(name) is None:
        disk.create(name, encoded(new_p256(random), None), 0o600)


def in_credential(disk: Disk, generation: int, random: Random) -> None:
    """A :data:`Maker`: the key is the administrator's, in a systemd credential; here only its name is noted.

    Raises Missing where systemd did not hand the credential to this process.
    """
    name = file_name("identity", generation, "credential")
    if disk.size(name) is None:
        credential = CREDENTIAL if generation == 1 else f"{CREDENTIAL}-{generation}"
        _from_credential(credential)
        disk.create(name, strict_json.canonical({"credential": credential}) + b"\n", 0o600)


def open_identity(disk: Disk, generation: int) -> Identity:
    """The newest identity that the set ``generation`` may have. Raises UsageError for one that is damaged or that
    others can read, Missing for one that is not here now (a credential that systemd did not hand over, a TPM)."""
    for number in range(generation, 0, -1):
        if disk.size(name := file_name("identity", number, "pem")) is not None:
            key = p256(private_key(disk, name, None), name)
            return SoftwareIdentity("file", name, key, locks=False)
        if disk.size(name := file_name("identity", number, "credential")) is not None:
            credential = _noted(disk, name)
            return SoftwareIdentity("credential", f"credential {credential}", _from_credential(credential), locks=True)
        if disk.size(name := file_name("identity", number, "tpm")) is not None:
            from dockagent.ledger.keys_tpm import TpmIdentity  # most docks have none

            return TpmIdentity(name, read(disk, name))
    raise UsageError("identity.pem is missing from this dock's keys, and no credential or TPM stands for it", _BACKUP)


def kept_in(disk: Disk, generation: int) -> str:
    """Where the identity of a set is kept, for a person; needs no right to read it."""
    words = {
        "pem": "in the file {}",
        "credential": "in a systemd credential, noted in {}",
        "tpm": "in a TPM 2.0, by {}",
    }
    for number in range(generation, 0, -1):
        for kind in KINDS:
            if disk.size(name := file_name("identity", number, kind)) is not None:
                return words[kind].format(name)
    return "missing"


def _noted(disk: Disk, name: str) -> str:
    try:
        raw = strict_json.parse(read(disk, name))
    except Refused as err:
        raise UsageError(f"{name} is damaged: {err}", _BACKUP) from err
    if not isinstance(raw, dict) or not isinstance(raw.get("credential"), str):
        raise UsageError(f"{name} does not name a credential", _BACKUP)
    return str(raw["credential"])


def _from_credential(name: str) -> ec.EllipticCurvePrivateKey:
    """The key that systemd put into the folder of credentials (systemd.exec(5), CREDENTIALS)."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    hint = f"give it by LoadCredentialEncrypted={name}:… in the unit (for a command: by systemd-run), see docs/keys.md"
    if not folder:
        raise Missing(f"the dock's identity is the systemd credential {name}, and systemd gave this process none", hint)
    try:
        data = Path(folder, name).read_bytes()
    except OSError as err:
        raise Missing(f"the credential {name} with the dock's identity cannot be read: {err.strerror}", hint) from err
    return p256(_parsed(data, f"the credential {name}", None), f"the credential {name}")


def new_p256(random: Random) -> ec.EllipticCurvePrivateKey:
    """A P-256 key, its secret made as FIPS 186-5 A.2.1 says: 64 bits more than the order, reduced."""
    return ec.derive_private_key(int.from_bytes(random(40)) % (_P256_ORDER - 1) + 1, ec.SECP256R1())


def encoded(key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey, lock: bytes | None) -> bytes:
    """The key as PKCS #8 in PEM, encrypted where there is a ``lock``."""
    how = BestAvailableEncryption(lock) if lock else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)


def p256(key: object, name: str, backup: str = _BACKUP) -> ec.EllipticCurvePrivateKey:
    """``key``, or UsageError where it is of another kind; ``backup`` says what to do then."""
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise UsageError(f"{name} is not a P-256 key", backup)
    return key


def ed25519(key: object, name: str, backup: str = _BACKUP) -> Ed25519PrivateKey:
    """``key``, or UsageError where it is of another kind; ``backup`` says what to do then."""
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{name} is not an Ed25519 key", backup)
    return key


def private_key(disk: Disk, name: str, lock: bytes | None, backup: str = _BACKUP) -> object:
    """The private key in the file ``name``. Raises UsageError where it is damaged (``backup`` says what to do then),
    does not open with ``lock``, or can be read by others."""
    if isinstance(disk, RealDisk):
        _refuse_open_to_others(disk, name)
    return _parsed(read(disk, name), name, lock, backup)


def _parsed(data: bytes, name: str, lock: bytes | None, backup: str = _BACKUP) -> object:
    try:
        return load_pem_private_key(data, password=lock if b"ENCRYPTED" in data else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as err:
        opens = " that this identity opens" if lock or b"ENCRYPTED" in data else ""
        raise UsageError(f"{name} is not a private key in PEM{opens}: {err}", backup) from err


def _refuse_open_to_others(disk: RealDisk, name: str) -> None:
    """Only a real file system has readers; a disk in memory has nobody to keep out."""
    path = disk.path(name)
    if path.exists():
        refuse_open_to_others("the private key", path, path.stat().st_mode)


def read(disk: Disk, name: str, *, first: bool = False) -> bytes:
    """A file of the keys folder; ``first``: the one without which there are no keys at all. Raises UsageError where it
    is missing or not ours to read."""
    try:
        return disk.read(name)
    except FileNotFoundError as err:
        if first:
            raise UsageError(f"this dock has no keys: {name} is missing", "run `dockagent keys init`") from err
        raise UsageError(f"{name} is missing from this dock's keys", _BACKUP) from err
    except PermissionError as err:
        raise UsageError(f"cannot read {name}: no right to it", "run this as its owner") from err


def _ecdsa() -> ec.ECDSA:
    """RFC 6979 signatures, which need no luck from a young machine's random source; random nonces where the
    library's OpenSSL is too old for that."""
    try:
        return ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    except UnsupportedAlgorithm:
        return ec.ECDSA(hashes.SHA256())


ECDSA = _ecdsa()
