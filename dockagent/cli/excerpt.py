"""``dockagent disclose CLIP --from --to``: a part of a clip that proves itself; and ``--derivative``: a file that was
made of a clip elsewhere. The command and its grounds are ``disclose``'s."""

import argparse
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockagent import config
from dockagent.cli import grounds
from dockagent.cli.on_record import beside, prove, refuse_taken
from dockagent.cli.undisturbed import handing_out, named
from dockagent.core import events as ev
from dockagent.core.acts import Grounds, Recorded
from dockagent.core.disclosure.clip_fields import REVEALS
from dockagent.core.disclosure.excerpt import Span
from dockagent.core.model import Clip, ClipPhase
from dockagent.core.proof import dsse
from dockagent.desk import Desk, desk
from dockagent.durable import RealDisk
from dockagent.errors import Refused, UsageError
from dockagent.reach import refuse_unnamed

if TYPE_CHECKING:
    from dockagent.disclosure.excerpt import Made
    from dockagent.disclosure.originals import Places

_NEEDED = ("purpose", "basis", "authority", "recipient")
_CLOCK = re.compile(r"(?:(?:([0-9]{1,3}):)?([0-5]?[0-9]):)?([0-9]{1,6})(?:\.([0-9]{1,3}))?")
_PIECE = 1 << 20


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what an excerpt needs to the parser of ``disclose``."""
    group = parser.add_argument_group("a part of one clip (docs/excerpt.md)")
    when = "seconds, or [HH:]MM:SS[.mmm], from the clip's beginning"
    group.add_argument("--from", dest="from_", metavar="T", default="", help=when)
    group.add_argument("--to", metavar="T", default="", help=f"{when}; both are widened to whole groups of pictures")
    group.add_argument(
        "--tracks", metavar="WHICH", default="", help="video, audio, or numbers, joined by commas (default: both)"
    )
    group.add_argument(
        "--reveal",
        metavar="FIELDS",
        default="",
        help=f"which fields of the clip record to show: {', '.join(REVEALS)}, or a field's name (default: none)",
    )
    group.add_argument(
        "--derivative", metavar="FILE", type=Path, help="put on record that FILE was made of the clip (a redacted copy)"
    )


def wanted(args: argparse.Namespace) -> bool:
    """Whether the command line asks for an excerpt or a derivative, and not for a package."""
    return bool(args.from_ or args.to or args.tracks or args.reveal or args.derivative)


def run(args: argparse.Namespace) -> int:
    """Make and record it. ``args.clips`` names one clip. Exit 0: done; 3: done, and a track has nothing there."""
    if len(args.clips) != 1:
        raise UsageError("an excerpt or a derivative is of one clip", "name one")
    if args.derivative:
        if args.from_ or args.to or args.tracks or args.reveal or args.out:
            raise UsageError(
                "a derivative is put on record whole", "leave out --from, --to, --tracks, --reveal and --out"
            )
        return _derivative(args)
    if not (args.from_ and args.to):
        raise UsageError("an excerpt needs a beginning and an end", "give --from T and --to T")
    if not args.out:
        raise UsageError("nobody said where the excerpt goes", "give --out DIR")
    span = Span(time_of(args.from_), time_of(args.to))
    if span.from_ms >= span.to_ms:
        raise UsageError(f"--from {args.from_} is not before --to {args.to}")
    out = Path(args.out).absolute()
    refuse_taken((out, *beside(out)), "give another --out")
    if not out.parent.is_dir():
        raise UsageError(f"there is no folder {out.parent}", "make it, or give another --out")
    with desk(config.of(args), config.home(args)) as open_desk:
        clip = _clip(open_desk, args)
        if clip.phase is ClipPhase.DONE:
            refuse_unnamed(config.of(args), config.home(args), args.store)
        made, done = _disclose(args, open_desk, clip, span, out)
        vouched = prove(args, done, out)
    _say(args, made, done, vouched)
    return 3 if made.left_out else 0


def _disclose(args: argparse.Namespace, open_desk: Desk, clip: Clip, span: Span, out: Path) -> tuple["Made", Recorded]:
    why = grounds.asked(args, *_NEEDED)
    work = out.with_name(f".{out.name[:200]}.{secrets.token_hex(4)}.part")
    ranges = (_words(span, args.tracks),)
    # 1. On record before anything of it is read.
    ask = ev.DisclosureAsked((clip.id,), kind="excerpt", ranges=ranges, grounds=why)
    with handing_out(open_desk, ask, work) as part:
        # 2. Excerpt and proof, under a name that nobody takes for them.
        made = _make(args, clip, span, work)
        # 3. On record before anybody can have them, then their name.
        recorded = part.publish(_handed_out(clip, part.asked, made, why), work / "excerpt", out)
    return made, recorded


def _handed_out(clip: Clip, asked: Recorded, made: "Made", why: Grounds) -> ev.Disclosed:
    proof = made.proof
    return ev.Disclosed(
        (clip.id,),
        "excerpt",
        asked.index,
        made.proof_sha256,
        files=2,
        bytes=made.bytes,
        ranges=(_words(Span(proof.from_ms, proof.to_ms), ""),),
        tracks=tuple(one.track for one in proof.tracks),
        grounds=why,
    )


def time_of(text: str) -> int:
    """Milliseconds from the clip's beginning. Raises UsageError for anything else."""
    if text.upper().endswith("Z"):
        raise UsageError(
            f"{text} is a time of day: nothing proves at which one a picture was taken, only its place in the clip",
            "give seconds or HH:MM:SS from the clip's beginning",
        )
    found = _CLOCK.fullmatch(text)
    if not found or (found[2] and int(found[3]) > 59):
        raise UsageError(f"{text!r} is no time in a clip", "write seconds (12.5) or HH:MM:SS.mmm (00:01:02.500)")
    hours, minutes, seconds = (int(one or 0) for one in found.groups()[:3])
    return (hours * 3600 + minutes * 60 + seconds) * 1000 + int((found[4] or "").ljust(3, "0"))


def _clip(open_desk: Desk, args: argparse.Namespace) -> Clip:
    clip = named(open_desk, args, args.clips[0])
    if clip.quarantine and not args.quarantined:
        raise Refused(f"clip {clip.id} is in quarantine: {clip.quarantine}", "to hand it out so: --quarantined")
    return clip


def _make(args: argparse.Namespace, clip: Clip, span: Span, work: Path) -> "Made":
    """Excerpt and proof in ``work/excerpt``."""
    from dockagent.clock import SystemClock
    from dockagent.disclosure import excerpt, originals
    from dockagent.ledger.keys import read_sets
    from dockagent.media.excerpt import Wanted
    from dockagent.reach import s3_settings, swift_settings
    from dockagent.stores.shelf import open_shelf

    setting, home = config.of(args), config.home(args)
    url = args.store or setting.store.url or f"file://{home / 'store'}"
    ids = tuple(dsse.key_id(one.record_key) for one in read_sets(RealDisk(home / "keys")))
    disk = RealDisk(work / "excerpt")
    shelf = open_shelf(url, s3_settings(setting), swift=swift_settings(setting))
    places = originals.Places(home, shelf, work, ids)
    master = _master(args, clip, places)
    reveal = tuple(word.strip() for word in args.reveal.split(",") if word.strip())
    part = Wanted(master, master.stat().st_size, args.tracks, span)
    order = excerpt.Order(part, originals.record_of(clip, places), reveal, RealDisk(home))
    return excerpt.make(order, disk, SystemClock())


def _master(args: argparse.Namespace, clip: Clip, places: "Places") -> Path:
    """The clip's bytes in a file; those of a sealed one only for who holds an identity."""
    from dockagent.disclosure import originals
    from dockagent.evidence.sealed import open_sealed

    stored, _ = clip.stored
    file = originals.find(clip, stored.name, stored.sha256, places).file
    if stored.sha256 == clip.sha256:
        return file
    opened = places.work / "opened"
    with open_sealed(file, args.identity, places.work) as source, opened.open("xb") as sink:
        shutil.copyfileobj(source, sink, _PIECE)
    return opened


def _derivative(args: argparse.Namespace) -> int:
    """Put on record that a file was made of a clip: nobody can prove that of re-encoded pictures, but who said so, and
    when, and of which bytes, is from then on in the history that witnesses see."""
    file = args.derivative.absolute()
    refuse_taken(beside(file), "move it away, or give the file another name")
    if not os.access(file.parent, os.W_OK):
        raise UsageError(f"the record cannot be put beside {file}", "put the file into a folder that you may write to")
    if any((folder / "bagit.txt").exists() for folder in file.parents):
        raise UsageError(f"{file} is part of a package, not made of a clip elsewhere", "give the redacted copy itself")
    with desk(config.of(args), config.home(args)) as open_desk:
        clip = _clip(open_desk, args)
        why = grounds.asked(args, *_NEEDED)
        asked = open_desk.record(ev.DisclosureAsked((clip.id,), kind="derivative", grounds=why))
        try:
            with file.open("rb") as source:
                digest, size = hashlib.file_digest(source, "sha256").hexdigest(), source.tell()
        except OSError as err:
            reason = f"cannot read {args.derivative}: {err.strerror or err}"
            open_desk.record(ev.DisclosureFailed((clip.id,), asked.index, reason, kind="derivative", grounds=why))
            raise UsageError(reason, "check --derivative") from err
        done = open_desk.record(
            ev.Disclosed((clip.id,), "derivative", asked.index, digest, files=1, bytes=size, grounds=why)
        )
        vouched = prove(args, done, file)
    row = {"clip": clip.id, "wasDerivedFrom": clip.sha256, "sha256": digest, "bytes": size, "record": done.index}
    text = (
        f"record {done.index}: {args.derivative.name} ({size} bytes, SHA-256 {digest}) was derived from clip {clip.id};"
        f" its samples prove nothing about that\n{_record_beside(file, vouched)}"
    )
    print(json.dumps({**row, "vouched": vouched}, indent=2) if args.json else text)
    return 0


def _say(args: argparse.Namespace, made: "Made", done: Recorded, vouched: str) -> None:
    proof = made.proof
    row: dict[str, Any] = {
        "folder": str(args.out),
        "file": proof.file,
        "proof_sha256": made.proof_sha256,
        "bytes": proof.bytes,
        "proof_bytes": made.bytes - proof.bytes,
        "from_ms": proof.from_ms,
        "to_ms": proof.to_ms,
        "lead_in_ms": max(proof.asked_from_ms - proof.from_ms, 0),
        "lead_out_ms": max(proof.to_ms - proof.asked_to_ms, 0),
        "tracks": [one.track for one in proof.tracks],
        "shown": [one.name for one in proof.fields.shown] if proof.fields else "the whole clip record",
        "left_out": list(made.left_out),
        "record": done.index,
        "vouched": vouched,
    }
    print(json.dumps(row, indent=2) if args.json else "\n".join(_lines(row, proof.tlog_proof)))


def _lines(row: dict[str, Any], proved: str) -> Iterator[str]:
    yield f"{row['folder']}: {row['file']} ({row['bytes']} bytes) and its proof ({row['proof_bytes']} bytes)"
    yield (
        f"shows {clock(row['from_ms'])} to {clock(row['to_ms'])}, as pictures come in groups: {row['lead_in_ms']} ms of"
        f" lead-in and {row['lead_out_ms']} ms of lead-out beyond what was asked for"
    )
    shown = row["shown"]
    yield f"of the clip record it shows {shown if isinstance(shown, str) else ', '.join(shown)}"
    if isinstance(shown, str):
        yield "  because that record was made before its fields could be shown one by one"
    yield from row["left_out"]
    if not proved:
        yield "no checkpoint is over the clip's record yet: make it again later, so that witnesses can vouch for it"
    yield _record_beside(Path(row["folder"]), row["vouched"])
    yield f"record {row['record']} of the ledger; check it with `dockagent verify`, or without us: docs/excerpt.md"


def _record_beside(one: Path, vouched: str) -> str:
    return f"its record lies beside it ({', '.join(file.name for file in beside(one)[:2])}), vouched for by {vouched}"


def _words(span: Span, tracks: str) -> str:
    return f"{clock(span.from_ms)} to {clock(span.to_ms)}" + (f", tracks {tracks}" if tracks else "")


def clock(ms: int) -> str:
    """A place in a clip for a person: HH:MM:SS.mmm."""
    sign, ms = ("-", -ms) if ms < 0 else ("", ms)
    return f"{sign}{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"
