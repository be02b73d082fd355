"""The permit: the custodian's signed word that a clip may be erased from the camera that it was read from.

An in-toto Statement v1 in a DSSE envelope, signed with the custodian's P-256 key (``permit.json`` beside the master in
the store). Its subjects are the files that may go, each with the SHA-256 of the bytes that were read from the camera:
the clip first, then further paths of the same clip, and its sidecars. A permit names everything: what it does not name
is not erased. It is read strictly, unknown members included: a reader that skips what it does not understand might
skip a condition.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from dockagent.core import mistake, paths, strict_json
from dockagent.core.camera.statement import STATEMENT
from dockagent.core.moment import parse_rfc3339, rfc3339
from dockagent.core.proof import dsse
from dockagent.errors import Refused

PREDICATE = "urn:dockagent:permit:1"
ERASE = "erase"  # the one act that a permit may be for
ANY_DOCK = "any"
NONE_YET = "there is none yet"  # a custodian's answer where he has signed nothing
WITHHELD = "withheld: "  # how a custodian's answer begins that hands out no permit although there may be one
MOST_FILES = 256
LARGEST = 256 << 10  # bytes of an envelope
_LONGEST_PATH = 4095 * 3  # PATH_MAX less its NUL, with every byte escaped
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class UnknownKey(Refused):
    """The envelope is signed by nobody whom this reader was told to believe."""


class Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file that may go. ``path``: where it lies on the camera, in text form (``core/paths``); ``sha256`` (hex) and
    ``bytes``: of what was read from the camera there; ``receipt_sha256`` (hex): of the envelope of the custodian's
    receipt for it."""

    path: str
    clip_id: str
    sha256: str
    bytes: int
    receipt_sha256: str


class Permit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Leave to erase ``files`` from the camera ``camera``, once, between ``from_ms`` and ``until_ms`` (ms since 1970
    UTC; the first counts, the second does not). ``dock``: the one dock that may, or ``any``; ``policy``: the rule that
    the custodian followed, in its words. ``files``: the clip first."""

    id: str
    dock: str
    camera: str
    policy: str
    issued_ms: int
    from_ms: int
    until_ms: int
    files: tuple[Named, ...]

    @property
    def clip(self) -> Named:
        """The file that the permit is about."""
        return self.files[0]

    @property
    def sidecars(self) -> tuple[Named, ...]:
        """The other files that go with it; further paths of the clip itself are none."""
        return tuple(one for one in self.files if one.clip_id != self.clip.clip_id)


_Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
_Id = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Path = Annotated[str, msgspec.Meta(min_length=1, max_length=_LONGEST_PATH)]


class _Digest(msgspec.Struct, forbid_unknown_fields=True):
    sha256: _Sha256


class _Subject(msgspec.Struct, forbid_unknown_fields=True):
    name: _Path
    digest: _Digest


class _File(msgspec.Struct, forbid_unknown_fields=True):
    path: _Path
    clip_id: _Id
    bytes: Annotated[int, msgspec.Meta(ge=0)]
    receipt_sha256: _Sha256


class _Predicate(msgspec.Struct, forbid_unknown_fields=True):
    id: _Id
    act: str
    dock: _Text
    camera: _Text
    policy: _Text
    issued: str
    not_before: str
    not_after: str
    files: Annotated[list[_File], msgspec.Meta(min_length=1, max_length=MOST_FILES)]


class _Statement(
    msgspec.Struct, forbid_unknown_fields=True, rename={"kind": "_type", "predicate_type": "predicateType"}
):
    kind: str
    subject: list[_Subject]
    predicate_type: str
    predicate: _Predicate


def name(camera: str, files: Sequence[Named], policy: str, dock: str = ANY_DOCK) -> str:
    """An id for a permit (32 hex digits): the same for all who sign the same leave, so that two custodians that work
    at once, and one that was interrupted, come to one permit."""
    rows = [f"{one.path}\t{one.clip_id}\t{one.sha256}\t{one.bytes}\t{one.receipt_sha256}" for one in files]
    return hashlib.sha256("\n".join(("dockagent/permit/1", camera, dock, policy, *rows)).encode()).hexdigest()[:32]


def statement(permit: Permit) -> bytes:
    """The payload that is signed (RFC 8785 JSON). Raises Refused for a permit that no reader would take."""
    payload = strict_json.canonical(
        {
            "_type": STATEMENT,
            "subject": [{"name": one.path, "digest": {"sha256": one.sha256}} for one in permit.files],
            "predicateType": PREDICATE,
            "predicate": {
                "id": permit.id,
                "act": ERASE,
                "dock": permit.dock,
                "camera": permit.camera,
                "policy": permit.policy,
                "issued": rfc3339(permit.issued_ms),
                "not_before": rfc3339(permit.from_ms),
                "not_after": rfc3339(permit.until_ms),
                "files": [
                    {
                        "path": one.path,
                        "clip_id": one.clip_id,
                        "bytes": one.bytes,
                        "receipt_sha256": one.receipt_sha256,
                    }
                    for one in permit.files
                ],
            },
        }
    )
    parse(payload)
    return payload


def seal(permit: Permit, keyid: str, sign: Callable[[bytes], bytes]) -> bytes:
    """The envelope's bytes. ``sign`` gets the bytes to sign (DSSE's PAE) and returns an ECDSA signature with SHA-256
    (DER)."""
    return dsse.seal(dsse.IN_TOTO, statement(permit), keyid, sign)


def read(envelope: bytes, keys: Sequence[ec.EllipticCurvePublicKey]) -> Permit:
    """The permit in an envelope that one of ``keys`` signed. Raises UnknownKey where none did, Refused with the reason
    for anything but a permit. Whether it may be followed is another question: ``core/permits/erasing.py``.

    1. The envelope is no longer than a permit can be. 2. It is DSSE and holds an in-toto statement. 3. A key that we
    were told to believe signed it. 4. What it says is exactly a permit.
    """
    if len(envelope) > LARGEST:
        raise Refused(f"a permit has at most {LARGEST} bytes, this one {len(envelope)}")
    opened = dsse.parse(envelope)
    if opened.payload_type != dsse.IN_TOTO:
        raise Refused(f"the envelope holds {opened.payload_type[:80]!r}, not an in-toto statement")
    if not any(dsse.signed_by(opened, key) for key in keys):
        raise UnknownKey("the permit is signed by no custodian whom this dock believes", "see keys of [custodian]")
    return parse(opened.payload)


def parse(payload: bytes) -> Permit:
    """The permit in a payload whose signature somebody else checks. Raises Refused for anything but a permit."""
    raw = strict_json.parse(payload)
    if not isinstance(raw, dict) or raw.get("_type") != STATEMENT:
        raise Refused(f"the payload is not an in-toto statement ({STATEMENT})")
    if raw.get("predicateType") != PREDICATE:
        raise Refused(f"the statement is not a permit ({PREDICATE})")
    try:
        said = msgspec.convert(raw, _Statement)
    except msgspec.ValidationError as err:
        raise Refused(f"the permit is malformed: {mistake.in_form(err)}") from err
    return _permit(said)


def _permit(said: _Statement) -> Permit:
    what = said.predicate
    if what.act != ERASE:
        raise Refused(f"the permit is for {what.act[:40]!r}; the only act that there is one for is {ERASE}")
    permit = Permit(
        id=what.id,
        dock=_printable(what.dock),
        camera=_printable(what.camera),
        policy=_printable(what.policy),
        issued_ms=_time(what.issued),
        from_ms=_time(what.not_before),
        until_ms=_time(what.not_after),
        files=_files(said.subject, what.files),
    )
    if permit.from_ms >= permit.until_ms:
        raise Refused(f"the permit is never valid: from {what.not_before} until {what.not_after}")
    return permit


def _files(subjects: list[_Subject], files: list[_File]) -> tuple[Named, ...]:
    """The subjects and the predicate's files are the same ones in the same order, each path once."""
    if [one.name for one in subjects] != [one.path for one in files]:
        raise Refused("the permit's files are not its subjects")
    if len({one.path for one in files}) != len(files):
        raise Refused("the permit names a path twice")
    named = tuple(
        Named(_below_root(file.path), file.clip_id, subject.digest.sha256, file.bytes, file.receipt_sha256)
        for subject, file in zip(subjects, files, strict=True)
    )
    bytes_of: dict[str, tuple[str, int, str]] = {}
    for one in named:
        about = (one.sha256, one.bytes, one.receipt_sha256)
        if bytes_of.setdefault(one.clip_id, about) != about:
            raise Refused(f"the permit gives clip {one.clip_id} two contents")
    return named


def _below_root(path: str) -> str:
    """A path in text form, as :func:`dockagent.core.paths.to_text` writes it, that stays below the card's root."""
    raw = paths.to_bytes(path)
    if paths.to_text(raw) != path or b"\0" in raw or {b"", b".", b".."} & set(raw.split(b"/")):
        raise Refused(f"the permit names {paths.to_text(path.encode())[:80]!r}, which is no path below a card's root")
    return path


def _time(text: str) -> int:
    if not _TIME.fullmatch(text):
        raise Refused(f"the permit has {text[:40]!r} where a time like 2026-11-22T08:15:00.000Z belongs")
    try:
        return parse_rfc3339(text)
    except ValueError as err:
        raise Refused(f"the permit has the impossible time {text!r}") from err


def _printable(text: str) -> str:
    if not text.isprintable():
        raise Refused(f"the permit has unprintable characters in {paths.to_text(text.encode())[:80]!r}")
    return text
