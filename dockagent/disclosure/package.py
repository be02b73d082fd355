"""The disclosure package: a bag (RFC 8493) that others can check without us. ``docs/disclosure.md`` says what is in it.

``make`` is its table of contents. It writes into a folder that has no name yet; whoever calls publishes it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dockagent.clock import Clock
from dockagent.core import strict_json
from dockagent.core.acts import Grounds, Recorded
from dockagent.core.disclosure.outward import outward
from dockagent.core.model import Clip
from dockagent.core.moment import rfc3339
from dockagent.disclosure import case, page, pdf, readme
from dockagent.disclosure.bag import BagWriter
from dockagent.disclosure.c2pa import Credential, sidecar
from dockagent.disclosure.checks import KEYS, LEDGER, Subject, checks_of
from dockagent.disclosure.clips import Packed, pack
from dockagent.disclosure.heads import Head, Quorum
from dockagent.disclosure.keys import key_files, signer_of
from dockagent.disclosure.originals import Places
from dockagent.disclosure.page import ClipPage, Cover
from dockagent.disclosure.proofs import Proving, Stamp
from dockagent.disclosure.records import Told, Wanted, select
from dockagent.disclosure.timeline import timeline
from dockagent.evidence.check_clip import MANIFEST_FILE
from dockagent.ledger.leaves import Leaves
from dockagent.ledger.trust import DockIdentity

REPORT, FORMAT = "data/report", "urn:dockagent:package:1"


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be handed out, why, and which record asks for it. ``organization``: who hands it out; ``listing``:
    show the card's listing although it names other files; ``identities``: files that open what is sealed."""

    clips: tuple[Clip, ...]
    asked: Recorded
    grounds: Grounds
    organization: str
    site: str
    version: str
    listing: bool = False
    identities: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Sources:
    """Where it comes from. ``docks``: the dock's sets of public keys, oldest first; ``heads``: checkpoints, best first;
    ``clock``: how long a child may take; ``said``: what went wrong on the way to those who vouch for them; ``stamp``:
    who stamps the records' signatures; ``quorum``: how many witnesses vouch for all of ``heads``."""

    places: Places
    leaves: Leaves
    docks: tuple[DockIdentity, ...]
    heads: Sequence[Head]
    clock: Clock
    said: Sequence[str] = ()
    stamp: Stamp | None = None
    credential: Credential | None = None
    quorum: Quorum = field(default_factory=Quorum)

    def entries(self) -> Iterable[bytes]:
        """The ledger's envelopes, as far as a checkpoint covers them."""
        return self.leaves.read(0, max(head.size for head in self.heads))


def make(request: Request, sources: Sources, bag: BagWriter) -> str:
    """Write the whole package; the SHA-256 (hex) of its ``tagmanifest-sha256.txt``. Raises Missing where an original
    cannot be had, Refused where it is not what the dock signed, DiskFull, OSError."""
    # 1. The footage, each byte compared with what the dock signed.
    packed = [pack(clip, sources.places, request.identities, bag) for clip in request.clips]
    # 2. The custody records, with their proofs; what those lead to, and the keys to check them with.
    told = select(sources.entries, _wanted(request))
    proving = Proving(sources.heads, sources.leaves, sources.stamp)
    files = [*_proofs(told, proving), *_checkpoints(sources), *key_files(sources.docks, KEYS)]
    # 3. The same for other tools: CASE/UCO, C2PA.
    shown = [one for one in told if not one.withheld]
    files.append(("data/case.jsonld", case.render(request.clips, shown, sources.docks[-1].origin)))
    files.append(("data/package.json", _for_programs(request, sources, packed)))
    for name, data in files:
        bag.add(name, data)
    no_c2pa = [sidecar(one, sources.credential, bag, sources.clock) for one in packed]
    # 4. The same for people.
    notes = [
        *([sources.quorum.words] if sources.quorum.missed else []),
        *_named_beside(packed),
        *_withheld(told),
        *_unvouched(sources, proving),
        *dict.fromkeys(why for why in no_c2pa if why),
    ]
    notes = [outward(one) for one in notes]
    for name, data in _for_people(request, sources, packed, shown, notes):
        bag.add(name, data)
    # 5. The lists that speak for all of it.
    return bag.close(_info(request, sources, bag))


def _wanted(request: Request) -> Wanted:
    paths = {path for clip in request.clips for path in (clip.path, *clip.aliases)}
    return Wanted(frozenset(clip.id for clip in request.clips), frozenset(paths), request.listing)


def _proofs(told: Iterable[Told], proving: Proving) -> Iterator[tuple[str, bytes]]:
    for one in told:
        yield from proving.files(one)


def _checkpoints(sources: Sources) -> Iterator[tuple[str, bytes]]:
    for head in sources.heads:
        yield f"{LEDGER}/{head.size}", head.signed
        if head.token:
            yield f"{LEDGER}/{head.size}.tsr", head.token


def _named_beside(packed: Iterable[Packed]) -> Iterator[str]:
    if any(MANIFEST_FILE in one.said.subjects for one in packed):
        yield (
            "The camera signed one manifest for its whole card. It is here because its signature speaks for these "
            "clips; it also names the card's other files, with their digests and times, and holds none of them."
        )


def _withheld(told: Iterable[Told]) -> Iterator[str]:
    for one in told:
        if one.withheld:
            yield f"Record {one.index} ({one.record['type']}) is withheld: {one.withheld}. Its proof is here."


def _unvouched(sources: Sources, proving: Proving) -> Iterator[str]:
    if not any(head.vouched for head in sources.heads):
        yield "No witness and no time-stamping authority vouches for the ledger here: its times are the dock's own."
    if proving.unproved:
        yield f"{proving.unproved} records are newer than every checkpoint, so that they have no proof yet."
    if proving.unstamped:
        yield f"Some records have no time stamp of their own: {proving.unstamped}"
    yield from (f"While this was made: {one}" for one in sources.said)


def _for_people(
    request: Request, sources: Sources, packed: Sequence[Packed], shown: Sequence[Told], notes: list[str]
) -> Iterator[tuple[str, bytes]]:
    lines = timeline(sources.entries(), shown, [one.clip.id for one in packed])
    dock, why = sources.docks[-1], _why(request)
    pages = [
        ClipPage(one.clip, _subject(one, sources), lines[one.clip.id], one.sprite, one.cues, one.notes)
        for one in packed
    ]
    cover = Cover(dock.id, request.site, dock.origin, rfc3339(request.asked.at_ms), request.asked.index, why, notes)
    for one in pages:
        yield f"{REPORT}/{one.clip.id}.html", page.clip_page(cover, one).encode()
    length = sum(len(one.timeline) for one in pages)
    printed, no_pdf = pdf.render(page.report(cover, pages), length)
    if printed:
        yield "data/report.pdf", printed
    yield "data/index.html", page.index_page(cover, pages).encode()
    clips = [(one.folder, one.clip.path) for one in packed]
    said = [*notes, *([no_pdf] if no_pdf else [])]
    contents = readme.Contents(
        dock.id,
        dock.origin,
        cover.made,
        cover.asked,
        clips,
        why,
        said,
        bool(printed),
        sources.credential is not None,
        list(checks_of(pages[0].subject)),
    )
    yield "README.txt", readme.text(contents)


def _why(request: Request) -> list[tuple[str, str]]:
    grounds = request.grounds
    return [
        ("For", grounds.recipient),
        ("Purpose", grounds.purpose),
        ("Basis", grounds.basis),
        ("Authority", grounds.authority),
    ]


def _subject(packed: Packed, sources: Sources) -> Subject:
    verdicts = packed.clip.verdicts
    return Subject(
        packed.said,
        packed.folder,
        packed.master,
        signer_of(packed.envelope, sources.docks).origin,
        any(one.chain_pem for one in sources.docks),
        dict(verdicts.reasons) if verdicts else {},
        tuple(sources.heads),
    )


def _for_programs(request: Request, sources: Sources, packed: Sequence[Packed]) -> bytes:
    """What lies where, for programs; what counts is in the signed records."""
    said = {
        "format": FORMAT,
        "dock": sources.docks[-1].id,
        "ledger": sources.docks[-1].origin,
        "asked": request.asked.index,
        "clips": [{"clip": one.clip.id, "folder": one.folder, "master": one.master} for one in packed],
        "checkpoints": [head.size for head in sources.heads],
        "witnesses": {
            "asked": sources.quorum.asked,
            "needed": sources.quorum.needed,
            "cosigned": sources.quorum.cosigned,
        },
    }
    return strict_json.canonical(said) + b"\n"


def _info(request: Request, sources: Sources, bag: BagWriter) -> Iterator[tuple[str, str]]:
    size, _ = bag.payload
    dock, grounds = sources.docks[-1], request.grounds
    yield "Source-Organization", request.organization or dock.id
    yield "External-Identifier", f"{dock.origin} {request.asked.index}"
    yield "External-Description", f"Footage disclosed to {grounds.recipient}: {grounds.purpose}"
    yield "Internal-Sender-Description", f"{grounds.basis}; {grounds.authority}"
    yield "Bagging-Date", rfc3339(request.asked.at_ms)[:10]
    yield "Bag-Size", f"{size} bytes"
    yield "Bag-Software-Agent", f"dockagent {request.version}"
