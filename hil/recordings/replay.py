"""Make an emulated camera out of a recording: the same over USB, a card of the same shape, the same answers.

What is on the card is noise: a recording has no footage. So a camera that is known by a file on its card
(``version.txt`` of a GoPro, ``camera.json``) is not known by that here, only by what it says over USB and on its line.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

from hil.cameras.footage import noise
from hil.cameras.plate import Plate
from hil.cameras.specimen import Specimen, UsbPlate
from hil.cameras.usb import Interface
from hil.recordings import descriptors
from hil.recordings.recording import Entry, Recording
from hil.recordings.recording import load as read
from hil.recordings.talk import Replayed

NOISE = 1 << 20
"""Bytes of noise at the head of a file; behind them is a hole, which takes no room on the disk."""

_FILESYSTEMS = ("vfat", "exfat", "ext4")


def load(folder: Path, card: Path, *, most: int | None = None) -> Specimen:
    """The camera that was recorded in ``folder``. Its card is laid out in the folder ``card``, which is made.

    ``most``: no file is longer than this, for rigs that make an image of the card. Raises OSError, and ValueError for
    a recording that cannot be read or played.
    """
    recording = read(folder)
    usb, disk = recording.usb, recording.disk
    head = descriptors.head(usb.descriptors)
    if disk is not None and disk.filesystem not in _FILESYSTEMS:
        raise ValueError(f"a card with {disk.filesystem} cannot be made; only {', '.join(_FILESYSTEMS)}")
    lay_out(recording.listing, card, most=most)
    plate = UsbPlate(
        vendor=head.vendor,
        product=head.product,
        device=head.release,
        manufacturer=usb.manufacturer,
        name=usb.product,
        serial=usb.serial,
    )
    if disk is not None:
        plate = replace(plate, inquiry=disk.inquiry.texts)
    return Specimen(
        name=f"{recording.model}-{recording.state}",
        plate=_plate(recording),
        usb=plate,
        card=card,
        filesystem=disk.filesystem if disk is not None else "vfat",
        label=disk.label if disk is not None else "",
        functions=descriptors.functions(usb.descriptors),
        talker=Replayed(recording.dialogue) if recording.dialogue else None,
        notes=(f"played from the recording {recording.model}/{recording.state}; its files are noise",),
    )


def interfaces(recording: Recording) -> tuple[Interface, ...]:
    """The recorded interfaces with their texts, as hil.cameras.usb wants them. Raises ValueError as descriptors do."""
    found = descriptors.interfaces(recording.usb.descriptors)
    texts = (*recording.usb.interfaces, *("" for _ in found))
    return tuple(Interface(one.triple, one.endpoints, one.extra, text) for one, text in zip(found, texts, strict=False))


def lay_out(listing: tuple[Entry, ...], card: Path, *, most: int | None = None) -> None:
    """Make the folders and files of a listing, with noise in them and their recorded times. Raises ValueError for a
    path that leads out of the card, OSError if the folder is there already."""
    card.mkdir(parents=True)
    for entry in listing:
        path = card / entry.path
        if entry.path.startswith("/") or ".." in Path(entry.path).parts:
            raise ValueError(f"the listing holds {entry.path!r}, which leads out of the card")
        if entry.size is None:
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        size = entry.size if most is None else min(entry.size, most)
        noise(path, min(size, NOISE), _seed(entry.path))
        os.truncate(path, size)
    for entry in sorted(listing, key=lambda one: one.path, reverse=True):  # a folder's time after that of its files
        os.utime(card / entry.path, ns=(entry.changed, entry.changed))


def _seed(path: str) -> int:
    """A number for each path, so that no two files are the same, and the same recording gives the same card."""
    return int.from_bytes(hashlib.sha256(os.fsencode(path)).digest()[:8], "big")


def _plate(recording: Recording) -> Plate:
    """What would be printed on it. MTP says it best; a serial line may know more, but in words of its own."""
    mtp, usb = recording.mtp, recording.usb
    if mtp is not None:
        return Plate(mtp.serial, mtp.manufacturer, mtp.model, mtp.version)
    release = descriptors.head(usb.descriptors).release
    return Plate(usb.serial, usb.manufacturer, usb.product, f"{release >> 8:x}.{release & 0xFF:02x}")
