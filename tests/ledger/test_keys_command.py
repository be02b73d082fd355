"""``dockagent keys`` as a person types it, from a new dock to an enrolled one with changed keys."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dockagent.durable import RealDisk
from dockagent.ledger.keys import Keys
from dockagent.ledger.lock import locked
from tests.ledger import made, witnesses
from tests.ledger.authority import Authority, pem


def run(*words: str | Path, code: int = 0) -> str:
    command = [sys.executable, "-c", "import sys; from dockagent.cli import main; sys.exit(main())"]
    done = subprocess.run([*command, *words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("dockagent: ")]) <= 1
    return done.stdout + done.stderr


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A new dock that has worked on an empty card."""
    (tmp_path / "card").mkdir()
    where: list[str | Path] = ["--home", tmp_path / "home"]
    run("keys", "init", "--dock", "dock-7", *where)
    run("ingest", tmp_path / "card", *where, "--store", (tmp_path / "store").as_uri(), code=1)
    return tmp_path / "home"


def issued(home: Path, agency: Authority) -> Path:
    file = home.parent / "chain.pem"
    file.write_bytes(pem(*agency.for_dock(Keys.load(RealDisk(home / "keys")))))
    return file


def test_enrolled_and_changed_and_still_verified(home: Path, tmp_path: Path) -> None:
    agency, where = Authority.root(), ["--home", str(home)]
    (tmp_path / "ca.pem").write_bytes(pem(agency.certificate))
    (tmp_path / "first.json").write_text(run("keys", "show", "--json", *where))
    assert "csr -noout -text -verify" in run("keys", "enroll", "--out", tmp_path / "dock.csr", *where)
    assert run("verify", home, "--trust", tmp_path / "ca.pem", code=1)
    said = run("keys", "enroll", "--certificate", issued(home, agency), "--ca", tmp_path / "ca.pem", *where)
    assert "It is in the ledger." in said
    assert "dock dock-7: the dock's identity is certified" in run("verify", home, "--trust", tmp_path / "ca.pem")
    assert "set 2 of dock dock-7's keys is in force" in run("keys", "rotate", *where)
    run("ingest", tmp_path / "card", *where, "--store", (tmp_path / "store").as_uri(), code=1)
    for trust in ("ca.pem", "first.json"):
        run("verify", home, "--trust", tmp_path / trust)
    shown = run("keys", "show", *where)
    assert "set of keys      2, signs from record" in shown
    assert "identity         in the file identity.pem" in shown
    assert "certificate      by CN=Agency CA, until " in shown
    assert "earlier set 1    record key id" in shown
    assert "not running" in run("status", *where, code=0)
    assert [one["id"] for one in json.loads(run("keys", "show", "--json", *where))["docks"]] == ["dock-7"] * 2


def test_while_the_agent_runs_a_chain_is_taken_and_a_change_is_refused(home: Path) -> None:
    chain = issued(home, Authority.root())
    with locked(home / "ledger/lock"):
        said = run("keys", "enroll", "--certificate", chain, "--home", home)
        assert "writes it into the ledger at its next start" in said
        assert "in use by process" in run("keys", "rotate", "--home", home, code=4)
    assert Keys.load(RealDisk(home / "keys")).dock.key_set.generation == 1
    run("ingest", home.parent / "card", "--home", home, code=1)
    assert run("keys", "rotate", "--home", home)


def test_mistakes_are_one_line(home: Path, tmp_path: Path) -> None:
    where: list[str | Path] = ["--home", home]
    (tmp_path / "text").write_text("no certificate")
    assert "no readable certificates" in run("keys", "enroll", "--certificate", tmp_path / "text", *where, code=2)
    assert "cannot read" in run("keys", "enroll", "--certificate", tmp_path / "absent", *where, code=2)
    other = made.keys(tmp_path / "other", "dock-8", 8)
    (tmp_path / "foreign.pem").write_bytes(pem(*Authority.root().for_dock(other)))
    refused = run("keys", "enroll", "--certificate", tmp_path / "foreign.pem", *where, code=1)
    assert "not taken: the first certificate is not for this dock's identity key" in refused
    assert not (home / "keys/certificate.pem").exists()
    assert "keys already" in run("keys", "init", *where, code=2)
    away = ["--identity", "tpm", "--tpm", "swtpm:host=127.0.0.1,port=1"]
    assert "TPM" in run("keys", "init", "--dock", "d", "--home", tmp_path / "new", *away, code=4)
    assert "systemd gave this process none" in run(
        "keys", "init", "--dock", "d", "--home", tmp_path / "new", "--identity", "credential", code=4
    )
    assert "no ledger" in run("keys", "rotate", "--home", _only_keys(tmp_path), code=1)


def _only_keys(tmp_path: Path) -> Path:
    made.keys(tmp_path / "bare/keys")
    return tmp_path / "bare"


def test_a_start_finishes_a_change_that_was_cut_short(home: Path, tmp_path: Path) -> None:
    """The new keys were made and the last record of the old ones is durable; then the power went."""
    before = {path: path.read_bytes() for path in (home / "keys").iterdir()}
    run("keys", "rotate", "--home", home)
    new = {path: path.read_bytes() for path in (home / "keys").iterdir() if "-2" in path.name}
    lines = made.entries(home / "ledger")
    made.write_entries(home / "ledger", lines[:-1])
    (home / "ledger/checkpoint").unlink()
    (home / "ledger/trust.json").write_bytes(before[home / "keys/trust.json"])
    for path, data in (before | new).items():
        path.write_bytes(data)
        path.chmod(0o600)
    (tmp_path / "first.json").write_bytes(before[home / "keys/trust.json"])
    run("ingest", tmp_path / "card", "--home", home, "--store", (tmp_path / "store").as_uri(), code=1)
    assert "2, signs from record" in run("keys", "show", "--home", home)
    run("verify", home, "--trust", tmp_path / "first.json")


def test_after_a_change_its_witnesses_have_to_be_told(home: Path, tmp_path: Path) -> None:
    vkey = witnesses.key().public.text()
    (tmp_path / "c.toml").write_text(f'[witnesses]\nask = ["{vkey} http://127.0.0.1:9"]\n')
    said = run("keys", "rotate", "--home", home, "--config", tmp_path / "c.toml")
    assert f"logs of [witness]:\n  {Keys.load(RealDisk(home / 'keys')).vkey}\n" in said
    assert "Its witnesses" not in run("keys", "rotate", "--home", home)
