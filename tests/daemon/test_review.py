"""A review by lot at a running dock with real witnesses, drawn again by people who have none of our code: the program
and the SQL of docs/review.md, over the store's catalogue; and every way in which somebody would rather choose."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from typing import Any

import pytest

from dockagent.core.review.review import list_sha256
from hil.cameras import card
from hil.cameras.camera import ReferenceCamera
from hil.cameras.keyring import maker_in
from hil.cameras.manifest import Filing
from hil.cameras.plate import Plate
from hil.demo import agent
from hil.demo.agent import COMMAND, Answer
from hil.demo.place import fresh
from hil.scenarios.agent import StillAgent
from tests.daemon.box import STARTED, VALID, Box, noise

PAGE = Path(__file__).parents[2] / "docs" / "review.md"
WHY = ("--basis", "policy 7.2", "--authority", "Insp. Kay")
SAMPLE = 3


@dataclass(slots=True)
class Station:
    """A dock, and two machines that witness it."""

    box: Box
    vkeys: list[str]

    def start(self) -> None:
        """Start the agent, and wait until somebody is at its desk."""
        self.box.agent.start()
        self.box.until((self.box.place.home / "desk.sock").exists)

    def clips(self, *words: str | Path) -> Answer:
        return self.box.agent.ask("clips", *words, "--json")

    def asked(self, *words: str) -> dict[str, Any]:
        answer = self.clips("--sample", str(SAMPLE), *words, *WHY)
        assert answer.code == 0, answer.err
        found: dict[str, Any] = answer.json()
        return found

    def until_witnessed(self, request: int) -> dict[str, Any]:
        """The first round behind a request that both witnesses signed."""

        def rounds() -> list[dict[str, Any]]:
            told = [one.what for one in self.box.records("checkpoint")]
            return [one for one in told if one["size"] > request and len(one["cosigners"]) == 2]

        self.box.until(lambda: bool(rounds()), seconds=60)
        return rounds()[0]

    def kept(self, size: int) -> Path:
        return self.box.place.home / "ledger" / "witnessed" / str(size)

    def verified(self) -> dict[str, Any]:
        """The reports over home and store, by kind and place."""
        trust = json.loads(self.box.agent.ask("keys", "show", "--json").out)
        trust |= {"witnesses": self.vkeys, "quorum": 2}
        file = self.box.place.root / "trust.json"
        file.write_text(json.dumps(trust))
        answer = agent.run("verify", self.box.place.home, self.box.place.store, "--trust", file, "--json")
        return {f"{one['kind']} {Path(one['path']).name}": one for one in answer.json()["reports"]}


def _witness(stack: ExitStack, where: Path, name: str, log: str, port: int) -> str:
    """A machine that cosigns the log's checkpoints; its key."""
    where.mkdir()
    config = where / "config"
    config.write_text(f'[dock]\nid = "{name}"\n[witness]\nlisten = "127.0.0.1:{port}"\nlogs = ["{log}"]\n')
    words: list[str | Path] = ["witness", "--home", where / "home", "--config", config]
    vkey = agent.run(*words, "--vkey").out.strip()
    with (where / "log").open("wb") as told:
        process = subprocess.Popen([COMMAND, *words], stdin=subprocess.DEVNULL, stdout=told, stderr=told)
    stack.callback(process.wait, 20)
    stack.callback(process.send_signal, SIGTERM)
    return vkey


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    with ExitStack() as stack:
        place = stack.enter_context(fresh(tmp_path / "dock"))
        box = Box(place, stack.enter_context(StillAgent(place)))
        maker_in(place.maker, "Reference", VALID)
        assert agent.run("keys", "init", "--dock", "dock-7", "--home", place.home).code == 0
        box.configure(dock={"id": "dock-7"})
        log = box.agent.ask("keys", "show", "--json").json()["docks"][0]["log_vkey"]
        doors = [socket.create_server(("127.0.0.1", 0)) for _ in "ab"]
        ports = [door.getsockname()[1] for door in doors]
        for door in doors:
            door.close()
        vkeys = [_witness(stack, tmp_path / name, name, log, port) for name, port in zip("ab", ports, strict=True)]
        ask = [f"{vkey} http://127.0.0.1:{port}" for vkey, port in zip(vkeys, ports, strict=True)]
        witnesses = {"ask": ask, "quorum": 2, "every_records": 1, "timeout_s": 5}
        box.configure(dock={"id": "dock-7"}, witnesses=witnesses)
        yield Station(box, vkeys)
        for camera in box.cameras:
            camera.unplug()


def _filed(number: int) -> Filing:
    """What its officer told the camera about each clip."""
    return Filing("4711", "traffic" if number % 2 else "custody", marked=number == 3)


def docked(box: Box, serial: str, bay: str, clips: int, *, files: bool) -> None:
    """A camera with signed clips stands in the bay; ``files``: its officer filed them."""
    shift = noise(clips, 20_000, serial, sidecars=True)
    home = box.card(serial, Plate(serial), shift, signed=False)
    filing = _filed if files else None
    card.sign(home, box.identity(Plate(serial)), sequence=1, created=shift.begins(clips + 1), filing=filing)
    box.take(ReferenceCamera(home, box.place.bays, bay, None)).plug()


def test_a_sample_that_nobody_chose(station: Station, tmp_path: Path) -> None:
    box = station.box
    station.start()
    assert box.agent.ask("assign", "BWC-2", "--officer", "0815", "--basis", "shift plan").code == 0
    docked(box, "BWC-1", "bay1", 7, files=True)
    docked(box, "BWC-2", "bay2", 2, files=False)
    box.until_released(2)
    _who_had_them(station)

    # The question is fixed; nothing can be drawn before somebody else has signed.
    fixed = station.asked("--officer", "4711")
    request = fixed["request"]
    assert fixed["candidates"] == 7
    assert fixed["candidates_sha256"] == list_sha256(sorted(fixed["clip_ids"]))
    first = station.until_witnessed(request)
    answer = station.clips("--sample", str(SAMPLE), "--officer", "4711", "--seed-from", "newest")
    assert answer.code == 0, answer.err
    drawn = answer.json()
    assert drawn["request"] == request
    assert drawn["checkpoint"][1] == str(first["size"])
    assert len(set(drawn["clip_ids"])) == SAMPLE

    _redrawn_by_the_page(station, request, drawn, tmp_path)
    _redrawn_by_sql(station, request, drawn)
    assert box.agent.stop() == 0
    reports = station.verified()
    for place in ("ledger", "dock-7"):
        report = reports[f"review {place}"]
        assert {one["verdict"] for one in report["verdicts"].values()} == {"pass"}
        assert report["findings"] == []
    assert reports["catalogue store"]["result"] == "good"


def _who_had_them(station: Station) -> None:
    """Filters, and how each officer is known."""
    rows = station.clips("--officer", "4711").json()
    assert {row["officer_by"] for row in rows} == {"signed"}
    assert len([row for row in rows if row["role"] == "footage"]) == 7
    assert len(station.clips("--category", "traffic").json()) == 4
    others = [row for row in station.clips("--officer", "0815").json() if row["role"] == "footage"]
    assert {row["officer_by"] for row in others} == set(), "it had begun before the camera was given to anybody"
    assert {row["officer_by"] for row in station.clips("--officer", "0815").json()} == {"assigned-at-docking"}
    (assigned,) = station.box.records("assign")
    assert (assigned.what["camera"], assigned.what["officer"]) == ("BWC-2", "0815")


def _program() -> str:
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found
    return found[1]


def _redrawn_by_the_page(station: Station, request: int, drawn: dict[str, Any], where: Path) -> None:
    """The page's own program; and it refuses what is not the sample."""
    program, listed = where / "redraw.py", where / "list.txt"
    program.write_text(_program())
    clips = [row["clip_id"] for row in station.clips("--officer", "4711").json() if row["role"] == "footage"]
    listed.write_text("\n".join(clips))
    published = station.box.place.store / "ledgers" / "dock-7" / "checkpoints" / drawn["checkpoint"][1]

    def run(checkpoint: Path, ids: Path) -> tuple[int, list[str], str]:
        entries = station.box.place.entries
        done = subprocess.run(
            [sys.executable, program, entries, str(request), checkpoint, ids],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        return done.returncode, done.stdout.split(), done.stderr

    code, told, _ = run(published, listed)
    assert (code, told) == (0, ["seed", drawn["seed"], *drawn["clip_ids"]])
    shorter = where / "shorter.txt"
    shorter.write_text("\n".join(clips[1:]))
    assert "not the list" in run(published, shorter)[2]
    other = where / "other"
    other.write_bytes(published.read_bytes().replace(drawn["checkpoint"][2].encode(), b"A" * 43 + b"="))
    assert "not drawn from this checkpoint" in run(other, listed)[2]


def _redrawn_by_sql(station: Station, request: int, drawn: dict[str, Any]) -> None:
    """DuckDB over the store's catalogue, with the page's own statements."""
    duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed")
    view, listed, sample = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    base = duckdb.connect()
    base.execute(view.replace("STORE", str(station.box.place.store)))
    listed = listed.replace("812", str(request)).replace("1793491200000", "0")
    ids = [row[0] for row in base.execute(listed).fetchall()]
    (asked,) = (one.what["question"] for one in station.box.records("review.ask"))
    assert list_sha256(ids) == asked["candidates_sha256"]
    base.execute("CREATE TABLE listed AS " + listed.strip().rstrip(";"))
    lots = base.execute(sample.replace("SEED", drawn["seed"])).fetchall()
    assert [row[0] for row in lots] == drawn["clip_ids"]
    wanted = "officer, category, marked, epoch_ms(start), start_by, role, site, zone"
    rows = base.table("catalogue").select(wanted).fetchall()
    footage = [row for row in rows if row[5] == "footage"]
    assert len(footage) == 9
    assert {row[0] for row in footage} == {"4711", ""}
    assert sum(row[2] for row in footage) == 1
    assert {row[4] for row in footage} == {"signed"}
    assert min(row[3] for row in footage) == STARTED.timestamp() * 1000
    assert {(row[6], row[7]) for row in footage} == {("test", "Europe/London")}


def test_who_would_rather_choose(station: Station, tmp_path: Path) -> None:
    box = station.box
    station.start()
    docked(box, "BWC-1", "bay1", 6, files=True)
    box.until_released(1)
    early = station.until_witnessed(0)
    request = station.asked("--camera", "BWC-1")["request"]
    first = station.until_witnessed(request)
    again = station.asked("--camera", "BWC-1")["request"]
    later = station.until_witnessed(again)
    assert later["size"] > first["size"]

    def refused(seed: Path | str, *more: str, code: int = 1) -> str:
        words = ("--sample", str(SAMPLE), "--request", str(request), "--seed-from", seed, *more)
        answer = station.clips(*words)
        assert answer.code == code, (answer.out, answer.err)
        return answer.err

    assert "is not the first behind the request" in refused(station.kept(later["size"]))
    assert "was there before record" in refused(station.kept(early["size"]))
    forged = tmp_path / "forged"
    whole = station.kept(first["size"]).read_text()
    forged.write_text(whole.replace(f"\n{first['size']}\n", f"\n{first['size'] - 1}\n", 1))
    assert "forged" in refused(forged)
    forged.write_text("".join(line for line in whole.splitlines(keepends=True) if "b/witness" not in line))
    assert "1 of the 2 cosignatures" in refused(forged)
    forged.write_text(whole.replace("dock-7", "dock-8"))
    assert "another ledger" in refused(forged)
    assert "no such" in refused(tmp_path / "nothing", code=2).lower()
    assert "asks for 3 clips with the filter" in refused("newest", "--officer", "4711", code=2)
    tries = [one for one in box.records("access") if one.what["outcome"] == "refused"]
    assert len(tries) == 5
    assert all(one.what["act"] == "review.draw" and one.what["reason"] for one in tries)

    # Which of two equal questions is meant has to be said; the nicer one may be drawn, and everybody sees the other.
    both = station.clips("--sample", str(SAMPLE), "--camera", "BWC-1", "--seed-from", "newest")
    assert both.code == 2
    assert "--request" in both.err
    right = ("--sample", str(SAMPLE), "--request", str(again), "--seed-from", station.kept(later["size"]))
    assert station.clips(*right).code == 0
    assert "was drawn already" in station.clips(*right).err
    assert box.agent.stop() == 0
    reports = station.verified()
    assert reports["review ledger"]["result"] == "findings"
    said = " ".join(reports["review ledger"]["findings"])
    assert f"request {request} (3 of 6 clips" in said
    assert f"requests {request}, {again}; look at all of them" in said
    assert "tries to draw were refused" in said


def test_without_witnesses_there_is_no_sample(station: Station) -> None:
    box = station.box
    station.start()
    docked(box, "BWC-1", "bay1", 2, files=True)
    box.until_released(1)
    assert box.agent.stop() == 0
    asked = station.asked()["request"]  # no agent runs: nobody is asked to witness it
    early = station.clips("--sample", str(SAMPLE), "--seed-from", "newest")
    assert early.code == 4
    assert f"no checkpoint behind record {asked} is cosigned by 2 witnesses yet" in early.err
    box.configure(dock={"id": "dock-7"})
    nobody = station.clips("--sample", str(SAMPLE), *WHY)
    assert (nobody.code, "no witness is named" in nobody.err) == (4, True)


def test_a_line_of_the_catalogue_that_was_altered_forged_or_removed_is_found(station: Station) -> None:
    box = station.box
    station.start()
    docked(box, "BWC-1", "bay1", 2, files=True)
    box.until_released(1)
    assert box.agent.stop() == 0
    store = box.place.store
    (line, *_) = sorted(path for path in (store / "catalogue").rglob("*.ndjson") if b'"4711"' in path.read_bytes())
    whole = line.read_bytes()

    def said() -> tuple[int, dict[str, Any]]:
        answer = agent.run("verify", store, "--trust", box.place.root / "trust.json", "--json")
        (report,) = (one for one in answer.json()["reports"] if one["kind"] == "catalogue")
        return answer.code, {name: one["verdict"] for name, one in report["verdicts"].items()}

    box.verify(store)  # which writes the trust file, too
    assert said()[1] == {"intact": "pass", "complete": "pass"}
    line.write_bytes(whole.replace(b'"4711"', b'"0815"'))
    assert said() == (1, {"intact": "fail", "complete": "fail"})
    line.write_bytes(whole)
    forged = line.with_name(f"{'0' * 32}.ndjson")
    forged.write_bytes(whole)
    assert said() == (1, {"intact": "fail", "complete": "pass"})
    forged.unlink()
    line.unlink()
    assert said() == (1, {"intact": "pass", "complete": "fail"})
