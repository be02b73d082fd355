"""``dockagent profile``: list, check and match firmware profiles."""

import argparse
import json
from contextlib import closing
from pathlib import Path

import msgspec

from dockagent import config
from dockagent.core import profile, recognise
from dockagent.core.paths import to_text
from dockagent.core.profile import Profile
from dockagent.errors import UsageError
from dockagent.steps.identify import card_facts
from dockagent.transports.folder import FolderFootage

HELP = "list, check and match firmware profiles"


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
    match = acts.add_parser("match", parents=[parent], help="which profile a card fits, and why the others do not")
    match.add_argument("source", metavar="SOURCE", type=Path, help="the folder where the card is mounted")
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
    with closing(FolderFootage(args.source)) as footage:
        found = recognise.match(known, card_facts(known, footage))
    best = recognise.best(found)
    if args.json:
        answer = {"source": to_text(bytes(args.source)), "profile": best.profile if best else None}
        print(json.dumps(answer | {"matches": msgspec.to_builtins(found)}))
    else:
        for one in found:
            _show(one, used=one is best)
        if best is None:
            print(f"no profile fits {to_text(bytes(args.source))}: write one, see firmware_profiles/README.md")
    return 0 if best else 1


def _show(one: recognise.Match, *, used: bool) -> None:
    print(f"{one.profile}: {'fits, and is used' if used else 'fits' if one.fits else 'does not fit'}")
    for key, value in sorted(one.identity.items()):
        print(f"    {key}: {value}")
    for line in one.why:
        print(f"    + {line}")
    for line in one.missing:
        print(f"    - {line}")
