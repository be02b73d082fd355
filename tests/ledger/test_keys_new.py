"""Keys of a new dock are made only where no dock has been before, whoever asks for them."""

import json
from pathlib import Path

import pytest

from dockagent.config import Config, dock_id
from dockagent.durable import RealDisk
from dockagent.errors import UsageError
from dockagent.ledger.keys import Keys
from dockagent.ledger.keys_new import new_keys, refuse_lost_public_side
from dockagent.ledger.witness_service import open_key
from tests.ledger import made
from tests.ledger.test_keys_command import run
from tests.ledger.test_keys_rotation import rotate, work


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A dock that has worked, and has lost the public side of its keys."""
    work(RealDisk(tmp_path / "home/ledger"), made.keys(tmp_path / "home/keys"))
    (tmp_path / "home/keys/trust.json").unlink()
    return tmp_path / "home"


def test_a_dock_with_a_ledger_gets_no_new_keys(home: Path, tmp_path: Path) -> None:
    before = contents(home / "keys")
    back = f"cp {home / 'ledger/trust.json'} {home / 'keys/trust.json'}"
    said = run("keys", "init", "--dock", "dock-8", "--home", home, code=2)
    assert f"{home / 'keys/trust.json'} is missing" in said
    assert f"the ledger {home / 'ledger'} has records" in said
    assert back in said
    (tmp_path / "card").mkdir()
    assert back in run("ingest", tmp_path / "card", "--home", home, code=2)
    with pytest.raises(UsageError, match="is missing"):
        open_key(home, "dock-8")
    assert contents(home / "keys") == before


def test_the_way_back_leads_back(home: Path) -> None:
    with pytest.raises(UsageError) as refused:
        new_keys(home, "dock-7")
    command, source, target = (refused.value.hint or "").partition("`")[2].rstrip("`").split()
    assert command == "cp"
    Path(target).write_bytes(Path(source).read_bytes())
    assert Keys.load(RealDisk(home / "keys")).dock.id == "dock-7"


def test_without_a_copy_beside_the_ledger_the_backup_is_named(home: Path) -> None:
    (home / "ledger/trust.json").unlink()
    with pytest.raises(UsageError) as refused:
        new_keys(home, "dock-7")
    assert refused.value.hint == "bring trust.json back from the backup of the keys folder"
    for path in (home / "keys").iterdir():
        path.unlink()
    with pytest.raises(UsageError) as refused:
        new_keys(home, "dock-7")
    assert (refused.value.hint or "").startswith("bring back the keys folder from its backup")


def test_keys_that_were_changed_are_not_those_of_a_new_dock(tmp_path: Path) -> None:
    work(RealDisk(tmp_path / "ledger"), made.keys(tmp_path / "keys"))
    rotate(tmp_path)
    (tmp_path / "keys/trust.json").unlink()
    (tmp_path / "ledger").rename(tmp_path / "aside")
    with pytest.raises(UsageError, match=r"log-2\.pem says that its keys were changed"):
        new_keys(tmp_path, "dock-7")


def test_a_creation_cut_short_is_finished(tmp_path: Path) -> None:
    whole = made.keys(tmp_path / "keys")
    (tmp_path / "keys/trust.json").unlink()
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger/entries.jsonl").touch()
    refuse_lost_public_side(tmp_path)
    assert new_keys(tmp_path, "dock-7").vkey == whole.vkey


def test_every_command_calls_a_new_dock_the_same(tmp_path: Path) -> None:
    (tmp_path / "card").mkdir()
    (tmp_path / "c.toml").write_text("")
    for name in ("init", "ingest", "witness"):
        where: list[str | Path] = ["--home", tmp_path / name, "--config", tmp_path / "c.toml"]
        if name == "init":
            run("keys", "init", *where)
        elif name == "ingest":
            run("ingest", tmp_path / "card", *where, code=1)
        else:
            machine = run("witness", "--vkey", *where).split("/")[1]
    ids = [
        json.loads((tmp_path / name / "keys/trust.json").read_text())["docks"][0]["id"] for name in ("init", "ingest")
    ]
    assert [*ids, machine] == [dock_id(Config())] * 3


def test_missing_keys_and_init_do_not_send_each_other_in_circles(tmp_path: Path) -> None:
    made.keys(tmp_path / "home/keys")
    (tmp_path / "card").mkdir()
    (tmp_path / "home/keys/log.pem").unlink()
    said = run("ingest", tmp_path / "card", "--home", tmp_path / "home", code=2)
    assert "log.pem is missing from this dock's keys" in said
    assert "bring back the keys folder from its backup" in said
    assert "keys init" not in said
