"""A clip record's members as salted leaves of one tree, so that single ones can be shown and the others not guessed.

A record names a camera, its path, times: values that a stranger can guess, so that their bare hash would tell them.
Each field therefore has 16 random bytes of its own. Its leaf is the RFC 6962 leaf hash over this text:

    dockagent/field/v1\\n<salt, 32 hex digits> <name>\\n<value as RFC 8785 JSON>\\n

The fields are sorted by their names. The root alone is in the ledger (``clip.fields``), in a record that says nothing
else about the clip; the salts are in the clip record, which whoever gets it reads in full anyway. To show a field:
name, salt, value and its inclusion proof.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from dockagent.core import strict_json
from dockagent.core.proof import merkle
from dockagent.errors import Refused

SALT = 16  # bytes
MEMBER = "fields"  # of the clip record's predicate: {"root": hex, "salts": {name: hex}}
MASTER = "master"
REVEALS = {
    "camera": ("camera",),
    "clip": ("clip_id",),
    "file": ("master",),
    "officer": ("catalogue.line.officer",),
    "path": ("path",),
    "time": ("acquired", "file_time"),
}
"""Words for people, and the fields that each stands for; a field can also be named itself."""
_HEX_SALT = re.compile(r"[0-9a-f]{32}")
_HEX_HASH = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9_.]{1,160}")
_PART = re.compile(r"[a-z0-9_]{1,32}")
_MOST = 1000  # fields; a file has 64 tracks at most


class Shown(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One field that is shown: its ``name``, ``salt`` (hex) and ``value``, its ``index`` in the tree and the inclusion
    ``path`` (hex), from the leaf upwards."""

    name: str
    salt: str
    value: Any
    index: int
    path: tuple[str, ...]


def fields_of(statement: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a clip record's statement, sorted by name: the members of its predicate (those of an object among
    them each by itself, where they have plain names: ``chunks.root``), each track of its samples (``samples.0`` …), and
    ``master``, the digest and length of the whole file."""
    predicate = statement["predicate"]
    found = dict(_flat("", {name: value for name, value in predicate.items() if name not in (MEMBER, "samples")}))
    for track in (predicate.get("samples") or {}).get("tracks", ()):
        found[f"samples.{track['track']}"] = track
    digest = next(one["digest"]["sha256"] for one in statement["subject"] if one["name"] == MASTER)
    found[MASTER] = {"sha256": digest, "bytes": predicate["bytes"]}
    return dict(sorted(found.items()))


def _flat(prefix: str, members: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in members.items():
        if isinstance(value, dict) and value and all(map(_PART.fullmatch, value)):
            yield from _flat(f"{prefix}{name}.", value)
        else:
            yield f"{prefix}{name}", value


def leaf(name: str, salt: str, value: Any) -> bytes:
    """The leaf hash of one field. Raises Refused for a salt or name of another form, or a value that JSON has not."""
    if not _HEX_SALT.fullmatch(salt) or not _NAME.fullmatch(name):
        raise Refused(f"the field {name[:80]!r} has not the form of one: a salt of {SALT} bytes and a plain name")
    text = b"dockagent/field/v1\n%b %b\n%b\n" % (salt.encode(), name.encode(), strict_json.canonical(value))
    return merkle.leaf_hash(text)


def leaves(fields: Mapping[str, Any], salts: Mapping[str, str]) -> list[bytes]:
    """The leaf hashes of ``fields`` in their order. Raises Refused where salts and fields are not of each other."""
    if set(fields) != set(salts):
        raise Refused("the record's salts are not those of its fields")
    return [leaf(name, salts[name], value) for name, value in fields.items()]


def root(fields: Mapping[str, Any], salts: Mapping[str, str]) -> str:
    """The root (hex) over all fields."""
    return merkle.root(leaves(fields, salts)).hex()


def show(fields: Mapping[str, Any], salts: Mapping[str, str], names: set[str]) -> tuple[Shown, ...]:
    """The fields called ``names``, each with its proof. Raises Refused for one that the record has not."""
    if missing := names - set(fields):
        raise Refused(f"the record has no field {', '.join(sorted(missing))}", f"it has {', '.join(fields)}")
    hashes = leaves(fields, salts)
    return tuple(
        Shown(name, salts[name], value, index, tuple(one.hex() for one in merkle.inclusion_proof(hashes, index)))
        for index, (name, value) in enumerate(fields.items())
        if name in names
    )


def check(shown: tuple[Shown, ...], count: int, root_hex: str) -> dict[str, Any]:
    """The values of the fields that are shown, each proved to be in the tree of ``count`` fields under the root.

    Raises Refused for one that is not, and for two of one name: one of them would be somebody's invention.
    """
    if not 0 < count <= _MOST:
        raise Refused(f"there cannot be {count} fields")
    found: dict[str, Any] = {}
    for one in shown:
        if one.name in found:
            raise Refused(f"the field {one.name[:80]!r} is shown twice")
        path = tuple(_hash(word) for word in one.path)
        try:
            merkle.verify_inclusion(leaf(one.name, one.salt, one.value), one.index, count, path, _hash(root_hex))
        except Refused as err:
            raise Refused(f"the field {one.name[:80]!r} is not what the dock signed: {err.what}") from err
        found[one.name] = one.value
    return found


def _hash(text: str) -> bytes:
    if not _HEX_HASH.fullmatch(text):
        raise Refused(f"{text[:80]!r} is not a SHA-256 in lower-case hex")
    return bytes.fromhex(text)
