"""JSON for things that are signed: refuses what two parsers may read in two ways (RFC 8785, RFC 7493)."""

import json
import re
from typing import Any

import rfc8785

from dockagent.core import mistake
from dockagent.errors import Refused

MAX_INT = 2**53 - 1
MAX_DEPTH = 64
_SURROGATE = re.compile("[\ud800-\udfff]")


def canonical(value: Any) -> bytes:
    """The one byte form of ``value`` (RFC 8785). Raises Refused for what has none (floats included: we use none)."""
    _check(value, MAX_DEPTH)
    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as err:
        raise Refused(f"cannot be written as canonical JSON: {err}") from err


def parse(data: bytes) -> Any:
    """Parse UTF-8 JSON. Refused: duplicate keys, floats, NaN, integers past 2^53-1, deep nesting, bad UTF-8."""
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_object, parse_float=_no_float, parse_constant=_no_float
        )
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError, ValueError) as err:
        raise Refused(f"not valid JSON: {mistake.in_json(err)}") from err
    _check(value, MAX_DEPTH)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise Refused(f"JSON object has the key {key!r} twice")
        result[key] = value
    return result


def _no_float(text: str) -> Any:
    raise Refused(f"JSON number {text[:40]!r} is not a whole number; signed JSON carries whole numbers only")


def _check(value: Any, depth: int) -> None:
    if depth == 0:
        raise Refused(f"JSON is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, float):
        raise Refused("JSON number is not a whole number; signed JSON carries whole numbers only")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > MAX_INT:
        raise Refused(f"JSON number {value} is past 2^53-1; write it as text")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        for key, member in value.items():
            if not isinstance(key, str):
                raise Refused(f"JSON object has the key {key!r}, which is not text")
            _check_text(key)
            _check(member, depth - 1)
    elif isinstance(value, list | tuple):
        for member in value:
            _check(member, depth - 1)


def _check_text(text: str) -> None:
    if _SURROGATE.search(text):
        raise Refused("JSON text has half of a surrogate pair")
