"""Real USB devices for tests, out of the kernel's own parts: a gadget (configfs) on the loop-back controller dummy_hcd.

They exist in the guest only (``python -m hil.rigs.uml -- pytest …``); elsewhere :func:`needs_gadgets` skips.
"""

import os
import select
import subprocess
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from hil.cameras.specimen import Talker, UsbPlate
from hil.rigs.usb_tree import Changes, UsbTree

_GADGETS = Path("/sys/kernel/config/usb_gadget")
_UDCS = Path("/sys/class/udc")
BACK_S = 20.0


def needs_gadgets(number: int = 1) -> None:
    """Skip where the kernel has not so many loop-back USB controllers, or we are not root."""
    there = len(list(_UDCS.glob("dummy_udc.*"))) if _UDCS.is_dir() else 0
    if os.geteuid() != 0 or there < number or not _GADGETS.is_dir():
        pytest.skip(
            f"needs root, configfs gadgets and {number} dummy_udc: run it in the guest (python -m hil.rigs.uml)"
        )


@dataclass(frozen=True, slots=True)
class Plugged:
    """A gadget that is plugged in. ``port``: where the host side sees it."""

    name: str
    port: str

    def pull(self) -> None:
        with suppress(OSError):  # ENODEV: it is out
            (_GADGETS / self.name / "UDC").write_text("\n")


def port_of(udc: int) -> str:
    """The port path of the only port of a loop-back controller, which the kernel numbers as it likes."""
    root = Path(f"/sys/devices/platform/dummy_hcd.{udc}")
    bus = next(root.glob("usb[0-9]*")).name.removeprefix("usb")
    return f"{bus}-1"


@contextmanager
def gadget(
    plate: UsbPlate, *, udc: int = 0, image: Path | None = None, talker: Talker | None = None
) -> Iterator[Plugged]:
    """A camera with a disk (``image``), a serial line that ``talker`` answers, or both, until the block ends."""
    name = f"test{udc}"
    folder = _GADGETS / name
    port = port_of(udc)
    _describe(folder, plate, composite=talker is not None)
    if image is not None:
        lun = _function(folder, "mass_storage.0") / "lun.0"
        vendor, product, revision = plate.inquiry
        _write(lun, removable="1", ro="1", inquiry_string=f"{vendor:8.8}{product:16.16}{revision:4.4}", file=str(image))
    pump = None
    if talker is not None:
        number = (_function(folder, "acm.0") / "port_num").read_text().strip()
        pump = _Pump(Path(f"/dev/ttyGS{number}"), talker)
    try:
        with Changes() as changes:
            (folder / "UDC").write_text(f"dummy_udc.{udc}")
            assert changes.wait(lambda: not UsbTree().silent(port), BACK_S), f"nothing came at {port}"
        yield Plugged(name, port)
    finally:
        Plugged(name, port).pull()
        if pump is not None:
            pump.end()
        _take_down(folder)


def _describe(folder: Path, plate: UsbPlate, *, composite: bool) -> None:
    folder.mkdir()
    _write(
        folder, idVendor=hex(plate.vendor), idProduct=hex(plate.product), bcdDevice=hex(plate.device), bcdUSB="0x0200"
    )
    if composite:  # interface association descriptors
        _write(folder, bDeviceClass="0xEF", bDeviceSubClass="0x02", bDeviceProtocol="0x01")
    strings = folder / "strings" / "0x409"
    strings.mkdir()
    _write(strings, serialnumber=plate.serial, manufacturer=plate.manufacturer, product=plate.name)
    (folder / "configs" / "c.1").mkdir()


def _function(folder: Path, name: str) -> Path:
    function = folder / "functions" / name
    function.mkdir()
    (folder / "configs" / "c.1" / name).symlink_to(function)
    return function


def _write(folder: Path, **values: str) -> None:
    for key, value in values.items():
        (folder / key).write_text(value)


def _take_down(folder: Path) -> None:
    functions = sorted((folder / "functions").iterdir())
    for function in functions:
        (folder / "configs" / "c.1" / function.name).unlink()
    for path in (folder / "configs" / "c.1", *functions, folder / "strings" / "0x409", folder):
        path.rmdir()


class _Pump:
    """Carries bytes between the gadget's side of the serial line and the terminal behind which a talker answers."""

    def __init__(self, node: Path, talker: Talker) -> None:
        self._node, self._talker = node, talker
        self._gadget = _raw(node)
        self._camera = _raw(talker.open())
        self._wake, self._waker = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Close both sides: a gadget whose line is open cannot be taken down."""
        os.write(self._waker, b"!")
        self._thread.join()
        for descriptor in (self._gadget, self._camera, self._wake, self._waker):
            os.close(descriptor)
        self._talker.hang_up()

    def _run(self) -> None:
        while True:
            ready, _, _ = select.select([self._wake, self._gadget, self._camera], [], [])
            if self._wake in ready:
                return
            if self._camera in ready:
                self._send(self._gadget, os.read(self._camera, 4096))
            if self._gadget in ready:
                self._from_host()

    def _from_host(self) -> None:
        try:
            data = os.read(self._gadget, 4096)
        except OSError:
            data = b""
        if data:
            self._send(self._camera, data)
        else:  # the cable was pulled, which hangs the line up for whoever had it open
            os.close(self._gadget)
            self._gadget = _raw(self._node)

    @staticmethod
    def _send(descriptor: int, data: bytes) -> None:
        with suppress(OSError):  # EIO while the cable is out: what is sent then is lost
            os.write(descriptor, data)


def _raw(node: Path) -> int:
    descriptor = os.open(node, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    tty.setraw(descriptor)
    return descriptor


def card_image(image: Path, tree: Path, label: str, megabytes: int = 40) -> Path:
    """A FAT32 image with a copy of ``tree`` on it."""
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run(["mkfs.vfat", "-F", "32", "-s", "1", "-n", label, image], check=True, capture_output=True)
    for path in sorted(tree.iterdir()):
        subprocess.run(["mcopy", "-s", "-m", "-i", image, path, "::/"], check=True, capture_output=True)
    return image
