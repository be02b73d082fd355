"""Builds the real world from the configuration, and runs the dock in it: as a daemon, or for one card (``ingest``)."""

import ctypes
import logging
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509

from dockagent import __version__, desk_rules, systemd
from dockagent.clock import Clock, SystemClock, zone
from dockagent.config import Config, catalogue_of, dock_id, load_profiles, officers_of, profiles_folder, terms_of
from dockagent.core import custody, mistake
from dockagent.core.camera import recognise
from dockagent.core.camera.profile import Profile
from dockagent.core.model import State
from dockagent.core.orders import Limits, anything_waits
from dockagent.core.proof.note import VerifierKey
from dockagent.core.uplink.turns import Terms
from dockagent.desk_server import open_desk
from dockagent.dock import Dock, Stop
from dockagent.durable import RealDisk
from dockagent.errors import DockError, UsageError
from dockagent.ledger import witness_key
from dockagent.ledger.keys import PUBLIC, Keys, read_public
from dockagent.ledger.keys_new import new_keys
from dockagent.ledger.keys_rotation import finish, recorder
from dockagent.ledger.leaves import Leaves
from dockagent.ledger.log import Ledger
from dockagent.ledger.notary import Notary, notary_of
from dockagent.ledger.trust import DockIdentity
from dockagent.reach import configured_shelf, configured_store
from dockagent.sealing.recipients import sealer_to
from dockagent.steps import unforeseen
from dockagent.steps.ask_custodian import counterparty
from dockagent.steps.derive import FfmpegPreviewer
from dockagent.steps.detect import Sighting
from dockagent.steps.detect_bays import BaysFolderWatch
from dockagent.steps.detect_udev import UdevWatch
from dockagent.steps.growing import Board
from dockagent.steps.measure import ChildMeasurer
from dockagent.steps.notarize import notarize_at_stop
from dockagent.steps.preview import PreviewLimits
from dockagent.steps.tidy import tidy
from dockagent.steps.world import Previewer, Progress, World
from dockagent.stores.early import EarlyStore
from dockagent.stores.paced import paced
from dockagent.transports.bays import DockBays
from dockagent.transports.cradles import Cradles
from dockagent.transports.dialogues import Dialogues
from dockagent.transports.mass_storage import let_go_of_all
from dockagent.workers import Workers, leave_who_hangs

if TYPE_CHECKING:
    from dockagent.ledger.witness_server import WitnessServer

log = logging.getLogger(__name__)

PATIENCE_S = 5.0  # for what the workers do when the dock stops; then their cameras are taken away
TICK_S = 0.25  # how often the loop looks for orders whose waiting time is over
IDLE_S = 5.0  # and where none has one; well within the watchdog of the service
MIB = 1 << 20
MINUTE_MS = 60_000
LAST_S = 3.0  # for each outsider, and about so long for all of them, at a clean stop
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
    keys = _keys(home, config, clock)
    with ExitStack() as stack:
        ledger = stack.enter_context(Ledger.open(RealDisk(home / "ledger"), keys))
        bays = _bays(config, home, clock)
        stack.callback(bays.close)
        _clear_mounts(home / "mounts")
        state = State(dock=keys.dock.id)
        world = _world(config, home, store_url, card, state, (clock, disk, keys, bays), progress or Quiet())
        dock = _started(config, world, ledger, state, stays=card is None)
        workers = Workers(dock.post, unforeseen)
        stack.callback(_end, workers, bays)
        check = partial(desk_rules.check, config, disk.root)
        with open_desk(disk, config.access.people, check, dock.post, clock, world.officers):
            yield Agent(disk, keys, ledger, world, dock, workers, bays)
            _end(workers, bays)
        dock.post(Stop(dock.stopping or "done"))
        dock.turn(workers, 0)  # the workers' last events
        dock.stop()
        _have_last_records_witnessed(config, world)


def _world(
    config: Config,
    home: Path,
    store_url: str,
    card: str | None,
    state: State,
    ground: tuple[SystemClock, RealDisk, Keys, DockBays],
    progress: Progress,
) -> World:
    """The real world as the configuration has it. ``ground``: what it stands on."""
    clock, disk, keys, bays = ground
    terms = terms_of(config, zone) if card is None else terms_of(config, zone).at_any_hour()
    store = paced(configured_store(config, home, store_url, clock), terms.rate, clock)
    return World(
        clock=clock,
        disk=disk,
        store=store,
        growing=Board() if isinstance(store, EarlyStore) and not config.sealing.encrypt_to else None,
        terms=terms,
        keys=keys,
        bays=bays,
        previewer=_previewer(config, disk, clock),
        progress=progress,
        profiles=_profiles(config, card or ""),
        any_profile=not card,
        camera_roots=camera_roots(config),
        holds=state.clips.__contains__,
        console_wait_ms=config.bays.console_wait_ms if card is None else 0,
        cradles=Cradles(config.furniture.cradles, clock, config.furniture.cradle_open_s),
        set_clocks=config.clock.set_cameras,
        clock_tolerance_ms=config.clock.tolerance_ms,
        spool_reserve=config.limits.spool_reserve_mib * MIB,
        measurer=ChildMeasurer(disk, clock, tuple(map(Path, config.trust.camera_roots))),
        notary=notary(config, disk),
        sealer=sealer_to(config.sealing.encrypt_to),
        officers=officers_of(config),
        catalogue=catalogue_of(config, keys.dock.id, keys.dock.origin),
        custodian=counterparty(config.custodian, partial(configured_shelf, config, home, store_url)),
        eraser=bays if card is None and config.erase.when == "permit" else None,
    )


def _started(config: Config, world: World, ledger: Ledger, state: State, *, stays: bool) -> Dock:
    """The dock's loop, with its start on record and what a crash left cleared up. ``stays``: it is no single card."""
    limits = _limits(config, world.terms, asks=world.notary is not None and stays, stays=stays)
    limits = replace(limits, early=world.part_size if world.growing is not None else 0)
    dock = Dock(world, ledger, _setting(config, world.keys.dock), limits, state)
    dock.start()
    for words in tidy(world.disk, state):
        log.warning("%s", words)
    return dock


def _bays(config: Config, home: Path, clock: Clock) -> DockBays:
    return DockBays(
        clock,
        home / "mounts",
        read=config.bays.read,
        hang_s=config.bays.hang_s,
        dialogues=Dialogues(clock, config.bays.lines, config.bays.camera_password_file),
    )


def _limits(config: Config, terms: Terms, *, asks: bool, stays: bool) -> Limits:
    """``asks``: whether the ledger goes round while the dock runs; for a single card it does only at the end.
    ``stays``: whether this is a dock, which can wait for the custodian, and not a single card."""
    every = config.witnesses.every_minutes * MINUTE_MS if asks else 0
    limits, erases = config.limits, stays and config.erase.when == "permit"
    return Limits(
        limits.pulls,
        limits.previews,
        limits.uplinks,
        notary_every_ms=every,
        notary_records=config.witnesses.every_records,
        seals=1 if config.sealing.encrypt_to else 0,
        terms=terms,
        custodian_every_ms=config.custodian.every_s * 1000 if stays and config.custodian.keys else 0,
        custodian_first=config.custodian.spool_waits,
        erases=erases,
        permits_every_ms=config.erase.ask_every_minutes * MINUTE_MS if erases and config.custodian.keys else 0,
    )


def notary(config: Config, home: RealDisk, timeout_s: float = 0.0) -> Notary | None:
    """Whom the configuration names to vouch for the ledger in ``home``; None where it names nobody. ``timeout_s``:
    seconds for each instead of the configured ones. Raises UsageError."""
    asked, stamps = config.witnesses, config.timestamps
    return notary_of(
        asked.ask,
        asked.quorum,
        Leaves(home, "ledger"),
        timeout_s or asked.timeout_s,
        stamp_url=stamps.url,
        stamp_roots=stamp_roots(config),
        publish=asked.publish,
        own=_own_witness(home),
        ca_file=asked.ca_file,
        stamp_ca_file=stamps.ca_file,
        client=(asked.client_cert_file, asked.client_key_file),
    )


def _own_witness(home: RealDisk) -> VerifierKey | None:
    """The key with which this machine witnesses others. One that is damaged keeps no dock from its cameras."""
    try:
        return witness_key.read_public(RealDisk(home.root / "keys"))
    except (DockError, OSError) as err:
        log.warning("whether this dock asks itself to witness cannot be told: %s", err)
        return None


def _have_last_records_witnessed(config: Config, world: World) -> None:
    """At a clean stop the last records go round too, if it is quick: nobody may be there to ask for days."""
    try:
        quick = notary(config, RealDisk(world.disk.root), LAST_S) if isinstance(world.disk, RealDisk) else None
        if quick is not None:
            log.info("%s", notarize_at_stop(world, quick, LAST_S))
    except (DockError, OSError) as err:
        log.warning("the last records are not witnessed: %s", err)


def _witness_others(stack: ExitStack, config: Config, home: Path) -> None:
    """A dock whose witness cannot work drains cameras all the same."""
    try:
        stack.enter_context(witnessing(config, home))
    except (DockError, OSError) as err:
        log.warning("this dock witnesses nobody: %s", err)


def witnessing(config: Config, home: Path) -> "AbstractContextManager[WitnessServer]":
    """The witness that the configuration asks for, answering while it is entered. Raises UsageError, and Refused where
    another process is this witness already."""
    from dockagent.ledger.witness_service import serving  # an HTTP server: only for those who are one

    _open_home(home)
    return serving(config.witness.listen, config.witness.logs, home, dock_id(config), SystemClock())


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


def _end(workers: Workers, bays: DockBays) -> None:
    """Whoever waits for a camera that does not answer gets its end, and its last event is recorded as any other."""
    for name in workers.stop(PATIENCE_S, bays.close):
        log.warning("the worker %s did not end; what it was doing is done again at the next start", name)


def _open_home(home: Path) -> RealDisk:
    try:
        return RealDisk(home)
    except OSError as err:
        raise UsageError(f"cannot use {home} as the dock's home: {err.strerror}", "give another --home") from err


def _setting(config: Config, dock: DockIdentity) -> custody.Setting:
    who = config.dock
    policy = config.erase.policy
    return custody.Setting(dock.origin, dock.id, who.site, who.responsible, __version__, config.sha256, policy)


def _keys(home: Path, config: Config, clock: Clock) -> Keys:
    """The dock's keys, after what a change of them that was cut short still needs; new ones for a new dock."""
    disk = RealDisk(home / "keys")
    if disk.size(PUBLIC) is not None:
        write = recorder(clock.now, _setting(config, read_public(disk)))
        return finish(disk, RealDisk(home / "ledger"), write)
    return new_keys(home, dock_id(config))


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
    limits = PreviewLimits(seconds=config.preview.timeout_s, memory_bytes=config.preview.memory_mib * MIB)
    return FfmpegPreviewer(disk, limits, clock, " ".join(said.split()[:3]))


def camera_roots(config: Config) -> tuple[x509.Certificate, ...]:
    """The certificates of camera makers that this dock trusts. Raises UsageError for a file that holds none."""
    return certificates_in(config.trust.camera_roots, "camera_roots in [trust]")


def stamp_roots(config: Config) -> tuple[x509.Certificate, ...]:
    """The roots that time stamps must lead to. Raises UsageError for a file that holds none."""
    return certificates_in(config.timestamps.roots, "roots in [timestamps]")


def certificates_in(names: Sequence[str], key: str) -> tuple[x509.Certificate, ...]:
    """The certificates in PEM files; ``key``: what names them. Raises UsageError for a file that holds none."""
    found: list[x509.Certificate] = []
    for name in names:
        try:
            found.extend(x509.load_pem_x509_certificates(Path(name).read_bytes()))
        except OSError as err:
            raise UsageError(f"no certificate in {name}: {mistake.in_system(err)}", f"check {key}") from err
        except ValueError as err:
            raise UsageError(f"no certificate in {name}: it holds none in PEM", f"check {key}") from err
    return tuple(found)


def run(config: Config, home: Path, store_url: str = "") -> int:
    """The daemon: watch the bays until SIGTERM or SIGINT. Tells systemd when it is ready and that it is alive."""
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda caught, _: asked.append(caught))
    with agent(config, home, store_url) as running, ExitStack() as stack:
        if config.witness.listen:
            _witness_others(stack, config, home)
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
    leave_who_hangs()
    return 0


def _watches(
    config: Config, post: Callable[[Sighting], None], clock: Clock, is_camera: Callable[[str], bool]
) -> Iterator[UdevWatch | BaysFolderWatch]:
    if config.bays.folder:
        settle_s = config.bays.settle_ms / 1000
        yield BaysFolderWatch(Path(config.bays.folder), post, log.error, clock, settle_s=settle_s)
    if config.bays.udev:
        yield UdevWatch(config.bays.ports, post, log.error, clock, auto=config.bays.auto, is_camera=is_camera)
