"""Excerpts for tests: a dock's home with keys, ledger and checkpoint, and the record of a real clip in it."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from dockagent.clock import SystemClock
from dockagent.core import custody, strict_json
from dockagent.core import events as ev
from dockagent.core.acts import Grounds
from dockagent.core.custody import Setting
from dockagent.core.disclosure import clip_fields
from dockagent.core.disclosure.excerpt import Span
from dockagent.core.model import State
from dockagent.core.moment import Instant
from dockagent.core.proof import merkle, tlog_proof
from dockagent.disclosure import excerpt
from dockagent.disclosure.excerpt import Made, Order
from dockagent.durable import RealDisk
from dockagent.evidence.check_handed_out import beside
from dockagent.evidence.report import Report
from dockagent.evidence.verify import verify
from dockagent.ledger.keys import Keys
from dockagent.ledger.log import Ledger
from dockagent.media.excerpt import Wanted
from dockagent.media.samples import sample_trees
from tests.evidence import made

GROUNDS = Grounds(purpose="R v Smith", basis="order 12", authority="DI Jones", recipient="Defence")
_AT = Instant(1_795_335_300_000, "00000000-0000-4000-8000-000000000000", 5_000_000, "ntp", 20)


@dataclass(frozen=True, slots=True)
class Dock:
    """A dock that has signed one record for each clip that it was shown. ``fields``: whether it is one of those that
    put fields into their ledger."""

    home: RealDisk
    keys: Keys
    fields: bool = True

    @classmethod
    def create(cls, folder: Path, name: str = "dock-7", *, fields: bool = True) -> "Dock":
        home = RealDisk(folder)
        return cls(home, Keys.create(RealDisk(folder / "keys"), name), fields)

    def record(self, clip: Path, clip_id: str = "clip-1", *, checkpoint: bool = True, **changed: Any) -> bytes:
        """The clip record, after its dock has told the ledger."""
        data = clip.read_bytes()
        samples = msgspec.to_builtins(sample_trees(clip, len(data), SystemClock()))
        statement = made.statement({"master": data}, clip_id, samples=samples, acquired="2026-11-22T08:15:00.000Z")
        statement["predicate"] |= {"file_time": 1_795_335_300_000, **changed}
        fields = clip_fields.fields_of(statement)
        salts = {name: hashlib.sha256(f"{clip_id} {name}".encode()).hexdigest()[:32] for name in fields}
        root = clip_fields.root(fields, salts)
        if self.fields:
            statement["predicate"][clip_fields.MEMBER] = {"root": root, "salts": salts}
        envelope = self.keys.sign_statement(strict_json.canonical(statement))
        digest = hashlib.sha256(envelope).hexdigest()
        told: list[ev.Event] = [ev.Admitted(clip_id, f"clips/{clip_id}", digest)]
        self.tell(*told, *([ev.ClipFields(root, len(fields))] if self.fields else []), checkpoint=checkpoint)
        return envelope

    def tell(self, *events: ev.Event, checkpoint: bool = True) -> None:
        """Put records of these events into the ledger."""
        setting = Setting(self.keys.origin, self.keys.dock.id, "a station", "the chief", "1", "00" * 32)
        with Ledger.open(RealDisk(self.home.path("ledger")), self.keys) as ledger:
            for event in events:
                ledger.append([custody.record(event, ledger.size, _AT, setting, State())])
            if checkpoint:
                ledger.checkpoint()

    def excerpt(
        self, clip: Path, span: tuple[int, int], out: Path, *, tracks: str = "", reveal: tuple[str, ...] = ()
    ) -> Made:
        """Tell the ledger of the clip and make an excerpt of it in ``out``."""
        return self.cut(clip, self.record(clip), span, out, tracks=tracks, reveal=reveal)

    def cut(
        self,
        clip: Path,
        record: bytes,
        span: tuple[int, int],
        out: Path,
        *,
        tracks: str = "",
        reveal: tuple[str, ...] = (),
    ) -> Made:
        """Make an excerpt in ``out`` of a clip whose record the ledger has, and hand it out."""
        wanted = Wanted(clip, clip.stat().st_size, tracks, Span(*span))
        done = excerpt.make(Order(wanted, record, reveal, self.home), RealDisk(out), SystemClock())
        self.hand_out(out, "excerpt", done.proof_sha256)
        return done

    def hand_out(self, one: Path, kind: Literal["excerpt", "derivative"], sha256: str) -> None:
        """Put it on record that ``one`` went out, and lay the record and its proof beside it."""
        self.tell(ev.Disclosed(("clip-1",), kind, 0, sha256, grounds=GROUNDS))
        lines = self.home.read("ledger/entries.jsonl").splitlines()
        leaves = [merkle.leaf_hash(line) for line in lines]
        proof = tlog_proof.of(leaves, len(leaves) - 1, self.home.read("ledger/checkpoint"))
        for file, data in zip(beside(one), (lines[-1], proof.encode()), strict=False):
            file.write_bytes(data)

    def check(self, folder: Path) -> Report:
        """What ``dockagent verify`` says of an excerpt to one who trusts this dock."""
        (report,) = verify(folder, self.keys.trust)
        return report


def words(report: Report) -> dict[str, str]:
    """The verdicts, each in a word."""
    return {aspect: verdict.word for aspect, verdict in report.verdicts.items()}


def rewrite(folder: Path, **changed: Any) -> None:
    """Give the proof other members, as somebody may who has no key, and take the record of the hand-out away where it
    names another proof then: nothing in it but what the dock signed is safe."""
    before = (folder / "excerpt.json").read_bytes()
    after = strict_json.canonical({**strict_json.parse(before), **changed}) + b"\n"
    (folder / "excerpt.json").write_bytes(after)
    if after != before:
        take_away(folder)


def as_it_is(folder: Path, file: str = "excerpt.mp4") -> None:
    """Give the proof the length and digest of the file that is there."""
    data = (folder / file).read_bytes()
    rewrite(folder, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def take_away(one: Path) -> None:
    """Remove what shows that ``one`` is as it was handed out."""
    for file in beside(one):
        file.unlink(missing_ok=True)


def copy(folder: Path, to: Path) -> Path:
    """A copy of an excerpt's folder, and of what lies beside it."""
    for file, place in zip(beside(folder), beside(to), strict=True):
        if file.exists():
            shutil.copyfile(file, place)
    return Path(shutil.copytree(folder, to))
