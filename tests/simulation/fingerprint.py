"""How a life went, in one number: equal for two lives in which the same things happened at the same times."""

import hashlib

from tests.simulation.voyage import Life


def fingerprint(life: Life) -> str:
    """SHA-256 over how often and how long the dock worked, and over name and size of all that disk and store hold. Not
    over the bytes: salts are left to chance, and with them all digests in the ledger."""
    digest = hashlib.sha256(b"%d %d" % (life.disk.calls, life.clock.ms))
    sizes = {path: len(inode.data) for path, inode in life.disk.files.items()}
    for place in (sizes, {key: len(data) for key, data in life.store.objects.items()}):
        for name, size in sorted(place.items()):
            digest.update(b"%d %d %b" % (size, len(name), name.encode()))
    return digest.hexdigest()
