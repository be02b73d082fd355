"""Check what a clip record says of the signatures in the clip's own stream: read again from its bytes, and compared.

Whoever checks gives no camera roots, so that the signer stays as the dock judged it; all that the bytes themselves tell
is found out anew.
"""

from collections.abc import Callable, Iterator

from dockagent.core.narrate import one_in_stream
from dockagent.core.stream.in_stream import C2PA, InStream, StreamSignature
from dockagent.evidence.check_samples import Samples


def said_in_stream(said: InStream | None) -> Samples:
    """What a record says whose clip is not here, or that tells of no signatures."""
    return Samples(facts=tuple(_told(said, "not checked again here")) if said is not None else ())


def check_in_stream(said: InStream, look: Callable[[], InStream]) -> Samples:
    """Compare a record with what ``look`` finds in the bytes that are here. Raises what that raises."""
    if said.why and not said.signatures:
        return said_in_stream(said)  # nothing to compare, and what kept the dock from reading it would keep us too
    found = look()
    if found.why and not (found.doubt or found.signatures or said.signatures):
        return Samples(facts=(*_told(said, ""), found.why))  # a dock that did not look said nothing of it once
    if found.why and not said.why:
        return Samples(
            unread=f"the signatures in its stream cannot be compared: {found.why}", facts=(*_told(said, ""),)
        )
    again = {(one.format, one.track): one for one in found.signatures}
    before = {(one.format, one.track): one for one in said.signatures}
    wrong = [
        f"the record tells of {one.name} in the clip's stream, which is not there"
        for key, one in before.items()
        if key not in again
    ]
    wrong += [
        f"the clip's stream is signed by {one.name}, of which the record does not tell"
        for key, one in again.items()
        if key not in before and not said.why
    ]
    wrong += [
        f"the record says other things of {one.name} in the clip's stream than the stream itself: {differs}"
        for key, one in before.items()
        if key in again and (differs := _differs(one, again[key]))
    ]
    return Samples(tuple(wrong), facts=(*_told(said, "found again the same" if not wrong else ""),))


def _differs(said: StreamSignature, found: StreamSignature) -> str:
    """What the bytes alone tell. The validator of C2PA is not asked again."""
    members = ("messages",) if said.format == C2PA else ("key", "pictures", "covered", "groups", "messages", "counters")
    return ", ".join(
        f"{name} {getattr(said, name)} where there is {getattr(found, name)}"
        for name in members
        if getattr(said, name) != getattr(found, name)
    )


def _told(said: InStream, how: str) -> Iterator[str]:
    for one in said.signatures:
        tail = f" ({how})" if how else ""
        again = tail if one.format != C2PA or not how else " (the manifest is there; not validated again here)"
        yield f"in its stream, by the dock's words: {one_in_stream(one)}{again}"
        yield f"{one.name} does not cover: {'; '.join(one.outside)}"
    if said.why:
        yield said.why
