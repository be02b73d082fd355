"""What the dock asks a reader child (:mod:`reader`), and what that answers: msgpack, one message per packet.

File bytes do not travel here. They lie in a shared window of memory of two halves of :data:`WINDOW` bytes; an answer
only says in which half, and how many. While the dock uses one half the child reads ahead into the other.
"""

import msgspec

from dockagent import errors

WINDOW = 4 << 20  # bytes of one half
LONGEST_MESSAGE = 128 << 10  # bytes; a socket's default buffer (208 KiB) holds one
LONGEST_WORDS = 2000
BATCH_FILES, BATCH_BYTES = 256, 32 << 10  # of one part of a listing

Fact = tuple[bytes, int, int, str]  # as FileFact: path, size, mtime_ms, special


class _Message(msgspec.Struct, frozen=True, array_like=True, tag=True, forbid_unknown_fields=True):
    pass


class AskFacts(_Message, frozen=True):
    """What the medium says of itself."""


class AskList(_Message, frozen=True):
    """Every file: any number of :class:`Files`, then an empty one or :class:`Trouble`."""


class AskOpen(_Message, frozen=True):
    """Open a file under a number that the dock chose."""

    file: int
    path: bytes


class AskRead(_Message, frozen=True):
    """Up to ``size`` bytes of an open file from ``offset``."""

    file: int
    offset: int
    size: int


class AskSize(_Message, frozen=True):
    """The size of an open file now, in bytes."""

    file: int


class AskShut(_Message, frozen=True):
    """Close an open file."""

    file: int


class Ready(_Message, frozen=True):
    """The card is open. ``confined``: which of ``landlock`` and ``seccomp`` hold the child, where any do."""

    confined: tuple[str, ...]


class Facts(_Message, frozen=True):
    """The answer to :class:`AskFacts`."""

    facts: dict[str, str]


class Files(_Message, frozen=True):
    """Some files of a listing; none: that were all."""

    files: tuple[Fact, ...]


class Data(_Message, frozen=True):
    """``count`` bytes lie in this ``half`` (0 or 1) of the window; none at the end of the file."""

    half: int
    count: int


class Number(_Message, frozen=True):
    """A size in bytes."""

    value: int


class Done(_Message, frozen=True):
    """It is done, and there is nothing to tell."""


class Trouble(_Message, frozen=True):
    """It failed: an error's class by name, and its words."""

    name: str
    what: str
    hint: str


Request = AskFacts | AskList | AskOpen | AskRead | AskSize | AskShut
Answer = Ready | Facts | Files | Data | Number | Done | Trouble
encode = msgspec.msgpack.Encoder().encode
read_request = msgspec.msgpack.Decoder(Request).decode
read_answer = msgspec.msgpack.Decoder(Answer).decode

_ERRORS: dict[str, type[errors.DockError]] = {
    one.__name__: one
    for one in (errors.Gone, errors.Missing, errors.Permanent, errors.Refused, errors.Retryable, errors.UsageError)
}


def trouble(err: errors.DockError) -> Trouble:
    """An error as it travels: by the nearest class that both sides know."""
    name = next((one.__name__ for one in type(err).__mro__ if one.__name__ in _ERRORS), "Retryable")
    return Trouble(name, err.what[:LONGEST_WORDS], err.hint[:LONGEST_WORDS])


def error_of(said: Trouble) -> errors.DockError:
    """The error again."""
    return _ERRORS.get(said.name, errors.Retryable)(printable(said.what), printable(said.hint))


def printable(text: str) -> str:
    """Words of a child that a card may have taken over, bounded and on one line."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[:LONGEST_WORDS])
