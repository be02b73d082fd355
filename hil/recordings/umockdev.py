"""Read a device description of umockdev: the sysfs and udev facts of a machine's devices, in one text.

A block for each device, an empty line between them; in it ``P:`` the path in sysfs, ``N:`` the node and what lies in
it, ``E:`` a udev property, ``A:`` an attribute, ``H:`` a binary one in hex, ``L:`` a link
(umockdev, docs of umockdev_testbed_add_from_string).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hil.cameras.specimen import UsbPlate
from hil.recordings.descriptors import head
from hil.recordings.recording import Recording, Usb


@dataclass(frozen=True, slots=True)
class MockDevice:
    """One device. ``path``: in sysfs, ``/sys`` left out. ``binary``: attributes that are no text."""

    path: str
    properties: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    binary: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def port(self) -> str:
        """Its USB port path."""
        return self.path.rpartition("/")[2]

    @property
    def is_usb_device(self) -> bool:
        """Whether it is a USB device, and no hub."""
        return self.properties.get("DEVTYPE") == "usb_device" and self.attributes.get("bDeviceClass") != "09"

    def usb(self) -> Usb:
        """What a recording keeps of a USB device. Raises ValueError for one without descriptors."""
        if "descriptors" not in self.binary:
            raise ValueError(f"{self.path} has no descriptors; record it again with umockdev-record")
        return Usb(
            descriptors=self.binary["descriptors"],
            manufacturer=self.attributes.get("manufacturer", ""),
            product=self.attributes.get("product", ""),
            serial=self.attributes.get("serial", ""),
            speed=int(float(self.attributes.get("speed", "0"))),
            interfaces=(),
        )

    def plate(self) -> UsbPlate:
        """What it says of itself. Raises ValueError for one without descriptors."""
        usb = self.usb()
        said = head(usb.descriptors)
        return UsbPlate(said.vendor, said.product, said.release, usb.manufacturer, usb.product, usb.serial)

    def recording(self, model: str, state: str) -> Recording:
        """A recording of all that umockdev kept of it: what it says over USB, no card and no dialogue."""
        return Recording(model=model, state=state, scrubbed=False, usb=self.usb())


def read_umockdev(text: str) -> tuple[MockDevice, ...]:
    """The devices of a description, in its order. Raises ValueError for what is none."""
    return tuple(_device(block) for block in text.strip().split("\n\n") if block.strip())


def _device(block: str) -> MockDevice:
    found: dict[str, dict[str, str]] = {"E": {}, "A": {}, "H": {}}
    path = ""
    for line in block.splitlines():
        kind, colon, rest = line.partition(": ")
        name, _, value = rest.partition("=")
        if kind == "P" and colon:
            path = rest
        elif kind in found and colon:
            found[kind][name] = value.replace("\\n", "\n").strip()
        elif kind not in ("N", "L", "S"):
            raise ValueError(f"{line!r} is no line of a umockdev description")
    if not path:
        raise ValueError(f"a device of this description has no path; its first line is {block.splitlines()[0]!r}")
    binary = {name: bytes.fromhex(value) for name, value in found["H"].items()}
    return MockDevice(path, found["E"], found["A"], binary)
