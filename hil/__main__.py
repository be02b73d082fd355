"""`python -m hil`: scenarios, and what a real bench needs. Each word is a module of its own, loaded when it is asked
for."""

from __future__ import annotations

import importlib
import sys

from hil.words import meant

WORDS = {
    "run": ("hil.scenarios.run", "play scenarios on a rig"),
    "list": ("hil.scenarios.overview", "which rig carries which scenario here, and why not"),
    "show": ("hil.scenarios.overview", "one scenario: its file, and what a rig needs for it"),
    "check": ("hil.rigs.check", "whether a real bench is ready"),
    "record": ("hil.recordings.record", "record a real camera"),
}


def main(words: list[str]) -> int:
    """Do what the first word says; the exit status. 2 for words that mean nothing."""
    name, rest = (words[0], words[1:]) if words else ("", [])
    if name in ("-h", "--help"):
        print(_usage())
        return 0
    if name not in WORDS:
        mistake = f"hil: {name!r} is no command{meant(name, WORDS)}; there are: {', '.join(WORDS)}"
        print(mistake if name else _usage(), file=sys.stderr)
        return 2
    where = WORDS[name][0]
    try:
        module = importlib.import_module(where)
    except ModuleNotFoundError as error:
        if error.name != where:
            raise
        print(f"hil: `{name}` is not part of this checkout ({where})", file=sys.stderr)
        return 2
    # The two that share a module are told which of them is meant.
    status: int = module.main([name, *rest] if name in ("list", "show") else rest)
    return status


def _usage() -> str:
    lines = [f"  {name:<8} {about}" for name, (_, about) in WORDS.items()]
    return "\n".join(["usage: python -m hil COMMAND …  (each has --help)", *lines])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
