"""Signed streams for tests: the published ones as lists of NAL units, those of the emulated signer, and what a forger
does to either."""

import io
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from dockagent.core.stream.in_stream import InStream, StreamSignature
from dockagent.core.stream.look import look
from dockagent.core.stream.nal_units import videos
from hil.cameras.footage import Look
from hil.cameras.pki import Identity, Maker, Validity, make_maker
from hil.cameras.signed_video import Style, escape, film_raw, joined, sign, units
from tests.corpus import corpus

AT_MS = 1_735_000_000_000  # 24 December 2024: when the published certificate is good
NOW_MS = 1_795_000_000_000
AXIS_FILE = ("signed", "axis", "signed_test_h264.mp4")
ONVIF_FILE = ("signed", "onvif", "test_signed_h264.mp4")
FILES = {"axis": AXIS_FILE, "onvif": ONVIF_FILE}
Units = list[bytes]
LOOK = Look(seconds=3, width=160, height=120, rate=15)
_VALID = Validity(datetime(2025, 1, 1, tzinfo=UTC))


@cache
def maker() -> Maker:
    """A camera maker of these tests."""
    return make_maker("HIL", _VALID)


@cache
def identity() -> Identity:
    """One camera of it."""
    return maker().identity("M1", "BWC-0001", _VALID)


@cache
def filmed(*, h265: bool = False, slices: int = 1) -> bytes:
    """45 pictures in groups of ten, unsigned."""
    return film_raw(LOOK, 1, h265=h265, slices=slices)


def signed(
    style: Style, key: ec.EllipticCurvePrivateKey | None = None, *, h265: bool = False, slices: int = 1
) -> Units:
    """The same, signed by the emulated camera."""
    return list(units(sign(filmed(h265=h265, slices=slices), style, key or identity().key, h265=h265)))


def published(name: str) -> Units:
    """The units of a published file, as a raw stream has them: with emulation prevention bytes, which one file of the
    two leaves out where its container allows it. Its parameter sets lie in the container and are put in front."""
    data = corpus(*FILES[name]).read_bytes()
    (video,) = videos(io.BytesIO(data), len(data), raw=False)
    found = [unit.data for unit in video.units(whole=True)]
    setup = data[data.index(b"avcC") + 4 :]
    length = int.from_bytes(setup[6:8], "big")
    sps = setup[8 : 8 + length]
    pps = setup[11 + length : 11 + length + int.from_bytes(setup[9 + length : 11 + length], "big")]
    return [sps, pps, *(escape(one) if re.search(rb"\0\0[\0-\2]", one) else one for one in found)]


def roots() -> Sequence[x509.Certificate]:
    """Whom the published ONVIF file's certificate leads to."""
    return x509.load_pem_x509_certificates(corpus("signed", "onvif", "ca.pem").read_bytes())


def judged(stream: Units | bytes, believed: Sequence[x509.Certificate] = (), at_ms: int = NOW_MS) -> InStream:
    """What a stream's signatures say."""
    data = stream if isinstance(stream, bytes) else joined(stream)
    return look(io.BytesIO(data), len(data), believed, at_ms)


def only(found: InStream) -> StreamSignature:
    """The one format that it is signed in."""
    assert not found.why, found.why
    (one,) = found.signatures
    return one


def is_message(unit: bytes) -> bool:
    """Whether a unit of H.264 is a message that signs."""
    return unit[0] & 31 == 6 and (
        b"Signed Video...0" in unit[:64] or bytes.fromhex("5bc93f2d715e95ada4796f90877a6f") in unit[:64]
    )


def slices_of(stream: Units) -> list[int]:
    """The places of all slices of H.264."""
    return [at for at, unit in enumerate(stream) if unit[0] & 31 in (1, 5)]


def starts_of(stream: Units) -> list[int]:
    """The places where groups begin."""
    return [at for at, unit in enumerate(stream) if unit[0] & 31 == 5 and unit[1] & 0x80]


def messages_of(stream: Units) -> list[int]:
    """The places of the messages that sign."""
    return [at for at, unit in enumerate(stream) if is_message(unit)]


def flipped(unit: bytes, at: int = -3) -> bytes:
    """One bit of it changed, and no start code made."""
    changed = bytearray(unit)
    changed[at] ^= 0x10
    return bytes(changed)


def changed(stream: Units, at: int, how: Callable[[bytes], bytes] = flipped) -> Units:
    """With one unit altered."""
    return [*stream[:at], how(stream[at]), *stream[at + 1 :]]


def without(stream: Units, *gone: int) -> Units:
    """With some units taken out."""
    return [unit for at, unit in enumerate(stream) if at not in gone]
