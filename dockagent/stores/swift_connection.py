"""The connection file that an evidence system hands out so that a body-worn system delivers into it.

Source: Axis body worn integration API (github.com/AxisCommunications/body-worn-integration-api, README, "Connection
API", sections "JSON file format" and "Attribute details"): a JSON object of at most 64 kB. Which members are needed is
from there. That ``HTTPSCertificate`` may hold DER or PEM below its base64, and that certificates given there are
trusted as they are, also when they are no authority's, is our reading.
"""

import base64
import ssl
from dataclasses import dataclass
from typing import Annotated

import msgspec

from dockagent.errors import UsageError

MOST = 64 << 10  # bytes
_HINT = "ask the evidence system for a new connection file"
_Address = Annotated[str, msgspec.Meta(max_length=512)]
_Addresses = Annotated[tuple[_Address, ...], msgspec.Meta(min_length=1, max_length=10)]
_Certificates = Annotated[tuple[Annotated[str, msgspec.Meta(max_length=16 << 10)], ...], msgspec.Meta(max_length=10)]


class _File(msgspec.Struct, frozen=True, rename="pascal"):
    """The members that we use; others may be there (README: new ones are added)."""

    connection_file_version: str
    site_name: str
    application_name: str
    application_version: str
    addresses: _Addresses = msgspec.field(name="AuthenticationTokenURI")
    blob_key: str = msgspec.field(name="BlobAPIKey")
    blob_user: str = msgspec.field(name="BlobAPIUserName")
    certificates: _Certificates = msgspec.field(name="HTTPSCertificate", default=())
    container_type: str = "mkv"
    full_store_and_read_support: bool = False
    want_encryption: bool = False


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach one evidence system. ``full``: it is a whole Swift server, so that every capability counts as
    declared. ``certificates``: PEM of whom to trust, or empty for the system's choice."""

    site: str
    application: str
    auth_urls: tuple[str, ...]
    user: str
    key: str
    certificates: str
    full: bool


def parse(data: bytes, name: str) -> Connection:
    """The connection in the file's bytes; ``name`` is how people call it. Raises UsageError."""
    if len(data) > MOST:
        raise UsageError(f"{name} has {len(data)} bytes; a connection file has at most {MOST}", _HINT)
    try:
        said = msgspec.json.decode(data, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError) as err:
        raise UsageError(f"{name} is no connection file: {err}", _HINT) from err
    if said.want_encryption:
        raise UsageError(
            f"{name} wants footage encrypted in the evidence system's own way (WantEncryption), which is not supported",
            "have it turned off there, or deliver to another store",
        )
    certificates = "".join(_pem(one, name) for one in said.certificates)
    _need_tls(said.addresses, certificates, name)
    application = f"{said.application_name} {said.application_version}"
    return Connection(
        said.site_name,
        application,
        said.addresses,
        said.blob_user,
        said.blob_key,
        certificates,
        said.full_store_and_read_support,
    )


def _need_tls(addresses: tuple[str, ...], certificates: str, name: str) -> None:
    """Where a certificate is given, nothing may go out in the clear. Raises UsageError."""
    if certificates and any(not one.startswith("https://") for one in addresses):
        raise UsageError(f"{name} names a certificate, and an address without TLS", _HINT)


def _pem(text: str, name: str) -> str:
    try:
        raw = base64.b64decode(text, validate=True)
        return raw.decode("ascii") if raw.startswith(b"-----BEGIN") else ssl.DER_cert_to_PEM_cert(raw)
    except ValueError as err:
        raise UsageError(f"{name} has an HTTPSCertificate that is no base64", _HINT) from err
