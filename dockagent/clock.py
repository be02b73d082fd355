"""The only door to time. Everything else gets an :class:`Instant` or a number of seconds handed in."""

import ctypes
import time
from datetime import tzinfo
from pathlib import Path
from typing import Protocol

from dockagent.core.moment import Instant
from dockagent.errors import UsageError

LOCAL_ZONE = Path("/etc/localtime")  # localtime(5); where it is missing the machine's zone is UTC
_ZONE_HINT = "give one as Europe/London; the package tzdata has them"
_STA_NANO = 0x2000  # offsets are in nanoseconds, not microseconds
_STA_UNSYNC = 0x0040  # adjtimex(2): nobody disciplines the clock


class Clock(Protocol):
    """Tells the time and waits. ``now`` never goes to the network; ``monotonic`` is seconds, for time-outs."""

    def now(self) -> Instant: ...

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's clock. The source is ``ntp`` when the kernel says that the clock is disciplined, else ``rtc``."""

    def __init__(self) -> None:
        self._boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()

    def now(self) -> Instant:
        source, uncertainty_ms, offset_ms = _discipline()
        boot_us = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
        return Instant(time.time_ns() // 1_000_000, self._boot_id, boot_us, source, uncertainty_ms, offset_ms)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def zone(name: str = "", local: Path = LOCAL_ZONE) -> tzinfo:
    """The rules of a time zone (``Europe/London``); of the machine's own where no name is given. Raises UsageError for
    one that nobody knows. The rules are read once: a machine that is moved to another zone is started anew."""
    from zoneinfo import ZoneInfo  # only for those who look at the clock on the wall

    try:
        if name:
            return ZoneInfo(name)
        if not local.exists():
            return ZoneInfo("UTC")
        with local.open("rb") as rules:
            return ZoneInfo.from_file(rules, key=local.resolve().name)
    except (OSError, ValueError) as err:
        raise UsageError(f"cannot read the time zone {name or local}: {err}", _ZONE_HINT) from err
    except KeyError as err:
        raise UsageError(f"nobody knows the time zone {name}", _ZONE_HINT) from err


class _Timex(ctypes.Structure):
    """The head of ``struct timex`` (adjtimex(2), 64-bit Linux); the rest is only room for the kernel to write."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("room", ctypes.c_byte * 256),
    )


_libc = ctypes.CDLL(None, use_errno=True)


def _discipline() -> tuple[str, int, int | None]:
    """The kernel's own word on the wall clock: source, greatest error in ms or -1, offset in ms or None. Reading it
    needs no right."""
    timex = _Timex(modes=0)
    if _libc.adjtimex(ctypes.byref(timex)) < 0 or timex.status & _STA_UNSYNC:
        return "rtc", -1, None
    per_ms = 1_000_000 if timex.status & _STA_NANO else 1000
    return "ntp", int(timex.maxerror) // 1000, round(timex.offset / per_ms)
