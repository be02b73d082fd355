"""The custodian's note on one hold of a dock's ledger: an in-toto Statement v1 in a DSSE envelope, ``predicateType``
``urn:dockagent:custodian-hold:1``, below ``custodian/holds/<clip>/`` in the store.

``<dock>.<record>.set.json`` and ``….cleared.json`` say what was done about it, object by object, and are final.
``<dock>.<record>.refused.<number>.json`` says why the store could not be told of it; it is tried again, so the newest
one counts, and none of them once the final one is there.
"""

import re
from collections.abc import Iterable, Sequence

import msgspec

from dockagent.core import mistake, strict_json
from dockagent.core.central.custodian_key import CustodianKey, signed_payload
from dockagent.core.central.store_receipt import ON
from dockagent.core.moment import parse_rfc3339
from dockagent.errors import Refused

PREDICATE = "urn:dockagent:custodian-hold:1"
FOLDER = "custodian/holds/"
MOST = 1 << 20  # bytes of an envelope
MOST_REFUSALS = 99  # notes that say why not, for one hold; the last one stands
_WHICH = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,63})\.(\d{15})")
_REFUSED = re.compile(r"refused\.([1-9]\d?)\.json")


class Held(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was done about one object of a clip: its name and version, and its legal hold ``before`` and ``now``."""

    name: str
    version: str
    before: str
    now: str


class HoldNote(msgspec.Struct, frozen=True):
    """What a note says about the hold that record ``hold`` of the ledger of ``dock`` set; ``cleared``: about its end.
    ``by_dock``: the dock had asked for a legal hold when it delivered. ``refused``: why the store could not be told, or
    empty. ``custodian`` looked at ``time`` (RFC 3339) into ``store``."""

    clip_id: str
    dock: str
    hold: int
    cleared: bool
    by_dock: bool
    objects: tuple[Held, ...]
    custodian: str
    store: str
    time: str
    refused: str = ""

    @property
    def keeps(self) -> bool:
        """Whether it says that the store keeps all that docks put there."""
        return not (self.cleared or self.refused) and bool(self.objects) and all(one.now == ON for one in self.objects)


def which(dock: str, hold: int) -> str:
    """How the notes on one hold are named, before their kind."""
    return f"{dock}.{hold:015d}"


def is_which(name: str) -> bool:
    """Whether notes may be named so."""
    return _WHICH.fullmatch(name) is not None


def final(named: str, *, cleared: bool = False) -> str:
    """The name of the note that it was done; ``named`` by :func:`which`."""
    return f"{named}.{'cleared' if cleared else 'set'}.json"


def refusal(named: str, number: int) -> str:
    """The name of the note with this number, counted from 1, that it could not be done; ``named`` by :func:`which`."""
    return f"{named}.refused.{number}.json"


def refusals(named: str, names: Iterable[str]) -> int:
    """The largest number of such a note among ``names``; 0 where there is none."""
    found = (_REFUSED.fullmatch(name.removeprefix(f"{named}.")) for name in names if name.startswith(f"{named}."))
    return max((int(one[1]) for one in found if one is not None), default=0)


def read(data: bytes, keys: Sequence[CustodianKey]) -> HoldNote:
    """The note in an envelope that one of ``keys`` signed. Raises Refused, with the reason, for anything else; whether
    it speaks of the right hold is the caller's question."""
    if len(data) > MOST:
        raise Refused(f"a note about a hold has at most {MOST} bytes, this one {len(data)}")
    payload, key = signed_payload(data, keys, "the note about the hold")
    said = strict_json.parse(payload)
    if not isinstance(said, dict) or said.get("predicateType") != PREDICATE:
        raise Refused(f"the statement is no custodian's note about a hold ({PREDICATE})")
    try:
        note = msgspec.convert(said.get("predicate"), HoldNote)
        parse_rfc3339(note.time)
    except msgspec.ValidationError as err:
        raise Refused(f"the note about the hold is malformed: {mistake.in_form(err)}") from err
    except ValueError as err:
        raise Refused("the note about the hold is malformed: its time is none") from err
    if note.custodian != key.name:
        raise Refused(f"the note names custodian {note.custodian[:64]!r}, but the key of {key.name!r} signed it")
    return note
