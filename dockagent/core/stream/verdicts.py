"""From messages and slices to verdicts: what the signatures in one video prove, and what they do not.

The rules are those of a camera's manifest (core/camera/manifest): ``intact`` is ``pass`` only where every picture is as
a valid signature has it and a root vouches for the signer; ``fail`` where a valid signature, whoever made it, says
other pictures; ``unknown`` otherwise. An invalid signature proves nothing either way.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from cryptography import x509

from dockagent.core.camera.manifest import EARLIEST_MS, Answer, Verdicts
from dockagent.core.moment import rfc3339
from dockagent.core.proof import certificates
from dockagent.core.stream.gop_chain import Matched, Part, Slices, hash_slices, match
from dockagent.core.stream.in_stream import StreamSignature
from dockagent.core.stream.keys import Keys, vouched
from dockagent.core.stream.nal_units import Kind, Video
from dockagent.core.stream.scan import Messages
from dockagent.core.stream.signed_sei import Document
from dockagent.errors import Refused

MOST_LINES = 12  # about what is not as it was signed
_WRAP = 1 << 32  # of the counters
_NOT_YET = "not verified by this version"


def verdicts_on(video: Video, found: Messages, roots: Sequence[x509.Certificate], at_ms: int) -> StreamSignature:
    """Judge them by what the video holds, ``roots`` that vouch for cameras, and the dock's time. Raises Refused for a
    stream that breaks a rule."""
    names = {one.hash_name for one in found.documents if one is not None and one.hash_name}
    if len(names) > 1:
        raise Refused(f"{_NOT_YET}: the hash algorithm changes inside the stream")
    name = names.pop() if names else "sha256"
    keys = Keys.of(found.documents, name)
    slices, matched = _hashed(video, found, name, left_out=False)
    outside = sum(unit.kind is Kind.LEFT_OUT for unit in video.units(whole=False))
    if outside and any(not part.same for part in matched.parts):
        # The text has every slice hashed; the published signers leave some kinds out. Whichever the camera followed.
        other, as_text = _hashed(video, found, name, left_out=True)
        if all(part.same for part in as_text.parts):
            slices, matched, outside = other, as_text, 0
    return _Judge(found, name, keys, slices, matched, outside).judged(video.track, roots, at_ms)


def _hashed(video: Video, found: Messages, name: str, *, left_out: bool) -> tuple[Slices, Matched]:
    slices = hash_slices(video.units(whole=True), video.codec, found.documents, name, left_out=left_out)
    return slices, match(slices, found.documents, name)


@dataclass(slots=True)
class _Said:
    """Lines under the two verdicts on the pictures."""

    refuted: list[str] = field(default_factory=list)
    uncovered: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)


class _Judge:
    """Judges one format in one video."""

    def __init__(self, found: Messages, name: str, keys: Keys, slices: Slices, matched: Matched, outside: int) -> None:
        self._found, self._name, self._keys, self._outside = found, name, keys, outside
        self._slices, self._matched = slices, matched
        self._messages = set(slices.vouched.values())
        self._trusted = self._believed()
        self._parts = [part for part in matched.parts if part.document in self._trusted]
        self._fits = self._fitting()
        self._said = _Said()

    def judged(self, track: int, roots: Sequence[x509.Certificate], at_ms: int) -> StreamSignature:
        """All of it."""
        self._look_at_parts()
        self._look_at_links()
        self._look_at_rest()
        signature, why_signature = self._signature()
        signer, why_signer = self._signer(roots, at_ms)
        intact, why_intact = self._intact(signer)
        complete, why_complete = self._complete()
        one = self._keys.signers[0] if len(self._keys.signers) == 1 else None
        said = self._said
        counters = [self._document(part).counter for part in self._parts]
        pictures = set(self._pictures(0, len(self._slices)))
        quarantine = why_intact if intact == "fail" else f"signature: {why_signature}" if signature == "fail" else ""
        reasons = (why_intact, why_signature, why_signer, self._times(), why_complete)
        return StreamSignature(
            format=self._found.format,
            track=track,
            verdicts=Verdicts(
                intact,
                signature,
                signer,
                "unknown",
                complete,
                dict(zip(("intact", "signature", "signer", "time", "complete"), reasons, strict=True)),
                quarantine,
            ),
            key=one.id if one else "",
            certificate=certificates.shown(one.chain[0].subject) if one and one.chain else "",
            device=next((dict(document.about) for document in self._documents() if document.about), {}),
            hash=self._name,
            pictures=len(pictures),
            covered=len(pictures) - len(self._open_pictures()),
            groups=len(self._slices.starts),
            messages=len(self._found.documents),
            counters=(counters[0], counters[-1]) if counters else (-1, -1),
            noticed=_limited([*said.refuted, *said.uncovered, *said.lost, *said.cut]),
        )

    def _documents(self) -> Iterator[Document]:
        return (one for one in self._found.documents if one is not None)

    def _document(self, part: Part) -> Document:
        document = self._found.documents[part.document]
        if document is None:
            raise AssertionError("only messages that were read have parts")
        return document

    def _believed(self) -> set[int]:
        """Messages whose signature is valid, and those without one that a believed later message has hashed."""
        believed = set(self._keys.good)
        for part in reversed(self._matched.parts):
            if part.document in believed and part.same:
                believed |= {one for one, at in self._slices.vouched.items() if part.first <= at < part.end}
        return believed

    def _fitting(self) -> bytearray:
        """For each slice whether it is as signed."""
        fits = bytearray(len(self._slices))
        for part in self._parts:
            if part.same:
                fits[part.first : part.end] = b"\1" * (part.end - part.first)
            for one in part.fits:
                fits[one] = 1
        return fits

    def _pictures(self, first: int, end: int) -> list[int]:
        """The pictures of these slices, without the messages that are hashed as slices are."""
        messages = self._messages
        return [self._slices.pictures[one] for one in range(first, end) if one not in messages]

    def _open_pictures(self) -> set[int]:
        messages, pictures = self._messages, self._slices.pictures
        return {pictures[one] for one, fits in enumerate(self._fits) if not fits and one not in messages}

    def _look_at_parts(self) -> None:
        for part in self._parts:
            if part.same:
                continue
            where = f"group {self._document(part).counter}"
            if part.end > part.first:
                where += f", {self._places(part.first, part.end)}"
            if not part.listed:
                self._look_at_unlisted(part, where)
                continue
            counts = ("altered", part.altered), ("missing", part.missing), ("added", part.added), ("moved", part.moved)
            told = ", ".join(f"{count} {word}" for word, count in counts if count)
            self._said.refuted.append(f"{where}: slices not as signed: {told or 'another order'}")
            if part.missing:
                self._said.lost.append(f"{part.missing} signed slices of group {self._document(part).counter}")

    def _look_at_unlisted(self, part: Part, where: str) -> None:
        """A message without a list, whose one hash over the group fits nowhere.

        The published Axis file has other hashes over its groups than its framework's text makes, and the published
        ONVIF signer repeats the last one at the end of a stream: neither says anything about the pictures.
        """
        document = self._document(part)
        others = [one.gop_hash for one in self._documents() if one is not document and one.counter < document.counter]
        if document.format == "axis-signed-video":
            self._said.uncovered.append(f"{where}: {_NOT_YET}: a group of Axis Signed Video without a list of hashes")
        elif document.gop_hash in others[-1:]:
            self._said.uncovered.append(f"{where}: its message repeats the hash of the group before")
        else:
            self._said.refuted.append(f"{where}: not as signed; the message has no list to tell which slices")

    def _look_at_links(self) -> None:
        before: Part | None = None
        for part in self._parts:
            if before is None:
                self._look_at_head(part)
            else:
                self._look_at_link(before, part)
            before = part

    def _look_at_head(self, part: Part) -> None:
        """What lies before the first signed group."""
        document, slices = self._document(part), self._slices
        if _first_of_all(document):
            if part.first:
                self._said.cut.append(
                    f"signing began only at group {document.counter}, {self._places(0, part.first)} before"
                )
            return
        whole = bool(slices.starts) and slices.starts[0] == 0
        if part.first and whole and not self._linked(document, 0, part.first):
            self._said.refuted.append(
                f"the pictures before group {document.counter} are not those that were signed there"
            )
        self._said.cut.append(
            f"its first signed group is number {document.counter}: what was signed before it is not here"
        )

    def _look_at_link(self, before: Part, part: Part) -> None:
        last, document = self._document(before), self._document(part)
        step = (document.counter - last.counter) % _WRAP
        names = f"groups {last.counter} and {document.counter}"
        if _first_of_all(document):
            self._said.uncovered.append(
                f"signing begins anew at group {document.counter}: nothing links it to what is before"
            )
        elif step == 0 or step > _WRAP // 2:
            self._said.refuted.append(
                f"group {document.counter} stands behind group {last.counter}: they changed places"
            )
        elif step == 1:
            if before.same and document.linked != self._slices.hash(before.first):
                self._said.refuted.append(f"{names} did not follow each other when they were signed")
            if self._pictures(before.end, part.first):
                places = self._places(before.end, part.first)
                self._said.refuted.append(f"added between {names}, which were signed one after the other: {places}")
        else:
            self._said.lost.append(f"the messages of {step - 1} groups between {names}")
            if not self._linked(document, before.first, part.first):
                self._said.refuted.append(f"signed pictures between {names} are missing or altered")

    def _linked(self, document: Document, first: int, end: int) -> bool:
        return any(self._slices.hash(one) == document.linked for one in range(first, end))

    def _look_at_rest(self) -> None:
        """Slices that no believed message speaks of."""
        claimed = sorted((part.first, part.end) for part in self._parts)
        at = 0
        for first, end in [*claimed, (len(self._slices), len(self._slices))]:
            if self._pictures(at, first):
                where = (
                    "at the beginning" if not at else "at the end" if first == len(self._slices) else "in the middle"
                )
                self._said.uncovered.append(f"{where}, {self._places(at, first)} that no valid signature covers")
                if where == "at the end":
                    self._said.cut.append("its last pictures are not signed: the message for them may have come later")
            at = max(at, end)
        if self._outside:
            self._said.uncovered.append(
                f"{self._outside} NAL units of kinds that the published signers leave out (partitions, sub-layers)"
            )

    def _places(self, first: int, end: int) -> str:
        """Slices in words; pictures are counted from 0."""
        pictures = self._pictures(first, end) or self._slices.pictures[first:end]
        one, last = pictures[0], pictures[-1]
        return f"picture {one}" if one == last else f"pictures {one} to {last}"

    def _signature(self) -> tuple[Answer, str]:
        keys, unread = self._keys, self._found.unread
        good = sum(1 for one in self._documents() if one.signature is not None) - len(keys.bad) - len(keys.keyless)
        if keys.bad:
            return (
                "fail",
                f"{len(keys.bad)} of {len(self._found.documents)} messages have a signature that is not valid",
            )
        if len(keys.signers) > 1:
            return "fail", f"its messages are signed by {len(keys.signers)} different keys"
        strange = [one for one in unread if not one.startswith(_NOT_YET)]
        if strange:
            return "fail", f"{len(strange)} messages that sign cannot be read: {strange[0]}"
        if unread:
            return "unknown", unread[0]
        if keys.trouble or not good or keys.keyless:
            return "unknown", keys.trouble or "no key for its signatures is in the file"
        return "pass", f"{good} signatures by one key, {self._name}"

    def _signer(self, roots: Sequence[x509.Certificate], at_ms: int) -> tuple[Answer, str]:
        keys = self._keys
        if len(keys.signers) != 1:
            return "unknown", "there is no one key to know the signer by"
        one = keys.signers[0]
        if keys.attested:
            return "unknown", f"self-stated; the maker's attestation of the key is {_NOT_YET}"
        if not one.chain:
            return "unknown", "self-stated: the key is in the stream only, and nobody vouches for it"
        if not roots:
            return "unknown", "self-stated: no maker's root was given to know cameras by"
        try:
            return "pass", vouched(one, roots, at_ms)
        except Refused as err:
            return "fail", err.what

    def _intact(self, signer: Answer) -> tuple[Answer, str]:
        said = self._said
        if said.refuted:
            return "fail", "; ".join(_limited(said.refuted))
        if not self._parts:
            return "unknown", "no valid signature covers any picture"
        if said.uncovered:
            return "unknown", "; ".join(_limited(said.uncovered))
        if self._keys.bad or self._found.unread or len(self._keys.signers) > 1:
            return "unknown", "not every message that signs could be believed"
        count = len(set(self._pictures(0, len(self._slices))))
        all_of_them = f"all {count} pictures are as they were signed"
        if signer != "pass":
            return "unknown", f"{all_of_them}, but nobody vouches for who signed them"
        return "pass", all_of_them

    def _complete(self) -> tuple[Answer, str]:
        said = self._said
        if said.lost:
            return "fail", f"not here: {'; '.join(_limited(said.lost))}"
        if said.refuted or not self._parts:
            return "unknown", "not all pictures are as they were signed" if self._parts else "nothing is covered"
        if said.cut or said.uncovered:
            return "unknown", "; ".join(_limited([*said.cut, *said.uncovered]))
        return (
            "pass",
            "from the first group that was signed to the last picture here; whether more followed is not told",
        )

    def _times(self) -> str:
        times = [
            one for document in self._documents() for one in (document.first_ms, document.last_ms) if one is not None
        ]
        if not times:
            return "the stream states no time"
        if min(times) < EARLIEST_MS or max(times) >= 253_402_300_800_000:  # the year 10000
            return "the stream's own times are no dates; nobody vouches for them"
        return f"the stream says {rfc3339(min(times))} to {rfc3339(max(times))}; nobody vouches for that"


def _first_of_all(document: Document) -> bool:
    """Whether its group is the first that the camera signed: the text has all ones there, the signers all zeros."""
    return not document.linked.strip(b"\0") or not document.linked.strip(b"\xff")


def _limited(lines: Sequence[str]) -> tuple[str, ...]:
    more = len(lines) - MOST_LINES
    return (*lines[:MOST_LINES], f"and {more} more") if more > 0 else tuple(lines)
