"""``dockagent verify`` and ``dockagent keys`` as a person types them."""

import argparse
import json
import subprocess
from pathlib import Path

import pytest

from dockagent.cli import keys as keys_command
from dockagent.cli import verify as verify_command
from dockagent.durable import RealDisk
from dockagent.errors import UsageError
from dockagent.ledger.keys import Keys
from tests.evidence import made
from tests.ledger import made as docks


def run(*words: str | Path) -> int:
    parent = argparse.ArgumentParser(add_help=False)
    parent.add_argument("--config")
    parent.add_argument("--home")
    parent.add_argument("--json", action="store_true")
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    for module in (verify_command, keys_command):
        module.add(commands, parent)
    args = parser.parse_args([str(word) for word in words])
    code = args.run(args)
    assert isinstance(code, int)
    return code


def test_from_new_keys_to_a_verified_clip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home, trust = tmp_path / "home", tmp_path / "trust.json"
    assert run("keys", "init", "--dock", "dock-9", "--home", home) == 0
    assert "dockagent.local/dock-9" in capsys.readouterr().out
    assert run("keys", "show", "--json", "--home", home) == 0
    trust.write_text(capsys.readouterr().out)

    keys = Keys.load(RealDisk(home / "keys"))
    docks.ledger(home / "ledger", keys)
    clip = made.clip(tmp_path / "store", keys)
    assert run("verify", home, clip, "--trust", trust, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert [(one["kind"], one["result"]) for one in shown["reports"]] == [("ledger", "good"), ("clip", "good")]
    assert (shown["result"], shown["exit_code"]) == ("good", 0)

    assert run("verify", home) == 3
    text = capsys.readouterr().out
    assert "signer     unknown" in text
    assert "1 checked: 1 findings" in text
    (clip / "master").write_bytes(b"x")
    assert run("verify", tmp_path / "store", "--trust", trust) == 1
    assert "intact     fail     the master has 1 bytes" in capsys.readouterr().out


def test_the_id_of_the_configuration_is_the_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "dockagent.toml"
    config.write_text(f'[dock]\nid = "north-2"\nsite = "North"\nhome = "{tmp_path / "home"}"\n')
    assert run("keys", "init", "--config", config, "--json") == 0
    assert json.loads(capsys.readouterr().out)["docks"][0]["id"] == "north-2"
    with pytest.raises(UsageError, match="keys already"):
        run("keys", "init", "--config", config)
    assert run("keys", "show", "--config", config) == 0
    assert "record key id" in capsys.readouterr().out

    out = tmp_path / "dock.csr"
    assert run("keys", "enroll", "--config", config, "--out", out) == 0
    assert f"openssl req -in {out}" in capsys.readouterr().out
    done = subprocess.run(
        ["openssl", "req", "-in", out, "-noout", "-verify", "-subject"], capture_output=True, text=True, check=True
    )
    assert "north-2" in done.stdout
    assert "North" in done.stdout
    before = out.read_bytes()
    with pytest.raises(UsageError, match="cannot write"):
        run("keys", "enroll", "--config", config, "--out", out)
    assert out.read_bytes() == before


def test_a_place_where_no_keys_can_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    with pytest.raises(UsageError, match="cannot make keys in"):
        run("keys", "init", "--home", tmp_path / "home")


@pytest.mark.parametrize("act", [["show"], ["enroll", "--out", "x.csr"]])
def test_no_keys_is_one_line_and_makes_no_folder(tmp_path: Path, act: list[str]) -> None:
    with pytest.raises(UsageError, match="run `dockagent keys init`"):
        run("keys", *act, "--home", tmp_path / "home")
    assert not (tmp_path / "home").exists()
