"""What a camera signs about its clips: an in-toto Statement in a DSSE envelope, right or wrong in one chosen way."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from hil.cameras.pki import Identity
from hil.cameras.plate import Plate

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:dockagent:camera-manifest:1"
OUTSIDE = "../../etc/passwd"
WRONG_DIGEST = "00" * 32


class Flaw(StrEnum):
    """One way in which a manifest can be wrong. But for SIGNATURE, the signature over the wrong content is right."""

    SIGNATURE = "signature"  # one bit of it is flipped
    KEYID = "keyid"  # names another key than the leaf's
    PAYLOAD_TYPE = "payload-type"  # signed as another type of payload
    DIGEST = "digest"  # of the first subject
    SIZE = "size"  # of the first clip
    MISSING = "missing"  # lists a clip that is not on the card
    UNLISTED = "unlisted"  # the last clip and its sidecars are on the card and not in the manifest
    NOT_A_SUBJECT = "not-a-subject"  # the last clip is described, its digest is not given
    COUNTER_GAP = "counter-gap"  # before the last clip
    SAME_SUBJECT = "same-subject"  # the first subject twice, the second time with another digest
    PATH = "path"  # a clip outside of the card
    SERIAL = "serial"  # not that of the leaf
    REPLAY = "replay"  # a sequence number that was used before
    DUPLICATE_KEY = "duplicate-key"  # JSON that different readers understand differently
    FLOAT = "float"  # where a whole number is due


@dataclass(frozen=True, slots=True)
class Subject:
    """A file on the card and its digest."""

    name: str
    sha256: str

    def as_json(self) -> dict[str, object]:
        """As the statement holds it."""
        return {"name": self.name, "digest": {"sha256": self.sha256}}


@dataclass(frozen=True, slots=True)
class Filing:
    """What the officer told the camera about a clip: who wears it, what it is filed under, whether it is important."""

    officer: str = ""
    category: str = ""
    marked: bool = False

    def as_json(self) -> dict[str, object]:
        """As the clip's entry holds it: what was not told is left out."""
        said = {"officer": self.officer, "category": self.category, "marked": self.marked}
        return {key: value for key, value in said.items() if value}


@dataclass(frozen=True, slots=True)
class ClipEntry:
    """What the camera says about one clip."""

    name: str
    counter: int
    size: int
    start: datetime
    zone: str
    filing: Filing = Filing()

    def as_json(self) -> dict[str, object]:
        """As the statement's predicate holds it."""
        return {
            "name": self.name,
            "counter": self.counter,
            "bytes": self.size,
            "start": stamp(self.start),
            "zone": self.zone,
            **self.filing.as_json(),
        }


@dataclass(frozen=True, slots=True)
class Statement:
    """A whole manifest before it is signed."""

    plate: Plate
    sequence: int
    created: datetime
    subjects: tuple[Subject, ...]
    clips: tuple[ClipEntry, ...]

    def payload(self) -> bytes:
        """The JSON that is signed."""
        predicate = {
            "camera": self.plate.as_json(),
            "sequence": self.sequence,
            "created": stamp(self.created),
            "clips": [clip.as_json() for clip in self.clips],
        }
        statement = {
            "_type": STATEMENT_TYPE,
            "subject": [subject.as_json() for subject in self.subjects],
            "predicateType": PREDICATE_TYPE,
            "predicate": predicate,
        }
        return json.dumps(statement, separators=(",", ":"), ensure_ascii=False).encode()


def stamp(moment: datetime) -> str:
    """A moment in UTC as manifests write it, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: the bytes that are signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def seal(statement: Statement, identity: Identity, flaw: Flaw | None = None) -> bytes:
    """The signed envelope, the text of manifest.dsse.json, with at most one flaw.

    Raises ValueError when the statement has too few clips to show the flaw.
    """
    payload = spoil(statement, flaw).payload()
    if flaw in TEXT_FLAWS:
        wanted, given = TEXT_FLAWS[flaw]
        payload = payload.replace(wanted(statement), given(statement), 1)
    kind = "application/json" if flaw is Flaw.PAYLOAD_TYPE else PAYLOAD_TYPE
    signature = identity.sign(pae(kind, payload))
    if flaw is Flaw.SIGNATURE:
        signature = signature[:-1] + bytes([signature[-1] ^ 1])
    keyid = "00" * 32 if flaw is Flaw.KEYID else identity.keyid
    envelope = {
        "payloadType": kind,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": keyid, "sig": base64.b64encode(signature).decode()}],
    }
    return json.dumps(envelope, indent=1).encode() + b"\n"


def spoil(statement: Statement, flaw: Flaw | None) -> Statement:
    """The statement with this flaw, if it is one of content; otherwise the statement as it is."""
    if flaw not in CONTENT_FLAWS:
        return statement
    if not statement.clips:
        raise ValueError(f"flaw {flaw} needs a clip")
    return CONTENT_FLAWS[flaw](statement)


def _wrong_digest(statement: Statement) -> Statement:
    first, *others = statement.subjects
    return replace(statement, subjects=(replace(first, sha256=WRONG_DIGEST), *others))


def _wrong_size(statement: Statement) -> Statement:
    first, *others = statement.clips
    return replace(statement, clips=(replace(first, size=first.size + 1), *others))


def _clip_more(statement: Statement, name: str) -> Statement:
    last = statement.clips[-1]
    clip = replace(last, name=name, counter=last.counter + 1)
    subject = Subject(name, WRONG_DIGEST)
    return replace(statement, clips=(*statement.clips, clip), subjects=(*statement.subjects, subject))


def _missing(statement: Statement) -> Statement:
    last = statement.clips[-1]
    follower = last.name.replace(f"BWC{last.counter:04}", f"BWC{last.counter + 1:04}")
    return _clip_more(statement, follower)


def _unlisted(statement: Statement) -> Statement:
    *clips, last = statement.clips
    if not clips:
        raise ValueError("flaw unlisted needs two clips")
    stem = last.name.rpartition(".")[0]
    subjects = tuple(subject for subject in statement.subjects if subject.name.rpartition(".")[0] != stem)
    return replace(statement, clips=tuple(clips), subjects=subjects)


def _not_a_subject(statement: Statement) -> Statement:
    subjects = tuple(subject for subject in statement.subjects if subject.name != statement.clips[-1].name)
    return replace(statement, subjects=subjects)


def _counter_gap(statement: Statement) -> Statement:
    *clips, last = statement.clips
    if not clips:
        raise ValueError("flaw counter-gap needs two clips")
    return replace(statement, clips=(*clips, replace(last, counter=last.counter + 1)))


def _same_subject(statement: Statement) -> Statement:
    again = replace(statement.subjects[0], sha256=WRONG_DIGEST)
    return replace(statement, subjects=(*statement.subjects, again))


CONTENT_FLAWS: dict[Flaw | None, Callable[[Statement], Statement]] = {
    Flaw.DIGEST: _wrong_digest,
    Flaw.SIZE: _wrong_size,
    Flaw.MISSING: _missing,
    Flaw.UNLISTED: _unlisted,
    Flaw.NOT_A_SUBJECT: _not_a_subject,
    Flaw.COUNTER_GAP: _counter_gap,
    Flaw.SAME_SUBJECT: _same_subject,
    Flaw.PATH: lambda statement: _clip_more(statement, OUTSIDE),
    Flaw.SERIAL: lambda statement: replace(statement, plate=replace(statement.plate, serial="BWC-9999")),
    Flaw.REPLAY: lambda statement: replace(statement, sequence=statement.sequence - 1),
}


def _sequence_text(statement: Statement) -> bytes:
    return b'"sequence":%d,' % statement.sequence


TEXT_FLAWS: dict[Flaw | None, tuple[Callable[[Statement], bytes], Callable[[Statement], bytes]]] = {
    Flaw.DUPLICATE_KEY: (_sequence_text, lambda statement: b'"sequence":999,' + _sequence_text(statement)),
    Flaw.FLOAT: (_sequence_text, lambda statement: b'"sequence":%d.0,' % statement.sequence),
}
