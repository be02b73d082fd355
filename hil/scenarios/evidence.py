"""What can be told of a camera from outside the dock: from the ledger's records, the store's files and the card's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hil.scenarios.stage import Stage, sha256


@dataclass(frozen=True, slots=True)
class Stored:
    """One file of a camera that the store says it holds. ``sha256``: of the store's file now, or empty."""

    clip: str
    path: str
    read: str
    key: str
    sha256: str


def happened(stage: Stage, name: str, event: str) -> bool:
    """Whether something is recorded about a camera's present stay, or about the one that ended last."""
    # A card that changed is listed again: what was said of it before does not count any more.
    said = stage.about(name, "camera.release", "camera.changed", now=True)[-1:]
    safe = [one.what["safe"] for one in said if one.type == "camera.release"]
    failed = [one for one in stage.about(name, "session.failed", now=True) if not one.what["retry"]]
    if event == "released":
        return safe == [True]
    if event == "decided":
        return bool(safe) or happened(stage, name, "refused")
    if event == "refused":
        return any(not one.what["step"].endswith("-clock") for one in failed)
    if event == "kept":
        return safe == [False] or happened(stage, name, "refused")
    kind = {"attached": "camera.attach", "identified": "camera.identify", "gone": "camera.detach"}[event]
    return any(stage.about(name, kind, now=True))


def pulled(stage: Stage, name: str) -> int:
    """How many files of it were read in full."""
    return len({one.what["path"] for one in stage.about(name, "acquire")})


def delivered(stage: Stage, name: str) -> int:
    """How many files of it the store has proved to hold, those in quarantine left aside."""
    return len(_receipted(stage, name) - _doubted(stage, name))


def quarantined(stage: Stage, name: str) -> int:
    """How many files of it are in quarantine."""
    return len(_doubted(stage, name))


def stored(stage: Stage, name: str) -> list[Stored]:
    """What the store holds of it, quarantine included, each file hashed now."""
    reads = {one.what["clip_id"]: one.what for one in stage.about(name, "acquire")}
    found = []
    for record in stage.about(name, "receipt"):
        clip = record.what["clip_id"]
        key = record.what["receipt"]["key"]
        file = stage.place.store / key
        digest = sha256(file) if file.is_file() else ""
        found.append(Stored(clip, reads[clip]["path"], reads[clip]["sha256"], key, digest))
    return found


def must(stage: Stage, name: str) -> dict[str, str]:
    """Path to digest of the files on its card that the dock must pull: all but those that it leaves out with a reason,
    and of those none of which the camera's family says that it is more than the camera's own."""
    left_out = {one["path"] for record in stage.about(name, "camera.inventory") for one in record.what["skipped"]}
    member = stage.cast[name]
    return {path: digest for path, digest in member.now.items() if path not in left_out or path in member.due}


def missing(stage: Stage, name: str) -> list[str]:
    """Paths of files that must be pulled and whose bytes, as they are on the card, the store does not hold."""
    there = {one.sha256 for one in stored(stage, name) if one.clip not in _doubted(stage, name)}
    return [path for path, digest in must(stage, name).items() if digest not in there]


def twice(stage: Stage, name: str) -> list[str]:
    """Digests that the store holds under two names of this camera."""
    keys: dict[str, set[str]] = {}
    for one in stored(stage, name):
        keys.setdefault(one.sha256, set()).add(one.key)
    return [digest for digest, names in keys.items() if len(names) > 1]


def erased(stage: Stage, name: str) -> set[str]:
    """Paths of files that the dock says it has erased from its card."""
    return {one["path"] for record in stage.about(name, "erase") for one in record.what["files"]}


def receipted(stage: Stage) -> set[str]:
    """Ids of the clips for which the dock has the custodian's receipt."""
    return {str(one.what["clip_id"]) for one in stage.ledger.of("custodian.receipt")}


def findings(stage: Stage, name: str) -> list[str]:
    """What the dock found odd about a camera and its clips, each as ``code: words``."""
    found: list[str] = []
    for record in stage.about(name):
        found += [f"{one['code']}: {one['text']}" for one in record.what.get("findings", ())]
        if record.type in ("permit.refused", "erase.failed"):
            found.append(f"{record.what['ground']}: {record.what['reason']}")
        if record.type == "clock.unset":
            found.append(f"clock: {record.what['reason']}")
        found += list(_of_manifest(record.what.get("manifest") or {}))
        found += list(_verdicts(record.what.get("verdicts") or {}))
    return found


def reasons(stage: Stage, name: str) -> list[str]:
    """Why something about a camera is not as it should be, in the words of the ledger."""
    found = [str(one.what["reason"]) for one in stage.about(name) if one.what.get("reason")]
    found += [str(one.what["words"]) for one in stage.about(name, "camera.release") if not one.what["safe"]]
    found += [
        f"taken with {one.what['left']} files left"
        for one in stage.about(name, "camera.detach")
        if not one.what["clean"]
    ]
    return found


def _of_manifest(reading: dict[str, Any]) -> Iterator[str]:
    yield from (f"{one['code']}: {one['text']}" for one in reading.get("findings", ()))
    for name in ("signature", "signer"):
        if reading.get(f"{name}_reason"):
            yield f"{name}-{reading[name]}: {reading[f'{name}_reason']}"


def _verdicts(verdicts: dict[str, Any]) -> Iterator[str]:
    yield from (f"{name}-{verdicts[name]}: {why}" for name, why in verdicts.get("reasons", {}).items())


def refuted(stage: Stage, name: str) -> bool:
    """Whether the dock itself says that something about a camera's manifest does not hold."""
    return any("-fail: " in one for one in findings(stage, name)) or quarantined(stage, name) > 0


def _receipted(stage: Stage, name: str) -> set[str]:
    return {str(one.what["clip_id"]) for one in stage.about(name, "receipt")}


def _doubted(stage: Stage, name: str) -> set[str]:
    return {str(one.what["clip_id"]) for one in stage.about(name, "quarantine")}
