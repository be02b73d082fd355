"""``dockagent disclose``: hand footage out as a package that others can check without us (docs/disclosure.md)."""

import argparse
import json
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import msgspec

from dockagent import config
from dockagent.cli import excerpt, grounds
from dockagent.cli.on_record import beside, prove, refuse_taken
from dockagent.cli.undisturbed import handing_out, named
from dockagent.core import events as ev
from dockagent.core.acts import Grounds, Recorded
from dockagent.core.model import UNDELIVERED, Clip, ClipPhase
from dockagent.core.narrate import size
from dockagent.desk import Desk, desk
from dockagent.durable import RealDisk
from dockagent.errors import Missing, Refused, Retryable, UsageError
from dockagent.reach import refuse_unnamed

if TYPE_CHECKING:
    from dockagent.disclosure.heads import Quorum
    from dockagent.disclosure.package import Sources

HELP = "hand out clips, or a part of one, with all that proves them"
DESCRIPTION = """Put clips into a new folder that is a BagIt bag: the footage byte for byte, the signed records of what
happened to it with their proofs, pages for people, and the same for other tools. Who asks, why, by whose authority and
for whom goes on record, and so does the package's digest. Other clips of the same card are not in it."""
EPILOG = """exit codes: 0 done · 1 refused · 2 wrong usage · 3 done, and too few witnesses vouch for it · 4 something
needed is not there, or try again later"""
NEEDED = ("purpose", "basis", "authority", "recipient")
_ROOM = 64 << 20  # bytes for everything but the footage


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", parent: argparse.ArgumentParser) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("disclose", parents=[parent], help=HELP, description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("clips", metavar="CLIP", nargs="+", help="a clip id, or enough of its first digits")
    parser.add_argument("--out", metavar="DIR", default="", help="the folder to make; one that is there is refused")
    grounds.add(parser, *NEEDED)
    parser.add_argument("--quarantined", action="store_true", help="also clips in quarantine; they are marked as such")
    parser.add_argument("--listing", action="store_true", help="show the card's listing, although it names other files")
    parser.add_argument("--store", metavar="URL", default="", help="read from this store instead of the configured one")
    parser.add_argument(
        "--identity",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="an age identity: open what is sealed",
    )
    excerpt.add_options(parser)
    parser.set_defaults(run=run)


@dataclass(frozen=True, slots=True)
class _Done:
    """What came of it. ``proved``: whether a proof that the ledger knows it lies beside it, and by whom it is vouched
    for."""

    out: Path
    sha256: str
    files: int
    bytes: int
    record: Recorded
    proved: str
    quorum: "Quorum"


def run(args: argparse.Namespace) -> int:
    """Make the package. Exit 0: it is there, whole, and on record; 3: so it is, and too few witnesses vouch for it."""
    if excerpt.wanted(args):
        return excerpt.run(args)
    if not args.out:
        raise UsageError("nobody said where the package goes", "give --out DIR")
    out = Path(args.out).absolute()
    _refuse_taken(out)
    with desk(config.of(args), config.home(args)) as open_desk:
        clips = tuple(named(open_desk, args, one) for one in dict.fromkeys(args.clips))
        _refuse_unfit(clips, quarantined=args.quarantined)
        if any(clip.phase is ClipPhase.DONE for clip in clips):
            refuse_unnamed(config.of(args), config.home(args), args.store)
        _need_room(out, clips)
        why = grounds.asked(args, *NEEDED)
        done = _disclose(args, open_desk, clips, why, out)
    _say(args, done)
    return 3 if done.quorum.missed else 0


def _disclose(args: argparse.Namespace, open_desk: Desk, clips: tuple[Clip, ...], why: Grounds, out: Path) -> _Done:
    ids = tuple(clip.id for clip in clips)
    work = out.with_name(f".{out.name[:200]}.{secrets.token_hex(4)}.part")
    # 1. On record before anything of it is read.
    with handing_out(open_desk, ev.DisclosureAsked(ids, grounds=why), work) as package:
        # 2. The whole package, under a name that nobody takes for it.
        sha256, files, count, quorum = _made(args, clips, why, package.asked, work)
        # 3. On record before anybody can have it, then its name.
        done = ev.Disclosed(
            ids,
            "package",
            package.asked.index,
            sha256,
            files,
            count,
            cosigned=quorum.cosigned,
            quorum=quorum.needed,
            grounds=why,
        )
        recorded = package.publish(done, work / "bag", out)
    # 4. The proof that the ledger knows it, beside it.
    return _Done(out, sha256, files, count, recorded, prove(args, recorded, out), quorum)


def _made(
    args: argparse.Namespace, clips: tuple[Clip, ...], why: Grounds, asked: Recorded, work: Path
) -> tuple[str, int, int, "Quorum"]:
    """Digest, files and bytes of the package in ``work/bag``, and how many witnesses vouch for it. Where they are too
    few, that is said before anything is made."""
    from dockagent import __version__
    from dockagent.disclosure import package
    from dockagent.disclosure.bag import BagWriter

    settings, home = config.of(args), config.home(args)
    sources = _sources(args, home, work)
    if sources.quorum.missed:
        print(f"dockagent: {sources.quorum.words}", file=sys.stderr)
    about = settings.dock
    organization = settings.disclosure.organization or about.responsible
    request = package.Request(
        clips, asked, why, organization, about.site, __version__, args.listing, tuple(args.identity)
    )
    with BagWriter(RealDisk(work / "bag")) as bag:
        sha256 = package.make(request, sources, bag)
        return sha256, len(bag.files), sum(one.size for one in bag.files.values()), sources.quorum


def _sources(args: argparse.Namespace, home: Path, work: Path) -> "Sources":
    from dockagent.clock import SystemClock
    from dockagent.core.proof import dsse
    from dockagent.daemon import notary
    from dockagent.disclosure.c2pa import credential
    from dockagent.disclosure.heads import heads, quorum
    from dockagent.disclosure.originals import Places
    from dockagent.disclosure.package import Sources
    from dockagent.ledger.keys import read_sets
    from dockagent.ledger.leaves import Leaves
    from dockagent.reach import s3_settings, swift_settings
    from dockagent.stores.shelf import open_shelf

    settings, disk = config.of(args), RealDisk(home)
    docks, leaves, asked = read_sets(RealDisk(home / "keys")), Leaves(disk, "ledger"), notary(settings, disk)
    url = args.store or settings.store.url or f"file://{home / 'store'}"
    places = Places(
        home,
        open_shelf(url, s3_settings(settings), swift=swift_settings(settings)),
        work,
        tuple(dsse.key_id(one.record_key) for one in docks),
    )
    checkpoints, said = heads(disk, leaves, asked, SystemClock())
    c2pa = credential(settings.disclosure.c2pa_chain_file, settings.disclosure.c2pa_key_file)
    stamp, vouched = asked.stamp if asked else None, quorum(checkpoints, asked)
    return Sources(places, leaves, docks, checkpoints, SystemClock(), said, stamp, c2pa, vouched)


def _refuse_taken(out: Path) -> None:
    refuse_taken((out, *beside(out)), "give another --out")
    if not out.parent.is_dir():
        raise UsageError(f"there is no folder {out.parent}", "make it, or give another --out")


def _refuse_unfit(clips: tuple[Clip, ...], *, quarantined: bool) -> None:
    for clip in clips:
        if clip.phase in UNDELIVERED:
            raise Missing(f"clip {clip.id} is not delivered yet", "see `dockagent clips`, and try later")
        if clip.quarantine and not quarantined:
            raise Refused(f"clip {clip.id} is in quarantine: {clip.quarantine}", "to hand it out so: --quarantined")


def _need_room(out: Path, clips: tuple[Clip, ...]) -> None:
    wanted, free = sum(clip.bytes for clip in clips) + _ROOM, RealDisk(out.parent).free()
    if wanted > free:
        raise Retryable(f"{size(wanted)} are needed in {out.parent}, and {size(free)} are free", "make room, or --out")


def _say(args: argparse.Namespace, done: _Done) -> None:
    if args.json:
        row = {"out": str(done.out), "tagmanifest_sha256": done.sha256, "files": done.files, "bytes": done.bytes}
        vouched = {"vouched": done.proved, "cosigned": done.quorum.cosigned, "quorum": done.quorum.needed}
        print(json.dumps({**row, "record": msgspec.to_builtins(done.record), **vouched}, indent=2))
        return
    print(f"{done.out}: {done.files} files, {size(done.bytes)}, on record as {done.record.index}")
    print(f"its digest (sha256 of tagmanifest-sha256.txt): {done.sha256}")
    print(f"the ledger's checkpoint over it is vouched for by {done.proved}")
    check = f"dockagent verify {quote(str(done.out))} --trust FILE"
    print(f"look at {done.out / 'data' / 'index.html'}; check it with `{check}`")
