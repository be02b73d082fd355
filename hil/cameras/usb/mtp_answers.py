"""What an MTP camera answers to each operation: the data, the response, or the bytes of an object still to be given."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from hil.cameras.usb import mtp_model as of
from hil.cameras.usb import mtp_wire as wire
from hil.cameras.usb.mtp_card import MtpCard, MtpObject
from hil.cameras.usb.mtp_model import MtpFaults, MtpModel
from hil.cameras.usb.mtp_wire import CHANGES, Code, Command, Op, Type

WRAP = 1 << 32
_WITHOUT_SESSION = {Op.GET_DEVICE_INFO, Op.OPEN_SESSION}
_OF_STORE = {
    *(Op.GET_STORAGE_INFO, Op.GET_NUM_OBJECTS, Op.GET_OBJECT_HANDLES, Op.GET_OBJECT_INFO, Op.GET_OBJECT),
    *(Op.GET_PARTIAL_OBJECT, Op.GET_PARTIAL_OBJECT_64, Op.GET_OBJECT_PROP_VALUE, Op.GET_OBJECT_PROP_LIST),
}
_BATTERY_RANGE = bytes((0, 100, 1))
_ANY = 0xFFFFFFFF  # GetObjectPropList: every property


@dataclass(frozen=True, slots=True)
class Bytes:
    """``count`` bytes of an object from ``offset`` on, still to be given."""

    object: MtpObject
    offset: int
    count: int


@dataclass(frozen=True, slots=True)
class Reply:
    """A response, its parameters, and the data before it, if any."""

    code: int = Code.OK
    params: tuple[int, ...] = ()
    data: bytes | Bytes | None = None


class Answers:
    """The state of a session, and an answer for each operation."""

    def __init__(self, model: MtpModel, faults: MtpFaults, card: MtpCard) -> None:
        self._model, self._faults, self._card = model, faults, card
        self._session = 0
        self._table: dict[int, Callable[[Command], Reply]] = {
            Op.GET_DEVICE_INFO: lambda _: Reply(data=model.device_info()),
            Op.OPEN_SESSION: self._open,
            Op.CLOSE_SESSION: self._close,
            Op.GET_STORAGE_IDS: lambda _: Reply(data=wire.array("I", card.storages)),
            Op.GET_STORAGE_INFO: self._storage_info,
            Op.GET_NUM_OBJECTS: self._count,
            Op.GET_OBJECT_HANDLES: self._handles,
            Op.GET_OBJECT_INFO: self._info,
            Op.GET_OBJECT: self._object,
            Op.GET_PARTIAL_OBJECT: self._part,
            Op.GET_PARTIAL_OBJECT_64: self._part,
            Op.GET_THUMB: lambda _: Reply(Code.NO_THUMBNAIL),
            Op.GET_DEVICE_PROP_DESC: self._device_property,
            Op.GET_DEVICE_PROP_VALUE: self._device_property,
            Op.GET_OBJECT_PROPS_SUPPORTED: self._properties,
            Op.GET_OBJECT_PROP_DESC: self._description,
            Op.GET_OBJECT_PROP_VALUE: self._value,
            Op.GET_OBJECT_PROP_LIST: self._list,
        }

    def open(self, session: int) -> None:
        """Open a session; the card is looked at anew."""
        self._session = session
        self._card.read()

    def close(self) -> None:
        """End the session, if there is one."""
        self._session = 0

    def answer(self, command: Command) -> Reply:
        """The answer, faults included."""
        waiting = self._faults.errors.get(command.code)
        if waiting:
            return Reply(waiting.pop(0))
        if command.code in CHANGES:
            refused = Code.STORE_READ_ONLY if command.code in self._model.operations else Code.OPERATION_NOT_SUPPORTED
            return Reply(refused)
        act = self._table.get(command.code)
        if act is None or command.code not in self._model.operations:
            return Reply(Code.OPERATION_NOT_SUPPORTED)
        if not self._session and command.code not in _WITHOUT_SESSION:
            return Reply(Code.SESSION_NOT_OPEN)
        if self._faults.busy and command.code not in _WITHOUT_SESSION:
            self._faults.busy -= 1
            return Reply(Code.BUSY)
        if self._faults.no_store and command.code in _OF_STORE:
            return Reply(Code.STORE_NOT_AVAILABLE)
        return act(command)

    def _open(self, command: Command) -> Reply:
        if self._session:
            return Reply(Code.SESSION_ALREADY_OPEN, (self._session,))
        if not command.param(0):
            return Reply(Code.INVALID_PARAMETER)
        self.open(command.param(0))
        return Reply()

    def _close(self, command: Command) -> Reply:
        self.close()
        return Reply()

    def _storage_info(self, command: Command) -> Reply:
        if command.param(0) not in self._card.storages:
            return Reply(Code.INVALID_STORAGE)
        return Reply(data=self._card.storage_info(command.param(0)))

    def _count(self, command: Command) -> Reply:
        found = self._inside(command)
        return found if isinstance(found, Reply) else Reply(params=(len(found),))

    def _handles(self, command: Command) -> Reply:
        found = self._inside(command)
        return found if isinstance(found, Reply) else Reply(data=wire.array("I", found))

    def _inside(self, command: Command) -> tuple[int, ...] | Reply:
        storage, kind, parent = command.param(0), command.param(1), command.param(2)
        if storage != wire.ALL and storage not in self._card.storages:
            return Reply(Code.INVALID_STORAGE)
        found = self._card.inside(storage, parent, kind)
        return Reply(Code.INVALID_PARENT) if found is None else found

    def _info(self, command: Command) -> Reply:
        one = self._card.find(command.param(0))
        if one is None or not one.path.exists():
            return Reply(Code.INVALID_HANDLE)
        if one.name in self._faults.refuse:
            return Reply(Code.GENERAL_ERROR)
        return Reply(data=self._card.object_info(one))

    def _file(self, command: Command) -> MtpObject | None:
        one = self._card.find(command.param(0))
        return one if one is not None and one.format != of.FOLDER and one.path.exists() else None

    def _object(self, command: Command) -> Reply:
        one = self._file(command)
        if one is None:
            return Reply(Code.INVALID_HANDLE)
        return Reply(data=Bytes(one, 0, self._whole(one)))

    def _whole(self, one: MtpObject) -> int:
        """How many bytes of an object there seem to be."""
        return one.size % WRAP if self._faults.wrap or self._faults.wrap_given else one.size

    def _part(self, command: Command) -> Reply:
        """GetPartialObject, and Android's with an offset of two words (low, high)."""
        one = self._file(command)
        if one is None:
            return Reply(Code.INVALID_HANDLE)
        wide = command.code == Op.GET_PARTIAL_OBJECT_64
        offset = command.param(1) | (command.param(2) << 32 if wide else 0)
        whole = self._whole(one)
        if offset > whole:
            return Reply(Code.INVALID_PARAMETER)
        count = min(command.param(3 if wide else 2), whole - offset, self._faults.sparing)
        return Reply(params=(count,), data=Bytes(one, offset, count))

    def _device_property(self, command: Command) -> Reply:
        code = command.param(0)
        values: dict[int, tuple[Type, int | str]] = {
            of.BATTERY: (Type.U8, 80),
            of.FRIENDLY_NAME: (Type.STRING, self._model.model),
            of.SYNC_PARTNER: (Type.STRING, self._model.manufacturer),
        }
        if code not in self._model.properties or code not in values:
            return Reply(Code.PROP_NOT_SUPPORTED)
        kind, what = values[code]
        said = wire.value(kind, what)
        if command.code == Op.GET_DEVICE_PROP_VALUE:
            return Reply(data=said)
        form = b"\1" + _BATTERY_RANGE if code == of.BATTERY else b"\0"
        return Reply(data=struct.pack("<HHB", code, kind, 0) + said + said + form)  # default, then current

    def _properties(self, command: Command) -> Reply:
        codes = self._model.properties_of(command.param(0))
        return Reply(Code.INVALID_OBJECT_FORMAT) if codes is None else Reply(data=wire.array("H", codes))

    def _description(self, command: Command) -> Reply:
        """ObjectPropDesc (MTP 1.1, 5.2.1): code, type, for reading only, default, group, no form."""
        code, kind = command.param(0), command.param(1)
        codes = self._model.properties_of(kind)
        if codes is None:
            return Reply(Code.INVALID_OBJECT_FORMAT)
        if code not in codes:
            return Reply(Code.INVALID_OBJECT_PROP)
        said = wire.value(of.TYPES[code], "" if of.TYPES[code] == Type.STRING else 0)
        return Reply(data=struct.pack("<HHB", code, of.TYPES[code], 0) + said + struct.pack("<IB", 0, 0))

    def _value(self, command: Command) -> Reply:
        one = self._card.find(command.param(0))
        if one is None:
            return Reply(Code.INVALID_HANDLE)
        what = self._card.property_of(one, command.param(1))
        if what is None:
            return Reply(Code.INVALID_OBJECT_PROP)
        return Reply(data=wire.value(of.TYPES[command.param(1)], what))

    def _list(self, command: Command) -> Reply:
        """GetObjectPropList (MTP 1.1, E.2.1) for one object, and for one property or all; no groups, no depth."""
        one = self._card.find(command.param(0))
        if one is None:
            return Reply(Code.INVALID_HANDLE)
        if command.param(4):
            return Reply(Code.PARAMETER_NOT_SUPPORTED)
        asked = command.param(2)
        codes = self._model.properties_of(one.format) or ()
        found = [(code, self._card.property_of(one, code)) for code in codes if asked in (code, _ANY)]
        elements = [
            struct.pack("<IHH", one.handle, code, of.TYPES[code]) + wire.value(of.TYPES[code], what)
            for code, what in found
            if what is not None
        ]
        return Reply(data=struct.pack("<I", len(elements)) + b"".join(elements))
