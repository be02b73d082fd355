"""The only door to time, on this machine."""

import time
from pathlib import Path

from dockagent.clock import SystemClock


def test_now_is_now_and_says_how_sure_it_is() -> None:
    clock = SystemClock()
    before, now, after = time.time_ns() // 1_000_000, clock.now(), time.time_ns() // 1_000_000
    assert before <= now.utc_ms <= after
    assert now.source in ("ntp", "rtc")
    assert (now.uncertainty_ms >= 0) == (now.source == "ntp")


def test_the_boot_is_the_machines_own() -> None:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert SystemClock().now().boot_id == SystemClock().now().boot_id == boot


def test_moments_of_one_boot_are_in_order_whatever_the_wall_clock_does() -> None:
    clock = SystemClock()
    moments = [clock.now().mono_us for _ in range(100)]
    assert moments == sorted(moments)
    uptime_us = float(Path("/proc/uptime").read_text().split()[0]) * 1_000_000
    assert abs(uptime_us - moments[-1]) < 5_000_000
    assert moments[-1] < 2**53


def test_waiting_takes_its_time() -> None:
    clock = SystemClock()
    started = clock.monotonic()
    clock.sleep(0.05)
    assert 0.045 <= clock.monotonic() - started < 2
