"""Opening an evidence system by its connection file."""

import uuid
from collections.abc import Callable, MutableMapping
from pathlib import Path

from dockagent.clock import Clock
from dockagent.errors import UsageError
from dockagent.stores import Store
from dockagent.stores.swift_axis import AxisStore
from dockagent.stores.swift_binding import System
from dockagent.stores.swift_connection import MOST, parse
from dockagent.stores.swift_settings import AXIS, SwiftSettings


def open_axis(
    url: str,
    settings: SwiftSettings,
    clock: Clock,
    known: MutableMapping[str, str] | None,
    open_beside: Callable[[str], Store],
) -> Store:
    """The evidence system whose connection file ``url`` names (``swift+axis:///FILE``). ``known`` keeps its
    ConnectionId; ``open_beside`` opens the store for all that is no footage. Raises UsageError."""
    path = Path(url.removeprefix(f"{AXIS}://"))
    if not path.is_absolute():
        raise UsageError(f"not a connection file: {url!r}", f"give an absolute path: {AXIS}:///FILE")
    if not settings.beside or settings.beside.startswith(f"{AXIS}:"):
        raise UsageError(
            f"{url} has no store beside it for records and ledgers", "set beside in [swift]: file://, s3:// or swift://"
        )
    try:
        system = System(str(uuid.UUID(settings.system_id)), settings.system_name)
    except ValueError as err:
        raise UsageError(
            f"not a system_id: {settings.system_id!r}", "set system_id in [swift] to a new UUID (uuidgen), and keep it"
        ) from err
    try:
        with path.open("rb") as file:
            data = file.read(MOST + 1)
    except OSError as err:
        raise UsageError(f"cannot read the connection file {path}: {err.strerror}", "check the store's URL") from err
    beside = open_beside(settings.beside)
    return AxisStore(url, parse(data, str(path)), settings, system, beside, clock, {} if known is None else known)
