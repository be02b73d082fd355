"""What an outsider is told of clips that count as delivered by a custodian's receipt."""

from pathlib import Path

import pytest

from dockagent.core.events.custodian import CustodianReceived
from dockagent.core.proof import dsse
from dockagent.evidence.check_receipts import check_receipts
from tests.core.story import Story
from tests.core.test_unseen_clips import KEY, WORD, vouched, waiting


def lines(story: Story) -> list[bytes]:
    """The records as a ledger's lines. Whether they are signed is another check's question."""
    return [dsse.seal("application/json", payload, "k", lambda _: b"signed") for payload in story.payloads]


@pytest.mark.parametrize("named", [True, False])
def test_a_delivery_by_a_receipt_that_is_not_on_record_is_said(tmp_path: Path, *, named: bool) -> None:
    story = waiting().tell(vouched(), *([CustodianReceived("c1", WORD)] if named else []))
    (tmp_path / KEY).parent.mkdir(parents=True)
    (tmp_path / KEY).write_bytes(bytes(100))
    report = check_receipts("ledger", "origin", lines(story), [tmp_path], ())
    assert report is not None
    assert report.verdicts["complete"].word == "pass"
    said = "1 clips count as delivered by a custodian's receipt of which the ledger has no record"
    assert report.facts == (() if named else (said,))
    (tmp_path / KEY).unlink()
    gone = check_receipts("ledger", "origin", lines(story), [tmp_path], ())
    assert gone is not None
    assert gone.verdicts["complete"].word == "fail", "its word is no object"
