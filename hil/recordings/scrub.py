"""Take out of a recording what says which camera, whose, and who was filmed: serial numbers, labels, private names.

Each is replaced by another of the same shape: as long, letters for letters, digits for digits. The same text always
becomes the same other text within one recording, so that what belonged together still does; the key is forgotten with
the run, so that nobody finds the way back by trying all serial numbers.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import string
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

from hil.cameras.wire import check, escape
from hil.recordings.recording import Disk, Entry, Recording, Turn
from hil.recordings.scsi import SERIAL, SUPPORTED, Inquiry

SHORTEST = 4
"""Characters of a serial number that is looked for inside of other texts; a shorter one would be found everywhere."""
_LONG = re.compile(r"[A-Za-z0-9+/]{32,}={0,2}")  # keys, signatures, tokens
_TOKEN = re.compile(r"[^\W_]+")
_WORD = re.compile(r"[^\W\d_]+")
_CHECKED = re.compile(rb"([<>] [^\r\n]*) \*([0-9A-Fa-f]{2})")
_GOPRO = re.compile(r"G[HXLSP][0-9A-Z]{2}\d{4}\.[0-9A-Z]{3}|GOPR\d{4}\.[0-9A-Z]{3}", re.IGNORECASE)


_TRIES = 20


class Collision(Exception):
    """Two names became the same name."""


@cache
def camera_words() -> frozenset[str]:
    """The words that cameras put into names, in small letters."""
    lines = Path(__file__).with_name("camera_words.txt").read_text("ascii").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))


class Scrubber:
    """Replaces. ``secrets``: texts that are replaced wherever they stand, also as the reference console writes them
    (with ``%XX``); ``keep``: more words that are no secret."""

    def __init__(self, secrets: Iterable[str], keep: Iterable[str] = ()) -> None:
        self._key = os.urandom(32)
        self._keep = camera_words() | {word.casefold() for word in keep}
        found = {one for one in secrets if len(one) >= SHORTEST}
        self._escaped = {escape(one).casefold(): one for one in found if escape(one) != one}
        every = sorted({*found, *self._escaped}, key=lambda one: (-len(one), one))
        self._secrets = re.compile("|".join(map(re.escape, every)) or r"(?!)", re.IGNORECASE)

    def whole(self, secret: str) -> str:
        """Another text of the same shape; never the same one, unless it has neither letters nor digits."""
        for attempt in range(1, 100):
            other = self._other(secret, attempt)
            if other != secret or not any(one.isalnum() for one in secret):
                return other
        raise AssertionError("a hundred keyed digests gave the same text")

    def text(self, text: str) -> str:
        """The text with every secret in it replaced."""
        return self._secrets.sub(self._secret, text)

    def said(self, data: bytes) -> bytes:
        """What was said on a line: every secret replaced, and every long token. A line of the reference console whose
        check was right (docs/reference-camera.md) gets the check that its words have now."""
        return b"".join(self._line(line) for line in data.splitlines(keepends=True))

    def path(self, path: str) -> str:
        """A path on the card: secrets and every word that no camera puts into a name are replaced."""
        return "/".join(self._name(part) for part in path.split("/"))

    def knows(self, label: str) -> bool:
        """Whether a text is made of such words alone, without a number: then it is no secret."""
        return not re.search(r"\d", label) and all(word.casefold() in self._keep for word in _WORD.findall(label))

    def _line(self, line: bytes) -> bytes:
        checked = _CHECKED.search(line)
        right = checked is not None and int(checked[2], 16) == check(checked[1])
        words = _LONG.sub(lambda found: self.whole(found[0]), self.text(line.decode("latin-1"))).encode("latin-1")
        return _CHECKED.sub(lambda found: found[1] + b" *%02x" % check(found[1]), words) if right else words

    def _secret(self, found: re.Match[str]) -> str:
        plain = self._escaped.get(found[0].casefold())
        return self.whole(found[0]) if plain is None else escape(self.whole(plain))

    def _name(self, name: str) -> str:
        """A secret inside of it as a whole, every word around it by itself."""
        if _GOPRO.fullmatch(name):
            return name
        done, at = "", 0
        for found in self._secrets.finditer(name):
            done += _TOKEN.sub(self._token, name[at : found.start()]) + self._secret(found)
            at = found.end()
        return done + _TOKEN.sub(self._token, name[at:])

    def _token(self, found: re.Match[str]) -> str:
        """Letters and digits without a break, such as MP4: known as a whole, or word by word, its numbers kept."""
        return found[0] if found[0].casefold() in self._keep else _WORD.sub(self._word, found[0])

    def _word(self, found: re.Match[str]) -> str:
        # One letter tells nothing: the T in 20261122T081500Z.
        return found[0] if len(found[0]) == 1 or found[0].casefold() in self._keep else self.whole(found[0])

    def _other(self, secret: str, attempt: int) -> str:
        stream = b"".join(
            hmac.digest(
                self._key, f"{attempt} {block} {secret.casefold()}".encode("utf-8", "surrogateescape"), "sha256"
            )
            for block in range(len(secret) // hashlib.sha256().digest_size + 1)
        )
        return "".join(_like(old, byte) for old, byte in zip(secret, stream, strict=False))


def _like(old: str, byte: int) -> str:
    """A character of the same kind; what is neither a letter nor a digit stays."""
    for kind in (string.digits, string.ascii_uppercase, string.ascii_lowercase):
        if old in kind:
            return kind[byte % len(kind)]
    return string.ascii_lowercase[byte % 26] if old.isalnum() else old


def scrub(recording: Recording, private: Iterable[str] = (), keep: Iterable[str] = ()) -> Recording:
    """The recording without what tells on a person. ``private``: more texts to replace wherever they stand (names,
    passwords); ``keep``: words of file names that are none of anybody's business."""
    keep = tuple(keep)
    disk, mtp = recording.disk, recording.mtp
    label = disk.label if disk is not None and not Scrubber((), keep).knows(disk.label) else ""
    serials = (recording.usb.serial, disk.inquiry.serial if disk else "", mtp.serial if mtp else "", label)
    private = tuple(private)
    for _ in range(_TRIES):
        try:
            return _scrub(recording, Scrubber((*serials, *private), keep), label)
        except Collision:
            continue  # with another key they fall apart
    raise ValueError(f"the names on this card fall together in {_TRIES} tries; keep some words with --keep")


def _scrub(recording: Recording, scrubber: Scrubber, label: str) -> Recording:
    disk, mtp = recording.disk, recording.mtp
    usb = replace(
        recording.usb,
        serial=scrubber.whole(recording.usb.serial),
        manufacturer=scrubber.text(recording.usb.manufacturer),
        product=scrubber.text(recording.usb.product),
        interfaces=tuple(scrubber.text(text) for text in recording.usb.interfaces),
    )
    return replace(
        recording,
        scrubbed=True,
        usb=usb,
        disk=_disk(disk, scrubber, label) if disk is not None else None,
        mtp=replace(mtp, serial=scrubber.whole(mtp.serial)) if mtp is not None else None,
        listing=_listing(recording.listing, scrubber),
        dialogue=tuple(Turn(one.at, one.dock, scrubber.said(one.data)) for one in recording.dialogue),
    )


def _listing(listing: tuple[Entry, ...], scrubber: Scrubber) -> tuple[Entry, ...]:
    """Two files must not become one: FAT knows no capitals, and a word of two letters has few others of its shape."""
    found: list[Entry] = []
    taken: set[str] = set()
    for one in listing:
        path = scrubber.path(one.path)
        if path.casefold() in taken:
            raise Collision(f"{len(found)} names became {len(taken)}")
        taken.add(path.casefold())
        found.append(Entry(path, one.size, one.changed))
    return tuple(found)


def _disk(disk: Disk, scrubber: Scrubber, label: str) -> Disk:
    """Bytes 36 to 55 of an INQUIRY are the maker's own (SPC-4, table 150), often a serial number: made zero."""
    standard = disk.inquiry.standard
    bare = standard[:36] + bytes(len(standard[36:56])) + standard[56:]
    pages = dict(disk.inquiry.pages)
    if SERIAL in pages:
        serial = disk.inquiry.serial  # as long as before, so that the padding around it stays right
        pages[SERIAL] = pages[SERIAL].replace(serial.encode(), scrubber.whole(serial).encode()) if serial else b""
    kept = {code: page for code, page in pages.items() if code in (SUPPORTED, SERIAL)}
    return replace(disk, inquiry=Inquiry(bare, kept), label=scrubber.whole(label) if label else disk.label)
