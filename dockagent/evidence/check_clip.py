"""Check a stored clip: every object against the dock's signed clip record. Pure over bytes, readers and keys,
but for the children that parse footage (:mod:`dockagent.evidence.footage`).

A clip record is an in-toto Statement v1 in a DSSE envelope, ``predicateType`` ``urn:dockagent:clip-record:1``. Its
subjects name the objects of the clip's folder with their SHA-256; its predicate tells size and chunk root of the
master, the roots over its samples, and what the dock found about the camera's own signature when it took the clip in.
"""

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import IO, Any

import msgspec

from dockagent.core import mistake, plan, seal_record, strict_json
from dockagent.core.movie.clip_samples import Measure
from dockagent.core.proof import dsse, merkle
from dockagent.core.seal_record import Sealing
from dockagent.core.stream.in_stream import InStream
from dockagent.errors import Refused
from dockagent.evidence.check_in_stream import check_in_stream, said_in_stream
from dockagent.evidence.check_samples import Samples, check_samples, said_samples
from dockagent.evidence.check_sealed import Open, Opened, check_sealed, found_names
from dockagent.evidence.check_store_receipt import is_custodians
from dockagent.evidence.footage import footage
from dockagent.evidence.keyring import NO_TIME, Keyring, judge
from dockagent.evidence.report import ASPECTS, Report, Verdict
from dockagent.ledger.entries import Readable

CLIP_RECORD = "urn:dockagent:clip-record:1"
CHUNK = 1 << 20  # bytes of one leaf of the chunk tree
_OTHER_DOCKS = re.compile(r"(record\.json|manifest\.dsse\.json|chain\.pem)\.[0-9a-f]{8}(\.[0-9a-f]{8})?")
_OTHER_SEALS = re.compile(r"(master|preview/[^/]+?)(\.[0-9a-f]{8})?\.age")
MASTER, RECORD_FILE, RECEIPT_FILE, MANIFEST_FILE = "master", "record.json", "receipt.json", "manifest.dsse.json"

_WORDS = frozenset(("pass", "fail", "unknown", "unsigned"))
_NO_SIGNER = Verdict("unknown", "nobody's good signature is on it")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ClipRecord:
    """What a clip record says. ``subjects``: SHA-256 (hex) by object name. ``size``: bytes of the master.
    ``chunk_root``: RFC 6962 root (hex) over its 1 MiB chunks. ``verdicts``: the dock's words about the camera,
    by aspect; empty where it did not get so far. ``quarantine``: why the dock keeps the clip apart, or empty.
    ``samples``: its sample trees, None in records of docks that made none. ``sealing``: what lies sealed in the store,
    None for a clip that is not. ``in_stream``: the signatures in its own stream, None in records of docks that looked
    for none."""

    subjects: Mapping[str, str]
    size: int
    chunk_root: str
    camera: str
    clip_id: str
    verdicts: Mapping[str, str]
    quarantine: str
    samples: Measure | None
    sealing: Sealing | None
    in_stream: InStream | None = None

    def replaced(self, objects: Collection[str]) -> set[str]:
        """The sealed objects in whose place there is what was in them."""
        return {one.name for one in self.sealing.objects if one.of in objects} if self.sealing else set()

    @property
    def inside(self) -> frozenset[str]:
        """The subjects that are nowhere in the clear: they are in sealed objects."""
        return frozenset(one.of for one in self.sealing.objects) if self.sealing else frozenset()


def check_clip(
    path: str,
    name: str,
    record: bytes,
    objects: Mapping[str, Open],
    keyring: Keyring,
    identities: Sequence[str] = (),
    *,
    unsealed: bool = False,
) -> Report:
    """What can be said about a clip's folder called ``name`` with ``record.json`` = ``record`` and ``objects`` (all
    other files, by name relative to the folder). ``path`` is only for the report; ``identities`` open what is sealed:
    with none, nothing is said about what is in it. ``unsealed``: what was sealed may
    lie in place of the sealed objects. Raises UsageError where pyrage is needed and not installed."""
    # 1. Who signed the record.
    try:
        envelope = dsse.parse(record)
    except Refused as err:
        return _unreadable(path, Verdict("fail", f"the record cannot be read: {err.what}"), _NO_SIGNER)
    signature, signer, _ = judge(envelope, keyring)
    # 2. What it says.
    try:
        said = parse_record(envelope)
    except Refused as err:
        return _unreadable(path, signature, signer, f"the record does not tell: {err.what}")
    # 3. Every object that it names, byte by byte; the master's size, chunks and samples too.
    others = {name for name in objects if _OTHER_DOCKS.fullmatch(name)}
    objects, seals = _by_their_names(said, objects)
    instead = said.replaced(objects) if unsealed else set()
    missing = sorted(set(said.subjects) - set(objects) - said.inside - instead)
    stray = sorted(set(objects) - set(said.subjects) - others - seals)
    stray = [one for one in stray if not is_custodians(one)]
    samples, stream = _look(said, objects)
    verdicts = {
        "intact": stream.weigh(samples.weigh(_intact(said, objects, instead))),
        "signature": signature,
        "signer": signer,
        "time": NO_TIME,
        "complete": _complete(said, missing, stray),
    }
    opened = _opened(said, objects, identities, verdicts["intact"], instead)
    verdicts |= {"content": opened.verdict} if opened else {}
    findings = [f"{one!r} lies in the folder, but the record does not name it" for one in stray]
    findings += [f"the dock itself found: {aspect} {word}" for aspect, word in said.verdicts.items() if word == "fail"]
    findings += opened.findings if opened else ()
    if said.quarantine:
        findings.append(f"the dock keeps it in quarantine: {said.quarantine}")
    if name != said.clip_id:
        findings.append(f"the folder is called {name!r}, but the record is of clip {said.clip_id!r}")
    facts = [
        *_facts(said, objects),
        *samples.facts,
        *stream.facts,
        *(f"{one} is another dock's word on this clip, not checked" for one in sorted(others)),
        *(f"{one} is another sealed copy of this clip, not checked" for one in sorted(seals)),
    ]
    return Report("clip", path, verdicts, tuple(findings), tuple(facts))


def _by_their_names(said: ClipRecord, objects: Mapping[str, Open]) -> tuple[dict[str, Open], set[str]]:
    """The objects by the names that they have in the record; and the names of other sealed copies of this clip."""
    found = found_names(said.sealing, objects) if said.sealing else {}
    places = set(found.values())
    mine = {name: objects[place] for name, place in found.items() if place in objects}
    named = {name: one for name, one in objects.items() if name not in places and name not in mine}
    seals = {name for name in objects if _OTHER_SEALS.fullmatch(name) and name not in places}
    return {**named, **mine}, seals


def _opened(
    said: ClipRecord, objects: Mapping[str, Open], identities: Sequence[str], intact: Verdict, instead: set[str]
) -> Opened | None:
    """What is in the sealed objects. ``instead``: those that somebody opened before: what was in them is here, and was
    compared as any other object was."""
    if said.sealing is None:
        return None
    if instead >= {one.name for one in said.sealing.objects}:
        why = f"it was opened before it came here, and {len(instead)} objects are what the record says was sealed"
        return Opened(Verdict("pass", why) if intact.word == "pass" else intact)

    def compare(name: str, file: IO[bytes]) -> list[str]:
        here: Mapping[str, Open] = {name: lambda: nullcontext(file)}
        wrong = _compare(name, said.subjects[name], said, here[name])
        return wrong or [line for one in _look(said, here) for line in one.wrong]

    return check_sealed(said.sealing, objects, identities, compare)


def _look(said: ClipRecord, objects: Mapping[str, Open]) -> tuple[Samples, Samples]:
    """What the master's own bytes tell of its samples, and of the signatures in its stream."""
    trees = said.samples if said.samples is not None and said.samples.trees else None
    if MASTER not in objects or (trees is None and said.in_stream is None):
        return said_samples(said.samples), said_in_stream(said.in_stream)
    try:
        with objects[MASTER]() as source, footage(source) as film:
            samples = check_samples(trees, film.measure()) if trees else said_samples(said.samples)
            stream = said_in_stream(None) if said.in_stream is None else check_in_stream(said.in_stream, film.in_stream)
            return samples, stream
    except OSError as err:
        unread = f"the master cannot be looked into: {err.strerror or err}"
        return Samples(unread=unread), Samples()


def _unreadable(
    path: str, signature: Verdict, signer: Verdict, why: str = "there is no record to compare with"
) -> Report:
    unknown = Verdict("unknown", why)
    return Report(
        "clip",
        path,
        {"intact": unknown, "signature": signature, "signer": signer, "time": NO_TIME, "complete": unknown},
    )


def _intact(said: ClipRecord, objects: Mapping[str, Open], instead: set[str]) -> Verdict:
    """``instead``: the sealed objects that are not here because what was in them is."""
    wrong, unread = [], []
    for name, sha256 in said.subjects.items():
        if name not in objects:
            continue
        try:
            wrong += _compare(name, sha256, said, objects[name])
        except OSError as err:
            unread.append(f"{name!r}: {err.strerror or err}")
    if wrong:
        return Verdict("fail", "; ".join(wrong))
    if unread:
        return Verdict("unknown", f"cannot be read: {'; '.join(unread)}")
    if (plan.SEALED_MASTER if said.sealing else MASTER) not in {*objects, *instead}:
        return Verdict("fail", "the master is not here")
    count = len(said.subjects) - len(said.inside - set(objects))
    return Verdict("pass", f"{count} objects are byte for byte those of the record")


def _compare(name: str, sha256: str, said: ClipRecord, open_object: Open) -> list[str]:
    whole, size, edge = hashlib.sha256(), 0, merkle.Frontier()
    with open_object() as source:
        for chunk in chunks(source):
            whole.update(chunk)
            size += len(chunk)
            if name == MASTER:
                edge = edge.append(merkle.leaf_hash(chunk))
    if name == MASTER and size != said.size:
        return [f"the master has {size} bytes, the record says {said.size}"]
    if whole.hexdigest() != sha256:
        return [f"{name!r} has other bytes than the record says"]
    if name == MASTER and edge.root().hex() != said.chunk_root:
        return ["the record contradicts itself: the master's bytes are right, its chunk root is not"]
    return []


def chunks(source: Readable) -> Iterator[bytes]:
    """The bytes in pieces of exactly :data:`CHUNK`, the last one shorter; none for no bytes."""
    pending = bytearray()
    while block := source.read(CHUNK - len(pending)):
        pending += block
        if len(pending) == CHUNK:
            yield bytes(pending)
            pending.clear()
    if pending:
        yield bytes(pending)


def _complete(said: ClipRecord, missing: list[str], stray: list[str]) -> Verdict:
    if missing:
        return Verdict("fail", f"missing: {', '.join(map(repr, missing))}")
    if stray:
        return Verdict("unknown", f"{len(stray)} objects more than the record names")
    return Verdict(
        "pass", f"all {len(said.subjects) - len(said.inside)} objects that the record names are here, and no others"
    )


def _facts(said: ClipRecord, objects: Mapping[str, Open]) -> Iterator[str]:
    yield f"clip {said.clip_id} of camera {said.camera}, {said.size} bytes"
    if said.sealing is not None:
        yield f"sealed ({said.sealing.format}) to {', '.join(said.sealing.recipients)}"
    if MANIFEST_FILE in said.subjects:
        words = ", ".join(f"{aspect} {word}" for aspect, word in said.verdicts.items())
        yield f"the dock's own words on the camera's manifest, not checked again here: {words or 'none'}"
    else:
        yield "the camera gave no manifest: integrity begins at the dock"
    if RECEIPT_FILE in objects:
        yield f"{RECEIPT_FILE} is the custodian's word; the dock's record does not cover it"


def parse_record(envelope: dsse.Envelope) -> ClipRecord:
    """Raises Refused for anything that is not a clip record of version 1."""
    raw = strict_json.parse(envelope.payload) if envelope.payload_type == dsse.IN_TOTO else None
    if not isinstance(raw, dict) or raw.get("_type") != "https://in-toto.io/Statement/v1":
        raise Refused("it is not an in-toto Statement v1")
    if raw.get("predicateType") != CLIP_RECORD:
        raise Refused(f"its predicate is {str(raw.get('predicateType'))[:80]!r}; this version knows {CLIP_RECORD}")
    predicate = _typed(raw, "predicate", dict)
    tree, verdicts = _typed(predicate, "chunks", dict), predicate.get("verdicts")
    subjects = _subjects(_typed(raw, "subject", list))
    if tree.get("size") != CHUNK or not _SHA256.fullmatch(str(tree.get("root"))):
        raise Refused("its chunks are not a root over pieces of 1 MiB")
    sealing = _sealing(predicate[seal_record.MEMBER], subjects) if seal_record.MEMBER in predicate else None
    return ClipRecord(
        subjects=subjects,
        size=_typed(predicate, "bytes", int),
        chunk_root=tree["root"],
        camera=_typed(predicate, "camera", str),
        clip_id=_typed(predicate, "clip_id", str),
        verdicts=_words(verdicts) if verdicts is not None else {},
        quarantine=_typed(predicate, "quarantine", str) if "quarantine" in predicate else "",
        samples=_samples(predicate["samples"]) if "samples" in predicate else None,
        in_stream=_in_stream(predicate["in_stream"]) if "in_stream" in predicate else None,
        sealing=sealing,
    )


def _sealing(raw: Any, subjects: Mapping[str, str]) -> Sealing:
    said = seal_record.parse(raw)
    for one in said.objects:
        if (subjects.get(one.name), subjects.get(one.of)) != (one.sha256, one.of_sha256):
            raise Refused(f"what it says of {one.name!r} contradicts its subjects")
    return said


def _in_stream(raw: Any) -> InStream:
    try:
        return msgspec.convert(raw, InStream)
    except msgspec.ValidationError as err:
        raise Refused(f"what it says of signatures in its stream cannot be: {mistake.in_form(err)}") from err


def _samples(raw: Any) -> Measure:
    try:
        return msgspec.convert(raw, Measure)
    except msgspec.ValidationError as err:
        raise Refused(f"what it says of samples cannot be: {mistake.in_form(err)}") from err


def _words(raw: Any) -> dict[str, str]:
    words: dict[str, str] = {}
    for aspect in ASPECTS:
        word = raw.get(aspect) if isinstance(raw, dict) else None
        if not isinstance(word, str) or word not in _WORDS:
            raise Refused(f"its verdict on {aspect} is not one of {', '.join(sorted(_WORDS))}")
        words[aspect] = word
    return words


def _subjects(raw: list[Any]) -> dict[str, str]:
    subjects: dict[str, str] = {}
    for one in raw:
        if not isinstance(one, dict):
            raise Refused("a subject is not an object")
        name, sha256 = _typed(one, "name", str), _typed(one, "digest", dict).get("sha256")
        if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
            raise Refused(f"subject {name!r} has no SHA-256")
        if name in subjects:
            raise Refused(f"subject {name!r} is there twice")
        subjects[name] = sha256
    if MASTER not in subjects:
        raise Refused("no subject is the master")
    return subjects


def _typed(raw: dict[str, Any], key: str, kind: type) -> Any:
    value = raw.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise Refused(f"its {key} is missing or of the wrong type")
    return value
