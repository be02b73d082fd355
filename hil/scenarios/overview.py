"""`python -m hil list` and `python -m hil show`: what there is, without playing anything."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from hil.scenarios import rigs
from hil.scenarios.grammar import ACTS, CLAIMS
from hil.scenarios.model import Scenario
from hil.scenarios.read import Mistake, all_cases, find, read


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
            print(_one(read(find(chosen.scenario))) if chosen.scenario else _grammar())
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
    console = Console()
    table = Table("scenario", *here, box=None, padding=(0, 2, 0, 0))
    for one in scenarios:
        table.add_row(one.name, *("yes" if not (why := _why(one, name)) else f"[dim]{why}[/]" for name in here))
    console.print(table)
    for name, why in here.items():
        console.print(f"{name}: {'can be used here' if not why else 'not here: ' + why}", highlight=False)


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
