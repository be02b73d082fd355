"""Read what `mtp-detect` (libmtp) prints about a camera: who it is, what it can do, what storages it has.

The text is meant for people and has changed with libmtp's versions; what is read here is the same from 1.1.10 on. The
numbers are those of MTP 1.1 (operations: appendix D, storages: 5.2.2, formats: appendix A).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_CODE = re.compile(r"(?:0x)?([0-9a-fA-F]{4})\b:?\s*(.*)")
_SECTIONS = {
    "Supported operations:": "operations",
    "Events supported:": "events",
    "Device Properties Supported:": "properties",
    "Playable File (Object) Types and Object Properties Supported:": "formats",
    "Storage Devices:": "storages",
}


@dataclass(frozen=True, slots=True)
class MtpFormat:
    """A kind of object: its code, libmtp's name for it, and the codes of the object properties that it has."""

    code: int
    name: str
    properties: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MtpStorage:
    """A storage (MTP 1.1, 5.2.2). ``capacity`` and ``free`` in bytes; ``free_objects`` is 0xFFFFFFFF if unused."""

    id: int
    type: int
    filesystem: int
    access: int
    capacity: int
    free: int
    free_objects: int
    description: str
    volume: str


@dataclass(frozen=True, slots=True)
class MtpFacts:
    """What a camera says of itself over MTP. The lists of codes are in the order of the log.

    ``vendor`` and ``product``: its USB identity. ``extension_id`` and ``extensions``: VendorExtensionID and
    VendorExtensionDesc of its DeviceInfo (MTP 1.1, 5.1.1); ``version``: DeviceVersion.
    """

    vendor: int
    product: int
    manufacturer: str
    model: str
    version: str
    serial: str
    extension_id: int
    extensions: str
    operations: tuple[int, ...]
    events: tuple[int, ...]
    properties: tuple[int, ...]
    formats: tuple[MtpFormat, ...]
    storages: tuple[MtpStorage, ...]


def read_mtp_detect(text: str) -> MtpFacts:
    """The facts of the one device that ``text``, the output of `mtp-detect`, speaks of.

    Raises ValueError for a text with no device, with several, or without what every device says.
    """
    devices = text.count("\nDevice info:\n")
    if devices != 1:
        raise ValueError(f"the log of mtp-detect speaks of {devices} devices; connect one, and run it again")
    sections = _sections(text)
    plain = _keys(sections[""])
    return MtpFacts(
        vendor=_number(plain, "idVendor", 16),
        product=_number(plain, "idProduct", 16),
        manufacturer=plain.get("Manufacturer", ""),
        model=_word(plain, "Model"),
        version=plain.get("Device version", ""),
        serial=plain.get("Serial number", ""),
        extension_id=_number(plain, "Vendor extension ID", 0),
        extensions=plain.get("Vendor extension description", ""),
        operations=_codes(sections["operations"]),
        events=_codes(sections["events"]),
        properties=_codes(sections["properties"]),
        formats=tuple(_formats(sections["formats"])),
        storages=tuple(_storages(sections["storages"])),
    )


def _sections(text: str) -> dict[str, list[str]]:
    """The lines of each section by its name, "" for all that stands outside of them."""
    found: dict[str, list[str]] = {name: [] for name in ("", *_SECTIONS.values())}
    now = ""
    for line in text.splitlines():
        if line and not line[0].isspace():
            now = _SECTIONS.get(line.strip(), "")
        elif line.strip():
            found[now].append(line)
    return found


def _keys(lines: list[str]) -> dict[str, str]:
    """``key: value`` of every line; the first of a key stays, as later ones repeat it with other words."""
    found: dict[str, str] = {}
    for line in lines:
        key, colon, value = line.strip().partition(":")
        if colon:
            found.setdefault(key, value.strip())
    return found


def _codes(lines: list[str]) -> tuple[int, ...]:
    matches = (_CODE.fullmatch(line.strip()) for line in lines)
    return tuple(int(match[1], 16) for match in matches if match)


def _formats(lines: list[str]) -> Iterator[MtpFormat]:
    """Each format's line, and behind it, indented deeper, the lines of its properties."""
    for head, inner in _groups(lines):
        match = _CODE.fullmatch(head)
        if match is None:
            raise ValueError(f"mtp-detect names an object type by {head!r}, not by a code")
        yield MtpFormat(int(match[1], 16), match[2], _codes([line.split(":", 1)[0] for line in inner]))


def _storages(lines: list[str]) -> Iterator[MtpStorage]:
    for head, inner in _groups(lines):
        facts = _keys([head, *inner])
        yield MtpStorage(
            id=_number(facts, "StorageID", 0),
            type=_number(facts, "StorageType", 0),
            filesystem=_number(facts, "FilesystemType", 0),
            access=_number(facts, "AccessCapability", 0),
            capacity=_number(facts, "MaxCapacity", 10),
            free=_number(facts, "FreeSpaceInBytes", 10),
            free_objects=_number(facts, "FreeSpaceInObjects", 10),
            description=facts.get("StorageDescription", ""),
            volume=facts.get("VolumeIdentifier", ""),
        )


def _groups(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Every line of the outermost indent, with the deeper ones behind it."""
    outermost = min((_indent(line) for line in lines), default=0)
    group: tuple[str, list[str]] | None = None
    for line in lines:
        if _indent(line) == outermost:
            if group is not None:
                yield group
            group = line.strip(), []
        elif group is not None:
            group[1].append(line.strip())
    if group is not None:
        yield group


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _word(facts: dict[str, str], key: str) -> str:
    if not facts.get(key):
        raise ValueError(f"the log of mtp-detect has no {key!r}; it may have been cut")
    return facts[key]


def _number(facts: dict[str, str], key: str, base: int) -> int:
    """The number at the head of a value: words may follow it."""
    word = _word(facts, key).split()[0]
    try:
        return int(word, base)
    except ValueError as err:
        raise ValueError(f"mtp-detect says {key}: {word}, which is no number") from err
