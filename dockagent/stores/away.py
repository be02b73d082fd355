"""A store that is not there when the dock starts: looked for again at every put, while cameras are drained."""

from collections.abc import Callable, Sequence

from dockagent.errors import DockError, Permanent, Retryable
from dockagent.stores import Source, Store, Stored
from dockagent.stores.promises import Credential, Proof, Prover


class AwayStore:
    """Stands for the store at ``url`` until ``open_it`` succeeds, which raises OSError for as long as it does not."""

    def __init__(self, url: str, open_it: Callable[[], Store]) -> None:
        self.url = url
        self._open_it = open_it
        self._store: Store | None = None

    def put(self, key: str, source: Source, progress: Callable[[int], None] | None = None) -> Stored:
        """As :class:`dockagent.stores.Store` says; Retryable while the store is away."""
        return self._there().put(key, source, progress)

    def replace(self, key: str, data: bytes) -> Stored:
        """As :class:`dockagent.stores.Store` says; Retryable while the store is away."""
        return self._there().replace(key, data)

    def stat(self, key: str) -> Stored | None:
        """As :class:`dockagent.stores.Store` says; Retryable while the store is away."""
        return self._there().stat(key)

    def check(self) -> Sequence[str]:
        """What is wrong with the store: first of all that it is away."""
        try:
            return self._there().check()
        except DockError as err:
            return [str(err)]

    def prove(self, scratch: str, admin: Credential | None = None) -> Proof:
        """As :class:`dockagent.stores.promises.Prover` says; Retryable while the store is away."""
        store = self._there()
        if not isinstance(store, Prover):
            raise Permanent(f"the promises of {self.url} cannot be tried", "ask who runs it")
        return store.prove(scratch, admin)

    def _there(self) -> Store:
        if self._store is None:
            try:
                self._store = self._open_it()
            except OSError as err:
                reason = f"cannot use the store {self.url}: {err.strerror or err}"
                raise Retryable(reason, "mount it, make it, or give another --store") from err
        return self._store
