"""Builds the real world from the configuration, and runs the dock in it: as a daemon, or for one card (``ingest``)."""

import ctypes
import logging
import platform
import re
import signal
import subprocess
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cryptography import x509

from dockagent import __version__, systemd
from dockagent.clock import Clock, SystemClock
from dockagent.config import Config, load_profiles, profiles_folder
from dockagent.core import custody, recognise, strict_json
from dockagent.core.model import State
from dockagent.core.orders import Limits, anything_waits
from dockagent.core.profile import Profile
from dockagent.dock import Dock, Stop
from dockagent.durable import RealDisk
from dockagent.errors import DockError, UsageError
from dockagent.ledger.keys import PUBLIC, Keys
from dockagent.ledger.log import Ledger
from dockagent.steps import unforeseen
from dockagent.steps.derive import FfmpegPreviewer
from dockagent.steps.detect import Sighting
from dockagent.steps.detect_bays import BaysFolderWatch
from dockagent.steps.detect_udev import UdevWatch
from dockagent.steps.preview import PreviewLimits
from dockagent.steps.tidy import tidy
from dockagent.steps.world import Previewer, Progress, World
from dockagent.stores import Store
from dockagent.stores.open_store import open_store
from dockagent.stores.s3_settings import S3Settings
from dockagent.transports.bays import DockBays
from dockagent.transports.cradles import Cradles
from dockagent.transports.dialogues import Dialogues
from dockagent.transports.mass_storage import let_go_of_all
from dockagent.workers import Workers

log = logging.getLogger(__name__)

PATIENCE_S = 10.0
TICK_S = 0.25  # how often the loop looks for orders whose waiting time is over
IDLE_S = 5.0  # and where none has one; well within the watchdog of the service
MIB = 1 << 20
_STORES = "stores.json"
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h


class Quiet:
    """A :class:`dockagent.steps.world.Progress` that nobody watches."""

    def moved(self, what: str, key: str, done: int, total: int) -> None:
        """Nothing to show."""


@dataclass(frozen=True, slots=True)
class Agent:
    """One running dock: its loop, its workers, and what they stand on."""

    home: RealDisk
    keys: Keys
    ledger: Ledger
    world: World
    dock: Dock
    workers: Workers
    bays: DockBays


@contextmanager
def agent(
    config: Config, home: Path, store_url: str = "", progress: Progress | None = None, *, card: str | None = None
) -> Iterator[Agent]:
    """A dock that has replayed its ledger and recorded its start; on the way out it records its stop.

    ``store_url`` goes before the configured one; with neither, the store is the folder ``store`` of the home.
    ``card``: only one card is to be read, which has no console; its profile's name, or "" to find the profile.
    Raises UsageError for a configuration that cannot work, Refused for a ledger that must not be continued.
    """
    _keep_buffers()
    clock = SystemClock()
    disk = _open_home(home)
    keys = _keys(home, config)
    with ExitStack() as stack:
        ledger = stack.enter_context(Ledger.open(RealDisk(home / "ledger"), keys))
        bays = DockBays(
            clock,
            home / "mounts",
            read=config.bays.read,
            hang_s=config.bays.hang_s,
            dialogues=Dialogues(clock, config.bays.lines, config.bays.camera_password_file),
        )
        stack.callback(bays.close)
        _clear_mounts(home / "mounts")
        state = State(dock=keys.dock.id)
        world = World(
            clock=clock,
            disk=disk,
            store=configured_store(config, home, store_url, clock),
            keys=keys,
            bays=bays,
            previewer=_previewer(config, disk, clock),
            progress=progress or Quiet(),
            profiles=_profiles(config, card or ""),
            any_profile=not card,
            camera_roots=camera_roots(config),
            holds=state.clips.__contains__,
            console_wait_ms=config.bays.console_wait_ms if card is None else 0,
            cradles=Cradles(config.furniture.cradles, clock, config.furniture.cradle_open_s),
            set_clocks=config.clock.set_cameras,
            clock_tolerance_ms=config.clock.tolerance_ms,
            spool_reserve=config.limits.spool_reserve_mib * MIB,
        )
        setting = custody.Setting(
            keys.origin, keys.dock.id, config.dock.site, config.dock.responsible, __version__, config.sha256
        )
        limits = Limits(config.limits.pulls, config.limits.previews, config.limits.uplinks)
        dock = Dock(world, ledger, setting, limits, state)
        dock.start()
        for words in tidy(disk, state):
            log.warning("%s", words)
        workers = Workers(dock.post, unforeseen)
        stack.callback(_end, workers)
        yield Agent(disk, keys, ledger, world, dock, workers, bays)
        _end(workers)
        dock.post(Stop(dock.stopping or "done"))
        dock.turn(workers, 0)  # the workers' last events
        dock.stop()


def _clear_mounts(folder: Path) -> None:
    """A dock that was killed left its cards mounted. They harm nobody, so that a dock without rights starts all the
    same."""
    try:
        let_go_of_all(folder)
    except (DockError, OSError) as err:
        log.warning("what was mounted before cannot be let go: %s", err)


def _keep_buffers() -> None:
    """Have malloc(3) keep freed buffers of a MiB for the next one: to map and clear fresh pages for every chunk would
    cost as much as hashing it."""
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_THRESHOLD, 16 * MIB)
    libc.mallopt(_M_TRIM_THRESHOLD, 256 * MIB)


def _end(workers: Workers) -> None:
    for name in workers.stop(PATIENCE_S):
        log.warning("the worker %s did not end; what it was doing is done again at the next start", name)


def _open_home(home: Path) -> RealDisk:
    try:
        return RealDisk(home)
    except OSError as err:
        raise UsageError(f"cannot use {home} as the dock's home: {err.strerror}", "give another --home") from err


def _keys(home: Path, config: Config) -> Keys:
    disk = RealDisk(home / "keys")
    if disk.size(PUBLIC) is not None:
        return Keys.load(disk)
    named = config.dock.id if config.dock.id != "dock" else platform.node()
    return Keys.create(disk, re.sub(r"[^A-Za-z0-9._-]", "-", named).lstrip("._-")[:64] or "dock")


def configured_store(config: Config, home: Path, url: str, clock: Clock, *, remember: bool = True) -> Store:
    """The store that ``url``, the configuration, or the home says, in this order. ``remember``: mark a folder that is
    used for the first time, so that it is known again."""
    chosen = url or config.store.url or f"file://{home / 'store'}"
    secret = ""
    if config.store.secret_key_file:
        try:
            secret = Path(config.store.secret_key_file).read_text(encoding="utf-8").strip()
        except OSError as err:
            raise UsageError(
                f"cannot read the store's secret key file: {err}", "check [store] secret_key_file"
            ) from err
    settings = S3Settings(
        endpoint=config.store.endpoint,
        region=config.store.region,
        access_key=config.store.access_key,
        secret_key=secret,
        ca_file=config.store.ca_file,
        client_cert=config.store.client_cert,
        client_key=config.store.client_key,
    )
    return open_store(chosen, settings, clock, _StoreMarks(home) if remember else None)


class _StoreMarks(MutableMapping[str, str]):
    """The marks of folders that served as stores, kept in ``stores.json`` of the home. Losing it loses nothing but the
    guard against a mount that is missing."""

    def __init__(self, home: Path) -> None:
        self._path = home / _STORES
        self._marks: dict[str, str] = {}
        if self._path.is_file():
            self._marks = strict_json.parse(self._path.read_bytes())

    def __getitem__(self, url: str) -> str:
        return self._marks[url]

    def __setitem__(self, url: str, mark: str) -> None:
        self._marks[url] = mark
        if self._path.parent.is_dir():
            RealDisk(self._path.parent).write(_STORES, strict_json.canonical(self._marks))

    def __delitem__(self, url: str) -> None:
        del self._marks[url]

    def __iter__(self) -> Iterator[str]:
        return iter(self._marks)

    def __len__(self) -> int:
        return len(self._marks)


def _profiles(config: Config, only: str) -> tuple[Profile, ...]:
    profiles = load_profiles(profiles_folder(config))
    chosen = tuple(one for one in profiles if only in ("", one.name))
    if not chosen:
        raise UsageError(f"there is no profile {only}", f"there are: {', '.join(one.name for one in profiles)}")
    return chosen


def _previewer(config: Config, disk: RealDisk, clock: Clock) -> Previewer | None:
    if not config.preview.enabled:
        return None
    try:
        said = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError) as err:
        log.warning("ffmpeg cannot be run (%s); without it there are no previews: install the package ffmpeg", err)
        said = "ffmpeg of unknown version"
    limits = PreviewLimits(seconds=config.preview.seconds, memory_bytes=config.preview.memory_mib * MIB)
    return FfmpegPreviewer(disk, limits, clock, " ".join(said.split()[:3]))


def camera_roots(config: Config) -> tuple[x509.Certificate, ...]:
    """The certificates of camera makers that this dock trusts. Raises UsageError for a file that holds none."""
    roots: list[x509.Certificate] = []
    for name in config.trust.camera_roots:
        try:
            roots.extend(x509.load_pem_x509_certificates(Path(name).read_bytes()))
        except (OSError, ValueError) as err:
            raise UsageError(f"no certificate in {name}: {err}", "check camera_roots in [trust]") from err
    return tuple(roots)


def run(config: Config, home: Path, store_url: str = "") -> int:
    """The daemon: watch the bays until SIGTERM or SIGINT. Tells systemd when it is ready and that it is alive."""
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda caught, _: asked.append(caught))
    with agent(config, home, store_url) as running, ExitStack() as stack:
        is_camera = partial(recognise.knows, running.world.profiles)
        for watch in _watches(config, running.dock.post, running.world.clock, is_camera):
            watch.start()
            stack.callback(watch.stop)

        def stop(caught: int, _: object) -> None:
            asked.append(caught)
            running.dock.post(Stop(signal.Signals(caught).name))  # wakes the loop

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        systemd.notify("READY=1")
        while not asked:
            running.dock.turn(running.workers, TICK_S if anything_waits(running.dock.state) else IDLE_S)
            systemd.notify("WATCHDOG=1")
        running.dock.post(Stop(signal.Signals(asked[0]).name))
        systemd.notify("STOPPING=1")
    return 0


def _watches(
    config: Config, post: Callable[[Sighting], None], clock: Clock, is_camera: Callable[[str], bool]
) -> Iterator[UdevWatch | BaysFolderWatch]:
    if config.bays.folder:
        settle_s = config.bays.settle_ms / 1000
        yield BaysFolderWatch(Path(config.bays.folder), post, log.error, clock, settle_s=settle_s)
    if config.bays.udev:
        yield UdevWatch(config.bays.ports, post, log.error, clock, auto=config.bays.auto, is_camera=is_camera)
