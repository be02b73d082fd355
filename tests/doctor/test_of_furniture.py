"""The doctor and the dock's own hardware: asked over real terminals, never moved."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from dockagent.cli import main
from dockagent.clock import SystemClock
from dockagent.config import Furniture, load
from dockagent.doctor import of_furniture
from dockagent.errors import UsageError
from hil.cameras.furniture.cradle_mc18 import Cradle
from hil.cameras.furniture.rfid import RfidReader
from tests.doctor.test_doctor import says


@pytest.fixture
def cradle() -> Iterator[Cradle]:
    made = Cradle()
    yield made
    made.hang_up()


@pytest.fixture
def reader() -> Iterator[RfidReader]:
    made = RfidReader()
    yield made
    made.hang_up()


def test_without_furniture_nothing_is_said() -> None:
    assert list(of_furniture.cradles(Furniture(), SystemClock())) == []
    assert list(of_furniture.rfid(Furniture(), SystemClock())) == []


def test_a_cradle_tells_of_itself_and_its_latch_stays_shut(cradle: Cradle) -> None:
    setting = Furniture(cradles={"bay01": str(cradle.open())})
    (found,) = of_furniture.cradles(setting, SystemClock())
    says(
        found, "ok", "CRD-MC18-1SLOT-01 number 210355230239620, firmware 5.1, wall 65533 row 65535 column 65534, 5.21 V"
    )
    assert found.name == "cradle bay01"
    assert cradle.openings == ()
    assert not {0x65, 0x73, 0x74, 0x75, 0x76, 0x7D, 0x81} & set(cradle.asked)  # it was asked, not told


@pytest.mark.parametrize(("supply", "logic"), [(640, 667), (710, 600)])
def test_too_little_voltage_is_a_warning(cradle: Cradle, supply: int, logic: int) -> None:
    cradle.knows.supply, cradle.knows.logic = supply, logic
    (found,) = of_furniture.cradles(Furniture(cradles={"bay01": str(cradle.open())}), SystemClock())
    says(found, "warning", "too little voltage")


def test_one_dead_cradle_does_not_hide_the_others(cradle: Cradle, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    lines = {"bay01": "/dev/no-such-line", "bay02": str(tmp_path / "file"), "bay03": str(cradle.open())}
    gone, no_tty, good = of_furniture.cradles(Furniture(cradles=lines), SystemClock())
    says(gone, "failure", "/dev/no-such-line is not there")
    says(no_tty, "failure", "is not a serial line")
    says(good, "ok", "firmware 5.1")


def test_a_silent_cradle_is_a_failure(cradle: Cradle) -> None:
    cradle.faults.silent = 100
    (found,) = of_furniture.cradles(Furniture(cradles={"bay01": str(cradle.open())}), SystemClock())
    says(found, "failure", "does not answer")


def test_the_reader_of_tags(reader: RfidReader) -> None:
    setting = Furniture(rfid=str(reader.open()))
    (found,) = of_furniture.rfid(setting, SystemClock())
    says(found, "ok", "no tag lies on it (a tag's number is no proof of identity)")
    reader.tag = bytes.fromhex("0612ab34cd")
    (found,) = of_furniture.rfid(setting, SystemClock())
    says(found, "ok", "tag 0612ab34cd lies on it")
    reader.faults.silent = True
    (found,) = of_furniture.rfid(setting, SystemClock())
    says(found, "failure", "does not answer")


def test_the_command_asks_what_the_configuration_names(
    cradle: Cradle, reader: RfidReader, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "dockagent.toml"
    config.write_text(
        f'[dock]\nhome = "{tmp_path / "home"}"\n'
        f'[furniture]\ncradles = {{ bay01 = "{cradle.open()}" }}\nrfid = "{reader.open()}"\n'
    )
    main(["doctor", "--config", str(config), "--json"])
    checks = {one["name"]: one["word"] for one in json.loads(capsys.readouterr().out)["checks"]}
    assert (checks["cradle bay01"], checks["tag reader"]) == ("ok", "ok")


@pytest.mark.parametrize("seconds", [9, 31, 0, -1])
def test_a_latch_is_configured_for_10_to_30_seconds(tmp_path: Path, seconds: int) -> None:
    config = tmp_path / "dockagent.toml"
    config.write_text(f"[furniture]\ncradle_open_s = {seconds}\n")
    with pytest.raises(UsageError, match=r"furniture\.cradle_open_s"):
        load(config)
    assert msgspec.convert({"cradle_open_s": 30}, Furniture).cradle_open_s == 30
