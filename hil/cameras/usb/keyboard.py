"""A boot keyboard (HID 1.11, appendix B.1): the function that no camera should have, and that types by itself."""

from __future__ import annotations

import struct
from string import ascii_lowercase, digits

from hil.cameras.usb import Endpoint, Function, Interface, Setup

# Requests (HID 1.11, 7.2) and the type of the report descriptor (7.1).
GET_REPORT, GET_IDLE, GET_PROTOCOL, SET_REPORT, SET_IDLE, SET_PROTOCOL = 1, 2, 3, 9, 10, 11
_GET_DESCRIPTOR, _REPORT = 6, 0x22

REPORT_DESCRIPTOR = bytes.fromhex(
    "05010906a101"  # generic desktop, keyboard, a collection
    "050719e029e71500250175019508 8102"  # eight modifier keys, a bit each
    "950175088101"  # a byte that is reserved
    "950575010508190129059102"  # five lamps, a bit each
    "950175039101"  # three bits to fill the byte
    "95067508150025650507190029658100"  # six keys that are down
    "c0"
)
_NOTHING = bytes(8)
_SHIFT = 0x02
# Usages of the keyboard page (HID Usage Tables, 10): letters from 4, digits 1…9 0 from 30.
_USAGE = {letter: (0, 4 + index) for index, letter in enumerate(ascii_lowercase)}
_USAGE |= {letter.upper(): (_SHIFT, usage) for letter, (_, usage) in _USAGE.items()}
_USAGE |= {digit: (0, 30 + (int(digit) - 1) % 10) for digit in digits}
_USAGE |= {"\n": (0, 40), " ": (0, 44), "-": (0, 45), "/": (0, 56), ".": (0, 55)}


class Keyboard(Function):
    """``text`` is typed as soon as the host has configured it. ``lamps``: what the host last lit."""

    def __init__(self, text: str = "") -> None:
        super().__init__()
        hid = struct.pack("<BBHBBBH", 9, 0x21, 0x0111, 0, 1, _REPORT, len(REPORT_DESCRIPTOR))
        self.interfaces = (Interface((3, 1, 1), (Endpoint("interrupt-in", 8, 4),), hid),)
        self.lamps = 0
        self._reports = _reports(text)
        self._idle, self._protocol = 0, 1

    def configured(self) -> None:
        self._press(self._reports)

    def type(self, text: str) -> None:
        """Press and let go a key for each character. Raises ValueError for one that it has no key for."""
        self._press(_reports(text))

    def received(self, endpoint: int, data: bytes) -> None:
        """There is no OUT endpoint."""

    def control(self, setup: Setup, data: bytes) -> bytes | None:
        if setup.request == _GET_DESCRIPTOR and setup.value >> 8 == _REPORT:
            return REPORT_DESCRIPTOR
        if setup.request == SET_REPORT:
            self.lamps = data[0] if data else 0
        elif setup.request == SET_IDLE:
            self._idle = setup.value >> 8
        elif setup.request == SET_PROTOCOL:
            self._protocol = setup.value
        answers = {GET_REPORT: _NOTHING, GET_IDLE: bytes((self._idle,)), GET_PROTOCOL: bytes((self._protocol,))}
        answers |= dict.fromkeys((SET_REPORT, SET_IDLE, SET_PROTOCOL), b"")
        return answers.get(setup.request)

    def _press(self, reports: tuple[bytes, ...]) -> None:
        if self.host is not None:
            for report in reports:
                self.host.send(0, report)


def _reports(text: str) -> tuple[bytes, ...]:
    unknown = sorted(set(text) - set(_USAGE))
    if unknown:
        raise ValueError(f"the keyboard has no key for {''.join(unknown)!r}")
    pressed = (bytes((modifier, 0, usage, 0, 0, 0, 0, 0)) for modifier, usage in map(_USAGE.__getitem__, text))
    return tuple(report for press in pressed for report in (press, _NOTHING))
