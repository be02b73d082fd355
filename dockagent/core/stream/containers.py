"""Containers that may hold signed video, and that nobody looks into here: named by their first bytes, so that "none was
found" is never said where nobody looked."""

from dockagent.core.movie.boxes import Source, Walker
from dockagent.core.stream.in_stream import InStream
from dockagent.errors import Refused

_HEAD = 588  # bytes: three packets of MPEG-TS with time codes, of 192 and four more
_EBML = b"\x1a\x45\xdf\xa3"  # RFC 8794 section 11.2.1
_PACK = b"\x00\x00\x01\xba"  # ISO/IEC 13818-1 table 2-33
_SYNC = 0x47  # ISO/IEC 13818-1 section 2.4.3.3


def unread_container(source: Source, size: int) -> InStream:
    """What is said of a file that is neither movie nor raw stream: that its container is not looked into, or, where it
    is none that holds H.264 or H.265, that there is nothing. Raises OSError."""
    try:
        name = container_of(Walker(source, size).read(0, min(size, _HEAD)))
    except Refused:
        name = ""
    if not name:
        return InStream()
    why = f"signatures in its stream were not looked for: not looked into is its container, {name}"
    return InStream(why=why)


def container_of(head: bytes) -> str:
    """The container that a file with these first bytes is, of those that are not read; empty for none of them."""
    if head[:4] == b"RIFF" and head[8:12] in (b"AVI ", b"AVIX"):
        return "AVI"
    if head[:4] == _EBML:
        return "Matroska or WebM"
    if head[:4] == _PACK:
        return "MPEG program stream"
    for length, first in ((188, 0), (192, 4), (204, 0)):
        marks = head[first : first + 2 * length + 1 : length]
        if len(marks) == 3 and set(marks) == {_SYNC}:
            return "MPEG-TS"
    return ""
