"""What is wrong with a file, in words for a person: the libraries that read it speak to programmers."""

import difflib
import json
import re

import msgspec

_AT = r"(?: - at `(?:\$|key in \$)\.?(.{0,120}?)`)?$"  # how msgspec ends what it says
_UNKNOWN = re.compile(r"Object contains unknown field `(.{1,80}?)`" + _AT)
_MISSING = re.compile(r"Object missing required field `(.{1,80}?)`" + _AT)
_KIND = re.compile(r"Expected `([a-z |]{1,80})`, got `([a-z]{1,20})`" + _AT)
_BOUND = re.compile(r"Expected `([a-z]{1,20})` ((?:of length )?[<>=]{1,2} .{1,40}?)" + _AT)
_CHOICE = re.compile(r"Invalid enum value (.{1,80}?)" + _AT)
_PLACE = re.compile(_AT)
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
}
_SSL_WORDS = {
    "PEM lib": "they are no certificate and its key in PEM",
    "EOF occurred in violation of protocol": "the other side closed the line in the middle",
    "wrong version number": "what answers there speaks no TLS",
    "tlsv13 alert certificate required": "it lets in only who has a client certificate",
}
_SSL_NUMBERS = re.compile(r"^\[[^]]*\] | \(_ssl\.c:\d+\)$")


def in_form(err: msgspec.ValidationError) -> str:
    """What has not the form that it must have, and where: ``the member 'root' is missing (at tracks[0])``."""
    said = str(err)
    place = _PLACE.search(said)
    where = f" (at {place[1]})" if place and place[1] else ""
    if unknown := _UNKNOWN.match(said):
        return f"there is a member {unknown[1]!r} that nobody here knows{where}"
    if missing := _MISSING.match(said):
        return f"the member {missing[1]!r} is missing{where}"
    return f"{in_value(err)}{where}"


def in_value(err: msgspec.ValidationError) -> str:
    """The same without the place: ``there is text where a whole number belongs``."""
    said = str(err)
    if kind := _KIND.match(said):
        wanted = " or ".join(_KINDS.get(one, one) for one in kind[1].split(" | "))
        return f"there is {_KINDS.get(kind[2], kind[2])} where {wanted} belongs"
    if bound := _BOUND.match(said):
        return f"there must be {_KINDS.get(bound[1], bound[1])} {bound[2]}"
    if choice := _CHOICE.match(said):
        return f"{choice[1]} is none of the words that may stand there"
    return "a value is not of the kind that it must be"


def in_system(err: OSError) -> str:
    """What the system says against a file or a line, without the numbers of its programmers: ``No such file or
    directory``. TLS and name lookups put theirs elsewhere."""
    said = _SSL_NUMBERS.sub("", str(err.strerror or err)).strip()
    if said in _SSL_WORDS:
        return _SSL_WORDS[said]
    return " ".join(said.split())[:300] or f"the system gave no reason ({type(err).__name__})"


def unknown_key(raw: object, kind: object, table: str = "") -> str:
    """The first key of a configuration that the structure ``kind`` does not have, and which of its keys may be meant:
    those that are like it, else all. Empty where there is none. ``table``: which table ``raw`` is."""
    if not (isinstance(raw, dict) and isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return ""
    known = {one.name: one.type for one in msgspec.structs.fields(kind)}
    for key, value in raw.items():
        if key not in known:
            alike = [name for name in known if key in name] or difflib.get_close_matches(key, known) or list(known)
            return f"{f'[{table}] has' if table else 'there is'} no key {key[:80]!r}, but {', '.join(alike)}"
        if said := unknown_key(value, known[key], key):
            return said
    return ""


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
