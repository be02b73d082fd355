"""Detect cameras as folders: ``<bays>/<bay>/`` is the card in a bay, ``<bays>/<bay>.tty`` leads to its console.

For emulated cameras, and for whatever else shows up as a folder. A folder may come by rename, by a slow copy or by a
mount on it. inotify sees neither mounts nor what happens inside them until it is armed anew, so the kernel's list of
mounts is watched too.
"""

import fcntl
import hashlib
import os
import select
import stat
import struct
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

from dockagent.clock import Clock
from dockagent.core.paths import to_text
from dockagent.errors import DockError, Missing, UsageError
from dockagent.steps.detect import LONGEST_WAIT_S, Deliver, Reporter, Sighting, Watch
from dockagent.transports.folder import FolderFootage

PATIENCE_S = 60.0  # a folder that is filled for longer than this is told of

_FS_IOC_GETVERSION = 0x80087601  # ioctl_iflags(2): an inode's generation
# Not opening and closing: our own pull reads the cards.
_EVENTS: list[type[FileSystemEvent]] = [
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]

Identity = tuple[int, int, int]  # device, inode, generation


@dataclass(slots=True)
class _Bay:
    """What we know about the folder that is in a bay: since when it looks as ``tree`` says, and what was reported."""

    identity: Identity
    watch: ObservedWatch | None
    since: float
    quiet_since: float
    tree: str = ""
    stirred: bool = True
    settled: str | None = None
    sighting: Sighting | None = None


class BaysFolderWatch(Watch):
    """Watches the folder ``bays``. A bay's folder is reported once something is in it and it was quiet for
    ``settle_s`` seconds; ``changed`` when its files differ after it had settled; ``gone`` when it vanishes, is emptied
    or is another folder now. Names that start with a dot, links to folders and other files are ignored."""

    def __init__(
        self, bays: Path, deliver: Deliver, on_error: Callable[[str], None], clock: Clock, *, settle_s: float = 1.0
    ) -> None:
        super().__init__("bays watch", on_error)
        self._root, self._clock, self._settle_s = bays.absolute(), clock, settle_s
        self._reporter = Reporter(deliver)
        self._bays: dict[str, _Bay] = {}
        self._root_identity: Identity | None = None
        self._root_watch: ObservedWatch | None = None
        self._observer: BaseObserver = Observer()
        self._mounts = -1

    def _arm(self) -> None:
        if not self._root.is_dir():
            raise UsageError(f"the bays folder {self._root} is not there", "make it, or name another in the config")
        # watchdog warns when it meets a new folder twice (by its own walk and by the event), which does no harm
        warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning, "watchdog")
        try:
            self._observer.start()
        except OSError as err:
            raise Missing(f"cannot watch folders: {err.strerror}", "raise fs.inotify.max_user_instances") from err
        self._mounts = os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC)

    def _sources(self) -> Mapping[int, int]:
        return {self._mounts: select.POLLPRI}

    def _disarm(self) -> None:
        self._observer.stop()
        self._observer.join(5)
        os.close(self._mounts)

    def _look(self, ready: frozenset[int]) -> float:
        self._follow_root()
        now = self._clock.monotonic()
        cards, consoles = self._present()
        for name in [name for name, bay in self._bays.items() if cards.get(name) != bay.identity]:
            self._unwatch(self._bays.pop(name).watch)
        for name, identity in cards.items():
            if name not in self._bays:
                self._bays[name] = _Bay(identity, self._watch(self._root / name, recursive=True), now, now)
            self._settle(name, self._bays[name], now)
        seen: dict[object, Sighting] = dict(consoles)
        seen |= {(name, bay.identity): bay.sighting for name, bay in self._bays.items() if bay.sighting}
        self._reporter.look(seen)
        restless = any(bay.stirred or bay.tree != bay.settled for bay in self._bays.values())
        return self._settle_s / 4 if restless else LONGEST_WAIT_S

    def _settle(self, name: str, bay: _Bay, now: float) -> None:
        """Report a bay once its files stay the same for the settling time."""
        stirred, bay.stirred = bay.stirred, False  # before we look: what happens meanwhile stirs it again
        if not stirred and (bay.tree == bay.settled or now < bay.quiet_since + self._settle_s):
            return
        tree = _tree(self._root / name)
        if stirred or tree != bay.tree:
            bay.tree, bay.quiet_since = tree, now
            if bay.sighting is None and now > bay.since + PATIENCE_S:
                self.complain(f"the folder of bay {name} is still being written after {PATIENCE_S:g} s; it is not read")
            return
        bay.settled = tree
        facts = {**_card_facts(self._root / name), "tree": tree}
        bay.sighting = Sighting("appeared", name, f"folder:{name}", "folder", str(self._root / name), facts)

    def _present(self) -> tuple[dict[str, Identity], dict[object, Sighting]]:
        """The bays' folders that hold something, and the consoles, as they are now."""
        cards: dict[str, Identity] = {}
        consoles: dict[object, Sighting] = {}
        try:
            names = sorted(path.name for path in self._root.iterdir() if not path.name.startswith("."))
        except OSError as err:
            self.complain(f"the bays folder {self._root} cannot be read ({err.strerror}); put it back")
            return cards, consoles
        for name in names:
            if to_text(os.fsencode(name)) != name:
                self.complain(f"the bay {to_text(os.fsencode(name))} has a name that cannot be shown; rename it")
                continue
            identity = _folder_identity(self._root / name)
            if identity is not None:
                cards[name] = identity
            elif name.endswith(".tty"):
                consoles |= _console(self._root / name)
        return cards, consoles

    def _follow_root(self) -> None:
        """Watch the bays folder; again, when it was taken away and put back."""
        identity = _identity(self._root)
        if identity == self._root_identity:
            return
        self._unwatch(self._root_watch)
        self._root_identity = identity
        self.relieve()
        self._root_watch = None if identity is None else self._watch(self._root, recursive=False)

    def _watch(self, path: Path, *, recursive: bool) -> ObservedWatch | None:
        handler = _Stir(self, None if path == self._root else path.name)
        try:
            return self._observer.schedule(handler, str(path), recursive=recursive, event_filter=_EVENTS)
        except OSError as err:
            if path.exists():
                self.complain(f"changes in {path} are not noticed: {err.strerror}; raise fs.inotify.max_user_watches")
            return None

    def _unwatch(self, watch: ObservedWatch | None) -> None:
        if watch is not None:
            self._observer.unschedule(watch)

    def stir(self, name: str | None) -> None:
        """Something happened in the bay ``name``, or among the bays. Called from the observer's thread."""
        bay = self._bays.get(name) if name is not None else None
        if bay is not None:
            bay.stirred = True
        self.wake()


class _Stir(FileSystemEventHandler):
    def __init__(self, watch: BaysFolderWatch, name: str | None) -> None:
        self._watch, self._name = watch, name

    def on_any_event(self, event: FileSystemEvent) -> None:
        self._watch.stir(self._name)


def _identity(path: Path) -> Identity | None:
    """What tells a folder from the next one of the same name, or None where there is no folder (or only a link)."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        facts = os.fstat(fd)
        return facts.st_dev, facts.st_ino, _generation(fd)
    finally:
        os.close(fd)


def _generation(fd: int) -> int:
    """ext4 gives a removed folder's inode number to the next folder made; only the generation differs. File systems
    without the ioctl (tmpfs, FAT) do not reuse numbers while mounted."""
    try:
        return int(struct.unpack_from("I", fcntl.ioctl(fd, _FS_IOC_GETVERSION, bytes(8)))[0])
    except OSError:
        return 0


def _folder_identity(path: Path) -> Identity | None:
    """The identity of a folder that holds something; an empty one is an empty bay."""
    identity = _identity(path)
    try:
        with os.scandir(path) as entries:
            return identity if identity is not None and next(entries, None) is not None else None
    except OSError:
        return None


def _console(link: Path) -> dict[object, Sighting]:
    """The console that ``link`` leads to; nothing where it dangles (the pty closed)."""
    try:
        facts, target = link.stat(), link.resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: links in a circle
        return {}
    if stat.S_ISDIR(facts.st_mode):
        return {}
    bay = link.name.removesuffix(".tty")
    sighting = Sighting("appeared", bay, f"folder:{bay}", "tty", str(target))
    return {(link.name, str(target), facts.st_dev, facts.st_ino, link.lstat().st_ino): sighting}


def _tree(root: Path) -> str:
    """A digest over path, size and time of every file: equal as long as nobody changed anything."""
    digest = hashlib.sha256()
    try:
        for line in _lines(root):
            digest.update(line)
    except DockError as err:
        digest.update(str(err).encode())  # what cannot be listed now: a change of that is a change as well
    return digest.hexdigest()


def _lines(root: Path) -> Iterator[bytes]:
    card = FolderFootage(root)
    try:
        for fact in card.list():
            yield b"%d %d %b\0" % (fact.size, fact.mtime_ms, fact.path)
    finally:
        card.close()


def _card_facts(root: Path) -> dict[str, str]:
    try:
        card = FolderFootage(root)
        try:
            return dict(card.facts())
        finally:
            card.close()
    except DockError:
        return {}  # it left again; the next look says so
