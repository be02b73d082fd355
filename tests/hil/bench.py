"""What the tests of hil/ share: a maker, a camera, outside tools, and the dock's side of the console, by hand."""

from __future__ import annotations

import base64
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import serial
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hil.cameras.card import Shift
from hil.cameras.console import Console
from hil.cameras.footage import Look
from hil.cameras.pki import Identity, Maker, Validity, make_maker
from hil.cameras.plate import Plate

PLATE = Plate()
VALID = Validity(datetime(2020, 1, 1, tzinfo=UTC))
CREATED = datetime(2026, 11, 22, 16, 2, 11, tzinfo=UTC)
BYTES = Shift(clips=3, size=5000)


@cache
def maker() -> Maker:
    return make_maker("Reference", VALID)


@cache
def identity() -> Identity:
    return maker().identity(PLATE.model, PLATE.serial, VALID)


@cache
def film_cache() -> tempfile.TemporaryDirectory[str]:
    """One folder of encoded clips for all tests of a process; it goes with the process."""
    return tempfile.TemporaryDirectory(prefix="hil-film-", ignore_cleanup_errors=True)


def video(clips: int = 2) -> Shift:
    return Shift(clips, look=Look(seconds=1, width=160, height=120, rate=10), cache=Path(film_cache().name))


def openssl(*words: str | Path) -> str:
    """What openssl prints, its complaints included, whether it is content or not."""
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def signature_holds(who: Identity, signature: bytes, data: bytes, folder: Path) -> bool:
    """Whether openssl accepts the signature by the leaf's key."""
    public = who.leaf.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for name, content in (("key.pem", public), ("signature", signature), ("data", data)):
        (folder / name).write_bytes(content)
    said = openssl(
        "dgst", "-sha256", "-verify", folder / "key.pem", "-signature", folder / "signature", folder / "data"
    )
    return "Verified OK" in said


def chain_verdict(who: Identity, folder: Path, at: datetime = CREATED, root: bytes = b"") -> str:
    """What openssl says about the chain against the maker's root (or another) at a moment."""
    (folder / "root.pem").write_bytes(root or maker().root_pem())
    (folder / "leaf.pem").write_bytes(who.leaf.public_bytes(Encoding.PEM))
    (folder / "chain.pem").write_bytes(who.chain_pem())
    moment = str(int(at.timestamp()))
    files: list[str | Path] = ["-CAfile", folder / "root.pem", "-untrusted", folder / "chain.pem", folder / "leaf.pem"]
    return openssl("verify", "-x509_strict", "-attime", moment, *files)


def envelope(root: Path) -> tuple[str, bytes, str, bytes]:
    """A card's envelope, taken apart: payload type, payload, keyid, signature."""
    sealed = json.loads((root / "manifest.dsse.json").read_text())
    (signature,) = sealed["signatures"]
    payload = base64.b64decode(sealed["payload"], validate=True)
    return sealed["payloadType"], payload, signature["keyid"], base64.b64decode(signature["sig"], validate=True)


def statement(root: Path) -> Any:
    return json.loads(envelope(root)[1])


def framed(body: str) -> bytes:
    """A line of the console around a body, by the page and not by hil's code."""
    value = 0
    for byte in body.encode():
        value = value ^ byte
    return f"{body} *{value:02x}\r\n".encode()


class Dock:
    """Asks a console by pyserial, as the page says, and nothing cleverer."""

    def __init__(self, port: serial.Serial) -> None:
        self.port = port

    def line(self) -> str:
        """The next line, without its CR LF; empty when none comes within the port's time-out."""
        raw = self.port.read_until(b"\r\n")
        return raw.decode("latin-1").removesuffix("\r\n")

    def ask(self, words: str, request_id: str = "q1") -> str:
        """The words of the answer, its id and check proved right; empty when there is none."""
        self.port.write(framed(f"> {request_id} {words}"))
        line = self.line()
        if not line:
            return ""
        body = line[line.index("<") :].rpartition(" *")[0]
        assert framed(body).decode() == line[line.index("<") :] + "\r\n"
        assert body.startswith(f"< {request_id} ")
        return body.removeprefix(f"< {request_id} ")


@contextmanager
def dialogue(console: Console, timeout: float = 2.0) -> Iterator[Dock]:
    path = console.open()
    try:
        with serial.Serial(str(path), 115200, timeout=timeout, exclusive=True) as port:
            yield Dock(port)
    finally:
        console.hang_up()


def seconds_since(start: float) -> float:
    return time.monotonic() - start
