"""The power of a port: what uhubctl prints, a sysfs made of files, and the real things on the guest's root hubs."""

import threading
from pathlib import Path

import pytest

from hil.cameras.specimen import UsbPlate
from hil.rigs.power import Hand, LockedDevice, PowerError, Switched, SysfsPort
from hil.rigs.uhubctl import Uhubctl, read_status
from hil.rigs.usb_tree import Changes, UsbTree
from tests.rigs.gadgets import BACK_S, card_image, gadget, needs_gadgets, port_of
from tests.rigs.sysfs_files import make_device, make_hub

PLATE = UsbPlate(0x2E1A, 0x1001, manufacturer="HIL", name="BodyCam X", serial="SN-0007")

SHOWN = """\
Current status for hub 1-2 [0424:2514 Microchip Tech USB2514B, USB 2.00, 4 ports, ppps]
  Port 1: 0503 power highspeed enable connect [2672:000f GoPro HERO4 Session C3141324616764]
  Port 2: 0100 power
  Port 3: 0000 off
  Port 4: 0103 power enable connect []
Sent power off request
New status for hub 1-2 [0424:2514 Microchip Tech USB2514B, USB 2.00, 4 ports, ppps]
  Port 1: 0000 off
Current status for hub 2 [1d6b:0003 Linux 6.1.0 xhci-hcd, USB 3.00, 2 ports, ganged]
  Port 1: 02a0 power 5gbps Rx.Detect
  Port 2: 0203 power 5gbps U0 enable connect [0bda:0411]
"""


def test_what_uhubctl_prints() -> None:
    after, root = read_status(SHOWN)
    assert (after.location, after.switching) == ("1-2", "ppps")
    assert [(port.number, port.powered, port.connected) for port in after.ports] == [(1, False, False)]
    assert (root.location, root.switching) == ("2", "ganged")
    assert [(port.number, port.bits, port.powered, port.connected) for port in root.ports] == [
        (1, 0x02A0, True, False),
        (2, 0x0203, True, True),
    ]
    before = read_status(SHOWN[: SHOWN.index("Sent")])[0]
    assert [(port.powered, port.connected) for port in before.ports] == [
        (True, True),
        (True, False),
        (False, False),
        (True, True),
    ]


def test_without_uhubctl_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(PowerError, match="apt-get install uhubctl"):
        Uhubctl("1-2.1", program=str(tmp_path / "uhubctl")).off()


def test_the_kernels_switch(tmp_path: Path) -> None:
    tree = UsbTree(tmp_path)
    port = make_hub(tmp_path, "1-2", 4)[2]
    switch = SysfsPort("1-2.3", tree)
    assert switch.state() == "on"
    switch.off()
    assert ((port / "disable").read_text(), switch.state()) == ("1", "off")
    switch.on()
    assert ((port / "disable").read_text(), switch.state()) == ("0", "on")


def test_a_port_that_is_not_there_and_one_that_cannot(tmp_path: Path) -> None:
    make_hub(tmp_path, "1-2", 2)
    with pytest.raises(PowerError, match=r"no port 1-2\.3"):
        SysfsPort("1-2.3", UsbTree(tmp_path)).off()
    (make_hub(tmp_path, "1-3", 1)[0] / "disable").unlink()
    with pytest.raises(PowerError, match=r"cannot be disabled; use Linux 6\.0"):
        SysfsPort("1-3.1", UsbTree(tmp_path)).off()
    assert SysfsPort("1-3.1", UsbTree(tmp_path)).state() == "unknown"


def test_the_lock_on_a_device(tmp_path: Path) -> None:
    make_hub(tmp_path, "1-2", 2)
    lock = LockedDevice("1-2.1", UsbTree(tmp_path))
    with pytest.raises(PowerError, match="nothing is plugged in"):
        lock.off()
    device = make_device(tmp_path, "1-2.1", "2672:000f", "C3141")
    lock.off()
    assert ((device / "authorized").read_text(), lock.state()) == ("0", "off")
    lock.on()
    assert ((device / "authorized").read_text(), lock.state()) == ("1", "on")


def test_a_switch_that_is_obeyed_by_nobody_is_not_believed(tmp_path: Path) -> None:
    """Files that take every value, and a device that stays: off must not come back as if it had worked."""
    tree = UsbTree(tmp_path)
    make_hub(tmp_path, "1-2", 2)
    make_device(tmp_path, "1-2.1", "2672:000f", "C3141")
    switch = Switched([SysfsPort("1-2.1", tree), LockedDevice("1-2.1", tree)], tree, limit_s=0.05)
    with pytest.raises(PowerError, match=r"the device on port 1-2\.1 is still there"):
        switch.off()
    assert switch.state() == "off"
    switch.on()
    assert switch.state() == "on"


class Stubborn(SysfsPort):
    """A port that the kernel powers again ``times`` times, a moment after it was switched off."""

    def __init__(self, port: str, tree: UsbTree, folder: Path, times: int) -> None:
        super().__init__(port, tree)
        self.times, self._folder = times, folder

    def off(self) -> None:
        super().off()
        device = self._folder / "bus" / "usb" / "devices" / self.port
        device.rename(device.with_name("away"))
        if self.times:
            self.times -= 1
            threading.Timer(0.2, self._again, [device]).start()

    def _again(self, device: Path) -> None:
        self.on()
        device.with_name("away").rename(device)


def test_a_device_that_comes_back_by_itself_is_not_believed_to_be_gone(tmp_path: Path) -> None:
    tree = UsbTree(tmp_path)
    make_hub(tmp_path, "1-2", 2)
    make_device(tmp_path, "1-2.1", "2672:000f", "C3141")
    switch = Switched([once := Stubborn("1-2.1", tree, tmp_path, 1)], tree)
    switch.off()
    assert (once.times, tree.silent("1-2.1"), switch.state()) == (0, True, "off")
    once._again(tmp_path / "bus/usb/devices/1-2.1")
    once.times = 99
    with pytest.raises(PowerError, match="is still there"):
        switch.off()


def test_a_person_is_asked_once_and_waited_for(tmp_path: Path) -> None:
    tree = UsbTree(tmp_path)
    make_hub(tmp_path, "1-2", 2)
    asked: list[str] = []

    def obey(words: str) -> None:
        asked.append(words)
        threading.Timer(0.2, make_device, [tmp_path, "1-2.1", "2672:000f", "C3141"]).start()

    hand = Hand("1-2.1", "bay01", tree, ask=obey, limit_s=10)
    hand.on()
    assert asked == ["Plug the camera into bay bay01 (port 1-2.1), within 10 s."]
    hand.on()
    assert len(asked) == 1
    with pytest.raises(PowerError, match="nobody pulled it"):
        Hand("1-2.1", "bay01", tree, ask=asked.append, limit_s=0.05).off()


def _image(tmp_path: Path) -> Path:
    (tmp_path / "card").mkdir()
    (tmp_path / "card" / "A.TXT").write_text("a")
    return card_image(tmp_path / "card.img", tmp_path / "card", "HILCARD")


def test_a_real_port_is_switched_by_the_kernel(tmp_path: Path) -> None:
    needs_gadgets()
    tree = UsbTree()
    with gadget(PLATE, image=_image(tmp_path)) as camera, Changes() as changes:
        power = Switched([SysfsPort(camera.port), LockedDevice(camera.port)])
        assert power.state() == "on"
        power.off()
        assert (tree.device(camera.port), power.state()) == (None, "off")
        power.on()
        assert changes.wait(lambda: not tree.silent(camera.port), BACK_S)


def test_a_real_port_is_switched_by_uhubctl_and_stays_off(tmp_path: Path) -> None:
    """On these root hubs the kernel is not told that the power went. When it misses the device, some seconds later, it
    resets the port, which powers it again: uhubctl alone is not enough, and one look is not either."""
    needs_gadgets()
    tree = UsbTree()
    with gadget(PLATE, image=_image(tmp_path)) as camera, Changes() as changes:
        ways = Uhubctl(camera.port), SysfsPort(camera.port), LockedDevice(camera.port)
        assert ways[0].hub().switching == "ppps"
        for limit_s in (1.0, 6.0):
            power = Switched(ways, limit_s=limit_s)
            power.off()
            assert tree.silent(camera.port)
            assert not changes.wait(lambda: not tree.silent(camera.port), 5)
            assert ways[0].state() == "off"
            power.on()
            assert changes.wait(lambda: not tree.silent(camera.port), BACK_S)
            assert ways[0].state() == "on"


def test_a_real_device_is_locked_out(tmp_path: Path) -> None:
    needs_gadgets()
    tree = UsbTree()
    with gadget(PLATE, image=_image(tmp_path)) as camera:
        lock = LockedDevice(camera.port)
        Switched([lock]).off()
        device = tree.device(camera.port)
        assert device is not None
        assert (device.serial, device.interfaces, lock.state()) == ("SN-0007", (), "off")
        with Changes() as changes:
            lock.on()
            assert changes.wait(lambda: not tree.silent(camera.port), BACK_S)


def test_uhubctl_on_a_hub_that_is_not_there() -> None:
    needs_gadgets()
    with pytest.raises(PowerError, match="uhubctl -l 9-9"):
        Uhubctl("9-9.1").off()
    with pytest.raises(PowerError, match="has no port 7"):
        Uhubctl(f"{port_of(0)[:-1]}7").status()
