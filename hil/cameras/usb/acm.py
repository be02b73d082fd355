"""A serial line over USB (CDC 1.2, PSTN 1.2: abstract control model) that a Talker answers."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from hil.cameras.specimen import Talker
from hil.cameras.usb import Endpoint, Function, Host, Interface, Setup
from hil.cameras.usb.pump import Pump

# Requests (PSTN 1.2, table 13), the notification (table 14), and its bits (table 31).
SET_LINE_CODING, GET_LINE_CODING, SET_CONTROL_LINE_STATE = 0x20, 0x21, 0x22
_SERIAL_STATE, _DCD_DSR = 0x20, 0x03
_TO_HOST_CLASS_INTERFACE = 0xA1
_DTR = 1

_EVENTS, _IN = 0, 1  # the endpoints that the device sends on, by their numbers here


@dataclass(frozen=True, slots=True)
class LineCoding:
    """What the host set: bits per second, and stop bits, parity and data bits as PSTN 1.2, table 17 counts them."""

    baud: int = 9600
    stop: int = 0
    parity: int = 0
    bits: int = 8


class Acm(Function):
    """Carries bytes between a terminal that a Talker answers and the host. ``coding`` and ``ready`` (DTR) are what the
    host said last. When the Talker hangs up, the line stays and is silent, as a camera whose program died."""

    def __init__(self, talker: Talker) -> None:
        super().__init__()
        # Call management: none, and over the data interface; capabilities: line coding and state (PSTN 1.2, 5.3).
        functional = bytes.fromhex("0524001001 0524010001 04240202 0524060001")
        self.interfaces = (
            Interface((2, 2, 1), (Endpoint("interrupt-in", 16, 9),), functional),
            Interface((10, 0, 0), (Endpoint("bulk-in"), Endpoint("bulk-out"))),
        )
        self.coding, self.ready = LineCoding(), False
        self._talker = talker
        self._pump: Pump | None = None
        self._first = 0

    def attached(self, host: Host, first: int) -> None:
        super().attached(host, first)
        self._first = first
        self._pump = Pump(self._talker.open(), lambda data: host.send(_IN, data, zero=True))

    def detached(self) -> None:
        super().detached()
        if self._pump is not None:
            self._pump.close()
            self._talker.hang_up()
            self._pump = None

    def configured(self) -> None:
        """Say that there is a carrier and the other side is ready: some programs wait for it."""
        if self.host is not None:
            head = struct.pack("<BBHHH", _TO_HOST_CLASS_INTERFACE, _SERIAL_STATE, 0, self._first, 2)
            self.host.send(_EVENTS, head + struct.pack("<H", _DCD_DSR))

    def received(self, endpoint: int, data: bytes) -> None:
        if self._pump is not None:
            self._pump.put(data)

    def control(self, setup: Setup, data: bytes) -> bytes | None:
        if setup.request == SET_LINE_CODING and len(data) == 7:
            self.coding = LineCoding(*struct.unpack("<IBBB", data))
            return b""
        if setup.request == GET_LINE_CODING:
            coding = self.coding
            return struct.pack("<IBBB", coding.baud, coding.stop, coding.parity, coding.bits)
        if setup.request == SET_CONTROL_LINE_STATE:
            self.ready = bool(setup.value & _DTR)
            return b""
        return None
