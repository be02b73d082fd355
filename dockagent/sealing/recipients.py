"""To whom a dock seals: the ``age1…`` keys of the agency, from the configuration or from files of such keys.

Taken are native X25519 keys alone (age-encryption.org/v1, "The X25519 recipient type"): every implementation opens
them, a sealed file does not say for whom it is, and no program of a plug-in has to run on the dock. An SSH key is
refused: its stanza names it, and it is made for logging in.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from dockagent.errors import UsageError
from dockagent.sealing.age import AgeSealer, public_half

MOST_FILE = 64 << 10  # bytes of a file of recipients
_SECRET = re.compile(r"AGE-SECRET-KEY-", re.IGNORECASE)
_KINDS = (
    ("ssh-", "an SSH key"),
    ("age1tag", "a key of a hardware token"),
    ("age1pq", "a post-quantum key"),
)
_MAKE = "make one with `age-keygen`, keep its secret half away from the dock, and give the age1… half"


def recipients(encrypt_to: Sequence[str]) -> tuple[str, ...]:
    """The recipients that ``encrypt_to`` names, each once, in its order. An entry is a key, or the absolute path of a
    file with a key in each line (``#`` begins a comment), as ``age -R`` takes it.

    Raises UsageError that names the entry or line at fault, and where the package that seals is not installed.
    """
    found: dict[str, None] = {}
    for number, entry in enumerate(encrypt_to, 1):
        lines = _in_file(Path(entry)) if entry.startswith("/") else [(f"entry {number} of encrypt_to", entry)]
        for where, text in lines:
            found[_checked(text.strip(), where)] = None
    return tuple(found)


def sealer_to(encrypt_to: Sequence[str]) -> AgeSealer | None:
    """What seals to those whom the configuration names; None where it names nobody. Raises as :func:`recipients`."""
    return AgeSealer(recipients(encrypt_to)) if encrypt_to else None


def _in_file(path: Path) -> Iterator[tuple[str, str]]:
    try:
        with path.open("rb") as file:
            text = file.read(MOST_FILE + 1).decode("utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise UsageError(
            f"cannot read the recipients in {path}: {getattr(err, 'strerror', None) or 'it is not text'}",
            "check encrypt_to in [sealing]",
        ) from err
    if len(text.encode()) > MOST_FILE:
        raise UsageError(f"{path} is too long for a file of recipients", "check encrypt_to in [sealing]")
    keys = [(f"line {number} of {path}", line) for number, line in enumerate(text.splitlines(), 1)]
    keys = [(where, line) for where, line in keys if line.strip() and not line.lstrip().startswith("#")]
    if not keys:
        raise UsageError(f"{path} names no recipient", "put an age1… key into each of its lines")
    yield from keys


def _checked(text: str, where: str) -> str:
    """The key, or UsageError. A secret is never repeated in a message."""
    if _SECRET.match(text):
        raise UsageError(
            f"{where} in [sealing] is a SECRET key: whoever steals the dock could open all footage",
            "take it off this machine, and give its age1… half (`age-keygen -y FILE`)",
        )
    kind = next((words for start, words in _KINDS if text.startswith(start)), "")
    if kind:
        raise UsageError(f"{where} in [sealing] is {kind}; footage is sealed to X25519 keys alone", _MAKE)
    try:
        return public_half(text)
    except ValueError as err:
        raise UsageError(f"{where} in [sealing] is no age1… key ({text[:80]!r}): {err}", _MAKE) from err
