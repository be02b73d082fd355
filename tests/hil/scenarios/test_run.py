"""What `python -m hil run` takes, what it refuses, and the command that it prints to play a run again."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from hil.scenarios import elsewhere, run
from hil.scenarios.model import Scenario
from hil.scenarios.play import Outcome
from hil.scenarios.read import read
from hil.scenarios.soak import Job, replay

TWO = """about = "Two cameras"
why = "to leave one out"
camera.alice = { model = "tecsar", serial = "CAM01", faults = "rrU" }
camera.bob = { model = "generic-dcf" }
script = "plug alice bay01"
expect = "alice released"
"""
ONE = TWO.replace('camera.bob = { model = "generic-dcf" }\n', "")


@pytest.fixture(name="written")
def _written(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "case.toml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("place", [[], ["--in", "uml"]])
@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        (ONE, ["--without", "alice"], "no camera is left in case without alice\n"),
        (TWO, ["--without", "alice", "--without", "bob"], "no camera is left in case without bob\n"),
        (TWO, ["--without", "carol"], "no camera is called carol; there are: alice, bob\n"),
    ],
)
def test_a_camera_that_cannot_be_left_out_is_refused_before_anything_starts(
    written: Callable[[str], Path],
    capsys: pytest.CaptureFixture[str],
    text: str,
    words: list[str],
    said: str,
    place: list[str],
) -> None:
    assert run.main([str(written(text)), *words, *place]) == 2
    assert capsys.readouterr() == ("", said)


def _command(whole: Scenario, played: Scenario, place: tuple[str, ...] = ()) -> list[str]:
    outcome = Outcome(played, "folder", None, {}, "", (), (), 0.0, ())
    return shlex.split(replay(outcome, Job(played, "folder", Path("kept"), None, place, whole)))


@pytest.mark.parametrize("place", [(), ("--in=uml", "--memory", "2048")])
@pytest.mark.parametrize(
    ("without", "faults"),
    [([], {}), ([], {"alice": ""}), ([], {"alice": "U", "bob": "rU"}), (["alice"], {}), (["bob"], {"alice": ""})],
)
def test_the_printed_command_plays_the_same_scenario(
    written: Callable[[str], Path], without: list[str], faults: dict[str, str], place: tuple[str, ...]
) -> None:
    whole = read(written(TWO))
    played = whole
    for name in without:
        played = played.without(name)
    played = played.with_faults(faults)
    words = _command(whole, played, place)
    assert words[:4] == ["python", "-m", "hil", "run"]
    options = run.parser().parse_args(words[4:])
    again = run.chosen(read(Path(options.scenario[0])), options)
    assert (again.cameras, again.script, again.expect) == (played.cameras, played.script, played.expect)
    assert (options.rig, options.where) == ("folder", "uml" if place else "here")
    assert options.memory == (2048 if place else 1024)


def test_the_words_for_a_guest_are_told_from_those_that_name_it() -> None:
    words = ["case", "--in", "uml", "--rig=usbip", "--keep", "/k", "--timeout=60", "--faults", "alice=", "--keep=/l"]
    assert elsewhere.parted(words) == (["case", "--rig=usbip", "--faults", "alice="], ["--in", "uml", "--timeout=60"])


def _bay(text: str, bay: str) -> str:
    return text.replace("bay01", bay)


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        (_bay(ONE, "bay99"), [], "case.toml:4: there is no bay bay99; folder has bay01 to bay08\n"),
        (_bay(ONE, "bay9"), ["--rig", "gadget"], "case.toml:4: there is no bay bay9; gadget has bay01 to bay08\n"),
        (ONE, ["--rig", "bench", "--bench", "BENCH"], "case.toml:4: there is no bay bay01; bench has left, right\n"),
    ],
)
def test_a_bay_that_no_rig_has_is_refused(
    written: Callable[[str], Path], capsys: pytest.CaptureFixture[str], text: str, words: list[str], said: str
) -> None:
    path = written(text)
    bench = path.with_name("bench.toml")
    bench.write_text('bays.left.port = "1-1"\nbays.right.port = "1-2"\ncameras.alice.serial = "x"\n')
    assert run.main([str(path), *(word.replace("BENCH", str(bench)) for word in words)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.rpartition("/")[2]) == ("", said)


def test_a_bay_that_another_rig_has_is_skipped(
    written: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main([str(written(_bay(ONE, "bay08").replace("rrU", ""))), "--rig", "gadget"]) == 3
    assert "skipped  case: gadget cannot carry it: it has no bay08" in capsys.readouterr().out


def test_what_changes_nothing_is_said(written: Callable[[str], Path]) -> None:
    options = run.parser().parse_args(["case", "--seed", "1", "--bench", "x"])
    plain, drawn = read(written(ONE)), read(written(ONE.replace("rrU", "random U")))
    seed = 'none of its cameras has faults = "random …"'
    bench = "--bench changes nothing on --rig folder"
    assert list(run.notes([plain], options)) == [f"--seed changes nothing in case: {seed}", bench]
    assert list(run.notes([drawn], options)) == [bench]
    assert list(run.notes([plain], run.parser().parse_args(["case"]))) == []
