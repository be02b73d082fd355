"""What the doctor says about outsiders: who is reached, since when too few have signed, what cannot work."""

import socket
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography import x509

from dockagent import daemon
from dockagent.cli import main
from dockagent.clock import SystemClock
from dockagent.config import Config, Timestamps, Witness, Witnesses
from dockagent.core.moment import Instant
from dockagent.core.proof import merkle
from dockagent.doctor.check import Check
from dockagent.doctor.of_witnesses import witness, witnesses
from dockagent.durable import RealDisk
from dockagent.errors import UsageError
from dockagent.ledger.keys import Keys
from dockagent.ledger.lock import locked
from dockagent.ledger.witness_key import WitnessKey
from tests.ledger import made
from tests.ledger import witnesses as others

NOW = SystemClock().now()
NO_STAMPS = Timestamps()
ONE, TWO = others.key(), others.key(name="w.example/2", seed=2)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    made.ledger(tmp_path / "ledger", dock := made.keys(tmp_path / "keys"))
    return dock


def keep(home: Path, keys: Keys, size: int, ago_s: int, *by: int) -> None:
    sealed = keys.sign_checkpoint(size, merkle.EMPTY_ROOT)
    text = sealed.partition("\n\n")[0] + "\n"
    (home / "ledger" / "witnessed").mkdir(exist_ok=True)
    lines = "".join((ONE, TWO)[n].cosign(text, NOW.utc_ms // 1000 - ago_s) for n in by)
    (home / "ledger" / "witnessed" / str(size)).write_text(sealed + lines)


def said(home: Path, *urls: str, now: Instant = NOW, quorum: int = 2) -> list[Check]:
    ask = tuple(f"{key.public.text()} {url}" for key, url in zip((ONE, TWO), urls, strict=False))
    return list(witnesses(Witnesses(ask, quorum), Timestamps(), list, home, now))


def test_without_anybody_it_says_what_that_means(tmp_path: Path) -> None:
    (check,) = said(tmp_path, quorum=0)
    assert (check.word, check.name) == ("warning", "history")
    assert "can rewrite it" in check.what
    assert "docs/witnesses.md" in check.todo


def test_each_is_reached_or_not(tmp_path: Path, keys: Keys) -> None:
    keep(tmp_path, keys, 9, 60, 0, 1)
    with socket.create_server(("127.0.0.1", 0)) as door, socket.create_server(("127.0.0.1", 0)) as closed:
        there, away = (f"http://127.0.0.1:{one.getsockname()[1]}" for one in (door, closed))
        closed.close()
        checks = said(tmp_path, there, away)
    assert [one.word for one in checks] == ["ok", "warning", "ok"]
    assert "refused" in checks[1].what
    assert checks[2].what == "2 of 2 witnesses saw 9 records 1 minute ago"


def test_too_long_ago_is_said_with_the_time(tmp_path: Path, keys: Keys) -> None:
    keep(tmp_path, keys, 9, 7200, 0, 1)
    keep(tmp_path, keys, 12, 60, 0)  # one alone is not enough
    last = said(tmp_path, "http://127.0.0.1:1", "http://127.0.0.1:1")[-1]
    assert last.word == "warning"
    assert "saw 9 records 2 hours ago; not since 20" in last.what


def test_never_is_said_too(tmp_path: Path, keys: Keys) -> None:
    for _ in range(2):
        last = said(tmp_path, "http://127.0.0.1:1", "http://127.0.0.1:1")[-1]
        assert (last.word, last.what) == ("warning", "no checkpoint bears the 2 cosignatures that are needed")
        keep(tmp_path, keys, 9, 0, 1)
        (tmp_path / "ledger" / "witnessed" / "10").write_text("garbage")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as door:
        return int(door.getsockname()[1])


def test_settings_that_cannot_work_fail(tmp_path: Path, keys: Keys) -> None:
    bad = list(witnesses(Witnesses(("nonsense",)), Timestamps(), list, tmp_path, NOW))
    assert [(one.word, "not a witness" in one.what) for one in bad] == [("failure", True)]
    assert list(witness(Witness(), tmp_path)) == []
    free = f"127.0.0.1:{_free_port()}"
    for setting, word in (
        (Witness(free, (keys.vkey,)), "ok"),
        (Witness(free, (str(tmp_path / "keys" / "trust.json"),)), "ok"),
        (Witness(free), "failure"),
        (Witness(free, (str(tmp_path / "absent"),)), "failure"),
        (Witness(free, ("a+b",)), "failure"),
    ):
        assert [one.word for one in witness(setting, tmp_path)] == [word]


def failed(home: Path, setting: Witnesses, stamps: Timestamps = NO_STAMPS) -> str:
    """What doctor says of these settings, which the agent refuses for the same reason and with the same advice."""

    def roots() -> Sequence[x509.Certificate]:
        return daemon.stamp_roots(Config(timestamps=stamps))

    found = [one for one in witnesses(setting, stamps, roots, home, NOW) if one.word == "failure"]
    assert len(found) == 1, found
    with pytest.raises(UsageError) as refused:
        daemon.notary(Config(witnesses=setting, timestamps=stamps), RealDisk(home))
    assert (found[0].what, found[0].todo) == (refused.value.what, refused.value.hint)
    return found[0].what


def test_what_the_agent_refuses_the_doctor_refuses(tmp_path: Path, keys: Keys) -> None:
    one, two = (f"{key.public.text()} http://127.0.0.1:1" for key in (ONE, TWO))
    again = f"{others.key(name='w.example/other').public.text()} http://127.0.0.1:2"
    assert "names 2 witnesses, fewer than its quorum of 3" in failed(tmp_path, Witnesses((one, two), 3))
    assert "names 0 witnesses, fewer than its quorum of 1" in failed(tmp_path, Witnesses((), 1))
    said = failed(tmp_path, Witnesses((one, again), 1))
    assert "one key twice, at http://127.0.0.1:1 and at http://127.0.0.1:2" in said
    assert "one key twice" in failed(tmp_path, Witnesses((one, one), 1))


def test_a_dock_does_not_vouch_for_itself(tmp_path: Path, keys: Keys) -> None:
    own = WitnessKey.open(RealDisk(tmp_path / "keys"), "w.example/own").public
    setting = Witnesses((f"{own.text()} http://127.0.0.1:1",), 1)
    assert "this dock's own witness key (w.example/own)" in failed(tmp_path, setting)


def test_a_damaged_witness_key_keeps_no_dock_from_its_cameras(tmp_path: Path, keys: Keys) -> None:
    (tmp_path / "keys/witness.vkey").write_text("garbage")
    setting = Witnesses((f"{ONE.public.text()} http://127.0.0.1:1",), 1)
    assert daemon.notary(Config(witnesses=setting), RealDisk(tmp_path)) is not None
    (check,) = witnesses(setting, Timestamps(), list, tmp_path, NOW)
    assert (check.word, "witness.vkey is damaged" in check.what) == ("failure", True)


def test_roots_of_time_stamps_are_read(tmp_path: Path, keys: Keys) -> None:
    (tmp_path / "empty.pem").write_text("no certificate")
    ask = Witnesses((f"{ONE.public.text()} http://127.0.0.1:1",), 1)
    for name in ("absent.pem", "empty.pem"):
        stamps = Timestamps("http://tsa.example", (str(tmp_path / name),))
        assert f"no certificate in {tmp_path / name}" in failed(tmp_path, ask, stamps)
    assert "without roots" in failed(tmp_path, ask, Timestamps("http://tsa.example"))


@pytest.mark.parametrize("listen", ["nonsense", "127.0.0.1:99999", "127.0.0.1"])
def test_an_address_that_is_none_is_a_failure(tmp_path: Path, keys: Keys, listen: str) -> None:
    (check,) = witness(Witness(listen, (keys.vkey,)), tmp_path)
    assert (check.word, "not an address to listen at" in check.what, bool(check.todo)) == ("failure", True, True)


def test_a_port_is_one_that_others_can_know(tmp_path: Path, keys: Keys) -> None:
    (check,) = witness(Witness("127.0.0.1:0", (keys.vkey,)), tmp_path)
    assert (check.word, bool(check.todo)) == ("warning", True)


def test_the_witness_answers_only_where_somebody_listens(tmp_path: Path, keys: Keys) -> None:
    def said(address: str) -> tuple[str, str]:
        (check,) = witness(Witness(address, (keys.vkey,)), tmp_path)
        assert bool(check.todo) == (check.word != "ok")
        return check.word, check.what

    listen = f"127.0.0.1:{_free_port()}"
    assert said(listen) == ("ok", f"will listen at {listen} for 1 logs when the agent runs")
    assert not (tmp_path / "witness").exists()
    with locked(tmp_path / "ledger/lock"):
        word, what = said(listen)
        assert (word, f"the agent runs, but nothing answers at {listen}" in what) == ("failure", True)
        with socket.create_server(("127.0.0.1", int(listen.rpartition(":")[2]))):
            assert said(listen) == ("ok", f"answers at {listen} for 1 logs")
            assert said(listen.replace("127.0.0.1", ""))[0] == "ok"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        word, what = said(f"127.0.0.1:{taken.getsockname()[1]}")
        assert (word, "cannot listen at" in what) == ("failure", True)


def test_the_command_says_it(tmp_path: Path, keys: Keys, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "dockagent.toml"
    ask = f"{ONE.public.text()} http://127.0.0.1:1"
    config.write_text(
        f'[witnesses]\nask = ["{ask}"]\nquorum = 2\n[timestamps]\nroots = ["{tmp_path}/absent.pem"]\n'
        f'[witness]\nlisten = "nonsense"\nlogs = ["{keys.vkey}"]\n'
    )
    assert main(["doctor", "--home", str(tmp_path), "--config", str(config)]) == 1
    shown = capsys.readouterr().out
    for words in ("fewer than its quorum of 2", "no certificate in", "not an address to listen at: 'nonsense'"):
        assert words in shown
