"""``dockagent clips`` and its neighbours as people type them: what cannot be is refused, what fits nothing is said."""

import fcntl
import json
from pathlib import Path

import pytest

from dockagent import desk
from dockagent.cli import main
from dockagent.config import Config
from dockagent.core import events as ev
from dockagent.core.model import Question, ReviewFilter, SessionPhase
from dockagent.core.review import review
from dockagent.errors import Refused
from tests.core.story import acquired, admitted, delivered, disposed, previewed, session_in, trees, verified
from tests.core.test_review import taken_in
from tests.desk_bench import home_with, told
from tests.ledger import witnesses

WHY = ("--basis", "policy 7.2", "--authority", "Sgt Kay")
ALL = ("--purpose", "a case", "--recipient", "Court", *WHY)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A dock that does not run, with six clips, and a witness whom nobody will reach."""
    home = home_with(tmp_path, taken_in(6))
    line = f"{witnesses.key().public.text()} http://127.0.0.1:1"
    (tmp_path / "config").write_text(f'[dock]\nhome = "{home}"\n[witnesses]\nask = ["{line}"]\n')
    return home


def say(home: Path, *words: str) -> int:
    return main([*words, "--config", str(home.parent / "config")])


def asks(home: Path) -> int:
    return sum(isinstance(one, ev.SampleAsked) for one in told(home))


@pytest.mark.parametrize("number", ["0", "-1", "3001"])
def test_a_sample_of_no_number_is_a_mistake(home: Path, number: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = len(told(home))
    assert say(home, "clips", "--sample", number, *WHY) == 2
    assert "ask for 1 to 3000" in capsys.readouterr().err
    assert len(told(home)) == before


@pytest.mark.parametrize("more", [(), ("--sample", "2", *WHY)])
def test_a_time_that_ends_before_it_begins_is_a_mistake(
    home: Path, more: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    times = ("--since", "2026-11-22T14:00:00Z", "--until", "2026-11-22T14:00:00Z")
    assert say(home, "clips", *times, *more) == 2
    assert "--until is not after --since" in capsys.readouterr().err


def test_what_fits_no_clip_at_all_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert say(home, "clips", "--camera", "NOBODY", "--officer", "4711", "--json") == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out) == []
    assert "no clip of camera 'NOBODY'" in shown.err
    assert "no clip of officer '4711'" in shown.err
    assert say(home, "clips", "--until", "2020-01-01T00:00:00Z") == 0
    assert capsys.readouterr().err == "", "none is an answer where nothing is misspelt"


def test_a_sample_of_nothing_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert say(home, "clips", "--sample", "2", "--camera", "NOBODY", *WHY) == 1
    assert "nothing to draw from" in capsys.readouterr().err
    assert asks(home) == 0
    none = Question(ReviewFilter("NOBODY"), 2, 0, review.list_sha256([]))
    with pytest.raises(Refused, match="nothing to draw from"):  # nor does the desk take it from another program
        desk.append(Config(), home, ev.SampleAsked(none))
    assert asks(home) == 0


def test_a_sample_of_all_is_said_to_be_no_lot(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert say(home, "clips", "--sample", "6", *WHY) == 0
    assert "all of them will be drawn" in capsys.readouterr().err
    assert say(home, "clips", "--sample", "5", *WHY) == 0
    assert capsys.readouterr().err == ""
    assert asks(home) == 2


def test_a_busy_ledger_is_no_refusal(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 4: the same command may do it later; 1 would say that a rule forbids it."""
    clip = f"{1:032x}"
    with (home / "ledger" / "lock").open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for words in (("hold", "set", clip, *WHY), ("keys", "rotate")):
            assert say(home, *words) == 4, words
            assert "in use by process" in capsys.readouterr().err
    assert say(home, "hold", "set", clip, *WHY) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ("", "only a legal hold of the store's own keeps it"),
        ('[custodian]\nkeys = ["c"]\n', "only a legal hold of the store's own keeps it"),
        ('[custodian]\nkeys = ["c"]\n[witnesses]\nask = ["w"]\npublish = false\n', "only a legal hold of the store's"),
        (
            '[custodian]\nkeys = ["c"]\n[witnesses]\nask = ["w"]\n',
            "the custodian sets the store's legal hold where it may",
        ),
    ],
)
def test_what_keeps_it_in_the_store_is_said_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tables: str, words: str
) -> None:
    """A custodian sets a legal hold only where there is one, and where he finds the hold in a published ledger."""
    clip = "c1c1c1"
    story = session_in(SessionPhase.LISTED).tell(acquired(clip=clip), verified(clip), trees(clip), previewed(clip))
    home = home_with(tmp_path, story.tell(admitted(clip), delivered(clip), disposed(clip)))
    (tmp_path / "dock.toml").write_text(tables)
    where = ["--home", str(home), "--config", str(tmp_path / "dock.toml")]
    assert main(["hold", "set", clip, *WHY, *where]) == 0
    assert f"in the store, {words}" in capsys.readouterr().err


def test_footage_that_is_gone_from_the_dock(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A hold on it says what it does not reach; without a store's name it is not looked for in a wrong place."""
    clip = "c1c1c1"
    story = session_in(SessionPhase.LISTED).tell(acquired(clip=clip), verified(clip), trees(clip), previewed(clip))
    home = home_with(tmp_path, story.tell(admitted(clip), delivered(clip), disposed(clip)))
    assert main(["hold", "set", clip, *WHY, "--home", str(home)]) == 0
    said = capsys.readouterr().err
    assert "keeps no footage here" in said
    assert "forbids this dock to erase the clip from its camera" in said
    before = len(told(home))
    assert main(["disclose", clip, *ALL, "--out", str(tmp_path / "out"), "--home", str(home)]) == 2
    assert "give the dock's --config FILE, or --store URL" in capsys.readouterr().err
    assert len(told(home)) == before, "a forgotten option is no try"
