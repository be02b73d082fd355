"""The custodian's receipt for a stored clip: an in-toto Statement v1 in a DSSE envelope, ``receipt.json`` beside the
master, ``predicateType`` ``urn:dockagent:store-receipt:1``. Where something that he did not sign lies under that name,
it is ``receipt.2.json``, and so on: a name says nothing, the signature does.

Its one subject is the stored master by key and SHA-256. The predicate says what the custodian saw when it read every
byte back from storage: sizes, digests, versions, retention, legal hold, and under which checkpoint of the dock's
published ledger the clip's record stands. A receipt that has findings is no ground for a permit.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from dockagent.core import mistake, strict_json
from dockagent.core.central.custodian_key import CustodianKey, signed_payload
from dockagent.core.moment import parse_rfc3339
from dockagent.errors import Refused

PREDICATE = "urn:dockagent:store-receipt:1"
FILE = "receipt.json"
STORAGE = "storage"  # what was read: the stored object itself, every byte
ON, OFF, UNKNOWN = "on", "off", "unknown"
_STATEMENT = "https://in-toto.io/Statement/v1"
_MOST = 4 << 20  # bytes; one line for each object of a folder
_PERMIT = re.compile(r"permit(?:\.([2-9]|[1-9]\d{1,3}))?\.json")
_AUDIT = re.compile(r"audit\.([1-9]\d{0,5})\.json")
_RECEIPT = re.compile(r"receipt(\.[0-9a-f]{8})?(?:\.([2-9]))?\.json")
MOST_NAMES = 9
"""Under so many names a receipt may lie, so that what others put under the first ones does not keep it out."""

_Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
_Size = Annotated[int, msgspec.Meta(ge=0)]
_Time = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z\Z")]


class Held(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One object beside the master, read back too: its name below the clip's folder, bytes, SHA-256 (hex), version."""

    name: str
    bytes: _Size
    sha256: _Sha256
    version: str = ""


class Retention(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What keeps the master from being deleted, as the store stated it. ``mode``: ``COMPLIANCE`` or ``GOVERNANCE``
    (S3 Object Lock), ``IMMUTABLE`` (a file's attribute), or empty for nothing; ``until``: RFC 3339, or empty."""

    mode: str = ""
    until: str = ""

    @property
    def until_ms(self) -> int:
        """The end in ms since 1970 UTC; 0 where none is stated."""
        return parse_rfc3339(self.until) if self.until else 0


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A checkpoint of the dock's ledger: its ``origin``, ``size``, ``root`` (hex); ``entry``: the number of the record
    under it that admits the clip with exactly this clip record."""

    origin: str
    size: _Size
    root: _Sha256
    entry: _Size


class StoreReceipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a receipt says. ``store``, ``key``, ``version``, ``etag``, ``bytes``, ``sha256``: of the stored master, by
    the custodian's own reading (``read``); ``chunk_root``: RFC 6962 root (hex) over its 1 MiB chunks.

    ``clip_id``, ``camera``, ``clip_bytes``, ``clip_sha256``: the bytes that the dock read from the camera; for a clip
    that is not sealed they are those of the master, for a sealed one the dock's signed word. ``record``: the clip
    record that was checked; ``objects``: what else lies there. ``legal_hold``: on, off or unknown. ``checkpoint``: None
    where the dock's ledger did not show the record in time. ``quarantine``: why the dock keeps the clip apart, or
    empty. ``findings``: what a person should know. ``time``: when it was read back, by ``custodian``'s clock.
    """

    store: str
    key: str
    version: str
    etag: str
    bytes: _Size
    sha256: _Sha256
    chunk_root: _Sha256
    clip_id: str
    camera: str
    clip_bytes: _Size
    clip_sha256: _Sha256
    record: Held
    objects: tuple[Held, ...]
    retention: Retention
    legal_hold: str
    checkpoint: Seen | None
    quarantine: str
    findings: tuple[str, ...]
    custodian: str
    time: _Time
    read: str = STORAGE

    @property
    def time_ms(self) -> int:
        """When, in ms since 1970 UTC."""
        return parse_rfc3339(self.time)


def name_for(master: str, number: int = 1) -> str:
    """What the receipt for an object ``master``, ``master.age`` or ``master.<8 hex>.age`` is called: a clip that was
    sealed twice has two masters, and each has its own. ``number``: 1 to :data:`MOST_NAMES`; it lies under a later name
    where what lies under the ones before is nobody's receipt."""
    middle = master.split(".")[1:-1]
    return ".".join(("receipt", *middle[:1], *([str(number)] if number > 1 else []), "json"))


def is_name(name: str) -> bool:
    """Whether an object of a clip's folder is a receipt, by its name."""
    return _RECEIPT.fullmatch(name) is not None


def number_of(name: str) -> int:
    """The number in a receipt's name, counted from 1; 0 for what is none."""
    found = _RECEIPT.fullmatch(name)
    return 0 if found is None else int(found[2] or 1)


def stands_for(name: str) -> str:
    """The first name that a receipt of this name could have had."""
    found = _RECEIPT.fullmatch(name)
    return f"receipt{found[1] or ''}.json" if found else name


def is_permit(name: str) -> bool:
    """Whether an object of a clip's folder is a permit, by its name: the first one, or one that renewed it."""
    return _PERMIT.fullmatch(name) is not None


def permit_name(number: int) -> str:
    """What the permit of this number is called, counted from 1."""
    return "permit.json" if number == 1 else f"permit.{number}.json"


def permit_number(name: str) -> int:
    """The number in a permit's name; 0 for what is none."""
    found = _PERMIT.fullmatch(name)
    return 0 if found is None else int(found[1] or 1)


def is_audit(name: str) -> bool:
    """Whether an object of a clip's folder is the note of an audit, by its name."""
    return audit_number(name) > 0


def audit_number(name: str) -> int:
    """The number in an audit's name, counted from 1; 0 for what is none."""
    found = _AUDIT.fullmatch(name)
    return 0 if found is None else int(found[1])


def statement(receipt: StoreReceipt) -> bytes:
    """The payload to be signed (RFC 8785). Raises Refused for what has no such form."""
    return strict_json.canonical(
        {
            "_type": _STATEMENT,
            "subject": [{"name": receipt.key, "digest": {"sha256": receipt.sha256}}],
            "predicateType": PREDICATE,
            "predicate": msgspec.to_builtins(receipt),
        }
    )


def read(data: bytes, keys: Sequence[CustodianKey]) -> StoreReceipt:
    """The receipt in an envelope that one of ``keys`` signed. Raises Refused, with the reason, for anything that is not
    exactly one; whether it speaks of the right clip is the caller's question."""
    if len(data) > _MOST:
        raise Refused(f"a receipt has at most {_MOST} bytes, this one {len(data)}")
    payload, key = signed_payload(data, keys, "the receipt")
    raw = strict_json.parse(payload)
    if not isinstance(raw, dict) or raw.get("_type") != _STATEMENT or raw.get("predicateType") != PREDICATE:
        raise Refused(f"the statement is not a custodian's receipt ({PREDICATE})")
    receipt = _convert(raw.get("predicate"))
    if raw.get("subject") != [{"name": receipt.key, "digest": {"sha256": receipt.sha256}}]:
        raise Refused("the receipt contradicts itself: its subject is not the master that it describes")
    if receipt.custodian != key.name:
        raise Refused(f"the receipt names custodian {receipt.custodian[:64]!r}, but the key of {key.name!r} signed it")
    return receipt


def _convert(raw: Any) -> StoreReceipt:
    try:
        receipt = msgspec.convert(raw, StoreReceipt)
        _ = receipt.time_ms, receipt.retention.until_ms
    except msgspec.ValidationError as err:
        raise Refused(f"the receipt is malformed: {mistake.in_form(err)}") from err
    except ValueError as err:
        raise Refused("the receipt is malformed: a time in it is none") from err
    if receipt.legal_hold not in (ON, OFF, UNKNOWN) or receipt.read != STORAGE:
        raise Refused("the receipt does not say whether there is a hold, or that storage was read")
    return receipt
