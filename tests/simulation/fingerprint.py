"""How a life went, in one number: equal for two lives in which the same things happened at the same times."""

import hashlib

from tests.simulation.voyage import Life


def fingerprint(life: Life) -> str:
    """SHA-256 over how often and how long the dock worked, over the names of all that disk and store hold, the sizes of
    masters, and how many records the ledger has. Not over the bytes: the dock's keys and salts are left to chance, and
    with them all digests in the ledger, and the lengths of signatures."""
    digest = hashlib.sha256(b"%d %d" % (life.disk.calls, life.clock.ms))
    on_disk = {path: bytes(inode.data) for path, inode in life.disk.files.items()}
    for place in (on_disk, life.store.objects):
        for name, data in sorted(place.items()):
            told = {"master": len(data), "entries.jsonl": data.count(b"\n")}.get(name.rpartition("/")[2], 0)
            digest.update(b"%d %d %b" % (told, len(name), name.encode()))
    return digest.hexdigest()
