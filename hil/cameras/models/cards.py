"""A family's card: which files lie on it, and what is in them. Everything follows from the plate and the shift."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from string import Formatter

from hil.cameras import card, footage
from hil.cameras.card import Shift
from hil.cameras.models.reader import File, Model
from hil.cameras.plate import Plate

PICTURE_BYTES = 512
_NO_NAME = re.compile(r'[\x00-\x1f":*?<>|\\]|[. ](/|$)')  # fatgen103, and exFAT specification, 7.7.3
LOW_SHARE = 8  # a low-resolution copy has so much less than its clip


def plan(model: Model, plate: Plate, shift: Shift, *, signed: bool = False) -> tuple[tuple[str, File], ...]:
    """The files of a card by their paths, in the order in which the camera writes them. ``signed``: those too that are
    there once it is signed. Raises ValueError for a template with a word that nobody knows."""
    return tuple(_plan(model, plate, shift, signed))


def _plan(model: Model, plate: Plate, shift: Shift, signed: bool) -> Iterator[tuple[str, File]]:
    for file in model.file:
        if file.each == "card" or (file.each == "signature" and signed):
            yield _fill(model, file.path, plate, shift, shift.first, 0), file
    for number in shift.numbers():
        for file in model.file:
            if file.each == "recording" and (shift.sidecars or file.role == "footage"):
                yield _fill(model, file.path, plate, shift, number, file.channel), file


def film(model: Model, root: Path, plate: Plate, shift: Shift) -> None:
    """Put the files of a shift into the folder ``root``. Raises what ``hil.cameras.footage`` raises, and ValueError for
    a mistake in a template."""
    for file in model.file:
        if file.each == "card":
            path = _place(root, _fill(model, file.path, plate, shift, shift.first, 0))
            _write(model, path, file, plate, shift, shift.first, None)
            _date(path, shift, shift.first, file)
    for number in shift.numbers():
        _record(model, root, plate, shift, number)


def check(model: Model) -> None:
    """Raises ValueError, a line for each mistake, for a template that cannot be filled, for two files of a card that
    have one path (the second would lie over the first), and for a name that its file system cannot hold."""
    plate = Plate(model.example, model.plate.maker, model.plate.model, model.plate.firmware)
    seen: set[str] = set()
    wrong: dict[str, str] = {}
    for path, file in plan(model, plate, Shift(clips=2, first=model.card.first), signed=True):
        at = f"{model.family}.toml: file[{model.file.index(file) + 1}].path"
        if path.casefold() in seen:  # FAT and exFAT take CLIP.MP4 and clip.mp4 for one
            said = f"{at}: {file.path!r} gives two files the path {path}; let it hold the {{number}} or {{start}}"
            wrong.setdefault(at, said)
        if model.card.filesystem != "ext4" and _NO_NAME.search(path):
            wrong[at] = (
                f'{at}: {path!r} is no path of {model.card.filesystem}; leave out : * ? " < > | \\ and final dots'
            )
        seen.add(path.casefold())
    if wrong:
        raise ValueError("\n".join(wrong.values()))


def clips(model: Model, root: Path) -> tuple[str, ...]:
    """The footage files that lie on a card now, as its family names them, in order of their paths. What a computer left
    beside a clip (``._CLIP0001.MP4``) is none."""
    if model.card.film == "reference":
        return tuple(clip.name for clip in card.clips(root))
    named = [_pattern(file.path) for file in model.file if file.role == "footage"]
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    return tuple(path for path in paths if any(one.fullmatch(path) for one in named))


def _pattern(template: str) -> re.Pattern[str]:
    """What a template of a path can become."""
    parts = Formatter().parse(template)
    return re.compile(
        "".join(re.escape(said) + (r"(?!\._)[^/]+" if field is not None else "") for said, field, _, _ in parts)
    )


def _record(model: Model, root: Path, plate: Plate, shift: Shift, number: int) -> None:
    video: Path | None = None
    for file in model.file:
        if file.each != "recording" or not (shift.sidecars or file.role == "footage"):
            continue
        path = _place(root, _fill(model, file.path, plate, shift, number, file.channel), new=True)
        _write(model, path, file, plate, shift, number, video)
        _date(path, shift, number, file)
        if file.holds == "video":
            video = path


def _place(root: Path, name: str, *, new: bool = False) -> Path:
    """Where a file goes. Raises ValueError where a recording lies already."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if new and path.exists():
        raise ValueError(f"two recordings would have the path {name}; film fewer, or give another first number")
    return path


def _write(model: Model, to: Path, file: File, plate: Plate, shift: Shift, number: int, video: Path | None) -> None:
    seed = _seed(model, shift, number, file)
    began = shift.begins(number) + timedelta(seconds=shift.look.seconds) * file.after
    if file.holds == "text":
        to.write_text(_fill(model, file.text, plate, shift, number, file.channel), newline="")
    elif file.holds == "track":
        to.write_text(footage.track(seed, began, shift.look.seconds), newline="")
    elif file.holds == "subtitles":
        to.write_text(_subtitles(seed, shift.look.seconds), newline="")
    elif shift.size is not None or file.holds == "noise":
        footage.noise(to, _noise_bytes(file, shift.size), seed)
    elif file.holds == "video":
        footage.film(to, shift.look, seed, began, shift.cache)
    elif video is None:
        raise ValueError(f"{model.family}.toml: {file.path} is made of a video, and none stands above it")
    elif file.holds == "picture":
        footage.thumbnail(video, to, shift.cache)
    else:
        footage.low_resolution(video, to, shift.cache)


def _noise_bytes(file: File, clip: int | None) -> int:
    if file.holds == "video" and clip is not None:
        return int(clip * file.share)
    if file.holds == "low" and clip is not None:
        return clip // LOW_SHARE + 1
    return PICTURE_BYTES


def _subtitles(seed: int, seconds: float) -> str:
    """Telemetry as the cameras write it: SubRip, a line for each second."""
    lines = []
    for second in range(int(seconds) + 1):
        lines += [f"{second + 1}", f"00:00:{second:02},000 --> 00:00:{second + 1:02},000"]
        lines += [f"[iso: 100] [shutter: 1/{60 + seed % 200}] [rel_alt: {second}.000]", ""]
    return "\r\n".join(lines)


def _date(path: Path, shift: Shift, number: int, file: File) -> None:
    """The time at which the camera closed the file."""
    closed = (shift.begins(number) + timedelta(seconds=shift.look.seconds) * (file.after + 1)).timestamp()
    os.utime(path, (closed, closed))


def _seed(model: Model, shift: Shift, number: int, file: File) -> int:
    """A number of its own for every file of every recording of every shift."""
    return shift.seed * 1_000_000 + number * 100 + model.file.index(file)


def _fill(model: Model, template: str, plate: Plate, shift: Shift, number: int, channel: int) -> str:
    channels = 1 + max(one.channel for one in model.file)
    words = plate.as_json() | {
        "number": number,
        "start": shift.begins(number),
        "count": (number - 1) * channels + channel + 1,
    }
    try:
        return template.format_map(words)
    except (LookupError, ValueError, AttributeError, TypeError) as error:
        known = ", ".join(words)
        raise ValueError(
            f"{model.family}.toml: {template!r:.60}: cannot be filled ({error}); words: {known}"
        ) from error
