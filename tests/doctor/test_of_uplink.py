"""What the doctor says about rate and upload hours."""

from typing import Any

import msgspec
import pytest

from dockagent.clock import zone
from dockagent.config import Config
from dockagent.core.moment import Instant, parse_rfc3339
from dockagent.doctor.check import Check
from dockagent.doctor.of_uplink import uplink

NOON = Instant(parse_rfc3339("2026-07-01T11:00:00Z"), "boot", 0, "ntp", 5)


def said(**table: Any) -> Check:
    return uplink(msgspec.convert({"uplink": table}, Config), zone, NOON)


def test_without_any_limit_all_is_well() -> None:
    assert said() == Check("uplink", "ok", "as fast as it goes, at any hour")


def test_rate_and_hours_are_told_by_the_wall_clock() -> None:
    found = said(rate="100 Mbit/s", hours=["19:00-06:00"], zone="Europe/London")
    assert (found.word, found.what) == ("ok", "at most 100 Mbit/s, 19:00-06:00 (closed until 19:00 BST)")
    assert "(open until 06:00 BST)" in said(hours=["11:30-06:00"], zone="Europe/London").what
    assert "(open all day)" in said(hours=["00:00-12:00", "12:00-24:00"]).what


def test_a_line_that_cannot_take_one_camera_a_day_is_a_warning() -> None:
    assert said(rate="1 Mbit/s").word == "ok"
    found = said(rate="1 Mbit/s", hours=["01:00-05:00"])
    assert found.word == "warning"
    assert "1716 MiB a day" in found.what
    assert found.todo


@pytest.mark.parametrize(
    ("table", "words"),
    [({"rate": "fast"}, "is not a rate"), ({"hours": ["night"]}, "HH:MM"), ({"zone": "Moon/Base"}, "time zone")],
)
def test_what_would_keep_the_dock_from_starting_is_a_failure(table: dict[str, Any], words: str) -> None:
    found = said(**table)
    assert found.word == "failure"
    assert words in found.what
    assert found.todo
