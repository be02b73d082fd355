"""The installed package on a stock Debian 12: its unit, user, rules and folders, a camera on USB, and two bad ends."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from hil.cameras import card
from hil.cameras.card import Shift
from hil.cameras.plate import Plate
from hil.cameras.specimen import Specimen, UsbPlate
from hil.rigs import medium
from hil.rigs.qemu import devices
from hil.rigs.qemu.image import Image
from hil.rigs.qemu.vm import Vm
from tests.rigs.qemu.installed import INSTALL_S, LIMIT_S, START_S, Dock, packed

pytestmark = pytest.mark.timeout(4 * LIMIT_S)

MIB = 1 << 20
WATCHDOG_S = 10
"""Instead of 60: without KVM the loop may be late by some seconds."""
SLOW = MIB
"""Bytes in a second of a camera that is to be caught in the middle of a clip."""
PORTS = {"1": "bay01", "2": "bay02", "3": "bay03"}
WORST_EXPOSURE = 2.6


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera with a card, and the card's medium."""

    serial: str
    card: Path
    image: Path

    @property
    def clips(self) -> set[str]:
        """Digests of its clips."""
        return {sha256(path) for path in self.card.rglob("*.MP4")}


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cards")


@pytest.fixture(scope="module")
def dock(made: Image, share: Path) -> Iterator[Dock]:
    """The package, installed, enabled and started."""
    begun = time.monotonic()
    archive = packed(share)
    print(f"\npacked after {time.monotonic() - begun:.1f} s")
    with Vm(made, share) as vm:
        dock, buses = Dock(vm, share), xhci_buses(vm)
        dock.install(archive, {f"{bus}-{port}": bay for port, bay in PORTS.items() for bus in buses}, WATCHDOG_S)
        print(f"installed after {time.monotonic() - begun:.1f} s")
        vm.output("systemctl enable --now dockagent 2>&1", START_S)
        print(f"started after {time.monotonic() - begun:.1f} s")
        yield dock


def xhci_buses(vm: Vm) -> list[str]:
    return vm.output("cd /sys/bus/usb/devices; cat $(grep -l xHCI usb*/product | sed s,product,busnum,)").split()


def a_camera(folder: Path, serial: str, mib: int, clips: int) -> Camera:
    """A camera with so many clips of so many MiB."""
    shift = Shift(clips, size=mib * MIB + 77, seed=sum(serial.encode()), sidecars=False)
    card.film_reference(folder / serial, Plate(serial), shift)
    specimen = Specimen(serial, Plate(serial), UsbPlate(0x46F4, 1, serial=serial), folder / serial, label="BWCAM")
    return Camera(serial, specimen.card, medium.medium_of(specimen, folder).path)


@contextmanager
def plugged(dock: Dock, camera: Camera, port: str, rate: int = 0) -> Iterator[None]:
    """The camera in a port, until the block ends; nobody may have written to it."""
    before = medium.digest(camera.image)
    devices.plug_disk(dock.vm.monitor, camera.serial, port, camera.image, serial=camera.serial, rate=rate)
    try:
        yield
    finally:
        devices.pull_disk(dock.vm.monitor, camera.serial)
    assert medium.digest(camera.image) == before, "somebody wrote to the camera"


def is_released(dock: Dock, camera: Camera) -> bool:
    ledger = dock.ledger()
    sessions = {one.session for one in ledger.of("camera.identify") if one.what["camera"]["serial"] == camera.serial}
    return any(one.session in sessions for one in ledger.of("camera.release"))


@pytest.mark.timeout(INSTALL_S + 3 * LIMIT_S)
def test_it_runs_as_its_own_user_with_one_right(dock: Dock) -> None:
    pid = dock.shown("MainPID")
    lines = dock.vm.output(f"cat /proc/{pid}/status; stat -c 'Owner: %U' /proc/{pid}").splitlines()
    status = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    assert status["Owner"] == ["dockagent"]
    only_sys_admin = f"{1 << 21:016x}"  # linux/capability.h
    assert {status[name][0] for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {only_sys_admin}
    assert (status["NoNewPrivs"], status["Seccomp"]) == (["1"], ["2"])
    assert dock.vm.output("systemctl is-enabled dockagent; readlink -f /opt/dockagent/bin/python").split() == [
        "enabled",
        "/usr/bin/python3.11",
    ]


def test_systemd_thinks_well_of_its_unit(dock: Dock) -> None:
    found = re.search(r"Overall exposure level for dockagent.service: ([\d.]+) (\w+)", dock.vm.output(
        "systemd-analyze security --no-pager dockagent", LIMIT_S
    ))  # fmt: skip
    assert found
    print(f"\nexposure: {found[1]} {found[2]}")
    assert float(found[1]) <= WORST_EXPOSURE


def test_a_camera_is_drained_and_nothing_is_written_to_it(dock: Dock, folder: Path) -> None:
    camera = a_camera(folder, "BWC-1", 2, clips=3)
    with plugged(dock, camera, "1"):
        waited = dock.until(lambda: is_released(dock, camera), "the camera's release")
        print(f"\nplug to delivered: {waited:.1f} s")
        assert dock.vm.output("stat -c '%G %a' /dev/sda").split() == ["dockagent", "640"]
        assert dock.vm.output("cat /sys/block/sda/device/timeout").strip() == "5"
        assert "/dev/sda" not in dock.vm.output("cat /proc/self/mountinfo")
    dock.until(lambda: bool(dock.records("camera.detach")), "the camera's leaving")
    assert not dock.records("session.failed")
    (attached,) = dock.records("camera.attach")
    assert (attached.bay, attached.what["kind"]) == ("bay01", "block")
    (released,) = dock.records("camera.release")
    assert released.what["safe"]
    assert camera.clips <= dock.masters()
    assert "/dev/sda" not in dock.vm.output(f"cat /proc/{dock.shown('MainPID')}/mountinfo")


def resumed(dock: Dock, camera: Camera, port: str, end: str, ended: str) -> None:
    """The agent's end in the middle of a clip: systemd starts it again, and it goes on where it was."""
    starts, restarts, pid = len(dock.records("dock.start")), int(dock.shown("NRestarts")), dock.shown("MainPID")
    with plugged(dock, camera, port, SLOW):
        dock.until(lambda: dock.pulled() > 2 * MIB, "some MiB of the clip")
        dock.vm.output(f"systemctl kill -s {end} --kill-who=main dockagent")
        waited = dock.until(lambda: int(dock.shown("NRestarts")) > restarts, "a restart")
        print(f"\n{end} to started again: {waited:.1f} s")
        devices.set_rate(dock.vm.monitor, camera.serial, 0)
        dock.until(lambda: is_released(dock, camera), "the camera's release")
    assert f"Failed with result '{ended}'" in dock.journal(200)
    assert dock.shown("MainPID") != pid
    (again,) = dock.records("dock.start")[starts:]
    assert again.what["after"] == "crash or power cut"
    assert camera.clips <= dock.masters()
    (pull,) = [one for one in dock.records("acquire") if one.what["sha256"] in camera.clips]
    assert pull.what["resumed_at"] >= MIB


def test_one_that_was_killed_goes_on_where_it_was(dock: Dock, folder: Path) -> None:
    resumed(dock, a_camera(folder, "BWC-2", 8, clips=1), "2", "KILL", "signal")


def test_one_that_hangs_is_ended_by_the_watchdog_and_goes_on_where_it_was(dock: Dock, folder: Path) -> None:
    resumed(dock, a_camera(folder, "BWC-3", 8, clips=1), "3", "STOP", "watchdog")


def test_it_stops_cleanly_and_its_ledger_holds(dock: Dock) -> None:
    begun = time.monotonic()
    dock.vm.output("systemctl stop dockagent", LIMIT_S)
    print(f"\nstopped after {time.monotonic() - begun:.1f} s")
    assert (dock.shown("Result"), dock.shown("ExecMainStatus")) == ("success", "0")
    last = dock.ledger().all[-1]
    assert (last.type, last.what) == ("dock.stop", {"reason": "SIGTERM"})
    as_agent = "cd / && setpriv --reuid=dockagent --regid=dockagent --init-groups dockagent"
    dock.vm.output(f"{as_agent} keys show --json > /run/trust.json")
    dock.vm.output(f"{as_agent} verify /var/lib/dockagent /var/lib/dockagent/store --trust /run/trust.json", LIMIT_S)
