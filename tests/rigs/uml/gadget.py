"""A USB disk made of the guest's own gadget drivers: a mass storage function on dummy_hcd, by configfs files."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

GADGETS = Path("/sys/kernel/config/usb_gadget")


def image_of(folder: Path, image: Path, mib: int = 48) -> Path:
    """A FAT image (no partitions) with what lies in ``folder``."""
    with image.open("wb") as file:
        file.truncate(mib << 20)
    subprocess.run(["mkfs.vfat", "-n", "CAMERA", image], check=True, capture_output=True)
    subprocess.run(["mcopy", "-s", "-m", "-i", image, *sorted(folder.iterdir()), "::"], check=True)
    return image


@contextmanager
def gadget(image: Path, serial: str) -> Iterator[Path]:
    """A camera that is made and not plugged in, as the file that plugs it (:func:`plug`, :func:`unplug`). It is
    unplugged and gone at the end."""
    root = GADGETS / serial
    storage, first = root / "functions" / "mass_storage.0", root / "configs" / "c.1"
    folders = (root, root / "strings" / "0x409", storage, first, first / "strings" / "0x409")
    for folder in folders:
        folder.mkdir()
    try:
        for name, text in {"idVendor": "0x2e1a", "idProduct": "0x1001", "bcdDevice": "0x0100"}.items():
            (root / name).write_text(text)
        for name, text in {"serialnumber": serial, "manufacturer": "HIL", "product": "BodyCam"}.items():
            (root / "strings" / "0x409" / name).write_text(text)
        for name, text in {"stall": "1", "lun.0/removable": "1", "lun.0/ro": "0", "lun.0/file": str(image)}.items():
            (storage / name).write_text(text)
        (first / storage.name).symlink_to(storage)
        yield root / "UDC"
    finally:
        unplug(root / "UDC")
        (first / storage.name).unlink(missing_ok=True)
        for folder in (first / "strings" / "0x409", first, storage, root / "strings" / "0x409", root):
            folder.rmdir()


def plug(udc: Path, controller: str = "dummy_udc.0") -> None:
    """Put it in. ``controller``: dummy_udc.N stands in port 1 of bus N + 1."""
    udc.write_text(controller)


def unplug(udc: Path) -> None:
    """Pull it out. No error if it is out."""
    if udc.read_text().strip():
        udc.write_text("\n")
