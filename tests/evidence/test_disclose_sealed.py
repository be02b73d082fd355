"""Sealed clips that are handed out: opened on the way for who holds an identity, else as they lie; on whose record."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.evidence.disclosing import Dock, relist
from tests.evidence.paging import bring, commands, page_of, run
from tests.sealing.outside import NEEDS_AGE, decrypt, keygen

pytestmark = NEEDS_AGE


@pytest.fixture(scope="module")
def dock(tmp_path_factory: pytest.TempPathFactory) -> Dock:
    """A dock that seals to the agency's key, with its store in its home; ``agency.key`` lies beside."""
    root = tmp_path_factory.mktemp("sealing")
    _, recipient = keygen(root, "agency.key")
    keygen(root, "stranger.key")
    made = Dock(root)
    made.configure(sealing={"encrypt_to": [recipient]}, store={"url": (root / "home" / "store").as_uri()})
    made.film(1)
    return made


def original(dock: Dock) -> bytes:
    return next((dock.root / "card").rglob("*.MP4")).read_bytes()


def master(package: Path) -> Path:
    (found,) = (package / "data" / "clips").glob("*/master*")
    return found


def bag_is_valid(package: Path) -> bool:
    words = [str(Path(sys.executable).with_name("bagit.py")), "--validate", str(package)]
    return subprocess.run(words, capture_output=True, timeout=120, check=False).returncode == 0


def test_with_the_identity_the_package_holds_what_the_camera_gave(dock: Dock, tmp_path: Path) -> None:
    row = dock.clips()[0]
    assert row["sealed_to"]
    done = dock.disclose(tmp_path / "open", row["clip_id"], "--identity", str(dock.root / "agency.key"))
    assert done.code == 0, done.err
    assert master(tmp_path / "open").name == "master.mp4"
    assert master(tmp_path / "open").read_bytes() == original(dock)
    assert not list((tmp_path / "open").rglob("*.age"))
    assert bag_is_valid(tmp_path / "open")
    code, reports = dock.verify(tmp_path / "open")
    assert code == 0, reports
    assert reports["clip"]["verdicts"]["intact"]["verdict"] == "pass"
    assert any("sample tree made again" in fact for fact in reports["clip"]["facts"])


def test_an_altered_opened_master_is_refuted(dock: Dock, tmp_path: Path) -> None:
    done = dock.disclose(tmp_path / "open", dock.clips()[0]["clip_id"], "--identity", str(dock.root / "agency.key"))
    assert done.code == 0, done.err
    data = bytearray(master(tmp_path / "open").read_bytes())
    data[-1] ^= 1
    master(tmp_path / "open").write_bytes(data)
    code, reports = dock.verify(tmp_path / "open")
    assert (code, reports["clip"]["verdicts"]["intact"]["verdict"]) == (1, "fail")


def test_without_an_identity_it_goes_as_it_lies_and_its_recipient_opens_it(dock: Dock, tmp_path: Path) -> None:
    assert dock.disclose(tmp_path / "sealed", dock.clips()[0]["clip_id"]).code == 0
    sealed = master(tmp_path / "sealed")
    assert sealed.name == "master.age"
    assert hashlib.sha256(decrypt(sealed, dock.root / "agency.key").stdout).digest() == (
        hashlib.sha256(original(dock)).digest()
    )
    code, reports = dock.verify(tmp_path / "sealed")
    assert (code, reports["clip"]["verdicts"]["content"]["verdict"]) == (0, "unknown")


def test_the_commands_of_the_page_check_what_is_sealed(dock: Dock, tmp_path: Path) -> None:
    """The ciphertext is the dock's word; what the camera signed is compared with what the dock says is in it."""
    assert dock.disclose(tmp_path / "sealed", dock.clips()[0]["clip_id"]).code == 0
    bring(tmp_path / "sealed", trust=dock.trust(), maker=dock.root / "maker" / "root.pem")
    steps = commands(page_of(tmp_path / "sealed"))
    ran = run(tmp_path / "sealed", steps)
    assert (ran.code, ran.printed) == (0, [prints for _, prints in steps if prints]), ran.err
    assert any("the camera signed what is in this footage" in text for text, _ in steps)
    sealed = master(tmp_path / "sealed")
    sealed.write_bytes(sealed.read_bytes()[:-1])
    relist(tmp_path / "sealed")
    ran = run(tmp_path / "sealed", steps)
    assert (ran.code, len(ran.printed)) == (1, 1)


def test_a_stranger_s_identity_hands_out_nothing(dock: Dock, tmp_path: Path) -> None:
    failed = len(dock.records("disclose.failed"))
    done = dock.disclose(tmp_path / "out", dock.clips()[0]["clip_id"], "--identity", str(dock.root / "stranger.key"))
    assert done.code == 4
    assert done.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
    assert len(dock.records("disclose.failed")) == failed + 1


# ---- verify --identity ----------------------------------------------------------------------------------------------


def test_who_opens_sealed_footage_in_a_docks_home_is_on_record(dock: Dock) -> None:
    before = len(dock.records("access"))
    store, identity = dock.root / "home" / "store", dock.root / "agency.key"
    plain = dock.run("verify", store, "--trust", dock.trust())
    assert plain.code == 0, plain.out
    assert len(dock.records("access")) == before, "who opens nothing leaves no record"
    opened = dock.run("verify", store, "--trust", dock.trust(), "--identity", identity, "--json")
    assert opened.code == 0 and "opened: what is in" in opened.out, opened.out
    (record,) = dock.records("access")[before:]
    assert (record["what"]["act"], record["outcome"], record["who"]["actor"]) == ("verify", "success", "person")
    assert record["why"]["purpose"] == "what is sealed is opened and compared with its record"
    clip = next(file.parent for file in store.rglob("record.json"))
    assert dock.run("verify", clip, "--trust", dock.trust(), "--identity", identity).code == 0
    assert dock.records("access")[-1]["what"]["clip_id"] == clip.name


def test_a_copy_elsewhere_is_nobodys_record(dock: Dock, tmp_path: Path) -> None:
    before = len(dock.records("access"))
    shutil.copytree(dock.root / "home" / "store", tmp_path / "store")
    done = dock.run("verify", tmp_path / "store", "--trust", dock.trust(), "--identity", dock.root / "agency.key")
    assert done.code == 0, done.out
    assert len(dock.records("access")) == before


def test_where_it_cannot_be_recorded_nothing_is_opened(dock: Dock, tmp_path: Path) -> None:
    """A home whose private keys are gone: nobody can write its records any more."""
    shutil.copytree(dock.root / "home", tmp_path / "home")
    for key in (tmp_path / "home" / "keys").glob("*.pem"):
        key.unlink()
    words: list[str | Path] = [
        "verify",
        tmp_path / "home" / "store",
        "--trust",
        dock.trust(),
        "--identity",
        dock.root / "agency.key",
    ]
    done = dock.run(*words)
    assert done.code == 2
    assert "is opened on record only" in done.err
    assert done.out == ""
