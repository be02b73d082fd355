"""What a custody record says, in a few words for a timeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hil.demo.records import Record

What = dict[str, Any]
_VERDICTS = ("intact", "signature", "signer", "time", "complete")


def told(record: Record) -> str:
    """The record in a few words; its type where there is nothing more to say."""
    teller = _TELLERS.get(record.type)
    return teller(record.what) if teller else record.type


def _identified(what: What) -> str:
    camera = what["camera"]
    findings = "; ".join(one["text"] for one in what["findings"])
    return f"it is {camera['id']}, known by {camera['known_by']}" + (f" ({findings})" if findings else "")


def _listed(what: What) -> str:
    findings = "; ".join(one["text"] for one in what["findings"])
    words = f"{len(what['entries'])} files to pull, {len(what['held'])} of them known, {len(what['skipped'])} left out"
    return words + (f" ({findings})" if findings else "")


def _acquired(what: What) -> str:
    resumed = f", read on from byte {what['resumed_at']}" if what["resumed_at"] else ""
    return f"{what['path']} read: {what['bytes']} bytes in {what['read_ms']} ms{resumed}"


def _broken(what: What) -> str:
    return f"{what['path']} broke off ({what['kind']}): {what['reason']}; {what['kept_bytes']} bytes are kept"


def _released(what: What) -> str:
    return ("SAFE TO TAKE" if what["safe"] else "KEEP THE CAMERA") + f": {what['words']} ({what['told']})"


def _detached(what: What) -> str:
    return "taken after its release" if what["clean"] else f"taken before its release, {what['left']} files not read"


def _failed(what: What) -> str:
    return f"{what['step']}: {what['reason']}" + ("" if what["retry"] else " (for good)")


def _measured(what: What) -> str:
    trees = sum(1 for one in what["measure"]["tracks"] if one["root"])
    return f"{trees} sample trees made" if trees else what["measure"]["why"]


def _witnessed(what: What) -> str:
    return f"{len(what['cosigners'])} of {what['asked']} witnesses cosigned the first {what['size']} records"


_TELLERS: dict[str, Callable[[What], str]] = {
    "keys.certify": lambda _: "whose keys sign is on record",
    "checkpoint": _witnessed,
    "measure": _measured,
    "seal": lambda what: f"sealed to {len(what['seal']['recipients'])} keys",
    "clip.fields": lambda _: "what may be shown of its record is signed field by field",
    "hold.set": lambda _: "it is on hold",
    "hold.clear": lambda _: "a hold on it is over",
    "dock.start": lambda what: f"the dock is ready ({what['after']})",
    "dock.stop": lambda what: f"the dock ended ({what['reason']})",
    "camera.attach": lambda what: f"something came: {what['kind']} {what['address']}",
    "camera.identify": _identified,
    "camera.inventory": _listed,
    "camera.changed": lambda _: "the card changed and is listed again",
    "clock.camera": lambda what: f"its clock is off by {what['offset_ms']} ms",
    "clock.set": lambda what: "its clock was set" if what["done"] else "its clock is left alone",
    "clock.unset": lambda what: what["reason"],
    "acquire": _acquired,
    "acquire.failed": _broken,
    "session.failed": _failed,
    "clip.failed": _failed,
    "quarantine": lambda what: f"in quarantine: {what['reason']}",
    "verify": lambda what: "judged by its manifest: " + ", ".join(f"{k} {what['verdicts'][k]}" for k in _VERDICTS),
    "derive": lambda what: f"{len(what['things'])} working copies made",
    "admit": lambda _: "its record is signed",
    "dispose": lambda _: "the dock's own copy is removed",
    "transfer": lambda _: "its working copies are in the store",
    "receipt": lambda what: f"the store holds {what['receipt']['key']}",
    "camera.release": _released,
    "camera.recall": lambda what: f"it has to stay: footage is to be erased ({what['told']})",
    "permit": lambda what: f"there is a permit for {len(what['permit']['files'])} files",
    "permit.refused": lambda what: f"a permit is not followed ({what['ground']}): {what['reason']}",
    "erase.ask": lambda what: f"{len(what['files'])} files are going to be erased",
    "erase": lambda what: f"erased: {', '.join(one['path'] for one in what['files'])} ({what['method']})",
    "erase.failed": lambda what: f"nothing was erased ({what['ground']}): {what['reason']}",
    "camera.detach": _detached,
}
