"""Two docks and a machine apart vouch for each other's ledgers, with a real time-stamping authority; one is killed and
comes back; then the thief of a dock's keys rewrites its ledger, and is refused."""

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any

import pytest

from dockagent.core import strict_json
from dockagent.core.proof import merkle
from dockagent.core.proof.dsse import parse as parse_envelope
from dockagent.durable import RealDisk
from dockagent.ledger.keys import Keys
from hil.cameras.keyring import maker_in
from hil.central.tsa import Tsa
from hil.demo import agent
from hil.demo.agent import COMMAND
from hil.demo.place import fresh
from hil.scenarios.agent import StillAgent
from tests.daemon.box import VALID, Box, noise


@dataclass(slots=True)
class Station:
    """Two docks, the machine apart, and where each answers as a witness."""

    a: Box
    b: Box
    apart: Path
    ports: dict[str, int]
    vkeys: dict[str, str]
    tsa: Tsa

    def configure(self) -> None:
        logs = [box.agent.ask("keys", "show", "--json").json()["docks"][0]["log_vkey"] for box in (self.a, self.b)]
        for box, name, others in ((self.a, "a", "bw"), (self.b, "b", "aw")):
            box.configure(
                dock={"id": f"dock-{name}"},
                witness={"listen": f"127.0.0.1:{self.ports[name]}", "logs": logs},
                witnesses={
                    "ask": [f"{self.vkeys[one]} http://127.0.0.1:{self.ports[one]}" for one in others],
                    "quorum": 2,
                    "every_records": 1,
                    "timeout_s": 5,
                },
                timestamps={"url": self.tsa.url, "roots": [str(self.tsa.root_pem)]},
            )
        words = json.dumps(logs)
        (self.apart / "config").write_text(
            f'[dock]\nid = "apart"\n[witness]\nlisten = "127.0.0.1:{self.ports["w"]}"\nlogs = {words}\n'
        )

    def trust(self, box: Box, *witnesses: str) -> Path:
        whom = json.loads(box.agent.ask("keys", "show", "--json").out)
        whom |= {"witnesses": [self.vkeys[one] for one in witnesses], "quorum": len(witnesses)}
        whom["tsa_roots_pem"] = [self.tsa.root_pem.read_text()]
        file = box.place.root / "trust.json"
        file.write_bytes(strict_json.canonical(whom))
        return file


def _vkey(home: Path, dock: str) -> str:
    if dock != "apart":
        assert agent.run("keys", "init", "--dock", dock, "--home", home).code == 0
    config = home.parent / f"{dock}.id"
    config.write_text(f'[dock]\nid = "{dock}"\n')
    return agent.run("witness", "--vkey", "--home", home, "--config", config).out.strip()


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    with ExitStack() as stack:
        boxes, doors, vkeys = [], [], {}
        for name in "ab":
            place = stack.enter_context(fresh(tmp_path / name))
            box = Box(place, stack.enter_context(StillAgent(place)))
            maker_in(place.maker, "Reference", VALID)
            vkeys[name] = _vkey(place.home, f"dock-{name}")
            box.configure(dock={"id": f"dock-{name}"})
            boxes.append(box)
        apart = tmp_path / "apart"
        apart.mkdir()
        vkeys["w"] = _vkey(apart / "home", "apart")
        (tmp_path / "tsa").mkdir()
        tsa = stack.enter_context(Tsa(tmp_path / "tsa"))
        for _ in "abw":
            doors.append(socket.create_server(("127.0.0.1", 0)))
        ports = {name: door.getsockname()[1] for name, door in zip("abw", doors, strict=True)}
        for door in doors:
            door.close()
        made = Station(boxes[0], boxes[1], apart, ports, vkeys, tsa)
        made.configure()
        command: list[str | Path] = [COMMAND, "witness", "--home", apart / "home", "--config", apart / "config"]
        with (apart / "log").open("wb") as log:
            witness = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        stack.callback(witness.wait, 20)
        stack.callback(witness.send_signal, SIGTERM)
        yield made
        for box in boxes:
            for camera in box.cameras:
                camera.unplug()


def _witnessed(box: Box, beyond: int = 0) -> list[dict[str, Any]]:
    """The rounds that a quorum cosigned and the authority stamped, over the first ``beyond`` records at least."""
    rounds = [record.what for record in box.records("checkpoint")]
    return [one for one in rounds if len(one["cosigners"]) == 2 and one["stamp"] and one["size"] >= beyond]


def test_docks_witness_each_other_and_a_rewritten_ledger_is_refused(station: Station) -> None:
    a, b = station.a, station.b
    b.agent.start()
    a.agent.start()
    a.camera("BWC-1", "bay1", noise(2, 50_000, "BWC-1")).plug()
    a.until_released(1)
    delivered = len(a.records())
    a.until(lambda: bool(_witnessed(a, delivered)), seconds=60)
    b.until(lambda: bool(_witnessed(b)), seconds=60)

    # One of them is gone: the other goes on with its work, and says what it misses.
    assert b.agent.stop(SIGKILL) == -SIGKILL
    a.camera("BWC-2", "bay2", noise(1, 50_000, "BWC-2")).plug()
    a.until_released(2)
    a.until(lambda: any("does not answer" in str(one.what["findings"]) for one in a.records("checkpoint")), seconds=60)
    status = a.json("status")["history"]
    assert (status["cosigners"], status["quorum"]) == (1, 2)
    assert "dock-b/witness" in status["reason"]
    doctor = a.agent.ask("doctor", "--store", a.place.store.as_uri()).out
    assert "witness reached" in doctor
    assert f"127.0.0.1:{station.ports['b']}: Connection refused" in doctor

    # It comes back with all that it had seen, and the first one catches up with what is newest.
    missed = len(a.records())
    b.agent.start()
    a.until(lambda: bool(_witnessed(a, missed)), seconds=90)
    assert "2 of 2 witnesses signed last" in a.agent.ask("status").out
    for box in (a, b):
        assert box.agent.stop() == 0

    _verified_with_a_quorum(station)
    _stamped_for_openssl(station)
    _rewritten_is_refused(station)


def _verified_with_a_quorum(station: Station) -> None:
    a = station.a
    answer = agent.run("verify", a.place.home, a.place.store, "--trust", station.trust(a, "b", "w"), "--json")
    reports = {one["kind"]: one for one in answer.json()["reports"]}
    assert answer.code == 0, answer.out
    for kind in ("ledger", "published ledger"):
        assert reports[kind]["verdicts"]["time"]["verdict"] == "pass"
        assert "2 of 2 witnesses saw" in reports[kind]["verdicts"]["time"]["why"]
        assert any("existed on" in fact for fact in reports[kind]["facts"])
    assert reports["ledger"]["verdicts"]["complete"]["verdict"] == "pass"
    # At its clean stop the very last record went round too, as far as somebody was there: dock-b stopped later.
    assert any("up to record" in fact and "; 0 records lie beyond" in fact for fact in reports["ledger"]["facts"])
    strange = station.trust(a, "a", "b", "w")  # three are demanded, two have signed
    assert agent.run("verify", a.place.home, "--trust", strange).code == 1


def _stamped_for_openssl(station: Station) -> None:
    """The published copy is checked with head(1) and openssl(1) alone."""
    folder = station.a.place.store / "ledgers" / "dock-a" / "checkpoints"
    token = sorted(folder.glob("*.tsr"), key=lambda one: int(one.stem))[-1]
    data = station.a.place.root / "stamped"
    data.write_bytes(b"".join(token.with_suffix("").read_bytes().splitlines(keepends=True)[:5]))

    def accepted() -> bool:
        command = ["openssl", "ts", "-verify", "-in", token, "-data", data, "-CAfile", station.tsa.root_pem]
        return subprocess.run(list(map(str, command)), capture_output=True, check=False, timeout=20).returncode == 0

    assert accepted()
    data.write_bytes(data.read_bytes().replace(b"\n", b" \n", 1))
    assert not accepted()


def _rewritten_is_refused(station: Station) -> None:
    """Every record stays but one, all of it signed anew by the dock's own keys, checkpoint included."""
    a, ledger = station.a, station.a.place.home / "ledger"
    keys = Keys.load(RealDisk(a.place.home / "keys"))
    payloads = [parse_envelope(line).payload for line in a.place.entries.read_bytes().splitlines()]
    at = next(n for n, one in enumerate(payloads) if b'"type":"acquire"' in one)
    altered = strict_json.parse(payloads[at])
    altered["when"]["utc"] = "2026-01-01T00:00:00.000Z"  # the footage was taken in at another time
    payloads[at] = strict_json.canonical(altered)
    trust = station.trust(a, "b", "w")
    for count in (len(payloads), len(payloads) - 5):
        lines = [keys.sign_record(one) for one in payloads[:count]]
        a.place.entries.write_bytes(b"".join(line + b"\n" for line in lines))
        root = merkle.root(merkle.leaf_hash(line) for line in lines)
        (ledger / "checkpoint").write_text(keys.sign_checkpoint(count, root))
        answer = agent.run("verify", a.place.home, "--trust", trust, "--json")
        (report,) = (one for one in answer.json()["reports"] if one["kind"] == "ledger")
        assert answer.code == 1
        assert "a fork: the first" in report["verdicts"]["intact"]["why"]
        assert report["verdicts"]["signature"]["verdict"] == report["verdicts"]["signer"]["verdict"] == "pass"

    # With everything taken away that lay beside it, the published copy and its token still tell.
    for file in (ledger / "witnessed").iterdir():
        file.unlink()
    assert agent.run("verify", a.place.home, "--trust", trust).code == 1
    together = agent.run("verify", a.place.home, a.place.store, "--trust", trust, "--json").json()
    (report,) = (one for one in together["reports"] if one["kind"] == "ledger")
    assert "a fork: the first" in report["verdicts"]["intact"]["why"]

    # And the dock itself is told by its witness, once it runs on the rewritten ledger.
    station.b.agent.start()
    a.agent.start()
    a.until(lambda: any("another" in str(one.what["findings"]) for one in a.records("checkpoint")), seconds=60)
    assert not _witnessed(a, len(payloads) - 5)
