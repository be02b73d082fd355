"""What is wrong with a file, in words for a person: the libraries that read it speak to programmers."""

import json
import re

import msgspec

_UNKNOWN = re.compile(r"Object contains unknown field `(.{1,80})`")
_MISSING = re.compile(r"Object missing required field `(.{1,80})`")
_PLACE = re.compile(r" - at `\$\.?(.{1,120})`$")


def in_form(err: msgspec.ValidationError) -> str:
    """What has not the form that it must have, and where: ``the member 'root' is missing (at tracks[0])``."""
    said = str(err)
    place = _PLACE.search(said)
    where = f" (at {place[1]})" if place else ""
    if unknown := _UNKNOWN.match(said):
        return f"there is a member {unknown[1]!r} that nobody here knows{where}"
    if missing := _MISSING.match(said):
        return f"the member {missing[1]!r} is missing{where}"
    return f"a value is not of the kind that it must be{where}"


def in_json(err: ValueError | RecursionError) -> str:
    """Why bytes cannot be read as JSON."""
    if isinstance(err, UnicodeDecodeError):
        return f"it is not text: byte {err.start} is not UTF-8"
    if isinstance(err, json.JSONDecodeError):
        if not err.doc.strip():
            return "it is empty"
        if err.pos >= len(err.doc.rstrip()) or err.msg.startswith("Unterminated"):
            return "it ends in the middle"
        return f"character {err.pos} of it cannot be there"
    if isinstance(err, RecursionError):
        return "it is nested too deep"
    return "it has a number that is too long"
