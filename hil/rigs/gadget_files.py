"""The files of which a USB gadget is made (Linux, Documentation/usb/gadget_configfs.rst), written in their order."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hil.cameras.specimen import UsbPlate

GADGETS = Path("/sys/kernel/config/usb_gadget")


@dataclass(frozen=True, slots=True)
class Gadget:
    """One gadget: described, given its functions, connected; disconnected, removed. Raises OSError."""

    folder: Path

    def describe(self, plate: UsbPlate, *, composite: bool) -> None:
        self.folder.mkdir()
        ids = {"idVendor": plate.vendor, "idProduct": plate.product, "bcdDevice": plate.device, "bcdUSB": 0x0200}
        if composite:
            ids |= {"bDeviceClass": 0xEF, "bDeviceSubClass": 2, "bDeviceProtocol": 1}
        _write(self.folder, **{key: f"{value:#06x}" for key, value in ids.items()})
        strings = self.folder / "strings" / "0x409"
        strings.mkdir()
        _write(strings, serialnumber=plate.serial, manufacturer=plate.manufacturer, product=plate.name)
        (self.folder / "configs" / "c.1").mkdir()
        _write(self.folder / "configs" / "c.1", MaxPower="500")

    def function(self, name: str) -> Path:
        made = self.folder / "functions" / name
        made.mkdir()
        (self.folder / "configs" / "c.1" / name).symlink_to(made)
        return made

    def disk(self, plate: UsbPlate, node: Path, *, writable: bool) -> None:
        lun = self.function("mass_storage.0") / "lun.0"
        vendor, product, revision = plate.inquiry
        text = f"{vendor:8.8}{product:16.16}{revision:4.4}"
        # `file` last: with it the medium is in, and the others cannot be changed any more.
        _write(lun, removable="1", ro="0" if writable else "1", nofua="1", inquiry_string=text, file=str(node))

    def line(self) -> Path:
        """The emulator's side of a new serial line."""
        return Path(f"/dev/ttyGS{(self.function('acm.0') / 'port_num').read_text().strip()}")

    def connect(self, controller: str) -> None:
        _write(self.folder, UDC=controller)

    def disconnect(self) -> None:
        with suppress(OSError):  # ENODEV: it is not connected
            _write(self.folder, UDC="\n")

    def remove(self) -> None:
        if not self.folder.is_dir():
            return
        self.disconnect()
        config = self.folder / "configs" / "c.1"
        functions = sorted((self.folder / "functions").iterdir())
        for function in functions:
            (config / function.name).unlink(missing_ok=True)
        for path in (config, *functions, self.folder / "strings" / "0x409", self.folder):
            if path.is_dir():
                path.rmdir()


def _write(folder: Path, **values: str) -> None:
    for key, value in values.items():
        (folder / key).write_text(value)
