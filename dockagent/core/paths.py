"""File names of a camera are bytes that anybody may have chosen. Here they get one text form that is safe to show.

Printable UTF-8 stays as it is; ``%`` and every byte that is not part of a printable character become ``%XX``. The
form is reversible to the exact bytes, has no line breaks, control or direction characters, and fits into JSON.
"""

import re

_ESCAPE = re.compile(rb"%([0-9A-F]{2})")


def to_text(raw: bytes) -> str:
    """The text form of raw path bytes."""
    decoded = raw.decode("utf-8", "surrogateescape")
    return "".join(char if char.isprintable() and char != "%" else _escape(char) for char in decoded)


def to_bytes(text: str) -> bytes:
    """The raw path bytes of a text form made by :func:`to_text`."""
    return _ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), text.encode())


def _escape(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogateescape"))


def safe_name(text: str, limit: int = 80) -> str:
    """``text`` as one part of an object key or file name: letters, digits, ``._-``; the rest as ``~XX``; never empty,
    ``.`` or ``..``. Distinct texts give distinct names as long as they are shorter than ``limit``."""
    raw = text.encode("utf-8", "surrogateescape")
    safe = "".join(chr(byte) if _plain(byte) else f"~{byte:02X}" for byte in raw)
    safe = "~2E" + safe[1:] if safe.startswith(".") else safe
    return safe[:limit] or "~"


def _plain(byte: int) -> bool:
    return (chr(byte).isalnum() and byte < 128) or chr(byte) in "._-"
