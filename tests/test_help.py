"""What ``--help`` says is what README.md says, and every option says what it is for.

``make help-table`` (or ``python -m tests.test_help``) prints the table for README.md.
"""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockagent.cli import main, parser

README = Path(__file__).resolve().parent.parent / "README.md"
BLOCK = re.compile(r"<!-- commands -->\n(.*?)<!-- /commands -->", re.DOTALL)


def _below(top: argparse.ArgumentParser) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """The commands of a parser, in order: name, one line of help, its own parser."""
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            lines = {choice.dest: choice.help or "" for choice in action._choices_actions}
            yield from ((name, lines.get(name, ""), one) for name, one in action.choices.items())


def table() -> str:
    """The commands as the table of README.md."""
    rows = [f"| `dockagent {name}` | {line} |" for name, line, _ in _below(parser())]
    return "\n".join(["| command | does |", "|---|---|", *rows]) + "\n"


def _all(top: argparse.ArgumentParser, name: str = "dockagent") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield name, top
    for word, _, below in _below(top):
        yield from _all(below, f"{name} {word}")


PARSERS = dict(_all(parser()))


def test_the_readme_has_the_same_commands_with_the_same_words() -> None:
    block = BLOCK.search(README.read_text(encoding="utf-8"))
    assert block, "README.md has no <!-- commands --> … <!-- /commands --> block; `make help-table` prints it"
    assert block[1] == table(), "README.md's table of commands is not that of --help; `make help-table` prints it"


@pytest.mark.parametrize("name", PARSERS)
def test_everything_one_can_type_says_what_it_is_for(name: str) -> None:
    for action in PARSERS[name]._actions:
        if isinstance(action, argparse._SubParsersAction):
            silent = [word for word, line, _ in _below(PARSERS[name]) if not line]
            assert not silent, f"{name} {silent[0]} has no help"
        else:
            said = action.option_strings[0] if action.option_strings else action.metavar
            assert action.help, f"{name} {said} has no help"


@pytest.mark.parametrize("name", PARSERS)
def test_help_is_shown_and_ends_with_0(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([*name.split()[1:], "--help"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: {name} ")
    for _, line, _ in _below(PARSERS[name]):
        assert " ".join(line.split()) in " ".join(shown.split())


if __name__ == "__main__":
    print(table(), end="")
