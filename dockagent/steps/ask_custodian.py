"""Ask the custodian for receipts of what was delivered, and hold each against what was read from the camera."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from dockagent.core import events as ev
from dockagent.core.central import custodian_key, custodian_table, hold_note, store_receipt
from dockagent.core.central.custodian_state import CustodianWord
from dockagent.core.central.custodian_table import Wanted
from dockagent.core.central.store_receipt import StoreReceipt
from dockagent.core.events.custodian import CustodianAsked, CustodianReceived, CustodianRefuted
from dockagent.core.proof import dsse
from dockagent.errors import Missing, Refused, Retryable, UsageError
from dockagent.ledger.custodian_peer import Counterparty, Fetch, fetch_http
from dockagent.steps.world import World
from dockagent.stores.shelf import Absent, Shelf

_MOST = 4 << 20
_LONGEST = 500  # characters of a reason
MOST_UNSIGNED = 3
"""Answers that nobody signed, for as many clips or holds: then it is no custodian who answers."""


def ask(world: World, wanted: Sequence[Wanted]) -> tuple[ev.Event, ...]:
    """What came of asking about these clips: for one whose key is taken a good receipt is its delivery too. A custodian
    who is away is asked about the others later."""
    if world.custodian is None:
        raise Missing("no custodian is named", "name one in [custodian]")
    events, reason, tried, found, unsigned = list[ev.Event](), "", 0, 0, 0
    for one in wanted:
        if unsigned >= MOST_UNSIGNED:
            break
        tried += 1
        try:
            answer = _answer(world.custodian, one)
        except Retryable as err:
            reason = str(err)[:_LONGEST]
            break
        if isinstance(answer, _Nothing):
            reason, unsigned = answer.why or reason, unsigned + bool(answer.why)
        else:
            events += _judge(world.custodian, one, answer)
            found += 1
    return (*events, CustodianAsked(tried, found, reason))


@dataclass(frozen=True, slots=True)
class _Nothing:
    """No receipt came; ``why``: what did, or empty."""

    why: str = ""


@dataclass(frozen=True, slots=True)
class _Answer:
    """``data``: an envelope, and the receipt in it; or why it is false, though it is one: that is an alarm."""

    data: bytes
    receipt: StoreReceipt | Refused


def _answer(custodian: Counterparty, one: Wanted) -> _Answer | _Nothing:
    """What the custodian says of a clip: his receipt is under the first name where something lies that he signed. What
    is no envelope at all says nothing, whoever gave it: a portal's page, an answer that was cut off, what somebody put
    there. Raises Retryable."""
    folder, _, master = one.key.rpartition("/")
    false, nothing = None, _Nothing()
    for number in range(1, store_receipt.MOST_NAMES + 1):
        name = store_receipt.name_for(master, number)
        data = custodian.fetch("receipts", one.clip_id, folder, name)
        if data is None:
            break
        try:
            return _Answer(data, store_receipt.read(data, custodian.keys))
        except Refused as err:
            if why := nothing_signed(data, f"{folder}/{name}"):
                nothing = _Nothing(why)
            else:
                false = false or _Answer(data, err)
    return false or nothing


def nothing_signed(data: bytes, name: str) -> str:
    """Why what came for ``name`` says nothing at all, whoever gave it; empty where it is an envelope, by whomever."""
    try:
        dsse.parse(data)
    except Refused as err:
        return f"what came for {name} is nothing signed, and is asked for again: {err.what}"[:_LONGEST]
    return ""


def _judge(custodian: Counterparty, one: Wanted, answer: _Answer) -> Iterator[ev.Event]:
    said, digest = answer.receipt, hashlib.sha256(answer.data).hexdigest()
    try:
        if isinstance(said, Refused):
            raise said
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
    def client_cert_file(self) -> str: ...
    @property
    def client_key_file(self) -> str: ...
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
        client = named.client_cert_file, named.client_key_file
        return Counterparty(keys, fetch_http(named.url, named.timeout_s, named.ca_file, client), door=True)
    return Counterparty(keys, fetch_shelf(shelf()))


def fetch_shelf(shelf: Shelf) -> Fetch:
    """From the store itself, where this dock may read it."""

    def fetch(kind: str, clip_id: str, folder: str, name: str) -> bytes | None:
        if kind == "holds":
            return note(f"{hold_note.FOLDER}{clip_id}", name)
        if kind != "permits":
            return read(folder, name)
        newest, number = None, 1  # a permit that ran out is renewed under the next number
        while (data := read(folder, store_receipt.permit_name(number))) is not None:
            newest, number = data, number + 1
        return newest

    def note(folder: str, named: str) -> bytes | None:
        done, newest, number = read(folder, hold_note.final(named)), None, 1
        while done is None and (data := read(folder, hold_note.refusal(named, number))) is not None:
            newest, number = data, number + 1
        return newest if done is None else done

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
