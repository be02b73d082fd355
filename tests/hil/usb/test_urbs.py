"""A device on one end of a socket pair, the kernel's messages on the other."""

from __future__ import annotations

import io
import struct

import pytest

from hil.cameras.specimen import UsbPlate
from hil.cameras.usb import Endpoint, Function, Interface, Setup
from hil.cameras.usb.device import Device
from hil.cameras.usb.usbip import Gone, read_command
from tests.hil.usb.kernel import IN, STALL, TAKEN_BACK, Ended, plugged

PLATE = UsbPlate(1, 2, manufacturer="Made Up")


class Echo(Function):
    """Sends back what it gets, and keeps what it is asked."""

    def __init__(self, zero: bool = False) -> None:
        super().__init__()
        self.interfaces = (Interface((0xFF, 0, 0), (Endpoint("bulk-in"), Endpoint("bulk-out"))),)
        self.asked: list[tuple[Setup, bytes]] = []
        self.events: list[str] = []
        self._zero = zero

    def received(self, endpoint: int, data: bytes) -> None:
        assert endpoint == 1 and self.host is not None
        if data == b"stall":
            self.host.stall(0)
        elif data == b"stall out":
            self.host.stall(1)
        elif data == b"leave":
            self.host.leave()
        else:
            self.host.send(0, data, zero=self._zero)

    def configured(self) -> None:
        self.events.append("configured")

    def detached(self) -> None:
        super().detached()
        self.events.append("detached")

    def cleared(self, endpoint: int) -> None:
        self.events.append(f"cleared {endpoint}")

    def control(self, setup: Setup, data: bytes) -> bytes | None:
        self.asked.append((setup, data))
        return b"answer" if setup.request == 1 else None


def test_standard_requests() -> None:
    device = Device(PLATE, [Echo()])
    with plugged(device) as kernel:
        assert kernel.control(0x80, 6, 0x0100, 0, 64).data == device.layout.device
        assert kernel.control(0x80, 6, 0x0200, 0, 9).data == device.layout.configuration[:9]
        assert kernel.control(0x80, 6, 0x0301, 0x0409, 255).data.decode("utf-16-le")[1:] == "Made Up"
        for missing in (0x0302, 0x0700, 0x0F00):
            assert kernel.control(0x80, 6, missing, 0, 64) == Ended(kernel._number, STALL, 0, b"")
        assert kernel.control(0x80, 8, 0, 0, 1).data == b"\0"
        kernel.configure()
        assert kernel.control(0x80, 8, 0, 0, 1).data == b"\1"
        assert kernel.control(0, 9, 2, 0).status == STALL
        assert kernel.control(0x80, 0, 0, 0, 2).data == b"\0\0"
        assert kernel.control(0x81, 10, 0, 0, 1).data == b"\0"
        assert kernel.control(0x81, 10, 0, 5, 1).status == STALL
        assert kernel.control(0x01, 11, 1, 0).status == STALL


def test_requests_for_an_interface_go_to_its_function_with_its_own_number() -> None:
    first, second = Echo(), Echo()
    with plugged(Device(PLATE, [first, second])) as kernel:
        assert kernel.control(0xA1, 1, 5, 0x0101, 3).data == b"ans"
        assert kernel.control(0x21, 9, 0, 1, 4, b"data").status == STALL
        assert kernel.control(0xC0, 1, 0, 0, 64).data == b"answer"
        assert kernel.control(0xA1, 1, 5, 9, 3).status == STALL
    assert second.asked == [(Setup(0xA1, 1, 5, 0x0100, 3), b""), (Setup(0x21, 9, 0, 0, 4), b"data")]
    assert len(first.asked) == 1


def test_what_was_sent_fills_what_is_asked() -> None:
    with plugged(Device(PLATE, [Echo()])) as kernel:
        asked = kernel.submit(IN, 1, 1024)
        assert kernel.write(2, bytes(512)).length == 512
        assert kernel.silent()  # a whole packet: the host asked for more, and more may come
        kernel.submit(0, 2, 3, data=b"end")
        ended = [kernel.ended(), kernel.ended()]
        assert Ended(asked, 0, 515, bytes(512) + b"end") in ended
        kernel.write(2, bytes(700))
        assert [kernel.read(1, 512).length, kernel.read(1, 512).length] == [512, 188]


def test_an_empty_packet_ends_a_transfer_of_whole_packets() -> None:
    with plugged(Device(PLATE, [Echo(zero=True)])) as kernel:
        kernel.write(2, bytes(1024))
        assert kernel.read(1, 4096).length == 1024
        kernel.write(2, bytes(1024))
        assert [kernel.read(1, 1024).length, kernel.read(1, 1024).length] == [1024, 0]


def test_a_halt_lasts_until_it_is_cleared() -> None:
    echo = Echo()
    with plugged(Device(PLATE, [echo])) as kernel:
        kernel.write(2, b"before")
        kernel.write(2, b"stall")
        assert kernel.read(1, 64).data == b"before"
        assert [kernel.read(1, 64).status for _ in range(2)] == [STALL, STALL]
        assert kernel.control(0x82, 0, 0, 0x81, 2).data == b"\1\0"
        assert kernel.control(0x02, 1, 0, 0x81).status == 0
        assert kernel.control(0x82, 0, 0, 0x81, 2).data == b"\0\0"
        kernel.write(2, b"after")
        assert kernel.read(1, 64).data == b"after"
        kernel.write(2, b"stall out")
        assert kernel.write(2, b"x").status == STALL
        assert kernel.control(0x02, 1, 0, 0x02).status == 0
        assert kernel.write(2, b"x").status == 0
    assert echo.events == ["cleared 0", "cleared 1", "detached"]


def test_a_halt_in_the_middle_gives_what_was_sent() -> None:
    with plugged(Device(PLATE, [Echo()])) as kernel:
        asked = kernel.submit(IN, 1, 4096)
        kernel.write(2, bytes(512))
        kernel.submit(0, 2, 5, data=b"stall")
        assert Ended(asked, STALL, 512, bytes(512)) in [kernel.ended(), kernel.ended()]


def test_clearing_what_is_not_halted_and_configuring_drop_what_waits() -> None:
    echo = Echo()
    with plugged(Device(PLATE, [echo])) as kernel:
        kernel.write(2, b"old")
        kernel.control(0x02, 1, 0, 0x81)
        kernel.write(2, b"older")
        kernel.configure()
        kernel.write(2, b"new")
        assert kernel.read(1, 64).data == b"new"


def test_urbs_are_taken_back() -> None:
    with plugged(Device(PLATE, [Echo()])) as kernel:
        first, second = kernel.submit(IN, 1, 64), kernel.submit(IN, 1, 64)
        assert kernel.unlink(first) == TAKEN_BACK
        kernel.submit(0, 2, 1, data=b"x")
        assert Ended(second, 0, 1, b"x") in [kernel.ended(), kernel.ended()]
        assert kernel.unlink(second) == 0


def test_what_hangs_answers_nothing_until_it_is_plugged_in_again() -> None:
    device = Device(PLATE, [Echo()])
    with plugged(device) as kernel:
        device.hang()
        asked = kernel.submit(IN, 0, 64, struct.pack("<BBHHH", 0x80, 6, 0x0100, 0, 64))
        assert kernel.silent()
        assert kernel.unlink(asked) == TAKEN_BACK
    with plugged(device) as kernel:
        assert kernel.control(0x80, 6, 0x0100, 0, 64).data == device.layout.device


def test_what_was_asked_before_a_pull_is_not_answered_after_it() -> None:
    device = Device(PLATE, [Echo()])
    with plugged(device) as kernel:
        kernel.submit(IN, 1, 64)
        assert kernel.silent()
    with plugged(device) as kernel:
        kernel.write(2, b"x")
        assert kernel.read(1, 64).data == b"x"


def test_a_function_can_leave() -> None:
    echo = Echo()
    with plugged(Device(PLATE, [echo])) as kernel:
        kernel.submit(0, 2, 5, data=b"leave")
        assert kernel.closed()
    assert echo.events[-1] == "detached" and echo.host is None


@pytest.mark.parametrize("command", [0, 3, 5, 0x01110003])
def test_what_is_no_command_is_refused(command: int) -> None:
    with pytest.raises(ValueError, match="neither"):
        read_command(io.BytesIO(struct.pack(">I44x", command)))


def test_a_message_that_is_cut_off_is_the_end() -> None:
    whole = struct.pack(">5I5i8x", 1, 1, 0, 0, 2, 0, 4, 0, 0, 0) + b"1234"
    assert read_command(io.BytesIO(whole))
    for size in (0, 20, 48, 51):
        with pytest.raises(Gone):
            read_command(io.BytesIO(whole[:size]))
