"""``dockagent erase`` as a person types it, and what ``status`` says of the permit afterwards. No daemon runs here."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dockagent.cli import main
from dockagent.core.central.custodian_key import CustodianKey
from dockagent.core.permits import permit
from dockagent.core.permits.permit import Permit
from dockagent.core.proof import dsse
from tests.core import permits
from tests.core.permits import DAY_MS, KEY, PERMIT_ID, leave, ready
from tests.core.story import NOW
from tests.desk_bench import home_with

LATER = {"from_ms": NOW, "until_ms": NOW + 36_500 * DAY_MS}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A dock that does not run and that may erase; it has read and delivered one clip of BWC-0001."""
    key = CustodianKey("desk", KEY.public_key()).text()
    (tmp_path / "config.toml").write_text(f'[erase]\nwhen = "permit"\n[custodian]\nkeys = ["{key}"]\n')
    return home_with(tmp_path, ready())


def say(home: Path, *words: str) -> int:
    return main([*words, "--home", str(home), "--config", str(home.parent / "config.toml")])


def hand_in(home: Path, what: Permit, *words: str) -> int:
    file = home.parent / "permit.json"
    file.write_bytes(permits.envelope(what))
    return say(home, "erase", "--permit", str(file), *words)


def _err(capsys: pytest.CaptureFixture[str]) -> list[str]:
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


def test_one_for_another_camera_is_said_at_once_and_by_status(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert hand_in(home, leave(camera="BWC-0002", **LATER)) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"permit {PERMIT_ID} to erase DCIM/a.MP4 is on record as ")
    assert "for camera BWC-0002, while no agent runs: NOT FOLLOWED as things are (wrong-camera)" in line
    say(home, "status")
    shown = capsys.readouterr().out
    assert "Permits to erase from cameras: 1 wait to be used" in shown
    assert f"  permit {PERMIT_ID} for DCIM/a.MP4: for camera BWC-0002, while no agent runs: NOT FOLLOWED" in shown


def test_one_that_is_good_waits_for_its_camera(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert hand_in(home, leave(**LATER), "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["camera"], said["bay"], said["ground"]) == ("BWC-0001", "", "")
    assert "it waits until that camera is in a bay, 21" in said["text"]
    say(home, "status", "--json")
    (one,) = json.loads(capsys.readouterr().out)["permits"]
    assert (one["permit"], one["record"], one["camera"]) == (PERMIT_ID, said["record"], "BWC-0001")


def test_one_for_another_dock_is_known_by_the_docks_own_name(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert hand_in(home, leave(dock="dock-8", **LATER)) == 1
    (line,) = _err(capsys)
    assert "/permit.json is on record as " in line
    assert line.endswith("follows it: the permit is for dock dock-8; this is dock-7; hand it in at that dock")
    assert hand_in(home, leave(dock="dock-7", id="1f" * 16, **LATER)) == 0
    assert "NOT FOLLOWED" not in capsys.readouterr().out


def test_status_is_silent_of_one_whose_time_is_over(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert hand_in(home, leave(from_ms=1, until_ms=2)) == 1
    (line,) = _err(capsys)
    assert "never follows it: the permit was valid until 1970-01-01T00:00:00.002Z; ask who runs the custodian" in line
    say(home, "status", "--json")
    assert json.loads(capsys.readouterr().out)["permits"] == []


def test_one_of_no_use_has_its_row_for_programs_too(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert hand_in(home, leave(from_ms=1, until_ms=2), "--json") == 1
    assert json.loads(capsys.readouterr().out)["ground"] == "stale"


def _more(name: str) -> Callable[[bytes], bytes]:
    """The same permit with one more member, signed as it should be."""

    def change(_: bytes) -> bytes:
        said = json.loads(permit.statement(leave(**LATER)))
        said["predicate"][name] = True
        return dsse.seal(dsse.IN_TOTO, json.dumps(said).encode(), "any", permits.sign)

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda data: data[:-9],
            "is not taken as a permit: not valid JSON: it ends in the middle; hand in the file as",
        ),
        (lambda data: b"", "is not taken as a permit: not valid JSON: it is empty; hand in the file as"),
        (lambda data: data + bytes(50 << 20), "is no permit: none has more than 262144 bytes; hand in the file as"),
        (_more("extra"), "the permit is malformed: there is a member 'extra' that nobody here knows (at predicate); "),
        (
            lambda data: data.replace(b'"sig":"M', b'"sig":"N'),
            "signed by no custodian whom this dock believes; see keys",
        ),
    ],
)
def test_what_is_no_permit_is_refused_with_file_reason_and_remedy(
    home: Path, capsys: pytest.CaptureFixture[str], change: Callable[[bytes], bytes], said: str
) -> None:
    file = home.parent / "brought.json"
    file.write_bytes(change(permits.envelope(leave(**LATER))))
    assert say(home, "erase", "--permit", str(file)) == 1
    (line,) = _err(capsys)
    assert line.startswith(f"dockagent: {file} is n")
    assert said in line


def test_a_file_that_is_not_there_is_a_mistake_of_the_command(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert say(home, "erase", "--permit", str(home.parent / "absent")) == 2
    (line,) = _err(capsys)
    assert line.endswith("/absent: No such file or directory; check --permit")
