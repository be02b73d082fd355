"""Read a scenario's file. Every mistake is one line: file, line, what is wrong, what is allowed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from hil.cameras.manifest import Flaw
from hil.rigs import Ability
from hil.scenarios import sense
from hil.scenarios.cast import example_serial, model_names, needs_of
from hil.scenarios.grammar import ACTS, CLAIMS, MOODS, Form, form_of, parse
from hil.scenarios.model import Line, Part, Scenario, check_letters
from hil.words import meant

CASES = Path(__file__).with_name("cases")
TOP = ("about", "why", "camera", "dock", "script", "expect", "rigs")
DOCK_TABLES = ("dock", "bays", "store", "limits", "preview", "clock", "trust", "erase")
FILESYSTEMS = ("vfat", "exfat", "ext4")
RIGS = ("folder", "loop", "usbip", "gadget", "qemu", "bench")
_NAME = re.compile(r"[a-z][a-z0-9-]*")
_RESERVED = {"dock", "store", "ledger", "status", "finding", "reason", "no", "one"}
_KEYS: dict[str, type] = {key: kind for key, kind in get_type_hints(Part).items() if key in Part.__slots__[1:]}
_CHOICES: dict[str, tuple[str, ...]] = {
    "filesystem": FILESYSTEMS,
    "flaw": tuple(Flaw),
    "console": MOODS,
}


class Mistake(ValueError):
    """A file that is no scenario, or words that nobody can play; its text is one line that says where and why."""


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    lines: tuple[str, ...]

    def wrong(self, line: int | None, words: str) -> Mistake:
        """``line`` None: what is wrong stands nowhere, such as a key that is missing."""
        return Mistake(f"{self.path}:{line}: {words}" if line else f"{self.path}: {words}")

    def find(self, text: str, after: int = 1) -> int | None:
        """The number of the first line, from ``after`` on, in which ``text`` stands."""
        found = (number for number, line in enumerate(self.lines, 1) if number >= after and re.search(text, line))
        return next(found, None)

    def camera(self, name: str) -> int | None:
        """The line in which a camera begins: ``camera.NAME``, or ``NAME`` below ``[camera]``."""
        return self.find(rf"camera\.{re.escape(name)}\b") or self.find(rf"^\s*{re.escape(name)}\s*=")

    def key(self, name: str, key: str) -> int | None:
        """The line of a camera's key, or of the camera."""
        start = self.camera(name)
        return self.find(rf"\b{re.escape(key)}\s*=", start or 1) or start


def find(name: str) -> Path:
    """The file of a scenario: a path, or the name of one that comes with the project. Raises Mistake."""
    given = Path(name)
    if given.suffix == ".toml" or given.is_file():
        return given
    known = CASES / f"{name}.toml"
    if not known.is_file():
        near = meant(name, [path.stem for path in all_cases()])
        raise Mistake(f"{name}: there is no such scenario{near}; `python -m hil list` shows those that are there")
    return known


def all_cases() -> tuple[Path, ...]:
    """The scenarios that come with the project, by name."""
    return tuple(sorted(CASES.glob("*.toml")))


def read(path: Path) -> Scenario:
    """The scenario in a file. Raises Mistake."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise Mistake(f"{path}: cannot be read: {why}; name a file, or a scenario of `python -m hil list`") from error
    file = _File(path, tuple(text.splitlines()))
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"at line (\d+)", str(error))
        raise file.wrong(int(at[1]) if at else len(file.lines), f"no TOML: {error}") from error
    _known_keys(file, raw)
    cameras = {name: _part(file, name, table) for name, table in _cameras(file, raw)}
    script = tuple(_lines(file, raw, "script", ACTS))
    expect = tuple(_lines(file, raw, "expect", CLAIMS))
    _agree(file, cameras, script, expect)
    rigs = _rigs(file, raw.get("rigs", list(RIGS)))
    for line in script:
        only = form_of(line, ACTS).only
        rigs = tuple(rig for rig in rigs if not only or rig in only)
    needs = _needs(cameras, script, expect)
    dock = _dock(file, raw.get("dock", {}))
    return Scenario(
        path.stem, path, raw["about"], raw["why"], cameras, dock, script, expect, needs, () if rigs == RIGS else rigs
    )


def _agree(file: _File, cameras: dict[str, Part], script: tuple[Line, ...], expect: tuple[Line, ...]) -> None:
    """What no single line can know: cameras that are not there, and cameras that cannot do what a line wants."""
    for line in (*script, *expect):
        if unknown := sorted(line.cameras() - set(cameras)):
            near = meant(unknown[0], cameras)
            said = f"no camera is called {', '.join(unknown)}{near}; there are: {', '.join(cameras)}"
            raise file.wrong(line.number, said)
    _consoles(file, cameras, script)
    films = sense.filming(script)
    for name, part in cameras.items():
        for key, words in sense.of_part(part, films=name in films):
            raise file.wrong(file.key(name, key), words)
    for number, words in sense.of_lines(cameras, (*script, *expect)):
        raise file.wrong(number, words)


def _known_keys(file: _File, raw: dict[str, Any]) -> None:
    for key in raw:
        if key not in TOP:
            said = f"key {key!r} is unknown{meant(key, TOP)}; allowed: {', '.join(TOP)}"
            raise file.wrong(file.find(rf"^\s*\[*{re.escape(key)}\b"), said)
    for key in ("about", "why", "script", "expect"):
        if not isinstance(raw.get(key), str) or not raw[key].strip():
            raise file.wrong(file.find(rf"^\s*{key}\b"), f"{key} must be a text that is not empty")
    for key in ("about", "why"):
        if "\n" in raw[key].strip():
            raise file.wrong(file.find(rf"^\s*{key}\b"), f"{key} must be one line")


def _cameras(file: _File, raw: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    table = raw.get("camera")
    if not isinstance(table, dict) or not table:
        raise file.wrong(file.find(r"^\s*\[?camera\b"), "there is no camera; write one as [camera.alice]")
    for name, keys in table.items():
        at = file.camera(name)
        if not _NAME.fullmatch(name) or name in _RESERVED:
            raise file.wrong(at, f"{name!r} is no name for a camera; allowed: small letters, digits, dashes")
        if not isinstance(keys, dict):
            raise file.wrong(at, f"camera.{name} must be a table")
        yield name, keys


def _part(file: _File, name: str, table: dict[str, Any]) -> Part:
    for key, value in table.items():
        at = file.key(name, key)
        if key not in _KEYS:
            raise file.wrong(at, f"a camera has no {key!r}{meant(key, _KEYS)}; allowed: {', '.join(_KEYS)}")
        if type(value) is not _KEYS[key] and (type(value), _KEYS[key]) != (int, float):
            raise file.wrong(at, f"{key} = {value!r} must be of type {_KEYS[key].__name__}")
        _check_value(file, at, key, value)
    if table.get("model") not in model_names():
        near = meant(str(table.get("model")), model_names())
        allowed = ", ".join(model_names())
        raise file.wrong(file.key(name, "model"), f"no model {table.get('model')!r}{near}; allowed: {allowed}")
    try:
        part = Part(**{"name": name, "serial": example_serial(name, table["model"]), **table})
        needs_of(part)
    except ValueError as error:  # a family's file is told of with a line for each mistake
        raise file.wrong(file.camera(name), "; ".join(str(error).splitlines())) from error
    return part


def _check_value(file: _File, at: int | None, key: str, value: Any) -> None:
    allowed = _CHOICES.get(key)
    if allowed and value not in allowed:
        raise file.wrong(at, f"{key} = {value!r} is unknown; allowed: {', '.join(allowed)}")
    if key == "faults":
        try:
            check_letters(value)
        except ValueError as error:
            raise file.wrong(at, str(error)) from error
    if isinstance(value, int) and not isinstance(value, bool) and key != "clock" and value < 0:
        raise file.wrong(at, f"{key} = {value} must not be negative")
    if key == "usb" and not re.fullmatch(r"[0-9a-f]{4}:[0-9a-f]{4}", value):
        raise file.wrong(at, f"usb = {value!r} must be written like 1d6b:0104")


def _lines(file: _File, raw: dict[str, Any], key: str, forms: tuple[Form, ...]) -> Iterator[Line]:
    start = file.find(rf"^\s*{key}\s*=") or 1
    for text in raw[key].splitlines():
        said = text.split("#")[0].strip() if '"' not in text else text.strip()
        if not said:
            continue
        number = start = file.find(re.escape(text.strip()), start) or start
        try:
            yield parse(said, number, forms)
        except ValueError as error:
            raise file.wrong(number, str(error)) from error


def _consoles(file: _File, cameras: dict[str, Part], script: tuple[Line, ...]) -> None:
    for line in script:
        if line.kind == "console" and not cameras[line.words["camera"]].console:
            raise file.wrong(line.number, f'{line.words["camera"]} has no console; give it one: console = "fine"')


def _rigs(file: _File, rigs: Any) -> tuple[str, ...]:
    if not isinstance(rigs, list) or not rigs or not all(rig in RIGS for rig in rigs):
        raise file.wrong(file.find(r"^\s*rigs\b"), f"rigs = {rigs!r} must be a list of: {', '.join(RIGS)}")
    return tuple(rig for rig in RIGS if rig in rigs)


def _dock(file: _File, tables: Any) -> dict[str, dict[str, Any]]:
    at = file.find(r"^\s*\[?dock\b")
    if not isinstance(tables, dict):
        raise file.wrong(at, f"dock = {tables!r} must be tables of the dock's configuration: {', '.join(DOCK_TABLES)}")
    for name, keys in tables.items():
        if name not in DOCK_TABLES or not isinstance(keys, dict):
            raise file.wrong(
                at, f"dock.{name} is no table of the dock's configuration; allowed: {', '.join(DOCK_TABLES)}"
            )
    return dict(tables)


def _needs(cameras: dict[str, Part], script: tuple[Line, ...], expect: tuple[Line, ...]) -> frozenset[Ability]:
    needed: set[Ability] = set()
    for part in cameras.values():
        needed |= needs_of(part)
    for line in script:
        needed |= set(form_of(line, ACTS).needs)
    for line in expect:
        needed |= set(form_of(line, CLAIMS).needs)
    return frozenset(needed)
