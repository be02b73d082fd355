"""Devices that hang while the dock looks at them. The files of a hung device that wait for its lock are named pipes
here: whoever opens one to read waits until somebody writes, as in the kernel until the device is revived."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

from dockagent.clock import SystemClock
from dockagent.steps.detect import Watch
from dockagent.steps.detect_sysfs import Device, Machine, Words
from dockagent.steps.detect_udev import UdevWatch
from tests.steps.watching import Seen, watching

LIMIT_S = 20.0


class Tree:
    """A sysfs and a udevd's database with USB disks in them."""

    def __init__(self, root: Path) -> None:
        self.machine = Machine(root / "sys", root / "udev")
        for name in ("class/block", "class/tty", "bus/usb/devices"):
            (self.machine.sysfs / name).mkdir(parents=True)
        (self.machine.udev / "data").mkdir(parents=True)
        self._write(self.machine.udev, control="")

    def _write(self, folder: Path, **files: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(f"{text}\n")
        return folder

    def _link(self, kind: str, folder: Path) -> None:
        link = self.machine.sysfs / kind / folder.name
        link.symlink_to(os.path.relpath(folder, link.parent))

    def usb(self, port: str, minor: int) -> Path:
        """A USB device that shows mass storage; nobody may read its ``uevent``."""
        about = {"idVendor": "2e1a", "idProduct": "1001", "devnum": "0", "dev": f"189:{minor}"}
        folder = self._write(self.machine.sysfs / "devices/pci0/usb1" / port, **about, product="BodyCam", serial="SN7")
        os.mkfifo(folder / "uevent")
        part = {"bInterfaceClass": "08", "bInterfaceSubClass": "06", "bInterfaceProtocol": "50"}
        self._write(folder / f"{port}:1.0", **part)
        self._link("bus/usb/devices", folder)
        self._write(self.machine.udev / "data", **{f"c189:{minor}": "I:1"})
        return folder

    def disk(self, usb: Path, name: str, minor: int) -> None:
        """A disk of that device, with one partition that holds files."""
        disk = self._write(usb / f"{usb.name}:1.0/block" / name, dev=f"8:{minor}", size="2048", diskseq="1")
        part = self._write(disk / f"{name}1", dev=f"8:{minor + 1}", size="2000", partition="1")
        for one in (disk, part):
            os.mkfifo(one / "uevent")
            self._link("class/block", one)
        files = "I:1\nE:ID_FS_USAGE=filesystem\nE:ID_FS_TYPE=vfat\nE:ID_FS_LABEL=BWCAM"
        self._write(self.machine.udev / "data", **{f"b8:{minor}": "I:1\nE:ID_PART_TABLE_TYPE=dos"})
        self._write(self.machine.udev / "data", **{f"b8:{minor + 1}": files})

    def watch(self, **ports: str) -> Callable[[Seen], Watch]:
        bays = {port.replace("_", "-"): bay for port, bay in ports.items()}
        return lambda seen: UdevWatch(bays, seen, seen.errors.append, SystemClock(), machine=self.machine)


def test_a_disk_is_told_of_with_all_that_is_known(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    tree.disk(tree.usb("1-2", 5), "sdz", 400)
    with watching(tree.watch(**{"1_2": "bay1"})) as seen:
        (found,) = seen.wait(("appeared", "bay1", "block"))
    assert found.address == "/dev/sdz1"
    assert found.port == "1-2"
    assert found.facts == {
        **{"vendor_id": "2e1a", "product_id": "1001", "product": "BodyCam", "serial": "SN7", "usb_port": "1-2"},
        **{"interfaces": "080650", "filesystem": "vfat", "label": "BWCAM", "bytes": str(2000 * 512)},
    }


def test_a_device_that_hangs_hides_no_other_and_is_taken_up_when_it_answers(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    hung = tree.usb("1-1", 4)
    tree.disk(hung, "sdy", 300)
    (hung / "serial").unlink()
    os.mkfifo(hung / "serial")
    tree.disk(tree.usb("1-2", 5), "sdz", 400)
    with watching(tree.watch(**{"1_1": "bay1", "1_2": "bay2"})) as seen:
        seen.wait(("appeared", "bay2", "block"))
        seen.quiet(0.5)
        assert seen.errors == ["the USB device in 1-1 does not answer; it is taken up when it does"]
        (hung / "serial").write_text("SN-late\n")  # somebody reads, so that this does not wait
        (found,) = seen.wait(("appeared", "bay1", "block"), seconds=LIMIT_S)
        assert found.facts["serial"] == "SN-late"


def test_one_that_begins_to_hang_stays_where_it_is(tmp_path: Path) -> None:
    """What is known of a stay is not asked for again: a look at a hung device neither waits nor loses its card."""
    tree = Tree(tmp_path)
    usb = tree.usb("1-2", 5)
    tree.disk(usb, "sdz", 400)
    made: list[Watch] = []

    def make(seen: Seen) -> Watch:
        made.append(tree.watch(**{"1_2": "bay1"})(seen))
        return made[0]

    with watching(make) as seen:
        seen.wait(("appeared", "bay1", "block"))
        for name in ("serial", "product"):
            (usb / name).unlink()
            os.mkfifo(usb / name)
        watch = made[0]
        assert isinstance(watch, UdevWatch)
        watch._heard()  # have it look again, as at an event
        seen.quiet(1.5)


def test_a_watch_ends_while_a_device_hangs(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    hung = tree.usb("1-1", 4)
    tree.disk(hung, "sdy", 300)
    (hung / "product").unlink()
    os.mkfifo(hung / "product")
    with watching(tree.watch(**{"1_1": "bay1"})) as seen:  # it joins the watch's thread at its end
        seen.quiet(1)
    assert "does not answer" in seen.errors[0]


def test_the_node_of_a_usb_device_does_not_change_while_it_is_reset(tmp_path: Path) -> None:
    """``devnum`` is 0 during a reset (drivers/usb/core/hub.c, hub_port_reset)."""
    folder = Tree(tmp_path).usb("3-1", 2 * 128 + 6)
    assert Device("usb", folder, tmp_path).node == "/dev/bus/usb/003/007"


def test_words_that_come_late_are_told(tmp_path: Path) -> None:
    folder = Tree(tmp_path).usb("1-1", 4)
    (folder / "product").unlink()
    os.mkfifo(folder / "product")
    heard = threading.Event()
    words, device = Words(heard.set), Device("usb", folder, tmp_path)
    assert words.of("stay", device) is None
    assert not heard.is_set()
    (folder / "product").write_text("BodyCam\n")
    assert heard.wait(LIMIT_S)
    assert words.of("stay", device) == {"manufacturer": b"", "product": b"BodyCam", "serial": b"SN7"}
    words.keep_only([])
    assert words.of("next stay", device) is None  # asked again: the pipe has no writer now
