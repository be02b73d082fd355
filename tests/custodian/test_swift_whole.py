"""One whole round over real Swift with installed programs: a dock reads a card and delivers, a custodian with a user of
its own witnesses and signs, a dock finds its word in the container, openssl and ``verify`` read it from a copy."""

import hashlib
import json
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dockagent.custodian import service
from dockagent.ledger import trust
from dockagent.ledger.trust import Trust
from dockagent.steps.ask_custodian import fetch_shelf
from dockagent.stores.s3_settings import S3Settings
from dockagent.stores.shelf import open_shelf
from hil.central import swift
from hil.central.processes import free_ports
from hil.demo.agent import COMMAND
from tests.contracts.swift_place import Container
from tests.custodian.in_container import InContainer
from tests.custodian.judged import judged, public_key
from tests.custodian.processes import PATIENCE_S, Installed
from tests.custodian.test_processes import until
from tests.ingest.bench import place

BIG = (64 << 20) + 70_001  # two segments


def run(*words: str | Path) -> tuple[int, str]:
    """An installed command: exit code and output."""
    done = subprocess.run([COMMAND, *words], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout or done.stderr


def table(name: str, keys: dict[str, Any]) -> str:
    return "\n".join([f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]) + "\n"


@pytest.fixture
def store(openstack: swift.Swift) -> InContainer:
    """A container that the dock's user made, where the custodian's may list, read and write, and make nothing."""
    made = InContainer(Container(openstack.auth_url, swift.ADMIN.name, swift.ADMIN.key))
    whom = swift.DOCK.name  # no more than a name here: a user without rights of his own
    for name in (made.container.name, f"{made.container.name}_segments"):
        way, reads = made.container.way, f"{whom},.rlistings"
        assert way.ask("POST", f"/{name}", X_Container_Read=reads, X_Container_Write=whom)[0] == 204
    return made


@contextmanager
def working(home: Path, config: Path) -> Iterator[None]:
    """The dock's daemon."""
    words = [str(COMMAND), "run", "--home", str(home), "--config", str(config)]
    with (home.parent / "dock.log").open("wb") as log, subprocess.Popen(words, stdout=log, stderr=log) as daemon:
        try:
            yield
        finally:
            daemon.terminate()
            try:
                daemon.wait(60)
            finally:
                daemon.kill()


def spoken_for(home: Path, config: Path) -> int:
    """How many clips the dock has the custodian's word on, by its own account."""
    code, said = run("clips", "--home", home, "--config", config, "--json")
    clips = json.loads(said) if code == 0 else []
    shown = [run("show", one["clip_id"], "--home", home, "--config", config, "--json") for one in clips]
    return sum(bool(json.loads(said)["custodian"]) for code, said in shown if code == 0)


def receipts_in(store: InContainer) -> list[str]:
    return [name for name in store.listed() if name.endswith("/receipt.json")]


def card(folder: Path) -> dict[str, bytes]:
    dice = random.Random(11)
    files = {f"DCIM/100VIDEO/CLIP000{number}.MP4": dice.randbytes(size) for number, size in enumerate((70_003, BIG))}
    for path, data in files.items():
        place(folder, path, data)
    return files


def test_from_the_card_to_the_receipt(store: InContainer, tmp_path: Path) -> None:
    home, files = tmp_path / "dock", card(tmp_path / "bays" / "1")
    code, said = run("keys", "init", "--dock", "dock-7", "--home", home, "--json")
    assert code == 0, said
    docks = trust.parse(said.encode())
    theirs = InContainer(store.container, swift.DOCK).tables(tmp_path / "custodian")
    (port,) = free_ports(1)
    signing, witnessing = service.open_keys(tmp_path / "custodian" / "home", "custodian")
    its = Installed(
        tmp_path / "custodian",
        theirs["store"],
        docks,
        custodian={"every_s": 1, "ledger_wait_minutes": 60},
        service={"listen": f"127.0.0.1:{port}"},
        permits={"policy": "test/1", "age_days": 0, "retention": []},
        swift=theirs["swift"],
    )
    mine = store.tables(tmp_path / "swift")
    asked = {"ask": [f"{witnessing.public.text()} http://127.0.0.1:{port}"], "every_records": 1, "timeout_s": 5}
    config = tmp_path / "dock.toml"
    believed = {"keys": [signing.public.text()], "every_s": 1}  # no url: it looks in the store
    bays = {"folder": str(tmp_path / "bays")}
    mine |= {"dock": {"id": "dock-7"}, "bays": bays, "witnesses": asked, "custodian": believed}
    config.write_text("".join(table(name, keys) for name, keys in mine.items()))
    with its:
        its.start()
        with working(home, config):
            until(lambda: spoken_for(home, config) == len(files), PATIENCE_S)
    assert its.once()[1]["receipts"] == 0
    key = public_key(signing.public.text(), tmp_path)
    bytes_of = {hashlib.sha256(data).hexdigest(): len(data) for data in files.values()}
    receipts = receipts_in(store)
    fetch = fetch_shelf(open_shelf(store.url, S3Settings(), swift=store.settings))
    for name in receipts:
        folder = name.rpartition("/")[0]
        assert fetch("receipts", "", folder, "receipt.json") == store.take(name)  # as a dock that knows no address
        assert fetch("permits", "", folder, "permit.json") is None
        what = judged(store.take(name) or b"", key)["predicate"]
        assert bytes_of.pop(what["sha256"]) == what["bytes"]
        assert (what["retention"], what["legal_hold"]) == ({"mode": "", "until": ""}, "unknown")
        assert (what["store"], what["checkpoint"]["origin"]) == (store.url, docks.docks[0].origin)
    believing = Trust(docks=docks.docks, witnesses=(witnessing.public,), quorum=1, custodians=(signing.public,))
    (tmp_path / "trust.json").write_bytes(believing.encode())
    for name in store.listed():
        place(tmp_path / "copy", name, store.take(name) or b"")
    words = ("verify", tmp_path / "copy", "--trust", tmp_path / "trust.json", "--json")
    code, said = run(*words)
    assert code in (0, 3), said
    place(tmp_path / "copy", receipts[0], (store.take(receipts[1]) or b""))
    assert run(*words)[0] == 1, "a receipt of another clip is refuted"


def test_doctor_looks_into_the_container(store: InContainer, tmp_path: Path) -> None:
    tables = InContainer(store.container, swift.DOCK).tables(tmp_path / "c")
    store.put("clips/BWC-0001/2026/11/22/c1/master", b"one")
    its = Installed(tmp_path / "c", tables["store"], Trust(), swift=tables["swift"], permits={"policy": "test/1"})

    def checks() -> dict[str, dict[str, str]]:
        said = run("doctor", "--config", its.folder / "custodian.toml", "--home", its.folder / "home", "--json")[1]
        return {one["name"]: one for one in json.loads(said)["checks"]}

    found = checks()
    assert (found["store"]["word"], "footage of 1 cameras" in found["store"]["what"]) == ("ok", True), found["store"]
    assert (found["permits"]["word"], "no permit" in found["permits"]["what"]) == ("warning", True), found["permits"]
    (tmp_path / "c" / "swift.key").write_text("wrong")
    found = checks()
    assert (found["store"]["word"], "401" in found["store"]["what"]) == ("failure", True), found["store"]
