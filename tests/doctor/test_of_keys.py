"""What the doctor says of the certificate of the dock's identity."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dockagent.core.moment import Instant
from dockagent.doctor import of_home, of_keys
from dockagent.durable import RealDisk
from dockagent.ledger import keys_enroll
from tests.ledger import made
from tests.ledger.authority import NOW, NOW_MS, YEAR, Authority
from tests.ledger.test_keys_rotation import rotate, work

DAY = timedelta(days=1)
TODAY = Instant(NOW_MS, "boot", 1, "rtc", -1)


@pytest.mark.parametrize(
    ("ends", "word", "what"),
    [
        (NOW + 31 * DAY, "ok", "ends 2026-12-23"),
        (NOW + 30 * DAY, "warning", "expires soon: 2.5.4.5=dock-7,CN=dock-7"),
        (NOW + DAY, "warning", "expires soon"),
        (NOW - DAY, "failure", "expired: "),
    ],
)
def test_how_long_the_certificate_lasts(tmp_path: Path, ends: datetime, word: str, what: str) -> None:
    agency, keys = Authority.root(), made.keys(tmp_path / "keys")
    leaf = agency.issue(keys.identity.public, "dock-7", NOW - YEAR / 2, ends)
    keys_enroll.keep(RealDisk(tmp_path / "keys"), keys, (leaf, agency.certificate))
    found = of_keys.certificate(tmp_path, TODAY)
    assert found.word == word
    assert what in found.what
    assert bool(found.todo) == (word != "ok")


def test_a_ca_that_ends_first_counts(tmp_path: Path) -> None:
    agency = Authority.root("Agency CA", NOW - YEAR, YEAR + 10 * DAY)
    keys = made.keys(tmp_path / "keys")
    keys_enroll.keep(RealDisk(tmp_path / "keys"), keys, agency.for_dock(keys))
    found = of_keys.certificate(tmp_path, TODAY)
    assert (found.word, "CN=Agency CA" in found.what) == ("warning", True)


def test_none_is_no_trouble_and_damage_is(tmp_path: Path) -> None:
    assert of_keys.certificate(tmp_path, TODAY).word == "ok"
    made.keys(tmp_path / "keys")
    assert "none: others believe this dock by its own trust file" in of_keys.certificate(tmp_path, TODAY).what
    (tmp_path / "keys/trust.json").write_text("{}")
    assert of_keys.certificate(tmp_path, TODAY).word == "failure"


@pytest.mark.parametrize(("mode", "word"), [(0o777, "failure"), (0o770, "failure"), (0o702, "failure"), (0o755, "ok")])
def test_a_keys_folder_that_others_can_change(tmp_path: Path, mode: int, word: str) -> None:
    made.keys(tmp_path / "keys")
    (tmp_path / "keys").chmod(mode)
    found = of_home.keys(tmp_path)
    assert found.word == word
    if word == "failure":
        assert f"(mode {mode:04o})" in found.what
        assert f"run `chmod go-w {tmp_path / 'keys'}`" in found.todo


def test_a_dock_that_has_lost_its_public_side_is_not_called_new(tmp_path: Path) -> None:
    work(RealDisk(tmp_path / "ledger"), made.keys(tmp_path / "keys"))
    (tmp_path / "keys/trust.json").unlink()
    found = of_home.keys(tmp_path)
    assert (found.word, "trust.json is missing" in found.what) == ("failure", True)
    assert f"cp {tmp_path / 'ledger/trust.json'} {tmp_path / 'keys/trust.json'}" in found.todo


def test_keys_and_ledger_are_well_after_a_change(tmp_path: Path) -> None:
    work(RealDisk(tmp_path / "ledger"), made.keys(tmp_path / "keys"))
    work(RealDisk(tmp_path / "ledger"), rotate(tmp_path))
    assert of_home.keys(tmp_path).word == "ok"
    assert of_home.ledger(tmp_path).word == "ok"
