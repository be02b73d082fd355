"""Take down a camera that is plugged in: its descriptors, its disk's answers, and the shape of what lies on its card.

No file on a card is ever opened. Names, sizes and times come from its folders, and that is all that is asked of it.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from hil.recordings.descriptors import has_disk, is_mtp
from hil.recordings.mtp_detect import MtpFacts, read_mtp_detect
from hil.recordings.recording import Disk, Entry, Recording, Turn, Usb
from hil.recordings.scsi import inquire
from hil.rigs.card_reader import Volume, read_only, volumes
from hil.rigs.usb_tree import Changes, UsbDevice, UsbTree, read

MOST_ENTRIES = 30_000
_MTP_S = 60
_DISK_S = 20


class CaptureError(RuntimeError):
    """A camera cannot be taken down. One line: what, why, what to do."""


def capture(
    device: UsbDevice,
    model: str,
    state: str,
    dialogue: tuple[Turn, ...] = (),
    mtp_log: str = "",
    tree: UsbTree | None = None,
) -> Recording:
    """Take down what a camera says. ``mtp_log``: what mtp-detect printed, where it is not to be run here.

    Raises CaptureError, card_reader.CardError, and OSError for a disk that cannot be asked.
    """
    usb = of_usb(device)
    disk, listing = _of_disk(device, usb, tree or UsbTree())
    return Recording(
        model=model,
        state=state,
        scrubbed=False,
        usb=usb,
        disk=disk,
        mtp=_of_mtp(usb, mtp_log),
        listing=listing,
        dialogue=dialogue,
    )


def of_usb(device: UsbDevice) -> Usb:
    """The device's descriptors and texts, from sysfs. Raises CaptureError if it left meanwhile."""
    try:
        descriptors = (device.folder / "descriptors").read_bytes()
    except OSError as err:
        raise CaptureError(f"the camera at {device.port} left while it was looked at; plug it in again") from err
    return Usb(
        descriptors=descriptors,
        manufacturer=device.manufacturer,
        product=device.name,
        serial=device.serial,
        speed=int(float(read(device.folder / "speed") or 0)),
        interfaces=tuple(read(one / "interface") for one in device.interfaces),
    )


def _of_disk(device: UsbDevice, usb: Usb, tree: UsbTree) -> tuple[Disk | None, tuple[Entry, ...]]:
    """The first disk with a file system, and what lies on it; nothing for a camera that shows no disk."""
    if not has_disk(usb.descriptors):
        return None, ()
    # A disk comes some time after its device, and its partitions some time after the disk.
    with Changes() as changes:
        changes.wait(lambda: bool(_readable(device, tree)), _DISK_S)
    found = _readable(device, tree)
    if not found:
        raise CaptureError(
            f"the camera at {device.port} shows no file system on its disk within {_DISK_S} s; put a card in"
        )
    name, volume = found[0]
    inquiry = inquire(Path("/dev") / name)
    with read_only(volume) as root:
        cluster, listing = os.statvfs(root).f_bsize, shape(root)
    size = int(read(tree.sysfs / "class" / "block" / name / "size") or 0) * 512
    return Disk(inquiry, size, volume.filesystem, volume.label, cluster, len(device.disks)), listing


def _readable(device: UsbDevice, tree: UsbTree) -> list[tuple[str, Volume]]:
    return [(disk, volume) for disk in device.disks for volume in volumes(disk, tree)]


def shape(root: Path) -> tuple[Entry, ...]:
    """What lies below a folder, sorted by path, links left out. Raises CaptureError for more than one would read."""
    found: list[Entry] = []
    for folder, folders, files in os.walk(root, onerror=_raise):
        for name in (*folders, *files):
            path = Path(folder) / name
            if path.is_symlink():
                continue
            facts = path.lstat()
            size = None if path.is_dir() else facts.st_size
            found.append(Entry(path.relative_to(root).as_posix(), size, facts.st_mtime_ns))
        if len(found) > MOST_ENTRIES:
            raise CaptureError(f"there are more than {MOST_ENTRIES} files on the card; take most of them off first")
    return tuple(sorted(found, key=lambda one: one.path))


def _raise(error: OSError) -> None:
    """A folder that cannot be listed must not look like an empty one."""
    raise error


def _of_mtp(usb: Usb, log: str) -> MtpFacts | None:
    if not log and not is_mtp(usb.descriptors):
        return None
    try:
        return read_mtp_detect(log or _mtp_detect())
    except (ValueError, OSError, subprocess.TimeoutExpired) as err:
        raise CaptureError(f"mtp-detect says nothing of use: {err}; run it by hand and give --mtp-log FILE") from err


def _mtp_detect() -> str:
    done = subprocess.run(["mtp-detect"], capture_output=True, timeout=_MTP_S, check=False)
    return done.stdout.decode("utf-8", "replace")
