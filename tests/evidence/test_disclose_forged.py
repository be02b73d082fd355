"""Forged packages and excerpts by one who may disclose, and what is left where a part of a clip is not handed out."""

import base64
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dockagent.core import strict_json
from dockagent.core.proof import merkle, note, tlog_proof
from dockagent.disclosure import readme
from hil.demo.agent import COMMAND
from tests.evidence.disclosing import GROUNDS, Dock, copy, relist


@pytest.fixture(scope="module")
def dock(tmp_path_factory: pytest.TempPathFactory) -> Dock:
    made = Dock(tmp_path_factory.mktemp("dock"))
    made.configure()
    made.film(1)
    return made


@pytest.fixture(scope="module")
def package(dock: Dock) -> Path:
    out = dock.root / "package"
    done = dock.disclose(out, dock.clips()[0]["clip_id"])
    assert done.code == 0, done.err
    return out


@pytest.fixture
def altered(package: Path, tmp_path: Path) -> Path:
    return copy(package, tmp_path / "altered")


def test_a_list_on_record_as_a_derivative_makes_no_package(dock: Dock, altered: Path, tmp_path: Path) -> None:
    """Who may disclose can have any file's digest signed; the proof of that record comes with the next package."""
    clip = dock.clips()[0]["clip_id"]
    (altered / "data" / "index.html").write_text("<h1>All of it is another story</h1>")
    relist(altered)
    inside = dock.run("disclose", clip, "--derivative", altered / "tagmanifest-sha256.txt", *GROUNDS)
    assert inside.code == 2
    assert "is part of a package" in inside.err
    redacted = tmp_path / "redacted.mp4"
    redacted.write_bytes((altered / "tagmanifest-sha256.txt").read_bytes())
    told = dock.run("disclose", clip, "--derivative", redacted, *GROUNDS)
    assert told.code == 0, told.err
    assert dock.disclose(tmp_path / "next", clip).code == 0
    entry = sorted((tmp_path / "next" / "data" / "records").glob("*-disclose.dsse.json"))[-1]
    proof = entry.with_name(entry.name.replace(".dsse.json", ".tlog-proof"))
    altered.with_name("altered.record.json").write_bytes(entry.read_bytes())
    altered.with_name("altered.tlog-proof").write_bytes(proof.read_bytes())
    code, reports = dock.verify(altered)
    assert code == 1
    assert "of kind 'derivative', not of a package" in reports["package"]["verdicts"]["signature"]["why"]


def test_a_clip_has_one_master(dock: Dock, altered: Path) -> None:
    folder = next((altered / "data" / "clips").iterdir())
    (folder / "master.avi").write_bytes(b"another film")
    relist(altered)
    _, reports = dock.verify(altered)
    assert "it has 2 masters, master.avi and master." in reports["clip"]["verdicts"]["intact"]["why"]


def test_an_empty_folder_is_a_finding(dock: Dock, altered: Path) -> None:
    (altered / "data" / "clips" / ("a" * 32)).mkdir()
    code, reports = dock.verify(altered)
    assert code == 3
    assert "an empty folder" in reports["package"]["findings"][0]


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.pop("type"),
        lambda record: record.update(why=[]),
        lambda record: record.update(who="me"),
        lambda record: record.update(when=None),
        lambda record: record["what"].update(clips=5),
    ],
)
def test_a_record_beside_without_its_parts_is_refused(
    dock: Dock, altered: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    """Nobody has to sign it to be read: a ledger of one record, by nobody."""
    envelope = json.loads(altered.with_name("altered.record.json").read_bytes())
    record = json.loads(base64.b64decode(envelope["payload"]))
    record["index"] = 0
    change(record)
    envelope["payload"] = base64.b64encode(strict_json.canonical(record)).decode()
    entry = strict_json.canonical(envelope)
    altered.with_name("altered.record.json").write_bytes(entry)
    altered.with_name("altered.tlog-proof").write_bytes(_alone(altered, entry))
    code, reports = dock.verify(altered)
    assert code == 1
    assert reports["package"]["verdicts"]["signature"]["why"].startswith("what lies beside it proves nothing")


def _alone(altered: Path, entry: bytes) -> bytes:
    real = tlog_proof.parse(altered.with_name("altered.tlog-proof").read_bytes())
    root = base64.b64encode(merkle.leaf_hash(entry)).decode()
    _, _, signatures = real.checkpoint.decode().partition("\n\n")
    checkpoint = f"{note.parse_checkpoint(note.parse(real.checkpoint)).origin}\n1\n{root}\n\n{signatures}"
    return tlog_proof.TlogProof(0, (), checkpoint.encode()).encode()


def test_the_text_for_people_cannot_paint_on_their_terminal() -> None:
    about = readme.Contents(
        "dock-7", "o", "now", 1, [("data/clips/a", "A\x1b[2J\u202e.MP4")], [("For", "D\x1b[31m")], [], False, False
    )
    said = readme.text(about).decode()
    assert "\x1b" not in said and "\u202e" not in said
    assert "D\\x1b[31m" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_excerpt_leaves_nothing_but_its_record(dock: Dock, tmp_path: Path, number: int) -> None:
    """The master comes through a pipe that gives nothing, so that the work stands still until the signal."""
    row = dock.clips()[0]
    stored = next((dock.root / "store").rglob(f"{row['clip_id']}/master"))
    kept = stored.rename(stored.with_name("kept"))
    os.mkfifo(stored.with_name("pipe"))
    stored.symlink_to("pipe")
    before = len(dock.records("disclose.failed"))
    asked = len(dock.records("disclose.ask"))
    try:
        words: list[str | Path] = ["disclose", row["clip_id"], "--config", dock.root / "dockagent.toml"]
        words += ["--from", "0", "--to", "1", "--out", tmp_path / "out", *GROUNDS]
        child = subprocess.Popen([COMMAND, *words], stderr=subprocess.PIPE)
        end = time.monotonic() + 60
        while len(dock.records("disclose.ask")) == asked:
            assert child.poll() is None and time.monotonic() < end
            time.sleep(0.05)
        child.send_signal(number)
        _, err = child.communicate(timeout=60)
    finally:
        stored.unlink()
        stored.with_name("pipe").unlink()
        kept.rename(stored)
    assert (child.returncode, err.count(b"\n")) == (130, 1), err
    assert not list(tmp_path.iterdir())
    failed = dock.records("disclose.failed")
    assert len(failed) == before + 1
    assert signal.Signals(number).name in failed[-1]["what"]["reason"]
