"""Words that a person types: what is wrong with them, in one line, and the word that was probably meant."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import NoReturn

USAGE = 2
_CHOICE = re.compile(r"invalid choice: '(?P<said>[^']*)' \(choose from (?P<allowed>.*)\)")
_UNKNOWN = re.compile(r"unrecognized arguments: (?P<said>\S+)")


def nearest(said: str, allowed: Iterable[str]) -> str:
    """The allowed word that is most like what was said, or nothing where none is like it."""
    return next(iter(get_close_matches(said, list(allowed), n=1)), "")


def meant(said: str, allowed: Iterable[str]) -> str:
    """`` (did you mean NAME?)`` for the nearest of the allowed words, or nothing."""
    near = nearest(said, allowed)
    return f" (did you mean {near}?)" if near else ""


def whole(what: str, least: int) -> Callable[[str], int]:
    """A type for an option: a whole number, of ``what``, not less than ``least``."""

    def number(text: str) -> int:
        if not re.fullmatch(r"[+-]?\d+", text) or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is wrong ({what}); write a whole number from {least} on")
        return int(text)

    return number


class Words(argparse.ArgumentParser):
    """A parser that says a mistake in one line and ends with status 2; the whole usage is what ``--help`` prints."""

    def error(self, message: str) -> NoReturn:
        """What is wrong, and where it stands what is right."""
        self.exit(USAGE, f"{self.prog}: {message}{self._meant(message)}; `{self.prog} --help` says what there is\n")

    def _meant(self, message: str) -> str:
        if choice := _CHOICE.search(message):
            return meant(choice["said"], re.findall(r"[\w.-]+", choice["allowed"]))
        if unknown := _UNKNOWN.search(message):
            return meant(unknown["said"].partition("=")[0], self._option_string_actions)
        return ""
