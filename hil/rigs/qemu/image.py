"""The guest: made once from the distribution's packages, booted once, and kept as a disk and what its memory held.

``python -m hil.rigs.qemu.image`` makes it if it is not there: about 4 minutes on two cores, 1.2 GB in the cache. The
key is what it is made of: this file, the agent in it, and the machine that it was booted on. When a guest has been
made, those with other keys are removed, but for those that are in use.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hil.rigs.qemu import machine

HERE = Path(__file__).parent
SUITE = "bookworm"
SIZE = "4G"
PACKAGES = (
    *("linux-image-amd64", "systemd", "systemd-sysv", "udev", "dbus", "kmod", "usbutils", "util-linux", "iproute2"),
    *("python3", "python3-venv", "e2fsprogs", "dosfstools", "exfatprogs", "procps", "mtp-tools", "libusb-1.0-0"),
    *("tpm2-tools", "dmsetup", "ffmpeg", "openssl"),
)
MODULES = (
    *("vfat", "exfat", "nls_utf8", "nls_cp437", "nls_ascii", "usb_storage", "uas", "sd_mod", "cdc_acm", "ftdi_sio"),
    *("loop", "overlay", "9p", "9pnet_virtio", "dummy_hcd", "libcomposite", "usb_f_mass_storage", "usb_f_acm"),
    *("vhci_hcd", "usbip_core", "configfs", "sch_netem", "sch_tbf", "dm_flakey", "dm_log_writes", "tpm_tis", "usbhid"),
)
_EARLY = ("virtio_pci", "virtio_blk", "crc32c_generic", "ext4", "virtio_console")  # ext4 asks for its checksum unseen
_ASLEEP = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer"),
    *("systemd-logind.service", "systemd-timesyncd.service", "e2scrub_reap.service", "getty@tty1.service"),
)
_LEFT_OUT = ("man", "doc", "locale", "info")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TOOLS = ("mmdebstrap", machine.PROGRAM, "qemu-img", "busybox", "cpio", "mkfs.ext4", "swtpm", "zstd")
_MAKING = "making-"
_OURS = re.compile(rf"[0-9a-f]{{16}}|{_MAKING}\w+")
"""What a build leaves in the cache. Nothing else there is touched."""


class NoImage(Exception):
    """The guest is not there and cannot be made; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Image:
    """A guest in the cache. ``memory`` and ``tpm`` are there when it has been booted."""

    folder: Path

    @property
    def disk(self) -> Path:
        """Its disk as it was made."""
        return self.folder / "root.ext4"

    @property
    def booted(self) -> Path:
        """Its disk as the boot left it, over ``disk``."""
        return self.folder / "booted.qcow2"

    @property
    def memory(self) -> Path:
        """What its memory held when it had booted."""
        return self.folder / "memory.zst"

    @property
    def tpm(self) -> Path:
        """The state of its TPM at that time."""
        return self.folder / "tpm"

    @property
    def kernel(self) -> tuple[Path, Path]:
        """Kernel and initial file system."""
        return self.folder / "vmlinuz", self.folder / "initrd"

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Nobody removes it from the cache before the block ends. Raises NoImage where somebody just has."""
        held = _opened(self.folder)
        try:
            fcntl.flock(held, fcntl.LOCK_SH)
            if not self.disk.exists():
                raise NoImage(f"the guest {self.folder.name} was removed from the cache; run: make rig-guest")
            yield
        finally:
            os.close(held)


def cache() -> Path:
    """Where guests are kept: ``$DOCKAGENT_RIG_CACHE``, else a folder of the user's cache."""
    given = os.environ.get("DOCKAGENT_RIG_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dockagent"
    return (Path(given) if given else base) / "rig-guest"


def built() -> Image | None:
    """The guest if it is in the cache, ready to be restored."""
    image = Image(cache() / _key())
    return image if image.memory.exists() else None


def build() -> Image:
    """The guest, made and booted now if need be. Two builders wait for each other. Raises NoImage."""
    from hil.rigs.qemu import vm

    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = built()
        if found is not None:
            return found
        target = Image(cache() / _key())
        shutil.rmtree(target.folder, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=_MAKING, dir=cache()) as work:
            made = Image(Path(work) / "image")
            made.folder.mkdir()
            _make(made, Path(work))
            made.folder.rename(target.folder)
        vm.keep_booted(target)
        keep_only(target)
        return target


def keep_only(image: Image) -> None:
    """Remove the other guests, and what builds left that were broken off. Who calls it holds the cache's lock. A guest
    that is in use stays until the next time."""
    for folder in cache().iterdir():
        if folder == image.folder or not _OURS.fullmatch(folder.name):
            continue
        held = _opened(folder)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(folder)
        finally:
            os.close(held)


def _opened(folder: Path) -> int:
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as err:
        raise NoImage(f"{folder} cannot be opened: {err.strerror}; run: make rig-guest") from err


def _make(image: Image, work: Path) -> None:
    missing = [tool for tool in _TOOLS if shutil.which(tool, path=_PATH) is None]
    if missing:
        raise NoImage(f"the guest cannot be made ({', '.join(missing)} missing); run: make packages-long")
    if os.geteuid() != 0:
        raise NoImage("the guest cannot be made: only root can lay out files that belong to root; run it as root")
    print("making the rig's guest from Debian's packages; this is done once and takes some minutes", flush=True)
    root = work / "root"
    keep_out = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _LEFT_OUT]
    _run(
        *("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}", *keep_out),
        *("--aptopt=Acquire::Languages \"none\"", SUITE, str(root), *_sources()),
    )  # fmt: skip
    _furnish(root)
    (kernel,) = (root / "boot").glob("vmlinuz-*")
    shutil.copy(kernel, image.kernel[0])
    _initial(root, kernel.name.removeprefix("vmlinuz-"), image.kernel[1], work)
    _run("truncate", "-s", SIZE, str(image.disk))
    _run("mkfs.ext4", "-q", "-F", "-L", "hil", "-O", "^has_journal", "-d", str(root), str(image.disk))


def _furnish(root: Path) -> None:
    """What a guest has that a fresh system has not: a name, the agent, fewer services that wake up by themselves."""
    (root / "etc/hostname").write_text("dock\n")
    units = root / "etc/systemd/system"
    for name in _ASLEEP:
        (units / name).symlink_to("/dev/null")
    (root / "opt/hil").mkdir(parents=True)
    shutil.copy(HERE / "guest_agent.py", root / "opt/hil/")
    (units / "hil-agent.service").write_text(
        "[Unit]\nDescription=Runs what the rig asks for\n[Service]\nRestart=always\n"
        "ExecStart=/usr/bin/python3 /opt/hil/guest_agent.py\n[Install]\nWantedBy=multi-user.target\n"
    )
    wants = units / "multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / "hil-agent.service").symlink_to("/etc/systemd/system/hil-agent.service")
    (root / "etc/modules-load.d/hil.conf").write_text("\n".join(MODULES) + "\n")
    (root / "etc/modprobe.d/hil.conf").write_text("options usb-storage delay_use=0\noptions dummy_hcd num=4\n")


def _initial(root: Path, version: str, target: Path, work: Path) -> None:
    """An initial file system with just the modules for the root disk: it starts in a second, the stock one in a minute
    without KVM."""
    tree = work / "initial"
    for name in ("bin", "m", "dev", "proc", "sys", "new"):
        (tree / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", tree / "bin/busybox")
    for name in ("sh", "mount", "insmod", "switch_root", "sleep"):
        (tree / "bin" / name).symlink_to("busybox")
    shutil.copy(HERE / "initial.sh", tree / "init")
    (tree / "init").chmod(0o755)
    order = list(dict.fromkeys(_needed(root, version)))
    for module in order:
        shutil.copy(module, tree / "m" / module.name)
    (tree / "order").write_text("".join(f"{module.name}\n" for module in order))
    names = b"\n".join(str(path.relative_to(tree)).encode() for path in sorted(tree.rglob("*")))
    with target.open("wb") as packed:
        subprocess.run(
            ["cpio", "--quiet", "-o", "-H", "newc"], cwd=tree, input=names, stdout=packed, check=True, timeout=60
        )


def _needed(root: Path, version: str) -> Iterator[Path]:
    """The files of the early modules, each after those that it depends on (depmod(8), ``modules.dep``)."""
    folder = root / "lib/modules" / version
    depends: dict[str, list[str]] = {}
    for line in (folder / "modules.dep").read_text().splitlines():
        name, _, others = line.partition(":")
        depends[Path(name).name.partition(".")[0].replace("-", "_")] = [name, *others.split()]
    for module in _EARLY:
        yield from (folder / name for name in reversed(depends[module]))


def _sources() -> list[str]:
    """Where packages come from: as this machine's own apt is told, if it is the same distribution."""
    folder = Path("/etc/apt/sources.list.d/debian.sources")
    if folder.exists() and re.search(rf"^Suites:.*\b{SUITE}\b", folder.read_text(), re.MULTILINE):
        return [str(folder)]
    return []


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = "\n".join(done.stderr.splitlines()[-12:])
        raise NoImage(f"{words[0]} ended with {done.returncode}:\n{tail}")


def _key() -> str:
    parts = [(HERE / name).read_bytes() for name in ("image.py", "guest_agent.py", "initial.sh")]
    return hashlib.sha256(b"\0".join([*parts, machine.described().encode()])).hexdigest()[:16]


def main() -> int:
    """Make it if need be and print where it is."""
    try:
        print(build().folder)
    except NoImage as err:
        print(f"hil: {err}", file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main())
