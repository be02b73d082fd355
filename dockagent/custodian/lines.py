"""The review catalogue in the store: each clip's record calls for a line. Docks write them; what is missing is written
here, and one that is not what the record says is reported."""

from dockagent.core.review import catalogue
from dockagent.custodian import reports
from dockagent.custodian.clip_record import Record
from dockagent.custodian.folders import ClipFolder
from dockagent.custodian.reports import Report, Reports
from dockagent.custodian.reread import small
from dockagent.custodian.world import Custodian, Tally
from dockagent.errors import Missing, Refused
from dockagent.stores import Conflict

_MOST_LINE = 1 << 20


def check_line(custodian: Custodian, folder: ClipFolder, record: Record, told: Reports, tally: Tally) -> None:
    """Have the clip's line in the catalogue. Raises Retryable."""
    try:
        wanted = catalogue.line(record.data)
    except Refused as err:
        told.tell(_report(folder, f"the record calls for a line that cannot be: {err.what}"))
        return
    if wanted is None:
        return
    key, line = wanted
    wrong = []
    for place in (key, catalogue.again(key, line)):
        held = _held(custodian, place)
        if held is None:
            held = _add(custodian, place, line, tally)
        if held == line:
            break
        wrong.append(place)
    if wrong:
        told.tell(_report(folder, f"{wrong[0]} is not what the clip's record says", *wrong))


def _held(custodian: Custodian, key: str) -> bytes | None:
    try:
        return small(custodian.archive, key, _MOST_LINE)
    except Missing:
        return None
    except Refused:
        return b""  # too long for any line


def _add(custodian: Custodian, key: str, line: bytes, tally: Tally) -> bytes | None:
    try:
        custodian.archive.add(key, line)
    except Conflict:
        return _held(custodian, key)
    tally.lines += 1
    return line


def _report(folder: ClipFolder, words: str, *keys: str) -> Report:
    state = reports.state_of(folder.state, words)
    return Report(reports.LINE, folder.clip_id, state, (words,), (f"{folder.prefix}/", *keys))
