"""The cameras of the demonstration: who they are, what they have filmed, and what is wrong with each."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hil.cameras import card
from hil.cameras.camera import ReferenceCamera
from hil.cameras.card import Shift
from hil.cameras.console import CameraClock, Console
from hil.cameras.footage import Look
from hil.cameras.keyring import identity_in, maker_in
from hil.cameras.pki import Identity, Maker, Validity
from hil.cameras.plate import Plate
from hil.demo.place import Place

BEHIND = 47.0
"""Seconds by which the first camera's clock is behind."""
LONG_CLIP = 160 << 20
"""Bytes of the clip that is interrupted."""
SHIFT_BEGAN = timedelta(hours=8)
_VALID = Validity(datetime(2020, 1, 1, tzinfo=UTC))
_LOOK = Look(seconds=4, width=320, height=180)


@dataclass(frozen=True, slots=True)
class Actor:
    """A camera with its serial, and what a person is told of it before it comes."""

    serial: str
    about: str
    camera: ReferenceCamera

    @property
    def second(self) -> str:
        """The path of its second clip, on its card."""
        return card.clips(self.camera.card)[1].name

    @property
    def console(self) -> Console:
        """Its console. Raises ValueError for a camera that has none."""
        if self.camera.console is None:
            raise ValueError(f"{self.serial} has no console")
        return self.camera.console


@dataclass(frozen=True, slots=True)
class Studio:
    """Makes cameras for one place: their maker, the folders, and when their shift began."""

    place: Place
    maker: Maker
    began: datetime

    def good(self) -> Actor:
        """Signs, has a console, and a clock that is behind."""
        plate = Plate("BWC-0101")
        identity = self._film_signed(plate, 3)
        console = Console(plate, identity, clock=CameraClock(-BEHIND))
        return self._actor("bay01", plate, f"signs its clips; its clock is {BEHIND:.0f} s behind", console)

    def altered(self) -> Actor:
        """Signed, then a bit of its second clip was flipped."""
        plate = Plate("BWC-0102")
        identity = self._film_signed(plate, 3)
        home = self._card(plate)
        card.alter(home, card.clips(home)[1].name, -2000)
        return self._actor("bay02", plate, "signs too, but one bit was flipped afterwards", Console(plate, identity))

    def hasty(self) -> Actor:
        """Its second clip is long, and it will be pulled out in the middle of it."""
        plate = Plate("BWC-0103")
        identity = self._film_signed(plate, 2, LONG_CLIP)
        about = f"one clip of {LONG_CLIP >> 20} MiB; pulled out half-way"
        return self._actor("bay03", plate, about, Console(plate, identity))

    def unsigned(self) -> Actor:
        """A camera of the same make that signs nothing and has no console."""
        plate = Plate("BWC-0104")
        card.film_reference(self._card(plate), plate, self._shift(plate, 2))
        return self._actor("bay04", plate, "signs nothing, has no console")

    def gopro(self) -> Actor:
        """A GoPro: a recording in two chapters, each with a thumbnail and a low-resolution copy."""
        plate = Plate("C3441-22", "GoPro", "HERO10 Black", "H21.01.01.62.00")
        card.film_gopro(self._card(plate), plate, self._shift(plate, 1))
        return self._actor("bay05", plate, "a GoPro: one recording in two chapters")

    def lengthen(self, actor: Actor, size: int) -> None:
        """Film one long clip more on a signing camera that is in no bay, and have it sign again."""
        plate = Plate(actor.serial)
        number = len(card.clips(actor.camera.home)) + 1
        self._film_signed(plate, number, size, first=number)

    def _film_signed(self, plate: Plate, last: int, long_clip: int = 0, first: int = 1) -> Identity:
        """Film clips `first` to `last`, the last one at least `long_clip` bytes, and sign what is on the card."""
        home, shift = self._card(plate), self._shift(plate, last, first)
        card.film_reference(home, plate, shift)
        if long_clip:
            pad(home / card.clips(home)[-1].name, long_clip)
        identity = identity_in(self.place.maker, self.maker, plate, _VALID)
        card.sign(home, identity, sequence=last, created=shift.begins(last + 1))
        return identity

    def _shift(self, plate: Plate, last: int, first: int = 1) -> Shift:
        start = self.began + card.GAP * (first - 1)
        # Two cameras must never film the same bytes.
        return Shift(last - first + 1, first, start, _LOOK, seed=zlib.crc32(plate.serial.encode()) % 997)

    def _card(self, plate: Plate) -> Path:
        return self.place.cards / plate.serial

    def _actor(self, bay: str, plate: Plate, about: str, console: Console | None = None) -> Actor:
        return Actor(plate.serial, about, ReferenceCamera(self._card(plate), self.place.bays, bay, console))


def studio(place: Place) -> Studio:
    """A maker with new keys in the place, and a shift that began some hours ago."""
    began = (datetime.now(UTC) - SHIFT_BEGAN).replace(microsecond=0)
    return Studio(place, maker_in(place.maker, "Reference", _VALID), began)


def film_all(made: Studio) -> Iterator[Actor]:
    """The five cameras in order, each given once it is filmed."""
    for film in (made.good, made.altered, made.hasty, made.unsigned, made.gopro):
        yield film()


def pad(clip: Path, size: int) -> None:
    """Make an MP4 `size` bytes long with a box that every player skips (ISO/IEC 14496-12, 8.1.2 `free`), times kept.

    What is in the box is random, so that no file system can cheat. Raises ValueError for a clip that is longer.
    """
    facts = clip.stat()
    room = size - facts.st_size
    if room < 8 or room >= 1 << 32:
        raise ValueError(f"{clip} cannot be made {size} bytes long")
    with clip.open("ab") as file:
        file.write(room.to_bytes(4, "big") + b"free")
        left = room - 8
        while left:
            left -= file.write(os.urandom(min(left, 1 << 20)))
    os.utime(clip, ns=(facts.st_atime_ns, facts.st_mtime_ns))
