"""Object keys: the same rule for every store, so that a key that one store takes is taken by all."""

import re

from dockagent.errors import Permanent

MAX_KEY = 1024  # bytes; Amazon S3, "Creating object key names"
MAX_PART = 255  # bytes; NAME_MAX of Linux file systems
_REPLACED = re.compile(r"ledgers/[A-Za-z0-9_~-][A-Za-z0-9._~-]*/checkpoint")
_PART = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*")


def checked(key: str) -> str:
    """``key`` itself, where it is one: parts of letters, digits and ``._~-``, none starting with a dot, ``/`` between.

    A leading dot is kept for what a store needs for itself, and shuts out ``.`` and ``..``. Raises Permanent.
    """
    parts = key.split("/")
    if len(key) > MAX_KEY or any(len(part) > MAX_PART or not _PART.fullmatch(part) for part in parts):
        raise Permanent(
            f"not an object key: {key[:200]!r}",
            f"use parts of A-Z a-z 0-9 . _ ~ - that do not start with a dot, at most {MAX_PART} each, with / between",
        )
    return key


def replaceable(key: str, size: int, most: int) -> str:
    """``key`` itself, where it names the one kind of object that is ever replaced: a ledger's newest checkpoint, of
    ``size`` bytes, ``most`` at most. Raises Permanent."""
    if not _REPLACED.fullmatch(checked(key)):
        raise Permanent(
            f"{key} is written once: only ledgers/<dock>/checkpoint is ever replaced", "give it another key"
        )
    if size > most:
        raise Permanent(f"{key} would be replaced by {size} bytes, more than {most}", "that is no checkpoint")
    return key
