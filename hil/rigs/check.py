"""`python -m hil check`: does the bench stand as its file says? Every bay is looked at, switched, and asked who is in.

Exit 0 when all is well, 1 when something is not, 2 when the file or the command is wrong, 4 when it cannot be known:
this machine has no USB, or we may not switch it.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hil.rigs.bench_file import Bay, Bench, read_bench
from hil.rigs.bench_line import NoAnswer, ask, node_of
from hil.rigs.bench_seats import Seats, power_of
from hil.rigs.bench_table import Mistakes
from hil.rigs.power import PowerError
from hil.rigs.uhubctl import Uhubctl
from hil.rigs.usb_tree import UsbDevice, UsbTree, hub_of, port_key
from hil.words import Words

GOOD, BAD, USAGE, UNKNOWN = 0, 1, 2, 4
MOST_DEVICES, MOST_ENDPOINTS = 32, 96
"""What one xHCI controller was seen to accept, hubs included: many stop there, some go on to 64 devices."""

Column = Literal["port", "camera", "power", "line"]
_COLUMNS: tuple[Column, ...] = ("port", "camera", "power", "line")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``bay``: its name, or empty for the machine as a whole. ``shown``: for the table;
    ``wrong``: what is not as it should be and what to do, or empty. ``bad``: a wrong that is no mere warning."""

    bay: str
    column: Column
    shown: str
    wrong: str = ""
    bad: bool = True


def main(argv: Sequence[str] | None = None, *, sysfs: Path = Path("/sys")) -> int:
    """Check, print, and give the exit status."""
    parser = Words(prog="python -m hil check", description="Check the wiring of a bench.")
    parser.add_argument("--bench", type=Path, default=Path("bench.toml"), help="its file (default: bench.toml)")
    parser.add_argument("--no-switch", action="store_true", help="leave every port powered; needs no root")
    given = parser.parse_args(argv)
    try:
        bench = read_bench(given.bench)
    except OSError as err:
        remedy = "write one (docs/bench.md; hil/rigs/bench.example.toml has every key), or name yours with --bench FILE"
        print(f"hil check: {given.bench} cannot be read: {err.strerror}; {remedy}", file=sys.stderr)
        return USAGE
    except Mistakes as err:
        print(f"hil check: {err}", file=sys.stderr)
        return USAGE
    tree = UsbTree(sysfs)
    if not tree.devices():
        print("hil check: this machine shows no USB at all; is the kernel's USB driver loaded?", file=sys.stderr)
        return UNKNOWN
    if not given.no_switch and os.geteuid() != 0:
        print("hil check: ports can be switched by root only; use sudo, or --no-switch", file=sys.stderr)
        return UNKNOWN
    findings = tuple(examine(bench, tree, switch=not given.no_switch))
    print(table(bench, findings))
    return BAD if any(one.wrong and one.bad for one in findings) else GOOD


def examine(bench: Bench, tree: UsbTree, *, switch: bool) -> Iterator[Finding]:
    """Look at every bay, then at the machine. With ``switch`` every bay that can be is made dark, and light again."""
    seats = Seats(bench, tree)
    for bay in bench.bays.values():
        port = _port(bay, tree)
        yield port
        if port.wrong:
            continue
        if switch:
            yield _power(bay, seats)
        yield from _camera(bay, seats)
    yield from _strangers(bench, tree)
    yield from _budget(tree)


def table(bench: Bench, findings: Sequence[Finding]) -> str:
    """What was found, a line for each bay, and below it what to do."""
    cells = {(one.bay, one.column): one.shown for one in findings if one.bay}
    rows = [("bay", *_COLUMNS), *((bay, *(cells.get((bay, column), "-") for column in _COLUMNS)) for bay in bench.bays)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    wrong = [f"{'wrong' if one.bad else 'note '} {one.bay or 'bench'}: {one.wrong}" for one in findings if one.wrong]
    return "\n".join([*lines, "", *(wrong or ["All is as the file says."])])


def _port(bay: Bay, tree: UsbTree) -> Finding:
    for port in filter(None, (bay.port, bay.twin)):
        if tree.hub(port) is None:
            return Finding(bay.name, "port", f"{port} no hub", f"its hub {hub_of(port)} is not there; plug the hub in")
        if tree.switch(port) is None:
            remedy = f"hub {hub_of(port)} has no such port; look at `udevadm monitor` while you plug a camera in"
            return Finding(bay.name, "port", f"{port} no port", remedy)
    return Finding(bay.name, "port", bay.port)


def _power(bay: Bay, seats: Seats) -> Finding:
    """Off until what is there has gone, and on until it is back."""
    if bay.power == "none":
        return Finding(bay.name, "power", "by hand")
    power, before = power_of(bay, seats.bench, seats.tree), seats.occupant(bay)
    note = _cannot_switch(bay)
    try:
        power.off()
        power.on()
    except PowerError as err:
        return Finding(bay.name, "power", "fails", str(err))
    limit = seats.bench.limits.back
    if before is not None and seats.wait_occupant(bay, limit) is None:
        wrong = f"what was there ({before}) is not back {limit:g} s after power came back; plug it in again"
        return Finding(bay.name, "power", "stays away", wrong)
    shown = bay.power if before is not None else f"{bay.power}, not proved"
    return Finding(bay.name, "power", shown, note, bad=False)


def _cannot_switch(bay: Bay) -> str:
    """What uhubctl says against this hub, if it says so."""
    if bay.power != "uhubctl":
        return ""
    try:
        hub = Uhubctl(bay.port).hub()
    except PowerError as err:
        return f"{err}; the kernel's own switch was used instead"
    if hub.switching == "ppps":
        return ""
    return f"hub {hub.location} says of itself that it does not switch ports one by one ({hub.switching})"


def _camera(bay: Bay, seats: Seats) -> Iterator[Finding]:
    device = seats.occupant(bay)
    wanted = seats.bench.cameras.get(bay.camera)
    if device is None:
        wrong = f"camera {bay.camera} is not in it; plug it in, or see whether it is charged" if wanted else ""
        yield Finding(bay.name, "camera", "empty", wrong)
        return
    limit = seats.bench.limits.back
    right = wanted is not None and seats.is_camera(device, wanted, limit)
    names = seats.names(device, limit)
    if wanted is not None and right:
        double = [name for name in names if name != wanted.name]
        names = (wanted.name,)
        wrong = f"{wanted.name} also fits the patterns of {', '.join(double)}; make them narrower" if double else ""
        yield Finding(bay.name, "camera", wanted.name, wrong)
    else:
        yield _someone_else(bay, device, names, seats.bench)
    for name in names:  # the line of who is there, not of who should be
        yield from _line(bay, name, device, seats)


def _someone_else(bay: Bay, device: UsbDevice, names: Sequence[str], bench: Bench) -> Finding:
    if not names:
        expected = f"not {bay.camera}" if bay.camera else "no camera of this bench"
        return Finding(
            bay.name, "camera", device.id, f"it holds {device}, {expected}; take it out or correct [cameras]"
        )
    home = bench.home_of(names[0])
    if not bay.camera and home is None:
        return Finding(bay.name, "camera", names[0])
    says = f"the file says {home.name}" if home is not None else "the file names no bay for it"
    return Finding(bay.name, "camera", names[0], f"camera {names[0]} is in {bay.name}, {says}; swap cables or [bays]")


def _line(bay: Bay, name: str, device: UsbDevice, seats: Seats) -> Iterator[Finding]:
    line = seats.bench.cameras[name].line
    if line is None:
        return
    try:
        node = node_of(line, device, seats, seats.bench.limits.back)
        ask(line, node, seats.bench.limits.answer)
    except NoAnswer as err:
        yield Finding(bay.name, "line", "no answer", f"{name}: {err}")
        return
    yield Finding(bay.name, "line", f"{node.name} answers" if line.answer else node.name)


def _strangers(bench: Bench, tree: UsbTree) -> Iterator[Finding]:
    """What sits on the bays' hubs and is in no bay: its power may be cut with theirs, and it takes their bandwidth."""
    ours = {port for bay in bench.bays.values() for port in (bay.port, bay.twin) if port}
    ours |= {camera.line.port for camera in bench.cameras.values() if camera.line is not None}
    hubs = {hub_of(port) for port in ours if port}
    for device in tree.devices():
        known = device.port in ours or device.is_hub or device.port.startswith("usb")
        if not known and hub_of(device.port) in hubs:
            wrong = f"port {device.port} holds {device}, which no bay names; take it out if it is not needed"
            yield Finding("", "port", device.port, wrong, bad=False)


def _budget(tree: UsbTree) -> Iterator[Finding]:
    devices: Counter[str] = Counter()
    endpoints: Counter[str] = Counter()
    for device in sorted(tree.devices(), key=lambda one: port_key(one.port)):
        devices[device.controller] += 1
        endpoints[device.controller] += device.endpoints
    for controller, number in devices.items():
        if number > MOST_DEVICES or endpoints[controller] > MOST_ENDPOINTS:
            wrong = (
                f"controller {controller} has {number} devices with {endpoints[controller]} endpoints; many stop at "
                f"{MOST_DEVICES} and {MOST_ENDPOINTS}: move some to another controller"
            )
            yield Finding("", "port", controller, wrong, bad=False)
