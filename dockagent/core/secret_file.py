"""The one rule for every file with a secret, ours or given: its user reads it, and nobody else."""

from pathlib import PurePath

from dockagent.errors import UsageError

OTHERS = 0o077
"""The bits of a mode (stat(2)) that let a group or others do anything with a file."""


def refuse_open_to_others(what: str, path: object, mode: int) -> None:
    """``what`` is in the file, ``mode`` its mode. Raises UsageError where anybody but its owner has a right to it."""
    if mode & OTHERS:
        why = f"others can read {what} {path} (mode {mode & 0o7777:04o})"
        raise UsageError(why, f"run `chmod 600 {path}`; it must belong to the user who reads it")


def secret_in(file: str, name: str, mode: int, data: bytes, handed: str) -> bytes:
    """The secret in ``data``, what ``file`` holds, without the white space around it; ``name``: where a person named
    it; ``mode``: the file's. ``handed``: the folder of what systemd handed over (systemd.exec(5), LoadCredential=),
    or empty. It lets this user alone read that by an ACL, which stands in the group's bits of the mode (acl(5)).
    Raises UsageError for a file that others can read, and for one without a secret."""
    if not (handed and PurePath(file).parent == PurePath(handed)):
        refuse_open_to_others("the secret", file, mode)
    secret = data.strip()
    if not secret:
        raise UsageError(f"the secret {file} is empty", f"write the secret into it, or correct {name}")
    return secret
