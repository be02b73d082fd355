"""Have a film's C2PA manifest made by a child with next to no rights: who parses the footage has no key, and who has
the key parses no footage.

The child is :mod:`c2pa_sign_child`. It sends the bytes to be signed over its pipe, once. A film that took the child
over could have one claim signed that says what the film wants; so nothing but a claim of C2PA is signed for it, and
the manifest remains for display: what proves the bytes is the dock's record.
"""

import base64
import binascii
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dockagent.clock import Clock
from dockagent.core import strict_json
from dockagent.errors import Missing, Permanent, Refused
from dockagent.media import child

MEMORY = 4 << 30  # bytes of address space: the library's threads reserve theirs
_CHILD = Path(__file__).with_name("c2pa_sign_child.py")
_LEAST_S, _SLOWEST = 60, 8 << 20  # a disk that others use too gives so many bytes a second
_COSE = b"\x84\x6aSignature1"  # a Sig_structure of COSE_Sign1, CBOR: an array of four that begins so (RFC 9052, 4.4)
_LONGEST = 1 << 16  # bytes that are signed: a claim with its few assertions has some hundred

Sign = Callable[[bytes], bytes]
"""Signs bytes: ES256, in the form of IEEE P1363 (RFC 9053 section 2.1)."""


@dataclass(slots=True)
class SigningDesk:
    """What the child is told. One signature, and over nothing but a claim."""

    order: bytes
    sign: Sign
    signed: int = field(default=0)

    def answer(self, question: bytes) -> bytes:
        """The answer to a question of the child, a line. Raises Refused for what a maker of manifests does not ask."""
        word, _, rest = question.partition(b" ")
        if word == b"order":
            return self.order + b"\n"
        if word != b"sign" or self.signed:
            raise Refused(f"it asked for {'a second signature' if self.signed else repr(question[:20])}")
        try:
            data = base64.b64decode(rest, validate=True)
        except binascii.Error as err:
            raise Refused("it asked for something that is not base64 to be signed") from err
        if not data.startswith(_COSE) or len(data) > _LONGEST:
            raise Refused("it asked for something else than a claim of C2PA to be signed")
        self.signed += 1
        return base64.b64encode(self.sign(data)) + b"\n"


def manifest(film: Path, kind: str, claim: Mapping[str, Any], chain_pem: str, sign: Sign, clock: Clock) -> bytes:
    """The manifest (a JUMBF store, a sidecar) of ``film``, of the media type ``kind``, that makes ``claim`` (a manifest
    definition of the library, JSON) and is signed by the leaf of ``chain_pem`` through ``sign``.

    Raises Missing where the library is not installed, Permanent where there is none and says why, OSError where the
    film is not there.
    """
    found = importlib.util.find_spec("c2pa")
    if found is None or found.origin is None:
        raise Missing("c2pa-python is not installed", "install dockagent[disclosure]")
    seconds = _LEAST_S + film.stat().st_size // _SLOWEST
    library = Path(found.origin).parents[1]
    python = [os.path.realpath(sys.executable), "-I", "-S", "-B", str(_CHILD), str(library)]
    desk = SigningDesk(strict_json.canonical({"claim": dict(claim), "chain_pem": chain_pem}), sign)
    try:
        outcome = child.run(
            [*python, str(film.absolute()), kind],
            child.Limits(seconds, seconds, MEMORY, file_bytes=0, open_files=64),
            clock,
            reads=[film],
            folders=[library, Path(__file__).parent, Path(sys.base_prefix) / "lib"],
            answer=desk.answer,
        )
    except Refused as err:
        raise Permanent(f"what makes it was stopped: {err.what}") from err
    if not outcome.ok:
        raise Permanent(f"what makes it {outcome.reason}")
    try:
        made = base64.b64decode(outcome.stdout, validate=True)
    except binascii.Error as err:
        raise Permanent("what makes it gave no manifest") from err
    if not made or not desk.signed:
        raise Permanent("what makes it gave a manifest that nobody signed")
    return made
