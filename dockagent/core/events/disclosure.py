"""Footage leaves the house: it was asked for, it went out, or that failed. Each is a record of its own, so that an
unfinished disclosure can be told from one that nobody began."""

from typing import Literal

from dockagent.core.events.event import PersonsAct

Kind = Literal["package", "excerpt", "derivative"]


class DisclosureAsked(PersonsAct, frozen=True, tag="disclose.ask"):
    """A person asked for clips to be handed out; recorded before anything of them is read. ``ranges``: of which part
    of the clip (``from`` and ``to`` as they were given), and ``tracks`` which of its tracks; both empty for all."""

    clips: tuple[str, ...]
    kind: Kind = "package"
    ranges: tuple[str, ...] = ()
    tracks: tuple[int, ...] = ()


class Disclosed(PersonsAct, frozen=True, tag="disclose"):
    """It is on disk, whole. ``asked``: the number of the record that asked for it; ``package_sha256``: of the package's
    ``tagmanifest-sha256.txt``, or of an excerpt's proof; ``files`` and ``bytes``: of what was handed out.
    ``cosigned``: how many witnesses vouch for it, where the dock demands ``quorum`` (0: it demands none)."""

    clips: tuple[str, ...]
    kind: Kind
    asked: int
    package_sha256: str
    files: int = 0
    bytes: int = 0
    ranges: tuple[str, ...] = ()
    tracks: tuple[int, ...] = ()
    cosigned: int = 0
    quorum: int = 0


class DisclosureFailed(PersonsAct, frozen=True, tag="disclose.failed"):
    """Nothing was handed out. One that a power cut ended has no such record: it was asked for and never finished."""

    clips: tuple[str, ...]
    asked: int
    reason: str
    kind: Kind = "package"


OfDisclosures = DisclosureAsked | Disclosed | DisclosureFailed
