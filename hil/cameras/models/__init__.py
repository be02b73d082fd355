"""Families of cameras as data: one TOML file here for each, called as the family. To add a family, add a file.

``reader``  the keys of such a file, and what can be wrong with one
``cards``   a family's card: which files with which role, and the making of them
``quirks``  what is often wrong with cards

:func:`build` puts a camera together that any rig can plug in. The files say which role each file on a card has, and
which devices share an id with the family, from the camera's side; what a dock makes of them is for tests to compare.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from hil.cameras import card
from hil.cameras.card import Shift
from hil.cameras.console import Console
from hil.cameras.manifest import Flaw
from hil.cameras.models import cards, quirks
from hil.cameras.models.reader import Device, Impostor, Model, read
from hil.cameras.pki import Identity
from hil.cameras.plate import Plate
from hil.cameras.specimen import Specimen, Talker, UsbPlate

FOLDER = Path(__file__).resolve().parent
START = datetime(2026, 11, 22, 8, 15, tzinfo=UTC)


def families() -> tuple[str, ...]:
    """The names of all families, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


@cache
def model(family: str) -> Model:
    """What is known of a family. Raises ValueError for a family that nobody knows, and for a mistake in its file."""
    if family not in families():
        raise ValueError(f"no family is called {family!r}; there are {', '.join(families())}")
    known = read((FOLDER / f"{family}.toml").read_bytes(), family)
    cards.check(known)
    return known


def plate_of(family: str, serial: str) -> Plate:
    """Who a camera of that family says it is. Raises ValueError for a serial number that the family does not give."""
    known = model(family)
    if not known.serial_fits(serial):
        raise ValueError(
            f"{serial!r} is no serial number of {family}: they are like {known.example!r} ({known.serial})"
        )
    return Plate(serial, known.plate.maker, known.plate.model, known.plate.firmware)


def shift_of(
    family: str,
    serial: str,
    *,
    clips: int = 2,
    clip_bytes: int | None = 200_000,
    start: datetime = START,
    seed: int | None = None,
) -> Shift:
    """What a camera of that family films. ``clip_bytes`` None: real video, and not noise. ``seed`` None: one that
    follows from the serial number, so that two cameras never film the same bytes."""
    from_serial = zlib.crc32(serial.encode())
    return Shift(clips, model(family).card.first, start, size=clip_bytes, seed=from_serial if seed is None else seed)


def film(family: str, root: Path, plate: Plate, shift: Shift) -> None:
    """Put a shift on the card in the folder ``root``, with the files that say who the camera is. Filming again adds to
    it. Raises what ``hil.cameras.footage`` raises."""
    if model(family).card.film == "reference":
        card.film_reference(root, plate, shift)
    else:
        cards.film(model(family), root, plate, shift)


def build(
    family: str,
    serial: str,
    root: Path,
    *,
    clips: int = 2,
    clip_bytes: int | None = 200_000,
    start: datetime = START,
    seed: int | None = None,
    shift: Shift | None = None,
    mode: str = "storage",
    identity: Identity | None = None,
    quirk: Sequence[str] = (),
    talker: Talker | None = None,
) -> Specimen:
    """A camera of that family, whose card is made in the folder ``root``, in one of its modes.

    ``clips`` to ``seed``: as for :func:`shift_of`; with ``shift`` that one is filmed instead. ``identity``: with it a
    camera of the reference family signs its card and can prove itself. ``quirk``: names of :data:`quirks.QUIRKS`, done
    to the card after signing. ``talker``: what answers the dialogue of this mode or of the one that it leads to; the
    reference console is made here, and other dialogues stand in ``notes`` (``dialogue: amba-bulk``) for a rig to make
    their function of ``hil.cameras.dialects``. Raises ValueError for a family, serial number, mode or quirk that
    nobody knows, and for a folder that is not empty.
    """
    plate, known = plate_of(family, serial), model(family)
    quirks.check(quirk)
    if root.is_dir() and any(root.iterdir()):
        raise ValueError(f"{root} is not empty")
    root.mkdir(parents=True, exist_ok=True)
    filmed = shift or shift_of(family, serial, clips=clips, clip_bytes=clip_bytes, start=start, seed=seed)
    filmed = replace(filmed, start=quirks.start(quirk, filmed.start))
    film(family, root, plate, filmed)
    if identity is not None:
        sign(known, root, identity, filmed)
    quirks.spoil(quirk, root, footage_in(family, plate, filmed))
    label = quirks.label(quirk, known.card.label.format_map(plate.as_json()))
    bare = Specimen(f"{family}-{serial}", plate, UsbPlate(0, 0), root, known.card.filesystem, label)
    return _in_mode(known, bare, mode, identity, talker)


def footage_in(family: str, plate: Plate, shift: Shift) -> tuple[str, ...]:
    """The paths of a shift's footage files, in the order in which they were filmed."""
    return tuple(path for path, file in cards.plan(model(family), plate, shift) if file.role == "footage")


def sign(
    known: Model, root: Path, identity: Identity, shift: Shift, sequence: int = 1, flaw: Flaw | None = None
) -> None:
    """Sign a card as its camera does an hour after the shift. Raises ValueError for a family that does not sign, and
    for too few clips for the flaw."""
    if known.card.film != "reference":
        raise ValueError(f"{known.family} does not sign its footage")
    created = shift.begins(shift.first + shift.clips) + timedelta(hours=1)
    card.sign(root, identity, sequence=sequence, created=created, flaw=flaw)


def impostors(family: str, root: Path) -> tuple[Specimen, ...]:
    """The devices that share an id, a label or a folder with a family and are not of it, each with its card in a folder
    of its own below ``root``."""
    return tuple(_impostor(one, root / f"{count}") for count, one in enumerate(model(family).impostor, 1))


def _impostor(one: Impostor, root: Path) -> Specimen:
    if one.card:
        serial = model(one.card).example
        made = build(one.card, serial, root, clips=1, clip_bytes=2000)
    else:
        root.mkdir(parents=True)
        made = Specimen("impostor", Plate("", "", "", ""), UsbPlate(0, 0), root)
    usb = _usb(one, made.plate)
    return replace(made, name=one.what, usb=usb, functions=one.functions, label=one.label, talker=None, notes=())


def _in_mode(known: Model, bare: Specimen, name: str, identity: Identity | None, talker: Talker | None) -> Specimen:
    mode = known.mode_called(name)
    talks = talker if mode.dialogue else None
    if mode.dialogue == "reference-console" and talker is None:
        talks = Console(bare.plate, identity)
    then = _in_mode(known, bare, mode.then, identity, talker) if mode.then else None
    notes = (f"dialogue: {mode.dialogue}",) if mode.dialogue else ()
    usb = _usb(mode, bare.plate)
    return replace(bare, usb=usb, functions=mode.functions, talker=talks, then=then, notes=notes)


def _usb(said: Device, plate: Plate) -> UsbPlate:
    vendor, product = (int(part, 16) for part in said.usb.split(":"))
    serial = said.says_serial.format_map(plate.as_json())
    maker, name, revision = said.inquiry or ("HIL", "Camera", "0100")
    return UsbPlate(vendor, product, said.device, said.manufacturer, said.product, serial, (maker, name, revision))
