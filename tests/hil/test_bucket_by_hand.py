"""``python -m hil.central.rgw --bucket NAME``: what it prints is all that a dock and a custodian need to work there."""

import json
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.central import rgw
from hil.demo.agent import COMMAND
from tests.ingest.bench import place

PATIENCE_S = 120
pytestmark = pytest.mark.skipif(bool(rgw.missing()), reason=f"no S3 server: {rgw.missing()} not installed")


def by_hand(*words: str) -> "subprocess.Popen[str]":
    """It, as a person starts it."""
    line = [sys.executable, "-m", "hil.central.rgw", *words]
    root = Path(__file__).parents[2]
    return subprocess.Popen(line, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def tables() -> Iterator[dict[str, dict[str, str]]]:
    """The ``[store]`` tables that it prints, by the file that each is for."""
    running = by_hand("--bucket", "evidence")
    try:
        assert running.stdout is not None
        text, ends = "", 0
        while ends < 2:
            line = running.stdout.readline()
            assert line, running.stderr.read() if running.stderr else ""
            text, ends = text + line, ends + line.startswith("secret_key_file")
        _, *blocks = text.split("# ")
        yield {block.partition("\n")[0]: tomllib.loads(block.partition("\n")[2])["store"] for block in blocks}
    finally:
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=60)
        assert running.returncode == 0


def configuration(file: Path, store: dict[str, str], more: str = "") -> Path:
    rows = "\n".join(f"{key} = {json.dumps(value)}" for key, value in store.items())
    file.write_text(f"{more}[store]\n{rows}\n")
    return file


def asked(*words: str | Path) -> tuple[int, str]:
    done = subprocess.run([COMMAND, *words], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


def test_a_dock_delivers_there_and_a_custodian_signs_for_it(tables: dict[str, dict[str, str]], tmp_path: Path) -> None:
    assert tables.keys() == {"dockagent.toml", "custodian.toml"}
    assert {one["url"] for one in tables.values()} == {"s3://evidence/force"}
    home, theirs = tmp_path / "home", tmp_path / "custodian"
    dock = configuration(tmp_path / "dockagent.toml", tables["dockagent.toml"], "[preview]\nenabled = false\n")
    place(tmp_path / "card", "DCIM/100BWC/CLIP0001.MP4", b"first" * 999)
    code, said = asked("ingest", tmp_path / "card", "--config", dock, "--home", home)
    assert code == 0, said
    code, said = asked("keys", "show", "--json", "--home", home)
    (tmp_path / "docks.json").write_text(said)
    table = f'[custodian]\ntrust = ["{tmp_path}/docks.json"]\nledger_wait_minutes = 0\n'
    file = configuration(tmp_path / "custodian.toml", tables["custodian.toml"], table)
    assert asked("custodian", "keys", "--config", file, "--home", theirs)[0] == 0
    code, said = asked("custodian", "once", "--json", "--config", file, "--home", theirs)
    tally = json.loads(said)
    assert (tally["receipts"], tally["troubles"], tally["refuting"]) == (1, [], 0), tally


def test_the_dock_only_puts_and_the_bucket_is_locked(tables: dict[str, dict[str, str]], tmp_path: Path) -> None:
    dock = configuration(tmp_path / "dockagent.toml", tables["dockagent.toml"])
    words = ("store", "check", "--no-record", "--json", "--config", dock, "--home", tmp_path / "home")
    (tmp_path / "admin").write_text(rgw.ADMIN.secret_key)
    (tmp_path / "admin").chmod(0o600)
    _, said = asked(*words, "--admin-key-id", rgw.ADMIN.access_key, "--admin-secret-file", tmp_path / "admin")
    answers = {one["promise"]: one["answer"] for one in json.loads(said)["promises"]}
    for promise in (
        "refuses-read",
        "refuses-delete",
        "refuses-custodians-names",
        "keeps-versions",
        "lock-refuses-delete",
    ):
        assert answers[promise] == "kept", (promise, answers)


def test_its_secrets_are_its_users_alone(tables: dict[str, dict[str, str]]) -> None:
    for store in tables.values():
        facts = Path(store["secret_key_file"]).stat()
        assert (facts.st_uid, facts.st_mode & 0o777) == (os.geteuid(), 0o600)


def test_a_name_that_no_bucket_can_have_is_said_in_a_line() -> None:
    running = by_hand("--bucket", "No Bucket")
    _, err = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 1
    (line,) = err.splitlines()
    assert line.startswith("no bucket 'No Bucket': ")
