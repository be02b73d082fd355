"""An emulated MTP camera and the dock's side of its cable in one process: URBs instead of a kernel."""

import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dockagent.errors import Gone
from dockagent.transports.mtp import MtpFootage
from dockagent.transports.mtp_port import MOST, Port, Silent, Stalled, Wiring, find_wiring
from hil.cameras.specimen import UsbPlate
from hil.cameras.usb.device import TAKEN_BACK, Device, Urb
from hil.cameras.usb.mtp import MtpFunction
from hil.cameras.usb.mtp_card import MtpStorage, reach_of
from hil.cameras.usb.mtp_model import MtpFaults, MtpModel
from hil.cameras.usb.pipe import STALLED
from hil.rigs.faults import Script

PLATE = UsbPlate(0x2672, 0x0049, manufacturer="GoPro", name="HERO8 Black", serial="C3331325000001")
CONTROL_S = 5.0


@dataclass
class _Waiting:
    done: threading.Event = field(default_factory=threading.Event)
    status: int = 0
    data: bytes = b""


class Cord:
    """A :class:`dockagent.transports.mtp_port.Port` whose other end is a device: every call is an URB, with a limit."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self._out = threading.Event()
        self._waiting: dict[int, _Waiting] = {}
        self._count = 0
        device.attached(self)
        self._urb(0, False, setup=struct.pack("<BBHHH", 0x00, 9, 1, 0, 0))
        wiring = find_wiring(device.layout.device + device.layout.configuration)
        assert wiring is not None
        self.wiring: Wiring = wiring
        self.packet = wiring.packet

    def answer(self, number: int, status: int, data: bytes, taken: int) -> None:
        waiting = self._waiting.get(number)
        if waiting is not None:
            waiting.status, waiting.data = status, data
            waiting.done.set()

    def cut(self) -> None:
        self._out.set()
        for waiting in list(self._waiting.values()):
            waiting.done.set()

    def write(self, data: bytes, patience_s: float) -> None:
        self._urb(self.wiring.outward, False, data=data, patience_s=patience_s)

    def read(self, most: int, patience_s: float) -> bytes:
        assert most <= MOST
        assert most % self.packet == 0
        return self._urb(self.wiring.inward & 0x0F, True, length=most, patience_s=patience_s)

    def ask(self, request: int, length: int) -> bytes:
        return self._control(0xA1, request, length, b"")

    def tell(self, request: int, data: bytes = b"") -> None:
        self._control(0x21, request, len(data), data)

    def clear_halts(self) -> None:
        for endpoint in (self.wiring.inward, self.wiring.outward):
            self._urb(0, False, setup=struct.pack("<BBHHH", 0x02, 1, 0, endpoint, 0))

    def check(self) -> None:
        if self._out.is_set():
            raise Gone("the cable is out")

    def close(self) -> None:
        self.device.detached()
        self._out.set()

    def _control(self, kind: int, request: int, length: int, data: bytes) -> bytes:
        setup = struct.pack("<BBHHH", kind, request, 0, self.wiring.interface, length)
        return self._urb(0, bool(kind & 0x80), length=length, setup=setup, data=data)

    def _urb(
        self,
        endpoint: int,
        inward: bool,
        *,
        length: int = 0,
        setup: bytes = bytes(8),
        data: bytes = b"",
        patience_s: float = CONTROL_S,
    ) -> bytes:
        self.check()
        self._count += 1
        waiting = self._waiting[self._count] = _Waiting()
        self.device.submit(Urb(self._count, endpoint, inward, length, setup, data))
        came = waiting.done.wait(patience_s)
        if not came and self.device.unlink(self._count) != TAKEN_BACK:
            came = waiting.done.wait(1)
        del self._waiting[self._count]
        self.check()
        if not came:
            raise Silent("the camera does not answer")
        if waiting.status == STALLED:
            raise Stalled("the camera refuses")
        assert waiting.status == 0
        return waiting.data


@dataclass
class Bench:
    """The camera, and the way to it."""

    function: MtpFunction
    cord: Cord

    def plug(self, node: Path) -> Port:
        return self.cord

    def footage(self, patience_s: float = 2.0) -> MtpFootage:
        """The dock's side of this camera."""
        return MtpFootage(Path("/dev/bus/usb/001/002"), patience_s=patience_s, plug=self.plug)


@contextmanager
def camera(
    *roots: Path, model: MtpModel | None = None, faults: MtpFaults | None = None, script: Script | None = None
) -> Iterator[Bench]:
    """A camera with a storage for each folder. In the end nothing must have been asked that would change it."""
    storages = [MtpStorage(root, root.name, f"CARD{index}") for index, root in enumerate(roots)]
    reach = reach_of(storages, script) if script else None
    function = MtpFunction(storages, model, faults, reach)
    cord = Cord(Device(PLATE, [function]))
    try:
        yield Bench(function, cord)
    finally:
        cord.cut()
        cord.device.detached()
        assert function.changes == []
