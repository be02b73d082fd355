"""``dockagent hold`` as people type it, and what the other commands say about a hold. No daemon runs here."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from dockagent.cli import main
from dockagent.core import events as ev
from dockagent.core.central.custodian_state import HoldWord
from dockagent.core.events.custodian import CustodianHeld
from dockagent.core.model import SessionPhase
from tests.core.story import acquired, admitted, delivered, previewed, session_in, trees, verified
from tests.core.test_hold_words import NO, REACHED, on_hold, published
from tests.desk_bench import home_with, told

COMMAND = Path(sys.executable).with_name("dockagent")
WHY = ("--basis", "order 17/26", "--authority", "Sgt Kay")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A dock that does not run, with one delivered clip whose copy is still in the spool."""
    clip = "c1c1c1"
    story = session_in(SessionPhase.LISTED).tell(acquired(clip=clip), verified(clip), trees(clip), previewed(clip))
    return home_with(tmp_path, story.tell(admitted(clip), delivered(clip)))


def say(home: Path, *words: str) -> int:
    return main([*words, "--home", str(home)])


def typed(home: Path, answers: bytes, *words: str) -> subprocess.CompletedProcess[bytes]:
    """The command on a terminal where somebody types ``answers``."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, answers)
        return subprocess.run(
            [COMMAND, *words, "--home", home], stdin=theirs, capture_output=True, check=False, timeout=60
        )
    finally:
        os.close(ours)
        os.close(theirs)


def test_on_a_terminal_it_asks_for_what_was_left_out(home: Path) -> None:
    done = typed(home, b"order 17/26\nSgt Kay\n", "hold", "set", "c1c1c1")
    assert done.returncode == 0, done.stderr
    assert b"basis (by what rule or order" in done.stderr
    event = told(home)[-1]
    assert isinstance(event, ev.HoldSet)
    assert (event.grounds.basis, event.grounds.authority) == ("order 17/26", "Sgt Kay")


def test_six_people_at_the_same_moment_without_an_agent(home: Path) -> None:
    """Each waits for the others' records; nobody is told to try again."""
    words = [str(COMMAND), "hold", "set", "c1c1c1", *WHY, "--home", str(home)]
    people = [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(6)]
    ends = [one.communicate(timeout=60) for one in people]
    assert [one.returncode for one in people] == [0] * 6, [err for _, err in ends]
    assert sum(isinstance(one, ev.HoldSet) for one in told(home)) == 6


def test_it_asks_only_for_what_is_missing(home: Path) -> None:
    done = typed(home, b"Sgt Kay\n", "hold", "set", "c1c1c1", "--basis", "order 17/26")
    assert done.returncode == 0, done.stderr
    assert b"basis" not in done.stderr


def test_an_empty_answer_is_none(home: Path) -> None:
    done = typed(home, b"\n", "hold", "set", "c1c1c1")
    assert done.returncode == 2
    assert b"--basis" in done.stderr
    assert not any(isinstance(one, ev.PersonsAct) for one in told(home))


def test_what_the_commands_say_about_a_hold(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert say(home, "hold", "set", "c1c1", *WHY, "--json") == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["clip_id"], done["record"] + 1) == ("c1c1c1", done["ledger_size"])
    say(home, "clips", "--held")
    assert "ON HOLD" in capsys.readouterr().out
    say(home, "show", "c1c1")
    shown = capsys.readouterr().out
    assert f"ON HOLD by record {done['record']} since 2" in shown
    assert "order 17/26, Sgt Kay" in shown
    assert "its legal hold in the store: not set: no custodian carries it there, for [custodian] names none" in shown
    say(home, "show", "c1c1", "--json")
    (hold,) = json.loads(capsys.readouterr().out)["holds"]
    assert hold["in_store"]["state"] == "nobody"
    say(home, "status")
    status = capsys.readouterr().out
    assert "On hold: 1 clips, 100 B" in status
    assert "legal holds: 1 that no custodian carries there" in status
    say(home, "status", "--json")
    assert json.loads(capsys.readouterr().out)["holds"] == {"states": {"nobody": 1}, "wrong": {}}
    say(home, "clips", "--held", "--json")
    (row,) = json.loads(capsys.readouterr().out)
    assert [one["record"] for one in row["holds"]] == [done["record"]]
    assert say(home, "hold", "clear", "c1c1", *WHY) == 0
    capsys.readouterr()
    say(home, "clips", "--held")
    assert capsys.readouterr().out == "no clips\n"


def test_it_says_when_the_custodian_hears_of_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert say(home, "hold", "set", "c1c1", *WHY) == 0
    assert "no custodian hears of it, for [custodian] names none: it binds this dock alone" in capsys.readouterr().out
    lines = {"custodian": 'keys = ["desk+00000000+AA"]', "witnesses": 'ask = ["w+00000000+AA http://127.0.0.1:1"]'}
    file = home / "dock.toml"
    file.write_text(f"[custodian]\n{lines['custodian']}\n")
    assert say(home, "hold", "set", "c1c1", *WHY, "--config", str(file)) == 0
    assert "this dock publishes no ledger ([witnesses]): it binds this dock alone" in capsys.readouterr().out
    file.write_text("".join(f"[{table}]\n{line}\n" for table, line in lines.items()))
    assert say(home, "hold", "set", "c1c1", *WHY, "--config", str(file), "--json") == 0
    said = json.loads(capsys.readouterr().out)["custodian"]
    assert "a running agent publishes it now" in said
    assert "in his next round" in said


def test_one_of_several_holds_is_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert say(home, "hold", "set", "c1c1", *WHY) == 0
    capsys.readouterr()
    assert say(home, "hold", "clear", "c1c1", *WHY) == 2
    said = capsys.readouterr().err
    assert "under 2 holds" in said
    first = len(told(home)) - 2
    assert f"{first} (order 17/26, Sgt Kay)" in said
    assert say(home, "hold", "clear", "c1c1", *WHY, "--hold", str(first)) == 0
    assert "1 more on this clip" in capsys.readouterr().out
    assert say(home, "hold", "clear", "c1c1", *WHY) == 0, "the only one left needs no name"


def test_a_clip_without_holds_has_none_to_clear_and_the_try_is_on_record(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say(home, "hold", "clear", "c1c1", *WHY) == 1
    assert "is on no hold" in capsys.readouterr().err
    event = told(home)[-1]
    assert isinstance(event, ev.Accessed)
    assert (event.act, event.clip_id, event.outcome) == ("hold.clear", "c1c1c1", "refused")


def test_a_clip_that_nobody_knows_is_a_try_on_record(home: Path) -> None:
    """The answer is the one of every other command: there is no such clip (4), not a rule against it (1)."""
    for act in ("set", "clear"):
        assert say(home, "hold", act, "beef", *WHY) == 4
        event = told(home)[-1]
        assert isinstance(event, ev.Accessed)
        assert (event.act, event.clip_id, event.outcome) == (f"hold.{act}", "beef", "refused")
        assert say(home, "show", "beef") == 4


def test_a_name_that_is_too_short_is_a_mistake_and_no_try(home: Path) -> None:
    before = len(told(home))
    assert say(home, "hold", "set", "c1", *WHY) == 2
    assert len(told(home)) == before


def test_grounds_begin_no_line_of_their_own_and_steer_no_terminal(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who sets a hold could otherwise write verdicts into what others see of the clip."""
    forged = "x\n  signature  pass\x1b[2J\u202e"
    for _ in range(2):
        assert say(home, "hold", "set", "c1c1c1", "--basis", forged, "--authority", "A") == 0
    assert say(home, "show", "c1c1c1") == 0
    assert say(home, "hold", "clear", "c1c1c1", *WHY) == 2
    shown = capsys.readouterr()
    for text in (shown.out, shown.err):
        assert r"x\u000a  signature  pass\u001b[2J\u202e" in text
        assert not any(line.startswith("  signature  pass\x1b") for line in text.split("\n"))
    assert len(shown.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("word", "code", "line"),
    [
        (HoldWord("ab" * 32, "false", reason="nobody signed it"), 1, "FALSE: what lies there in the custodian's name"),
        (NO, 0, f"REFUSED on {NO.time}, says chief, who tries again: no right; allow it"),
        (REACHED, 0, "1 reached the store"),
    ],
)
def test_what_became_of_it_in_the_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], word: HoldWord, code: int, line: str
) -> None:
    story, hold = on_hold()
    place = home_with(tmp_path, published(story).tell(CustodianHeld("c1", hold, word)))
    capsys.readouterr()
    assert say(place, "status") == code
    assert line in capsys.readouterr().out
    say(place, "status", "--json")
    assert json.loads(capsys.readouterr().out)["holds"]["states"] == {word.outcome: 1}
