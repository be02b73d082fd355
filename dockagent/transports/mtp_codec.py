"""The words of PTP as a dock needs them: containers and data sets, to and from bytes. Nothing here does I/O.

Sources: ISO 15740 (PIMA 15740:2000), its annex D for USB, and MTP 1.1 for object properties. All is little-endian.
What a camera sends is not trusted: each reader raises :class:`Malformed` for bytes that do not hold together.
"""

import re
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum

from dockagent.errors import Retryable

HEADER = struct.Struct("<IHHI")  # length, type, code, transaction (PIMA 15740, D.7.1.1)
UNKNOWN_LENGTH = 0xFFFFFFFF  # a container of 4 GiB or more: its data end with a short packet (MTP 1.1, 5.3)
UNKNOWN_SIZE = 0xFFFFFFFF  # ObjectCompressedSize of an object of 4 GiB or more (MTP 1.1, 5.3.1)
ROOT = 0xFFFFFFFF  # GetObjectHandles: objects without a parent
FOLDER = 0x3001  # ObjectFormatCode of an association
OBJECT_SIZE = 0xDC04  # an object property of 64 bits (MTP 1.1, B.2.4)

_MAKE = {1: "B", 2: "H", 4: "I", 8: "Q"}
_MOST_ELEMENTS = 1 << 22  # handles in one folder; a camera with more is out of its mind
_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(?:\.(\d))?\d*(Z|[+-]\d{4})?")


class Malformed(Retryable):
    """The camera sent bytes that are no PTP. They may have been damaged on their way."""


class Kind(IntEnum):
    """Types of containers."""

    COMMAND = 1
    DATA = 2
    RESPONSE = 3


class Op(IntEnum):
    """The operations that a dock asks for: every one of them only reads."""

    GET_DEVICE_INFO = 0x1001
    OPEN_SESSION = 0x1002
    CLOSE_SESSION = 0x1003
    GET_STORAGE_IDS = 0x1004
    GET_STORAGE_INFO = 0x1005
    GET_OBJECT_HANDLES = 0x1007
    GET_OBJECT_INFO = 0x1008
    GET_OBJECT = 0x1009
    GET_PARTIAL_OBJECT = 0x101B
    GET_PARTIAL_OBJECT_64 = 0x95C1  # Android's: the offset has 64 bits
    GET_OBJECT_PROP_VALUE = 0x9803


@dataclass(frozen=True, slots=True)
class Header:
    """The head of a container. ``length`` counts the head as well."""

    length: int
    kind: int
    code: int
    transaction: int


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """GetDeviceInfo (PIMA 15740, 5.5.1), as far as it is used."""

    operations: frozenset[int]
    manufacturer: str
    model: str
    version: str
    serial: str


@dataclass(frozen=True, slots=True)
class StorageInfo:
    """GetStorageInfo (PIMA 15740, 5.5.3), as far as it is used."""

    description: str
    volume: str


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """GetObjectInfo (PIMA 15740, 5.5.2), as far as it is used. ``size`` has 32 bits; ``name`` may be anything;
    ``mtime_ms``: milliseconds since 1970, 0 if the camera gives no time."""

    storage: int
    format: int
    size: int
    parent: int
    name: str
    mtime_ms: int


def command(operation: Op, transaction: int, *params: int) -> bytes:
    """A command container."""
    length = HEADER.size + 4 * len(params)
    return HEADER.pack(length, Kind.COMMAND, operation, transaction) + struct.pack(f"<{len(params)}I", *params)


def read_header(data: bytes) -> Header:
    """The head of a container that begins here."""
    if len(data) < HEADER.size:
        raise Malformed(f"the camera sent {len(data)} bytes where a PTP container begins", "put the camera back")
    header = Header(*HEADER.unpack_from(data))
    if header.length < HEADER.size:
        raise Malformed(f"the camera sent a PTP container of {header.length} bytes", "put the camera back")
    return header


def params(data: bytes) -> tuple[int, ...]:
    """The parameters of a response container."""
    count = (len(data) - HEADER.size) // 4
    return struct.unpack_from(f"<{count}I", data, HEADER.size)


def device_info(data: bytes) -> DeviceInfo:
    """Read the data set DeviceInfo."""
    fields = _Fields(data)
    fields.skip(2 + 4 + 2)  # versions and extension id
    fields.text()
    fields.skip(2)  # functional mode
    operations = fields.numbers(2)
    for _ in ("events", "properties", "capture formats", "formats"):
        fields.numbers(2)
    return DeviceInfo(frozenset(operations), fields.text(), fields.text(), fields.text(), fields.text())


def storage_info(data: bytes) -> StorageInfo:
    """Read the data set StorageInfo."""
    fields = _Fields(data)
    fields.skip(2 + 2 + 2 + 8 + 8 + 4)
    return StorageInfo(fields.text(), fields.text())


def object_info(data: bytes) -> ObjectInfo:
    """Read the data set ObjectInfo."""
    fields = _Fields(data)
    storage, kind = fields.number(4), fields.number(2)
    fields.skip(2)  # protection
    size = fields.number(4)
    fields.skip(2 + 6 * 4)  # about its thumbnail and its picture
    parent = fields.number(4)
    fields.skip(2 + 4 + 4)  # about its kind of folder, its place in a sequence
    name, created, modified = fields.text(), fields.text(), fields.text()
    return ObjectInfo(storage, kind, size, parent, name, time_ms(modified) or time_ms(created))


def numbers(data: bytes) -> tuple[int, ...]:
    """An array of 32-bit numbers: storages or handles."""
    return _Fields(data).numbers(4)


def unsigned(data: bytes) -> int:
    """A number of whatever width the camera gives it."""
    if len(data) not in _MAKE:
        raise Malformed(f"the camera sent {len(data)} bytes as a number", "put the camera back")
    return int.from_bytes(data, "little")


def time_ms(text: str) -> int:
    """A DateTime (PIMA 15740, 5.3.5) as milliseconds since 1970; 0 where it is none. One without a zone is taken as
    UTC, as on a card with FAT."""
    match = _DATE.fullmatch(text)
    if match is None:
        return 0
    try:
        moment = datetime(*(int(part) for part in match.groups()[:6]), tzinfo=UTC)  # type: ignore[misc,arg-type]
    except ValueError:
        return 0
    zone = match[8] or "Z"
    ahead = timedelta() if zone == "Z" else timedelta(hours=int(zone[:3]), minutes=int(zone[0] + zone[3:]))
    return max(0, round((moment - ahead).timestamp() * 1000) + 100 * int(match[7] or 0))


class _Fields:
    """Reads a data set from its start."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def skip(self, count: int) -> None:
        self._take(count)

    def number(self, width: int) -> int:
        return int.from_bytes(self._take(width), "little")

    def numbers(self, width: int) -> tuple[int, ...]:
        count = self.number(4)
        if count > _MOST_ELEMENTS:
            raise Malformed(f"the camera announces a list of {count} elements", "put the camera back")
        return struct.unpack(f"<{count}{_MAKE[width]}", self._take(count * width))

    def text(self) -> str:
        """A string (PIMA 15740, 5.3.4), up to its NUL. Halves of surrogate pairs are kept as they are."""
        units = self._take(2 * self.number(1))
        return units.decode("utf-16-le", "surrogatepass").partition("\0")[0]

    def _take(self, count: int) -> bytes:
        part = self._data[self._at : self._at + count]
        if len(part) < count:
            raise Malformed(f"the camera cut a data set short after {len(self._data)} bytes", "put the camera back")
        self._at += count
        return part
