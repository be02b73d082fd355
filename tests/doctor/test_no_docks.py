"""``doctor`` and ``status`` on machines that are no docks, with the real service running and not; and what a dock's
doctor says of its custodian."""

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from dockagent.cli import main
from dockagent.config import Custodian
from dockagent.core.central.custodian_key import CustodianKey
from dockagent.doctor.check import Check
from dockagent.doctor.of_custodian import counterparty
from dockagent.ledger.keys_identity import new_p256
from hil.demo.agent import COMMAND
from tests.custodian.made import Folder
from tests.ledger import made
from tests.ledger.tls_door import authority, certified

PATIENCE_S = 60


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as door:
        return int(door.getsockname()[1])


@contextmanager
def serving(*words: str, ready: str) -> Iterator[None]:
    """A command that runs until the end; ``ready``: what it says when it serves."""
    with subprocess.Popen(
        [COMMAND, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert any(ready in line for line in process.stdout), "it ended"
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE_S)
            finally:
                process.kill()


@pytest.fixture
def witness(tmp_path: Path) -> Path:
    """The configuration of a machine that witnesses one dock."""
    vkey = made.keys(tmp_path / "dock" / "keys").vkey
    config = tmp_path / "witness.toml"
    tables = f'[dock]\nid = "w-1"\nhome = "{tmp_path / "home"}"\n[witness]\nlisten = "127.0.0.1:{free_port()}"\n'
    config.write_text(f'{tables}logs = ["{vkey}"]\n')
    return config


@pytest.fixture
def custodian(tmp_path: Path) -> Path:
    """The configuration of a custodian beside a folder, with TLS."""
    (tmp_path / "docks.json").write_bytes(made.keys(tmp_path / "dock" / "keys").trust.encode())
    ca = authority(tmp_path / "ca")
    both = certified(tmp_path / "ca", "DNS:localhost,IP:127.0.0.1", days=90)
    store = Folder(tmp_path / "store").url
    config = tmp_path / "custodian.toml"
    config.write_text(
        f'[custodian]\nname = "c-1"\nhome = "{tmp_path / "home"}"\ntrust = ["{tmp_path / "docks.json"}"]\n'
        f'[store]\nurl = "{store}"\n'
        f'[service]\nlisten = "127.0.0.1:{free_port()}"\n'
        f'cert_file = "{both}"\nkey_file = "{both}"\nclient_ca_file = "{ca}"\n'
    )
    return config


def checks(config: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    capsys.readouterr()
    main(["doctor", "--config", str(config), "--json"])
    return {one["name"]: one for one in json.loads(capsys.readouterr().out)["checks"]}


def status(config: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main(["status", "--config", str(config), "--json"])
    row: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, row


def test_a_machine_that_only_witnesses(witness: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = checks(witness, capsys)
    assert not {"bays", "udev", "store", "camera roots", "ffmpeg", "ledger"} & set(before)
    assert before["role"]["word"] == "ok"
    assert "will listen" in before["witness"]["what"]
    assert before["witness key"]["word"] == "warning"
    assert not (witness.parent / "home").exists(), "the doctor makes nothing"
    assert status(witness, capsys)[0] == 1
    with serving("witness", "--config", str(witness), ready="answers at"):
        during = checks(witness, capsys)
        assert {one["word"] for name, one in during.items() if name not in ("clock", "disk")} == {"ok"}
        assert "answers at" in during["witness"]["what"]
        code, row = status(witness, capsys)
        assert (code, row["running"], row["logs"]) == (
            *(0, True),
            [{"log": "dockagent.local/dock-7", "records": 0, "cosigned": ""}],
        )
    key = witness.parent / "home" / "keys" / "witness.pem"
    key.chmod(0o644)
    assert "others can read the private key" in checks(witness, capsys)["witness key"]["what"]


def test_what_else_is_in_its_configuration_makes_it_a_dock(witness: Path, capsys: pytest.CaptureFixture[str]) -> None:
    witness.write_text(witness.read_text() + f'[bays]\nfolder = "{witness.parent}"\n')
    assert "bays" in checks(witness, capsys)


def test_a_machine_that_is_a_custodian(custodian: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = checks(custodian, capsys)
    assert not {"bays", "udev", "camera roots", "ffmpeg", "ledger"} & set(before)
    assert (before["keys"]["word"], before["store"]["word"]) == ("failure", "ok")
    assert "will listen" in before["service"]["what"]
    assert "TLS" in before["service"]["what"]
    assert before["service cert_file"]["word"] == "ok"
    assert before["service client_ca_file"]["word"] in ("ok", "warning"), "its CA lasts 30 days"
    assert not (custodian.parent / "home").exists(), "the doctor makes nothing"
    assert status(custodian, capsys)[0] == 1
    make_keys(custodian)
    with serving("custodian", "run", "--config", str(custodian), ready='"port"'):
        during = checks(custodian, capsys)
        assert "answers at" in during["service"]["what"]
        assert (during["keys"]["word"], "c-1 signs" in during["keys"]["what"]) == ("ok", True)
        code, row = status(custodian, capsys)
        assert (code, row["role"], row["name"], row["running"]) == (0, "custodian", "c-1", True)


def test_a_custodian_that_cannot_work(custodian: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = custodian.read_text()
    over = certified(custodian.parent / "ca", "DNS:localhost", days=-1)
    for old, new, name, words in (
        ("cert_file = ", f'cert_file = "{over}"\n#', "service cert_file", "expired"),
        ("trust = ", "trust = []\n#", "docks", "whose records to believe"),
        ("url = ", f'url = "{(custodian.parent / "absent").as_uri()}"\n#', "store", "absent"),
        ("client_ca_file = ", 'client_ca_file = "/nowhere"\n#', "service", "TLS cannot be spoken"),
    ):
        text = whole.replace(old, new, 1)
        text = text.replace("key_file = ", f'key_file = "{over}"\n#', 1) if name == "service cert_file" else text
        custodian.write_text(text)
        found = checks(custodian, capsys)[name]
        assert (found["word"], words in found["what"]) == ("failure", True), found
        assert found["todo"]
    custodian.write_text(whole)
    (custodian.parent / "home" / "keys").mkdir(parents=True)
    (custodian.parent / "home" / "keys" / "custodian.key").write_text("x")
    assert checks(custodian, capsys)["keys"]["what"] == "custodian.pem is missing"


# ---- a dock's custodian ---------------------------------------------------------------------------------------------

LINE = CustodianKey("c-1", new_p256(lambda size: bytes([7]) * size).public_key()).text()


def said(url: str, ca_file: str = "", keys: tuple[str, ...] = (LINE,)) -> list[Check]:
    return list(counterparty(Custodian(url=url, keys=keys, ca_file=ca_file)))


def test_a_dock_without_a_custodian_hears_nothing_of_one() -> None:
    assert list(counterparty(Custodian())) == []


def test_whose_word_counts_is_said_or_what_is_wrong_with_it() -> None:
    key, door = said("")
    assert (key.word, "c-1" in key.what, door.word) == ("ok", True, "ok")
    (no_keys,) = said("http://127.0.0.1:1", keys=())
    assert (no_keys.word, "no keys" in no_keys.what) == ("failure", True)
    (nonsense,) = said("", keys=("nonsense",))
    assert (nonsense.word, "keys of [custodian]" in nonsense.what) == ("failure", True)


def test_a_dock_that_erases_and_asks_nobody_again_is_warned() -> None:
    _, door = counterparty(Custodian(keys=(LINE,)), erases=True)
    assert (door.word, "a hold that another dock set" in door.what, "url" in door.todo) == ("warning", True, True)


def make_keys(config: Path) -> None:
    assert main(["custodian", "keys", "--config", str(config)]) == 0


def run(config: Path, text: str) -> AbstractContextManager[None]:
    config.write_text(text)
    make_keys(config)
    return serving("custodian", "run", "--config", str(config), ready='"port"')


def line_of(config: Path) -> str:
    """What a custodian that has started is known by."""
    return (config.parent / "home" / "keys" / "custodian.key").read_text().strip()


def short(line: str) -> str:
    name, digits, _ = line.split("+", 2)
    return f"{name} ({digits})"


def test_its_door_is_tried(custodian: Path) -> None:
    above, _, _ = custodian.read_text().partition("[service]")
    here = f"127.0.0.1:{free_port()}"
    assert said(f"http://{here}")[1].word == "warning", "nobody is there yet"
    with run(custodian, f'{above}[service]\nlisten = "{here}"\n'):
        its = line_of(custodian)
        door = said(f"http://{here}", keys=(LINE, its))[1]
        assert (door.word, f"answers as {short(its)}; its last round" in door.what) == ("ok", True), door
        other = said(f"http://{here}")[1]
        assert (other.word, f"signs as {short(its)}, not as {short(LINE)}" in other.what) == ("failure", True), other
        assert "`dockagent custodian keys`" in other.todo
        no_tls = said(f"https://{here}")[1]
        assert (no_tls.word, "TLS with" in no_tls.what) == ("failure", True), no_tls
        elsewhere = said(f"http://{here}/no")[1]
        assert (elsewhere.word, "not as a custodian" in elsewhere.what) == ("failure", True), elsewhere


def test_its_door_is_tried_with_tls(custodian: Path, tmp_path: Path) -> None:
    text, _, _ = custodian.read_text().partition("client_ca_file")
    here = text.partition("listen = ")[2].partition('"\n')[0].strip('"')
    ca = str(tmp_path / "ca" / "ca.pem")
    with run(custodian, text):
        assert said(f"https://{here}", ca, (line_of(custodian),))[1].word == "ok"
        stranger = said(f"https://{here}")[1]
        assert (stranger.word, "not trusted" in stranger.what) == ("failure", True), stranger
    with run(custodian, f'{text}client_ca_file = "{ca}"\n'):
        closed = said(f"https://{here}", ca)[1]
        assert (closed.word, "client certificate" in closed.todo) == ("failure", True), closed
