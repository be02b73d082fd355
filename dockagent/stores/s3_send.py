"""Sending one body, and what the store's first no may mean."""

from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import ClientError

from dockagent.stores.s3_errors import code, status
from dockagent.stores.s3_window import Window

Answer = TypeVar("Answer")
# What stores say of bytes that are not those that were signed. Ceph 20 says the first, which may as well be about the
# credential; Ceph 16 the second.
_OTHER_BYTES = frozenset(("AccessDenied", "XAmzContentSHA256Mismatch", "BadDigest"))


def send(window: Window, request: Callable[[], Answer]) -> Answer:
    """Have ``request`` send ``window``. Where the store may mean that other bytes came than were signed, they are read
    once more, which tells whose fault it was; a ``403`` is then asked again, because a bad line looks like a bad
    credential. Raises Permanent for a source that is not what it said, what reading it raises, botocore's errors."""
    try:
        with window.own_failures():
            return request()
    except ClientError as err:
        if code(err) not in _OTHER_BYTES:
            raise
        window.hold_to_word()
        if status(err) != 403:
            raise
    window.seek(0)
    with window.own_failures():
        return request()
