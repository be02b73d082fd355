"""``dockagent show CLIP`` tells what was handed out of a clip, to whom, and what was asked for and not finished."""

import json
from pathlib import Path
from typing import Any

import pytest

from dockagent.cli import main
from dockagent.config import Config
from dockagent.core import events as ev
from dockagent.core.acts import Grounds
from dockagent.core.model import SessionPhase
from dockagent.desk import append
from tests.core.story import acquired, admitted, delivered, previewed, session_in, trees, verified
from tests.desk_bench import home_with

GROUNDS = Grounds(purpose="R v Smith", basis="CPIA 1996 s.3", authority="DI Jones", recipient="Defence\x1b[2J")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    clip = "c1c1c1"
    story = session_in(SessionPhase.LISTED).tell(acquired(clip=clip), verified(clip), trees(clip), previewed(clip))
    return home_with(tmp_path, story.tell(admitted(clip), delivered(clip)))


def show(home: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["show", "c1c1c1", "--home", str(home), *words]) == 0
    return capsys.readouterr().out


def ask(home: Path, kind: Any = "package", ranges: tuple[str, ...] = ()) -> int:
    return append(Config(), home, ev.DisclosureAsked(("c1c1c1",), kind, ranges, grounds=GROUNDS)).index


def test_nothing_was(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Handed out\n  nothing\n" in show(home, capsys)
    assert json.loads(show(home, capsys, "--json"))["handed_out"] == []


def test_a_package_an_excerpt_a_failure_and_one_that_never_ended(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = ask(home)
    done = append(Config(), home, ev.Disclosed(("c1c1c1",), "package", first, "ab" * 32, 9, 99, grounds=GROUNDS)).index
    second, where = ask(home, "excerpt", ("00:00:02.000 to 00:00:03.000",)), ("00:00:01.000 to 00:00:03.500",)
    part = ev.Disclosed(("c1c1c1",), "excerpt", second, "cd" * 32, 2, 9, where, (0,), grounds=GROUNDS)
    append(Config(), home, part)
    third = ask(home)
    append(Config(), home, ev.DisclosureFailed(("c1c1c1",), third, "the disk is full", grounds=GROUNDS))
    fourth = ask(home)
    rows = json.loads(show(home, capsys, "--json"))["handed_out"]
    assert [one["asked"] for one in rows] == [first, second, third, fourth]
    assert [one["outcome"] for one in rows] == ["handed out", "handed out", "failed", "not finished"]
    assert rows[0]["sha256"] == "ab" * 32 and rows[0]["record"] == done
    assert (rows[1]["kind"], rows[1]["ranges"], rows[1]["tracks"]) == ("excerpt", list(where), [0])
    text = show(home, capsys)
    assert f"handed out by record {done}" in text
    assert "excerpt of 00:00:01.000 to 00:00:03.500 for Defence" in text
    assert "failed by record" in text and "the disk is full" in text
    assert "; not finished" in text
    assert "\x1b" not in text, "grounds steer no terminal"
