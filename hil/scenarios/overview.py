"""`python -m hil list` and `python -m hil show`: what there is, without playing anything."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

from rich.console import Console

from hil.scenarios import rigs
from hil.scenarios.grammar import ACTS, CLAIMS
from hil.scenarios.model import Scenario
from hil.scenarios.read import Mistake, all_cases, find, read
from hil.words import Words

_UNBOUND = 10_000
_GAP = "  "
_YES, _NO, _OTHERS = "yes", "no", "-"
_LEAST_NEEDS = 10
"""Columns below which what a scenario needs is not worth showing."""
_LEGEND = """
yes: carries it; no: lacks something that it needs; -: the scenario is for other rigs (--json says why)
"""


def main(words: Sequence[str]) -> int:
    """`list` or `show`; 2 for a file that is no scenario."""
    parser = Words(prog="python -m hil")
    commands = parser.add_subparsers(required=True, dest="word")
    one = commands.add_parser("list", help="scenario by rig: which carries which here, and why not")
    one.add_argument("--json", action="store_true", help="print data for programs")
    one = commands.add_parser("show", help="one scenario: its file, and what a rig needs for it")
    one.add_argument("scenario", nargs="?", default="", help="none: every line that a scenario may have")
    chosen = parser.parse_args(words)
    try:
        if chosen.word == "show":
            Console().out(_one(read(find(chosen.scenario))) if chosen.scenario else _grammar(), highlight=False)
        else:
            _list(as_json=chosen.json)
    except Mistake as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _list(*, as_json: bool) -> None:
    scenarios = [read(path) for path in all_cases()]
    here = {name: rigs.lacks(name) for name in rigs.RIGS}
    if as_json:
        rows = [
            {"scenario": one.name, "about": one.about, "why": one.why, "rigs": {name: _why(one, name) for name in here}}
            for one in scenarios
        ]
        print(json.dumps({"rigs": here, "scenarios": rows}, indent=1))
        return
    console = Console(highlight=False)
    # Only a terminal has an edge; neither a pipe nor a file loses the end of a line.
    width = console.width if console.is_terminal or "COLUMNS" in os.environ else _UNBOUND
    for line in table(scenarios, tuple(here), width):
        console.out(line, highlight=False)
    console.print(_LEGEND, soft_wrap=width == _UNBOUND)
    for name, why in here.items():
        console.print(f"{name}: {'not here: ' + why if why else 'can be used here'}", soft_wrap=width == _UNBOUND)


def table(scenarios: Sequence[Scenario], names: Sequence[str], width: int) -> list[str]:
    """A head and a line for each scenario, none of them wider than ``width`` columns, as far as that can be.

    What gives way first is the list of what a scenario needs, which is cut or left out; then the rigs' names, of which
    the first letter stays; then the ends of the scenarios' names.
    """
    longest = max(len(one.name) for one in scenarios)
    titles = list(names)
    if longest + sum(len(_GAP + name) for name in names) > width:
        titles = [name[0] for name in names]
    cells = [max(len(title), 1 if len(title) == 1 else len(_YES)) for title in titles]
    rigs_wide = sum(len(_GAP) + cell for cell in cells)
    first = max(min(longest, width - rigs_wide), 1)
    left = width - first - rigs_wide - len(_GAP)
    rows = [("scenario", titles, "needs")]
    rows += [(one.name, [_cell(one, name) for name in names], ", ".join(sorted(one.needs))) for one in scenarios]
    lines = []
    for name, marks, needs in rows:
        words = [_cut(name, first).ljust(first)]
        words += [mark[:cell].ljust(cell) for mark, cell in zip(marks, cells, strict=True)]
        words += [_cut(needs, left)] if left >= _LEAST_NEEDS else []
        lines.append(_GAP.join(words).rstrip())
    return lines


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _cell(scenario: Scenario, rig: str) -> str:
    """What stands in the table: short, so that all rigs fit a line. The whole reason is in ``--json``."""
    if scenario.rigs and rig not in scenario.rigs:
        return _OTHERS
    return _NO if rigs.cannot_carry(scenario, rig) else _YES


def _why(scenario: Scenario, rig: str) -> str:
    return rigs.cannot_carry(scenario, rig)


def _one(scenario: Scenario) -> str:
    needs = ", ".join(sorted(scenario.needs)) or "nothing"
    able = [name for name in rigs.RIGS if not rigs.cannot_carry(scenario, name)]
    head = [f"# {scenario.path}", f"# needs: {needs}; can be carried by: {', '.join(able) or 'no rig'}", ""]
    return "\n".join(head) + scenario.path.read_text(encoding="utf-8").rstrip()


def _grammar() -> str:
    lines = ["The lines of a script:"]
    lines += [f"  {form.shown:<50} {form.about}" for form in ACTS]
    lines += ["  … within N s", "", "What may be expected:"]
    lines += [f"  {form.shown:<50} {form.about}" for form in CLAIMS]
    return "\n".join(lines)
