"""One family's file, read and checked. All mistakes are said at once, each with its key.

===========  ==========================================================================================================
key          meaning
===========  ==========================================================================================================
title        one line for people
serial       regular expression of its serial numbers; ``example`` is one of them
plate        ``maker``, ``model``, ``firmware``: what the camera says of itself
mode         its identities over USB; ``storage``, or the first, is what it normally is
card         file system, label and how it counts
file         what lies on its card
fault        what often goes wrong with this family
impostor     other devices that have something of it
===========  ==========================================================================================================
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, get_args, get_origin, get_type_hints

from hil.cameras import console, label
from hil.cameras.dialects import amba, e12, zzx
from hil.cameras.models import quirks
from hil.cameras.plate import Plate
from hil.rigs.faults import LETTERS

ROLES = ("footage", "proxy", "thumbnail", "sidecar", "photo", "camera-owned", "private", "other")
FUNCTIONS = ("storage", "acm", "mtp", "bulk", "keyboard")
FILE_SYSTEMS = ("vfat", "exfat", "ext4")
DIALOGUES: dict[str, Any] = {
    "reference-console": console.Faults,
    "amba-bulk": amba.Faults,
    "e12-tcp": e12.Faults,
    "zzx-tcp": zzx.Faults,
}
"""Each dialogue by its name, with what can be wrong with it."""
HOLDS = ("video", "picture", "low", "track", "subtitles", "noise", "text")
EACH = ("recording", "card", "signature")
_ID = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}")


@dataclass(frozen=True, slots=True)
class PlateWords:
    """``[plate]``: what the camera says of itself, besides its serial number."""

    maker: str = ""
    model: str = ""
    firmware: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What a device says of itself on a port. ``usb``: vvvv:pppp; ``device``: bcdDevice; ``says_serial``: template of
    iSerialNumber."""

    usb: str
    functions: tuple[str, ...]
    device: int = 0x0100
    manufacturer: str = ""
    product: str = ""
    says_serial: str = ""
    inquiry: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode(Device):
    """``[[mode]]``: one of its identities on a port.

    ``dialogue``: what it speaks on ``acm`` or ``bulk``. ``then``: the mode that the dialogue switches it to. A mode
    that shows nothing that a dock could use (a boot ROM, a webcam) has the function ``bulk`` and no dialogue.
    """

    name: str
    dialogue: str = ""
    then: str = ""


@dataclass(frozen=True, slots=True)
class CardWords:
    """``[card]``: ``label`` is a template of the plate's words; ``first`` the first recording's number. ``film``:
    ``files`` as they are listed here, or ``reference`` (``hil.cameras.card.film_reference``)."""

    filesystem: str = "vfat"
    label: str = ""
    first: int = 1
    film: str = "files"


@dataclass(frozen=True, slots=True)
class File:
    """``[[file]]``: a file that lies there once for each recording, once for the card, or once it is signed (``each``).

    ``path`` and ``text`` are templates: the plate's words; ``{number}`` of the recording; ``{start}``, when it began
    (``{start:%Y%m%d}``); ``{count}``, the number of the file where every ``channel`` (from 0) counts on. ``holds``:
    what is in it; ``picture`` and ``low`` are of the video above them. ``share``: its size when clips are noise, as a
    part of a clip's. ``after``: how many lengths of a clip it begins after its recording (chapters).
    """

    path: str
    role: str
    holds: str = "noise"
    each: str = "recording"
    text: str = ""
    share: float = 1.0
    channel: int = 0
    after: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """``[[fault]]``: a script of ``hil.rigs.faults``, or a ``quirk`` of its cards, or a field of its dialogue's faults
    (``talk``), and why it is listed."""

    why: str
    script: str = ""
    quirk: str = ""
    talk: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Impostor(Device):
    """``[[impostor]]``: a device that is not of this family. ``card``: the family whose files are on it, or empty."""

    what: str
    card: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    """A family of cameras. ``family``: the file's name without ``.toml``."""

    family: str
    title: str
    serial: str
    example: str
    mode: tuple[Mode, ...]
    card: CardWords
    file: tuple[File, ...]
    plate: PlateWords = PlateWords()
    fault: tuple[Fault, ...] = ()
    impostor: tuple[Impostor, ...] = ()

    def mode_called(self, name: str) -> Mode:
        """One of its modes. Raises ValueError for one that it has not."""
        for mode in self.mode:
            if mode.name == name:
                return mode
        raise ValueError(f"{self.family} has no mode {name!r}; it has {', '.join(mode.name for mode in self.mode)}")

    def serial_fits(self, serial: str) -> bool:
        """Whether the maker could have given this number."""
        return re.fullmatch(self.serial, serial) is not None


def read(data: bytes, family: str) -> Model:
    """The family in a TOML file. Raises ValueError with a line for each mistake."""
    try:
        raw = tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{family}.toml: not a TOML file: {error}") from error
    wrong: list[str] = ["family: not a key; the file's name is the family"] if "family" in raw else []
    found = _value(Model, {**raw, "family": family}, "", wrong)
    if isinstance(found, Model) and not wrong:
        wrong.extend(_mistakes(found))
    if wrong or not isinstance(found, Model):
        raise ValueError("\n".join(f"{family}.toml: {line}" for line in wrong))
    return found


def _value(kind: Any, raw: Any, at: str, wrong: list[str]) -> Any:
    """``raw`` as a ``kind``, or None with a line added to ``wrong``."""
    if hasattr(kind, "__dataclass_fields__"):
        return _table(kind, raw, at, wrong)
    if get_origin(kind) is tuple:
        if isinstance(raw, list):
            return tuple(_value(get_args(kind)[0], one, f"{at}[{n}]", wrong) for n, one in enumerate(raw, 1))
        wrong.append(f"{at}: must be a list, not {raw!r:.40}")
        return None
    fits = isinstance(raw, int | float if kind is float else kind) and not (isinstance(raw, bool) and kind is not bool)
    if not fits:
        wrong.append(f"{at}: must be {kind.__name__}, not {raw!r:.40}")
    return raw


def _table(kind: Any, raw: Any, at: str, wrong: list[str]) -> Any:
    if not isinstance(raw, Mapping):
        wrong.append(f"{at}: must be a table of keys, not {raw!r:.40}")
        return None
    dot = f"{at}." if at else ""
    types = get_type_hints(kind)
    known = {one.name: one.default is MISSING for one in fields(kind)}
    before = len(wrong)
    wrong.extend(f"{dot}{key}: unknown key; there are {', '.join(known)}" for key in raw if key not in known)
    wrong.extend(f"{dot}{key}: missing" for key, needed in known.items() if needed and key not in raw)
    values = {key: _value(types[key], one, dot + key, wrong) for key, one in raw.items() if key in known}
    return kind(**values) if len(wrong) == before else None


def _mistakes(model: Model) -> Iterator[str]:
    try:
        if not model.serial_fits(model.example):
            yield f"example: {model.example!r} does not fit serial, {model.serial!r}"
    except re.error as error:
        yield f"serial: {model.serial!r} is not a regular expression: {error}"
    names = [mode.name for mode in model.mode]
    if "storage" not in names and "mtp" not in names:
        yield "mode: none is called storage or mtp; a camera whose files nobody can read needs no dock"
    for count, mode in enumerate(model.mode, 1):
        yield from _device_mistakes(f"mode[{count}]", mode)
        yield from _template_mistakes(f"mode[{count}].says_serial", mode.says_serial, model)
        yield from _dialogue_mistakes(f"mode[{count}]", mode)
        if mode.then and (mode.then not in names or not mode.dialogue):
            yield f"mode[{count}].then: {mode.then!r}: needs a dialogue here, and a mode of that name"
    for count, one in enumerate(model.impostor, 1):
        yield from _device_mistakes(f"impostor[{count}]", one)
        yield from _template_mistakes(f"impostor[{count}].says_serial", one.says_serial, model)
    yield from _card_mistakes(model)
    yield from _one_of("card.film", model.card.film, ("files", "reference"))
    for count, file in enumerate(model.file, 1):
        yield from _file_mistakes(f"file[{count}]", file)
    spoken = [DIALOGUES[mode.dialogue] for mode in model.mode if mode.dialogue in DIALOGUES]
    talks = tuple(one.name for faults in spoken for one in fields(faults))
    for count, fault in enumerate(model.fault, 1):
        yield from _fault_mistakes(f"fault[{count}]", fault, talks)


def _device_mistakes(at: str, device: Device) -> Iterator[str]:
    if not _ID.fullmatch(device.usb):
        yield f"{at}.usb: {device.usb!r} is not vvvv:pppp in lower-case hex"
    if not device.functions:
        yield f"{at}.functions: is empty; a device does something: {', '.join(FUNCTIONS)}"
    for function in device.functions:
        yield from _one_of(f"{at}.functions", function, FUNCTIONS)
    if (
        device.inquiry
        and [len(one) > most for one, most in zip(device.inquiry, (8, 16, 4), strict=False)] != [False] * 3
    ):
        yield f"{at}.inquiry: must be three texts of at most 8, 16 and 4 characters (SPC-4, 6.6.2)"


def _template_mistakes(at: str, template: str, model: Model) -> Iterator[str]:
    """What keeps a template from being filled with the plate's words."""
    words = _words(model)
    try:
        template.format_map(words)
    except (LookupError, ValueError, AttributeError, TypeError) as error:
        yield f"{at}: {template!r:.60} cannot be filled ({error}); words: {', '.join(words)}"


def _words(model: Model) -> dict[str, str]:
    plate = model.plate
    return Plate(model.example, plate.maker, plate.model, plate.firmware).as_json()


def _card_mistakes(model: Model) -> Iterator[str]:
    card = model.card
    yield from _one_of("card.filesystem", card.filesystem, FILE_SYSTEMS)
    wrong = list(_template_mistakes("card.label", card.label, model))
    yield from wrong
    if not wrong and card.filesystem in FILE_SYSTEMS:
        filled = card.label.format_map(_words(model))
        yield from (f"card.label: {why}" for why in filter(None, [label.trouble(filled, card.filesystem)]))
    if card.first < 0:
        yield f"card.first: {card.first} is no number of a recording; write 0 or more"


def _dialogue_mistakes(at: str, mode: Mode) -> Iterator[str]:
    """A boot ROM has ``bulk`` and says nothing; a serial line on which nothing answers is none."""
    yield from _one_of(f"{at}.dialogue", mode.dialogue, ("", *DIALOGUES))
    if "acm" in mode.functions and not mode.dialogue:
        yield f"{at}.functions: acm needs a dialogue that is spoken there; there are {', '.join(DIALOGUES)}"
    if mode.dialogue and not {"acm", "bulk"} & set(mode.functions):
        yield f"{at}.dialogue: {mode.dialogue!r} needs a function to speak on: acm or bulk"


def _file_mistakes(at: str, file: File) -> Iterator[str]:
    yield from _one_of(f"{at}.role", file.role, ROLES)
    yield from _one_of(f"{at}.holds", file.holds, HOLDS)
    yield from _one_of(f"{at}.each", file.each, EACH)
    if (file.holds == "text") != bool(file.text):
        yield f'{at}.text: goes with holds = "text", and with nothing else'
    if not 0 < file.share <= 1:
        yield f"{at}.share: {file.share:g} is no part of a clip; write more than 0 and at most 1"
    if file.channel < 0 or file.after < 0:
        yield f"{at}: channel and after count from 0; {min(file.channel, file.after)} is less"
    if file.path.startswith("/") or ".." in file.path.split("/"):
        yield f"{at}.path: {file.path!r} does not lie on the card"


def _fault_mistakes(at: str, fault: Fault, talks: tuple[str, ...]) -> Iterator[str]:
    if [bool(fault.script), bool(fault.quirk), bool(fault.talk)].count(True) != 1:
        yield f"{at}: give script, quirk or talk, one of them"
    unknown = sorted(set(fault.script) - set(LETTERS))
    if unknown:
        yield f"{at}.script: no fault is called {', '.join(unknown)}; there are {''.join(LETTERS)}"
    if fault.quirk:
        yield from _one_of(f"{at}.quirk", fault.quirk, tuple(quirks.QUIRKS))
    if fault.talk:
        yield from _one_of(f"{at}.talk", fault.talk, talks)


def _one_of(at: str, value: str, allowed: tuple[str, ...]) -> Iterator[str]:
    if value not in allowed:
        yield f"{at}: {value!r} is not known; there are {', '.join(filter(None, allowed))}"
