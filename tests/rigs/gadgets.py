"""Cameras for tests of what stands on the dock's side of a port: gadgets of the kernel, each with a ready-made card.

They exist in the guest only (``python -m hil.rigs.uml -- pytest …``); elsewhere :func:`needs_gadgets` skips.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hil.cameras.plate import Plate
from hil.cameras.specimen import Specimen, Talker, UsbPlate
from hil.rigs import gadget as rig
from hil.rigs.faults import Script
from hil.rigs.gadget import BACK_S, GadgetRig
from hil.rigs.gadget import GadgetStay as Plugged

__all__ = ("BACK_S", "Plugged", "card_image", "gadget", "needs_gadgets", "port_of")


def needs_gadgets(number: int = 1) -> None:
    """Skip where the kernel has not so many loop-back USB controllers, or we are not root."""
    why = rig.lacks()
    if not why and (there := len(rig.controllers())) < number:
        why = f"needs {number} dummy_udc, there are {there}"
    if why:
        pytest.skip(f"{why} (python -m hil.rigs.uml -- pytest …)")


def port_of(udc: int) -> str:
    """The port path of the only port of a loop-back controller."""
    return rig.port_of(rig.controllers()[udc])


@contextmanager
def gadget(plate: UsbPlate, *, image: Path, udc: int = 0, talker: Talker | None = None) -> Iterator[Plugged]:
    """A camera with a disk, and with a serial line where there is a ``talker`` for it, until the block ends."""
    functions = ("storage", "acm") if talker is not None else ("storage",)
    name = f"test{udc}"
    camera = Specimen(name, Plate(), plate, image.parent, image=image, functions=functions, talker=talker)
    bench = GadgetRig(image.parent / f"rig-{name}", writable=False)
    try:
        yield bench.plug(bench.places[udc].name, camera, Script())
    finally:
        bench.close()


def card_image(image: Path, tree: Path, label: str, megabytes: int = 40) -> Path:
    """A FAT32 image, without partitions and with the smallest clusters, with a copy of ``tree`` on it."""
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run(["mkfs.vfat", "-F", "32", "-s", "1", "-n", label, image], check=True, capture_output=True)
    for path in sorted(tree.iterdir()):
        subprocess.run(["mcopy", "-s", "-m", "-i", image, path, "::/"], check=True, capture_output=True)
    return image
