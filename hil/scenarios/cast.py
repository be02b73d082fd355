"""The cameras of a scenario: made before it begins, changed between two dockings."""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hil.cameras import card, models
from hil.cameras.card import Shift
from hil.cameras.console import CameraClock, Console, Faults
from hil.cameras.footage import Look
from hil.cameras.keyring import identity_in, maker_in
from hil.cameras.manifest import Flaw
from hil.cameras.models import cards, quirks
from hil.cameras.models.reader import Model
from hil.cameras.pki import Identity, Validity, expired_identity
from hil.cameras.plate import Plate
from hil.cameras.specimen import Specimen
from hil.rigs import Ability
from hil.scenarios import media
from hil.scenarios.model import Part

VALID = Validity(datetime(2020, 1, 1, tzinfo=UTC))
BEGAN = datetime(2026, 9, 1, 8, 15, tzinfo=UTC)
NOISE = b"\xff\x00AT\r[    0.41] usb: ready\r\n"
_MOODS: dict[str, dict[str, Any]] = {
    "fine": {},
    "silent": {"silent": True},
    "noise": {"noise_before": NOISE, "noise_after": b"\r\nlogin: "},
    "slow": {"byte_delay": 0.005},
    "wrong-check": {"wrong_checks": 1 << 30},
    "busy": {"busy": 2},
    "not-set": {"not_set": True},
    "impostor": {"impostor": True},
    "dead": {"hang_up_on": "ID"},
}


SIGNED, UNSIGNED = "reference-signed", "reference-unsigned"
"""The reference family, with and without a key. All other models are families of :mod:`hil.cameras.models`."""

NORMAL = "storage"
CONSOLE = "reference-console"
_OF_FUNCTION: dict[str, tuple[Ability, ...]] = {
    "mtp": ("usb", "mtp"),
    "bulk": ("usb", "mode-switch"),
    "keyboard": ("usb", "keyboard"),
}
_LEFT_OUT = ("camera-owned", "private")


def model_names() -> tuple[str, ...]:
    """What a scenario may write as a camera's model."""
    return tuple(sorted({*models.families(), UNSIGNED}))


def needs_of(part: Part) -> frozenset[Ability]:
    """What a rig must be able to do for a camera. Raises ValueError for a mode, a quirk or a console that its family
    has not."""
    known = models.model(family_of(part.model))
    _check_console(part, known)
    quirks.check(part.quirk.split())
    mode = known.mode_called(part.mode or NORMAL)
    again = known.mode_called(mode.then).functions if mode.then else ()
    words = {*mode.functions, *again, *(("keyboard",) if part.keyboard else ())}
    needs: set[Ability] = {need for word in words for need in _OF_FUNCTION.get(word, ())}
    return part.needs | needs


def _check_console(part: Part, known: Model) -> None:
    """A console is the reference camera's dialogue on a serial line. Raises ValueError for a mode that lacks either."""
    mode = known.mode_called(part.mode or NORMAL)
    able = [mode, *([known.mode_called(mode.then)] if mode.then else [])]
    if not part.console or any("acm" in one.functions and one.dialogue == CONSOLE for one in able):
        return
    lacking = [] if any("acm" in one.functions for one in able) else ['the function "acm"']
    lacking += [] if any(one.dialogue == CONSOLE for one in able) else [f'dialogue = "{CONSOLE}"']
    raise ValueError(f"{part.model} has no console: its mode {mode.name} lacks {' and '.join(lacking)}")


def example_serial(name: str, model: str) -> str:
    """A serial number for a camera whose scenario gives none."""
    if model in (SIGNED, UNSIGNED):
        return f"BWC-{zlib.crc32(name.encode()) % 9000 + 1000}"
    return models.model(model).example


def family_of(model: str) -> str:
    """The family of a camera whose model a scenario names."""
    return SIGNED if model == UNSIGNED else model


@dataclass(slots=True)
class Member:
    """One camera of the cast, with what can be changed about it while it is in no bay.

    ``now``: path on the card to the digest of the file there, as it was plugged in last; ``truth``: to all digests that
    the file there has had; ``due``: the paths of which its family says that they are no camera's own. A medium that is
    given as an image has none of them. ``made``: not a real
    camera; ``touched``: its owner changed the card since it was in a bay last.
    """

    part: Part
    specimen: Specimen
    console: Console | None
    identity: Identity | None
    now: dict[str, str] = field(default_factory=dict)
    truth: dict[str, set[str]] = field(default_factory=dict)
    due: set[str] = field(default_factory=set)
    sequence: int = 1
    films: int = 0
    touched: bool = False
    made: bool = True

    @property
    def known(self) -> bool:
        """Whether we know its files: not those of a real camera, or of a medium that somebody else made."""
        return self.made and self.specimen.image is None

    @property
    def signs(self) -> bool:
        """Whether it signs its card."""
        return self.identity is not None and self.part.model == SIGNED

    def film(self, count: int, flaw: str = "") -> None:
        """Film so many clips more, and sign; with a flaw of the manifest, if one is named."""
        family, shift = family_of(self.part.model), _shift(self.part, count, self.films)
        models.film(family, self.specimen.card, self.specimen.plate, shift)
        if self.part.sparse:
            self.blow_up()
        self.plan(shift)
        self.films += count
        self.sign(flaw)

    def blow_up(self) -> None:
        """Make every clip as long as it should be, with zeros that take no room; its time is kept."""
        for name in self.clips(self.specimen.card):
            path = self.specimen.card / name
            times = path.stat()
            os.truncate(path, self.part.clip_kib * 1024)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def plan(self, shift: Shift) -> None:
        """Note what the family says must be pulled of a shift."""
        known = models.model(family_of(self.part.model))
        planned = cards.plan(known, self.specimen.plate, shift)
        self.due |= {path for path, file in planned if file.role not in _LEFT_OUT}

    def sign(self, flaw: str = "") -> None:
        """Sign what is on the card, if it is a camera that signs."""
        if self.signs and self.identity is not None:
            self.sequence += 1
            created = _shift(self.part, 1, self.films + 1).start
            chosen = Flaw(flaw) if flaw else None
            card.sign(self.specimen.card, self.identity, sequence=self.sequence, created=created, flaw=chosen)

    def alter(self, number: int) -> None:
        """Flip a bit in the middle of a clip, size and times kept."""
        name = self._clip(number)
        card.alter(self.specimen.card, name, (self.specimen.card / name).stat().st_size // 2)

    def remove(self, number: int) -> None:
        """Delete a clip and its sidecars."""
        card.remove(self.specimen.card, self._clip(number))

    def mood(self, name: str) -> None:
        """What is wrong with its console from now on. Raises ValueError for a camera that has none."""
        if self.console is None:
            raise ValueError(f"{self.part.name} has no console")
        self.console.faults = Faults(**_MOODS[name])

    def clips(self, root: Path) -> tuple[str, ...]:
        """The footage files that lie in ``root``, its card or a copy of it, in order of their paths."""
        return cards.clips(models.model(family_of(self.part.model)), root)

    def _clip(self, number: int) -> str:
        names = self.clips(self.specimen.card)
        if not 1 <= number <= len(names):
            raise ValueError(f"{self.part.name} has {len(names)} clips, no clip {number}")
        return names[number - 1]


def make(part: Part, home: Path, keys: Path, corpus: Path | None) -> Member:
    """Make one camera: its card in the folder ``home``, its keys in ``keys``. Raises FileNotFoundError for a medium of
    the corpus that is not there, ValueError for what its family cannot be."""
    family = family_of(part.model)
    _check_console(part, models.model(family))
    plate = models.plate_of(family, part.serial)
    identity = _identity(part, plate, keys) if part.model == SIGNED else None
    console = Console(plate, identity, clock=CameraClock(part.clock)) if part.console else None
    quirk, shift = part.quirk.split(), _shift(part, part.clips, 0)
    built = models.build(family, part.serial, home, shift=shift, mode=part.mode or NORMAL, quirk=quirk, talker=console)
    if any(file.path.startswith("DCIM/") for file in models.model(family).file):
        (home / "DCIM").mkdir(exist_ok=True)  # a camera makes it before it has filmed anything
    member = Member(part, _as_written(part, built, console, corpus), console, identity, films=part.clips)
    if part.sparse:
        member.blow_up()
    member.plan(shift)
    member.sign(part.flaw)
    if part.altered:
        member.alter(part.altered)
    if console is not None:
        member.mood(part.console)
    return member


def swap(one: Member, other: Member) -> None:
    """Exchange the cards of two cameras that are in no bay."""
    first, second = one.specimen.card, other.specimen.card
    aside = first.with_name(f"{first.name}.aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)


def grow(clip: Path, kib: int) -> None:
    """Make a file longer, as a camera does that still records. Its time moves on."""
    with clip.open("ab") as file:
        file.write(os.urandom(kib * 1024))


def _as_written(part: Part, built: Specimen, console: Console | None, corpus: Path | None) -> Specimen:
    """The family's camera under its name in the scenario, with what the scenario says otherwise."""
    functions = tuple(word for word in built.functions if word != "acm" or console is not None)
    functions += ("keyboard",) if part.keyboard else ()
    usb = built.usb
    if part.usb:
        vendor, product = (int(word, 16) for word in part.usb.split(":"))
        usb = replace(usb, vendor=vendor, product=product)
    return replace(
        built,
        name=part.name,
        usb=usb,
        functions=functions,
        talker=built.talker if console is not None or "bulk" in functions else None,
        filesystem=part.filesystem or built.filesystem,
        label=part.label or built.label,
        image=_medium(part.image, corpus, built.card.with_name(f"{part.name}.img")) if part.image else None,
        locked=part.locked,
    )


def _medium(name: str, corpus: Path | None, to: Path) -> Path:
    found = corpus / name if corpus else None
    if found is None or not found.is_file():
        raise FileNotFoundError(f"the medium {name} is not there: set DOCKAGENT_CORPUS to the folder of the corpus")
    media.unpack(found, to)
    return to


def _identity(part: Part, plate: Plate, keys: Path) -> Identity:
    maker = maker_in(keys, "Reference", VALID)
    if part.expired:
        return expired_identity(maker, plate.model, plate.serial, datetime(2025, 1, 1, tzinfo=UTC))
    return identity_in(keys, maker, plate, VALID)


def _shift(part: Part, clips: int, filmed: int) -> Shift:
    """A shift after so many clips that were filmed before."""
    size = None if part.video else 4096 if part.sparse else part.clip_kib * 1024
    first = models.model(family_of(part.model)).card.first + filmed
    # Two cameras must never film the same bytes, whatever their serials.
    seed = zlib.crc32(part.name.encode()) % 9973
    return Shift(clips, first, BEGAN + card.GAP * filmed, Look(seconds=1), size, seed, sidecars=part.sidecars)


def corpus_folder(environment: Mapping[str, str]) -> Path | None:
    """Where the shared test corpus lies: ``DOCKAGENT_CORPUS``, else beside the checkout; None where it is not."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "corpus"
    folder = Path(environment.get("DOCKAGENT_CORPUS", beside))
    return folder if folder.is_dir() else None
