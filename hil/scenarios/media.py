"""Media that others made: images from a corpus, in the shapes in which they are handed round."""

from __future__ import annotations

import bz2
import re
import tarfile
from pathlib import Path

_DUMP = re.compile(r"(?P<at>[0-9a-f]+):\s(?P<words>(?:[0-9a-f]{2,4} ?)+)")
SECTOR = 512


def unpack(packed: Path, to: Path) -> None:
    """Write the image that is in ``packed`` (``.img``, ``.bz2``, ``.tar.xz``, or a hex dump as xxd(1) writes it) to
    ``to``. Raises ValueError for another shape, OSError or tarfile.TarError for a damaged one."""
    if packed.name.endswith(".tar.xz"):
        _from_tar(packed, to)
    elif packed.suffix == ".bz2":
        to.write_bytes(bz2.decompress(packed.read_bytes()))
    elif packed.suffix in (".xxd", ".fsck"):
        _from_dump(packed, to)
    elif packed.suffix == ".img":
        to.write_bytes(packed.read_bytes())
    else:
        raise ValueError(f"{packed.name} is no image: .img, .bz2, .tar.xz, .xxd and .fsck are")


def _from_tar(packed: Path, to: Path) -> None:
    with tarfile.open(packed) as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
        if len(members) != 1:
            raise ValueError(f"{packed.name} holds {len(members)} files; one image is wanted")
        folder = to.with_name(f"{to.name}.unpacked")
        archive.extract(members[0], folder, filter="data")  # keeps what is sparse sparse
        (folder / members[0].name).rename(to)


def _from_dump(packed: Path, to: Path) -> None:
    """What a dump leaves out is zero; a disk has whole sectors."""
    with to.open("wb") as image:
        for line in packed.read_text(encoding="ascii", errors="replace").splitlines():
            if match := _DUMP.match(line):
                image.seek(int(match["at"], 16))
                image.write(bytes.fromhex(match["words"].replace(" ", "")))
        image.truncate(-(-image.seek(0, 2) // SECTOR) * SECTOR)
