"""The rig's kernel: User-Mode Linux with USB, built from the distribution's kernel source and kept in a cache.

``python -m hil.rigs.uml.kernel`` builds it if it is not there and prints where it is. It takes 4 to 10 minutes on two
cores, once for each kernel source and configuration; the result is one program of 11 MB. When one has been built, the
others are removed, but for those that are in use.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
CONFIG = HERE / "kernel.config"
SOURCES = Path("/usr/src")
_MAKING = "making-"
_OURS = re.compile(rf"[0-9a-f]{{12}}-[0-9a-f]{{12}}|{_MAKING}\w+")
"""What a build leaves in the cache. Nothing else there is touched."""
TOOLS = ("gcc", "make", "flex", "bison", "bc", "xz")


class NoKernel(Exception):
    """The kernel is not there and cannot be made; the text says what to do."""


def cache() -> Path:
    """Where kernels are kept: ``$DOCKAGENT_RIG_CACHE``, else a folder of the user's cache."""
    given = os.environ.get("DOCKAGENT_RIG_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(given) if given else base / "dockagent" / "rig-kernel"


def built() -> Path | None:
    """The kernel for this configuration and source if it is in the cache. Without the source, the newest one that was
    built with this configuration."""
    if not cache().is_dir():
        return None
    source = _source()
    wanted = f"{_config_key()}-{_source_key(source) if source else '*'}"
    found = sorted(cache().glob(f"{wanted}/linux"), key=lambda path: path.stat().st_mtime)
    return found[-1] if found else None


def build() -> Path:
    """The kernel, built now if need be. Two builders wait for each other. Raises NoKernel."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = built()
        if found is None:
            found = _build()
            keep_only(found)
        return found


@contextmanager
def in_use(program: Path) -> Iterator[None]:
    """Nobody removes this kernel from the cache before the block ends. Raises NoKernel where somebody just has."""
    held = _opened(program.parent)
    try:
        fcntl.flock(held, fcntl.LOCK_SH)
        if not program.exists():
            raise NoKernel(f"the rig's kernel {program.parent.name} was removed from the cache; run: make rig-kernel")
        yield
    finally:
        os.close(held)


def keep_only(program: Path) -> None:
    """Remove the other kernels, and what builds left that were broken off. Who calls it holds the cache's lock. A
    kernel that is in use stays until the next time."""
    for folder in cache().iterdir():
        if folder == program.parent or not _OURS.fullmatch(folder.name):
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
        raise NoKernel(f"{folder} cannot be opened: {err.strerror}; run: make rig-kernel") from err


def _build() -> Path:
    source = _source()
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if source is None or missing:
        what = ", ".join(missing) if source else f"no kernel source in {SOURCES}"
        raise NoKernel(f"the rig's kernel cannot be built ({what} missing); run: make packages-rig")
    target = cache() / f"{_config_key()}-{_source_key(source)}" / "linux"
    with tempfile.TemporaryDirectory(prefix=_MAKING, dir=cache()) as work:
        print(f"building the rig's kernel from {source.name}; this is done once and takes some minutes", flush=True)
        tree = _unpack(source, Path(work))
        log = Path(work) / "log"
        _make(tree, log, "allnoconfig", KCONFIG_ALLCONFIG=str(CONFIG))
        for option in dropped(tree / ".config"):
            print(f"  this source has no {option} here")
        _make(tree, log, f"-j{os.cpu_count() or 1}", "linux")
        subprocess.run(["strip", tree / "linux"], check=True)
        target.parent.mkdir(exist_ok=True)
        (tree / "linux").replace(target)
        shutil.copy(tree / ".config", target.with_name("config"))
    return target


def dropped(config: Path) -> list[str]:
    """The options of our fragment that are not in a finished ``.config``: Kconfig says nothing when it drops one."""
    has = set(config.read_text().splitlines())
    return [line for line in CONFIG.read_text().splitlines() if line.endswith("=y") and line not in has]


def _unpack(source: Path, work: Path) -> Path:
    with tarfile.open(source) as archive:
        archive.extractall(work, filter="tar")
    return next(path for path in work.iterdir() if path.is_dir())


def _make(tree: Path, log: Path, *targets: str, **environment: str) -> None:
    with log.open("ab") as output:
        done = subprocess.run(
            ["make", "-C", tree, "ARCH=um", *targets],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "MAKEFLAGS": "", **environment},
            check=False,
        )
    if done.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise NoKernel(f"the rig's kernel could not be built; make ended with {done.returncode}:\n{tail}")


def _source() -> Path | None:
    return max(SOURCES.glob("linux-source-*.tar.xz"), default=None)


def _config_key() -> str:
    return hashlib.sha256(CONFIG.read_bytes()).hexdigest()[:12]


def _source_key(source: Path) -> str:
    """The tarball's own digest, remembered by its name, size and time: it is 139 MB."""
    facts = source.stat()
    memory = cache() / f".{source.name}-{facts.st_size}-{facts.st_mtime_ns}"
    if not memory.exists():
        with source.open("rb") as file:
            memory.write_text(hashlib.file_digest(file, "sha256").hexdigest()[:12])
    return memory.read_text()


def main() -> int:
    """Build it if need be and print where it is."""
    try:
        print(build())
    except NoKernel as err:
        print(f"hil: {err}", file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main())
