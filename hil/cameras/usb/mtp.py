"""A camera that gives its files over MTP: a PTP responder (ISO 15740, MTP 1.1) as one function of a USB device.

It only gives. Whatever would change it is refused and counted (``changes``), so that a test can tell that nobody tried.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import cast

from hil.cameras.usb import Endpoint, Function, Interface, Setup
from hil.cameras.usb import mtp_wire as wire
from hil.cameras.usb.mtp_answers import Answers, Bytes, Reply
from hil.cameras.usb.mtp_card import MtpCard, MtpStorage
from hil.cameras.usb.mtp_model import MtpFaults, MtpModel
from hil.cameras.usb.mtp_stream import Acts, Data, DataPhase, Ended, Failed, Giver
from hil.cameras.usb.mtp_wire import Code, Command, Kind, Request
from hil.cameras.usb.reach import Reach

IN, OUT, EVENT = 0, 1, 2  # the endpoints, in the order of the interface
PACKET = 512
STILL_IMAGE = (6, 1, 1)  # USB still image capture, PIMA 15740
VENDOR_SPECIFIC = (0xFF, 0, 0)


class MtpFunction(Function):
    """The function. ``storages``: folders that stand for cards; ``triple``: the class that its interface says.

    ``reach``: where the bytes of its objects stand in a script, or None (:func:`hil.cameras.usb.mtp_card.reach_of`).
    ``on_hang`` and ``on_power`` do what the letters H and P want of the whole device; without ``on_hang`` the function
    alone falls silent, until it is reset or cancelled. ``operations``: every one that it was asked for.

    Raises ValueError for a script with P and no ``on_power``.
    """

    def __init__(
        self,
        storages: Sequence[MtpStorage],
        model: MtpModel | None = None,
        faults: MtpFaults | None = None,
        reach: Reach | None = None,
        *,
        triple: tuple[int, int, int] = STILL_IMAGE,
        on_hang: Callable[[], None] | None = None,
        on_power: Callable[[], None] | None = None,
    ) -> None:
        super().__init__()
        if reach is not None and "P" in reach.script.letters and on_power is None:
            raise ValueError("the script switches the port's power, and nothing here can")
        endpoints = (Endpoint("bulk-in", PACKET), Endpoint("bulk-out", PACKET), Endpoint("interrupt-in", 64, 6))
        self.interfaces = (Interface(triple, endpoints, text="MTP"),)
        self.model, self.faults = model or MtpModel(), faults or MtpFaults()
        self.operations: list[int] = []
        self._card = MtpCard(storages, self.model, self.faults)
        self._answers = Answers(self.model, self.faults, self._card)
        self._giver = Giver(reach, Acts(on_hang or self._fall_silent, self._leave, on_power or self._fall_silent))
        self._stop = threading.Event()
        self._giving: threading.Thread | None = None
        self._silent = False
        self._swallow: tuple[Command, int] | None = None

    @property
    def changes(self) -> list[int]:
        """Operations that were asked for and would have changed the camera or its medium."""
        return [code for code in self.operations if code in wire.CHANGES]

    @property
    def given(self) -> int:
        """Bytes of objects that were handed over."""
        return self._giver.given

    def configured(self) -> None:
        self._quiet()
        self._answers.close()
        if self.faults.session_open:
            self._answers.open(1)

    def detached(self) -> None:
        self._quiet()
        super().detached()

    def received(self, endpoint: int, data: bytes) -> None:
        if self._swallow is not None:
            self._take_data(data)
            return
        command = wire.read_command(data)
        if command is None:
            if self.host is not None:
                self.host.stall(IN)
            return
        self.operations.append(command.code)
        if command.code in wire.SENDS:
            self._swallow = command, 0
        elif not self._silent:
            self._serve(command)

    def control(self, setup: Setup, data: bytes) -> bytes | None:
        """The class requests of PIMA 15740, D.5.2: cancel, reset and status."""
        if setup.request == Request.CANCEL and len(data) == 6:
            self._quiet()
            return b""
        if setup.request == Request.RESET:
            self._quiet()
            self._answers.close()
            return b""
        if setup.request == Request.STATUS:
            return struct.pack("<HH", 4, Code.OK)
        return None

    def announce(self, code: int, *params: int) -> None:
        """Send an event (PIMA 15740, 12) on the interrupt endpoint."""
        if self.host is not None:
            self.host.send(EVENT, wire.container(Kind.EVENT, code, 0, wire.params(*params)))

    def _quiet(self) -> None:
        """Stop whatever is under way. What the host has not taken yet stays in the pipe."""
        self._stop.set()
        if self._giving is not None and self._giving is not threading.current_thread():
            self._giving.join()
        self._silent, self._swallow, self._giving = False, None, None

    def _fall_silent(self) -> None:
        self._silent = True

    def _leave(self) -> None:
        if self.host is not None:
            self.host.leave()

    def _take_data(self, data: bytes) -> None:
        """A data phase from the host: look at its length, forget its bytes, refuse."""
        assert self._swallow is not None
        command, left = self._swallow
        if not left:
            left = wire.HEADER.unpack_from(data)[0] if len(data) >= wire.HEADER.size else len(data)
        left -= len(data)
        self._swallow = (command, left) if left > 0 else None
        if left <= 0:
            self._serve(command)

    def _serve(self, command: Command) -> None:
        """Answer. Bytes of objects are given by a thread of their own, so that the host can cancel them."""
        reply = self._answers.answer(command)
        if isinstance(reply.data, Bytes):
            self._stop = threading.Event()
            self._giving = threading.Thread(
                target=self._give, args=(command, reply, reply.data, self._stop), name="mtp", daemon=True
            )
            self._giving.start()
            return
        if reply.data is not None:
            phase = self._begin(command, len(reply.data))
            phase.write(reply.data)
            phase.end()
        self._respond(command, reply.code, reply)

    def _give(self, command: Command, reply: Reply, what: Bytes, stop: threading.Event) -> None:
        phase = self._begin(command, what.count)
        with suppress(Ended):
            try:
                self._giver.give(what, self._card.sector_of(what.object), phase, stop)
                code = reply.code
            except Failed:
                code = Code.INCOMPLETE_TRANSFER
            phase.end()
            self._respond(command, code, reply)

    def _begin(self, command: Command, size: int) -> DataPhase:
        phase = DataPhase(self._send, PACKET, not self.faults.no_zero)
        phase.write(wire.data_header(Kind.DATA, command.code, command.transaction, size))
        if self.faults.split and size:
            phase.flush()
        return phase

    def _respond(self, command: Command, code: int, reply: Reply) -> None:
        payload = wire.params(*reply.params)
        self._send(wire.container(Kind.RESPONSE, code, command.transaction, payload))

    def _send(self, data: Data) -> None:
        host = self.host
        if host is not None:
            # A view of a mapped file is as good as bytes to a pipe, and is not copied.
            host.send(IN, cast("bytes", data))
