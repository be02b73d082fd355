"""How long a permit is good: never longer than what it rests on, and only for as long as a configuration can say."""

from dataclasses import replace
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.core.permits import permit
from dockagent.core.permits.permit import Permit
from dockagent.custodian import permits
from dockagent.custodian.rounds import once
from dockagent.custodian.settings import File, load, settings_of
from dockagent.custodian.world import DAY_MS, Custodian, PermitPolicy, Settings
from dockagent.errors import UsageError
from tests.custodian.made import Dock, InBucket
from tests.custodian.test_holds import its, one, place

__all__ = ["its", "one", "place"]  # fixtures: pytest finds them by their names here

HOUR_MS = DAY_MS // 24


def signed(place: InBucket, one: Dock, its: Custodian, policy: PermitPolicy) -> tuple[int, Permit | None]:
    """The end of the retention of a new clip (ms), and the permit for it under a policy, if there is one."""
    its = replace(its, settings=Settings(ledger_wait_ms=0, permits=policy))
    prefix = one.deliver(b"a clip")
    one.publish()
    assert [once(its).troubles for _ in range(2)] == [[], []]
    key = f"{prefix}/master"
    with its.archive.open(key) as source:
        until_ms = its.archive.locks(key, source.facts).until_ms
    data = place.take(f"{prefix}/permit.json")
    return until_ms, permit.read(data, [its.key.public.public]) if data is not None else None


def test_it_ends_before_the_retention_does(place: InBucket, one: Dock, its: Custodian) -> None:
    """The bucket keeps things for a day; the permit would be good for 90."""
    until_ms, leave = signed(place, one, its, PermitPolicy("test/1"))
    assert leave is not None
    assert leave.issued_ms < leave.until_ms == until_ms


def test_on_its_last_day_the_retention_lasts_as_long_as_the_policy_says(
    place: InBucket, one: Dock, its: Custodian
) -> None:
    until_ms, leave = signed(place, one, its, PermitPolicy("test/1", left_ms=20 * HOUR_MS))
    assert leave is not None
    assert leave.until_ms == until_ms - 20 * HOUR_MS


def test_a_short_one_is_as_short_as_the_policy_says(place: InBucket, one: Dock, its: Custodian) -> None:
    _, leave = signed(place, one, its, PermitPolicy("test/1", valid_ms=HOUR_MS))
    assert leave is not None
    assert leave.until_ms == leave.issued_ms + HOUR_MS


def test_one_without_a_day_is_not_signed(place: InBucket, one: Dock, its: Custodian) -> None:
    assert signed(place, one, its, PermitPolicy("test/1", left_ms=2 * DAY_MS))[1] is None


@pytest.mark.parametrize(
    ("mode", "modes", "end"),
    [
        ("COMPLIANCE", ("COMPLIANCE",), 60 - 30),
        ("GOVERNANCE", ("COMPLIANCE", "GOVERNANCE"), 60 - 30),
        ("IMMUTABLE", ("COMPLIANCE", "IMMUTABLE"), 90),
        ("COMPLIANCE", (), 90),
    ],
)
def test_the_end_by_what_it_rests_on(mode: str, modes: tuple[str, ...], end: int) -> None:
    now = SystemClock().now().utc_ms
    policy = PermitPolicy("test/1", modes=modes, left_ms=30 * DAY_MS, valid_ms=90 * DAY_MS)
    assert permits.end_ms(policy, now, mode, now + 60 * DAY_MS) == now + end * DAY_MS


@pytest.mark.parametrize("key", ["left_days", "valid_days", "age_days", "renewals"])
def test_what_no_calendar_has_is_refused(tmp_path: Path, key: str) -> None:
    file = tmp_path / "custodian.toml"
    file.write_text(f'[permits]\npolicy = "test/1"\n{key} = 99999999999\n')
    with pytest.raises(UsageError, match=key):
        load(file)


def test_the_longest_that_can_be_said(tmp_path: Path) -> None:
    file = tmp_path / "custodian.toml"
    file.write_text("[permits]\nleft_days = 36500\nvalid_days = 36500\n")
    read: File = load(file)
    assert settings_of(read).permits.valid_ms == 36500 * DAY_MS
