"""A dock whose clock is wrong says so itself: its own records, beside the times of those who vouched for them."""

from dataclasses import replace
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.core import custody
from dockagent.core import events as ev
from dockagent.core.model import State, TimeStamp
from dockagent.core.proof import merkle, note
from dockagent.core.review import review
from dockagent.durable import RealDisk
from dockagent.evidence.report import Report
from dockagent.evidence.verify import verify
from dockagent.ledger.keys import Keys
from dockagent.ledger.log import Ledger
from dockagent.ledger.trust import Trust
from tests.core.story import SETTING
from tests.ledger import made, witnesses

DAY_S = 86_400
WITNESS = witnesses.key()


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return made.keys(tmp_path / "keys")


def station(tmp_path: Path, keys: Keys, wrong_s: int, *, stamped: bool = False) -> Report:
    """What ``verify`` says of a dock whose clock is ``wrong_s`` seconds ahead, and that a witness (or, ``stamped``, an
    authority) whose clock is right vouched for."""
    now, clock_ms = SystemClock().now(), SystemClock().now().utc_ms // 1000 * 1000
    at = replace(now, utc_ms=clock_ms + wrong_s * 1000)
    ledger = tmp_path / "ledger"
    with Ledger.open(RealDisk(ledger), keys) as log:

        def put(event: ev.Event) -> None:
            log.append([custody.record(event, log.size, at, SETTING, State())])

        for _ in range(3):
            put(ev.DockStopped("worked"))
        log.checkpoint()
        signed = note.parse((ledger / "checkpoint").read_bytes())
        line = note.parse_signature_lines(WITNESS.cosign(signed.text, clock_ms // 1000))[0]
        stamp = TimeStamp("http://tsa", "01", clock_ms, "00" * 32) if stamped else None
        who = () if stamped else (review.cosigner_of(line),)
        root = note.parse_checkpoint(signed).root.hex()
        put(ev.Checkpointed(3, root, who, 1, 1, stamp, "", ()))
        log.checkpoint()
    if not stamped:
        (ledger / "witnessed").mkdir()
        leaves = [merkle.leaf_hash(one) for one in made.entries(ledger)[:3]]
        whole = keys.sign_checkpoint(3, merkle.root(leaves)) + note.signature_line(line)
        (ledger / "witnessed" / "3").write_text(whole)
    whom = Trust((keys.dock,), witnesses=() if stamped else (WITNESS.public,))
    (report,) = verify(ledger, whom)
    return report


@pytest.mark.parametrize(("wrong_s", "way"), [(DAY_S, "ahead of"), (-DAY_S, "behind")])
def test_a_clock_that_is_wrong_by_a_day_is_named(tmp_path: Path, keys: Keys, wrong_s: int, way: str) -> None:
    report = station(tmp_path, keys, wrong_s)
    assert report.exit_code == 3
    assert report.findings[0].startswith("the dock's clock was wrong, or all of theirs: record 3 says")
    assert report.findings[0].endswith(f"it was {DAY_S} s {way} them")
    assert report.verdicts["time"].word == "pass", "the witness's own time counts"
    assert "1 of 1 witnesses saw the first 3 records" in report.verdicts["time"].why


@pytest.mark.parametrize("wrong_s", [DAY_S, -DAY_S])
def test_where_nobody_is_trusted_the_time_verdict_says_so(tmp_path: Path, keys: Keys, wrong_s: int) -> None:
    report = station(tmp_path, keys, wrong_s, stamped=True)
    assert report.verdicts["time"].word == "unknown"
    assert "the dock's clock was wrong" in report.verdicts["time"].why


@pytest.mark.parametrize("wrong_s", [0, 60, -60, 1800])
def test_a_clock_that_is_right_enough_is_no_finding(tmp_path: Path, keys: Keys, wrong_s: int) -> None:
    report = station(tmp_path, keys, wrong_s)
    assert (report.findings, report.exit_code) == ((), 0)
