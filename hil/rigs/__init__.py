"""Rigs: places into which cameras are plugged so that a dock meets them, and ways to make that go wrong.

A **place** is where a plug goes in: one port. A **bay** is what the dock calls it. A **rig** has places and plugs
**cameras** (:class:`hil.cameras.specimen.Specimen`) into them; what comes back is a **stay**, which can be ended, whose
**power** can be cut, and which follows a script of **faults**. Every rig is one file here:

``folder``  folders that stand for bays, pseudo terminals for consoles; needs no rights
``loop``    loop devices with a file system on them; needs root
``usbip``   USB devices in pure Python, through the kernel's vhci_hcd; needs root and that driver
``gadget``  USB gadgets of the kernel (mass storage and CDC-ACM) on dummy_hcd; needs root and those drivers
``qemu``    USB devices that QEMU emulates, plugged over QMP from inside the guest
``bench``   real cameras on hubs whose ports can be switched
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from hil.cameras.specimen import Specimen
from hil.rigs.faults import Script

Ability = Literal[
    "serial",  # a console that answers
    "block",  # a disk with a file system of its own, not a folder
    "usb",  # USB identities and port paths
    "yank",  # out at an exact byte of what is read
    "read-error",  # a medium error at a given place, which may heal
    "bit-flip",  # other bytes than lie on the medium
    "hang",  # no answer at all
    "slow",  # a limited rate
    "power",  # the port's power can be switched while the camera stays
    "mode-switch",  # another identity after a dialogue
    "mtp",  # files over MTP
    "keyboard",  # a second function that is no camera's
    "hub",  # ports behind hubs
]


@dataclass(frozen=True, slots=True)
class Place:
    """One port. ``name``: the bay's name; ``port``: as the dock's ``[bays] ports`` names it, or empty for a folder."""

    name: str
    port: str


class Unable(Exception):
    """This rig cannot do that. Says which rig can, where there is one."""


class Stay(Protocol):
    """A camera in a place, from plug to unplug."""

    @property
    def there(self) -> bool:
        """Whether it is plugged in: it may have left by itself."""
        ...

    @property
    def given(self) -> int:
        """Bytes of its medium that it has handed over in this stay; -1 where the rig cannot tell."""
        ...

    def unplug(self) -> None:
        """Pull it out, now. No error if it is out."""
        ...

    def power(self, on: bool) -> None:
        """Switch the port's power. Raises Unable where the rig cannot."""
        ...


class Rig(Protocol):
    """A bench of places. Used as a context manager, it takes everything down at the end.

    ``carries``: what it can do; a scenario that needs more is not run on it. A fault that it cannot carry out is
    refused by :meth:`plug` with ValueError, never left out in silence.
    """

    name: str
    carries: frozenset[Ability]
    places: tuple[Place, ...]

    def bays(self) -> Mapping[str, Any]:
        """The keys of the table ``[bays]`` in the configuration of the dock that stands on this rig."""
        ...

    def plug(self, place: str, camera: Specimen, faults: Script) -> Stay:
        """Plug a camera in. Returns when it is in, not when the dock has seen it. Raises RuntimeError for a place that
        is taken, ValueError for what this rig cannot carry."""
        ...

    def digest(self, camera: Specimen) -> str:
        """A digest of everything on the camera's medium now: the same before and after, if nobody wrote to it."""
        ...

    def close(self) -> None:
        """Unplug everything and take the rig down. May be repeated."""
        ...
