"""Live one life again: ``python -m tests.simulation SEED [CUT_AT]``. Prints what its ledger says."""

import logging
import sys

from tests.simulation.fingerprint import fingerprint
from tests.simulation.voyage import Life

logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
life = Life(int(sys.argv[1]), cut_at=int(sys.argv[2]) if len(sys.argv) > 2 else 0)
life.live()
print(f"ended as {fingerprint(life)}")
print(f"seed {life.seed}: all promises kept, {life.disk.calls} durable calls, {len(life.store.objects)} objects")
