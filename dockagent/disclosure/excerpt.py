"""Make an excerpt that proves itself: a part of a clip, samples unchanged, with what shows that it is that part.

1. The clip's record says what the samples of the whole clip are; the ledger holds the root over that record's fields.
2. A child without rights cuts the file, and makes the range proofs from the whole clip, whose trees must be those of
   the record. 3. A stock ffmpeg reads what was cut, and its lines must prove it too. 4. Only then is it put in place.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dockagent.clock import Clock
from dockagent.core import strict_json
from dockagent.core.disclosure import clip_fields, excerpt_proof
from dockagent.core.disclosure.clip_fields import MEMBER, REVEALS
from dockagent.core.disclosure.excerpt_cut import Cut, Stretch
from dockagent.core.disclosure.excerpt_proof import FILES, PROOF_FILE, Fields, Proof
from dockagent.core.movie.clip_samples import sample_leaf
from dockagent.core.proof import dsse, merkle, merkle_range, note, tlog_proof
from dockagent.durable import RealDisk
from dockagent.errors import Missing, Permanent, Refused, UsageError
from dockagent.ledger import witnessed
from dockagent.ledger.entries import lines
from dockagent.ledger.keys import PUBLIC
from dockagent.ledger.keys_lineage import Lineage
from dockagent.ledger.leaves import Leaves
from dockagent.ledger.log import CHECKPOINT, ENTRIES
from dockagent.ledger.trust import parse
from dockagent.media import excerpt as media
from dockagent.media.excerpt import Wanted

LEDGER = "ledger"
_WORK = "work"
_WHOLE = "disclose the whole clip"
_HEADS = 64  # checkpoints that are looked at, newest first


@dataclass(frozen=True, slots=True)
class Order:
    """What to make: ``wanted`` of the clip whose signed record is ``record``; ``reveal``: which other fields of the
    record go with it; ``home``: the dock's, with its ledger."""

    wanted: Wanted
    record: bytes
    reveal: tuple[str, ...]
    home: RealDisk


@dataclass(frozen=True, slots=True)
class Made:
    """What is in the folder now. ``proof_sha256`` (hex): of ``excerpt.json``, which names the file's own digest;
    ``whole_record``: whether the record had to be shown as a whole."""

    proof: Proof
    proof_sha256: str
    bytes: int
    left_out: tuple[str, ...]
    whole_record: bool


def make(order: Order, out: RealDisk, clock: Clock) -> Made:
    """Make an excerpt in the folder ``out``, which must be empty. Raises UsageError for a time, track or field that is
    not there, Missing where the clip has no trees, Refused where it is not the clip of its record."""
    if out.names(""):
        raise UsageError(f"{out.root} is not empty", "give --out a new folder")
    statement = strict_json.parse(dsse.parse(order.record).payload)
    tracks = {one["track"]: one for one in (statement["predicate"].get("samples") or {}).get("tracks", ())}
    if not tracks:
        why = (statement["predicate"].get("samples") or {}).get("why") or "its record tells of no samples"
        raise Missing(f"an excerpt cannot be proved, because the clip has no sample trees: {why}", _WHOLE)
    names = _reveals(statement, order.reveal)
    part = out.path(f"{_WORK}/part")
    part.parent.mkdir(mode=0o750)
    try:
        cut = media.cut(order.wanted, part, clock)
        _check_original(cut, tracks)
        _check_outside(cut, media.framehash(part, part.parent, clock), tracks)
        return _put(order, statement, names, cut, out)
    finally:
        for name in ("part", media.LISTING):
            out.remove(f"{_WORK}/{name}")


def _reveals(statement: Mapping[str, Any], words: Sequence[str]) -> set[str]:
    fields = clip_fields.fields_of(statement)
    found: set[str] = set()
    for word in words:
        names = {*REVEALS.get(word, ()), word} & set(fields)
        if not names:
            raise UsageError(f"the record of this clip has no field {word!r}", f"it has {', '.join(fields)}")
        found |= names
    return found


def _check_original(cut: Cut, said: Mapping[int, Mapping[str, Any]]) -> None:
    """What was read is the clip of the record. Raises Refused."""
    taken = {one.track for one in cut.stretches}
    for track in cut.original:
        its = said.get(track.track, {})
        ours = (track.root, track.samples, track.presentation_leaf)
        if track.track in taken and ours != (its.get("root"), its.get("samples"), its.get("presentation_leaf")):
            raise Refused(
                f"track {track.track} of the clip is not the one of its record", "run `dockagent verify` on the clip"
            )


def _check_outside(cut: Cut, listing: bytes, said: Mapping[int, Mapping[str, Any]]) -> None:
    """What an outsider's ffmpeg reads in the excerpt proves it too. Raises Permanent where it does not."""
    lines = [line.replace(b" ", b"").split(b",") for line in listing.splitlines() if not line.startswith(b"#")]
    for place, stretch in enumerate(cut.stretches):
        leaves = list(_outside_leaves(stretch, [line for line in lines if int(line[0]) == place]))
        proof = merkle_range.RangeProof(
            tuple(map(bytes.fromhex, stretch.siblings)), tuple(map(bytes.fromhex, stretch.peaks))
        )
        size, end = said[stretch.track]["samples"], stretch.first + stretch.samples
        merkle_range.verify(bytes.fromhex(said[stretch.track]["root"]), size, stretch.first, end, proof)
        if len(leaves) != stretch.samples or any(merkle_range.differing(leaves, size, stretch.first, proof)):
            raise Permanent(
                f"no excerpt: ffmpeg reads other samples in track {place} than were cut; this is a mistake of ours",
                "disclose the whole clip, and report this",
            )


def _outside_leaves(stretch: Stretch, lines: Sequence[Sequence[bytes]]) -> Iterator[bytes]:
    for at, (_, dts, pts, _, size, sha256, *_) in enumerate(lines, stretch.first):
        times = int(dts) + stretch.shift, int(pts) + stretch.shift
        yield merkle.leaf_hash(sample_leaf(at, stretch.track, *times, int(size), sha256.decode()))


def _put(order: Order, statement: dict[str, Any], names: set[str], cut: Cut, out: RealDisk) -> Made:
    fields = statement["predicate"].get(MEMBER)
    index, entry = _entry(order, fields)
    proved, stamp = _proved(order.home, index)
    shown = None
    if fields is not None:
        names = names | {f"samples.{one.track}" for one in cut.stretches}
        of_record = clip_fields.fields_of(statement)
        if clip_fields.root(of_record, fields["salts"]) != fields["root"]:
            raise Refused("the clip record contradicts itself: its fields are not under their root", _WHOLE)
        shown = Fields(len(of_record), clip_fields.show(of_record, fields["salts"], names))
    with out.reader(f"{_WORK}/part") as made:
        quicktime = made.read(12)[8:] == b"qt  "
    proof = Proof(
        type="urn:dockagent:excerpt:1",
        file=FILES[quicktime],
        bytes=cut.bytes,
        sha256=cut.sha256,
        asked_from_ms=order.wanted.span.from_ms,
        asked_to_ms=order.wanted.span.to_ms,
        from_ms=cut.from_ms,
        to_ms=cut.to_ms,
        tracks=cut.stretches,
        fields=shown,
        record=None if shown else strict_json.parse(order.record),
        entry=strict_json.parse(entry),
        tlog_proof=proved.encode().decode() if proved else "",
        time_stamp=base64.b64encode(stamp).decode(),
        docks=tuple(_docks(order.home, index, proved)),
    )
    data = excerpt_proof.encode(proof)
    with out.append(f"{_WORK}/part") as whole:
        whole.sync()
    out.commit(f"{_WORK}/part", proof.file)
    out.write(PROOF_FILE, data)
    return Made(proof, hashlib.sha256(data).hexdigest(), cut.bytes + len(data), cut.left_out, shown is None)


def _entry(order: Order, fields: Mapping[str, Any] | None) -> tuple[int, bytes]:
    """The ledger's record about the clip record's fields, or about the record itself. Raises Missing."""
    wanted = fields["root"] if fields else hashlib.sha256(order.record).hexdigest()
    kinds = ("clip.fields",) if fields else ("admit", "quarantine")
    found = None
    for index, entry in enumerate(_entries(order.home)):
        payload = dsse.parse(entry).payload
        if wanted.encode() in payload and strict_json.parse(payload)["type"] in kinds:
            found = index, entry  # the newest: a record that had to be signed again is in the ledger again
    if found is None:
        raise Missing("the dock's ledger does not know this clip's record", "run `dockagent verify` on the dock's home")
    return found


def _entries(home: RealDisk) -> Iterator[bytes]:
    """The whole lines, also those that no checkpoint is over yet."""
    with home.reader(f"{LEDGER}/{ENTRIES}") as source:
        yield from (line[:-1] for line in lines(source) if line.endswith(b"\n"))


def _proved(home: RealDisk, index: int) -> tuple[tlog_proof.TlogProof | None, bytes]:
    """The record's place in the ledger, under the checkpoint over it that most outsiders vouch for, and its time stamp.
    None where no checkpoint is over it."""
    found: list[tuple[int, bool, int, bytes, bytes]] = []
    kept = [witnessed.path_of(LEDGER, size) for size in witnessed.sizes(home, LEDGER)[-_HEADS:]]
    for path in [f"{LEDGER}/{CHECKPOINT}", *kept]:
        if home.size(path) is None:
            continue  # the dock has made none yet
        signed = home.read(path)
        token = home.read(path + witnessed.SUFFIX) if home.size(path + witnessed.SUFFIX) is not None else b""
        size = note.parse_checkpoint(note.parse(signed)).size
        if size > index:
            found.append((len(note.parse(signed).signatures), bool(token), size, signed, token))
    if not found:
        return None, b""
    _, _, size, signed, token = max(found)
    return tlog_proof.of(Leaves(home, LEDGER).hashes(size), index, signed), token


def _docks(home: RealDisk, index: int, proved: tlog_proof.TlogProof | None) -> Iterator[dict[str, Any]]:
    """The public keys that signed record and checkpoint, as a trust file has them: for trying, not for believing."""
    lineage = Lineage(parse(home.read(f"{LEDGER}/{PUBLIC}")).docks)
    sets = [*lineage.at(index), *(lineage.heads(proved.head().size) if proved else ())]
    return (one.as_json() for one in {one.same_keys: one for one in sets}.values())
