"""A camera that signs its video in the stream: Axis Signed Video and ONVIF Media Signing, written from their texts.

A codec of our own: nothing here knows how anybody verifies. `sign` puts the messages into a raw H.264 or H.265 stream
(annex B); `film_signed` films, signs and makes the MP4. What a signer may choose is in `Style`.
"""

from __future__ import annotations

import hashlib
import re
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hil.cameras.footage import Look

Maker = Literal["axis", "onvif"]
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
UUID = {"axis": b"Signed Video...0", "onvif": bytes.fromhex("005bc93f2d715e95ada4796f90877a6f")}
_OIDS = {"sha256": 1, "sha384": 2, "sha512": 3}
_DIGESTS: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_EPOCH_1601_S = 11_644_473_600


@dataclass(frozen=True, slots=True)
class Style:
    """How a camera signs. `part`: slices after which a part of a group is signed, 0 for whole groups. `late`: pictures
    by which a message comes late. `listed`: whether it tells the hash of every slice. `keys_every`: in which messages
    the key is. `sign_every`: groups that share one signature (ONVIF). `keys_apart`: the key comes once, in a message of
    its own. `escaped`: emulation prevention comes before the signature. `chain`: PEM certificates of the key."""

    maker: Maker
    hash: str = "sha256"
    part: int = 0
    late: int = 0
    listed: bool = True
    keys_every: int = 1
    sign_every: int = 1
    keys_apart: bool = False
    escaped: bool = False
    chain: bytes = b""
    began: datetime = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


def sign(stream: bytes, style: Style, key: PrivateKey, *, h265: bool = False) -> bytes:
    """The raw stream with its messages."""
    pen = _Pen(style, key, h265=h265)
    for unit in units(stream):
        pen.take(unit)
    return pen.finish()


def film_signed(
    to: Path, look: Look, seed: int, style: Style, key: PrivateKey, *, h265: bool = False, gop: int = 10
) -> None:
    """Write an MP4 of signed video. Raises RuntimeError when ffmpeg fails."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / ("v.h265" if h265 else "v.h264")
        raw.write_bytes(sign(film_raw(look, seed, h265=h265, gop=gop), style, key, h265=h265))
        wrap(raw, to, look.rate)


def film_raw(look: Look, seed: int, *, h265: bool = False, gop: int = 10, slices: int = 1) -> bytes:
    """A raw stream without B pictures, a new group every `gop` pictures, each picture in so many slices."""
    picture = f"testsrc2=s={look.width}x{look.height}:r={look.rate}:d={look.seconds}"
    picture += f",hue=h={seed * 47 % 360},noise=alls=6:allf=t:all_seed={seed % 2**31}"
    if h265:
        codec = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params"]
        codec += [
            f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes=0:open-gop=0:log-level=none:pools=1:frame-threads=1"
        ]
    else:
        codec = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "32", "-x264-params"]
        codec += [f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes=0:slices={slices}"]
    command = [
        "-f",
        "lavfi",
        "-i",
        picture,
        *codec,
        "-pix_fmt",
        "yuv420p",
        "-threads",
        "1",
        "-f",
        "hevc" if h265 else "h264",
    ]
    return _ffmpeg([*command, "pipe:1"])


def wrap(raw: Path, to: Path, rate: int, *flags: str) -> None:
    """Put a raw stream into an MP4, unit by unit as it is."""
    _ffmpeg(["-r", str(rate), "-i", f"file:{raw}", "-c", "copy", *flags, "-f", "mp4", f"file:{to}"])


def units(stream: bytes) -> Iterator[bytes]:
    """The NAL units between start codes."""
    starts = [found.end() for found in re.finditer(b"\0\0\1", stream)]
    for first, following in zip(starts, [*starts[1:], len(stream) + 3], strict=True):
        yield stream[first : following - 3].rstrip(b"\0")


def joined(parts: list[bytes]) -> bytes:
    """A raw stream of these units."""
    return b"".join(b"\0\0\0\1" + one for one in parts)


def escape(plain: bytes) -> bytes:
    """With emulation prevention bytes."""
    out = bytearray()
    for byte in plain:
        if byte <= 3 and out[-2:] == b"\0\0":
            out.append(3)
        out.append(byte)
    return bytes(out)


@dataclass
class _Pen:
    style: Style
    key: PrivateKey
    h265: bool
    out: list[bytes] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    waiting: list[tuple[int, bytes, bytes]] = field(default_factory=list)  # from which picture on; unit; its own hash
    anchor: bytes = b""
    linked: bytes = b""
    counter: int = 0
    picture: int = -1

    def digest(self, data: bytes) -> bytes:
        return hashlib.new(self.style.hash, data).digest()

    def kind(self, unit: bytes) -> str:
        """I for the first slice of a group, i and P for others, empty for what is no picture."""
        number = unit[0] >> 1 & 63 if self.h265 else unit[0] & 31
        is_i = 16 <= number <= 21 if self.h265 else number == 5
        is_p = number in (0, 1) if self.h265 else number == 1
        return ("I" if self._leads(unit) else "i") if is_i else ("P" if is_p else "")

    def _leads(self, unit: bytes) -> bool:
        return bool(unit[2 if self.h265 else 1] & 0x80)

    def take(self, unit: bytes) -> None:
        kind = self.kind(unit)
        if not kind:
            self.out.append(unit)
            return
        if self._leads(unit):
            self.picture += 1
            if self.style.keys_apart and not self.picture:
                self.out.append(self._message(b"", signed=True, keys=True, once=True)[0])
            full = self.style.part and len(self.hashes) >= self.style.part
            if self.hashes and (kind == "I" or full):
                self._close(partial=kind != "I")
            self._put_due()
        own = self.digest(unit)
        if kind == "I":
            self.anchor = own
        self.hashes.append(own if kind == "I" else self.digest(self.anchor + own))
        self.out.append(unit)

    def finish(self) -> bytes:
        """The last group is signed at the end, whatever is left of it."""
        if self.hashes:
            self._close(partial=False, last=True)
        self.picture += self.style.late
        self._put_due()
        return joined(self.out)

    def _put_due(self) -> None:
        due = [one for one in self.waiting if one[0] <= self.picture]
        self.waiting = [one for one in self.waiting if one[0] > self.picture]
        for _, message, own in due:
            self.hashes += [own] if own else []  # the message that is signed later speaks of this one too
            self.out.append(message)

    def _close(self, *, partial: bool, last: bool = False) -> None:
        self.counter += 1
        signed = last or self.counter % self.style.sign_every == 0
        keys = not self.style.keys_apart and (self.counter - 1) % self.style.keys_every == 0
        size = hashlib.new(self.style.hash).digest_size
        body = self._general(partial, self.linked or bytes(size)) + self._list()
        self.linked, self.hashes = self.hashes[0], []
        self.waiting.append((self.picture + self.style.late, *self._message(body, signed=signed, keys=keys)))

    def _general(self, partial: bool, linked: bytes) -> bytes:
        whole, count, now = (
            self.digest(b"".join(self.hashes)),
            len(self.hashes),
            self.style.began.timestamp() + self.counter,
        )
        if self.style.maker == "axis":
            flags = 1 | (2 if partial else 0)
            value = (
                struct.pack(">BIH3BBq", 3, self.counter, count, 9, 9, 9, flags, int(now * 1_000_000)) + linked + whole
            )
            return bytes((1, len(value))) + value
        ticks = int((now + _EPOCH_1601_S) * 10_000_000)
        return _field(
            1, struct.pack(">B3BBqqIH", 2, 9, 9, 9, partial, ticks, ticks, self.counter, count) + whole + linked
        )

    def _list(self) -> bytes:
        if not self.style.listed:
            return b""
        return _field(4 if self.style.maker == "axis" else 2, b"\1" + b"".join(self.hashes))

    def _crypto(self) -> bytes:
        oid = bytes.fromhex("06096086480165030402") + bytes((_OIDS[self.style.hash],))
        value = b"\1" + bytes((len(oid),)) + oid
        return bytes((7, len(value))) + value if self.style.maker == "axis" else _field(4, value + b"\0\0\0")

    def _keys(self) -> bytes:
        pem = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        if self.style.maker == "axis":
            names = b"".join(
                bytes((len(one) + 1,)) + one + b"\0" for one in (b"HIL", b"1.0", b"BWC-0001", b"HIL", b"-")
            )
            key = _field(129, b"\1\0" + self.style.chain) if self.style.chain else _field(2, b"\2" + pem)
            return key + _field(3, b"\1" + names)
        names = b"".join(bytes((len(one),)) + one for one in (b"1.0", b"BWC-0001", b"HIL"))
        return _field(5, b"\1" + names) + _field(6, b"\1\0" + self.style.chain)

    def _message(self, body: bytes, *, signed: bool, keys: bool, once: bool = False) -> tuple[bytes, bytes]:
        """The unit, and for one without a signature its own hash."""
        axis = self.style.maker == "axis"
        fields = (self._keys() if keys else b"") + self._crypto() + body
        most = (
            (self.key.key_size + 7) // 8
            if isinstance(self.key, rsa.RSAPrivateKey)
            else 72 + (self.key.key_size > 256) * 70
        )
        slot = (4 if axis else 3) + most
        size = 17 + len(fields) + (3 + slot if signed else 0)
        escaped, alone = (0x80, 0x40) if axis else (0x40, 0x80)
        flags = (escaped if self.style.escaped else 0) | (alone if once else 0) | (0x30 if axis else 0)
        head = (b"\x4e\x01" if self.h265 else b"\x06") + b"\5" + b"\xff" * (size // 255) + bytes((size % 255,))
        plain = head + UUID[self.style.maker] + bytes((flags,)) + fields
        if not signed:
            whole = escape(plain + b"\x80")
            return whole, self.digest(whole if self.style.escaped else plain + b"\x80")
        made = self._signature(escape(plain) if self.style.escaped else plain)
        value = (b"\2\0" if axis else b"\1") + struct.pack(">H", len(made)) + made.ljust(most, b"\1")
        return escape(plain + _field(5 if axis else 3, value) + b"\x80"), b""

    def _signature(self, data: bytes) -> bytes:
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(data, padding.PKCS1v15(), _DIGESTS[self.style.hash])
        return self.key.sign(data, ec.ECDSA(_DIGESTS[self.style.hash]))


def _field(tag: int, value: bytes) -> bytes:
    return struct.pack(">BH", tag, len(value)) + value


def _ffmpeg(options: list[str]) -> bytes:
    done = subprocess.run(
        ["ffmpeg", "-nostdin", "-hide_banner", "-v", "fatal", "-y", *options], capture_output=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"ffmpeg could not make signed video: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
