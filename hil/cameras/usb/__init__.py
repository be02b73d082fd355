"""USB devices in pure Python: what a camera's firmware would do behind its connector.

A device is a list of functions (a disk, a serial line, MTP, a vendor's dialogue, a keyboard). ``device`` answers the
requests that are the same for all, and gives each function what is its own; ``usbip`` carries the whole to a kernel.

``descriptors``  what a device says of itself, put together from its functions
``pipe``         one IN endpoint: a stream of packets, cut to what the host asks for
``device``       the standard requests, and who gets what
``usbip``        the URBs of a kernel, over a socket
``storage``, ``scsi``, ``disk``, ``reach``  a card: its transport, its commands, its sectors, its script of faults
``acm``, ``pump``, ``keyboard``  a serial line that a Talker answers; a keyboard that is no camera's
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, Protocol

Pipe = Literal["bulk-in", "bulk-out", "interrupt-in"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint of an interface. The device gives it its address. ``size``: bytes of its largest packet;
    ``interval``: as in the descriptor (USB 2.0, 9.6.6)."""

    pipe: Pipe
    size: int = 512
    interval: int = 0


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface: its class, subclass and protocol, its endpoints, and the class's own descriptors, which stand
    between the interface's descriptor and its endpoints'. ``text``: its string, or empty. Where CDC's descriptors name
    interfaces, they are numbered within their function, as in :class:`Setup`."""

    triple: tuple[int, int, int]
    endpoints: tuple[Endpoint, ...] = ()
    extra: bytes = b""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Setup:
    """A control request (USB 2.0, 9.3). ``index``'s low byte is the interface's number within its own function where
    the request is for an interface."""

    kind: int
    request: int
    value: int
    index: int
    length: int


class Host(Protocol):
    """What a function may do to the host at the other end of the cable. Every call may come from any thread.

    ``endpoint``: the number of the endpoint among all of the function, in the order of its interfaces, from 0.
    """

    def send(self, endpoint: int, data: bytes, *, zero: bool = False) -> None:
        """Give the host one transfer, cut to what it asks for, when it asks. ``zero``: a transfer whose length is a
        whole number of packets is ended by an empty one, as MTP wants it; without that the host, if it asked for
        more, goes on waiting (USB 2.0, 5.8.3)."""
        ...

    def stall(self, endpoint: int) -> None:
        """Halt the endpoint until the host clears it; what was sent on it before is given first. If the host clears
        an endpoint that is not halted, what was sent on it and not yet taken is dropped."""
        ...

    def leave(self) -> None:
        """Pull the cable, now, in the middle of whatever is under way."""
        ...


class Function(ABC):
    """One thing that a USB device is. The device calls it from one thread at a time."""

    interfaces: tuple[Interface, ...]

    def __init__(self) -> None:
        self.host: Host | None = None

    def attached(self, host: Host, first: int) -> None:
        """The cable is in; ``first``: the number of the function's first interface."""
        self.host = host

    def reset(self) -> None:
        """The host is about to choose the configuration, for the first time, or again after it reset the port. Stop
        what is under way: what was sent before this returns is dropped."""
        return

    def configured(self) -> None:
        """The host chose the configuration, and nothing that was sent before is waiting any more."""
        return

    def detached(self) -> None:
        """The cable is out. May be repeated."""
        self.host = None

    @abstractmethod
    def received(self, endpoint: int, data: bytes) -> None:
        """An OUT transfer came, or a part of one: a host cuts a long one into parts of whole packets, and only the
        function knows how long it is to be."""

    def control(self, setup: Setup, data: bytes) -> bytes | None:
        """Answer a class or vendor request; None stalls it. ``data``: what came with it."""
        return None

    def cleared(self, endpoint: int) -> None:
        """The host cleared a halt."""
        return
