"""All checks of the doctor, in the order in which a technician would mend what they find."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cryptography import x509

from dockagent.clock import SystemClock, zone
from dockagent.config import Config
from dockagent.core.moment import Instant
from dockagent.doctor import (
    of_custodian,
    of_furniture,
    of_home,
    of_keys,
    of_machine,
    of_sealing,
    of_setting,
    of_store,
    of_uplink,
    of_witnesses,
)
from dockagent.doctor.check import Check
from dockagent.doctor.machine import Machine
from dockagent.stores import Store


def examine(
    config: Config,
    home: Path,
    machine: Machine,
    now: Instant,
    store_url: str,
    open_store: Callable[[], Store],
    camera_roots: Callable[[], Sequence[x509.Certificate]],
    stamp_roots: Callable[[], Sequence[x509.Certificate]],
) -> Iterator[Check]:
    """Every check, each made when it is asked for, so that a slow store does not hold back what is known before.

    ``store_url``: the store in force; ``open_store``, ``camera_roots`` and ``stamp_roots`` open what the configuration
    names as the daemon would. They raise DockError where the daemon would not start.
    """
    watched = config.bays.udev
    yield of_machine.python(machine)
    yield of_machine.ffmpeg(machine, previews=config.preview.enabled)
    yield of_home.place(home)
    yield of_home.room(home, config.limits.spool_reserve_mib)
    yield of_home.disk(home)
    yield of_home.keys(home)
    yield of_keys.certificate(home, now)
    yield of_home.ledger(home)
    yield of_setting.profiles(config)
    yield of_setting.camera_roots(camera_roots, now)
    yield of_machine.clock(now)
    yield of_setting.bays(config.bays)
    yield of_machine.udevd(machine, watched=watched)
    yield of_machine.rivals(machine, watched=watched)
    yield of_machine.usb(machine, config.bays.ports if watched else {})
    yield of_machine.rights(machine)
    yield of_machine.serial(machine)
    yield of_machine.inotify(machine, folder=config.bays.folder)
    yield from of_furniture.cradles(config.furniture, SystemClock())
    yield from of_furniture.rfid(config.furniture, SystemClock())
    yield from of_sealing.sealing(config.sealing, home)
    yield from of_witnesses.witnesses(config.witnesses, config.timestamps, stamp_roots, home, now)
    yield from of_witnesses.witness(config.witness, home)
    yield from of_custodian.counterparty(config.custodian, erases=config.erase.when == "permit")
    yield of_uplink.uplink(config, zone, now)
    yield of_setting.store(store_url, open_store)
    yield of_store.promises(home, store_url, now)
