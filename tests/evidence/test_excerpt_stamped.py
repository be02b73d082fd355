"""An excerpt with a time stamp by a real authority: what it adds, and that a foreign or altered one is refused."""

import base64
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dockagent.core import strict_json
from dockagent.core.proof import note, tlog_proof
from dockagent.evidence.report import Report
from dockagent.evidence.verify import verify
from dockagent.ledger import timestamps
from dockagent.ledger.witnessed import stamped_part
from hil.central.tsa import Tsa
from tests.evidence import excerpts
from tests.evidence.excerpts import Dock, words
from tests.evidence.test_excerpt import GOOD, KINDS
from tests.media import made


@pytest.fixture(scope="module")
def tsas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Tsa, Tsa]]:
    """The authority of the dock, and another."""
    places = [tmp_path_factory.mktemp(name) for name in ("ours", "other")]
    with Tsa(places[0]) as ours, Tsa(places[1]) as other:
        yield ours, other


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, tsas: tuple[Tsa, Tsa]) -> dict[str, Any]:
    """A dock whose checkpoint over the clip's record is stamped, and an excerpt of that clip."""
    folder = tmp_path_factory.mktemp("scene")
    dock, clip = Dock.create(folder / "home"), made.make(folder / "clip.mp4", *KINDS["b-frames.mp4"])
    record = dock.record(clip)
    signed = dock.home.read("ledger/checkpoint")
    size = note.parse_checkpoint(note.parse(signed)).size
    token = timestamps.ask(tsas[0].url, stamped_part(signed), nonce=7, timeout=20)
    dock.home.write(f"ledger/witnessed/{size}.tsr", token)
    dock.home.write(f"ledger/witnessed/{size}", signed)
    dock.cut(clip, record, (2000, 3000), folder / "out")
    return {"dock": dock, "out": folder / "out"}


@pytest.fixture
def out(scene: dict[str, Any], tmp_path: Path) -> Path:
    return excerpts.copy(scene["out"], tmp_path / "out")


def said(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = strict_json.parse((out / "excerpt.json").read_bytes())
    return found


def check(scene: dict[str, Any], out: Path, tsa: Tsa | None) -> Report:
    roots = (tsa.root_pem.read_text(),) if tsa else ()
    (report,) = verify(out, replace(scene["dock"].keys.trust, tsa_roots_pem=roots))
    return report


def test_the_stamp_vouches_for_the_time(scene: dict[str, Any], out: Path, tsas: tuple[Tsa, Tsa]) -> None:
    report = check(scene, out, tsas[0])
    assert words(report) == {**GOOD, "time": "pass"}
    assert "a time stamp by" in report.verdicts["time"].why
    assert report.exit_code == 0


def test_openssl_takes_it_too(out: Path, tsas: tuple[Tsa, Tsa], tmp_path: Path) -> None:
    proof = tlog_proof.parse(said(out)["tlog_proof"].encode())
    (tmp_path / "checkpoint").write_bytes(stamped_part(proof.checkpoint))
    (tmp_path / "tsr").write_bytes(base64.b64decode(said(out)["time_stamp"]))
    accepted = [
        subprocess.run(
            ["openssl", "ts", "-verify", "-in", tmp_path / "tsr", "-data", tmp_path / "checkpoint", "-CAfile", one],
            capture_output=True,
            check=False,
            timeout=60,
        ).returncode
        for one in (tsas[0].root_pem, tsas[1].root_pem)
    ]
    assert accepted[0] == 0 and accepted[1] != 0


def test_without_its_root_nobody_can_tell(scene: dict[str, Any], out: Path) -> None:
    report = check(scene, out, None)
    assert words(report) == GOOD
    assert "names no tsa_roots_pem" in report.verdicts["time"].why


def test_another_authoritys_root_refutes_it(scene: dict[str, Any], out: Path, tsas: tuple[Tsa, Tsa]) -> None:
    report = check(scene, out, tsas[1])
    assert (report.verdicts["time"].word, report.exit_code) == ("fail", 1)


@pytest.mark.parametrize("kind", ["altered", "of another text", "junk"])
def test_a_stamp_that_is_not_over_this_checkpoint_is_refuted(
    scene: dict[str, Any], out: Path, tsas: tuple[Tsa, Tsa], kind: str
) -> None:
    token = bytearray(base64.b64decode(said(out)["time_stamp"]))
    token[-1] ^= 1
    other = timestamps.ask(tsas[0].url, b"another text", nonce=7, timeout=20)
    wrong = {"altered": bytes(token), "of another text": other, "junk": b"junk"}[kind]
    excerpts.rewrite(out, time_stamp=base64.b64encode(wrong).decode())
    report = check(scene, out, tsas[0])
    assert (report.verdicts["time"].word, report.exit_code) == ("fail", 1)


def test_a_stamp_that_was_taken_away_does_not_pass(scene: dict[str, Any], out: Path, tsas: tuple[Tsa, Tsa]) -> None:
    excerpts.rewrite(out, time_stamp="")
    assert check(scene, out, tsas[0]).verdicts["time"].word == "unknown"
