"""Find the messages that sign, in every video of a file. Light: nothing here checks a signature or loads what does.

Finding out that a clip has none reads only the beginnings of its NAL units.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dockagent.core.movie.boxes import NotRead, Source, Walker
from dockagent.core.movie.movie import is_movie
from dockagent.core.stream.c2pa_boxes import c2pa_in
from dockagent.core.stream.containers import unread_container
from dockagent.core.stream.in_stream import InStream
from dockagent.core.stream.nal_units import LONGEST_MESSAGE, Unit, Video, is_byte_stream, videos
from dockagent.core.stream.signed_sei import Document, Format, format_of, parse
from dockagent.errors import Refused

MOST_MESSAGES = 200_000  # of one format in one video: two days of one a second
MOST_BYTES = 64 << 20  # of all of them
MOST_UNREAD = 8  # reasons that are kept


@dataclass(frozen=True, slots=True)
class Messages:
    """One format's messages in one video, in order; ``unread``: why some (None in ``documents``) could not be read."""

    format: Format
    documents: tuple[Document | None, ...]
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scanned:
    """One video that has messages."""

    video: Video
    messages: tuple[Messages, ...]


def glance(source: Source, size: int) -> InStream | None:
    """What can be said without judging anything: that there is nothing, or why nobody can look. None: something is
    there to be judged."""
    try:
        movie = is_movie(walker := Walker(source, size))
        if not movie and not is_byte_stream(source, size):
            return unread_container(source, size)
        if (movie and c2pa_in(walker) is not None) or scan(source, size, raw=not movie):
            return None
    except Refused as err:
        return unlooked(err)
    return InStream()


def unlooked(err: Refused) -> InStream:
    """A file that breaks a rule, or one that we do not read."""
    why = f"signatures in its stream were not looked for: {err.what}"
    return InStream(why=why, doubt=not isinstance(err, NotRead))


def scan(source: Source, size: int, *, raw: bool) -> tuple[Scanned, ...]:
    """The videos of a file that have such messages; ``raw``: it is a byte stream. Raises Refused."""
    scanned = (Scanned(one, tuple(_messages(one))) for one in videos(source, size, raw=raw))
    return tuple(one for one in scanned if one.messages)


def _messages(video: Video) -> Iterator[Messages]:
    found: dict[Format, list[Document | None]] = {}
    unread: dict[Format, list[str]] = {}
    left = MOST_BYTES
    for unit in video.messages():
        name = format_of(unit.data, video.codec)
        if name is None:
            continue
        left -= len(unit.data)
        documents = found.setdefault(name, [])
        if left < 0 or len(documents) >= MOST_MESSAGES:
            raise Refused(f"it has more than {MOST_MESSAGES} messages that sign, or {MOST_BYTES} bytes of them")
        documents.append(_read(unit, video, unread.setdefault(name, [])))
    for name, documents in found.items():
        yield Messages(name, tuple(documents), tuple(unread[name]))


def _read(unit: Unit, video: Video, unread: list[str]) -> Document | None:
    if len(unit.data) > LONGEST_MESSAGE:
        why = f"a message of {len(unit.data)} bytes is larger than any that signs"
    else:
        try:
            return parse(unit.data, video.codec)
        except Refused as err:
            why = err.what
    if len(unread) < MOST_UNREAD:
        unread.append(why)
    return None
