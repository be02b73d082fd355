"""Check an excerpt: its file, its proof, and public keys are all that is needed for what it shows of the original.

What of the proof no signature covers (what was asked for, which keys came along) is the dock's word by the record of
the hand-out, which lies beside the folder; without that an excerpt is never simply good.

intact: every sample is the original's, set up and shown as there, all tracks shifted by one time. complete: each track
is one stretch without a gap. signature, signer: whose word the original's roots are. time: who vouches for the ledger
that holds them. What is not in a proof: how long the last sample lasts, and which samples a player may jump to.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from dockagent.clock import SystemClock
from dockagent.core import mistake, strict_json
from dockagent.core.disclosure import clip_fields, excerpt_proof
from dockagent.core.disclosure.excerpt_proof import PROOF_FILE, Proof
from dockagent.core.disclosure.excerpt_tracks import Found
from dockagent.core.movie.clip_samples import Track
from dockagent.core.proof import dsse
from dockagent.errors import Refused
from dockagent.evidence.check_clip import chunks
from dockagent.evidence.check_entry import Entry, check_entry
from dockagent.evidence.check_excerpt_keys import keys_along
from dockagent.evidence.check_handed_out import HandedOut
from dockagent.evidence.check_records import gravest
from dockagent.evidence.check_sealed import Open
from dockagent.evidence.footage import footage
from dockagent.evidence.keyring import NO_TIME, Keyring
from dockagent.evidence.report import Report, Verdict
from dockagent.ledger.trust import DockIdentity, Trust
from dockagent.media import excerpt_tracks

_ABOUT_FIELDS, _ABOUT_RECORD = ("clip.fields",), ("admit", "quarantine")


def docks_in(proof: bytes) -> tuple[DockIdentity, ...]:
    """The public keys that a proof brings along; none where it cannot be read."""
    try:
        return keys_along(excerpt_proof.parse(proof))
    except Refused:
        return ()  # which the check of the proof says


def check_excerpt(
    path: str, proof: bytes, objects: Mapping[str, Open], keyring: Keyring, trust: Trust | None, handed: HandedOut
) -> Report:
    """What can be said about an excerpt's folder with ``excerpt.json`` = ``proof`` and ``objects`` (all other files, by
    name). ``path`` is only for the report; ``handed``: what lies beside the folder."""
    unknown = Verdict("unknown", "there is no readable proof to compare with")
    try:
        said = excerpt_proof.parse(proof)
        stamp = base64.b64decode(said.time_stamp, validate=True)
    except (Refused, ValueError) as err:  # not base64, or text outside ASCII
        bad = Verdict("fail", f"the proof cannot be read: {err}")
        return Report("excerpt", path, _all(unknown, bad, unknown, NO_TIME, unknown))
    # 1. Who signed what the proof rests on, and when at the latest.
    entry = check_entry(said.entry, said.tlog_proof, stamp, keyring, trust)
    # 2. That this very proof was handed out, which is all that speaks for the rest of it.
    as_handed = _as_handed_out(proof, said, handed)
    signature, signer, time = _together(entry, handed)
    # 3. What they signed about the original.
    try:
        values, tracks = _signed(said, entry)
    except Refused as err:
        bad = Verdict("fail", err.what)
        return Report("excerpt", path, _all(bad, signature, signer, time, unknown))
    # 4. The excerpt's file.
    found = _file(said, objects, tracks)
    found = replace(found, wrong=(*found.wrong, *as_handed))
    verdicts = _all(_intact(said, found), signature, signer, time, _complete(said, found))
    stray = sorted(set(objects) - {said.file})
    findings = (*(f"{one!r} lies in the folder, and no proof covers it" for one in stray), *found.findings)
    facts = (*_facts(said, values, handed), *found.facts, *entry.facts, *_told(handed))
    return Report("excerpt", path, verdicts, (*findings, *entry.findings, *_lacking(handed)), facts)


def _as_handed_out(proof: bytes, said: Proof, handed: HandedOut) -> Iterator[str]:
    """What is wrong with those parts of the proof that nothing in it proves."""
    try:
        keys_along(said)
    except Refused as err:
        yield err.what
    if handed.what is not None and handed.sha256 != hashlib.sha256(proof).hexdigest():
        yield f"it is not the excerpt that was handed out: {PROOF_FILE} is another"


def _together(entry: Entry, handed: HandedOut) -> tuple[Verdict, Verdict, Verdict]:
    """Signature, signer and time of the record that the proof rests on, unless those of the hand-out are worse."""
    if not handed.is_here:
        return entry.signature, entry.signer, entry.time
    signature = gravest([handed.signature, entry.signature])
    return signature, gravest([handed.signer, entry.signer]), handed.time if handed.time.word == "fail" else entry.time


def _lacking(handed: HandedOut) -> tuple[str, ...]:
    if handed.is_here:
        return handed.findings
    return (f"{handed.signature.why}; nobody signed what was asked for, nor which keys came along",)


def _told(handed: HandedOut) -> Iterator[str]:
    if handed.what is not None and handed.signature.word == "pass":
        yield f"its proof is the one that was handed out, {handed.signature.why}; of when: {handed.time.why}"
        yield from handed.facts


def _all(*verdicts: Verdict) -> dict[str, Verdict]:
    return dict(zip(("intact", "signature", "signer", "time", "complete"), verdicts, strict=True))


def _signed(said: Proof, entry: Entry) -> tuple[dict[str, Any], dict[int, Track]]:
    """The fields that are shown, and the tracks among them. Raises Refused for what the ledger's record does not
    cover."""
    what = (entry.record or {}).get("what")
    kind = (entry.record or {}).get("type")
    if not isinstance(what, dict) or kind not in (_ABOUT_RECORD if said.fields is None else _ABOUT_FIELDS):
        raise Refused(f"the ledger's record is a {kind!r}, which says nothing about fields or records of clips")
    if said.fields is not None:
        if what.get("count") != said.fields.count:
            raise Refused(f"the dock signed {what.get('count')} fields, the proof says {said.fields.count}")
        values = clip_fields.check(said.fields.shown, said.fields.count, str(what.get("root")))
    else:
        values = _of_record(said.record or {}, str(what.get("record_sha256")))
    tracks = [_track(value) for name, value in values.items() if name.startswith("samples.")]
    return values, {one.track: one for one in tracks}


def _of_record(record: dict[str, Any], sha256: str) -> dict[str, Any]:
    data = strict_json.canonical(record)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise Refused("the clip record is not the one that the ledger names")
    statement = strict_json.parse(dsse.parse(data).payload)
    try:
        return clip_fields.fields_of(statement)
    except (KeyError, TypeError, AttributeError, StopIteration) as err:
        raise Refused("the clip record has not the form of one") from err


def _track(value: Any) -> Track:
    try:
        return msgspec.convert(value, Track)
    except msgspec.ValidationError as err:
        raise Refused(f"what the dock signed about a track cannot be: {mistake.in_form(err)}") from err


def _file(said: Proof, objects: Mapping[str, Open], tracks: dict[int, Track]) -> Found:
    if said.file not in objects:
        return Found(wrong=(f"{said.file} is not here",))
    try:
        with objects[said.file]() as source:
            whole, size = hashlib.sha256(), 0
            for chunk in chunks(source):
                whole.update(chunk)
                size += len(chunk)
            with footage(source) as film:
                found = excerpt_tracks.check(film.file, size, said, tracks, SystemClock())
    except OSError as err:
        return Found(wrong=(f"{said.file} cannot be read: {err.strerror or err}",))
    if (whole.hexdigest(), size) != (said.sha256, said.bytes) and not (found.wrong or found.gaps):
        return Found(wrong=(f"{said.file} has other bytes than its proof says",), facts=found.facts)
    return found


def _intact(said: Proof, found: Found) -> Verdict:
    if found.wrong or found.gaps:
        return Verdict("fail", "; ".join((*found.wrong, *found.gaps)))
    if found.unread:
        return Verdict("unknown", f"cannot tell: {found.unread}")
    samples = sum(one.samples for one in said.tracks)
    return Verdict("pass", f"all {samples} samples of {len(said.tracks)} tracks are the original's, unchanged")


def _complete(said: Proof, found: Found) -> Verdict:
    if found.gaps:
        return Verdict("fail", "; ".join(found.gaps))
    if found.wrong or found.unread:
        return Verdict("unknown", "nothing was shown to be one stretch of the original")
    return Verdict("pass", f"one stretch of the original, {_time(said.from_ms)} to {_time(said.to_ms)}, without a gap")


def _facts(said: Proof, values: dict[str, Any], handed: HandedOut) -> list[str]:
    whose = "by the record of the hand-out" if handed.what is not None else "which is nobody's word"
    facts = [
        f"asked for was {_time(said.asked_from_ms)} to {_time(said.asked_to_ms)}, {whose}:"
        f" {max(said.asked_from_ms - said.from_ms, 0)} ms of lead-in,"
        f" {max(said.to_ms - said.asked_to_ms, 0)} ms of lead-out",
        "not proved: how long the last sample of each track lasts, and to which samples players may jump",
    ]
    if said.record is not None:
        facts.append("the whole clip record is shown: its dock did not make fields that can be shown one by one")
    shown = {name: value for name, value in values.items() if not name.startswith("samples.")}
    if said.record is None:
        facts += [f"shown of the clip record: {name} {_text(value)}" for name, value in shown.items()]
        facts.append(f"{len(values)} of the {said.fields.count if said.fields else 0} fields of the record are shown")
    return facts


def _text(value: Any) -> str:
    return value if isinstance(value, str) else strict_json.canonical(value).decode()


def _time(ms: int) -> str:
    sign, ms = ("-", -ms) if ms < 0 else ("", ms)
    return f"{sign}{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"
