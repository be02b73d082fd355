"""Switching a USB port off and on: which file, in which order, and words where it cannot be done."""

import re
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.errors import Gone, Permanent, UsageError
from dockagent.transports.usb_port import cycle


class Tree:
    """Files where sysfs has its switches. A pipe in their place tells in which order they were written."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def switch(self, path: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("as it was")
        return file


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@pytest.mark.parametrize(
    ("port", "switch"),
    [
        ("5-1", "5-0:1.0/usb5-port1/disable"),
        ("1-2.3", "1-2:1.0/1-2-port3/disable"),
        ("1-2.3.10", "1-2.3:2.0/1-2.3-port10/disable"),
        ("12-4", "12-4/authorized"),
    ],
)
def test_the_port_is_switched_and_left_on(port: str, switch: str, tree: Tree) -> None:
    file = tree.switch(switch)
    assert cycle(port, SystemClock(), tree.root, off_s=0) == str(file)
    assert file.read_text() == ("1" if switch.endswith("authorized") else "0")


def test_the_ports_own_switch_goes_before_the_devices(tree: Tree) -> None:
    port, device = tree.switch("1-2:1.0/1-2-port3/disable"), tree.switch("1-2.3/authorized")
    assert cycle("1-2.3", SystemClock(), tree.root, off_s=0) == str(port)
    assert device.read_text() == "as it was"


def test_a_switch_that_refuses_leaves_it_to_the_next(tree: Tree) -> None:
    tree.switch("1-2:1.0/1-2-port3/x").parent.joinpath("disable").mkdir()
    device = tree.switch("1-2.3/authorized")
    assert cycle("1-2.3", SystemClock(), tree.root, off_s=0) == str(device)


def test_no_switch_at_all_says_why(tree: Tree) -> None:
    with pytest.raises(Gone, match=r"there is no .*1-2\.3/authorized; unplug the camera"):
        cycle("1-2.3", SystemClock(), tree.root, off_s=0)
    tree.switch("1-2:1.0/1-2-port3/x").parent.joinpath("disable").mkdir()
    with pytest.raises(Permanent, match=re.escape("the kernel refuses 1 for")):
        cycle("1-2.3", SystemClock(), tree.root, off_s=0)


@pytest.mark.parametrize("port", ["", "1", "1-", "../..", "1-2/../3", "usb1", "1-2.", "1-2.3:1.0", "*-1"])
def test_what_is_no_port_is_refused(port: str, tree: Tree) -> None:
    with pytest.raises(UsageError, match="is no USB port"):
        cycle(port, SystemClock(), tree.root, off_s=0)
