"""A USB device made of functions: it answers what every device answers, and takes the rest to whom it belongs.

It knows requests (URBs) and answers, not how they travel; :mod:`hil.cameras.usb.usbip` carries them.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hil.cameras.specimen import UsbPlate
from hil.cameras.usb import Function, Setup
from hil.cameras.usb.descriptors import IN, lay_out
from hil.cameras.usb.pipe import STALLED, Pipe

TAKEN_BACK = -104  # ECONNRESET: the answer about an URB that was unlinked before it was answered

# Standard requests (USB 2.0, table 9-4) and the parts of bmRequestType (table 9-2).
GET_STATUS, CLEAR_FEATURE, SET_FEATURE, GET_DESCRIPTOR = 0, 1, 3, 6
GET_CONFIGURATION, SET_CONFIGURATION, GET_INTERFACE, SET_INTERFACE = 8, 9, 10, 11
_STANDARD, _TYPE, _RECIPIENT = 0x00, 0x60, 0x1F
_TO_DEVICE, _TO_INTERFACE, _TO_ENDPOINT = 0, 1, 2
_HALT = 0


@dataclass(frozen=True, slots=True)
class Urb:
    """One request of the host. ``endpoint``: its number without direction; ``length``: the most bytes it takes;
    ``setup``: the 8 bytes of a control request; ``data``: what goes out."""

    number: int
    endpoint: int
    inward: bool
    length: int
    setup: bytes = bytes(8)
    data: bytes = b""


class Wire(Protocol):
    """What carries a device's answers to its host, and can be cut. Any thread may call it."""

    def answer(self, number: int, status: int, data: bytes, taken: int) -> None:
        """End the URB ``number``: status 0 or a negative errno; ``data`` goes in, ``taken`` bytes went out. Lost, not
        an error, when the wire is cut."""
        ...

    def cut(self) -> None:
        """Pull the cable. May be repeated."""
        ...


class Device:
    """One device. :meth:`attached`, :meth:`submit`, :meth:`unlink` and :meth:`detached` are called by the wire, from
    one thread; functions send from any.

    Raises ValueError as :func:`hil.cameras.usb.descriptors.lay_out` does.
    """

    def __init__(self, plate: UsbPlate, functions: Sequence[Function]) -> None:
        self.plate, self.functions = plate, tuple(functions)
        self.layout = lay_out(plate, functions)
        self._lock = threading.RLock()
        self._wire: Wire | None = None
        self._hung = threading.Event()
        self._configuration = 0
        self._pipes = {one.address: Pipe(one.size, self._reply) for one in self.layout.wired if one.address & IN}
        self._halted_out: set[int] = set()
        self._by_address = {one.address: one for one in self.layout.wired}
        self._by_function = {(one.function, one.endpoint): one.address for one in self.layout.wired}

    @property
    def hung(self) -> bool:
        """Whether it answers nothing any more."""
        return self._hung.is_set()

    def hang(self) -> None:
        """From now on answer nothing at all, control requests included, until the cable is pulled."""
        self._hung.set()

    def attached(self, wire: Wire) -> None:
        """The cable is in."""
        self._hung.clear()
        self._configuration = 0
        with self._lock:
            self._halted_out.clear()
            for pipe in self._pipes.values():
                pipe.plugged()
        self._wire = wire
        for number, function in enumerate(self.functions):
            function.attached(_Behind(self, number), self.layout.firsts[number])

    def detached(self) -> None:
        """The cable is out."""
        for function in self.functions:
            function.detached()
        self._wire = None

    def submit(self, urb: Urb) -> None:
        """Take one request; it may be answered now, later, or never."""
        if self._hung.is_set():
            return
        if urb.endpoint == 0:
            self._control(urb)
        elif urb.inward:
            self._ask(urb)
        else:
            self._take(urb)

    def unlink(self, number: int) -> int:
        """The host takes an URB back; the status to tell it: TAKEN_BACK, or 0 if it was answered before."""
        with self._lock:
            waited = any(pipe.forget(number) for pipe in self._pipes.values())
        return TAKEN_BACK if waited or self._hung.is_set() else 0

    def _ask(self, urb: Urb) -> None:
        with self._lock:
            pipe = self._pipes.get(urb.endpoint | IN)
            if pipe is None:
                self._reply(urb.number, STALLED)
            else:
                pipe.ask(urb.number, urb.length)

    def _take(self, urb: Urb) -> None:
        wired = self._by_address.get(urb.endpoint)
        if wired is None or urb.endpoint in self._halted_out:
            self._reply(urb.number, STALLED)
            return
        self._reply(urb.number, 0, taken=len(urb.data))
        self.functions[wired.function].received(wired.endpoint, urb.data)

    def _control(self, urb: Urb) -> None:
        setup = Setup(*struct.unpack("<BBHHH", urb.setup))
        said = self._standard(setup) if setup.kind & _TYPE == _STANDARD else self._special(setup, urb.data)
        if said is None:
            self._reply(urb.number, STALLED)
        else:
            self._reply(urb.number, 0, said[: setup.length] if setup.kind & IN else b"", len(urb.data))

    def _standard(self, setup: Setup) -> bytes | None:
        """The standard requests; None stalls."""
        recipient = setup.kind & _RECIPIENT
        if recipient == _TO_ENDPOINT:
            return self._of_endpoint(setup)
        if recipient == _TO_INTERFACE:
            return self._of_interface(setup)
        if setup.request == GET_DESCRIPTOR:
            return self.layout.descriptor(setup.value)
        if setup.request == SET_CONFIGURATION:
            return self._configure(setup.value)
        answers = {
            GET_STATUS: b"\0\0",
            GET_CONFIGURATION: bytes((self._configuration,)),
            CLEAR_FEATURE: b"",
            SET_FEATURE: b"",
        }
        return answers.get(setup.request)

    def _configure(self, value: int) -> bytes | None:
        if value > 1:
            return None
        self._configuration = value
        for function in self.functions:
            function.reset()
        self._reset()
        for function in self.functions if value else ():
            function.configured()
        return b""

    def _of_interface(self, setup: Setup) -> bytes | None:
        """Requests to an interface. Its class's own descriptors are asked for in the same way (HID 1.11, 7.1.1)."""
        if setup.index & 0xFF >= len(self.layout.owners):
            return None
        if setup.request == GET_DESCRIPTOR:
            return self._special(setup, b"")
        if setup.request == SET_INTERFACE and setup.value:
            return None  # nothing here has another setting
        return {GET_STATUS: b"\0\0", GET_INTERFACE: b"\0", SET_INTERFACE: b""}.get(setup.request)

    def _of_endpoint(self, setup: Setup) -> bytes | None:
        address = setup.index & 0xFF
        wired = self._by_address.get(address)
        if address & 0x0F == 0:
            return b"\0\0" if setup.request == GET_STATUS else b""
        if wired is None:
            return None
        if setup.request == GET_STATUS:
            return bytes((self._halted(address), 0))
        if setup.request not in (CLEAR_FEATURE, SET_FEATURE) or setup.value != _HALT:
            return None
        if setup.request == SET_FEATURE:
            self._stall(address)
            return b""
        with self._lock:
            self._halted_out.discard(address)
            if address & IN:
                self._pipes[address].clear()
        self.functions[wired.function].cleared(wired.endpoint)
        return b""

    def _special(self, setup: Setup, data: bytes) -> bytes | None:
        """A class's or maker's request: to the function behind the interface or endpoint, else to all in turn."""
        recipient, low = setup.kind & _RECIPIENT, setup.index & 0xFF
        if recipient == _TO_INTERFACE:
            if low >= len(self.layout.owners):
                return None
            number = self.layout.owners[low]
            index = setup.index - self.layout.firsts[number]
            own = Setup(setup.kind, setup.request, setup.value, index, setup.length)
            return self.functions[number].control(own, data)
        if recipient == _TO_ENDPOINT:
            wired = self._by_address.get(low)
            return self.functions[wired.function].control(setup, data) if wired else None
        answers = (function.control(setup, data) for function in self.functions)
        return next((answer for answer in answers if answer is not None), None)

    def _halted(self, address: int) -> bool:
        with self._lock:
            return address in self._halted_out or (address in self._pipes and self._pipes[address].halted)

    def _reset(self) -> None:
        with self._lock:
            self._halted_out.clear()
            for pipe in self._pipes.values():
                pipe.reset()

    def _send(self, function: int, endpoint: int, data: bytes, zero: bool) -> None:
        with self._lock:
            if not self._hung.is_set():
                self._pipes[self._by_function[function, endpoint]].send(data, zero)

    def _stall_of(self, function: int, endpoint: int) -> None:
        self._stall(self._by_function[function, endpoint])

    def _stall(self, address: int) -> None:
        with self._lock:
            if address & IN:
                self._pipes[address].stall()
            else:
                self._halted_out.add(address)

    def _reply(self, number: int, status: int, data: bytes = b"", taken: int = 0) -> None:
        if self._wire is not None:
            self._wire.answer(number, status, data, taken)

    def _leave(self) -> None:
        if self._wire is not None:
            self._wire.cut()


@dataclass(frozen=True, slots=True)
class _Behind:
    """The host as one function meets it (:class:`hil.cameras.usb.Host`)."""

    device: Device
    function: int

    def send(self, endpoint: int, data: bytes, *, zero: bool = False) -> None:
        self.device._send(self.function, endpoint, data, zero)

    def stall(self, endpoint: int) -> None:
        self.device._stall_of(self.function, endpoint)

    def leave(self) -> None:
        self.device._leave()
