"""Ask the custodian for receipts of what was delivered, and hold each against what was read from the camera."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from dockagent.core import events as ev
from dockagent.core.central import custodian_key, custodian_table, store_receipt
from dockagent.core.central.custodian_state import CustodianWord
from dockagent.core.central.custodian_table import Wanted
from dockagent.core.central.store_receipt import StoreReceipt
from dockagent.core.events.custodian import CustodianAsked, CustodianReceived, CustodianRefuted
from dockagent.errors import Missing, Refused, Retryable, UsageError
from dockagent.ledger.custodian_peer import Counterparty, Fetch, fetch_http
from dockagent.steps.world import World
from dockagent.stores.shelf import Absent, Shelf

_MOST = 4 << 20
_LONGEST = 500  # characters of a reason


def ask(world: World, wanted: Sequence[Wanted]) -> tuple[ev.Event, ...]:
    """What came of asking about these clips: for one whose key is taken a good receipt is its delivery too. A custodian
    who is away is asked about the others later."""
    if world.custodian is None:
        raise Missing("no custodian is named", "name one in [custodian]")
    events, reason, tried, found = list[ev.Event](), "", 0, 0
    for one in wanted:
        tried += 1
        try:
            data = _fetch(world.custodian, one)
        except Retryable as err:
            reason = str(err)[:_LONGEST]
            break
        if data is not None:
            events += _judge(world.custodian, one, data)
            found += 1
    return (*events, CustodianAsked(tried, found, reason))


def _fetch(custodian: Counterparty, one: Wanted) -> bytes | None:
    folder, _, master = one.key.rpartition("/")
    return custodian.fetch("receipts", one.clip_id, folder, store_receipt.name_for(master))


def _judge(custodian: Counterparty, one: Wanted, data: bytes) -> Iterator[ev.Event]:
    digest = hashlib.sha256(data).hexdigest()
    try:
        said = store_receipt.read(data, custodian.keys)
        custodian_table.check_word(said, one)
    except Refused as err:
        reason = f"the custodian's receipt for this clip is false: {err.what}"[:_LONGEST]
        yield CustodianRefuted(one.clip_id, digest, reason)
        return
    key_id = next(key.key_id for key in custodian.keys if key.name == said.custodian)
    if one.store:
        yield custodian_table.delivery(said, one)
    yield CustodianReceived(one.clip_id, _word(said, digest, key_id))


def _word(said: StoreReceipt, digest: str, key_id: str) -> CustodianWord:
    return CustodianWord(
        sha256=digest,
        custodian=said.custodian,
        key_id=key_id,
        key=said.key,
        version=said.version,
        mode=said.retention.mode,
        until=said.retention.until,
        legal_hold=said.legal_hold,
        ledger_size=said.checkpoint.size if said.checkpoint else 0,
        time=said.time,
        findings=tuple(one[:_LONGEST] for one in said.findings[:10]),
    )


class Named(Protocol):
    """A dock's ``[custodian]``, as configured."""

    @property
    def keys(self) -> tuple[str, ...]: ...
    @property
    def url(self) -> str: ...
    @property
    def ca_file(self) -> str: ...
    @property
    def client_cert(self) -> str: ...
    @property
    def client_key(self) -> str: ...
    @property
    def timeout_s(self) -> int: ...


def counterparty(named: Named, shelf: Callable[[], Shelf]) -> Counterparty | None:
    """The custodian who is ``named``, asked at his address, or, with none, read from ``shelf``; None where nobody is.
    Raises UsageError."""
    if not named.keys:
        if named.url:
            raise UsageError("[custodian] has a url and no keys", "take the line from `dockagent custodian keys`")
        return None
    try:
        keys = tuple(custodian_key.parse(line) for line in named.keys)
    except Refused as err:
        raise UsageError(f"keys of [custodian]: {err.what}", "take them from `dockagent custodian keys`") from err
    if named.url:
        client = named.client_cert, named.client_key
        return Counterparty(keys, fetch_http(named.url, named.timeout_s, named.ca_file, client))
    return Counterparty(keys, fetch_shelf(shelf()))


def fetch_shelf(shelf: Shelf) -> Fetch:
    """From the store itself, where this dock may read it."""

    def fetch(kind: str, clip_id: str, folder: str, name: str) -> bytes | None:
        if kind != "permits":
            return read(folder, name)
        newest, number = None, 1  # a permit that ran out is renewed under the next number
        while (data := read(folder, store_receipt.permit_name(number))) is not None:
            newest, number = data, number + 1
        return newest

    def read(folder: str, name: str) -> bytes | None:
        file = shelf.file(f"{folder}/{name}")
        if file is not None and not file.is_file():
            return None
        try:
            with shelf.open(f"{folder}/{name}") as source:
                data = b"".join(iter(lambda: source.read(1 << 20), b""))
        except Absent:
            return None
        except Missing as err:
            raise Retryable(f"the custodian's word cannot be read: {err.what}", "set url in [custodian]") from err
        return data[: _MOST + 1]

    return fetch
