"""Parts under way side by side adapt to the line: a long one gets more of them, a short one stays with one.

The line is a wire between two network namespaces with 200 ms there and back, on which the kernel lets each connection
have 128 KiB under way and no more: what loss does to them on a long line, but the same each time. The store beyond it
is a real one.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

pytest.importorskip("botocore", reason="the S3 store needs botocore")

from hil.central import rgw, wire
from hil.central.line import Line
from hil.central.wire import FAR, Wire
from tests.contracts.store_places import Bucket, gateway
from tests.stores.slow_line_put import PART

__all__ = ["gateway"]  # a fixture: pytest finds it by its name here

PORT = 8000
# tcp(7), tcp_wmem: the most that a connection keeps until it is acknowledged; a setting of the namespace.
NARROW = 'echo "4096 65536 131072" > /proc/sys/net/ipv4/tcp_wmem && exec "$@"'
Told = list[tuple[float, int, int]]  # seconds, bytes that went out, parts that may be under way


@contextmanager
def _line(gateway: rgw.Gateway, delay_s: float) -> Iterator[Wire]:
    with Wire() as cable, Line(gateway.port, cable.listen(PORT)):
        cable.delay_s = delay_s
        yield cable


def _put(cable: Wire, bucket: Bucket, parts: int, most: int = 0) -> Told:
    words = [
        "sh",
        "-c",
        NARROW,
        "sh",
        sys.executable,
        "-m",
        "tests.stores.slow_line_put",
        f"http://{FAR}:{PORT}",
        bucket.name,
    ]
    account = [rgw.ADMIN.access_key, rgw.ADMIN.secret_key]
    done = subprocess.run(
        cable.command(*words, *account, str(parts), str(most)), capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-800:]
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def _rates(told: Told) -> dict[bool, float]:
    """Bytes a second while one part went alone, and while several might; without the line's first seconds, which say
    nothing, and without the end, when there are no more parts to send."""
    found = {}
    for several in (False, True):
        within = [one for one in told if (one[2] > 1) is several and one[0] > 5 and one[1] < told[-1][1] - PART]
        found[several] = (within[-1][1] - within[0][1]) / (within[-1][0] - within[0][0])
    return found


@pytest.fixture(autouse=True)
def _wires() -> None:
    if why := wire.missing():
        pytest.skip(why)


def test_a_long_line_gets_more_parts_and_is_faster_by_them(gateway: rgw.Gateway) -> None:
    bucket = Bucket(gateway.endpoint, "lanes-long")
    with _line(gateway, 0.1) as cable:
        told = _put(cable, bucket, 6)
    assert told[0][2] == 1
    assert max(parts for _, _, parts in told) >= 3
    rates = _rates(told)
    print(f"one part: {rates[False]:.0f} bytes/s; several: {rates[True]:.0f}")
    assert rates[True] > rates[False]


def test_a_short_line_stays_with_one(gateway: rgw.Gateway) -> None:
    bucket = Bucket(gateway.endpoint, "lanes-short")
    with _line(gateway, 0.0) as cable:
        cable.bits_per_s = 8e6
        told = _put(cable, bucket, 9)
    assert max(parts for _, _, parts in told) <= 2  # a second one is tried, and given up
    assert told[-1][2] == 1
