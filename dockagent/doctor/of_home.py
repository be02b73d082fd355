"""Judges the dock's home: the disk under it, the keys, the ledger. Reads only, also what a running daemon writes."""

import os
import shutil
from pathlib import Path

from dockagent.doctor.check import Check, failure, ok, warning
from dockagent.durable import RealDisk
from dockagent.errors import DockError, Missing
from dockagent.evidence.verify import verify
from dockagent.ledger.keys import PUBLIC, Keys, read_sets
from dockagent.ledger.keys_new import refuse_lost_public_side
from dockagent.ledger.log import ENTRIES
from dockagent.ledger.trust import Trust
from dockagent.transports.mountinfo import mount_of

MIB = 1 << 20
COMFORT = 8  # so many times the reserve should be free: about one camera's card
_VOLATILE = {"tmpfs", "ramfs"}
_REMOTE = {"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs", "fuse.glusterfs", "glusterfs", "afs"}
_TOO_SIMPLE = {"vfat", "exfat", "ntfs", "ntfs3", "msdos", "fuseblk"}  # no rights, no hard links
_OTHERS_WRITE = 0o022  # whoever can write a folder can put another key into the place of ours
_PROVED = ("intact", "signature", "signer")


def place(home: Path) -> Check:
    """Whether the home is there and ours."""
    if home.is_dir():
        if os.access(home, os.R_OK | os.W_OK | os.X_OK):
            return ok("home", f"{home} can be written")
        return failure(
            "home", f"{home} cannot be written by user {os.geteuid()}", "run this as the agent's user, or as root"
        )
    above = _there(home)
    if above.is_dir() and os.access(above, os.W_OK | os.X_OK):
        return warning("home", f"{home} is not there yet; the first start makes it", "check --home, or start the agent")
    return failure("home", f"{home} is not there and cannot be made", "make it, or give another --home")


def room(home: Path, reserve_mib: int) -> Check:
    """Free space against what the ledger keeps for itself."""
    free = shutil.disk_usage(_there(home)).free // MIB
    if free <= reserve_mib:
        return failure(
            "room",
            f"{free} MiB are free and {reserve_mib} MiB are kept for the ledger, so no footage fits",
            "free some space, or let the store catch up",
        )
    if free < reserve_mib * COMFORT:
        return warning(
            "room", f"only {free} MiB are free, hardly a card's worth", "free some space, or use a larger disk"
        )
    return ok("room", f"{free} MiB free, {reserve_mib} of them kept for the ledger")


def disk(home: Path) -> Check:
    """The kind of file system under the home."""
    folder = os.open(_there(home), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        mount = mount_of(folder)
    finally:
        os.close(folder)
    return judge_disk(mount.filesystem if mount else "")


def judge_disk(filesystem: str) -> Check:
    """What a file system of this type (as the kernel names it; empty: unknown) means for footage at rest."""
    if filesystem in _VOLATILE:
        return warning("disk", f"{filesystem} lies in memory: a power cut loses footage", "use a folder on a real disk")
    if filesystem in _REMOTE:
        return warning("disk", f"{filesystem} is a network away: it can lie about fsync", "use a disk of this machine")
    if filesystem in _TOO_SIMPLE:
        return failure("disk", f"{filesystem} has no rights and no hard links", "use ext4, xfs or btrfs")
    return ok("disk", filesystem or "of a kind that the kernel does not name")


def keys(home: Path) -> Check:
    """The dock's identity, and that nobody else can read it."""
    folder = home / "keys"
    try:
        if folder.exists() and (mode := folder.stat().st_mode & 0o777) & _OTHERS_WRITE:
            return failure("keys", f"others can change the keys folder {folder} (mode {mode:04o})", _keep_out(folder))
        if not (folder / PUBLIC).exists():
            refuse_lost_public_side(home)
            return warning(
                "keys",
                "this dock has no keys yet; the first start makes them",
                "or run `dockagent keys init --dock ID`",
            )
        found = Keys.load(RealDisk(folder))
    except Missing as err:
        if "CREDENTIALS_DIRECTORY" not in os.environ and any(folder.glob("identity*.credential")):
            return warning("keys", f"not checked: {err.what}", "the agent's own start checks it: `systemctl status`")
        return failure("keys", err.what, err.hint)
    except DockError as err:
        return failure("keys", err.what, err.hint)
    except OSError as err:
        return failure("keys", f"{folder} cannot be read: {err.strerror}", "run this as the agent's user")
    return ok(
        "keys", f"dock {found.dock.id}, records signed by {found.key_id[:16]}…, identity in {found.identity.where}"
    )


def ledger(home: Path) -> Check:
    """The whole ledger against its checkpoint and this dock's keys, as an outsider would check it."""
    try:
        if not (home / "ledger" / ENTRIES).exists():
            return warning(
                "ledger", "there is no ledger yet; the first start makes it", "start the agent, or check --home"
            )
        (report,) = verify(home, Trust(read_sets(RealDisk(home / "keys"))))
    except DockError as err:
        return failure("ledger", err.what, err.hint)
    except OSError as err:
        return failure("ledger", f"{home / 'ledger'} cannot be read: {err.strerror}", "run this as the agent's user")
    bad = [report.verdicts[aspect].why for aspect in _PROVED if report.verdicts[aspect].word != "pass"]
    if bad:
        return failure("ledger", bad[0], f"keep {home} as it is and run `dockagent verify {home}`")
    return ok("ledger", "; ".join(report.facts))


def _keep_out(folder: Path) -> str:
    return f"run `chmod go-w {folder}`, and look whether the keys are still yours: `dockagent keys show`"


def _there(path: Path) -> Path:
    """The nearest of ``path`` and its parents that is there."""
    return next(one for one in (path, *path.parents) if one.exists())
