"""A line that is cut in the middle of a part, for as long as it takes: the real daemon, a real S3 server, real time.

``DOCKAGENT_LONG_CUT=1`` cuts it for one hour, which is the claim; a smaller number tries the test. By then every wait
has grown to its longest, the server has thrown the half request away, and the connection is one of which only one end
knows. ``DOCKAGENT_LONG_CUT=1 python -m pytest -s tests/daemon/test_long_cut.py`` says how it goes.
"""

import os
import time

import pytest

from dockagent.core.uplink.link import RULES, wait_ms
from dockagent.core.uplink.trouble import Kind
from dockagent.stores import PART_SIZE
from hil.cameras.card import Shift
from tests.daemon.box import MIB, STARTED, footage
from tests.daemon.test_bad_network import Far, far, gateway

__all__ = ["far", "gateway"]  # fixtures: pytest finds them by their names here

HOURS = float(os.environ.get("DOCKAGENT_LONG_CUT") or 0)
CUT_S = HOURS * 3600
LONGEST_WAIT_S = RULES[Kind.LINK].longest_ms * 1.25 / 1000
CLIP = PART_SIZE * 3 // 2
CUT_AT = PART_SIZE * 5 // 4
HEADERS = MIB  # of all requests, generously: they count as sent, too

pytestmark = [
    pytest.mark.skipif(not HOURS, reason="takes as long as it says: DOCKAGENT_LONG_CUT=1 runs it for an hour"),
    pytest.mark.timeout(CUT_S + LONGEST_WAIT_S + 900),
]


def test_an_hour_without_a_line_costs_one_part_and_no_clip(far: Far) -> None:
    far.wire.bits_per_s = 100e6
    camera = far.box.camera("BWC-1", "bay1", Shift(1, start=STARTED, size=CLIP, sidecars=False))
    wanted = footage(camera.home)
    far.box.agent.start()
    camera.plug()
    far.box.until(lambda: far.line.sent >= CUT_AT, seconds=120)
    far.wire.cut()
    _say(f"cut after {far.line.sent} bytes")
    sent, tries = far.line.sent, _hold_out(far)
    assert far.line.sent - sent <= MIB, "what was on the wire when it was cut"
    assert _fewest(CUT_S - 300) <= tries <= _most(CUT_S)
    far.wire.mend()
    mended, sent = time.monotonic(), far.line.sent
    far.box.until(lambda: len(far.box.records("receipt")) == 1, seconds=LONGEST_WAIT_S + 300)
    _say(f"mended; receipt {time.monotonic() - mended:.0f} s later, {far.line.sent - sent} bytes more sent")
    assert far.line.sent - sent <= CLIP - PART_SIZE + HEADERS, "the part that had arrived was not sent again"
    far.all_is_there(wanted)


def _hold_out(far: Far) -> int:
    """Be cut for as long as it takes. How often the dock has tried by then."""
    end, said, tries = time.monotonic() + CUT_S, 0.0, 0
    while (now := time.monotonic()) < end:
        assert far.box.agent.alive(), far.box.agent.last_words(12)
        tries = int(far.box.json("status")["uplink"]["attempts"])
        if now >= said:
            _say(f"{end - now:.0f} s left, {tries} tries; {far.said()}")
            said = now + 300
        time.sleep(min(60.0, end - now))
    assert far.said() != "no trouble seen"
    assert far.box.records("receipt", "camera.release", "clip.quarantine") == []
    return tries


def _fewest(seconds: float) -> int:
    """How many tries fit into an outage where each wait is the longest, and each try takes its longest, too."""
    return max(1, int(seconds / (LONGEST_WAIT_S + 240)))


def _most(seconds: float) -> int:
    """How many fit where each fails at once, after the shortest wait that it may have; and the first."""
    left_ms, tries = seconds * 1000, 1
    while left_ms > 0:
        tries += 1
        left_ms -= wait_ms(RULES[Kind.LINK], tries - 1, "") * 0.6
    return tries


def _say(words: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {words}", flush=True)
