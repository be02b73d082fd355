"""The messages by which cameras sign video in its own stream: Axis Signed Video and ONVIF Media Signing.

Both are ``user_data_unregistered`` messages (SEI payload type 5) that a UUID marks. Behind the UUID comes a byte of
flags, then fields as tag, length and value; the signature comes last, and covers all from the NAL unit's header to the
signature's tag: the *document*. ONVIF: Media Signing Specification, revision 23.06, chapter 5, and the tag versions
that its published signer writes, which have grown since. Axis: the published framework's description, format 2
(version 3 of its general tag). Numbers are big-endian in both, whatever the text says: the published files are.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from dockagent.core import paths
from dockagent.core.stream.nal_units import LONGEST_MESSAGE, USER_DATA, Codec, unescaped
from dockagent.errors import Refused

Format = Literal["axis-signed-video", "onvif-media-signing"]
UUIDS: dict[bytes, Format] = {
    b"Signed Video...0": "axis-signed-video",
    bytes.fromhex("005bc93f2d715e95ada4796f90877a6f"): "onvif-media-signing",
}
MOST_FIELDS = 64  # of one message
HASHES = {  # the value of an OBJECT IDENTIFIER in DER, to the name in hashlib
    bytes.fromhex("608648016503040201"): "sha256",
    bytes.fromhex("608648016503040202"): "sha384",
    bytes.fromhex("608648016503040203"): "sha512",
    bytes.fromhex("608648016503040208"): "sha3_256",
    bytes.fromhex("608648016503040209"): "sha3_384",
    bytes.fromhex("60864801650304020a"): "sha3_512",
}
_STOP = 0x80
_TO_1970_MS = 11_644_473_600_000  # milliseconds from 1601 to 1970


@dataclass(frozen=True, slots=True)
class Document:
    """One message. ``format``: whose it is. ``body``: what its signature covers; ``whole``: all of it, as a later
    message hashes it where it has no signature of its own. ``signature``: DER or PKCS #1, None where a later message
    vouches for it. ``once``: it carries keys only. ``counter``: number of its group of pictures, -1 where it says
    nothing of one. ``count``: slices that it speaks of. ``partial``: it ends in the middle of a group. ``gop_hash``:
    over their hashes. ``hashes``: their list, joined, or empty where it was left out. ``linked``: hash of the first
    slice of the group before. ``hash_name``: for hashlib, empty where it does not say. ``key_pem``, ``chain_pem``:
    as they lie in it. ``attested``: a maker's own statement about the key is there. ``first_ms``, ``last_ms``: when,
    as it says, milliseconds since 1970. ``about``: what it says of the device."""

    format: Format
    body: bytes
    whole: bytes
    signature: bytes | None = None
    once: bool = False
    counter: int = -1
    count: int = 0
    partial: bool = False
    gop_hash: bytes = b""
    linked: bytes = b""
    hashes: bytes = b""
    hash_name: str = ""
    key_pem: bytes = b""
    chain_pem: bytes = b""
    attested: bool = False
    first_ms: int | None = None
    last_ms: int | None = None
    about: dict[str, str] = field(default_factory=dict)


def format_of(head: bytes, codec: Codec) -> Format | None:
    """Whose message a unit of kind SEI is that begins with ``head``, or None for any other message."""
    at = codec.value
    if len(head) <= at or head[at] != USER_DATA:
        return None
    _, at = _size(head, at + 1)
    return UUIDS.get(head[at : at + 16])


def _size(data: bytes, at: int) -> tuple[int, int]:
    """A message's size, and where its content begins (H.264 section 7.3.2.3.1)."""
    size = 0
    while at < len(data) and data[at] == 0xFF:
        size, at = size + 0xFF, at + 1
    return (size + data[at], at + 1) if at < len(data) else (size, at)


def parse(data: bytes, codec: Codec) -> Document:
    """The message in the NAL unit ``data``. Raises Refused for one that breaks its own format."""
    found = format_of(data, codec)
    if found is None:
        raise Refused("it is no message that signs")
    if len(data) > LONGEST_MESSAGE:
        raise Refused(f"a message of {len(data)} bytes is larger than any that signs")
    data = data.rstrip(b"\0")
    size, start = _size(data, codec.value + 1)
    plain, removed = data, list[int]()
    if len(data) != start + size + (data[-1] == _STOP):
        plain, removed = unescaped(data)
    if len(plain) != start + size + (plain[-1] == _STOP) or size < 17:
        raise Refused("a message that signs has another length than it states")
    flags = plain[start + 16]
    axis = found == "axis-signed-video"
    escaped, once = (flags & 0x80, flags & 0x40) if axis else (flags & 0x40, flags & 0x80)
    tags = _AXIS if axis else _ONVIF
    fields, end = _fields(plain, start + 17, start + size, tags)
    # Where the flag says so, the signer had put the emulation prevention bytes in before it signed.
    body = data[: _raw(end, removed)] if escaped else plain[:end]
    document = Document(found, body, data if escaped else plain, once=bool(once))
    for tag, content in fields.items():
        _, name, reader = tags.get(tag, _UNKNOWN)
        if reader is not None:
            document = reader(_Value(name, content), document)
    if document.counter < 0 and not document.once and document.signature is None:
        raise Refused("a message that signs has neither a signature nor anything to sign")
    return document


def _raw(at: int, removed: list[int]) -> int:
    """Where the byte ``at`` of the plain message lies in the one with emulation prevention bytes; one that was put in
    just before it is not counted."""
    for one in removed:
        if one >= at:
            break
        at += 1
    return at


def _fields(plain: bytes, at: int, end: int, tags: "_Tags") -> tuple[dict[int, bytes], int]:
    """The fields by tag, and where the signature's begins (or the end). Raises Refused for one that cannot be."""
    found: dict[int, bytes] = {}
    while at < end:
        begins, tag = at, plain[at]
        width, name, _ = tags.get(tag, _UNKNOWN)
        length = int.from_bytes(plain[at + 1 : at + 1 + width], "big")
        at += 1 + width + length
        if at > end:
            raise Refused(f"a message that signs ends in the middle of its {name}")
        if tag in found or len(found) >= MOST_FIELDS:
            raise Refused(f"a message that signs has its {name} twice, or too many fields")
        found[tag] = plain[at - length : at]
        if name == _SIGNATURE:
            if at != end:
                raise Refused("a message that signs goes on behind its signature")
            return found, begins
    return found, end


class _Value:
    """The content of one field, read from its beginning. Raises Refused past its end."""

    def __init__(self, name: str, data: bytes) -> None:
        self._name, self._data = name, data

    def version(self, *known: int) -> int:
        """Its first byte. Raises Refused for a version that nobody here has read about."""
        found = self.number(1)
        if found not in known:
            raise Refused(f"not verified by this version: its {self._name} is of version {found}")
        return found

    def take(self, length: int) -> bytes:
        if length > len(self._data):
            raise Refused(f"the {self._name} of a message that signs is too short")
        taken, self._data = self._data[:length], self._data[length:]
        return taken

    def number(self, length: int) -> int:
        return int.from_bytes(self.take(length), "big")

    def rest(self) -> bytes:
        return self.take(len(self._data))

    def halves(self) -> tuple[bytes, bytes]:
        if len(self._data) % 2 or not 64 <= len(self._data) <= 128:
            raise Refused(f"the {self._name} of a message that signs has no two hashes")
        return self.take(len(self._data) // 2), self.rest()

    def text(self) -> str:
        return paths.to_text(self.take(self.number(1)).rstrip(b"\0"))


def _axis_general(value: _Value, document: Document) -> Document:
    value.version(3)
    counter, count = value.number(4), value.number(2)
    about = {**document.about, "signer": ".".join(str(value.number(1)) for _ in range(3))}
    flags = value.number(1)
    moment = value.number(8) // 1000 if flags & 1 else None  # microseconds since 1970
    linked, gop_hash = value.halves()
    return replace(
        document,
        counter=counter,
        count=count,
        partial=bool(flags & 2),
        first_ms=moment,
        last_ms=moment,
        linked=linked,
        gop_hash=gop_hash,
        about=about,
    )


def _onvif_general(value: _Value, document: Document) -> Document:
    version = value.version(1, 2)
    about = {**document.about, "signer": ".".join(str(value.number(1)) for _ in range(3))}
    partial = bool(value.number(1))
    first = value.number(8) // 10_000 - _TO_1970_MS  # 100 ns since 1601
    last = value.number(8) // 10_000 - _TO_1970_MS if version == 2 else first
    counter, count = value.number(4), value.number(2)
    gop_hash, linked = value.halves()
    return replace(
        document,
        counter=counter,
        count=count,
        partial=partial,
        first_ms=first,
        last_ms=last,
        linked=linked,
        gop_hash=gop_hash,
        about=about,
    )


def _hash_list(value: _Value, document: Document) -> Document:
    value.version(1)
    return replace(document, hashes=value.rest())


def _crypto(value: _Value, document: Document) -> Document:
    value.version(1)
    oid = value.take(value.number(1))
    name = HASHES.get(oid[2:]) if len(oid) > 2 and oid[0] == 6 and oid[1] == len(oid) - 2 else None
    if name is None:
        raise Refused(f"not verified by this version: it hashes with the algorithm {oid.hex()}")
    return replace(document, hash_name=name)


def _axis_signature(value: _Value, document: Document) -> Document:
    value.version(2)
    value.number(1)  # what went wrong when it was made
    return replace(document, signature=value.take(value.number(2)))


def _onvif_signature(value: _Value, document: Document) -> Document:
    value.version(1)
    return replace(document, signature=value.take(value.number(2)))


def _axis_key(value: _Value, document: Document) -> Document:
    value.version(2)
    return replace(document, key_pem=value.rest())


def _axis_vendor(value: _Value, document: Document) -> Document:
    value.version(1)
    attested = bool(value.take(value.number(1)))
    return replace(document, attested=attested, chain_pem=value.rest())


def _onvif_chain(value: _Value, document: Document) -> Document:
    value.version(1)
    value.number(1)  # whether a user gave the key
    return replace(document, chain_pem=value.rest())


def _axis_product(value: _Value, document: Document) -> Document:
    value.version(1)
    names = ("hardware", "firmware", "serial", "manufacturer", "address")
    return replace(document, about={**document.about, **{one: value.text() for one in names}})


def _onvif_product(value: _Value, document: Document) -> Document:
    value.version(1)
    names = ("firmware", "serial", "manufacturer")
    return replace(document, about={**document.about, **{one: value.text() for one in names}})


_Reader = Callable[[_Value, Document], Document]
_Tags = dict[int, tuple[int, str, _Reader | None]]
_SIGNATURE = "signature"
_UNKNOWN = (2, "unknown field", None)
_AXIS: _Tags = {  # tag: bytes of its length, its name, who reads it
    1: (1, "general information", _axis_general),
    2: (2, "public key", _axis_key),
    3: (2, "product information", _axis_product),
    4: (2, "hash list", _hash_list),
    5: (2, _SIGNATURE, _axis_signature),
    6: (2, "arbitrary data", None),
    7: (1, "cryptographic information", _crypto),
    129: (2, "vendor information", _axis_vendor),
}
_ONVIF: _Tags = {
    1: (2, "general information", _onvif_general),
    2: (2, "hash list", _hash_list),
    3: (2, _SIGNATURE, _onvif_signature),
    4: (2, "cryptographic information", _crypto),
    5: (2, "vendor information", _onvif_product),
    6: (2, "certificate chain", _onvif_chain),
    7: (2, "arbitrary data", None),
}
