"""The DER of RFC 3161: a query written, a reply taken apart. Only what is needed, read strictly.

Shapes are those of RFC 3161 sections 2.4.1 and 2.4.2, RFC 5652 section 5 and X.690: definite and shortest lengths,
single-byte tags, nothing after the end. One laxity, which real authorities need: a SET may be in any order.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509

from dockagent.errors import Refused

MOST_BYTES = 64 << 10
"""Longest reply in bytes. Tokens with their whole chain take 2 to 10 KiB."""

_INTEGER, _BITS, _OCTETS, _NULL, _OID, _UTF8, _TIME = 0x02, 0x03, 0x04, 0x05, 0x06, 0x0C, 0x18
_BOOLEAN, _SEQUENCE, _SET = 0x01, 0x30, 0x31
_SHA256 = bytes.fromhex("0609608648016503040201")  # 2.16.840.1.101.3.4.2.1
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")  # 1.2.840.113549.1.7.2
_TST_INFO = bytes.fromhex("060b2a864886f70d0109100104")  # 1.2.840.113549.1.9.16.1.4
_SHA2 = {  # 2.16.840.1.101.3.4.2.*; what kinds of signature go with each (RFC 5758, RFC 8017, RFC 8410)
    bytes.fromhex("608648016503040201"): {"1.2.840.10045.4.3.2", "1.2.840.113549.1.1.11"},
    bytes.fromhex("608648016503040202"): {"1.2.840.10045.4.3.3", "1.2.840.113549.1.1.12"},
    bytes.fromhex("608648016503040203"): {"1.2.840.10045.4.3.4", "1.2.840.113549.1.1.13", "1.3.101.112"},
}
_RSA, _RSA_PSS = "1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10"  # these go with any: PSS says it in its parameters
_CERTIFICATE_IDS = ("1.2.840.113549.1.9.16.2.47", "1.2.840.113549.1.9.16.2.12")  # signingCertificateV2, its elder
_MOMENT = re.compile(rb"(\d{14})(?:\.(\d{0,8}[1-9]))?Z")  # X.690 section 11.7: no trailing zeros, Z
_STATUS = ("granted", "granted with changes", "rejection", "waiting", "revocation warning", "revocation notification")


@dataclass(frozen=True, slots=True)
class Value:
    """One DER value: its tag byte, its contents, and all of its bytes."""

    tag: int
    body: bytes
    whole: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What a granted reply states; nothing is verified yet.

    ``token``: the CMS token's bytes. ``imprint``: the SHA-256 that was stamped. ``serial``: the token's number.
    ``nonce``: None where it has none. ``accuracy_ms``: rounded up; None where it is not stated. ``certificates``: those
    that came with the token, in its order. ``signer_id``: the DER of the signer's issuer, and its serial number.
    ``signer_digest``: what the signer signed about its own certificate (RFC 5035; SHA-1 or of SHA-2, by length).
    """

    token: bytes
    policy: str
    imprint: bytes
    serial: int
    time_ms: int
    accuracy_ms: int | None
    nonce: int | None
    certificates: tuple[x509.Certificate, ...]
    signer_id: tuple[bytes, int]
    signer_digest: bytes


def query(data: bytes, nonce: int) -> bytes:
    """A TimeStampReq over the SHA-256 of ``data`` that asks for the certificates too (RFC 3161 section 2.4.1)."""
    imprint = _tlv(
        _SEQUENCE, _tlv(_SEQUENCE, _SHA256 + _tlv(_NULL, b"")) + _tlv(_OCTETS, hashlib.sha256(data).digest())
    )
    size = nonce.bit_length() // 8 + 1  # room for the sign bit
    body = _tlv(_INTEGER, b"\x01") + imprint + _tlv(_INTEGER, nonce.to_bytes(size, "big")) + _tlv(_BOOLEAN, b"\xff")
    return _tlv(_SEQUENCE, body)


def is_whole(data: bytes) -> bool:
    """Whether the bytes are one DER sequence from first to last: what a reply must be before anyone keeps it."""
    try:
        return _only(data).tag == _SEQUENCE
    except Refused:
        return False


def parse(reply: bytes) -> Reply:
    """Take a TimeStampResp apart. Raises Refused where it is not one, is not plainly granted, or stamps anything but
    one SHA-256."""
    if len(reply) > MOST_BYTES:
        raise Refused(f"not a time-stamp reply: {len(reply)} bytes, more than {MOST_BYTES}")
    parts = _Parts(_expect(_only(reply), _SEQUENCE))
    _check_granted(parts.take(_SEQUENCE))
    token = parts.take(_SEQUENCE)
    parts.end()
    content = _Parts(token)
    if content.take(_OID).whole != _SIGNED_DATA:
        raise Refused("not a time-stamp reply: its token is not CMS signed data")
    signed = _only(content.take(0xA0).body)
    content.end()
    return _signed_data(token.whole, _Parts(_expect(signed, _SEQUENCE)))


def _check_granted(status: Value) -> None:
    parts = _Parts(status)
    code = _integer(parts.take(_INTEGER))
    if code != 0:
        words = parts.maybe(_SEQUENCE)
        said = b" ".join(one.body for one in _values(words.body)) if words else b""
        named = _STATUS[code] if 0 <= code < len(_STATUS) else "unknown"
        raise Refused(
            f"the time-stamp authority did not grant: status {code} ({named}) {said[:200].decode(errors='replace')!r}"
        )


def _signed_data(token: bytes, parts: "_Parts") -> Reply:
    _check_version(parts, 3)  # RFC 5652 section 5.1: 3 where the content is not plain data
    for one in _values(parts.take(_SET).body):
        _digest(one)
    content = _Parts(parts.take(_SEQUENCE))
    if content.take(_OID).whole != _TST_INFO:
        raise Refused("not a time-stamp reply: the token's content is not a TSTInfo")
    info = _only(_expect(_only(content.take(0xA0).body), _OCTETS).body)
    content.end()
    held = parts.maybe(0xA0)
    parts.maybe(0xA1)  # revocation lists
    signers = _values(parts.take(_SET).body)
    parts.end()
    if len(signers) != 1:
        raise Refused(f"a time-stamp token has one signer, this one has {len(signers)}")
    certificates = tuple(_certificate(one) for one in _values(held.body)) if held else ()
    return _info(_Parts(_expect(info, _SEQUENCE)), token, certificates, _signer(signers[0]))


def _signer(signer: Value) -> tuple[tuple[bytes, int], bytes]:
    """Whose signature it is: its issuer and number, and the digest of its certificate.

    All of the SignerInfo is read, as its signature does not cover its frame, and a copy that was altered there should
    not pass for what was kept (RFC 5652 section 5.3).
    """
    parts = _Parts(_expect(signer, _SEQUENCE))
    _check_version(parts, 1)
    named = _Parts(parts.take(_SEQUENCE))
    found = named.take(_SEQUENCE).whole, _integer(named.take(_INTEGER))
    named.end()
    fitting = _SHA2[_digest(parts.take(_SEQUENCE))]
    attributes = dict(_attribute(one) for one in _values(parts.take(0xA0).body))
    algorithm = _Parts(parts.take(_SEQUENCE))
    kind = _oid(algorithm.take(_OID))
    if kind == _RSA_PSS:
        algorithm.take(_SEQUENCE)
    _end_of_algorithm(algorithm)
    if kind not in {*fitting, _RSA, _RSA_PSS}:
        raise Refused(f"the time stamp is signed in a way that is unknown, weak or does not fit its digest: {kind}")
    parts.take(_OCTETS)
    parts.maybe(0xA1)  # unsigned attributes: anyone may add them, nobody relies on them
    parts.end()
    return found, _certificate_digest(attributes)


def _attribute(value: Value) -> tuple[str, Value]:
    parts = _Parts(_expect(value, _SEQUENCE))
    kind, held = _oid(parts.take(_OID)), parts.take(_SET)
    parts.end()
    return kind, held


def _certificate_digest(attributes: dict[str, Value]) -> bytes:
    """The first certificate that a signature is bound to is its signer's (RFC 5035 section 5.4)."""
    held = next((attributes[kind] for kind in _CERTIFICATE_IDS if kind in attributes), None)
    if held is None:
        raise Refused("the time stamp does not bind its signer's certificate (RFC 3161 section 2.4.1)")
    listed = _Parts(_expect(_only(held.body), _SEQUENCE)).take(_SEQUENCE)
    first = _Parts(_Parts(listed).take(_SEQUENCE))
    first.maybe(_SEQUENCE)  # the digest's algorithm; its length tells it too
    return first.take(_OCTETS).body


def _check_version(parts: "_Parts", expected: int) -> None:
    version = _integer(parts.take(_INTEGER))
    if version != expected:
        raise Refused(f"not a time-stamp reply: version {version} of a part that has version {expected}")


def _digest(algorithm: Value) -> bytes:
    """Which of SHA-2 an algorithm identifier names."""
    parts = _Parts(_expect(algorithm, _SEQUENCE))
    named = parts.take(_OID)
    _end_of_algorithm(parts)
    if named.body not in _SHA2:
        raise Refused(f"the time stamp is signed over a digest of kind {_oid(named)}, not over one of SHA-2")
    return named.body


def _end_of_algorithm(parts: "_Parts") -> None:
    """No parameters, spelt in either way."""
    nothing = parts.maybe(_NULL)
    parts.end()
    if nothing and nothing.body:
        raise Refused("not a time-stamp reply: a null with contents")


def _info(
    parts: "_Parts", token: bytes, certificates: Sequence[x509.Certificate], signer: tuple[tuple[bytes, int], bytes]
) -> Reply:
    _check_version(parts, 1)
    policy = _oid(parts.take(_OID))
    imprint = _imprint(_Parts(parts.take(_SEQUENCE)))
    serial = _integer(parts.take(_INTEGER))
    time_ms = _moment(parts.take(_TIME).body)
    accuracy = parts.maybe(_SEQUENCE)
    parts.maybe(_BOOLEAN)  # ordering
    nonce = parts.maybe(_INTEGER)
    parts.maybe(0xA0)  # the authority's name again
    _check_extensions(parts.maybe(0xA1))
    parts.end()
    return Reply(
        token=token,
        policy=policy,
        imprint=imprint,
        serial=serial,
        time_ms=time_ms,
        accuracy_ms=_accuracy(_Parts(accuracy)) if accuracy else None,
        nonce=_integer(nonce) if nonce else None,
        certificates=tuple(certificates),
        signer_id=signer[0],
        signer_digest=signer[1],
    )


def _imprint(parts: "_Parts") -> bytes:
    algorithm = _Parts(parts.take(_SEQUENCE)).take(_OID)
    digest = parts.take(_OCTETS).body
    parts.end()
    if algorithm.whole != _SHA256 or len(digest) != hashlib.sha256().digest_size:
        raise Refused(f"the time stamp is over a digest of kind {_oid(algorithm)}, not over a SHA-256")
    return digest


def _accuracy(parts: "_Parts") -> int:
    """Milliseconds, rounded up."""
    seconds, millis, micros = parts.maybe(_INTEGER), parts.maybe(0x80), parts.maybe(0x81)
    parts.end()
    scaled = ((seconds, 1_000_000), (millis, 1000), (micros, 1))
    return -(-sum(_integer(one) * scale for one, scale in scaled if one) // 1000)


def _moment(text: bytes) -> int:
    """Milliseconds since 1970, rounded down."""
    found = _MOMENT.fullmatch(text)
    try:
        if not found:
            raise ValueError("not YYYYMMDDhhmmss[.f]Z")
        whole = datetime.strptime(found[1].decode(), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError as err:
        raise Refused(f"the time stamp's time {text[:40]!r} is none") from err
    return int(whole.timestamp()) * 1000 + int((found[2] or b"0").ljust(3, b"0")[:3])


def _check_extensions(held: Value | None) -> None:
    for one in _values(held.body) if held else ():
        named = _Parts(_expect(one, _SEQUENCE))
        kind = named.take(_OID)
        if named.maybe(_BOOLEAN):
            raise Refused(f"the time stamp has the critical extension {_oid(kind)}, which nobody here understands")


def _certificate(value: Value) -> x509.Certificate:
    fields = _Parts(_Parts(_expect(value, _SEQUENCE)).take(_SEQUENCE))
    fields.maybe(0xA0)  # version
    if _integer(fields.take(_INTEGER)) <= 0:  # the library warns of these, and will not read them one day
        raise Refused("the time-stamp token brings a certificate whose serial number is not positive")
    try:
        found = x509.load_der_x509_certificate(value.whole)
        _ = found.subject, found.issuer, found.extensions  # the library parses these only when asked for
    except (ValueError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as err:
        raise Refused("the time-stamp token brings a certificate that cannot be read") from err
    return found


class _Parts:
    """The values inside one, taken in order."""

    def __init__(self, of: Value) -> None:
        self._left = list(_values(of.body))[::-1]

    def maybe(self, tag: int) -> Value | None:
        return self._left.pop() if self._left and self._left[-1].tag == tag else None

    def take(self, tag: int) -> Value:
        return _expect(self._left.pop() if self._left else None, tag)

    def end(self) -> None:
        if self._left:
            raise Refused(f"not a time-stamp reply: a value of tag 0x{self._left[-1].tag:02x} where none belongs")


def _expect(value: Value | None, tag: int) -> Value:
    if value is None or value.tag != tag:
        found = "nothing" if value is None else f"tag 0x{value.tag:02x}"
        raise Refused(f"not a time-stamp reply: {found} where tag 0x{tag:02x} belongs")
    return value


def _only(data: bytes) -> Value:
    values = _values(data)
    if len(values) != 1:
        raise Refused(f"not a time-stamp reply: {len(values)} values where one belongs")
    return values[0]


def _values(data: bytes) -> tuple[Value, ...]:
    return tuple(_each(data))


def _each(data: bytes) -> Iterator[Value]:
    at = 0
    while at < len(data):
        start, length = _header(data, at)
        end = start + length
        if end > len(data):
            raise Refused("not a time-stamp reply: cut short")
        yield Value(data[at], data[start:end], data[at:end])
        at = end


def _header(data: bytes, at: int) -> tuple[int, int]:
    """Where the contents start, and how many bytes they take."""
    first = data[at + 1 : at + 2]
    if not first or data[at] & 0x1F == 0x1F:
        raise Refused("not a time-stamp reply: not DER")
    if first[0] < 0x80:
        return at + 2, first[0]
    octets = data[at + 2 : at + 2 + (first[0] & 0x7F)]
    length = int.from_bytes(octets, "big")
    if not 1 <= len(octets) <= 4 or len(octets) != first[0] & 0x7F or octets[0] == 0 or length < 0x80:
        raise Refused("not a time-stamp reply: a length that DER does not allow")
    return at + 2 + len(octets), length


def _integer(value: Value) -> int:
    if not value.body or (
        len(value.body) > 1 and value.body[0] in (0, 0xFF) and not (value.body[0] ^ value.body[1]) & 0x80
    ):
        raise Refused("not a time-stamp reply: a number that DER does not allow")
    return int.from_bytes(value.body, "big", signed=True)


def _oid(value: Value) -> str:
    """Dotted form (X.690 section 8.19)."""
    arcs, arc = [], 0
    for octet in value.body:
        arc = arc << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(arc)
            arc = 0
    if not arcs or value.body[-1] & 0x80:
        raise Refused("not a time-stamp reply: an object identifier that DER does not allow")
    top = min(arcs[0] // 40, 2)
    return ".".join(map(str, (top, arcs[0] - 40 * top, *arcs[1:])))


def _tlv(tag: int, body: bytes) -> bytes:
    """Short bodies only (below 128 bytes): a query is never longer."""
    return bytes((tag, len(body))) + body
