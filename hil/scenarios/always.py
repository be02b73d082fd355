"""What must hold in every scenario, so that nobody has to write it: the promises of the project, seen from outside."""

from __future__ import annotations

from collections.abc import Callable

from hil.demo.records import Record
from hil.scenarios import evidence
from hil.scenarios.claims import Judged, crashed, untouched, verified
from hil.scenarios.stage import Stage


def check(stage: Stage) -> list[Judged]:
    """All of it, after the dock has ended."""
    return [
        Judged("the dock never crashed", crashed(stage)),
        Judged("the dock ended as it was told", _exits(stage)),
        Judged("`dockagent verify` passes ledger and store", verified(stage)),
        Judged("every delivered file is byte for byte the one on its card", _each(stage, _same_bytes)),
        Judged("what the store holds is what it signed for", _each(stage, _as_receipted)),
        Judged("no file is delivered under two names", _each(stage, _twice)),
        Judged("no camera was released before the store held all of it", _each(stage, _released_early)),
        Judged("nobody wrote to a camera", _each(stage, untouched)),
        Judged("what is not delivered has a reason", _each(stage, _silent_loss)),
    ]


def _each(stage: Stage, one: Callable[[Stage, str], str]) -> str:
    return "; ".join(why for name in stage.cast if (why := one(stage, name)))


def _exits(stage: Stage) -> str:
    odd = [code for code in stage.exits if code != 0]
    if not odd:
        return ""
    return odd[0] if isinstance(odd[0], str) else f"it ended with {odd[0]} after SIGTERM"


def _flips(stage: Stage, name: str) -> bool:
    """Whether the rig gave other bytes than lie on the card. Only a signature can tell; the dock keeps what it was
    given, and this check cannot ask for more."""
    return "F" in stage.cast[name].part.script.letters


def _same_bytes(stage: Stage, name: str) -> str:
    member = stage.cast[name]
    if not member.known or _flips(stage, name):
        return ""
    true = {digest for known in member.truth.values() for digest in known}
    wrong = [one.path for one in evidence.stored(stage, name) if one.sha256 not in true]
    return f"{name}: {wrong[0]} in the store is not as it is on the card" if wrong else ""


def _as_receipted(stage: Stage, name: str) -> str:
    wrong = [one.key for one in evidence.stored(stage, name) if one.sha256 != one.read]
    return f"{name}: {wrong[0]} is missing, or not what the dock read" if wrong else ""


def _twice(stage: Stage, name: str) -> str:
    again = evidence.twice(stage, name)
    return f"{name}: {len(again)} files are in the store under two names" if again else ""


def _released_early(stage: Stage, name: str) -> str:
    """In the order of the records: when a camera is called safe to take, each file that was listed before, in that
    stay, has a receipt already."""
    for release in stage.about(name, "camera.release"):
        late = _without_receipt(stage, name, release) if release.what["safe"] else []
        if late:
            return f"{name}: released at record {release.index} without a receipt for {late[0]}"
    return ""


def _without_receipt(stage: Stage, name: str, release: Record) -> list[str]:
    earlier = [one for one in stage.about(name) if one.index < release.index]
    listed = [one.what for one in earlier if one.type == "camera.inventory" and one.session == release.session]
    read = {one.what["path"]: one.what["clip_id"] for one in earlier if one.type == "acquire"}
    there = {one.what["clip_id"] for one in earlier if one.type == "receipt"}
    if not listed:
        return ["anything: its card was not listed"]
    held = set(listed[-1]["held"].values())
    due = {entry["path"]: read.get(entry["path"]) for entry in listed[-1]["entries"]}
    return [path for path, clip in due.items() if clip not in there] + sorted(held - there)


def _silent_loss(stage: Stage, name: str) -> str:
    if name not in stage.stays or not stage.cast[name].known:
        return ""
    lost = evidence.missing(stage, name)
    quarantined = {one.path for one in evidence.stored(stage, name)}
    unsaid = [path for path in lost if path not in quarantined]
    if not unsaid or evidence.reasons(stage, name) or not stage.running:
        return ""
    return f"{name}: {unsaid[0]} is not in the store, and no record says why"
