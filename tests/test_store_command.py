"""``dockagent store check``: what it prints, records and ends with; and what rests on its record afterwards."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dockagent.cli import main
from dockagent.cli.store import exit_code, lines
from dockagent.core import custody, strict_json
from dockagent.core.central import promise as pr
from dockagent.core.events import Delivered, DockStarted, Event, StoreChecked
from dockagent.core.model import Receipt, State
from dockagent.core.moment import Instant
from dockagent.core.session import advance
from dockagent.desk import payloads
from dockagent.doctor import of_store
from dockagent.durable import RealDisk
from dockagent.errors import Refused
from dockagent.ledger.keys_new import new_keys
from dockagent.ledger.log import Ledger
from dockagent.stores.promises import Proof

NOW_MS = int(datetime(2026, 11, 22, tzinfo=UTC).timestamp() * 1000)
URL = "s3://evidence/dock-7"
HONEST = tuple(pr.kept(one, "answered 403") for one in (*pr.HONEST, pr.KEEPS_VERSIONS))
SECOND = (pr.REFUSES_SECOND_WRITE, pr.KEEPS_VERSIONS)
LOCKED = tuple(pr.kept(one, "answered 403") for one in pr.LOCKS)


def dock(home: Path, *events: Event) -> None:
    """A dock in ``home`` whose ledger has these events, all at the same time."""
    keys, state = new_keys(home, "dock-7"), State()
    setting = custody.Setting(keys.origin, keys.dock.id, "", "", "1", "")
    with Ledger.open(RealDisk(home / "ledger"), keys) as ledger:
        for event in (DockStarted("1", "", "first start"), *events):
            payload = custody.record(event, ledger.size, at(0), setting, state)
            advance(state, event, NOW_MS)
            ledger.append([payload])
        ledger.checkpoint()


def at(days: int) -> Instant:
    return Instant(NOW_MS + days * 86_400_000, "boot", 0, "ntp", 12)


@pytest.mark.parametrize(
    ("found", "standing", "code"),
    [
        ((*HONEST, *LOCKED), "write-once", 0),
        (HONEST, "honest", 0),
        ((*HONEST, pr.broken(pr.REFUSES_READ, "may read")), "honest", 3),
        ((*HONEST, pr.broken(pr.LOCK_AS_STATED, "deleted")), "pretender", 1),
        ((HONEST[0], pr.broken(pr.REFUSES_WRONG_HASH, "stored")), "pretender", 1),
        ((HONEST[0], pr.not_asked(pr.REFUSES_WRONG_HASH, "no answer")), "unknown", 4),
        ((*HONEST[:2], *(pr.broken(one, "taken") for one in SECOND)), "pretender", 1),
        ((*HONEST[:2], pr.kept(SECOND[0], "412"), pr.broken(SECOND[1], "none")), "honest", 3),
        ((*HONEST[:2], pr.broken(SECOND[0], "taken"), pr.not_asked(SECOND[1], "no answer")), "unknown", 4),
        ((*HONEST[:2], pr.not_asked(SECOND[0], "no answer"), pr.broken(SECOND[1], "none")), "unknown", 4),
        (HONEST[:2], "unknown", 4),
        ((*HONEST, LOCKED[0], pr.broken(pr.LOCKS[1], "ended")), "honest", 3),
    ],
)
def test_what_a_store_may_be_called(found: tuple[pr.Kept, ...], standing: str, code: int) -> None:
    proof = Proof(URL, "s3", found)
    assert (proof.standing, exit_code(proof)) == (standing, code)


def test_honest_is_never_said_to_keep_what_stands_broken_beside_it() -> None:
    (word,) = [line for line in lines(Proof(URL, "s3", HONEST), None) if line.startswith("honest: ")]
    assert "BROKEN" not in word
    text = "\n".join(lines(Proof(URL, "s3", (*HONEST, pr.broken(pr.REFUSES_READ, "may read"))), None))
    assert "it kept to" not in text
    assert "what is BROKEN below, it does not keep" in " ".join(text.split())


def test_it_is_recorded_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dock(tmp_path)
    url = (tmp_path / "evidence").as_uri()
    words = ["store", "check", "--home", str(tmp_path), "--store", url]
    assert main([*words, "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert (told["standing"], told["kind"], told["store"]) == ("tamper-evident", "folder", url)
    record = strict_json.parse(list(payloads(tmp_path))[told["record"]])
    assert record["type"] == "store.check"
    assert record["who"]["actor"] == "person"
    assert {one["promise"]: one["answer"] for one in record["what"]["kept"]} == {
        one["promise"]: one["answer"] for one in told["promises"]
    }
    assert main(words) == 3
    text = capsys.readouterr().out
    assert "tamper-evident: a folder" in text
    assert "BROKEN     this dock cannot read what it wrote" in text
    assert max(map(len, text.splitlines())) <= 120
    assert of_store.promises(tmp_path, url, at(0)).word in ("ok", "warning")


def test_with_keys_alone_it_says_how_to_try_all_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["store", "check", "--home", str(tmp_path / "home"), "--store", (tmp_path / "evidence").as_uri()]
    assert main(words) == 4
    said = capsys.readouterr().err
    assert said.endswith(
        "there is no dock at " + words[3] + "; give its --home, or try with --no-record before there is one\n"
    )
    assert main(["keys", "init", "--home", str(tmp_path / "home")]) == 0
    capsys.readouterr()
    assert main(words) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert "has keys, and no ledger before its agent ran: the answers cannot go on record; try with --no-record" in line
    assert not (tmp_path / "evidence").exists()
    assert main([*words, "--no-record"]) == 3
    assert "not on record" in capsys.readouterr().out


def test_the_doctor_says_when_it_was_never_done_is_old_or_was_no(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert "nobody has tried" in of_store.promises(home, URL, at(0)).what
    dock(home, StoreChecked(URL, "s3", "honest", HONEST))
    assert of_store.promises(home, URL, at(1)).word == "ok"
    assert of_store.promises(home, URL, at(181)).word == "warning"
    assert "nobody has tried" in of_store.promises(home, "s3://other", at(1)).what


def test_a_check_that_says_nothing_or_too_much_is_refused() -> None:
    for event in (
        StoreChecked(URL, "s3", "honest", ()),
        StoreChecked(URL, "s3", "honest", (HONEST[0], HONEST[0])),
        StoreChecked("evidence", "s3", "honest", HONEST),
        StoreChecked(URL, "s3", "honest", (pr.kept("x", "y" * 501),)),
        StoreChecked(URL, "s3", "write-once", (*HONEST, pr.broken(pr.LOCKS[0], "deleted"))),
    ):
        with pytest.raises(Refused):
            advance(State(), event, NOW_MS)


def test_a_receipt_names_the_newest_check_of_its_store() -> None:
    state, setting = State(), custody.Setting("o", "d", "", "", "1", "")
    receipt = Receipt(URL, "clips/a/master", 1, "00", "checksum", "v1", "e")
    links = []
    for number in range(3):
        payload = custody.record(Delivered("clip", receipt, ()), number, at(0), setting, state)
        links.append(strict_json.parse(payload)["links"].get("store_check"))
        advance(state, StoreChecked(URL if number else "s3://other", "s3", "honest", HONEST), NOW_MS + number)
    assert links == [None, None, "1"]
    assert state.store_checks[URL].record == 2
