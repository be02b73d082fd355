"""The dock's keys: an identity, and the two keys that it certifies for the daily work.

Keys live in their own folder (``<home>/keys``):

* the identity, P-256, in a file, a systemd credential or a TPM (:mod:`dockagent.ledger.keys_identity`);
* ``record.pem``, P-256, which signs custody records and clip records, and ``log.pem``, Ed25519, which signs
  checkpoints. Two, because the world reads records with X.509 tools and transparency logs with signed notes, and one
  key must never sign for two protocols. Later sets add their number: ``record-2.pem``;
* ``trust.json``, the public side that outsiders get, with the identity's statement about each set of keys. It is
  written last and says which set is in force;
* ``certificate.pem``, the identity's chain, where an agency's CA issued one.

A dock from before there were statements has no ``record.pem``: its identity signs records itself.
"""

import re
import secrets
from dataclasses import dataclass, field, replace
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dockagent.core.proof import dsse, key_statement, note
from dockagent.durable import Disk
from dockagent.errors import UsageError
from dockagent.ledger.keys_identity import (
    ECDSA,
    KINDS,
    Identity,
    Maker,
    Random,
    ed25519,
    encoded,
    file_name,
    in_file,
    new_p256,
    open_identity,
    p256,
    private_key,
    read,
)
from dockagent.ledger.trust import DockIdentity, Trust, parse

RECORD = "application/vnd.dockagent.record+json"
"""DSSE payload type of a custody record."""

PUBLIC, CERTIFICATE = "trust.json", "certificate.pem"
_DOCK_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Keys:
    """The private keys in force and the public side of all sets, oldest first. Every signature of the dock is made
    here."""

    docks: tuple[DockIdentity, ...]
    identity: Identity = field(repr=False)
    _record: ec.EllipticCurvePrivateKey | None = field(repr=False)
    _log: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def create(cls, disk: Disk, dock_id: str, random: Random = secrets.token_bytes, identity: Maker = in_file) -> Self:
        """Make the keys of a new dock in ``disk`` (the keys folder). Keys that are there are never overwritten.

        ``trust.json`` is written last: a crash before it leaves a creation that the next call finishes with the same
        keys. Raises UsageError for an unusable id or where there is a whole set already, Missing where the
        ``identity`` cannot be made (no TPM, no credential).
        """
        if not _DOCK_ID.fullmatch(dock_id):
            raise UsageError(f"not a dock id: {dock_id!r}", "use up to 64 letters, digits, dots, dashes, underscores")
        if disk.size(PUBLIC) is not None:
            raise UsageError("this dock has keys already", "see them with `dockagent keys show`")
        if not _has_identity(disk):
            identity(disk, 1, random)
        own = open_identity(disk, 1)
        record, log = make_signing_keys(disk, 1, own, random)
        origin = f"dockagent.local/{dock_id}"
        log_key = note.VerifierKey(origin, log.public_key().public_bytes_raw())
        keys = key_statement.KeySet(dock_id, origin, 1, 0, "", "", own.public, record.public_key(), log_key)
        statement = key_statement.seal(keys, [(dsse.key_id(own.public), own.sign)])
        made = cls((DockIdentity.of(statement),), own, record, log)
        disk.create(PUBLIC, made.trust.encode(), 0o644)
        return made

    @classmethod
    def load(cls, disk: Disk) -> Self:
        """The keys in ``disk``. Raises UsageError where there are none, where they do not belong together, or where
        others on this machine could read them; Missing where the identity is not here now."""
        docks = read_sets(disk)
        dock = docks[-1]
        own = open_identity(disk, dock.key_set.generation)
        record, log = _signing_keys(disk, dock.key_set.generation, own, certified=dock.certified is not None)
        signs = record.public_key() if record else own.public
        log_key = note.VerifierKey(dock.origin, log.public_key().public_bytes_raw())
        if (own.public, signs, log_key) != (dock.key_set.identity_key, dock.record_key, dock.log_key):
            raise UsageError(
                f"the keys of dock {dock.id} are not those that {PUBLIC} names",
                "bring back the keys folder from its backup",
            )
        return cls(docks, own, record, log)

    @property
    def dock(self) -> DockIdentity:
        """The set in force."""
        return self.docks[-1]

    @property
    def trust(self) -> Trust:
        """The trust file that makes a verifier believe this dock."""
        return Trust(self.docks)

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

    def certified(self) -> Self:
        """These keys with a statement of their identity about them. Only a dock from before there were statements has
        none yet."""
        if self.dock.certified is not None:
            return self
        keys = self.dock.key_set
        statement = key_statement.seal(keys, [(dsse.key_id(self.identity.public), self.identity.sign)])
        return replace(self, docks=(*self.docks[:-1], DockIdentity.of(statement, self.dock.chain_pem)))

    def enrolled(self, chain: tuple[x509.Certificate, ...], chain_pem: str) -> Self:
        """These keys with a chain of certificates for every set of this identity. ``chain`` was checked by
        :func:`dockagent.ledger.keys_enroll.check_chain`."""
        own = chain[0].public_key()
        certified = self.certified()
        docks = tuple(
            replace(one, chain_pem=chain_pem) if one.key_set.identity_key == own else one for one in certified.docks
        )
        return replace(certified, docks=docks)

    def _sign(self, data: bytes) -> bytes:
        if self._record is None:
            return self.identity.sign(data)
        return self._record.sign(data, ECDSA)


def make_signing_keys(
    disk: Disk, generation: int, identity: Identity, random: Random
) -> tuple[ec.EllipticCurvePrivateKey, Ed25519PrivateKey]:
    """The record key and the log key of a set, made where they are not there yet, each durable when this returns."""
    lock = identity.lock()
    for stem in ("record", "log"):
        name = file_name(stem, generation, "pem")
        if disk.size(name) is None:
            new = new_p256(random) if stem == "record" else Ed25519PrivateKey.from_private_bytes(random(32))
            disk.create(name, encoded(new, lock), 0o600)
    return _record_key(disk, generation, lock), _log_key(disk, generation, lock)


def _signing_keys(
    disk: Disk, generation: int, identity: Identity, *, certified: bool
) -> tuple[ec.EllipticCurvePrivateKey | None, Ed25519PrivateKey]:
    lock = identity.lock()
    alone = not certified or disk.size(file_name("record", generation, "pem")) is None
    record = None if alone and identity.kind == "file" else _record_key(disk, generation, lock)
    return record, _log_key(disk, generation, lock)


def _record_key(disk: Disk, generation: int, lock: bytes | None) -> ec.EllipticCurvePrivateKey:
    name = file_name("record", generation, "pem")
    return p256(private_key(disk, name, lock), name)


def _log_key(disk: Disk, generation: int, lock: bytes | None) -> Ed25519PrivateKey:
    name = file_name("log", generation, "pem")
    return ed25519(private_key(disk, name, lock), name)


def _has_identity(disk: Disk) -> bool:
    return any(disk.size(file_name("identity", 1, kind)) is not None for kind in KINDS)


def read_sets(disk: Disk) -> tuple[DockIdentity, ...]:
    """The public side of the dock whose keys folder is ``disk``: its sets of keys, oldest first. Needs no right to the
    private keys."""
    docks = parse(read(disk, PUBLIC, first=True)).docks
    following = [(one.id, one.origin, number) for number, one in enumerate(docks, 1)]
    if not docks or following != [(docks[0].id, docks[0].origin, one.key_set.generation) for one in docks]:
        raise UsageError(
            f"{PUBLIC} of the keys folder does not name the keys of one dock, set by set",
            "bring it back from its backup",
        )
    return docks


def read_public(disk: Disk) -> DockIdentity:
    """The set in force, of :func:`read_sets`."""
    return read_sets(disk)[-1]
