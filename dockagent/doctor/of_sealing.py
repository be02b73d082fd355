"""Judges sealing: whether there is somebody to seal to, whether what opens the footage lies on the dock, and what of a
sealed dock is in the clear."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dockagent.config import Sealing
from dockagent.doctor.check import Check, failure, ok, warning
from dockagent.errors import DockError
from dockagent.sealing.age import recipient_of
from dockagent.sealing.recipients import recipients

_IDENTITY = re.compile(rb"AGE-SECRET-KEY-1[0-9A-Z]{58}", re.IGNORECASE)
_SMALL = 64 << 10  # bytes; no file of identities is longer
_NOT_LOOKED_INTO = frozenset({"ledger", "mounts", "quarantine", "spool", "store"})  # what a dock fills itself


def sealing(setting: Sealing, home: Path, sys: Path = Path("/sys")) -> Iterator[Check]:
    """The checks of a dock that seals; one line for a dock that does not. ``sys``: where sysfs is."""
    if not setting.encrypt_to:
        yield ok("sealing", "off: footage lies in the store as cameras gave it (encrypt_to in [sealing])")
        return
    try:
        people = recipients(setting.encrypt_to)
    except DockError as err:
        yield failure("sealing", err.what, err.hint)
        return
    yield (
        ok("sealing", f"to {len(people)} recipients")
        if len(people) > 1
        else warning(
            "sealing",
            "to a single recipient: if its identity is lost, so is all footage",
            "add the recipient of a second identity that is kept elsewhere",
        )
    )
    yield _identities(home, frozenset(people))
    yield _in_the_clear(home, sys)


def _identities(home: Path, people: frozenset[str]) -> Check:
    """Whether an identity lies in the home."""
    found = list(_found(home))
    opens = [path for path, recipient in found if recipient in people]
    if opens:
        return failure(
            "identities",
            f"{opens[0]} opens what this dock seals: whoever steals the dock can read all its footage",
            "take it off this machine, and seal to a new identity that was never on it",
        )
    if found:
        return warning("identities", f"{found[0][0]} is an age identity", "no identity belongs on a dock: take it away")
    return ok("identities", "none in the home")


def _found(home: Path) -> Iterator[tuple[Path, str]]:
    """Each identity in a small file of the home: where it is, and the recipient that it opens for."""
    for where, folders, names in os.walk(home):
        if Path(where) == home:
            folders[:] = [name for name in folders if name not in _NOT_LOOKED_INTO]
        for path in (Path(where) / name for name in names):
            yield from ((path, recipient) for recipient in _recipients_in(path))


def _recipients_in(path: Path) -> Iterator[str]:
    try:
        small = not path.is_symlink() and path.is_file() and path.stat().st_size <= _SMALL
        secrets = _IDENTITY.findall(path.read_bytes()) if small else []
    except OSError:
        return  # it went away, or is not ours to read
    for secret in secrets:
        with suppress(ValueError):  # it looks like one
            yield recipient_of(secret.decode().upper())


def _in_the_clear(home: Path, sys: Path) -> Check:
    """What lies in the clear for good, and whether its disk is encrypted at least."""
    left = [path for name in ("*.unknown", "*.damaged") for path in (home / "quarantine").glob(f"{name}/master")]
    if left:
        return warning(
            "plaintext",
            f"{len(left)} masters in quarantine are not sealed, the first is {left[0]}: no record speaks of them",
            "dock their cameras, or have somebody look at them and remove them",
        )
    if _is_encrypted(home, sys):
        return ok("plaintext", "the home is on an encrypted disk, from pulling to sealing too")
    return warning(
        "plaintext",
        "the home is not on an encrypted disk: what is pulled and not yet sealed is readable if the dock is stolen",
        "put the home on a dm-crypt volume (docs/sealing.md)",
    )


def _is_encrypted(home: Path, sys: Path) -> bool:
    """Whether the home's block device is dm-crypt's, or lies on such ones (LVM on LUKS)."""
    try:
        number = home.stat().st_dev
    except OSError:
        return False
    return _crypt(sys / "dev" / "block" / f"{os.major(number)}:{os.minor(number)}")


def _crypt(device: Path) -> bool:
    try:
        if (device / "dm" / "uuid").read_text().startswith("CRYPT-"):
            return True
    except OSError:
        return False  # no device of the mapper, or none at all
    below = list((device / "slaves").glob("*"))
    return bool(below) and all(_crypt(one) for one in below)
