"""What a clip record says about sealing: which object of the store is which other one, sealed, and for whom.

Member ``sealing`` of the predicate. The record's subjects name both sides: the sealed object, which lies in the store,
and what is in it, which only its recipients can bring back.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from dockagent.core import mistake, plan
from dockagent.core.model import Clip, Thing
from dockagent.errors import Refused

MEMBER = "sealing"


class SealedObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sealed object by its name below the clip's folder, bytes and SHA-256 (hex); ``of``: the same of what is in
    it."""

    name: str
    bytes: int
    sha256: str
    of: str
    of_bytes: int
    of_sha256: str


class Sealing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The member as a whole. ``recipients``: ``age1…`` keys."""

    format: str
    recipients: tuple[str, ...]
    objects: tuple[SealedObject, ...]


def things(clip: Clip) -> Iterator[Thing]:
    """The sealed objects of a clip, by their names below its folder; none where it is not sealed."""
    if clip.seal is not None:
        yield clip.seal.master
        for thing in clip.seal.previews:
            yield Thing(f"preview/{thing.name}", thing.bytes, thing.sha256)


def member(clip: Clip) -> dict[str, Any]:
    """``{"sealing": …}`` for the record of a sealed clip, ``{}`` for another's."""
    if clip.seal is None:
        return {}
    inside = {plan.sealed_name(f"preview/{thing.name}"): thing for thing in clip.preview}
    inside[clip.seal.master.name] = Thing("master", clip.bytes, clip.sha256)
    objects = tuple(_object(thing, inside[thing.name]) for thing in things(clip))
    return {MEMBER: msgspec.to_builtins(Sealing(clip.seal.format, clip.seal.recipients, objects))}


def _object(sealed: Thing, inside: Thing) -> SealedObject:
    name = sealed.name.removesuffix(plan.SEALED)
    return SealedObject(sealed.name, sealed.bytes, sealed.sha256, name, inside.bytes, inside.sha256)


def parse(raw: Any) -> Sealing:
    """Raises Refused for what is no such member, or contradicts itself."""
    try:
        said = msgspec.convert(raw, Sealing)
    except msgspec.ValidationError as err:
        raise Refused(f"what it says of sealing cannot be: {mistake.in_form(err)}") from err
    names = [one.name for one in said.objects]
    if len(set(names)) != len(names) or any(one.name != plan.sealed_name(one.of) for one in said.objects):
        raise Refused("what it says of sealing contradicts itself")
    if plan.SEALED_MASTER not in names:
        raise Refused("it says that the clip is sealed, and names no sealed master")
    return said
