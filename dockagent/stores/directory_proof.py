"""Trying the promises of a store in a folder, as whoever owns it could break them."""

import hashlib
import io
from collections.abc import Callable

from dockagent.core.central import promise as pr
from dockagent.core.central.promise import Kept, broken, kept, not_asked
from dockagent.durable import Disk
from dockagent.errors import Permanent
from dockagent.stores import Conflict, Source, Store
from dockagent.stores.guard import Guard
from dockagent.stores.promises import Proof

_CANNOT = "this dock may not set it, or the file system has none"
_ELSEWHERE = {
    pr.REFUSES_STRANGERS: "who may write is for the file system's rights to say",
    pr.REFUSES_EARLY_END: "a folder knows no retention",
    pr.REFUSES_CUSTODIANS_NAMES: "whoever writes a folder writes any name in it",
    pr.STATES_CHECKSUMS: "a folder keeps no digests; every put is read back instead",
}


def prove(store: Store, disk: Disk, guard: Guard | None, scratch: str) -> Proof:
    """Try ``store``, which lies on ``disk``; what is tried lies below ``scratch`` and is removed again where that is
    possible. Raises Retryable where it cannot be used at all."""
    key = f"{scratch}/first"
    data = f"dockagent store check {scratch}\n".encode()
    stored = store.put(key, _source(data))
    found = [
        kept(pr.BYTES_COME_BACK, f"proof of the put: {stored.proof}"),
        _refused(pr.REFUSES_WRONG_HASH, Permanent, lambda: store.put(f"{scratch}/wrong", _lying(data))),
        _refused(pr.REFUSES_SECOND_WRITE, Conflict, lambda: store.put(key, _source(data + b"!"))),
        *_flagged(disk, guard, key),
        broken(pr.REFUSES_READ, "whoever writes a folder can read it"),
        *(not_asked(name, why) for name, why in _ELSEWHERE.items()),
    ]
    return Proof(store.url, "folder", tuple(found), scratch=scratch)


def _flagged(disk: Disk, guard: Guard | None, key: str) -> list[Kept]:
    """What keeps an object there: its flag, where that can be set. Removes it in the end."""
    if guard is None or not guard.keep(key):
        wanted = guard is not None and guard.immutable
        why = _CANNOT if wanted else "this dock sets none: immutable in [store] is off"
        disk.remove(key)
        return [broken(pr.REFUSES_DELETE, "the owner of the folder can remove it"), not_asked(pr.IMMUTABLE_FLAG, why)]
    try:
        disk.remove(key)
    except PermissionError as err:
        guard.release(key)
        disk.remove(key)
        return [
            kept(pr.REFUSES_DELETE, f"the system says: {err.strerror}; root can take the flag off"),
            kept(pr.IMMUTABLE_FLAG, "it is set on every object"),
        ]
    how = "the flag is set, and the object was removed"
    return [broken(pr.REFUSES_DELETE, how), broken(pr.IMMUTABLE_FLAG, how)]


def _refused(promise: str, how: type[Permanent], attack: Callable[[], object]) -> Kept:
    try:
        attack()
    except how as err:
        return kept(promise, f"refused: {err.what}"[:300])
    return broken(promise, "it was taken")


def _source(data: bytes) -> Source:
    return Source(len(data), hashlib.sha256(data).hexdigest(), lambda: io.BytesIO(data))


def _lying(data: bytes) -> Source:
    return Source(len(data), hashlib.sha256(b"other" + data).hexdigest(), lambda: io.BytesIO(data))
