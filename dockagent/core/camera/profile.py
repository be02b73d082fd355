"""Firmware profiles: what is known about one family of cameras, as data. ``firmware_profiles/README.md`` is the
reference of every key; this page holds the same as types, and :func:`parse` turns a file into them.

A profile is checked to the end before it is refused, so that a technician sees every mistake at once.
"""

import re
import tomllib
from types import UnionType
from typing import Annotated, Any, Literal, cast, get_args, get_origin

import msgspec

from dockagent.core.camera.profile_mistakes import mistakes_of
from dockagent.errors import UsageError

Role = Literal[
    "footage", "proxy", "thumbnail", "sidecar", "photo", "camera-owned", "os-junk", "private", "other"
]  # fmt: skip
Severity = Literal["notice", "warning"]
ControlKind = Literal["none", "reference-console", "amba-bulk", "e12-tcp", "zzx-tcp"]
Words = Annotated[str, msgspec.Meta(min_length=1)]  # for people


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all parts of a profile."""


class Impostor(_Section, frozen=True):
    """``[[match.impostors]]``: what looks like this camera and is not. All of ``usb``, ``strings``, ``label``, ``path``
    that are given must fit. ``strings`` and ``label`` are regular expressions, ``path`` is a glob."""

    what: Words
    usb: str = ""
    strings: str = ""
    label: str = ""
    path: str = ""


class Recovery(_Section, frozen=True):
    """``[[match.recovery]]``: a USB id under which a camera of this family shows no card: a boot ROM, a webcam, a mode
    for apps. It is reported with ``what`` it is and ``todo``, what a person does about it; never as empty."""

    usb: str
    what: Words
    todo: Words


class Hints(_Section, frozen=True):
    """``[match]``: what speaks for this camera but proves nothing. ``label`` and ``strings`` are regular expressions.
    ``needs`` names the hints without which the profile does not fit; ``control`` is one: that the port showed one of
    ``control.usb`` before the card came. ``emptied`` names the hints that together are enough where nothing is left on
    the card that its probes could find."""

    usb: tuple[str, ...] = ()
    strings: tuple[str, ...] = ()
    label: tuple[str, ...] = ()
    needs: tuple[Literal["usb", "strings", "label", "control"], ...] = ()
    emptied: tuple[Literal["usb", "strings", "label"], ...] = ()
    impostors: tuple[Impostor, ...] = ()
    recovery: tuple[Recovery, ...] = ()


class CardIdentity(_Section, frozen=True):
    """``[identity]``: who the camera is where no file on its card says so. Regular expressions whose named groups are
    those of a probe: ``label`` must match the whole volume label, ``path`` the whole path of some file."""

    label: str = ""
    path: str = ""


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
    why: Words


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


class Request(_Section, frozen=True):
    """``[control.unprotect]``: what the camera is asked for each file before it is erased, so that it lets go of one
    that its wearer or an event protected. ``arguments`` are templates with ``path``, ``sha256`` and ``bytes`` of the
    file; ``answer``: the values that the camera's answer must have, others do not matter."""

    verb: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{1,16}\Z")]
    answer: Annotated[dict[str, str], msgspec.Meta(min_length=1)]
    arguments: tuple[str, ...] = ("{path}",)


class Console(_Section, frozen=True):
    """``[control]``: the line on which the camera can be asked and told. Times in milliseconds.

    ``usb``: the ids under which a dialogue over USB is spoken; nothing is sent to any other. ``storage``: the dialogue
    can make the camera become a disk. ``needs_password``: it does so for a password, which is the dock's secret and
    never stands in a profile. ``unprotect``: what is asked before a file is erased.
    """

    kind: ControlKind = "none"
    usb: tuple[str, ...] = ()
    storage: bool = False
    needs_password: bool = False
    required: bool = False
    baud: Annotated[int, msgspec.Meta(ge=300, le=4_000_000)] = 115_200
    open_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 0
    answer_ms: Annotated[int, msgspec.Meta(ge=10, le=60_000)] = 1000
    prove_ms: Annotated[int, msgspec.Meta(ge=10, le=60_000)] = 5000
    tries: Annotated[int, msgspec.Meta(ge=1, le=20)] = 3
    unprotect: Request | None = None


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
    layout: Layout
    probe: tuple[Probe, ...] = ()
    priority: int = 0
    match: Hints = Hints()
    identity: CardIdentity = CardIdentity()
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
    mistakes = mistakes or list(mistakes_of(cast(Profile, profile)))
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
