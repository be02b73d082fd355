"""The one rule for every file with a secret, ours or given: its user reads it, and nobody else."""

from dockagent.errors import UsageError

OTHERS = 0o077
"""The bits of a mode (stat(2)) that let a group or others do anything with a file."""


def refuse_open_to_others(what: str, path: object, mode: int) -> None:
    """``what`` is in the file, ``mode`` its mode. Raises UsageError where anybody but its owner has a right to it."""
    if mode & OTHERS:
        why = f"others can read {what} {path} (mode {mode & 0o7777:04o})"
        raise UsageError(why, f"run `chmod 600 {path}`; it must belong to the user who reads it")
