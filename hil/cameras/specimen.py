"""One emulated camera as every rig takes it: who it is, what it says over USB, what lies on its card, how it talks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from hil.cameras.plate import Plate


@dataclass(frozen=True, slots=True)
class UsbPlate:
    """What a USB device says of itself (USB 2.0, table 9-8), and its disk's INQUIRY texts (SPC-4, 6.6.2).

    ``vendor``, ``product``, ``device``: idVendor, idProduct, bcdDevice. ``inquiry``: vendor (8 characters), product
    (16) and revision (4) of the SCSI disk.
    """

    vendor: int
    product: int
    device: int = 0x0100
    manufacturer: str = ""
    name: str = ""
    serial: str = ""
    inquiry: tuple[str, str, str] = ("HIL", "Camera", "0100")


class Talker(Protocol):
    """A camera's other line: a console or a vendor's dialogue, answered while it is open."""

    def open(self) -> Path:
        """Begin to answer; the path of a terminal whose other side answers."""
        ...

    def hang_up(self) -> None:
        """Stop answering. May be repeated."""
        ...


@dataclass(frozen=True, slots=True)
class Specimen:
    """A camera on the bench.

    ``card``: a folder with the files of its card; a rig that needs a medium makes an image of it with ``filesystem``
    (vfat, exfat or ext4) and ``label``. ``image``: a ready-made medium instead, used as it is.
    ``functions``: what it shows over USB, in the order of its interfaces: ``storage``, ``acm``, ``mtp``, ``bulk``
    (a vendor's dialogue), ``keyboard``. ``talker``: what answers on ``acm`` and ``bulk``.
    ``locked``: its card takes no writing, as an SD card whose switch is at LOCK.
    ``then``: what it becomes after its dialogue has asked it to change its mode (another identity on the same port).
    """

    name: str
    plate: Plate
    usb: UsbPlate
    card: Path
    filesystem: str = "vfat"
    label: str = ""
    image: Path | None = None
    functions: tuple[str, ...] = ("storage",)
    talker: Talker | None = None
    then: Specimen | None = None
    locked: bool = False
    notes: tuple[str, ...] = field(default=())
