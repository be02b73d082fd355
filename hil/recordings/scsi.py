"""What a camera's disk says of itself when the host asks: INQUIRY and its vital product data (SPC-4, 6.6 and 7.8).

Asked through SG_IO (linux scsi/sg.h). The kernel keeps the standard answer in sysfs, but leaves the pages of USB disks
alone, as many sticks hang up on them; a recording asks for two that every SCSI disk of these twenty years has.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

_SG_IO = 0x2285
_FROM_DEVICE = -3
_TIMEOUT_MS = 5000
_ROOM = 255
SUPPORTED, SERIAL = 0x00, 0x80


class _Header(ctypes.Structure):
    """struct sg_io_hdr."""

    _fields_ = [
        ("interface_id", ctypes.c_int),
        ("direction", ctypes.c_int),
        ("command_length", ctypes.c_ubyte),
        ("most_sense", ctypes.c_ubyte),
        ("iovec_count", ctypes.c_ushort),
        ("length", ctypes.c_uint),
        ("data", ctypes.c_void_p),
        ("command", ctypes.c_void_p),
        ("sense", ctypes.c_void_p),
        ("timeout", ctypes.c_uint),
        ("flags", ctypes.c_uint),
        ("pack_id", ctypes.c_int),
        ("user", ctypes.c_void_p),
        ("status", ctypes.c_ubyte),
        ("masked_status", ctypes.c_ubyte),
        ("message_status", ctypes.c_ubyte),
        ("sense_length", ctypes.c_ubyte),
        ("host_status", ctypes.c_ushort),
        ("driver_status", ctypes.c_ushort),
        ("residue", ctypes.c_int),
        ("duration", ctypes.c_uint),
        ("info", ctypes.c_uint),
    ]


@dataclass(frozen=True, slots=True)
class Inquiry:
    """``standard``: the answer to a plain INQUIRY. ``pages``: each vital product data page that it gave, header
    included, by its code."""

    standard: bytes
    pages: dict[int, bytes]

    @property
    def texts(self) -> tuple[str, str, str]:
        """Vendor, product and revision (SPC-4, table 150), without the spaces behind them."""
        vendor, product, revision = (
            self.standard[a:b].decode("ascii", "replace") for a, b in ((8, 16), (16, 32), (32, 36))
        )
        return vendor.rstrip(), product.rstrip(), revision.rstrip()

    @property
    def serial(self) -> str:
        """The unit's serial number (page 0x80), or nothing."""
        return self.pages.get(SERIAL, b"")[4:].decode("ascii", "replace").strip("\0 ")


def inquire(disk: Path) -> Inquiry:
    """Ask a disk by its device node. Raises OSError if it cannot be asked, ValueError if it answers no INQUIRY."""
    descriptor = os.open(disk, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        standard = _ask(descriptor, None)
        if standard is None or len(standard) < 36:
            raise ValueError(f"{disk} does not answer INQUIRY; is it a SCSI disk?")
        answers = ((page, _ask(descriptor, page)) for page in (SUPPORTED, SERIAL))
        # A disk that knows no pages gives its standard answer again, whose second byte is no page code.
        pages = {page: answer for page, answer in answers if answer is not None and answer[1:2] == bytes((page,))}
    finally:
        os.close(descriptor)
    return Inquiry(standard, pages)


def _ask(descriptor: int, page: int | None) -> bytes | None:
    """One INQUIRY, cut to what the answer says that it has; None for one that the disk refused."""
    command = (ctypes.c_ubyte * 6)(0x12, 0 if page is None else 1, page or 0, 0, _ROOM, 0)
    data, sense = (ctypes.c_ubyte * _ROOM)(), (ctypes.c_ubyte * 32)()
    header = _Header(
        interface_id=ord("S"),
        direction=_FROM_DEVICE,
        command_length=len(command),
        most_sense=len(sense),
        length=_ROOM,
        data=ctypes.addressof(data),
        command=ctypes.addressof(command),
        sense=ctypes.addressof(sense),
        timeout=_TIMEOUT_MS,
    )
    fcntl.ioctl(descriptor, _SG_IO, header)
    if header.status or header.host_status or header.driver_status & ~0x08:  # 8: there is sense data, no error
        return None
    answer = bytes(data)[: _ROOM - header.residue]
    return answer[: answer[3] + 4 if page is not None else answer[4] + 5] if len(answer) > 4 else None
