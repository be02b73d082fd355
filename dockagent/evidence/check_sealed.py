"""Check what is in the sealed objects of a clip, for those who can open them; for others, say what cannot be told.
An identity that opens nothing is as good as none, and that is said."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO

from dockagent.core import plan
from dockagent.core.movie.boxes import Source
from dockagent.core.seal_record import SealedObject, Sealing
from dockagent.errors import Missing, Refused
from dockagent.evidence.report import Verdict
from dockagent.evidence.sealed import opened

NONE_OPENS = "none of the identities given opens it"

Open = Callable[[], AbstractContextManager[Source]]
"""Opens one object for reading from its start."""
Compare = Callable[[str, IO[bytes]], Sequence[str]]
"""``(name, file)``: what is wrong with an opened object, by the name that it has in the record; empty for nothing."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What came of it: the verdict on what is inside, and what a person should look at."""

    verdict: Verdict
    findings: tuple[str, ...] = ()


def found_names(said: Sealing, objects: Mapping[str, Open]) -> dict[str, str]:
    """Where each sealed object of the record lies among ``objects``: under a name with its own digest where there is
    one, because another sealed copy had the plain name (see :func:`dockagent.core.plan.other_seal`)."""
    found = {}
    for one in said.objects:
        other = plan.other_seal(one.name, one.sha256)
        found[one.name] = other if other in objects else one.name
    return found


def check_sealed(said: Sealing, objects: Mapping[str, Open], identities: Sequence[str], compare: Compare) -> Opened:
    """Open each sealed object with ``identities`` and have it compared. ``objects``: by their names in the record."""
    count = f"{len(said.recipients)} recipient{'s' if len(said.recipients) != 1 else ''}"
    if not identities:
        why = f"sealed to {count}; whether the camera's bytes are in it cannot be told without --identity FILE"
        return Opened(Verdict("unknown", why))
    wrong, unread, closed = [], [], False
    for one in said.objects:
        if one.name not in objects:
            continue
        try:
            with opened(objects[one.name], identities) as file:
                wrong += [*_as_said(one, file), *compare(one.of, file)]
        except Missing:
            closed = True
        except Refused as err:
            wrong.append(f"{one.name!r}: {err.what}")
        except OSError as err:
            unread.append(f"{one.name!r}: {err.strerror or err}")
    if wrong:
        return Opened(Verdict("fail", "; ".join(wrong)))
    if closed:
        return Opened(Verdict("unknown", f"it is sealed to {count}, and {NONE_OPENS}"))
    if unread:
        return Opened(Verdict("unknown", f"cannot be opened: {'; '.join(unread)}"), tuple(unread))
    return Opened(Verdict("pass", f"opened: what is in {len(said.objects)} sealed objects is what the record says"))


def _as_said(one: SealedObject, file: IO[bytes]) -> list[str]:
    size = file.seek(0, 2)
    file.seek(0)
    return [] if size == one.of_bytes else [f"{one.of!r} has {size} bytes, the record says {one.of_bytes}"]
