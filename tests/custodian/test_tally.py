"""What a round says of itself: each report once, and troubles without end as a number."""

from pathlib import Path

from dockagent.custodian import reports, service
from dockagent.custodian.reports import Report, Reports
from dockagent.custodian.world import MOST_TROUBLES, Tally
from tests.custodian.made import Folder, custodian, dock


def test_so_many_troubles_are_said_and_the_others_counted() -> None:
    tally = Tally()
    assert [tally.trouble(f"clip {number}") for number in range(MOST_TROUBLES + 2)][-3:] == [True, False, False]
    assert (len(tally.troubles), tally.untold, tally.exit_code) == (MOST_TROUBLES, 2, 4)
    assert f"{MOST_TROUBLES + 2} could not be looked at" in service.words(tally)


def test_one_report_counts_once(folder: Folder, tmp_path: Path) -> None:
    tally = Tally()
    told = Reports(custodian(folder, tmp_path, [dock(folder, tmp_path)]), tally)
    one = Report(reports.ALTERED, "clip", "0" * 16, ("why",))
    for _ in range(2):
        told.tell(one)
        assert told.stands("clip", "0" * 16)
    assert (tally.told, tally.refuting, dict(tally.new)) == ([one.key], 1, {"altered": 1})
