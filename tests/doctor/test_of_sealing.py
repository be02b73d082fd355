"""What the doctor says about sealing."""

import os
from pathlib import Path

import pytest

from dockagent.config import Sealing
from dockagent.doctor.check import Check
from dockagent.doctor.of_sealing import sealing
from tests.sealing.test_recipients import OTHER
from tests.simulation.agency import RECIPIENT, SECRET

BOTH = Sealing((RECIPIENT, OTHER))


def checks(home: Path, setting: Sealing = BOTH, sys: Path = Path("/nowhere")) -> dict[str, Check]:
    return {one.name: one for one in sealing(setting, home, sys)}


def test_a_dock_that_does_not_seal_says_so(tmp_path: Path) -> None:
    (only,) = sealing(Sealing(), tmp_path)
    assert (only.name, only.word) == ("sealing", "ok")
    assert "off" in only.what


def test_a_bad_recipient_is_what_keeps_the_dock_from_starting(tmp_path: Path) -> None:
    (only,) = sealing(Sealing(("age1nonsense",)), tmp_path)
    assert only.word == "failure"
    assert "entry 1 of encrypt_to" in only.what
    assert "age-keygen" in only.todo


def test_one_recipient_alone_is_a_risk(tmp_path: Path) -> None:
    assert checks(tmp_path)["sealing"].word == "ok"
    assert checks(tmp_path, Sealing((RECIPIENT,)))["sealing"].word == "warning"


@pytest.mark.parametrize("where", ["key.txt", "keys/old/agency.key", ".hidden"])
def test_the_identity_of_a_recipient_in_the_home_is_a_failure_and_is_not_quoted(tmp_path: Path, where: str) -> None:
    file = tmp_path / where
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"# public key: {RECIPIENT}\n{SECRET}\n")
    found = checks(tmp_path)["identities"]
    assert found.word == "failure"
    assert str(file) in found.what
    assert SECRET[16:] not in f"{found}"


def test_another_identity_is_a_warning_and_none_is_well(tmp_path: Path) -> None:
    assert checks(tmp_path)["identities"].word == "ok"
    (tmp_path / "key").write_text(SECRET)
    assert checks(tmp_path, Sealing((OTHER, OTHER)))["identities"].word == "warning"


def test_what_is_no_identity_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("AGE-SECRET-KEY-1" + "Q" * 58)
    (tmp_path / "long").write_bytes(SECRET.encode() + bytes(1 << 20))
    (tmp_path / "link").symlink_to("/dev/zero")
    assert checks(tmp_path)["identities"].word == "ok"


def test_masters_that_no_record_speaks_of_are_said(tmp_path: Path) -> None:
    (tmp_path / "quarantine" / "4f.unknown").mkdir(parents=True)
    (tmp_path / "quarantine" / "4f.unknown" / "master").write_bytes(b"footage")
    found = checks(tmp_path)["plaintext"]
    assert found.word == "warning"
    assert "1 masters" in found.what


@pytest.mark.parametrize(
    ("uuid", "slave", "word"),
    [
        ("CRYPT-LUKS2-abc", None, "ok"),
        ("LVM-abc", "CRYPT-LUKS2-abc", "ok"),
        ("LVM-abc", "LVM-def", "warning"),
        ("LVM-abc", None, "warning"),
        (None, None, "warning"),
    ],
)
def test_whether_the_homes_disk_is_encrypted(tmp_path: Path, uuid: str | None, slave: str | None, word: str) -> None:
    number = tmp_path.stat().st_dev
    device = tmp_path / "sys" / "dev" / "block" / f"{os.major(number)}:{os.minor(number)}"
    for folder, text in ((device, uuid), (device / "slaves" / "dm-9", slave)):
        if text is not None:
            (folder / "dm").mkdir(parents=True)
            (folder / "dm" / "uuid").write_text(f"{text}\n")
    assert checks(tmp_path, sys=tmp_path / "sys")["plaintext"].word == word
