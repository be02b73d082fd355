"""A camera as a block device, or as an image of one: mounted so that not one bit of it changes.

A read-only mount alone does not promise that: ext4 replays its journal and removes orphans "on a read-only file
system" as long as the device can be written (fs/ext4/super.c, orphan.c). So the device itself is set read-only first
(``blockdev --setro``; an image becomes a read-only loop device), and log replay is switched off where there is a log.
"""

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from dockagent.core.paths import to_text
from dockagent.errors import DockError, Gone, Missing, Permanent, Refused, Retryable, UsageError
from dockagent.transports import FileFact, Footage, FootageReader
from dockagent.transports.isolated import Ended, Hung, IsolatedFootage, nobody
from dockagent.transports.mountinfo import Mount, mounts
from dockagent.transports.reader_child import bury

MOUNTS = Path("/run/dockagent/mounts")
PATIENCE_S = 30.0  # a healthy card mounts within one second; the kernel's own time-outs run to minutes
LETTING_GO_S = 5.0  # what a lazy unmount, which waits for no reader, may take
_OPTIONS = "ro,nodev,nosuid,noexec,noatime"
_OF_FILESYSTEM = {
    "vfat": "utf8=1,tz=UTC",  # mount(8): FAT stores local time; cameras that follow our manifest say UTC
    "exfat": "iocharset=utf8",  # its times are UTC where the card states no zone
    "ntfs": "nls=utf8",
    "ext3": "noload",
    "ext4": "noload",
    "xfs": "norecovery,nouuid",  # nouuid: two cameras from one factory image carry the same UUID
    "f2fs": "norecovery",
    "btrfs": "rescue=nologreplay",
}
_TOOLS = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
_CAP_SYS_ADMIN = 1 << 21
_CARD = "card-"
_UNMOUNT = (sys.executable, "-I", "-S", str(Path(__file__).with_name("unmount.py")))
_BY_HAND = "run as root, or mount it read-only yourself and name the folder"


def open_source(
    path: Path, *, under: Path = MOUNTS, read: str = "auto", hang_s: float = PATIENCE_S, ended: Ended = nobody
) -> Footage:
    """Whatever a person calls a source: a folder, a block device, or a file that is the image of one; read by a child
    (:class:`dockagent.transports.isolated.IsolatedFootage`, which says what ``hang_s`` and ``ended`` are).

    ``read``: ``mount`` has the kernel read a device, ``raw`` reads it without; ``auto`` mounts it, and reads it raw
    where the kernel lacks the file system or we lack the rights. Raises UsageError where ``path`` is none of these,
    and what :class:`MassStorage` and the reader raise.
    """
    try:
        kind = path.stat().st_mode
    except OSError as err:
        raise UsageError(f"cannot use {path}: {err.strerror}", "name a folder, a block device or an image") from err
    if stat.S_ISDIR(kind):
        return IsolatedFootage("folder", path, hang_s, ended)
    if not (stat.S_ISBLK(kind) or stat.S_ISREG(kind)):
        raise UsageError(f"{path} holds no footage", "name a folder, a block device or an image")
    if read == "raw":
        return IsolatedFootage("raw", path, hang_s, ended)
    try:
        return MassStorage(path, under=under, patience_s=hang_s, ended=ended)
    except Missing as err:
        if read == "mount":
            raise
        unmounted = err
    try:
        return IsolatedFootage("raw", path, hang_s, ended)
    except (Missing, Permanent) as err:
        raise Missing(f"{err.what}; {unmounted.what}", unmounted.hint) from err


class MassStorage:
    """:class:`dockagent.transports.Footage` of a block device, or of an image file.

    A device that is mounted already (by a desktop's automounter) is read where it is mounted and left so; ``facts``
    then says whether that mount is read-only. Otherwise it is mounted read-only on a new private folder below
    ``under`` until :meth:`close`; no program that does this, and no answer of the child that reads the mount, takes
    longer than ``patience_s`` seconds. ``ended``: see IsolatedFootage.

    Raises Gone when the device is not there, Hung when it does not answer, Missing when mounting needs more rights or
    a kernel driver, Permanent when there is no file system that can be read, Retryable when the medium fails.
    """

    def __init__(
        self, device: Path, *, under: Path = MOUNTS, patience_s: float = PATIENCE_S, ended: Ended = nobody
    ) -> None:
        self.device = device.resolve()
        self._patience_s = patience_s
        self._mounted: Path | None = None
        self._unprotect_after = False
        self._facts: dict[str, str] = {}
        there = mounted_at(self.device)
        if there is not None:
            self._facts["mounted_by"] = "another program"
            self._folder = IsolatedFootage("folder", Path(os.fsdecode(there.point)), patience_s, ended)
            return
        if not may_mount():
            raise Missing(f"cannot mount {self.device}: that needs root, or CAP_SYS_ADMIN", _BY_HAND)
        filesystem = self._probe()
        self._facts["mounted_by"] = "dockagent"
        try:
            self._folder = IsolatedFootage("folder", self._mount(filesystem, under), patience_s, ended)
        except DockError as err:
            with suppress(Hung):  # it hangs already: that is the error to tell
                self._let_go(dead=isinstance(err, Hung))
            raise

    def facts(self) -> Mapping[str, str]:
        """As :meth:`FolderFootage.facts`, and ``mounted_by``: ``dockagent``, or ``another program``."""
        return {**self._folder.facts(), **self._facts, "device": to_text(os.fsencode(self.device))}

    def list(self) -> Iterator[FileFact]:
        return self._folder.list()

    def open(self, path: bytes) -> FootageReader:
        return self._folder.open(path)

    def close(self) -> None:
        """Let the card go. Raises Retryable where it cannot be unmounted, Hung where that takes too long."""
        self._folder.close()
        self._let_go(dead=self._folder.hangs)

    def _probe(self) -> str:
        """The file system's type, asked of the medium itself (blkid(8), low-level). Notes label and UUID."""
        code, text = self._run("blkid", "-p", "-o", "export", "--", str(self.device))
        said = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        if not self.device.exists():
            raise Gone(f"{self.device} went away", "put the camera back")
        if said.get("USAGE") == "filesystem":
            self._facts |= {fact.lower(): said[fact] for fact in ("LABEL", "UUID") if fact in said}
            return said["TYPE"]
        if "PTTYPE" in said:
            raise Permanent(f"{self.device} holds a partition table, not a file system", "name one of its partitions")
        if "TYPE" in said:
            raise Permanent(f"{self.device} holds {said['TYPE']}, not a file system", "unlock or assemble it first")
        if "denied" in text.lower() or "not permitted" in text.lower():
            raise Missing(f"cannot read {self.device}: {text}", "let the dock's user read it: udevadm control --reload")
        reason = "two that contradict each other" if code == 8 else "no file system that is known"
        raise Permanent(f"{self.device} holds {reason}", "do not format it; image it and look at the image")

    def _mount(self, filesystem: str, under: Path) -> Path:
        options = ",".join(filter(None, (_OPTIONS, _OF_FILESYSTEM.get(filesystem))))
        if self.device.is_block_device():
            self._write_protect()
        else:
            options += ",loop"
        under.mkdir(mode=0o700, parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=_CARD, dir=under))
        self._mounted = place
        code, text = self._run(
            "mount", "-t", filesystem, "-o", options, "--source", str(self.device), "--target", str(place)
        )
        if code != 0:
            raise _mount_error(self.device, filesystem, text)
        return place

    def _write_protect(self) -> None:
        code, text = self._run("blockdev", "--getro", str(self.device))
        if code == 0 and text.strip() == "1":
            return
        code, text = self._run("blockdev", "--setro", str(self.device))
        if code != 0:
            raise Retryable(f"cannot write-protect {self.device}: {text}", "put the camera back, or use a card reader")
        self._unprotect_after = True

    def _let_go(self, *, dead: bool) -> None:
        """Undo the mount and the write protection. Lazily: a reader that hangs on a dead card must not hold us. A
        device that is ``dead`` stays protected: who opens it now waits as well, and it comes back as a new one."""
        place, self._mounted = self._mounted, None
        self._patience_s = min(self._patience_s, LETTING_GO_S)
        if place is not None:
            if any(mount.point == os.fsencode(place) for mount in mounts()):  # stat(2) would ask the card
                unmount(place)
            place.rmdir()
        if self._unprotect_after and not dead and self.device.exists():
            self._must("blockdev", "--setrw", str(self.device))
        self._unprotect_after = False

    def _must(self, *command: str) -> None:
        code, text = self._run(*command)
        if code != 0 and self.device.exists():
            raise Retryable(f"{' '.join(command)} failed: {text}", "unplug the camera")

    def _run(self, *command: str) -> tuple[int, str]:
        return run_program(command, self._patience_s)


def run_program(command: Sequence[str], patience_s: float, env: Mapping[str, str] = _TOOLS) -> tuple[int, str]:
    """Exit code and output of a system program, on one line for an error. Raises Missing where it is not installed,
    Hung when it takes longer than ``patience_s``; a child that even then cannot die (it waits for a dead device
    inside the kernel) is left behind rather than waited for."""
    with tempfile.TemporaryFile() as output:
        try:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=env
            )
        except FileNotFoundError as err:
            raise Missing(f"the program {command[0]} is not installed", "install the package util-linux") from err
        try:
            code = child.wait(patience_s)
        except subprocess.TimeoutExpired as err:
            child.kill()
            bury(child)
            words = f"{command[0]} got no answer from {command[-1]} within {patience_s:g} s"
            raise Hung(words, "its bay is switched off and on, else unplug the camera") from err
        output.seek(0)
        text = output.read().decode(errors="replace")
    return code, text if code == 0 else " ".join(text.split())


@contextmanager
def mounted_for_writing(device: Path, filesystem: str, options: str, under: Path, patience_s: float) -> Iterator[Path]:
    """The device mounted with these options on a new private folder below ``under``, until this is left; for the one
    act that writes to a card (:mod:`erase`). Raises Permanent where it cannot be mounted, Hung, and Retryable where it
    cannot be unmounted."""
    under.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=_CARD, dir=under))
    mounted = False
    try:
        command = ("mount", "-t", filesystem, "-o", options, "--source", str(device), "--target", str(place))
        code, text = run_program(command, patience_s)
        mounted = code == 0
        if not mounted:
            raise Permanent(f"{device} cannot be mounted to erase from it: {text}", "see docs/erase.md")
        yield place
    finally:
        if mounted:
            unmount(place)
        place.rmdir()


def let_go_of_all(under: Path) -> None:
    """Unmount what a dock that was killed left mounted below ``under``, and remove its mount points. Raises Retryable,
    and Hung for a card that is dead.

    The caller is the only dock that uses this folder.
    """
    left = os.fsencode(under.resolve() / _CARD)
    for mount in mounts():
        if mount.point.startswith(left):
            unmount(Path(os.fsdecode(mount.point)))
    for place in under.glob(f"{_CARD}*"):
        place.rmdir()


def unmount(place: Path) -> None:
    """Unmount it, in a process of its own (:mod:`unmount`). Raises Hung, and Retryable where it cannot be done."""
    code, said = run_program((*_UNMOUNT, str(place)), LETTING_GO_S)
    if code != 0:
        raise Retryable(f"cannot unmount {place}: {said}", "unplug the camera, and unmount it by hand")


def may_mount() -> bool:
    """Whether this process has CAP_SYS_ADMIN (capabilities(7)): root has it, and the service's user is given it."""
    status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
    effective = next((line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), "0")
    return bool(int(effective, 16) & _CAP_SYS_ADMIN)


def mounted_at(device: Path) -> Mount | None:
    """Where a block device is mounted whole, a read-only mount first."""
    if not device.is_block_device():
        return None
    number = device.stat().st_rdev
    name = f"{os.major(number)}:{os.minor(number)}"
    here = [mount for mount in mounts() if mount.root == b"/" and _is_of(mount, name, device)]
    return min(here, key=lambda mount: not mount.readonly, default=None)


def _is_of(mount: Mount, name: str, device: Path) -> bool:
    # btrfs mounts under a number of its own, so its source counts as well
    source = Path(os.fsdecode(mount.source))
    return mount.device == name or (source.is_absolute() and source.resolve() == device)


def _mount_error(device: Path, filesystem: str, said: str) -> DockError:
    if not device.exists():
        return Gone(f"{device} went away while it was mounted", "put the camera back")
    if "unknown filesystem type" in said:
        return Missing(f"this kernel cannot read {filesystem} ({device})", f"load its driver: modprobe {filesystem}")
    if "superuser" in said or "permission denied" in said.lower():
        return Missing(f"cannot mount {device}: {said}", _BY_HAND)
    if "can't read superblock" in said or "Input/output error" in said:
        return Retryable(f"cannot mount {device}: {said}", "put the camera back, or use another reader")
    if "already mounted" in said:
        return Refused(f"cannot mount {device}: {said}", "unmount it, or name the folder it is mounted on")
    return Permanent(f"cannot mount {device}: {said}", "do not format it; image it and look at the image")
