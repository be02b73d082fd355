"""Open what a dock sealed, for those who hold an identity of the agency: whole and authentic, or not at all."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO

from dockagent.core.movie.boxes import Source
from dockagent.errors import Missing, UsageError
from dockagent.sealing import age

MOST_FILE = 64 << 10  # bytes of a file of identities


def read_identities(files: Sequence[Path]) -> tuple[str, ...]:
    """The identities (``AGE-SECRET-KEY-1…``) in files as ``age-keygen`` writes them, for :func:`open_stream`.

    Raises UsageError for a file that holds none, or something else. No message ever repeats a line of it.
    """
    found = []
    for file in files:
        try:
            with file.open("rb") as source:
                lines = source.read(MOST_FILE).decode("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as err:
            reason = getattr(err, "strerror", None) or "it is not text"
            raise UsageError(f"cannot read the identity {file}: {reason}", "check --identity") from err
        found += [_checked(line.strip(), f"line {number} of {file}") for number, line in _keys(lines)]
        if not list(_keys(lines)):
            raise UsageError(f"there is no identity in {file}", "give a file that `age-keygen` made")
    return tuple(found)


def _keys(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    return ((number, line) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#"))


def _checked(line: str, where: str) -> str:
    if line.startswith(("age-encryption.org/", "-----BEGIN AGE")):
        raise UsageError(f"{where}: this identity is encrypted itself", "decrypt it first: `age -d -o key FILE`")
    try:
        age.recipient_of(line)
    except ValueError as err:
        raise UsageError(f"{where} is no age identity (AGE-SECRET-KEY-1…)", "check --identity") from err
    return line


@contextmanager
def open_sealed(path: Path, identities: Sequence[Path], folder: Path | None = None) -> Iterator[IO[bytes]]:
    """What is in the sealed file ``path``, as a file at its start that has no name and is gone when it is closed.
    ``identities``: files as ``age-keygen`` writes them; ``folder``: on whose disk the opened bytes lie meanwhile (the
    system's temporary folder), as large as what was sealed.

    Nothing is handed out before all of it is authentic: raises Refused for a file that was truncated, extended or
    altered, or is no age file; Missing where no identity fits, or none was given; UsageError for a file of identities
    that cannot be used, or where pyrage is not installed; OSError.
    """
    with opened(lambda: path.open("rb", buffering=0), read_identities(identities), folder) as file:
        yield file


@contextmanager
def opened(
    open_object: Callable[[], AbstractContextManager[Source]], identities: Sequence[str], folder: Path | None = None
) -> Iterator[IO[bytes]]:
    """The same for an object that ``open_object`` opens, and identities that were read already."""
    if not identities:
        raise Missing("it is sealed", "give --identity FILE of one of its recipients")
    with tempfile.TemporaryFile(dir=folder) as file:
        with open_object() as source:
            age.open_stream(source.read, _into(file), identities)
        file.seek(0)
        yield file


def _into(file: IO[bytes]) -> Callable[[bytes], None]:
    def write(data: bytes) -> None:
        file.write(data)

    return write
