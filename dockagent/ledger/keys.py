"""The dock's identity: a P-256 key that signs custody records, and an Ed25519 key that signs checkpoints.

Keys live in their own folder (``<home>/keys``): ``identity.pem`` and ``log.pem`` (PKCS #8, mode 0600) and
``trust.json``, the public side that outsiders get. Two keys, because the world reads records with X.509 tools (P-256)
and transparency logs with signed notes (Ed25519), and one key must never sign for two protocols.
"""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from dockagent.core import dsse, note
from dockagent.durable import Disk, RealDisk
from dockagent.errors import UsageError
from dockagent.ledger.trust import DockIdentity, Trust, parse

RECORD = "application/vnd.dockagent.record+json"
"""DSSE payload type of a custody record."""

PUBLIC = "trust.json"
_IDENTITY, _LOG = "identity.pem", "log.pem"
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_UB_UNIT = 64  # longest organizationalUnitName (RFC 5280 appendix A.1)
_DOCK_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

Random = Callable[[int], bytes]
"""Gives that many random bytes; a simulation hands in a seeded one."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Both private keys and the public side. Every signature of the dock is made here."""

    dock: DockIdentity
    _identity: ec.EllipticCurvePrivateKey = field(repr=False)
    _log: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def create(cls, disk: Disk, dock_id: str, random: Random = secrets.token_bytes) -> Self:
        """Make the keys of a new dock in ``disk`` (the keys folder). Keys that are there are never overwritten.

        ``trust.json`` is written last: a crash before it leaves a creation that the next call finishes with the same
        keys. Raises UsageError for an unusable id or where there is a whole set already.
        """
        if not _DOCK_ID.fullmatch(dock_id):
            raise UsageError(f"not a dock id: {dock_id!r}", "use up to 64 letters, digits, dots, dashes, underscores")
        if disk.size(PUBLIC) is not None:
            raise UsageError("this dock has keys already", "see them with `dockagent keys show`")
        for name, generate in ((_IDENTITY, _new_identity), (_LOG, _new_log)):
            if disk.size(name) is None:
                disk.create(name, generate(random), 0o600)
        keys = cls._assemble(disk, dock_id)
        disk.create(PUBLIC, keys.trust.encode(), 0o644)
        return keys

    @classmethod
    def load(cls, disk: Disk) -> Self:
        """The keys in ``disk``. Raises UsageError where there are none, where they do not belong together, or where
        others on this machine could read them."""
        dock = read_public(disk)
        keys = cls._assemble(disk, dock.id)
        if keys.dock.as_json() != dock.as_json():
            raise UsageError(
                f"the keys of dock {dock.id} are not those that {PUBLIC} names",
                "bring back the keys folder from its backup",
            )
        return keys

    @classmethod
    def _assemble(cls, disk: Disk, dock_id: str) -> Self:
        identity, log = _private(disk, _IDENTITY), _private(disk, _LOG)
        if not isinstance(identity, ec.EllipticCurvePrivateKey) or not isinstance(identity.curve, ec.SECP256R1):
            raise UsageError(f"{_IDENTITY} is not a P-256 key", "bring back the keys folder from its backup")
        if not isinstance(log, Ed25519PrivateKey):
            raise UsageError(f"{_LOG} is not an Ed25519 key", "bring back the keys folder from its backup")
        origin = f"dockagent.local/{dock_id}"
        log_key = note.VerifierKey(origin, log.public_key().public_bytes_raw())
        return cls(DockIdentity(dock_id, origin, identity.public_key(), log_key), identity, log)

    @property
    def trust(self) -> Trust:
        """The trust file that makes a verifier believe this dock."""
        return Trust((self.dock,))

    @property
    def origin(self) -> str:
        """The name of this dock's ledger, for example ``dockagent.local/dock-7``."""
        return self.dock.origin

    @property
    def vkey(self) -> str:
        """The checkpoint key as signed-note verifiers take it."""
        return self.dock.log_key.text()

    @property
    def public_pem(self) -> str:
        """The record key, PEM."""
        return self.dock.record_key_pem

    @property
    def key_id(self) -> str:
        """The ``keyid`` of this dock's envelopes (hex SHA-256 of the record key)."""
        return dsse.key_id(self.dock.record_key)

    def sign_record(self, payload: bytes) -> bytes:
        """The envelope of a custody record (canonical JSON)."""
        return dsse.seal(RECORD, payload, self.key_id, self._sign)

    def sign_statement(self, payload: bytes) -> bytes:
        """The envelope of an in-toto Statement (canonical JSON)."""
        return dsse.seal(dsse.IN_TOTO, payload, self.key_id, self._sign)

    def sign_checkpoint(self, size: int, root: bytes) -> str:
        """The signed note over this dock's ledger of ``size`` leaves under ``root`` (32 bytes)."""
        head = note.Checkpoint(self.origin, size, root)
        return note.seal(head.text(), self.dock.log_key, self._log.sign)

    def csr_pem(self, site: str) -> str:
        """A certificate request (PKCS #10, PEM) for the agency's CA. Subject after IEEE 802.1AR: serialNumber = id."""
        if len(site) > _UB_UNIT:
            raise UsageError(f"cannot ask for a certificate: the site's name is longer than {_UB_UNIT}", "shorten it")
        subject = [(NameOID.COMMON_NAME, self.dock.id), (NameOID.SERIAL_NUMBER, self.dock.id)]
        if site:
            subject.insert(0, (NameOID.ORGANIZATIONAL_UNIT_NAME, site))
        name = x509.Name([x509.NameAttribute(oid, text) for oid, text in subject])
        request = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(name)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_SIGNS_ONLY, critical=True)
            .sign(self._identity, hashes.SHA256())
        )
        return request.public_bytes(Encoding.PEM).decode()

    def _sign(self, data: bytes) -> bytes:
        return self._identity.sign(data, _ECDSA)


def read_public(disk: Disk) -> DockIdentity:
    """The public side of the dock whose keys folder is ``disk``. Needs no right to the private keys."""
    docks = parse(_read(disk, PUBLIC)).docks
    if len(docks) != 1:
        raise UsageError(f"{PUBLIC} of the keys folder names {len(docks)} docks", "bring it back from its backup")
    return docks[0]


def _ecdsa() -> ec.ECDSA:
    """RFC 6979 signatures, which need no luck from a young machine's random source; random nonces where the
    library's OpenSSL is too old for that."""
    try:
        return ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    except UnsupportedAlgorithm:
        return ec.ECDSA(hashes.SHA256())


_ECDSA = _ecdsa()
_SIGNS_ONLY = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def _new_identity(random: Random) -> bytes:
    """A P-256 key in PKCS #8, its secret made as FIPS 186-5 A.2.1 says: 64 bits more than the order, reduced."""
    secret = int.from_bytes(random(40)) % (_P256_ORDER - 1) + 1
    return _pkcs8(ec.derive_private_key(secret, ec.SECP256R1()))


def _new_log(random: Random) -> bytes:
    return _pkcs8(Ed25519PrivateKey.from_private_bytes(random(32)))


def _pkcs8(key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _private(disk: Disk, name: str) -> object:
    if isinstance(disk, RealDisk):
        _refuse_open_to_others(disk, name)
    try:
        return load_pem_private_key(_read(disk, name), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as err:
        raise UsageError(f"{name} is not a private key in PEM: {err}", "bring it back from its backup") from err


def _refuse_open_to_others(disk: RealDisk, name: str) -> None:
    """Only a real file system has readers; a disk in memory has nobody to keep out."""
    path = disk.path(name)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0
    if mode & 0o077:
        raise UsageError(f"others can read the private key {path} (mode {mode:04o})", f"run `chmod 600 {path}`")


def _read(disk: Disk, name: str) -> bytes:
    try:
        return disk.read(name)
    except FileNotFoundError as err:
        raise UsageError(f"this dock has no keys: {name} is missing", "run `dockagent keys init`") from err
    except PermissionError as err:
        raise UsageError(f"cannot read {name}: no right to it", "run this as the dock's own user") from err
