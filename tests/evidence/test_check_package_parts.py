"""A package in parts: one of its clips by itself, and a package or bag that lost the file which makes it one."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.evidence.disclosing import Dock, copy


@pytest.fixture(scope="module")
def dock(tmp_path_factory: pytest.TempPathFactory) -> Dock:
    made = Dock(tmp_path_factory.mktemp("dock"))
    made.configure()
    made.film(1)
    assert made.disclose(made.root / "package", made.clips()[0]["clip_id"]).code == 0
    return made


@pytest.fixture
def package(dock: Dock, tmp_path: Path) -> Path:
    return copy(dock.root / "package", tmp_path / "package")


def clip_in(package: Path) -> Path:
    (clip,) = (package / "data" / "clips").iterdir()
    return clip


def words(report: dict[str, Any]) -> dict[str, str]:
    return {name: one["verdict"] for name, one in report["verdicts"].items()}


def test_a_clip_in_a_package_is_checked_by_itself(dock: Dock, package: Path) -> None:
    code, reports = dock.verify(clip_in(package))
    report = reports["clip"]
    assert code == 0, report
    assert words(report) == {
        "intact": "pass", "signature": "pass", "signer": "pass", "time": "unknown", "complete": "pass",
    }  # fmt: skip
    assert f"`dockagent verify {package}`" in report["facts"][-1]
    assert "whether the ledger knows its record" in report["facts"][-1]


def test_its_altered_master_is_refuted_there_too(dock: Dock, package: Path) -> None:
    master = clip_in(package) / "master.mp4"
    data = bytearray(master.read_bytes())
    data[-1] ^= 1
    master.write_bytes(data)
    code, reports = dock.verify(clip_in(package))
    assert code == 1
    assert "'master' has other bytes than the record says" in reports["clip"]["verdicts"]["intact"]["why"]
    (clip_in(package) / "master.avi").write_bytes(b"another film")
    _, reports = dock.verify(clip_in(package))
    assert "it has 2 masters" in reports["clip"]["verdicts"]["intact"]["why"]
    for file in clip_in(package).glob("master.*"):
        file.unlink()
    _, reports = dock.verify(clip_in(package))
    assert reports["clip"]["verdicts"]["intact"]["why"] == "the master is not here"


def test_a_clip_that_was_taken_out_of_its_package_is_a_finding(dock: Dock, package: Path, tmp_path: Path) -> None:
    loose = Path(shutil.copytree(clip_in(package), tmp_path / "loose" / clip_in(package).name))
    code, reports = dock.verify(loose)
    assert code == 3
    assert "its master is called as in a package, but it lies in none" in reports["clip"]["findings"]


def test_a_package_without_its_declaration_says_so(dock: Dock, package: Path) -> None:
    (package / "bagit.txt").unlink()
    code, reports = dock.verify(package)
    assert code == 1
    assert reports["package"]["verdicts"]["intact"]["why"] == "bagit.txt is not there"
    assert "'bagit.txt' of tagmanifest-sha256.txt is missing" in reports["package"]["verdicts"]["complete"]["why"]
    assert words(reports["clip"])["intact"] == "pass"


def test_a_ledger_laid_into_it_does_not_stand_for_it_then(dock: Dock, package: Path) -> None:
    """Without ``bagit.txt``, and with what a dock's home has, it would be checked as one."""
    (package / "bagit.txt").unlink()
    for name in ("ledger", "keys"):
        shutil.copytree(dock.root / "home" / name, package / name)
    code, reports = dock.verify(package)
    assert (code, "package" in reports) == (1, True)


def test_a_bag_of_others_without_its_declaration_says_so(dock: Dock, tmp_path: Path) -> None:
    (tmp_path / "bag" / "data").mkdir(parents=True)
    (tmp_path / "bag" / "data" / "a").write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    (tmp_path / "bag" / "manifest-sha256.txt").write_text(f"{empty}  data/a\n")
    code, reports = dock.verify(tmp_path / "bag")
    assert code == 1
    assert reports["bag"]["verdicts"]["intact"]["why"] == "bagit.txt is not there"


def test_a_package_an_excerpt_and_a_derivative_lie_in_one_folder(dock: Dock, tmp_path: Path) -> None:
    """What lies beside each belongs to it; nothing is left over that no record covers."""
    clip, grounds = dock.clips()[0]["clip_id"], ("--purpose", "p", "--basis", "b", "--authority", "a")
    given = ("disclose", clip, *grounds, "--recipient", "r")
    redacted = tmp_path / "redacted.mp4"
    redacted.write_bytes(b"another film")
    assert dock.run(*given, "--out", tmp_path / "package").code == 0
    assert dock.run(*given, "--from", "0", "--to", "1", "--out", tmp_path / "part").code == 0
    said = dock.run(*given, "--derivative", redacted)
    assert (
        said.code == 0 and "its record lies beside it (redacted.mp4.record.json, redacted.mp4.tlog-proof)" in said.out
    )
    code, reports = dock.verify(tmp_path)
    assert code == 0, reports
    assert {"package", "excerpt", "derivative"} < set(reports)
    again = dock.run(*given, "--derivative", redacted)
    assert (again.code, "is there already" in again.err) == (2, True)
    redacted.write_bytes(b"another one")
    (tmp_path / "part" / "excerpt.json").write_bytes(b"{}\n")
    _, reports = dock.verify(tmp_path)
    assert words(reports["derivative"])["intact"] == words(reports["excerpt"])["signature"] == "fail"
