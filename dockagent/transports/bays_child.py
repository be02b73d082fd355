"""The child that watches the bays folder, so that the dock does not: ``python -m dockagent.transports.bays_child bays
ROOT FDS``.

A bay's folder may be a mount whose server has died (NFS, FUSE). Whoever looks at it then sleeps in the kernel, often
where no signal reaches, and a process with such a thread cannot end. So the dock itself never looks: this child does,
with a thread for each bay, and is killed, or left to the kernel, when the dock ends. inotify sees neither mounts nor
what happens inside them until it is armed anew, so the kernel's list of mounts is watched too. FDS: as in
:mod:`reader`; the window is not used. The dock's side is ``steps/detect_bays``.
"""

import os
import select
import socket
import sys
import threading
import warnings
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

from dockagent.clock import Clock, SystemClock
from dockagent.core.paths import to_text
from dockagent.errors import DockError, Missing, UsageError
from dockagent.transports import bay_messages as msg
from dockagent.transports.bay_folder import BayFolder, Identity, identity_of
from dockagent.transports.reader import die_with_the_dock
from dockagent.transports.reader_messages import LONGEST_MESSAGE, LONGEST_WORDS, Trouble, trouble

LOOK_EVERY_S = 1.0  # some ways to leave (a pty that closes) raise no event
IDLE_S = 30.0  # where nothing stands that could leave; it spares a dock that waits for weeks


def main(root: str, line_fd: int, window_fd: int, life_fd: int) -> int:
    """Watch until the dock hangs up."""
    die_with_the_dock(life_fd)
    os.close(window_fd)
    line = socket.socket(fileno=line_fd)
    threading.excepthook = lambda ended: _last_words(line, ended.exc_value)
    sys.excepthook = lambda _kind, err, _trace: _last_words(line, err)
    begin = msg.read_request(line.recv(LONGEST_MESSAGE))
    if not isinstance(begin, msg.Begin):
        return 1
    try:
        bays = _Bays(Path(root), line, begin, SystemClock())
    except DockError as err:
        line.send(msg.encode(trouble(err)))
        return 1
    line.send(msg.encode(msg.Ready()))
    bays.serve()
    return 0


class _Bays(FileSystemEventHandler):
    """The bays folder. Looks again when the dock speaks, when something comes or leaves, and every second as
    long as anything is there, or nothing would tell."""

    def __init__(self, root: Path, line: socket.socket, begin: msg.Begin, clock: Clock) -> None:
        self._root, self._line, self._begin, self._clock = root, line, begin, clock
        if not root.is_dir():
            raise UsageError(f"the bays folder {root} is not there", "make it, or name another in the config")
        # watchdog warns when it meets a new folder twice (by its own walk and by the event), which does no harm
        warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning, "watchdog")
        self._lock = threading.Lock()
        self._bays: dict[str, BayFolder] = {}
        self._names: tuple[str, ...] | None = None
        self._late: set[BayFolder] = set()
        self._complained: set[str] = set()
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._mounts = os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
        self._identity: Identity | None = None
        self._watch: ObservedWatch | None = None
        self._observer: BaseObserver = Observer()
        try:
            self._observer.start()
        except OSError as err:
            raise Missing(f"cannot watch folders: {err.strerror}", "raise fs.inotify.max_user_instances") from err

    def serve(self) -> None:
        """Until the dock hangs up."""
        poll = select.poll()
        poll.register(self._line, select.POLLIN)
        poll.register(self._bell, select.POLLIN)
        poll.register(self._mounts, select.POLLPRI)
        ready: dict[int, int] = {}
        while self._line.fileno() not in ready or self._answer():
            if self._bell in ready:
                os.eventfd_read(self._bell)
            self._look(mounts=self._mounts in ready)
            tells = self._watch is not None and not self._bays  # whatever comes, an event says so
            ready = dict(poll.poll((IDLE_S if tells else LOOK_EVERY_S) * 1000))

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Something came or left. Called from the observer's thread."""
        os.eventfd_write(self._bell, 1)

    def _answer(self) -> bool:
        """Whether the dock is still there."""
        packet = self._line.recv(LONGEST_MESSAGE)
        if packet:
            msg.read_request(packet)
            self._say(msg.Pong())
        return bool(packet)

    def _look(self, *, mounts: bool) -> None:
        self._follow_root()
        names = self._listed()
        with self._lock:
            for name in self._bays.keys() - set(names):
                self._bays.pop(name).end()
            self._find_late(replace=mounts)
            if names != self._names:
                self._names = names
                self._say(msg.Names(names))
            for name in names:
                if name not in self._bays:
                    self._begin_bay(name)
                else:
                    self._bays[name].wake()

    def _listed(self) -> tuple[str, ...]:
        try:
            names = sorted(name for name in os.listdir(self._root) if not name.startswith("."))  # noqa: PTH208
        except OSError as err:
            self._complain(f"the bays folder {self._root} cannot be read ({err.strerror}); put it back")
            return ()
        shown = {name: to_text(os.fsencode(name)) for name in names}
        for name, text in shown.items():
            if name != text:
                self._complain(f"the bay {text} has a name that cannot be shown; rename it")
        return tuple(name for name, text in shown.items() if name == text)

    def _begin_bay(self, name: str) -> None:
        bay = BayFolder(self._root / name, self._begin.settle_s, self._clock, self._tell, self._complain)
        self._bays[name] = bay
        bay.start()

    def _find_late(self, *, replace: bool) -> None:
        """Tell of bays that do not answer. ``replace``: something was mounted or unmounted, so a new look at them may
        be answered though the old one still hangs."""
        for name, bay in list(self._bays.items()):
            if bay.waits_s() < self._begin.hang_s:
                self._late.discard(bay)
                continue
            if bay not in self._late:
                self._late.add(bay)
                words = f"the folder of bay {name} has not answered for {self._begin.hang_s:g} s"
                self._say(msg.Complaint(f"{words}; look at its mount, or unmount it (umount -l)"))
            if replace:
                bay.end()
                self._begin_bay(name)
        self._late &= set(self._bays.values())

    def _follow_root(self) -> None:
        """Watch the bays folder; again, when it was taken away and put back."""
        identity = identity_of(self._root)
        if identity == self._identity:
            return
        if self._watch is not None:
            self._observer.unschedule(self._watch)
        self._identity, self._watch = identity, None
        self._complained.clear()
        if identity is not None:
            try:
                self._watch = self._observer.schedule(self, str(self._root))
            except OSError as err:
                what = f"changes in {self._root} are not noticed: {err.strerror}"
                self._complain(f"{what}; raise fs.inotify.max_user_watches")

    def _tell(self, bay: BayFolder, stays: tuple[msg.Stay, ...]) -> None:
        """From a bay's thread. One that was given up is not listened to any more."""
        with self._lock:
            if self._bays.get(bay.path.name) is bay:
                self._say(msg.Bay(bay.path.name, stays))

    def _complain(self, words: str) -> None:
        """Once, however often it is looked at."""
        if words not in self._complained:
            self._complained.add(words)
            self._say(msg.Complaint(words))

    def _say(self, answer: msg.Answer) -> None:
        self._line.send(msg.encode(answer))


def _last_words(line: socket.socket, err: BaseException | None) -> None:
    """Tell the dock what ends a thread here where nobody foresaw it, and end: it starts another child."""
    words = f"the watch of the bays folder failed: {type(err).__name__}: {err}"
    line.send(msg.encode(Trouble("Retryable", words[:LONGEST_WORDS], "report it")))
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[2], *map(int, sys.argv[3:6])))
