"""The words of PTP as a camera says them over USB: containers, data sets, strings, dates.

Sources: ISO 15740 (PIMA 15740) for operations, responses and data sets, its annex D for USB, and MTP 1.1 for object
properties. Everything is little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum

HEADER = struct.Struct("<IHHI")  # length, type, code, transaction (PIMA 15740, D.7.1.1)
UNKNOWN_LENGTH = 0xFFFFFFFF  # of a container: it ends with a short packet (MTP 1.1, 5.3; sizes: 0xFFFFFFFF and above)
ROOT = 0xFFFFFFFF  # GetObjectHandles, third parameter: objects without a parent
ALL = 0xFFFFFFFF  # as a storage: all of them


class Kind(IntEnum):
    """Types of containers."""

    COMMAND = 1
    DATA = 2
    RESPONSE = 3
    EVENT = 4


class Op(IntEnum):
    """Operations (PIMA 15740, 10; MTP 1.1, appendix D). The last is Android's."""

    GET_DEVICE_INFO = 0x1001
    OPEN_SESSION = 0x1002
    CLOSE_SESSION = 0x1003
    GET_STORAGE_IDS = 0x1004
    GET_STORAGE_INFO = 0x1005
    GET_NUM_OBJECTS = 0x1006
    GET_OBJECT_HANDLES = 0x1007
    GET_OBJECT_INFO = 0x1008
    GET_OBJECT = 0x1009
    GET_THUMB = 0x100A
    DELETE_OBJECT = 0x100B
    SEND_OBJECT_INFO = 0x100C
    SEND_OBJECT = 0x100D
    INITIATE_CAPTURE = 0x100E
    FORMAT_STORE = 0x100F
    RESET_DEVICE = 0x1010
    SELF_TEST = 0x1011
    SET_OBJECT_PROTECTION = 0x1012
    POWER_DOWN = 0x1013
    GET_DEVICE_PROP_DESC = 0x1014
    GET_DEVICE_PROP_VALUE = 0x1015
    SET_DEVICE_PROP_VALUE = 0x1016
    RESET_DEVICE_PROP_VALUE = 0x1017
    MOVE_OBJECT = 0x1019
    COPY_OBJECT = 0x101A
    GET_PARTIAL_OBJECT = 0x101B
    GET_PARTIAL_OBJECT_64 = 0x95C1
    SEND_PARTIAL_OBJECT = 0x95C2
    TRUNCATE_OBJECT = 0x95C3
    BEGIN_EDIT_OBJECT = 0x95C4
    END_EDIT_OBJECT = 0x95C5
    GET_OBJECT_PROPS_SUPPORTED = 0x9801
    GET_OBJECT_PROP_DESC = 0x9802
    GET_OBJECT_PROP_VALUE = 0x9803
    SET_OBJECT_PROP_VALUE = 0x9804
    GET_OBJECT_PROP_LIST = 0x9805
    SET_OBJECT_PROP_LIST = 0x9806
    SEND_OBJECT_PROP_LIST = 0x9808


CHANGES = frozenset(
    {
        *(Op.DELETE_OBJECT, Op.SEND_OBJECT_INFO, Op.SEND_OBJECT, Op.INITIATE_CAPTURE, Op.FORMAT_STORE),
        *(Op.RESET_DEVICE, Op.SET_OBJECT_PROTECTION, Op.POWER_DOWN, Op.SET_DEVICE_PROP_VALUE),
        *(Op.RESET_DEVICE_PROP_VALUE, Op.MOVE_OBJECT, Op.COPY_OBJECT, Op.SEND_PARTIAL_OBJECT, Op.TRUNCATE_OBJECT),
        *(Op.BEGIN_EDIT_OBJECT, Op.END_EDIT_OBJECT, Op.SET_OBJECT_PROP_VALUE, Op.SET_OBJECT_PROP_LIST),
        Op.SEND_OBJECT_PROP_LIST,
    }
)
"""Operations that would change the camera or its medium."""
SENDS = frozenset(
    {
        *(Op.SEND_OBJECT_INFO, Op.SEND_OBJECT, Op.SET_DEVICE_PROP_VALUE, Op.SEND_PARTIAL_OBJECT),
        *(Op.SET_OBJECT_PROP_VALUE, Op.SET_OBJECT_PROP_LIST, Op.SEND_OBJECT_PROP_LIST),
    }
)
"""Operations whose data come from the host."""


class Code(IntEnum):
    """Responses (PIMA 15740, 11; MTP 1.1, appendix F)."""

    OK = 0x2001
    GENERAL_ERROR = 0x2002
    SESSION_NOT_OPEN = 0x2003
    INVALID_TRANSACTION = 0x2004
    OPERATION_NOT_SUPPORTED = 0x2005
    PARAMETER_NOT_SUPPORTED = 0x2006
    INCOMPLETE_TRANSFER = 0x2007
    INVALID_STORAGE = 0x2008
    INVALID_HANDLE = 0x2009
    PROP_NOT_SUPPORTED = 0x200A
    STORE_READ_ONLY = 0x200E
    ACCESS_DENIED = 0x200F
    NO_THUMBNAIL = 0x2010
    STORE_NOT_AVAILABLE = 0x2013
    BY_FORMAT_UNSUPPORTED = 0x2014
    INVALID_PARENT = 0x201A
    BUSY = 0x2019
    INVALID_PARAMETER = 0x201D
    SESSION_ALREADY_OPEN = 0x201E
    TRANSACTION_CANCELLED = 0x201F
    INVALID_OBJECT_PROP = 0xA801
    INVALID_OBJECT_FORMAT = 0xA802


class Request(IntEnum):
    """Class requests to the interface (PIMA 15740, D.5.2)."""

    CANCEL = 0x64
    RESET = 0x66
    STATUS = 0x67


class Type(IntEnum):
    """Data types (PIMA 15740, 5.3)."""

    U8 = 0x0002
    U16 = 0x0004
    U32 = 0x0006
    U64 = 0x0008
    U128 = 0x000A
    STRING = 0xFFFF


_WIDTHS = {Type.U8: 1, Type.U16: 2, Type.U32: 4, Type.U64: 8, Type.U128: 16}


@dataclass(frozen=True, slots=True)
class Command:
    """A command container: the operation, its transaction and up to five parameters."""

    code: int
    transaction: int
    params: tuple[int, ...]

    def param(self, index: int) -> int:
        """A parameter, counted from 0; one that was not sent is 0 (PIMA 15740, 9.3.5)."""
        return self.params[index] if index < len(self.params) else 0


def read_command(data: bytes) -> Command | None:
    """The command in one OUT transfer, or None if it is none."""
    if len(data) < HEADER.size or len(data) % 4:
        return None
    length, kind, code, transaction = HEADER.unpack_from(data)
    if kind != Kind.COMMAND or length != len(data):
        return None
    return Command(code, transaction, struct.unpack_from(f"<{len(data) // 4 - 3}I", data, HEADER.size))


def container(kind: Kind, code: int, transaction: int, payload: bytes = b"") -> bytes:
    """A whole container."""
    return data_header(kind, code, transaction, len(payload)) + payload


def data_header(kind: Kind, code: int, transaction: int, size: int) -> bytes:
    """The header of a container with ``size`` bytes of payload."""
    return HEADER.pack(min(HEADER.size + size, UNKNOWN_LENGTH), kind, code, transaction)


def params(*values: int) -> bytes:
    """Parameters of a response or an event."""
    return struct.pack(f"<{len(values)}I", *values)


def string(text: str) -> bytes:
    """A string: the count of its 16-bit units with the NUL, and these (PIMA 15740, 5.3.4). At most 254 without it."""
    raw = text.encode("utf-16-le", "surrogatepass")[: 254 * 2]
    return bytes([len(raw) // 2 + 1]) + raw + b"\0\0" if raw else b"\0"


def array(width: str, values: tuple[int, ...]) -> bytes:
    """An array of numbers: their count, and these. ``width``: H or I, as in the module struct."""
    return struct.pack(f"<I{len(values)}{width}", len(values), *values)


def value(kind: Type, what: int | str) -> bytes:
    """A value by its data type. Raises ValueError for text that is asked for as a number, or a number as text."""
    if kind == Type.STRING and isinstance(what, str):
        return string(what)
    if kind != Type.STRING and isinstance(what, int):
        return what.to_bytes(_WIDTHS[kind], "little")
    raise ValueError(f"{what!r} is no value of type {kind.name}")


def date(seconds: float) -> str:
    """A time (seconds since 1970) as DateTime in UTC, without saying so: as cameras do (PIMA 15740, 5.3.5)."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%S")
