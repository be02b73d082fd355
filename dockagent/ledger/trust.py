"""The public side of a dock, and the trust file that carries it to whoever checks a dock's records.

A trust file is JSON: ``{"docks": [{"id", "origin", "record_key_pem", "log_vkey"}], "camera_roots_pem": [PEM]}``.
``dockagent keys show --json`` prints one; to trust several docks, put their entries into one list. A dock that changed
its keys has one entry for each set.
"""

from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from dockagent.core import note, strict_json
from dockagent.errors import Refused, UsageError

_HINT = "make it with `dockagent keys show --json` on the dock"


@dataclass(frozen=True, slots=True)
class DockIdentity:
    """Who a dock is, as others see it. ``origin`` names its ledger and is the name of ``log_key``."""

    id: str
    origin: str
    record_key: ec.EllipticCurvePublicKey
    log_key: note.VerifierKey

    @property
    def record_key_pem(self) -> str:
        """SubjectPublicKeyInfo, PEM."""
        return self.record_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def as_json(self) -> dict[str, str]:
        """This dock's entry in a trust file."""
        return {
            "id": self.id,
            "origin": self.origin,
            "record_key_pem": self.record_key_pem,
            "log_vkey": self.log_key.text(),
        }


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom a verifier believes: docks, and the root certificates (PEM) of camera makers."""

    docks: tuple[DockIdentity, ...] = ()
    camera_roots_pem: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The trust file's object."""
        return {"docks": [dock.as_json() for dock in self.docks], "camera_roots_pem": list(self.camera_roots_pem)}

    def encode(self) -> bytes:
        """The trust file's bytes: canonical JSON and a newline."""
        return strict_json.canonical(self.as_json()) + b"\n"


def parse(data: bytes) -> Trust:
    """Read a trust file. Raises UsageError for anything that is not exactly one: a key that is misspelt or unknown
    here would otherwise be trust that somebody believes to have stated and nobody applies."""
    try:
        raw = _members(strict_json.parse(data), "the trust file", {"docks", "camera_roots_pem"})
        docks = tuple(_dock(one) for one in _list(raw["docks"], "docks"))
        roots = tuple(_certificate(one) for one in _list(raw["camera_roots_pem"], "camera_roots_pem"))
    except Refused as err:
        raise UsageError(f"not a trust file: {err}", _HINT) from err
    return Trust(docks, roots)


def _dock(raw: Any) -> DockIdentity:
    entry = _members(raw, "a dock", {"id", "origin", "record_key_pem", "log_vkey"})
    name, origin = _text(entry["id"], "id"), _text(entry["origin"], "origin")
    log_key = note.parse_vkey(_text(entry["log_vkey"], "log_vkey"))
    if log_key.name != origin:
        raise Refused(f"dock {name!r} has the origin {origin!r}, but its log_vkey is for {log_key.name!r}")
    return DockIdentity(name, origin, _record_key(_text(entry["record_key_pem"], "record_key_pem")), log_key)


def _record_key(pem: str) -> ec.EllipticCurvePublicKey:
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as err:
        raise Refused("record_key_pem is not a public key in PEM") from err
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Refused("record_key_pem is not a P-256 key")
    return key


def _certificate(raw: Any) -> str:
    pem = _text(raw, "camera_roots_pem")
    try:
        x509.load_pem_x509_certificate(pem.encode())
    except ValueError as err:
        raise Refused("camera_roots_pem holds something that is not a certificate in PEM") from err
    return pem


def _members(raw: Any, what: str, names: set[str]) -> dict[str, Any]:
    if not isinstance(raw, dict) or set(raw) != names:
        raise Refused(f"{what} must be an object with exactly {', '.join(sorted(names))}")
    return raw


def _list(raw: Any, what: str) -> list[Any]:
    if not isinstance(raw, list):
        raise Refused(f"{what} must be a list")
    return raw


def _text(raw: Any, what: str) -> str:
    if not isinstance(raw, str) or not raw:
        raise Refused(f"{what} must be text")
    return raw
