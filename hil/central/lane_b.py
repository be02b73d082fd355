"""A newer Ceph than the distribution has, for the long tier: Debian sid's packages in a folder of their own.

``python -m hil.central.lane_b`` makes it if it is not there: about 70 seconds, 600 MB, as root. It is kept under the
package's version in ``$DOCKAGENT_RIG_CACHE``, else in the user's cache; when another version has been made, the older
ones are removed. Where the version on offer cannot be asked for, the newest that is kept is used.

This Ceph states and compares SHA-256 checksums, refuses second writes with 412 also in versioned buckets, and keeps
legal holds on uploads in parts.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGES = ("radosgw", "ceph-mon", "ceph-osd", "ceph-common")
SUITE = "sid"
_TOOLS = ("mmdebstrap", "apt-get", "apt-cache", "unshare", "chroot", "setpriv")
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_SOURCES = Path("/etc/apt/sources.list.d/debian.sources")
_LEFT_OUT = ("doc", "man", "locale", "info")
_PREFIX, _MAKING = "ceph-", "making-"
# A rolling suite's list can be older than it says it may be; what is in it is signed all the same.
_OLD_LISTS = "Acquire::Check-Valid-Until"
PATIENCE = 900  # seconds


class NoCeph(Exception):
    """It is not there and cannot be made; the text says what to do."""


def cache() -> Path:
    """Where it is kept."""
    given = os.environ.get("DOCKAGENT_RIG_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dockagent"
    return (Path(given) if given else base) / "ceph-b"


def built() -> Path | None:
    """The newest one that is kept, ready to be used as ``root`` of a :class:`hil.central.rgw.Gateway`."""
    found = sorted(cache().glob(f"{_PREFIX}*"), key=lambda one: one.stat().st_mtime) if cache().is_dir() else []
    return found[-1] if found else None


def build() -> Path:
    """The version on offer, made now if need be. Two builders wait for each other. Raises NoCeph."""
    _need_tools()
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "lock").open("w") as lock, tempfile.TemporaryDirectory(prefix=_MAKING, dir=cache()) as work:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept, version = built(), _on_offer(Path(work))
        if kept is not None and version in ("", kept.name.removeprefix(_PREFIX)):
            return kept
        if not version:
            raise NoCeph(f"the packages of Debian {SUITE} cannot be listed; connect this machine, and run it again")
        target = cache() / f"{_PREFIX}{version}"
        root = Path(work) / "root"
        _make(root, Path(work))
        root.rename(target)
        _keep_only(target)
        return target


def _keep_only(target: Path) -> None:
    for other in cache().glob(f"{_PREFIX}*"):
        if other != target:
            shutil.rmtree(other)


def _need_tools() -> None:
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    if missing := [tool for tool in _TOOLS if shutil.which(tool, path=path) is None]:
        raise NoCeph(f"{', '.join(missing)} not installed; apt-get install mmdebstrap debian-archive-keyring")
    if not _KEYRING.is_file():
        raise NoCeph(f"{_KEYRING} is not there; apt-get install debian-archive-keyring")
    if os.geteuid() != 0:
        raise NoCeph("only root can lay out files that belong to root; run it as root")


def _mirror() -> str:
    """Where this machine's own packages come from: the suite is there too."""
    try:
        found = re.search(r"^URIs:\s*(\S+)", _SOURCES.read_text(), re.MULTILINE)
    except OSError:
        found = None
    if found is None:
        raise NoCeph(f"{_SOURCES} names no mirror of Debian; this needs Debian 12 or later")
    return found[1].rstrip("/")


def _sources(work: Path) -> Path:
    file = work / "sid.sources"
    file.write_text(
        f"Types: deb\nURIs: {_mirror()}\nSuites: {SUITE}\nComponents: main\nSigned-By: {_KEYRING}\n", encoding="ascii"
    )
    return file


def _on_offer(work: Path) -> str:
    """The version that the mirror has now, or empty where nobody can say."""
    (work / "lists" / "partial").mkdir(parents=True)
    where = [
        *("-o", f"Dir::Etc::sourcelist={_sources(work)}", "-o", "Dir::Etc::sourceparts=-"),
        *("-o", f"Dir::State::Lists={work / 'lists'}", "-o", f"Dir::Cache={work / 'apt'}"),
        *("-o", "Acquire::Languages=none", "-o", f"{_OLD_LISTS}=false"),
    ]
    asked = subprocess.run(["apt-get", "-qq", *where, "update"], capture_output=True, timeout=PATIENCE, check=False)
    if asked.returncode:
        return ""
    done = subprocess.run(
        ["apt-cache", *where, "madison", PACKAGES[0]], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout.split("|")[1].strip() if done.stdout.count("|") > 1 else ""


def _make(root: Path, work: Path) -> None:
    print("making a newer Ceph from Debian's packages; this is done once and takes a minute or two", flush=True)
    keep_out = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _LEFT_OUT]
    options = ('Apt::Install-Recommends "false"', 'Acquire::Languages "none"', f'{_OLD_LISTS} "false"')
    done = subprocess.run(
        [
            *("mmdebstrap", "--quiet", "--variant=apt", "--mode=root", f"--include={','.join(PACKAGES)}"),
            *(f"--aptopt={one}" for one in options),
            *keep_out,
            *(SUITE, str(root), str(_sources(work))),
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if done.returncode:
        raise NoCeph("mmdebstrap failed: " + "; ".join(done.stderr.splitlines()[-4:]))


@contextmanager
def in_use() -> Iterator[Path]:
    """The newest one that is kept, which nobody replaces before the block ends. Raises NoCeph where there is none."""
    root = built()
    if root is None:
        raise NoCeph("the newer Ceph is not made; run as root: python -m hil.central.lane_b")
    with (cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield root


def main() -> int:
    """Make it if need be and print where it is."""
    try:
        print(build())
    except (NoCeph, subprocess.TimeoutExpired) as err:
        print(f"hil: {err}", file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main())
