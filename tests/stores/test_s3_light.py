"""What sending into a bucket loads: its client, and nothing that is only paid for."""

import subprocess
import sys

import pytest

pytest.importorskip("botocore", reason="the S3 store needs botocore")

HEAVY = ("boto3", "s3transfer", "dockagent.core.model", "dockagent.core.events", "pyrage")
PROGRAM = """
import sys
from dockagent.clock import SystemClock
from dockagent.stores.s3 import S3Store
from dockagent.stores.s3_settings import S3Settings
settings = S3Settings(bucket="b", endpoint="http://127.0.0.1:1", access_key="a", secret_key="s")
print(S3Store(settings, SystemClock()).url, [one for one in {heavy!r} if one in sys.modules])
"""


def test_a_client_is_made_without_what_no_upload_needs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(heavy=HEAVY)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "s3://b []"
