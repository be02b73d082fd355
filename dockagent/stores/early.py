"""What a store may offer besides: to take the first parts of an object while the rest is still being read.

Nothing that is sent this way is an object, and no reader sees it. The ordinary ``put`` of the same bytes under the same
key finds the parts, compares each with its digest, sends what is missing and makes them the object; a ``put`` of other
bytes does not use them.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from dockagent.stores import Source, Store


class EarlyUpload(Protocol):
    """Parts on their way to one key. Errors as those of ``Store.put``."""

    @property
    def count(self) -> int:
        """How many parts the store has, from the first on, as far as this upload knows."""
        ...

    @property
    def whole(self) -> bool:
        """Whether the store has all of them."""
        ...

    def send(self, known: Sequence[str]) -> int:
        """Have the store hold the first parts, whose digests (SHA-256, hex) are ``known``; how many went out. Safe to
        repeat: what the store has is not sent again."""
        ...


@runtime_checkable
class EarlyStore(Store, Protocol):
    """A :class:`dockagent.stores.Store` that takes parts early. ``part_size``: bytes of each."""

    @property
    def part_size(self) -> int: ...

    def early(self, key: str, source: Source, progress: Callable[[int], None]) -> EarlyUpload:
        """An upload to ``key``; nothing is sent yet. ``source`` states the size and the digest that the object is to
        have; its readers give as much as is there. ``progress`` as for ``put``."""
        ...

    def drop_early(self, key: str) -> None:
        """Throw away parts that were sent to ``key`` and not made an object; none is fine, too."""
        ...
