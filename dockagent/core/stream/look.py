"""Look for signatures in a clip's own stream and judge them: one entry, for the dock and for who checks it later."""

from collections.abc import Iterator, Sequence

import msgspec
from cryptography import x509

from dockagent.core.camera.manifest import Verdicts
from dockagent.core.movie.boxes import Source, Walker
from dockagent.core.movie.movie import is_movie
from dockagent.core.stream.c2pa_boxes import Found, c2pa_in
from dockagent.core.stream.in_stream import C2PA, OUTSIDE_C2PA, InStream, StreamSignature
from dockagent.core.stream.nal_units import is_byte_stream
from dockagent.core.stream.scan import Scanned, scan, unlooked
from dockagent.core.stream.verdicts import verdicts_on
from dockagent.errors import Refused

NOTHING_TO_READ = "it is neither MP4 nor QuickTime nor a raw H.264 or H.265 stream"


def look(source: Source, size: int, roots: Sequence[x509.Certificate], at_ms: int) -> InStream:
    """Every signature in the file ``source`` of ``size`` bytes. ``roots``: whom to believe about cameras; ``at_ms``:
    the time at which their certificates have to be good (milliseconds since 1970). Never raises for what the file
    holds; raises OSError where it cannot be read."""
    found = list[StreamSignature]()
    try:
        walker = Walker(source, size)
        movie = is_movie(walker)
        if not movie and not is_byte_stream(source, size):
            return InStream(why=NOTHING_TO_READ)
        if movie and (boxes := c2pa_in(walker)) is not None:
            found.append(c2pa_present(boxes))
        found += judge(scan(source, size, raw=not movie), roots, at_ms)
    except Refused as err:
        return msgspec.structs.replace(unlooked(err), signatures=tuple(found))
    return InStream(tuple(found))


def judge(scanned: Sequence[Scanned], roots: Sequence[x509.Certificate], at_ms: int) -> Iterator[StreamSignature]:
    """Each format in each video. Raises Refused for a stream that breaks a rule."""
    for one in scanned:
        for messages in one.messages:
            yield verdicts_on(one.video, messages, roots, at_ms)


def c2pa_present(found: Found, why: str = "it was not validated here") -> StreamSignature:
    """A manifest that nobody has validated; ``why``."""
    said = f"a C2PA manifest is in the file; {found.broken or why}"
    aspects = ("intact", "signature", "signer", "time", "complete")
    verdicts = Verdicts("unknown", "unknown", "unknown", "unknown", "unknown", dict.fromkeys(aspects, said), "")
    return StreamSignature(C2PA, -1, verdicts, messages=len(found.stores), outside=OUTSIDE_C2PA)
