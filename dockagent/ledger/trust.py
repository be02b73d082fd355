"""The public side of a dock, and the trust file that carries it to whoever checks a dock's records.

A trust file is JSON: ``{"docks": [{"id", "origin", "record_key_pem", "log_vkey"}], "camera_roots_pem": [PEM]}``.
``dockagent keys show --json`` prints one; to trust several docks, put their entries into one list. A dock that changed
its keys has one entry for each set, oldest first.

Optional in a dock's entry: ``statement``, the DSSE envelope in which its identity certifies these keys, and
``chain_pem``, the certificates of that identity, leaf first. Optional beside ``docks``: ``dock_roots_pem``,
certificates whose docks are believed through their chain and statement: an agency's CA, or the identity of one dock.
A file of PEM certificates alone is a trust file too, which believes just these.

Optional too: ``witnesses``, the vkeys of outsiders whose cosignatures count; ``quorum``, how many of them a ledger must
bear, else it does not pass; ``tsa_roots_pem``, the roots of time-stamping authorities; ``custodians``, the lines of
those whose receipts beside the store count (:mod:`dockagent.core.central.custodian_key`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from dockagent.core import strict_json
from dockagent.core.central import custodian_key
from dockagent.core.central.custodian_key import CustodianKey
from dockagent.core.proof import certificates, cosignature, dsse, key_statement, note
from dockagent.errors import Refused, UsageError

_OPTIONAL = {"dock_roots_pem", "witnesses", "quorum", "tsa_roots_pem", "custodians"}
_PEM = b"-----BEGIN CERTIFICATE-----"
_HINT = "make it with `dockagent keys show --json` on the dock"


@dataclass(frozen=True, slots=True)
class DockIdentity:
    """Who a dock is, as others see it. ``origin`` names its ledger and is the name of ``log_key``."""

    id: str
    origin: str
    record_key: ec.EllipticCurvePublicKey
    log_key: note.VerifierKey
    statement: bytes = b""
    chain_pem: str = ""
    certified: key_statement.KeySet | None = None

    @classmethod
    def of(cls, statement: bytes, chain_pem: str = "") -> Self:
        """The entry for the keys that a statement certifies. Raises Refused where it is not whole."""
        keys = key_statement.parse(statement)
        return cls(keys.dock, keys.origin, keys.record_key, keys.log_key, statement, chain_pem, keys)

    @property
    def key_set(self) -> key_statement.KeySet:
        """The set as its statement has it. A dock from before there were statements signs with its identity itself."""
        return self.certified or key_statement.KeySet(
            self.id, self.origin, 1, 0, "", "", self.record_key, self.record_key, self.log_key
        )

    @property
    def same_keys(self) -> tuple[str, str, str, int]:
        """What two entries for the same set have in common, whatever certificates they have by now."""
        return (self.id, dsse.key_id(self.record_key), self.log_key.text(), self.key_set.since)

    @property
    def record_key_pem(self) -> str:
        """SubjectPublicKeyInfo, PEM."""
        return key_statement.public_pem(self.record_key)

    def as_json(self) -> dict[str, Any]:
        """This dock's entry in a trust file."""
        entry: dict[str, Any] = {
            "id": self.id,
            "origin": self.origin,
            "record_key_pem": self.record_key_pem,
            "log_vkey": self.log_key.text(),
        }
        if self.statement:
            entry["statement"] = strict_json.parse(self.statement)
        if self.chain_pem:
            entry["chain_pem"] = self.chain_pem
        return entry


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom a verifier believes: docks, the root certificates (PEM) of camera makers, and the certificates (PEM)
    through which docks are believed that are not named: an agency's CA, or a dock's identity. ``witnesses``: whose
    cosignatures count, and ``quorum``: how many a ledger must bear (0: none has to be there). ``tsa_roots_pem``: the
    roots (PEM) of authorities whose time stamps count. ``custodians``: whose receipts count."""

    docks: tuple[DockIdentity, ...] = ()
    camera_roots_pem: tuple[str, ...] = ()
    dock_roots_pem: tuple[str, ...] = ()
    witnesses: tuple[note.VerifierKey, ...] = ()
    quorum: int = 0
    tsa_roots_pem: tuple[str, ...] = ()
    custodians: tuple[CustodianKey, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The trust file's object."""
        members: dict[str, Any] = {
            "docks": [dock.as_json() for dock in self.docks],
            "camera_roots_pem": list(self.camera_roots_pem),
        }
        if self.dock_roots_pem:
            members["dock_roots_pem"] = list(self.dock_roots_pem)
        if self.witnesses:
            members["witnesses"] = [one.text() for one in self.witnesses]
        if self.quorum:
            members["quorum"] = self.quorum
        if self.tsa_roots_pem:
            members["tsa_roots_pem"] = list(self.tsa_roots_pem)
        if self.custodians:
            members["custodians"] = [one.text() for one in self.custodians]
        return members

    def encode(self) -> bytes:
        """The trust file's bytes: canonical JSON and a newline."""
        return strict_json.canonical(self.as_json()) + b"\n"


def parse(data: bytes) -> Trust:
    """Read a trust file. Raises UsageError for anything that is not exactly one: a key that is misspelt or unknown
    here would otherwise be trust that somebody believes to have stated and nobody applies."""
    try:
        if data.lstrip().startswith(_PEM):
            return Trust(dock_roots_pem=tuple(certificates.pem_of(one) for one in certificates.parse_chain(data)))
        return _trust(_members(strict_json.parse(data), "the trust file", {"docks", "camera_roots_pem"}, _OPTIONAL))
    except Refused as err:
        raise UsageError(f"not a trust file: {err}", _HINT) from err


def _trust(raw: dict[str, Any]) -> Trust:
    docks = tuple(_dock(one) for one in _list(raw["docks"], "docks"))
    witnesses = tuple(
        cosignature.parse_vkey(_text(one, "witnesses")) for one in _list(raw.get("witnesses", []), "witnesses")
    )
    quorum = raw.get("quorum", 0)
    if not isinstance(quorum, int) or isinstance(quorum, bool) or not 0 <= quorum <= len(witnesses):
        raise Refused(f"quorum must be a number from 0 to that of its witnesses, {len(witnesses)}")
    if len({one.public for one in witnesses}) != len(witnesses):
        raise Refused("witnesses names one key twice, which would count twice")
    return Trust(
        docks,
        _certificates(raw, "camera_roots_pem"),
        _certificates(raw, "dock_roots_pem"),
        witnesses,
        quorum,
        _certificates(raw, "tsa_roots_pem"),
        tuple(custodian_key.parse(_text(one, "custodians")) for one in _list(raw.get("custodians", []), "custodians")),
    )


def logs_of(words: Sequence[str], read: Callable[[str], bytes]) -> dict[str, list[note.VerifierKey]]:
    """Whose checkpoints a witness takes: by origin, their keys. Each word is a vkey, or names a trust file, which
    ``read`` reads. Raises UsageError."""
    logs: dict[str, list[note.VerifierKey]] = {}
    for word in words:
        try:
            keys = [note.parse_vkey(word)] if "+" in word else [dock.log_key for dock in parse(read(word)).docks]
        except Refused as err:
            raise UsageError(f"not the checkpoint key of a dock: {err}", "take it from `dockagent keys show`") from err
        for key in keys:
            logs.setdefault(key.name, []).append(key)
    return logs


def _certificates(raw: dict[str, Any], where: str) -> tuple[str, ...]:
    return tuple(_certificate(one, where) for one in _list(raw.get(where, []), where))


def _dock(raw: Any) -> DockIdentity:
    entry = _members(raw, "a dock", {"id", "origin", "record_key_pem", "log_vkey"}, {"statement", "chain_pem"})
    name, origin = _text(entry["id"], "id"), _text(entry["origin"], "origin")
    log_key = note.parse_vkey(_text(entry["log_vkey"], "log_vkey"))
    if log_key.name != origin:
        raise Refused(f"dock {name!r} has the origin {origin!r}, but its log_vkey is for {log_key.name!r}")
    record_key = key_statement.public_key(_text(entry["record_key_pem"], "record_key_pem"), "record_key_pem")
    chain = _text(entry["chain_pem"], "chain_pem") if "chain_pem" in entry else ""
    if chain:
        certificates.parse_chain(chain.encode())
    if "statement" not in entry:
        return DockIdentity(name, origin, record_key, log_key, chain_pem=chain)
    dock = DockIdentity.of(strict_json.canonical(entry["statement"]), chain)
    if (dock.id, dock.origin, dock.record_key, dock.log_key) != (name, origin, record_key, log_key):
        raise Refused(f"the entry of dock {name!r} has other keys than its statement certifies")
    return dock


def _certificate(raw: Any, where: str) -> str:
    pem = _text(raw, where)
    try:
        x509.load_pem_x509_certificate(pem.encode())
    except ValueError as err:
        raise Refused(f"{where} holds something that is not a certificate in PEM") from err
    return pem


def _members(raw: Any, what: str, names: set[str], optional: set[str]) -> dict[str, Any]:
    if not isinstance(raw, dict) or set(raw) - optional != names:
        also = f", and perhaps {', '.join(sorted(optional))}" if optional else ""
        raise Refused(f"{what} must be an object with exactly {', '.join(sorted(names))}{also}")
    return raw


def _list(raw: Any, what: str) -> list[Any]:
    if not isinstance(raw, list):
        raise Refused(f"{what} must be a list")
    return raw


def _text(raw: Any, what: str) -> str:
    if not isinstance(raw, str) or not raw:
        raise Refused(f"{what} must be text")
    return raw
