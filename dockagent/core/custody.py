"""Custody records: an event with who, what, when, where, why and how around it, as one canonical JSON object.

The field groups follow ISO/IEC 27037's and the NIST definition's questions. The bytes made here are what the dock
signs and what becomes a leaf of the ledger; nothing re-serialises them afterwards.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from dockagent.core import mistake, strict_json
from dockagent.core.acts import DONE
from dockagent.core.central import store_table
from dockagent.core.events import AnyEvent, Delivered, Event, PersonsAct, Transferred
from dockagent.core.model import Clip, Session, State
from dockagent.core.moment import Instant, parse_rfc3339, rfc3339
from dockagent.core.permits import policy
from dockagent.core.session import advance
from dockagent.errors import Refused

SCHEMA = "urn:dockagent:record:1"
POLICY = "keep/1"  # nothing is erased from a camera
ERASES = "permit/1"  # what a valid permit names is erased; core/permits/erasing.py says what else has to be true
_FAILURES = frozenset(
    {
        *("acquire.failed", "checkpoint.failed", "clip.failed", "disclose.failed", "session.failed"),
        *("erase.failed", "permit.refused"),
    }
)


@dataclass(frozen=True, slots=True)
class Setting:
    """What is the same in every record of one run of one dock. ``origin`` names the ledger; ``policy``: the rule in
    force for what is on cameras."""

    origin: str
    dock: str
    site: str
    responsible: str
    version: str
    config_sha256: str
    policy: str = policy.KEEP


def record(event: Event, index: int, at: Instant, setting: Setting, state: State) -> bytes:
    """The payload of ledger entry ``index`` (canonical JSON, RFC 8785)."""
    what: dict[str, Any] = msgspec.to_builtins(event)
    kind = what.pop("type")
    session = state.session(what.get("session", ""))
    failed = kind in _FAILURES or what.get("outcome", DONE) != DONE
    clip = state.clips.get(what.get("clip_id", ""))
    place = session or (state.session(clip.session) if clip else None)
    return strict_json.canonical(
        {
            "schema": SCHEMA,
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{setting.origin}/{index}")),
            "index": index,
            "type": kind,
            "who": _who(event, setting),
            "what": what,
            "item": _item(clip, session),
            "when": {
                "utc": rfc3339(at.utc_ms),
                "boot": at.boot_id,
                "mono_us": at.mono_us,
                "clock": {"source": at.source, "offset_ms": at.offset_ms, "uncertainty_ms": at.uncertainty_ms},
            },
            "where": {
                "site": setting.site,
                "dock": setting.dock,
                "bay": what.get("bay") or (place.bay if place else ""),
                "port": what.get("port") or (place.port if place else ""),
            },
            "why": _why(event, kind, setting),
            "how": {
                "tool": "dockagent",
                "version": setting.version,
                "config_sha256": setting.config_sha256,
                "profile_sha256": place.profile_sha256 if place else "",
            },
            "outcome": "failure" if failed else "success",
            "errors": [what["reason"]] if failed else [],
            "links": {**_links(what), **_rests_on(event, state)},
        }
    )


def _who(event: Event, setting: Setting) -> dict[str, Any]:
    """The software acts for itself and signs; for a person's act it says how it knows the person."""
    if isinstance(event, PersonsAct):
        actor = event.actor
        return {
            "actor": "person",
            "id": actor.name,
            "known_by": actor.known_by,
            "uid": actor.uid,
            "responsible": setting.responsible,
        }
    return {
        "actor": "software",
        "id": setting.dock,
        "known_by": "record key",
        "responsible": setting.responsible,
    }


def _why(event: Event, kind: str, setting: Setting) -> dict[str, Any]:
    if not isinstance(event, PersonsAct):
        return {"purpose": "collection of footage", "policy": setting.policy, "authority": setting.responsible}
    grounds = event.grounds
    return {
        "purpose": grounds.purpose or kind,
        "policy": setting.policy,
        "basis": grounds.basis,
        "authority": grounds.authority,
        "recipient": grounds.recipient,
    }


def _item(clip: Clip | None, session: Session | None) -> dict[str, Any]:
    """Which piece of evidence a record is about: its camera, and its clip as it was before this event."""
    if clip is not None:
        return {
            "camera": clip.camera,
            "clip": clip.id,
            "path": clip.path,
            "bytes": clip.bytes,
            "sha256": clip.sha256,
        }
    return {"camera": session.camera.id} if session and session.camera else {}


def _links(what: dict[str, Any]) -> dict[str, str]:
    return {name: what[key] for name, key in (("session", "session"), ("clip", "clip_id")) if what.get(key)}


def _rests_on(event: Event, state: State) -> dict[str, str]:
    """By which check of its store a receipt is to be judged: the number of that record."""
    if not isinstance(event, Delivered | Transferred):
        return {}
    receipt = event.receipt if isinstance(event, Delivered) else next(iter(event.receipts), None)
    checked = store_table.newest(state, receipt.store) if receipt else -1
    return {"store_check": str(checked)} if checked >= 0 else {}


def replay(payloads: Iterable[bytes], state: State) -> None:
    """Take a ledger's records into ``state``, oldest first. Raises Refused for one that cannot follow."""
    for index, payload in enumerate(payloads):
        event, at_ms = event_of(payload, index)
        advance(state, event, at_ms)


def event_of(payload: bytes, index: int | None = None) -> tuple[Event, int]:
    """The event that a record holds and its time (ms since 1970 UTC). Raises Refused for a record that is none, and
    for one that says that it is another than ``index``."""
    raw = strict_json.parse(payload)
    try:
        if raw["schema"] != SCHEMA:
            raise Refused(f"record of an unknown schema {raw['schema']!r}; a newer dockagent wrote it")
        if index not in (None, raw["index"]):
            raise Refused(
                f"record {index} of the ledger says that it is record {raw['index']}: some were taken out or put in",
                "do not continue: keep this folder as it is",
            )
        event: Event = msgspec.convert({**raw["what"], "type": raw["type"]}, AnyEvent)
        return event, parse_rfc3339(raw["when"]["utc"])
    except msgspec.ValidationError as err:
        raise Refused(f"not a custody record: {mistake.in_form(err)}") from err
    except (KeyError, TypeError, ValueError) as err:
        raise Refused("not a custody record: it has not the members of one") from err
