"""One name in the bays folder: a folder that is a card, or a link to a console. Looked at by a thread of its own, which
hangs with it where its file system does not answer; other bays have other threads."""

import fcntl
import hashlib
import os
import stat
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from watchdog import events
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from dockagent.clock import Clock
from dockagent.errors import DockError
from dockagent.transports.bay_messages import Stay
from dockagent.transports.folder import FolderFootage

PATIENCE_S = 60.0  # a folder that is filled for longer than this is told of

_FS_IOC_GETVERSION = 0x80087601  # ioctl_iflags(2): an inode's generation
# Not opening and closing: our own pull reads the cards.
_EVENTS: list[type[events.FileSystemEvent]] = [
    events.DirCreatedEvent,
    events.DirDeletedEvent,
    events.DirMovedEvent,
    events.FileAttribEvent,
    events.FileCreatedEvent,
    events.FileDeletedEvent,
    events.FileModifiedEvent,
    events.FileMovedEvent,
]

Identity = tuple[int, int, int]  # device, inode, generation
Tell = Callable[["BayFolder", tuple[Stay, ...]], None]


@dataclass(slots=True)
class _Card:
    """What we know of the folder that is here: since when it looks as ``tree`` says, and what was told of it."""

    identity: Identity
    since: float
    quiet_since: float
    tree: str = ""
    settled: str | None = None
    stay: Stay | None = None


class BayFolder:
    """Watches ``path`` from :meth:`start` to :meth:`end`, and looks whenever it is woken. ``tell`` gets what stands
    there whenever that is another, ``complain`` one line for a trouble; both are called from its thread."""

    def __init__(self, path: Path, settle_s: float, clock: Clock, tell: Tell, complain: Callable[[str], None]) -> None:
        self.path = path
        self._settle_s, self._clock, self._tell, self._complain = settle_s, clock, tell, complain
        self._card: _Card | None = None
        self._told: tuple[Stay, ...] | None = None
        self._observer: BaseObserver | None = None
        self._stirred = True
        self._ended = False
        self._bell = threading.Event()
        self._busy_since: float | None = None
        self._thread = threading.Thread(target=self._run, name=path.name, daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def end(self) -> None:
        """Look no more. Nobody waits for it: it may hang."""
        self._ended = True
        self._bell.set()

    def wake(self) -> None:
        """Look now."""
        self._bell.set()

    def stir(self) -> None:
        """Something happened in it. Called from the observer's thread."""
        self._stirred = True
        self._bell.set()

    def waits_s(self) -> float:
        """For how long the look that is going on has been; 0 where none is."""
        since = self._busy_since
        return 0.0 if since is None else self._clock.monotonic() - since

    def _run(self) -> None:
        wait_s: float | None = 0.0
        while not self._ended:
            self._bell.wait(wait_s)
            self._bell.clear()
            self._busy_since = self._clock.monotonic()
            wait_s = self._look()
            self._busy_since = None
        self._unwatch()

    def _look(self) -> float | None:
        """Look and tell; the seconds until the next look, where it is not to wait until it is woken."""
        now = self._clock.monotonic()
        identity = _folder_identity(self.path)
        if self._card is not None and identity != self._card.identity:
            self._unwatch()
            self._card = None
        if identity is not None and self._card is None:
            self._card, self._stirred = _Card(identity, now, now), True
            self._watch()
        card = self._card
        if card is None:
            self._say(_console(self.path) if self.path.name.endswith(".tty") else ())
            return None
        self._settle(card, now)
        if card.stay is not None:
            self._say((card.stay,))
        elif self._told is not None:  # else somebody may have told of this very card before us: it has not left
            self._say(())
        return self._settle_s / 4 if self._stirred or card.tree != card.settled else None

    def _say(self, stays: tuple[Stay, ...]) -> None:
        if stays != self._told:
            self._told = stays
            self._tell(self, stays)

    def _settle(self, card: _Card, now: float) -> None:
        """Take a card for one once its files stay the same for the settling time."""
        stirred, self._stirred = self._stirred, False  # before we look: what happens meanwhile stirs it again
        if not stirred and (card.tree == card.settled or now < card.quiet_since + self._settle_s):
            return
        tree, name = _tree(self.path), self.path.name
        if stirred or tree != card.tree:
            card.tree, card.quiet_since = tree, now
            if card.stay is None and now > card.since + PATIENCE_S:
                self._complain(
                    f"the folder of bay {name} is still being written after {PATIENCE_S:g} s; it is not read"
                )
            return
        card.settled = tree
        facts = {**_card_facts(self.path), "tree": tree}
        card.stay = Stay(name, "folder", os.fsencode(self.path), repr(card.identity), facts)

    def _watch(self) -> None:
        observer = Observer()
        try:
            observer.start()
            self._observer = observer
            observer.schedule(_Stir(self), str(self.path), recursive=True, event_filter=_EVENTS)
        except OSError as err:
            if self.path.exists():
                what = f"changes in {self.path} are not noticed: {err.strerror}"
                self._complain(f"{what}; raise fs.inotify.max_user_watches and max_user_instances")

    def _unwatch(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer = None


class _Stir(events.FileSystemEventHandler):
    def __init__(self, bay: BayFolder) -> None:
        self._bay = bay

    def on_any_event(self, event: events.FileSystemEvent) -> None:
        self._bay.stir()


def identity_of(path: Path) -> Identity | None:
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
    identity = identity_of(path)
    try:
        with os.scandir(path) as entries:
            return identity if identity is not None and next(entries, None) is not None else None
    except OSError:
        return None


def _console(link: Path) -> tuple[Stay, ...]:
    """The console that ``link`` leads to; nothing where it dangles (the pty closed)."""
    try:
        facts, target, here = link.stat(), link.resolve(strict=True), link.lstat()
    except (OSError, RuntimeError):  # RuntimeError: links in a circle
        return ()
    if stat.S_ISDIR(facts.st_mode):
        return ()
    key = repr((str(target), facts.st_dev, facts.st_ino, here.st_ino))
    return (Stay(link.name.removesuffix(".tty"), "tty", os.fsencode(target), key, {}),)


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
