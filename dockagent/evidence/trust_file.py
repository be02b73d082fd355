"""Trust files as they lie on disk: the one that a person named, and those that lie beside what is checked."""

from pathlib import Path

from dockagent.errors import UsageError
from dockagent.ledger.trust import DockIdentity, Trust, parse


def read_trust(file: Path) -> Trust:
    """The trust file that a person named. Raises UsageError where it cannot be used."""
    try:
        data = file.read_bytes()
    except OSError as err:
        raise UsageError(f"cannot read the trust file {file}: {err.strerror}", "check --trust") from err
    return _parsed(data, file, "")


def docks_beside(file: Path) -> tuple[DockIdentity, ...]:
    """The docks of a trust file that lies beside what is checked. Raises UsageError for a damaged one, OSError."""
    return _parsed(file.read_bytes(), file, "mend it, or move it away and give --trust FILE").docks


def _parsed(data: bytes, file: Path, hint: str) -> Trust:
    try:
        return parse(data)
    except UsageError as err:
        raise UsageError(f"{file}: {err.what}", hint or err.hint) from err
