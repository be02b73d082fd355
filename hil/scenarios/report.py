"""The report of a run as data: what a machine, or another page, may want to know."""

from __future__ import annotations

import json
import platform
from functools import cache
from pathlib import Path
from typing import Any

from hil.demo import agent
from hil.scenarios.page import page
from hil.scenarios.play import Outcome

SCHEMA = "urn:dockagent:scenario-report:1"


def as_data(outcome: Outcome) -> dict[str, Any]:
    """The run as JSON has it."""
    scenario = outcome.scenario
    return {
        "schema": SCHEMA,
        "scenario": scenario.name,
        "about": scenario.about,
        "why": scenario.why,
        "rig": outcome.rig,
        "seed": outcome.seed,
        "faults": dict(outcome.letters),
        "good": outcome.good,
        "stopped": outcome.stopped,
        "seconds": round(outcome.seconds, 2),
        "replay": outcome.command,
        "agent": _version(),
        "kernel": platform.release(),
        "expectations": [
            {"text": one.text, "holds": one.holds, "why": one.why, "line": one.line or None} for one in outcome.judged
        ],
        "timeline": [
            {
                "seconds": round(one.seconds, 3),
                "bay": one.bay,
                "camera": one.camera,
                "kind": one.kind,
                "words": one.words,
            }
            for one in outcome.moments
        ],
    }


@cache
def _version() -> str:
    """What the command says of itself; it does not change while we run."""
    return agent.run("--version").out.strip()


def write(outcome: Outcome, folder: Path) -> None:
    """Write ``report.json`` and ``report.html`` into a folder."""
    data = as_data(outcome)
    (folder / "report.json").write_text(json.dumps(data, indent=1) + "\n")
    (folder / "report.html").write_text(page(data, outcome.scenario.path.read_text(), outcome.log[-40:]))
