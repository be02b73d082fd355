"""What the tests of USB rigs share: a camera with a card, and reading its disk as a dock would, past the page cache."""

from __future__ import annotations

import mmap
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hil.cameras.plate import Plate
from hil.cameras.specimen import Specimen, Talker, UsbPlate
from hil.rigs.usb_tree import Changes, UsbDevice, UsbTree

MIB = 1 << 20
LIMIT_S = 60.0
TREE = UsbTree()


def a_camera(
    folder: Path,
    name: str = "one",
    *,
    mib: int = 4,
    functions: tuple[str, ...] = ("storage",),
    talker: Talker | None = None,
    then: Specimen | None = None,
    product: int = 0x1001,
    serial: str = "",
    filesystem: str = "vfat",
) -> Specimen:
    """A camera whose card holds one clip of so many MiB of noise, its own for each name."""
    card = folder / f"card-{name}"
    (card / "DCIM").mkdir(parents=True, exist_ok=True)
    (card / "DCIM" / "CLIP.MP4").write_bytes(random.Random(name).randbytes(mib * MIB))
    plate = UsbPlate(0x2E1A, product, manufacturer="Made Up", name="BodyCam X", serial=serial or f"SN-{name}")
    return Specimen(name, Plate(), plate, card, filesystem, "BWCAM", None, functions, talker, then)


def until(true: Callable[[], object], what: str, limit_s: float = LIMIT_S) -> None:
    with Changes() as changes:
        assert changes.wait(lambda: bool(true()), limit_s), f"not within {limit_s:g} s: {what}"


def device(port: str) -> UsbDevice:
    seen: list[UsbDevice] = []

    def there() -> bool:
        found = TREE.device(port)  # once: it may be on its way out
        seen.extend([found] if found else [])
        return bool(found)

    until(there, f"a device on {port}")
    return seen[-1]


def disk(port: str, number: int = 0) -> Path:
    """The node of a device's disk, when it can be opened and has a size."""

    def names() -> tuple[str, ...]:
        there = TREE.device(port)
        return there.disks if there else ()

    def ready() -> bool:
        return len(names()) > number and Path(f"/sys/block/{names()[number]}/size").read_text() != "0\n"

    until(ready, f"a disk on {port}")
    node = Path("/dev") / names()[number]
    until(node.exists, f"{node}")
    return node


def gone(port: str) -> bool:
    return TREE.device(port) is None


@dataclass(frozen=True, slots=True)
class Read:
    """How far a read came: the bytes, and the errno that ended it or 0."""

    data: bytes
    errno: int


def read_direct(
    node: Path, first: int, size: int, piece: int = 64 << 10, then: Callable[[int], None] = lambda _: None
) -> Read:
    """Read ``size`` bytes from byte ``first`` on, past the page cache (open(2), O_DIRECT), in pieces; ``then`` is told
    after each how far it came."""
    got = bytearray()
    file = os.open(node, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
    try:
        with mmap.mmap(-1, piece) as buffer:
            while len(got) < size:
                count = os.preadv(file, [buffer], first + len(got))
                if count == 0:
                    return Read(bytes(got), 0)
                got += buffer[:count]
                then(len(got))
    except OSError as error:
        assert error.errno is not None
        return Read(bytes(got), error.errno)
    finally:
        os.close(file)
    return Read(bytes(got[:size]), 0)
