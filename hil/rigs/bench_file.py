"""A bench as its file describes it: which port is which bay, how its power is switched, and which camera sits there.

``bench.example.toml`` beside this file is such a file, with every key. docs/bench.md says how to build the bench.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from hil.rigs.bench_table import Mistakes, Pattern, Table
from hil.rigs.usb_tree import PORT_PATH

Power = Literal["uhubctl", "sysfs", "none"]

_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}"
_PORT = (PORT_PATH.pattern, 'a USB port path such as "1-2.3": bus 1, port 2, port 3 of the hub there')
_SPEEDS = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)
Check = Literal["none", "xor"]


@dataclass(frozen=True, slots=True)
class Line:
    """A camera's serial line. ``port``: the port path of the device that bears it, empty for the camera's own.

    ``ask`` is sent, and the camera is right when ``answer`` is found in what comes back. ``check`` ``xor`` appends
    `` *xx`` as docs/reference-camera.md wants it. A line without a question is only looked for.
    """

    port: str
    baud: int
    ask: str
    answer: Pattern | None
    check: Check


@dataclass(frozen=True, slots=True)
class Pass:
    """How to know a camera of one's own. Each pattern that is there must be found (``re.search``); ``usb`` is its
    VID:PID in lower case, ``serial`` the pattern of its USB serial number, ``label`` of its card's volume label."""

    name: str
    usb: str
    serial: Pattern | None
    label: Pattern | None
    line: Line | None

    def fits(self, usb: str, serial: str, labels: frozenset[str] = frozenset()) -> bool:
        """Whether a device that says this of itself is this camera."""
        return (
            (not self.usb or self.usb == usb)
            and (self.serial is None or self.serial.search(serial) is not None)
            and (self.label is None or any(self.label.search(one) for one in labels))
        )


@dataclass(frozen=True, slots=True)
class Bay:
    """One bay. ``twin``: the same socket's port path on the USB 3 half of its hub, where uhubctl must be told.
    ``camera``: who sits there for good, or empty."""

    name: str
    port: str
    power: Power
    twin: str
    camera: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait, in seconds: until a device is gone after its power, until it is back, for a console's answer,
    and for a person."""

    gone: float = 5.0
    back: float = 30.0
    answer: float = 3.0
    hand: float = 120.0


@dataclass(frozen=True, slots=True)
class Bench:
    """A whole bench. ``dock`` and ``store``: the tables of the same name of the dock's own configuration, as they
    stand, for whoever starts the dock on this bench."""

    bays: Mapping[str, Bay]
    cameras: Mapping[str, Pass]
    limits: Limits = field(default_factory=Limits)
    dock: Mapping[str, Any] = field(default_factory=dict)
    store: Mapping[str, Any] = field(default_factory=dict)

    def home_of(self, camera: str) -> Bay | None:
        """The bay in which a camera sits for good."""
        return next((bay for bay in self.bays.values() if bay.camera == camera), None)


def read_bench(path: Path) -> Bench:
    """Read a bench's file. Raises OSError if it cannot be read, Mistakes for everything that is wrong in it."""
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise Mistakes(str(path), [f"this is no TOML: {err}"]) from err
    mistakes: list[str] = []
    bench = _bench(Table(raw, mistakes))
    if mistakes:
        raise Mistakes(str(path), mistakes)
    return bench


def _bench(top: Table) -> Bench:
    bays = {name: _bay(name, table) for name, table in _named(top, "bays").items()}
    cameras = {name: _pass(name, table) for name, table in _named(top, "cameras").items()}
    limits = _limits(top.table("limits"))
    dock, store = (table.rest() if table is not None else {} for table in (top.table("dock"), top.table("store")))
    top.done()
    _agree(top, bays, cameras)
    return Bench(bays, cameras, limits, dock, store)


def _named(top: Table, key: str) -> dict[str, Table]:
    """The tables of bays or of cameras; at least one."""
    table = top.table(key)
    found = table.tables() if table is not None else {}
    if table is None or not found:
        top.wrong(key, "is missing", f"at least one table such as [{key}.{'bay01' if key == 'bays' else 'alice'}]")
    for name in found:
        if not re.fullmatch(_NAME, name):
            top.wrong(f"{key}.{name}", "is no good name", "up to 32 letters, digits, - and _")
    return found


def _bay(name: str, table: Table) -> Bay:
    form, meaning = _PORT
    bay = Bay(
        name=name,
        port=table.text("port", None, form=form, meaning=meaning),
        power=cast(Power, table.choice("power", ("uhubctl", "sysfs", "none"))),
        twin=table.text("twin", form=form, meaning=meaning),
        camera=table.text("camera", meaning="the name of a table in [cameras]"),
    )
    if bay.twin and bay.power != "uhubctl":
        table.wrong("twin", f"goes with power = {bay.power!r}", 'a twin with power = "uhubctl" only')
    table.done()
    return bay


def _pass(name: str, table: Table) -> Pass:
    line = table.table("line")
    found = Pass(
        name=name,
        usb=table.text("usb", form=r"[0-9a-f]{4}:[0-9a-f]{4}", meaning='VID:PID in lower case, such as "2672:000f"'),
        serial=table.pattern("serial"),
        label=table.pattern("label"),
        line=_line(line) if line is not None else None,
    )
    table.done()
    if found.serial is None and found.label is None:
        # VID:PID alone is that of every camera of its kind.
        table.wrong("serial", "is missing, and so is label", "one of both: VID:PID tells the kind, not which one")
    return found


def _line(table: Table) -> Line:
    form, meaning = _PORT
    line = Line(
        port=table.text("port", form=form, meaning=meaning),
        baud=table.number("baud", 115200, _SPEEDS),
        ask=table.text("ask", form=r"[ -~]*", meaning="printable ASCII"),
        answer=table.pattern("answer"),
        check=cast(Check, table.choice("check", ("none", "xor"))),
    )
    table.done()
    if bool(line.ask) != (line.answer is not None):
        table.wrong("ask", "and answer go together", "both or none")
    return line


def _limits(table: Table | None) -> Limits:
    if table is None:
        return Limits()
    default = Limits()
    limits = Limits(
        gone=table.seconds("gone", default.gone),
        back=table.seconds("back", default.back),
        answer=table.seconds("answer", default.answer),
        hand=table.seconds("hand", default.hand),
    )
    table.done()
    return limits


def _agree(top: Table, bays: Mapping[str, Bay], cameras: Mapping[str, Pass]) -> None:
    """What no single table can know: names that are not there, and two that claim the same."""
    ports: dict[str, str] = {}
    sitting: dict[str, str] = {}
    for bay in bays.values():
        for port in {bay.port, bay.twin} - {""}:
            if port in ports:
                top.wrong(f"bays.{bay.name}.port", f"{port} is also that of {ports[port]}", "one bay for each port")
            ports[port] = bay.name
        if bay.camera and bay.camera not in cameras:
            known = ", ".join(sorted(cameras)) or "none yet"
            top.wrong(f"bays.{bay.name}.camera", f"is {bay.camera!r}", f"a name of [cameras]: {known}")
        if bay.camera and bay.camera in sitting:
            top.wrong(f"bays.{bay.name}.camera", f"{bay.camera} also sits in {sitting[bay.camera]}", "one bay for each")
        sitting[bay.camera] = bay.name
