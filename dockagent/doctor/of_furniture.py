"""Judges what the dock is made of: locking cradles and the reader of tags. Each is only asked; no latch is moved."""

from collections.abc import Iterator

from dockagent.clock import Clock
from dockagent.config import Furniture
from dockagent.doctor.check import Check, failure, ok, warning
from dockagent.errors import DockError
from dockagent.transports.cradle_mc18 import Cradle
from dockagent.transports.rfid import RfidReader

LOW_SUPPLY, LOW_LOGIC = 4.75, 3.0  # volts: USB 2.0, 7.2.2, for a supply of 5 V; a tenth below 3.3 V


def cradles(setting: Furniture, clock: Clock) -> Iterator[Check]:
    """A check for each cradle: who it is, its firmware and its voltages. None where there is no cradle."""
    for bay, path in sorted(setting.cradles.items()):
        yield _cradle(f"cradle {bay}", path, clock)


def rfid(setting: Furniture, clock: Clock) -> Iterator[Check]:
    """Whether the reader of tags is there, and what lies on it. No check where there is none."""
    if setting.rfid:
        yield _reader("tag reader", setting.rfid, clock)


def _cradle(name: str, path: str, clock: Clock) -> Check:
    try:
        cradle = Cradle(path, clock)
        try:
            place, volts = cradle.place(), cradle.voltages()
            what = (
                f"{cradle.part()} number {cradle.serial()}, firmware {cradle.firmware()}, "
                f"wall {place.wall} row {place.row} column {place.column}, "
                f"{volts.supply:.2f} V and {volts.logic:.2f} V"
            )
        finally:
            cradle.close()
    except DockError as err:
        return failure(name, err.what, err.hint or "check cradles in [furniture]")
    if volts.supply < LOW_SUPPLY or volts.logic < LOW_LOGIC:
        return warning(name, f"too little voltage: {what}", "look at its power supply and at the length of its cable")
    return ok(name, what)


def _reader(name: str, path: str, clock: Clock) -> Check:
    try:
        reader = RfidReader(path, clock)
        try:
            reader.hello()
            tag = reader.read()
        finally:
            reader.close()
    except DockError as err:
        return failure(name, err.what, err.hint or "check rfid in [furniture]")
    lies = f"tag {tag} lies on it" if tag else "no tag lies on it"
    return ok(name, f"{path} answers; {lies} (a tag's number is no proof of identity)")
