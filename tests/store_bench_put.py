"""One put by the dock's own client, as a process that can be measured: see ``store_bench``."""

import json
import os
import sys
from functools import partial
from pathlib import Path

from dockagent.clock import SystemClock
from dockagent.durable import RealDisk
from dockagent.stores import PART_SIZE, Source
from dockagent.stores.s3 import S3Store
from dockagent.stores.s3_settings import S3Settings


def main(endpoint: str, ca: str, bucket: str, key: str, file: str, sums: str) -> None:
    """Put ``file`` under ``key``; ``sums``: a JSON file with its digests, or "" where nobody knows those of parts.
    The credential is in the environment, as others have it."""
    path = Path(file)
    known = json.loads(Path(sums or path.with_name("sums.json")).read_text())
    disk = RealDisk(path.parent)
    parts = tuple(known["parts"]) if sums else ()
    source = Source(path.stat().st_size, known["sha256"], partial(disk.reader, path.name), parts, PART_SIZE)
    settings = S3Settings(
        bucket=bucket,
        endpoint=endpoint,
        ca_file=ca,
        access_key=os.environ["AWS_ACCESS_KEY_ID"],
        secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
    )
    stored = S3Store(settings, SystemClock()).put(key, source)
    if stored.sha256 != known["sha256"]:
        raise SystemExit(f"the store says {stored}")


if __name__ == "__main__":
    main(*sys.argv[1:])
