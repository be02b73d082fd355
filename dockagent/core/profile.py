"""Firmware profiles: what is known about one family of cameras, as data. ``firmware_profiles/README.md`` is the
reference of every key; this page holds the same as types, and :func:`parse` turns a file into them.

A profile is checked to the end before it is refused, so that a technician sees every mistake at once.
"""

import re
import string
import tomllib
from collections.abc import Iterable, Iterator
from types import UnionType
from typing import Annotated, Any, Literal, cast, get_args, get_origin

import msgspec

from dockagent.errors import UsageError

Role = Literal[
    "footage", "proxy", "thumbnail", "sidecar", "photo", "camera-owned", "os-junk", "private", "other"
]  # fmt: skip
Severity = Literal["notice", "warning"]
SCHEMA = 1
IDENTITY = frozenset({"serial", "maker", "model", "firmware"})
BUILT_IN = frozenset({"dir", "stem"})  # what every template knows: the file's folder, its name without extension

_USB = re.compile(r"[0-9a-f]{4}:([0-9a-f]{4}|[0-9a-f]{0,3}\*)")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]{0,63}|")


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all parts of a profile."""


class Impostor(_Section, frozen=True):
    """What looks like this camera and is not. All of ``usb``, ``label``, ``path`` that are given must fit."""

    what: str
    usb: str = ""
    label: str = ""
    path: str = ""


class Hints(_Section, frozen=True):
    """``[match]``: what speaks for this camera but proves nothing. ``label`` and ``strings`` are regular
    expressions."""

    usb: tuple[str, ...] = ()
    strings: tuple[str, ...] = ()
    label: tuple[str, ...] = ()
    impostors: tuple[Impostor, ...] = ()


class Probe(_Section, frozen=True):
    """``[[probe]]``: something that is looked for on the card. ``identity`` are regular expressions, each to be found
    in the file's first ``max_bytes`` bytes; their named groups say who the camera is."""

    path: tuple[str, ...]
    counts: Literal["must", "either", "hint"] = "must"
    identity: tuple[str, ...] = ()
    max_bytes: Annotated[int, msgspec.Meta(ge=1, le=65536)] = 4096


class SkipRule(_Section, frozen=True):
    """``[[layout.skip]]``: files that are never pulled. ``why`` is what a person reads beside them."""

    role: Literal["os-junk", "private", "camera-owned"]
    path: str
    why: Annotated[str, msgspec.Meta(min_length=1)]


class FileRule(_Section, frozen=True):
    """``[[layout.file]]``: files that stand for themselves. ``recording``, ``key``, ``chapter``, ``counter`` and
    ``counts_in`` are templates."""

    role: Literal["footage", "photo", "other"]
    path: str
    recording: str = "{dir}/{stem}"
    key: str = "{dir}/{stem}"
    chapter: str = ""
    first_chapter: int = 1
    counter: str = ""
    counts_in: str = ""
    flagged: bool = False


class SidecarRule(_Section, frozen=True):
    """``[[sidecars]]``: files that belong to a clip: to the first one whose ``key`` equals one of the ``clip``
    templates. With ``clip = []`` it belongs to the ``recording``, or to the card where that is empty too."""

    role: Literal["sidecar", "thumbnail", "proxy"]
    path: str
    clip: tuple[str, ...] = ("{dir}/{stem}",)
    recording: str = ""


class Layout(_Section, frozen=True):
    """``[layout]``: what the files on the card are. The first rule that fits wins: skip, then sidecars, then file."""

    skip: tuple[SkipRule, ...] = ()
    file: tuple[FileRule, ...] = ()
    ignore_case: bool = True
    gaps: Severity = "notice"
    counter_wraps: Annotated[int, msgspec.Meta(ge=0)] = 0


class ManifestPlace(_Section, frozen=True):
    """``[manifest]``: where the camera's signed manifest and its certificates lie on the card."""

    kind: Literal["dsse"]
    path: str
    chain: str


class Console(_Section, frozen=True):
    """``[control]``: the line on which the camera can be asked and told. Times in milliseconds."""

    kind: Literal["none", "reference-console"] = "none"
    required: bool = False
    baud: Annotated[int, msgspec.Meta(ge=300, le=4_000_000)] = 115_200
    open_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 0
    answer_ms: Annotated[int, msgspec.Meta(ge=10, le=60_000)] = 1000
    prove_ms: Annotated[int, msgspec.Meta(ge=10, le=60_000)] = 5000
    tries: Annotated[int, msgspec.Meta(ge=1, le=20)] = 3


class CameraClock(_Section, frozen=True):
    """``[clock]``: where the camera's time comes from, whether the dock sets it, and the zone it writes times in."""

    source: Literal["none", "console"] = "none"
    set: bool = False
    zone: str = ""


class Profile(_Section, frozen=True):
    """One family of cameras. ``name`` is the file's name without ``.toml``."""

    name: str
    schema: int
    title: str
    probe: tuple[Probe, ...]
    layout: Layout
    priority: int = 0
    match: Hints = Hints()
    sidecars: tuple[SidecarRule, ...] = ()
    manifest: ManifestPlace | None = None
    control: Console = Console()
    clock: CameraClock = CameraClock()


def parse(data: bytes, name: str) -> Profile:
    """The profile in the TOML file ``data`` called ``name`` (with or without ``.toml``). Raises UsageError with one
    line for every mistake in it: which key, what is wrong, what is allowed."""
    name = name.removesuffix(".toml")
    try:
        raw = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as err:
        raise UsageError(
            f"profile {name}: not a TOML file: {err}", "write it as firmware_profiles/README.md says"
        ) from err
    mistakes = ["name: not a key; the file's name is the profile's name"] if "name" in raw else []
    profile = _build(Profile, {**raw, "name": name}, "", mistakes)
    mistakes = mistakes or list(_mistakes(cast(Profile, profile)))
    if mistakes:
        lines = "\n".join(f"profile {name}: {one}" for one in mistakes)
        raise UsageError(lines, "firmware_profiles/README.md names every key")
    return cast(Profile, profile)


def pattern(text: str, ignore_case: bool) -> re.Pattern[str]:
    """The compiled form of a layout rule's ``path``, to be matched against a whole card path."""
    return re.compile(text, re.IGNORECASE if ignore_case else 0)


def _build(kind: Any, raw: Any, at: str, mistakes: list[str]) -> Any:
    """``raw`` as a value of type ``kind``; what is wrong with it is added to ``mistakes``, each with its key."""
    if isinstance(kind, UnionType):
        kind = get_args(kind)[0]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _build_section(kind, raw, at, mistakes)
    if get_origin(kind) is tuple and isinstance(raw, list):
        inner = get_args(kind)[0]
        return tuple(_build(inner, one, f"{at}[{count}]", mistakes) for count, one in enumerate(raw, 1))
    if get_origin(kind) is Literal and raw not in get_args(kind):
        mistakes.append(f"{at}: {raw!r} is not allowed; allowed: {', '.join(get_args(kind))}")
        return None
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as err:
        mistakes.append(f"{at}: {err}")
        return None


def _build_section(kind: type[msgspec.Struct], raw: Any, at: str, mistakes: list[str]) -> Any:
    if not isinstance(raw, dict):
        mistakes.append(f"{at}: must be a table of keys, not {raw!r:.40}")
        return None
    before = len(mistakes)
    fields = {one.name: one for one in msgspec.structs.fields(kind)}
    dot = f"{at}." if at else ""
    known = ", ".join(one for one in fields if one != "name")
    mistakes.extend(f"{dot}{key}: unknown key; allowed: {known}" for key in raw if key not in fields)
    mistakes.extend(f"{dot}{key}: missing" for key, one in fields.items() if one.required and key not in raw)
    values = {key: _build(fields[key].type, value, dot + key, mistakes) for key, value in raw.items() if key in fields}
    return kind(**values) if len(mistakes) == before else None


def _mistakes(profile: Profile) -> Iterator[str]:
    """What is wrong with a profile whose keys and types are right."""
    if profile.schema != SCHEMA:
        yield f"schema: {profile.schema} is not known; this dockagent reads schema {SCHEMA}"
    if not any(one.counts != "hint" for one in profile.probe):
        yield 'probe: none counts as "must" or "either"; USB ids and labels alone never tell who a camera is'
    yield from _hint_mistakes(profile.match)
    for count, probe in enumerate(profile.probe, 1):
        yield from _probe_mistakes(probe, f"probe[{count}]")
    for count, skip in enumerate(profile.layout.skip, 1):
        yield from _rule_mistakes(f"layout.skip[{count}]", skip.path, {})
    for count, sidecar in enumerate(profile.sidecars, 1):
        templates = {f"clip[{index}]": one for index, one in enumerate(sidecar.clip, 1)}
        yield from _rule_mistakes(f"sidecars[{count}]", sidecar.path, templates | {"recording": sidecar.recording})
    for count, rule in enumerate(profile.layout.file, 1):
        templates = {key: getattr(rule, key) for key in ("recording", "key", "chapter", "counter", "counts_in")}
        yield from _rule_mistakes(f"layout.file[{count}]", rule.path, templates)
    yield from _place_mistakes(profile)


def _hint_mistakes(hints: Hints) -> Iterator[str]:
    usb = [*hints.usb, *(one.usb for one in hints.impostors if one.usb)]
    for text in usb:
        if not _USB.fullmatch(text):
            yield f"match.usb: {text!r} is not vvvv:pppp, vvvv:* or vvvv:p* in lower-case hex"
    for text in (*hints.label, *hints.strings, *(one.label for one in hints.impostors)):
        yield from _regex_mistakes("match", text)
    for count, one in enumerate(hints.impostors, 1):
        if not (one.usb or one.label or one.path):
            yield f"match.impostors[{count}]: says nothing to know it by; give usb, label or path"


def _probe_mistakes(probe: Probe, at: str) -> Iterator[str]:
    if not probe.path or not all(probe.path):
        yield f"{at}.path: is empty; give at least one path or glob"
    for text in probe.identity:
        wrong = list(_regex_mistakes(f"{at}.identity", text))
        yield from wrong
        unknown = set() if wrong else set(re.compile(text.encode()).groupindex) - IDENTITY
        if unknown:
            yield f"{at}.identity: group {_list(unknown)} is not known; allowed: {_list(IDENTITY)}"


def _rule_mistakes(at: str, path: str, templates: dict[str, str]) -> Iterator[str]:
    wrong = list(_regex_mistakes(f"{at}.path", path))
    if wrong:
        yield from wrong
        return
    known = set(re.compile(path).groupindex) | BUILT_IN
    for key, template in templates.items():
        try:
            names = set(_names(template))
        except ValueError as err:
            yield f"{at}.{key}: {template!r} is not a template: {err}; write text with {{group}} in it"
            continue
        if names - known:
            yield f"{at}.{key}: names the unknown group {_list(names - known)}; its path has: {_list(known)}"


def _place_mistakes(profile: Profile) -> Iterator[str]:
    for key in ("path", "chain"):
        where = getattr(profile.manifest, key, "ok")
        if not where or where.startswith("/") or {"", ".", ".."} & set(where.split("/")):
            yield f"manifest.{key}: {where!r} is not a path below the card's root, like MISC/manifest.dsse.json"
    if profile.clock.source == "console" and profile.control.kind == "none":
        yield "clock.source: console, but [control] names no console; give control.kind or say none"
    if profile.clock.set and profile.clock.source == "none":
        yield "clock.set: true, but clock.source is none; a clock that cannot be read first is never set"
    if not _ZONE.fullmatch(profile.clock.zone):
        yield f"clock.zone: {profile.clock.zone!r} is not a time zone name like Europe/London"


def _regex_mistakes(at: str, text: str) -> Iterator[str]:
    try:
        re.compile(text)
        re.compile(text.encode())
    except (re.error, OverflowError, RecursionError) as err:
        yield f"{at}: {text!r} is not a regular expression: {err}"


def _names(template: str) -> Iterator[str]:
    """The groups that a template names. Raises ValueError for anything but text and ``{group}``."""
    for _, name, spec, conversion in string.Formatter().parse(template):
        if spec or conversion or (name is not None and not name.isidentifier()):
            raise ValueError("only {group} is allowed in braces")
        if name is not None:
            yield name


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
