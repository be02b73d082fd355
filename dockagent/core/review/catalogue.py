"""The catalogue in the store: for each clip of each dock one line of JSON, flat and typed, for DuckDB and its like.

A line is a member of the signed clip record, with the digest of that record added; so nobody alters one unseen, and
whoever has the record makes the line again. A dock that signs a record anew makes another line; another dock that
delivers the same clip has one under its own name.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dockagent.core import plan, strict_json
from dockagent.core.model import Clip
from dockagent.core.moment import rfc3339
from dockagent.core.proof import dsse
from dockagent.errors import Refused

MEMBER = "catalogue"  # of the clip record's predicate: {"key": where the line lies, "line": all but RECORD}
RECORD = "record_sha256"
COLUMNS: dict[str, str] = {
    **dict.fromkeys(("clip_id", "dock", "site", "bay", "camera", "maker", "model"), "VARCHAR"),
    **dict.fromkeys(("officer", "officer_by", "category", "category_by"), "VARCHAR"),
    "marked": "BOOLEAN",
    "marked_by": "VARCHAR",
    **dict.fromkeys(("recording", "role", "path", "belongs_to"), "VARCHAR"),
    "start": "TIMESTAMPTZ",
    "start_by": "VARCHAR",
    "zone": "VARCHAR",
    **dict.fromkeys(("file_time", "docked", "acquired"), "TIMESTAMPTZ"),
    "bytes": "BIGINT",
    **dict.fromkeys(("sha256", "sealed_sha256", "chunk_root"), "VARCHAR"),
    **dict.fromkeys(("intact", "signature", "signer", "time", "complete", "quarantine"), "VARCHAR"),
    **dict.fromkeys(("folder", "ledger"), "VARCHAR"),
    "acquire_entry": "BIGINT",
    RECORD: "VARCHAR",
}
"""Every column and its SQL type. docs/review.md says what each means."""


@dataclass(frozen=True, slots=True)
class Cataloguer:
    """Who writes the lines: the dock, its station, and the origin of its ledger."""

    id: str
    site: str
    origin: str


def member(clip: Clip, dock: Cataloguer) -> dict[str, Any]:
    """What the clip record says for the catalogue."""
    return {"key": plan.catalogue_key(clip, dock.id), "line": _line(clip, dock)}


def line(record: bytes) -> tuple[str, bytes] | None:
    """Key and bytes of the line that a clip record (a DSSE envelope) calls for; None for one from before there was a
    catalogue. Raises Refused for what is no record."""
    statement = strict_json.parse(dsse.parse(record).payload)
    predicate = statement.get("predicate") if isinstance(statement, dict) else None
    if not isinstance(predicate, dict):
        raise Refused("the clip record has no predicate")
    if MEMBER not in predicate:
        return None
    said = predicate[MEMBER]
    if not isinstance(said, dict) or not isinstance(said.get("key"), str) or not isinstance(said.get("line"), dict):
        raise Refused("what the clip record says for the catalogue is not a key and a line")
    _agrees(said["line"], predicate, statement)
    whole = {**said["line"], RECORD: hashlib.sha256(record).hexdigest()}
    return said["key"], strict_json.canonical(whole) + b"\n"


def again(key: str, data: bytes) -> str:
    """Where a line goes whose key is taken by another of the same dock: its record had to be signed a second time."""
    return f"{key.removesuffix('.ndjson')}.{hashlib.sha256(data).hexdigest()[:8]}.ndjson"


def _line(clip: Clip, dock: Cataloguer) -> dict[str, Any]:
    about, says = clip.about, clip.verdicts
    return {
        "clip_id": clip.id,
        "dock": dock.id,
        "site": dock.site,
        "bay": about.bay,
        "camera": clip.camera,
        "maker": about.maker,
        "model": about.model,
        "officer": about.officer,
        "officer_by": about.officer_by,
        "category": about.category,
        "category_by": about.category_by,
        "marked": about.marked,
        "marked_by": about.marked_by,
        "recording": clip.recording,
        "role": clip.role,
        "path": clip.path,
        "belongs_to": clip.belongs_to,
        "start": _time(about.start_ms),
        "start_by": about.start_by,
        "zone": about.zone,
        "file_time": _time(clip.mtime_ms),
        "docked": _time(about.docked_ms),
        "acquired": _time(clip.acquired_ms),
        "bytes": clip.bytes,
        "sha256": clip.sha256,
        "sealed_sha256": clip.stored[0].sha256 if clip.seal is not None else "",
        "chunk_root": clip.chunk_root,
        **{aspect: getattr(says, aspect) if says else "unknown" for aspect in _ASPECTS},
        "quarantine": clip.quarantine,
        "folder": plan.store_prefix(clip),
        "ledger": dock.origin,
        "acquire_entry": about.entry,
    }


_ASPECTS = ("intact", "signature", "signer", "time", "complete")


def _time(ms: int | None) -> str | None:
    """UTC with Z; None where there is none, or one that no calendar has (a camera can write any file time)."""
    try:
        return None if ms is None else rfc3339(ms)
    except (ValueError, OverflowError, OSError):
        return None


def _agrees(said: Mapping[str, Any], predicate: Mapping[str, Any], statement: Mapping[str, Any]) -> None:
    """The record must not say one thing of a clip and another in its line."""
    for name in ("clip_id", "camera", "path", "role", "recording", "belongs_to", "bytes", "dock", "ledger"):
        if said.get(name) != predicate.get(name):
            raise Refused(f"the clip record contradicts itself: its line for the catalogue has another {name}")
    subjects = statement.get("subject")
    listed = subjects if isinstance(subjects, list) else []
    master = [one for one in listed if isinstance(one, dict) and one.get("name") == "master"]
    if not master or master[0].get("digest") != {"sha256": said.get("sha256")}:
        raise Refused("the clip record contradicts itself: its line for the catalogue has another sha256")
