"""What is on a camera's card now: of a folder its files; of a medium what the kernel reads from it."""

from __future__ import annotations

import struct
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from hil.cameras.specimen import Specimen
from hil.scenarios.stage import Stage, digests

_TOOLS = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
_OF_EXT4 = "lost+found"


def files(stage: Stage, name: str) -> dict[str, str]:
    """Path to SHA-256 of every file on its card. Raises RuntimeError where its medium cannot be mounted."""
    camera = stage.cast[name].specimen
    image: Callable[[Specimen], Path] | None = getattr(stage.rig, "image", None)
    if image is not None:
        return _on_medium(image(camera))
    there = stage.stay(name) is not None
    return digests(stage.place.bays / stage.bay_of(name) if there else camera.card)


def _on_medium(image: Path) -> dict[str, str]:
    with tempfile.TemporaryDirectory(prefix="hil-card-") as place:
        options = f"ro,loop,offset={_first_partition(image)}"
        _run("mount", "-o", options, str(image), place)
        try:
            return {path: digest for path, digest in digests(Path(place)).items() if not path.startswith(_OF_EXT4)}
        finally:
            _run("umount", place)


def _first_partition(image: Path) -> int:
    """Where the first partition of its MBR begins, in bytes; 0 for a medium without one, where a file system's own boot
    sector has something else than a partition's type."""
    with image.open("rb") as file:
        head = file.read(512)
    active, kind, start = head[446], head[450], struct.unpack_from("<I", head, 454)[0]
    parted = head[510:] == b"\x55\xaa" and active in (0, 0x80) and kind in (0x07, 0x0C, 0x83)
    return start * 512 if parted else 0


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_TOOLS, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {' '.join(done.stderr.split())}")
