"""``[uplink]`` as people write it, and the time zone that its hours are in."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from dockagent.clock import zone
from dockagent.config import load, terms_of
from dockagent.core.uplink.link import HOUR
from dockagent.core.uplink.turns import Terms
from dockagent.errors import UsageError

WRITTEN = """[uplink]
rate = "8 Mbit/s"
hours = ["19:00-06:00", "12:00-13:00"]
zone = "Europe/London"
always = ["flagged", "preview"]
flagged = ["Use of Force"]
overdue_hours = 6
"""


def _terms(tmp_path: Path, text: str) -> Terms:
    path = tmp_path / "dock.toml"
    path.write_text(text)
    return terms_of(load(path), zone)


def test_what_is_written_holds(tmp_path: Path) -> None:
    found = _terms(tmp_path, WRITTEN)
    assert (found.rate, found.overdue_ms) == (1_000_000, 6 * HOUR)
    assert found.hours.words() == "19:00-06:00, 12:00-13:00"
    assert found.hours.zone.utcoffset(datetime(2026, 7, 1)) == zone("Europe/Berlin").utcoffset(datetime(2026, 1, 1))
    assert found.always == {"flagged", "preview"}
    assert found.categories == {"use of force"}
    assert found.at_any_hour().rate == found.rate
    assert found.at_any_hour().hours.stretches == ()


def test_without_a_word_all_goes_at_once_and_at_any_hour(tmp_path: Path) -> None:
    found = _terms(tmp_path, "")
    assert (found.rate, found.hours.stretches, found.always, found.categories) == (0, (), frozenset(), frozenset())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('rate = "8 Mbps"', "is not a rate"),
        ('rate = "1 kbit/s"', "less than 8 kbit/s"),
        ('hours = ["19-6"]', "HH:MM-HH:MM"),
        ('hours = ["19:00-19:00"]', "begins when it ends"),
        ('zone = "Europe/Atlantis"', "nobody knows the time zone"),
        ('zone = "../passwd"', "time zone"),
        ('always = ["all"]', "uplink.always"),
        ("overdue_hours = 0", "uplink.overdue_hours"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        _terms(tmp_path, f"[uplink]\n{text}\n")
    assert says in str(caught.value)
    assert caught.value.hint
    assert "\n" not in str(caught.value)


def test_the_machine_s_own_zone_is_that_of_its_localtime(tmp_path: Path) -> None:
    local = tmp_path / "localtime"
    assert zone("", local).utcoffset(datetime(2026, 7, 1)) == UTC.utcoffset(None)  # without one it is UTC
    local.write_bytes(b"no rules")
    with pytest.raises(UsageError, match="cannot read the time zone"):
        zone("", local)
    rules = Path("/usr/share/zoneinfo/Asia/Kolkata")
    if not rules.is_file():
        pytest.skip("this machine has no time zones (package tzdata)")
    local.unlink()
    local.symlink_to(rules)
    assert str(zone("", local).utcoffset(datetime(2026, 7, 1))) == "5:30:00"
