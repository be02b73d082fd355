"""What an MTP camera can do and how it fails: its DeviceInfo, its properties, its faults.

A model is made by hand or from what a real camera once said (:func:`from_recording`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import PurePath

from hil.cameras.usb.mtp_wire import Op, Type, array, string
from hil.recordings.mtp_detect import MtpFacts

FOLDER, UNDEFINED, TEXT, JPEG, MOV, MP4 = 0x3001, 0x3000, 0x3004, 0x3801, 0x300D, 0xB982
_BY_SUFFIX = {".mp4": MP4, ".mov": MOV, ".jpg": JPEG, ".jpeg": JPEG, ".txt": TEXT}

STORAGE_ID, FORMAT, PROTECTION, SIZE, FILE_NAME = 0xDC01, 0xDC02, 0xDC03, 0xDC04, 0xDC07
CREATED, MODIFIED, PARENT, UNIQUE_ID, NAME = 0xDC08, 0xDC09, 0xDC0B, 0xDC41, 0xDC44
WIDTH, HEIGHT, DURATION = 0xDC87, 0xDC88, 0xDC89
TYPES: dict[int, Type] = {
    STORAGE_ID: Type.U32,
    FORMAT: Type.U16,
    PROTECTION: Type.U16,
    SIZE: Type.U64,
    FILE_NAME: Type.STRING,
    CREATED: Type.STRING,
    MODIFIED: Type.STRING,
    PARENT: Type.U32,
    UNIQUE_ID: Type.U128,
    NAME: Type.STRING,
    WIDTH: Type.U32,
    HEIGHT: Type.U32,
    DURATION: Type.U32,
}
"""Object properties that are answered, by code (MTP 1.1, appendix B); others of a recording are not."""

BATTERY, FRIENDLY_NAME, SYNC_PARTNER = 0x5001, 0xD402, 0xD401

_BASE = (
    *(Op.GET_DEVICE_INFO, Op.OPEN_SESSION, Op.CLOSE_SESSION, Op.GET_STORAGE_IDS, Op.GET_STORAGE_INFO),
    *(Op.GET_NUM_OBJECTS, Op.GET_OBJECT_HANDLES, Op.GET_OBJECT_INFO, Op.GET_OBJECT, Op.GET_THUMB),
)
_PROPERTIES = (
    *(Op.GET_DEVICE_PROP_DESC, Op.GET_DEVICE_PROP_VALUE, Op.GET_OBJECT_PROPS_SUPPORTED, Op.GET_OBJECT_PROP_DESC),
    *(Op.GET_OBJECT_PROP_VALUE, Op.GET_OBJECT_PROP_LIST),
)
_PARTS = (Op.GET_PARTIAL_OBJECT, Op.GET_PARTIAL_OBJECT_64)
_OF_OBJECTS = (STORAGE_ID, FORMAT, PROTECTION, SIZE, FILE_NAME, MODIFIED, PARENT, UNIQUE_ID, NAME)


@dataclass(frozen=True, slots=True)
class MtpModel:
    """A model of camera: what GetDeviceInfo says (MTP 1.1, 5.1.1), and what it is like beyond that.

    ``formats``: each format of objects and its object properties. ``filesystem``, ``access``: of its storages
    (MTP 1.1, 5.2.2). ``knows_formats``: an object's format follows its suffix; else all is undefined, as many cameras
    have it.
    """

    manufacturer: str = "HIL"
    model: str = "Camera"
    version: str = "1.0"
    serial: str = "0123456789"
    extension_id: int = 6
    extensions: str = "microsoft.com: 1.0; android.com: 1.0;"
    operations: tuple[int, ...] = (*_BASE, *_PROPERTIES, *_PARTS)
    events: tuple[int, ...] = (0x4001, 0x4002, 0x4003, 0x4004, 0x4005, 0x400A)
    properties: tuple[int, ...] = (BATTERY, FRIENDLY_NAME)
    formats: tuple[tuple[int, tuple[int, ...]], ...] = tuple((one, _OF_OBJECTS) for one in (UNDEFINED, FOLDER, MP4))
    filesystem: int = 0x0002  # generic hierarchical
    access: int = 0x0001  # read only, without deletion
    knows_formats: bool = True

    def without(self, *operations: int) -> MtpModel:
        """The same model, but for these operations."""
        return replace(self, operations=tuple(one for one in self.operations if one not in operations))

    def format_of(self, name: str) -> int:
        """The format of a file by its name: one that the model has, or undefined."""
        kind = _BY_SUFFIX.get(PurePath(name).suffix.lower(), UNDEFINED)
        if not self.knows_formats:
            return UNDEFINED
        known = {code for code, _ in self.formats}
        if kind == MP4 and MP4 not in known and MOV in known:
            return MOV  # as GoPro has it
        return kind if kind in known else UNDEFINED

    def properties_of(self, kind: int) -> tuple[int, ...] | None:
        """The object properties of a format, or None for one that the model has not."""
        found = next((codes for code, codes in self.formats if code == kind), None)
        return None if found is None else tuple(code for code in found if code in TYPES)

    def device_info(self) -> bytes:
        """The data set DeviceInfo."""
        head = (100).to_bytes(2, "little") + self.extension_id.to_bytes(4, "little") + (100).to_bytes(2, "little")
        lists = (self.operations, self.events, self.properties, (), tuple(code for code, _ in self.formats))
        words = (self.manufacturer, self.model, self.version, self.serial)
        return (
            head
            + string(self.extensions)
            + (0).to_bytes(2, "little")
            + b"".join(array("H", tuple(one)) for one in lists)
            + b"".join(string(word) for word in words)
        )


def from_recording(facts: MtpFacts) -> MtpModel:
    """A camera that says of itself what a real one said to `mtp-detect`.

    What it then does is ours: an operation of the recording that is not known here is answered as not supported, as
    for one that the dock does not use.
    """
    storage = facts.storages[0] if facts.storages else None
    return MtpModel(
        manufacturer=facts.manufacturer,
        model=facts.model,
        version=facts.version,
        serial=facts.serial,
        extension_id=facts.extension_id,
        extensions=facts.extensions,
        operations=facts.operations,
        events=facts.events,
        properties=facts.properties,
        formats=tuple((one.code, one.properties) for one in facts.formats),
        filesystem=storage.filesystem if storage else 0x0002,
        access=storage.access if storage else 0x0001,
    )


@dataclass(slots=True)
class MtpFaults:
    """Ways of being wrong. They may be changed while the camera is in.

    ``wrap``: sizes are told, and objects given, modulo 2^32, as if nothing were missing; ``wrap_given``: only given.
    ``narrow``: like ``wrap`` for the 32-bit size of ObjectInfo only; ``wide_only``: there 0xFFFFFFFF, and no property.
    ``zero``: sizes are told as 0. ``shuffle``: handles are given in another order each time.
    ``twins``: names of files that their folder lists twice. ``refuse``: names whose ObjectInfo ends with GeneralError.
    ``names``: names to tell instead of the files' own. ``loop``: the first folder holds itself.
    ``busy``: so many operations are answered with DeviceBusy. ``errors``: answers to come, by operation, each once.
    ``no_store``: the card is out. ``session_open``: a session was left open by somebody.
    ``no_zero``: a data phase of whole packets is not ended by an empty one. ``split``: headers stand in packets of
    their own. ``sparing``: the most bytes that it gives for one GetPartialObject.

    What goes wrong while bytes of an object are given is said by a script (:mod:`hil.rigs.faults`).
    """

    wrap: bool = False
    wrap_given: bool = False
    narrow: bool = False
    wide_only: bool = False
    zero: bool = False
    shuffle: bool = False
    twins: frozenset[str] = frozenset()
    refuse: frozenset[str] = frozenset()
    names: dict[str, str] = field(default_factory=dict)
    loop: bool = False
    busy: int = 0
    errors: dict[int, list[int]] = field(default_factory=dict)
    no_store: bool = False
    session_open: bool = False
    no_zero: bool = False
    split: bool = False
    sparing: int = 0xFFFFFFFF
