"""`python -m hil.cameras`, and the rule that nothing in hil/ imports the agent."""

from __future__ import annotations

import ast
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial

from hil.cameras.__main__ import main
from tests.hil.bench import Dock, openssl, statement

ROOT = Path(__file__).parents[2]
QUICK = ["--bytes", "5000", "--clips", "2"]


@contextmanager
def running(*words: str | Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "hil.cameras", "run", *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


def test_cards_made_with_the_same_keys_share_a_root(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = tmp_path / "keys"
    assert main(["pki", str(keys)]) == 0
    assert capsys.readouterr().out == f"{keys / 'root.pem'}\n"
    root = (keys / "root.pem").read_bytes()
    for serial_number in ("BWC-0001", "BWC-0002"):
        card = tmp_path / serial_number
        assert main(["make", str(card), "--serial", serial_number, "--pki", str(keys), *QUICK]) == 0
        said = openssl(
            "verify", "-x509_strict", "-CAfile", keys / "root.pem", "-untrusted", card / "chain.pem", card / "chain.pem"
        )
        assert said.endswith("OK\n")
        assert statement(card)["predicate"]["camera"]["serial"] == serial_number
    assert (keys / "root.pem").read_bytes() == root
    first, second = (statement(tmp_path / name)["subject"] for name in ("BWC-0001", "BWC-0002"))
    assert not {one["digest"]["sha256"] for one in first} & {one["digest"]["sha256"] for one in second}


@pytest.mark.parametrize(("kind", "clip"), [("unsigned", "100BWC"), ("gopro", "100GOPRO"), ("dcf", "100VIDEO")])
def test_the_other_kinds_need_no_keys(tmp_path: Path, kind: str, clip: str) -> None:
    assert main(["make", str(tmp_path / "card"), "--kind", kind, *QUICK]) == 0
    assert (tmp_path / "card" / "DCIM" / clip).is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["card"]


def test_flaws_are_chosen_and_mistakes_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = tmp_path / "card"
    assert main(["make", str(card), *QUICK, "--sequence", "5", "--flaw", "replay", "--alter", "0"]) == 0
    assert statement(card)["predicate"]["sequence"] == 4
    assert main(["make", str(card), *QUICK]) == 1
    assert capsys.readouterr().err == f"hil.cameras: {card} is not empty\n"
    assert main(["make", str(tmp_path / "bare"), *QUICK, "--kind", "dcf", "--flaw", "size"]) == 1
    assert "--flaw size: a camera of the kind dcf signs nothing; use --kind signed\n" in capsys.readouterr().err
    assert not (tmp_path / "bare").exists()
    with pytest.raises(SystemExit):
        main(["make", str(tmp_path / "other"), "--start", "2026-11-22T08:15:00"])


def test_run_plugs_talks_and_unplugs(tmp_path: Path) -> None:
    bays = tmp_path / "bays"
    for stop in (signal.SIGTERM, signal.SIGINT):
        with running("--bays", bays, "--bay", "bay07", *QUICK, "--clock-offset=-90") as process:
            assert process.stdout is not None
            assert process.stdout.readline() == f"plugged {bays / 'bay07'} and {bays / 'bay07.tty'}\n"
            assert statement(bays / "bay07")["predicate"]["sequence"] == 1
            with serial.Serial(str(bays / "bay07.tty"), timeout=5) as port:
                assert Dock(port).ask("ID").startswith("OK serial=BWC-0001")
                assert Dock(port).ask("RELEASE SAFE all%20done") == "OK"
            process.send_signal(stop)
            said = process.stdout.read().splitlines()
            assert process.wait(5) == 0
        assert said == [
            "ID -> OK serial=BWC-0001 model=BWC-1 firmware=1.4.2",
            "RELEASE SAFE all%20done -> OK",
            "the camera shows SAFE: all done",
            f"unplugged; the card is in {tmp_path / 'bays.cards' / 'BWC-0001'}",
        ]
        assert list(bays.iterdir()) == []


def test_run_with_a_fault_and_run_in_a_taken_bay(tmp_path: Path) -> None:
    bays = tmp_path / "bays"
    with running("--bays", bays, "--kind", "unsigned", *QUICK, "--fault", "busy", "--fault", "noise") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("plugged ")
        with serial.Serial(str(bays / "bay01.tty"), timeout=5) as port:
            port.write(b"> 1 ID *" + b"%02x\r\n" % _check(b"> 1 ID"))
            assert port.read_until(b"< 1 ERR BUSY").endswith(b"usb: ready\r\n< 1 ERR BUSY")
        with running("--bays", bays, "--kind", "dcf", "--serial", "X", *QUICK) as second:
            assert second.communicate(timeout=10) == ("", "hil.cameras: bay01 is taken\n")
            assert second.returncode == 1
        process.terminate()
        process.stdout.read()
        assert process.wait(5) == 0


def _check(body: bytes) -> int:
    value = 0
    for byte in body:
        value ^= byte
    return value


def test_nothing_in_hil_imports_the_agent() -> None:
    for path in (ROOT / "hil").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] == "dockagent"], path
