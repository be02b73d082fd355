"""One put through whatever line the process finds itself at, said as it goes: see ``test_s3_lanes``.

Prints a line of JSON twice a second: seconds since the first byte, bytes that went out, and the parts that may be under
way. ``most`` 1 keeps it to one part at a time.
"""

import hashlib
import io
import json
import sys
import threading
import time
from functools import partial
from random import Random

from dockagent.clock import SystemClock
from dockagent.core.uplink.link_parts import Flight
from dockagent.stores import Source
from dockagent.stores.s3 import S3Store
from dockagent.stores.s3_sender import Lanes
from dockagent.stores.s3_settings import S3Settings

PART = 5 << 20  # the least that S3 takes


class OneLane(Lanes):
    """What there would be without adapting."""

    @property
    def flight(self) -> Flight:
        return Flight(1)

    @flight.setter
    def flight(self, learned: Flight) -> None:
        return


def main(endpoint: str, bucket: str, access_key: str, secret_key: str, parts: str, most: str) -> None:
    """Put an object of so many parts of :data:`PART` bytes."""
    data = Random(7).randbytes(int(parts) * PART)
    digests = tuple(hashlib.sha256(data[at : at + PART]).hexdigest() for at in range(0, len(data), PART))
    source = Source(len(data), hashlib.sha256(data).hexdigest(), partial(io.BytesIO, data), digests, PART)
    settings = S3Settings(bucket=bucket, endpoint=endpoint, access_key=access_key, secret_key=secret_key)
    clock = SystemClock()
    lanes = (OneLane if most == "1" else Lanes)(clock.monotonic)
    store, went, ended = S3Store(settings, clock, part_size=PART, lanes=lanes), [0], threading.Event()

    def say() -> None:
        started = time.monotonic()
        while not ended.wait(0.5):
            print(json.dumps([time.monotonic() - started, went[0], lanes.flight.parts]), flush=True)

    def heard(size: int) -> None:
        went[0] += size

    teller = threading.Thread(target=say)
    teller.start()
    try:
        stored = store.put("lanes/master", source, heard)
    finally:
        ended.set()
        teller.join()
    if stored.sha256 != source.sha256:
        raise SystemExit(f"the store says {stored}")


if __name__ == "__main__":
    main(*sys.argv[1:])
