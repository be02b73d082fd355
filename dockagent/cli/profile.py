"""``dockagent profile``: list, check and match firmware profiles."""

import argparse
import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import msgspec

from dockagent import config
from dockagent.core.camera import profile, recognise
from dockagent.core.camera.profile import Profile
from dockagent.core.paths import to_text
from dockagent.errors import UsageError
from dockagent.steps.identify import card_facts
from dockagent.transports.folder import FolderFootage

HELP = "list, check and match firmware profiles"
_USB = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", parent: argparse.ArgumentParser) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("profile", help=HELP, description=HELP)
    parser.set_defaults(run=run)
    acts = parser.add_subparsers(metavar="ACT", required=True)
    listing = acts.add_parser("list", parents=[parent], help="the profiles that this dock knows")
    listing.set_defaults(act=_list)
    check = acts.add_parser("check", parents=[parent], help="name every mistake in profile files")
    check.add_argument("files", metavar="FILE", type=Path, nargs="+", help="profile files (*.toml)")
    check.set_defaults(act=_check)
    match = acts.add_parser("match", parents=[parent], help="which profile a camera fits, and why the others do not")
    match.add_argument("source", metavar="SOURCE", type=Path, nargs="?", help="the folder where its card is mounted")
    match.add_argument(
        "--usb", metavar="VVVV:PPPP", action="append", default=[],
        help="what lsusb says it is; again for a camera that came back as another device: the last is what it is now",
    )  # fmt: skip
    match.add_argument("--label", metavar="X", default="", help="the card's volume label")
    match.add_argument("--text", metavar="X", action="append", default=[], help="a USB or SCSI text; may be repeated")
    match.set_defaults(act=_match)


def run(args: argparse.Namespace) -> int:
    """Do what was asked. 0: yes, 1: no profile fits. Raises UsageError for a profile with mistakes."""
    code: int = args.act(args)
    return code


def _profiles(args: argparse.Namespace) -> tuple[Profile, ...]:
    return config.load_profiles(config.profiles_folder(config.of(args)))


def _list(args: argparse.Namespace) -> int:
    known = sorted(_profiles(args), key=lambda one: (-one.priority, one.name))
    if args.json:
        print(msgspec.json.encode(known).decode())
        return 0
    width = max(len(one.name) for one in known)
    for one in known:
        print(f"{one.name:{width}}  {one.priority:5}  {one.title}")
    return 0


def _check(args: argparse.Namespace) -> int:
    mistakes = []
    for path in args.files:
        try:
            profile.parse(path.read_bytes(), path.name)
        except OSError as err:
            mistakes.append(f"cannot read {path}: {err.strerror}")
        except UsageError as err:
            mistakes.append(err.what)
    if mistakes:
        raise UsageError("\n".join(mistakes), "firmware_profiles/README.md names every key")
    return 0


def _match(args: argparse.Namespace) -> int:
    known = _profiles(args)
    facts = _facts(args, known)
    found = recognise.match(known, facts)
    best = recognise.best(found)
    stuck = recognise.recovery(known, facts.usb) if facts.usb else None
    if args.json:
        answer = {
            "source": to_text(bytes(args.source)) if args.source else "",
            "profile": best.profile if best else None,
        }
        more = {"matches": found, "recovery": asdict(stuck) if stuck else None}
        print(json.dumps(answer | msgspec.to_builtins(more)))
    else:
        for one in _in_order(found):
            _show(one, best)
        print(_verdict(known, facts, found, stuck))
    return 0 if best else 1


def _facts(args: argparse.Namespace, known: tuple[Profile, ...]) -> recognise.CardFacts:
    """What the card says, and over it what the command line says."""
    if not (args.source or args.usb or args.label or args.text):
        raise UsageError("nothing to match", "give the folder of a card, --usb, --label or --text")
    ids = [one.lower() for one in args.usb]
    for one in ids:
        if not _USB.fullmatch(one):
            raise UsageError(f"--usb {one!r} is not vvvv:pppp in hex", "lsusb shows it behind ID")
    facts = recognise.CardFacts()
    if args.source:
        with closing(FolderFootage(args.source)) as footage:
            facts = card_facts(known, footage)
    return replace(
        facts,
        usb=ids[-1] if ids else facts.usb,
        before=(*facts.before, *ids[:-1]),
        label=args.label or facts.label,
        strings=(*facts.strings, *args.text),
    )


def _in_order(found: list[recognise.Match]) -> Iterator[recognise.Match]:
    """Those that fit, as they would be used; then the others, the nearest first."""
    yield from (one for one in found if one.fits)
    yield from recognise.by_nearness(found)


def _show(one: recognise.Match, best: recognise.Match | None) -> None:
    if one is best:
        head = "fits, and is used"
    elif one.fits and best:
        head = f"fits, but {best.profile} goes before it (priority {best.priority} and {one.priority})"
    elif one.why:
        head = "does not fit, but something speaks for it"
    else:
        print(f"{one.profile}: does not fit: {'; '.join(one.missing)}")
        return
    print(f"{one.profile}: {head}")
    for key, value in sorted(one.identity.items()):
        print(f"    {key}: {value}")
    for sign, lines in (("+", one.why), ("-", one.missing), ("?", one.doubts)):
        for line in lines:
            print(f"    {sign} {line}")


def _verdict(
    known: tuple[Profile, ...], facts: recognise.CardFacts, found: list[recognise.Match], stuck: recognise.Stuck | None
) -> str:
    """What it comes to, in one line."""
    if best := recognise.best(found):
        return f"used: {best.profile}"
    if stuck:
        return f"no profile fits: {facts.usb} is {stuck.what}, which cannot be read now; {stuck.todo}"
    if facts.usb and not facts.paths:
        names = ", ".join(one.name for one in recognise.dialogues(known, facts.usb))
        if names:
            return f"no card yet: the dock asks {facts.usb} for it, first as {names.replace(', ', ', then as ')}"
    return f"no profile fits; the nearest: {recognise.nearest_miss(found)}. Write one, see firmware_profiles/README.md"
