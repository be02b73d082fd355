"""Admit: sign the clip record, and fix where the clip goes. A clip in doubt goes to quarantine, whole and marked."""

import hashlib
import secrets
from collections.abc import Iterator
from typing import Any

import msgspec

from dockagent.core import events as ev
from dockagent.core import plan, seal_record, strict_json
from dockagent.core.disclosure import clip_fields
from dockagent.core.model import CHUNK, Clip, Thing
from dockagent.core.moment import rfc3339
from dockagent.core.movie.clip_samples import Measure
from dockagent.core.review import catalogue
from dockagent.errors import Permanent
from dockagent.steps.world import World

_NOT_FOOTAGE = Measure(why="byte tree only: it is not footage")
PREDICATE = "urn:dockagent:clip-record:1"


def admit(world: World, clip: Clip, store_check: int = -1) -> tuple[ev.Event, ...]:
    """Put clip, previews and signed record together in the spool (or in quarantine) for the uplink. ``store_check``:
    the ledger's entry with the newest check of the store that it goes to, or -1."""
    folder = plan.spool_folder(clip.id, clip.quarantine)
    if clip.quarantine:
        _move(world, clip, folder)
    statement = _statement(world, clip)
    if store_check >= 0:
        statement["predicate"]["store_check"] = store_check
    fields = clip_fields.fields_of(statement)
    salts = {name: secrets.token_hex(clip_fields.SALT) for name in fields}
    root = clip_fields.root(fields, salts)
    statement["predicate"][clip_fields.MEMBER] = {"root": root, "salts": salts}
    record = world.keys.sign_statement(strict_json.canonical(statement))
    world.disk.write(f"{folder}/record.json", record)
    digest = hashlib.sha256(record).hexdigest()
    prefix = plan.store_prefix(clip)
    # Its fields first: a batch that a power cut tore in between then does no harm, the clip is admitted again.
    shown = ev.ClipFields(root, len(fields))
    if clip.quarantine:
        return shown, ev.Quarantined(clip.id, prefix, digest, clip.quarantine)
    return shown, ev.Admitted(clip.id, prefix, digest)


def _move(world: World, clip: Clip, folder: str) -> None:
    """Move what is still in the spool: an earlier try may have moved some of it."""
    master, previews = clip.stored
    for name in (master.name, *(f"preview/{thing.name}" for thing in previews)):
        source = f"{plan.spool_folder(clip.id)}/{name}"
        if world.disk.size(source) is not None:
            world.disk.commit(source, f"{folder}/{name}")
        elif world.disk.size(f"{folder}/{name}") is None:
            raise Permanent(f"{name} of clip {clip.id} is not in the spool", "dock the camera again")


def _statement(world: World, clip: Clip) -> dict[str, Any]:
    """The clip record: an in-toto Statement v1 over the clip's objects in the store, and what is in the sealed ones."""
    things = [Thing("master", clip.bytes, clip.sha256), *_beside(world, clip), *seal_record.things(clip)]
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": thing.name, "digest": {"sha256": thing.sha256}} for thing in things],
        "predicateType": PREDICATE,
        "predicate": {
            "clip_id": clip.id,
            "camera": clip.camera,
            "profile": clip.profile,
            "path": clip.path,
            "other_paths": list(clip.aliases),
            "role": clip.role,
            "recording": clip.recording,
            "belongs_to": clip.belongs_to,
            "bytes": clip.bytes,
            "chunks": {"size": CHUNK, "root": clip.chunk_root},
            "samples": msgspec.to_builtins(clip.measure or _NOT_FOOTAGE),
            **({"in_stream": msgspec.to_builtins(clip.in_stream)} if clip.in_stream is not None else {}),
            "file_time": clip.mtime_ms,
            "acquired": rfc3339(clip.acquired_ms),
            "session": clip.session,
            "dock": world.keys.dock.id,
            "ledger": world.keys.origin,
            "verdicts": msgspec.to_builtins(clip.verdicts),
            "quarantine": clip.quarantine,
            "findings": [finding.text for finding in clip.findings],
            **seal_record.member(clip),
            **({catalogue.MEMBER: catalogue.member(clip, world.catalogue)} if world.catalogue else {}),
        },
    }


def _beside(world: World, clip: Clip) -> Iterator[Thing]:
    if clip.manifest_sha256:
        for name, path in (
            ("manifest.dsse.json", plan.manifest_file(clip.manifest_sha256)),
            ("chain.pem", plan.chain_file(clip.manifest_sha256)),
        ):
            if world.disk.size(path) is not None:
                data = world.disk.read(path)
                yield Thing(name, len(data), hashlib.sha256(data).hexdigest())
    for thing in clip.preview:
        yield Thing(f"preview/{thing.name}", thing.bytes, thing.sha256)
