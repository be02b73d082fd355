"""On what grounds a person acts: options that every act with footage has, asked for on a terminal where left out."""

import argparse
import sys

from dockagent.core.acts import Grounds
from dockagent.errors import Interrupted, UsageError

QUESTIONS = {
    "basis": ("by what rule or order", "a statute, a policy, a court's order"),
    "authority": ("by whose authority", "the person or office that answers for it"),
    "recipient": ("for whom", "who gets it"),
    "purpose": ("for what", "the case, or what it is needed for"),
}


def add(parser: argparse.ArgumentParser, *names: str) -> None:
    """Add ``--basis``, ``--authority``, … to a command's parser; which of them must be given, :func:`asked` says."""
    for name in names:
        about, example = QUESTIONS[name]
        parser.add_argument(f"--{name}", metavar="TEXT", default="", help=f"{about}: {example}")


def asked(args: argparse.Namespace, *needed: str) -> Grounds:
    """The grounds that a person gave. Those ``needed`` are asked for on a terminal; raises UsageError where there is
    none, or no answer."""
    given = {name: str(getattr(args, name, "")).strip() for name in QUESTIONS}
    for name in needed:
        given[name] = given[name] or _ask(name)
    return Grounds(**given)


def _ask(name: str) -> str:
    about, example = QUESTIONS[name]
    answer = ""
    if sys.stdin is not None and sys.stdin.isatty():
        print(f"{name} ({about}: {example}): ", end="", file=sys.stderr, flush=True)
        answer = _line().strip()
    if not answer:
        raise UsageError(f"this needs to say {about}, for the record", f"give --{name} TEXT")
    return answer


def _line() -> str:
    try:
        return sys.stdin.readline()
    except KeyboardInterrupt as err:
        raise Interrupted("interrupted; nothing is recorded") from err
