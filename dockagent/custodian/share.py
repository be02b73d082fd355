"""Which custodian does what, where several stand beside one store.

The work is parted by a hash over the camera's name, which every custodian computes alike. Nobody has to be asked, and
nothing but receipts is written: leases would be objects in a bucket that never forgets, several for each clip, and
would rest on clocks that agree. The price is that shares are fixed in the configuration; so what waits too long is
taken over by the others. Two who meet at one clip all the same (a take-over, the same share given twice) both read it,
and the store's conditional put lets one receipt stand.
"""

import hashlib
import re
from dataclasses import dataclass

from dockagent.errors import UsageError

_FORM = re.compile(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})")


@dataclass(frozen=True, slots=True)
class Share:
    """Part ``number`` of ``count``, counted from 1."""

    number: int = 1
    count: int = 1

    def mine(self, name: str) -> bool:
        """Whether what belongs to ``name`` (a camera, or a dock) is in this share."""
        return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % self.count == self.number - 1


WHOLE = Share()


def parse(text: str) -> Share:
    """``1/3``: the first of three. Raises UsageError."""
    found = _FORM.fullmatch(text)
    if found is None or int(found[1]) > int(found[2]):
        raise UsageError(f"not a share of the work: {text!r}", 'write share = "1/3" for the first of three custodians')
    return Share(int(found[1]), int(found[2]))
