"""`python -m hil list` and `python -m hil show`: what there is, without playing anything."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from hil.scenarios import rigs
from hil.scenarios.grammar import ACTS, CLAIMS
from hil.scenarios.model import Scenario
from hil.scenarios.read import Mistake, all_cases, find, read

_UNBOUND = 1000
_LEGEND = """
yes: carries it; otherwise the first ability that it lacks, and how many more (--json names all)
-: the scenario is for other rigs
"""


def main(words: Sequence[str]) -> int:
    """`list` or `show`; 2 for a file that is no scenario."""
    parser = argparse.ArgumentParser(prog="python -m hil")
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
    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in ("scenario", *here):
        table.add_column(title, no_wrap=True)
    for one in scenarios:
        table.add_row(one.name, *(_cell(one, name) for name in here))
    console = Console()
    # As wide as it is: a narrow terminal folds the lines, and neither it nor a pipe loses the end of a name.
    unbound = console.options.update(max_width=_UNBOUND)
    console.width = max(console.width, Measurement.get(console, unbound, table).maximum)
    console.print(table)
    console.print(_LEGEND, highlight=False)
    for name, why in here.items():
        console.print(
            f"{name}: {'can be used here' if not why else 'not here: ' + why}", highlight=False, soft_wrap=True
        )


def _cell(scenario: Scenario, rig: str) -> str:
    """What stands in the table: short, so that all rigs fit a line. The whole reason is in ``--json``."""
    if scenario.rigs and rig not in scenario.rigs:
        return "[dim]-[/]"
    try:
        lacking = sorted(scenario.needs - rigs.carries(rig))
    except rigs.Unusable:
        return "[dim]not there[/]"
    if not lacking:
        return "yes"
    more = f" +{len(lacking) - 1}" if len(lacking) > 1 else ""
    return f"[dim]{lacking[0]}{more}[/]"


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
