"""The service as it is installed, under a real systemd: run by ``test_systemd`` in a guest, not on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hil.cameras import card
from hil.cameras.card import Shift
from hil.cameras.plate import Plate
from hil.cameras.specimen import Specimen, UsbPlate
from hil.demo.records import Record, read
from hil.rigs.faults import Script
from hil.rigs.gadget import GadgetRig
from hil.rigs.uml.guest import CHECKOUT
from tests.rigs.uml.digests import footage, masters

HOME = Path("/var/lib/dockagent")
UNIT = Path("/usr/local/lib/systemd/system/dockagent.service")
PROBE = Path(__file__).with_name("sandbox_probe.py")
ALLOWED = {
    "write in its own folder",
    "read a disk that it was given",
    "open /dev/null",
    "listen to device events",
}
MIB = 1 << 20
WATCHDOG = 8
"""Seconds without a sign of life until systemd ends the agent; 60 in the unit."""


def systemctl(*words: str) -> str:
    return subprocess.run(["systemctl", *words], check=True, capture_output=True, text=True, timeout=90).stdout.strip()


def shown(prop: str, unit: str = "dockagent") -> str:
    return systemctl("show", unit, "-p", prop, "--value")


def journal(unit: str = "dockagent", lines: int = 15) -> str:
    words = ["journalctl", "-o", "cat", "--no-pager", "-u", unit, "-n", str(lines)]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def records(kind: str) -> list[Record]:
    return [one for one in read(HOME / "ledger" / "entries.jsonl").all if one.type == kind]


def until(true: Callable[[], bool], what: str, seconds: float = 60) -> float:
    """Wait for something; the seconds it took."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() < begun + seconds, f"not within {seconds:g} s: {what}; the journal says:\n{journal()}"
        time.sleep(0.05)
    return time.monotonic() - begun


@pytest.fixture(scope="module", autouse=True)
def service() -> Iterator[None]:
    """The agent, installed, configured, started and in the end stopped. Only its watchdog's patience is shorter."""
    subprocess.run(["bash", CHECKOUT / "hil" / "rigs" / "uml" / "install.sh", sys.executable], check=True, cwd=CHECKOUT)
    config = Path("/etc/dockagent/dockagent.toml")
    config.write_text(
        '[dock]\nid = "rig"\n[bays]\nports = { "1-1" = "bay01" }\nauto = false\n[preview]\nenabled = false\n'
    )
    drop_in = Path("/etc/systemd/system/dockagent.service.d/rig.conf")
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text(f"[Service]\nWatchdogSec={WATCHDOG}\n")
    systemctl("daemon-reload")
    begun = time.monotonic()
    systemctl("start", "dockagent")
    print(f"\nstarted and ready after {time.monotonic() - begun:.1f} s")
    yield
    systemctl("stop", "dockagent")


@pytest.fixture(scope="module")
def cameras(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Specimen]:
    """Two cameras, by their serials."""
    found = {}
    for seed, serial in enumerate(("BWC-1", "BWC-2"), 1):
        folder, usb = tmp_path_factory.mktemp(serial), UsbPlate(0x2E1A, 0x1001, 0x0100, "HIL", "BodyCam", serial)
        card.film_reference(folder, Plate(serial), Shift(3, size=2 * MIB + seed, seed=seed, sidecars=False))
        found[serial] = Specimen(serial, Plate(serial), usb, folder)
    return found


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GadgetRig]:
    rig = GadgetRig(tmp_path_factory.mktemp("rig"))
    yield rig
    rig.close()


def test_it_runs_as_its_own_user_with_one_right() -> None:
    lines = Path(f"/proc/{shown('MainPID')}/status").read_text().splitlines()
    status = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    assert Path(f"/proc/{shown('MainPID')}").owner() == "dockagent"
    only_sys_admin = f"{1 << 21:016x}"  # linux/capability.h
    assert {status[name][0] for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {only_sys_admin}
    assert status["NoNewPrivs"] == ["1"]
    assert status["Seccomp"] == ["2"]  # SECCOMP_MODE_FILTER


def test_a_camera_on_usb_is_drained(rig: GadgetRig, cameras: dict[str, Specimen]) -> None:
    """udevd gives its disk to the agent, the agent mounts it where nobody else sees it, and writes nothing to it."""
    camera = cameras["BWC-1"]
    before = rig.digest(camera)
    stay = rig.plug("bay01", camera, Script())
    waited = until(lambda: bool(records("camera.release")), "the camera's release")
    print(f"\nplug to delivered: {waited:.1f} s")
    disk = Path("/dev/sda")
    assert (disk.group(), disk.stat().st_mode & 0o777) == ("dockagent", 0o640)
    assert Path("/sys/block/sda/device/timeout").read_text() == "5\n"
    assert "/dev/sda" not in Path("/proc/self/mountinfo").read_text()
    stay.unplug()
    until(lambda: bool(records("camera.detach")), "the camera's leaving")
    assert not records("session.failed")
    assert shown("NRestarts") == "0", journal(lines=40)
    assert "/dev/sda" not in Path(f"/proc/{shown('MainPID')}/mountinfo").read_text(), "its card is still mounted"
    (attached,) = records("camera.attach")
    assert (attached.bay, attached.what["port"], attached.what["kind"]) == ("bay01", stay.port, "block")
    assert records("camera.release")[0].what["safe"]
    assert masters(HOME / "store").keys() >= footage(camera.card)
    assert rig.digest(camera) == before


def test_one_that_hangs_is_killed_and_goes_on(rig: GadgetRig, cameras: dict[str, Specimen]) -> None:
    """SIGSTOP in the middle of a pull: the watchdog bites, systemd starts it again, and the camera is drained."""
    camera = cameras["BWC-2"]
    released, starts = len(records("camera.release")), len(records("dock.start"))
    pid, restarts = int(shown("MainPID")), int(shown("NRestarts"))
    stay = rig.plug("bay01", camera, Script())
    until(lambda: len(records("camera.inventory")) > released, "the second camera's list")
    os.kill(pid, signal.SIGSTOP)
    waited = until(lambda: int(shown("NRestarts")) > restarts, "a restart by the watchdog")
    print(f"\nhung to started again: {waited:.1f} s")
    until(lambda: len(records("camera.release")) > released, "the second camera's release")
    stay.unplug()
    assert "Failed with result 'watchdog'" in journal(lines=200)
    assert int(shown("MainPID")) != pid
    (again,) = records("dock.start")[starts:]
    assert again.what["after"] == "crash or power cut"
    assert masters(HOME / "store").keys() >= footage(camera.card)


def test_its_sandbox() -> None:
    """The unit's own lines around a program that tries what the agent must not be able to do."""
    for given in ("/dev/ubda", "/dev/tty9"):  # so that nothing but the unit's device policy is left to refuse
        Path(given).chmod(0o666)
    Path("/opt/dockagent/bin/probe.py").write_text(PROBE.read_text())
    not_its_own = ("Type=", "ExecStart=", "Restart=", "NotifyAccess=", "WatchdogSec=")
    kept = [line for line in UNIT.read_text().splitlines() if not line.startswith(not_its_own)]
    runs = (
        "Type=oneshot\nStandardOutput=file:/run/probed\nExecStart=/opt/dockagent/bin/python /opt/dockagent/bin/probe.py"
    )
    text = "\n".join(kept).replace("[Service]", f"[Service]\n{runs}").replace("Directory=dockagent", "Directory=probe")
    Path("/run/systemd/system/probe.service").write_text(text)
    systemctl("daemon-reload")
    systemctl("start", "probe")
    found = json.loads(Path("/run/probed").read_text())
    assert {name for name, answer in found.items() if answer == "done"} == ALLOWED, f"{found}\n{journal('probe')}"
    assert {found[f"write in {place}"] for place in ("/etc", "/usr", "/var/lib", "its program")} == {"EROFS"}
    assert found["write a disk that it was given"] == found["open a terminal of the dock"] == "EPERM"


def test_it_stops_cleanly_and_its_ledger_holds() -> None:
    begun = time.monotonic()
    systemctl("stop", "dockagent")
    print(f"\nstopped after {time.monotonic() - begun:.1f} s")
    assert (shown("Result"), shown("ExecMainStatus")) == ("success", "0")
    last = read(HOME / "ledger" / "entries.jsonl").all[-1]
    assert (last.type, last.what) == ("dock.stop", {"reason": "SIGTERM"})
    trust = Path("/run/trust.json")
    as_agent = ["setpriv", "--reuid=dockagent", "--regid=dockagent", "--init-groups", "/usr/local/bin/dockagent"]
    keys = subprocess.run([*as_agent, "keys", "show", "--json"], check=True, capture_output=True, cwd="/")
    trust.write_bytes(keys.stdout)
    words = [*as_agent, "verify", str(HOME), str(HOME / "store"), "--trust", str(trust)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr
