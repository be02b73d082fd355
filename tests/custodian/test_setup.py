"""What a custodian wants before it works: its keys, which one command makes; settings; and to be the only one."""

import json
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from dockagent.cli import main
from dockagent.ledger.trust import Trust
from tests.custodian.made import Dock, Folder, dock
from tests.custodian.processes import Installed, Process
from tests.custodian.test_processes import until


@pytest.fixture
def one(folder: Folder, tmp_path: Path) -> Dock:
    made = dock(folder, tmp_path)
    made.deliver(b"a clip")
    made.publish()
    return made


def said(its: Installed, act: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code and what a command says that cannot begin."""
    code = main(its.words(act)[1:])
    return code, capsys.readouterr().err


@pytest.mark.parametrize("act", ["run", "once"])
@pytest.mark.parametrize("gone", ["all", "the witness's"])
def test_it_makes_no_keys_where_there_are_none(
    folder: Folder, one: Dock, tmp_path: Path, capsys: pytest.CaptureFixture[str], act: str, gone: str
) -> None:
    its = Process(tmp_path / "c", folder, [one])
    home, before = tmp_path / "c" / "home", folder.listed()
    if gone == "all":
        shutil.rmtree(home)
    else:
        (home / "keys" / "witness.pem").unlink()
        (home / "keys" / "witness.vkey").unlink()
    there = sorted(home.rglob("*"))
    code, words = said(its, act, capsys)
    assert (code, words.count("\n")) == (2, 1)
    assert "there are no keys of a custodian in" in words
    assert "`dockagent custodian keys`" in words
    assert (sorted(home.rglob("*")), folder.listed()) == (there, before)


def test_a_key_that_was_lost_is_not_made_anew(
    folder: Folder, one: Dock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    its = Process(tmp_path / "c", folder, [one])
    (tmp_path / "c" / "home" / "keys" / "custodian.pem").unlink()
    for act in ("keys", "once"):
        code, words = said(its, act, capsys)
        assert (code, "bring the keys folder back from its backup" in words) == (2, True)


@pytest.mark.parametrize("act", ["run", "once"])
def test_a_service_that_could_not_answer_is_said_at_once(
    folder: Folder, one: Dock, tmp_path: Path, capsys: pytest.CaptureFixture[str], act: str
) -> None:
    its = Process(tmp_path / "c", folder, [one], service={"listen": "127.0.0.1"})
    code, words = said(its, act, capsys)
    assert (code, "write listen = HOST:PORT in [service]" in words) == (2, True)
    its = Process(tmp_path / "c", folder, [one], service={"listen": "127.0.0.1:0", "cert_file": "/nowhere"})
    code, words = said(its, act, capsys)
    assert (code, "set cert_file and key_file in [service]" in words) == (2, True)


def test_one_at_a_time_and_a_wrong_store_is_said_first(
    folder: Folder, one: Dock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Process(tmp_path / "c", folder, [one]) as its:
        its.start()
        code, words = said(its, "once", capsys)
        assert (code, "(`systemctl stop dockagent-custodian`)" in words) == (4, True)
        code = main([*its.words("once")[1:], "--store", "ftp://elsewhere"])
        assert (code, "cannot stand beside 'ftp://elsewhere'" in capsys.readouterr().err) == (2, True)
        assert its.end(signal.SIGTERM) == 0


def test_a_trust_file_that_comes_later_counts_without_a_restart(folder: Folder, one: Dock, tmp_path: Path) -> None:
    late = dock(folder, tmp_path, "dock-8", 8)
    trusted, its = tmp_path / "trusted", Process(tmp_path / "unused", folder, [one])
    trusted.mkdir()
    shutil.copy(its.folder / "docks.json", trusted / "first.json")
    about = {"every_s": 1, "trust": [str(trusted)]}
    with Process(tmp_path / "c", folder, [one], custodian=about, service={"listen": "127.0.0.1:0"}) as its:
        its.start()
        until(lambda: _receipts(folder) == 1)
        late.deliver(b"another clip", "BWC-0002")
        late.publish()
        (trusted / "half.json").write_bytes(b'{"docks": [')
        until(lambda: "the trust files count as they were" in (its.folder / "log").read_text())
        (trusted / "half.json").unlink()
        (trusted / "second.json").write_bytes(Trust(docks=late.keys.docks).encode())
        until(lambda: _receipts(folder) == 2)
        until(lambda: any(key.startswith("custodian/cosigned/dock-8/") for key in folder.listed()))
        until(lambda: json.loads(its.get("/health")[1])["trouble"] == "")
        (trusted / "second.json").unlink()
        late.deliver(b"a third clip", "BWC-0002")
        late.publish()
        until(lambda: any("reports/wrong-record/" in key for key in folder.listed()))
        assert _receipts(folder) == 2
        assert its.end(signal.SIGTERM) == 0


def _receipts(folder: Folder) -> int:
    return sum(key.endswith("/receipt.json") for key in folder.listed())


def test_the_keys_command_makes_them_once(folder: Folder, one: Dock, tmp_path: Path) -> None:
    its = Process(tmp_path / "c", folder, [one])
    shutil.rmtree(tmp_path / "c" / "home")
    lines = {subprocess.run(its.words("keys"), capture_output=True, timeout=60, check=True).stdout for _ in range(2)}
    assert len(lines) == 1
    assert its.once()[0] == 0
