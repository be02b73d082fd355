"""The footage of a package: found, copied, and compared with what the dock signed, in one pass over its bytes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dockagent.core import plan
from dockagent.core.disclosure.package_form import CLIPS, SUFFIX
from dockagent.core.model import Clip
from dockagent.core.proof import dsse
from dockagent.disclosure.bag import BagWriter
from dockagent.disclosure.originals import Places, find, record_of
from dockagent.errors import Refused
from dockagent.evidence.check_clip import MASTER, RECORD_FILE, ClipRecord, parse_record
from dockagent.evidence.sealed import open_sealed
from dockagent.ledger.entries import Readable

SPRITE, CUES = "preview/sprite.jpg", "preview/storyboard.vtt"


@dataclass(frozen=True, slots=True)
class Packed:
    """A clip that is in the bag: its signed record, taken apart; its folder, and its master's file name there;
    ``sprite`` and ``cues``: its storyboard, or empty; ``notes``: what a reader must not overlook."""

    clip: Clip
    said: ClipRecord
    envelope: dsse.Envelope
    folder: str
    master: str
    sprite: bytes
    cues: str
    notes: tuple[str, ...]


def master_name(path: str) -> str:
    """What the master of a file that was called ``path`` is called in a package: players go by the suffix."""
    name, dot, suffix = path.rpartition("/")[2].lower().rpartition(".")
    return MASTER + (dot + suffix if name and SUFFIX.fullmatch(dot + suffix) else "")


def pack(clip: Clip, places: Places, identities: Sequence[Path], bag: BagWriter) -> Packed:
    """Put a clip into the bag. ``identities``: files that open what is sealed; without them, sealed objects go as they
    are. Raises Missing where something cannot be had, Refused where it is not what was signed, DiskFull, OSError."""
    record = record_of(clip, places)
    envelope = dsse.parse(record)
    said, folder = parse_record(envelope), f"{CLIPS}/{clip.id}"
    bag.add(f"{folder}/{RECORD_FILE}", record)
    names = _handed_out(said, opened=bool(identities))
    small: dict[str, bytes] = {}
    for name in names:
        with _original(name, clip, said, places, identities) as source:
            written = bag.copy(f"{folder}/{master_name(clip.path) if name == MASTER else name}", source)
        if written.sha256 != said.subjects[name]:
            raise Refused(
                f"{name} of clip {clip.id} is not what the dock signed: it was altered or damaged",
                "nothing was handed out; run `dockagent verify` on where it lies",
            )
        if name in (SPRITE, CUES):
            small[name] = bag.disk.read(f"{folder}/{name}")
    sealed = plan.SEALED_MASTER in names
    return Packed(
        clip,
        said,
        envelope,
        folder,
        plan.SEALED_MASTER if sealed else master_name(clip.path),
        small.get(SPRITE, b""),
        small.get(CUES, b"").decode("utf-8", "replace"),
        ("It is sealed: only its recipients can open it, with `age -d`.",) if sealed else (),
    )


def _handed_out(said: ClipRecord, *, opened: bool) -> list[str]:
    """The objects that go: of a sealed clip the sealed ones as they are, or what is in them."""
    sealed = frozenset(one.name for one in said.sealing.objects) if said.sealing else frozenset()
    return sorted(set(said.subjects) - (sealed if opened else said.inside))


@contextmanager
def _original(
    name: str, clip: Clip, said: ClipRecord, places: Places, identities: Sequence[Path]
) -> Iterator[Readable]:
    sealed = next((one for one in said.sealing.objects if one.of == name), None) if said.sealing else None
    place = find(clip, sealed.name, sealed.sha256, places) if sealed else find(clip, name, said.subjects[name], places)
    if sealed:
        with open_sealed(place.file, identities, places.work) as source:
            yield source
    else:
        with place.file.open("rb", buffering=0) as source:
            yield source
