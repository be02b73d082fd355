"""What steps act on: the doors of one dock, real or simulated, bundled by ``daemon.py`` or by a test."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cryptography import x509

from dockagent.clock import Clock
from dockagent.core.camera.inventory import Finding
from dockagent.core.camera.profile import Console, Profile
from dockagent.core.model import Thing
from dockagent.core.movie.clip_samples import Measure
from dockagent.core.officers import PLAIN, Officers
from dockagent.core.review.catalogue import Cataloguer
from dockagent.core.stream.in_stream import InStream
from dockagent.core.uplink.turns import Terms
from dockagent.durable import Disk
from dockagent.errors import Missing
from dockagent.ledger.custodian_peer import Counterparty
from dockagent.ledger.keys import Keys
from dockagent.ledger.notary import Notary
from dockagent.steps.erase_gate import Gate
from dockagent.steps.growing import Growing
from dockagent.steps.room import Room
from dockagent.stores import PART_SIZE, Store
from dockagent.transports import Control, Footage
from dockagent.transports.cradles import Cradles
from dockagent.transports.erase import Erasure, Leave, Target


class Bays(Protocol):
    """The cameras that stand in the dock right now. ``footage`` and ``control`` raise Gone when the bay is empty.

    A card that comes is told of only when nobody works for the bay's last camera any more, so that no step reads one
    camera in the belief that it is another.
    """

    def came(self, bay: str, kind: str, address: str, facts: Mapping[str, str]) -> None:
        """A card (``folder``, ``block``) or a console (``tty``) is there now."""
        ...

    def left(self, bay: str, kind: str) -> None:
        """It is gone; whoever still reads from it gets Gone."""
        ...

    def rest(self, bay: str) -> None:
        """Let the card in ``bay`` go (unmount it) for as long as nobody asks for it again."""
        ...

    def asked(self, bay: str, profile: str) -> None:
        """The camera in ``bay`` was asked by this profile's dialogue to show its card: what comes there next is it."""
        ...

    def footage(self, bay: str) -> Footage:
        """The files of the camera in ``bay``; the same object until it leaves."""
        ...

    def control(self, bay: str, console: Console, wait_ms: int) -> Control | None:
        """Its console, opened as the profile's ``[control]`` says, waiting up to ``wait_ms`` for one to appear; None
        where there is none. The same object until the camera leaves."""
        ...


class Previewer(Protocol):
    """Makes working copies. Never raises for bad media: what failed is a finding."""

    tool: str

    def make(self, master: str, folder: str) -> tuple[tuple[Thing, ...], tuple[Finding, ...]]:
        """Make previews of the spool file ``master`` in the spool folder ``folder``; both are paths on the disk."""
        ...


class Measurer(Protocol):
    """Makes sample trees and reads signatures in a clip's own stream. Never raises for bad media: what failed is said
    in the answer."""

    def measure(self, master: str, size: int) -> tuple[Measure, InStream | None]:
        """Those of the spool file ``master``, a path on the disk, of ``size`` bytes; None: nobody looked for
        signatures."""
        ...


class Sealer(Protocol):
    """Seals footage to those who may open it; no dock may. ``format`` and ``recipients`` are for the record."""

    format: str
    recipients: tuple[str, ...]

    def seal(self, read: Callable[[int], bytes], write: Callable[[bytes], None]) -> None:
        """Read to the end (``read(n)`` gives 1..n bytes, or b""), write the sealed bytes: others each time. Raises what
        ``read`` and ``write`` raise."""
        ...


class Eraser(Protocol):
    """Takes files from a camera. Only ``steps/erase`` asks it to, for what the ledger says it may."""

    def erase(self, bay: str, targets: Sequence[Target], leave: Leave) -> Erasure:
        """Erase these files of the card in ``bay``, after all of them were hashed again and by ``leave``; see
        :func:`dockagent.transports.erase.erase_below` for what it raises. Nobody reads the card meanwhile."""
        ...


class Progress(Protocol):
    """Told how far things came. For eyes only: nothing is decided by it."""

    def moved(self, what: str, key: str, done: int, total: int) -> None:
        """``what``: pull or upload; ``key``: bay or clip; ``done`` of ``total`` bytes."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """Everything a step may touch. ``holds(clip_id)``: the dock has this clip's bytes already, or proof of them
    elsewhere (one look-up, from any thread). ``any_profile``: False when a person has named the profile, which is then
    used even if it does not fit. ``cradles``: the locks of bays that have one. ``notary``: who vouches for the
    ledger. ``gate``: whether what is being erased can still be stopped. ``room``: which room in the spool is promised
    to whom. ``terms``: when footage may be sent."""

    clock: Clock
    disk: Disk
    store: Store
    keys: Keys
    bays: Bays
    previewer: Previewer | None
    progress: Progress
    profiles: tuple[Profile, ...]
    camera_roots: Sequence[x509.Certificate]
    holds: Callable[[str], bool]
    any_profile: bool = True
    measurer: Measurer | None = None
    sealer: Sealer | None = None
    cradles: Cradles | None = None
    notary: Notary | None = None
    eraser: Eraser | None = None  # None: nothing is erased from a camera
    gate: Gate = field(default_factory=Gate)
    custodian: Counterparty | None = None
    console_wait_ms: int = 3000
    set_clocks: bool = True
    clock_tolerance_ms: int = 1000
    spool_reserve: int = 256 << 20
    room: Room = field(default_factory=Room)
    terms: Terms = field(default_factory=Terms)
    officers: Officers = PLAIN
    part_size: int = PART_SIZE  # bytes of the parts in which the store takes large files
    growing: Growing | None = None  # what is known of files that are being pulled; None: nothing is sent early
    catalogue: Cataloguer | None = None  # who writes lines for it; None: none are written

    def profile(self, name: str) -> Profile:
        """The profile of this name. Raises Missing when it was taken away since the camera was identified."""
        for profile in self.profiles:
            if profile.name == name:
                return profile
        raise Missing(f"the firmware profile {name} is not there any more", "bring it back, or dock the camera again")
