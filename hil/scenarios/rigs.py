"""The rigs by name, opened when they are asked for; and which of them can carry a scenario, here and now."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil.demo.place import Place
from hil.rigs import Ability, Rig
from hil.rigs.bench_file import read_bench
from hil.rigs.folder import Hand
from hil.scenarios.model import Scenario


class Unusable(Exception):
    """A rig that cannot be used here; one line that says why."""


@dataclass(frozen=True, slots=True)
class Room:
    """What a rig is given: the place of the dock, what the dock has pulled, and the description of a bench."""

    place: Place
    hand: Hand
    bench: Path | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One rig. ``where``: module and class; ``open``: makes it; ``lacks``: the name of the function in its module that
    says why it cannot be used here. ``patience``: how much longer than on a good laptop things may take;
    ``filesystem``: what cards get whose scenario does not say, or empty for what their family has;
    ``console_ms``: how long a dock waits for a console on it, at patience 1; ``most``: what it can do at best, where
    only its description says what it can; ``bays``: how many it has at most, 0 where
    only its description names them."""

    where: str
    open: Callable[[Any, Room], Rig]
    patience: float = 1.0
    filesystem: str = ""
    console_ms: int = 1500
    most: frozenset[Ability] = frozenset()
    lacks: str = "lacks"
    bays: int = 8


def _with_media(kind: Any, room: Room) -> Rig:
    rig: Rig = kind(room.place.root / "media")
    return rig


def _bench(kind: Any, room: Room) -> Rig:
    if room.bench is None:
        raise ValueError("say which bench: --bench FILE (see hil/rigs/bench.example.toml)")
    rig: Rig = kind(read_bench(room.bench))
    return rig


def _folder(kind: Any, room: Room) -> Rig:
    rig: Rig = kind(room.place.bays, room.hand)
    return rig


_REAL: frozenset[Ability] = frozenset({"serial", "block", "usb", "yank", "power", "hub"})
RIGS: Mapping[str, Entry] = {
    "folder": Entry("hil.rigs.folder:FolderRig", _folder, console_ms=300),
    "loop": Entry("hil.rigs.loop:LoopRig", _with_media, filesystem="ext4", console_ms=0),
    "usbip": Entry("hil.rigs.usbip:UsbipRig", _with_media, 4.0),
    "gadget": Entry("hil.rigs.gadget:GadgetRig", _with_media, 4.0, bays=4),
    "qemu": Entry("hil.rigs.qemu.rig:QemuRig", _with_media, 4.0),
    "bench": Entry("hil.rigs.bench:BenchRig", _bench, 3.0, most=_REAL, bays=0),
}


def module(entry: Entry) -> Any:
    """The module of a rig. Raises Unusable where it cannot be imported."""
    try:
        return importlib.import_module(entry.where.partition(":")[0])
    except ImportError as error:
        raise Unusable(f"this rig is not there: {error}") from error


def carries(name: str) -> frozenset[Ability]:
    """What a rig can do, as its class says. Raises Unusable where it cannot be imported."""
    entry = RIGS[name]
    found: frozenset[Ability] = entry.most or _kind(entry).carries
    return found


def _kind(entry: Entry) -> Any:
    return getattr(module(entry), entry.where.partition(":")[2])


def open_rig(name: str, room: Room) -> Rig:
    """A rig, ready. Raises Unusable with the reason."""
    entry = RIGS[name]
    kind = _kind(entry)
    if why := lacks(name):
        raise Unusable(why)
    try:
        return entry.open(kind, room)
    except (RuntimeError, OSError, ValueError) as error:
        raise Unusable(f"{name}: {error}") from error


def lacks(name: str) -> str:
    """Why a rig cannot be used here, or nothing: rights, drivers, programs."""
    entry = RIGS[name]
    try:
        asked = getattr(module(entry), entry.lacks, None)
    except Unusable as error:
        return str(error)
    return str(asked()) if asked is not None else ""


def cannot_carry(scenario: Scenario, name: str) -> str:
    """Why a rig cannot carry a scenario, whatever machine it is on; nothing where it can."""
    if scenario.rigs and name not in scenario.rigs:
        return f"its file says: only on {', '.join(scenario.rigs)}"
    try:
        lacking = sorted(scenario.needs - carries(name))
    except Unusable as error:
        return str(error)
    if lacking:
        return f"needs {', '.join(lacking)}"
    entry = RIGS[name]
    strange = sorted(scenario.bays - set(bay_names(entry.bays))) if entry.bays else []
    return f"it has no {', '.join(strange)}" if strange else ""


def bay_names(count: int) -> tuple[str, ...]:
    """The names of so many bays of a rig that makes its own."""
    return tuple(f"bay{number:02}" for number in range(1, count + 1))


def no_such_bay(scenario: Scenario, name: str, bench: Path | None) -> str:
    """What is wrong with a bay that neither this rig nor any like it has, or nothing. Raises OSError and
    bench_table.Mistakes for the description of a bench."""
    if name == "bench":
        known = tuple(read_bench(bench).bays) if bench is not None else ()
    else:
        known = bay_names(max(entry.bays for entry in RIGS.values()))
    for line in scenario.script:
        bay = line.words.get("bay", known[0])
        if bay not in known:
            there = f"{known[0]} to {known[-1]}" if name != "bench" else ", ".join(known)
            return f"{scenario.path}:{line.number}: there is no bay {bay}; {name} has {there}"
    return ""
