"""What a store refuses, and what goes wrong beside the custodian, is never said of a dock's ledger: a report is signed,
and stays."""

from dataclasses import replace
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.custodian.rounds import once
from dockagent.stores.archive_s3 import S3Archive
from hil.central import rgw
from hil.central.scripted import Answer, Forward, Request, error, relaying
from tests.contracts.store_places import Bucket
from tests.custodian.made import InBucket, custodian, dock
from tests.custodian.test_rounds import reports_of

_numbers = iter(range(10_000))


@pytest.mark.parametrize(("status", "code"), [(400, "KMS.DisabledException"), (405, "MethodNotAllowed"), (501, "No")])
def test_a_clip_that_the_store_refuses_to_show_is_no_forged_ledger(
    gateway: rgw.Gateway, tmp_path: Path, status: int, code: str
) -> None:
    place = InBucket(Bucket(gateway.endpoint, f"blamed-{next(_numbers)}", locked=True))
    one, hidden = dock(place, tmp_path), "clips/BWC-0001/2026/11/22/" + "cd" * 16
    one.tell("receipt", clip_id="cd" * 16, receipt={"key": f"{hidden}/master"})
    one.publish()
    its = custodian(place, tmp_path, [one])

    def refusing(request: Request, forward: Forward) -> Answer:
        refused = request.method == "GET" and f"{hidden}/master" in request.path
        return error(status, code) if refused else forward(request)

    with relaying(gateway.port, refusing) as port:
        settings = place.bucket.settings(f"http://127.0.0.1:{port}", attempts=1)
        tally = once(replace(its, archive=S3Archive(settings, SystemClock())))
    assert (tally.told, tally.exit_code, len(tally.troubles)) == ([], 4, 1)
    assert f"the store answered {status} {code}" in tally.troubles[0]
    assert dict(once(its).new) == {"lost": 1}, "nothing was passed over"
    assert reports_of(place, "ledger") == []
