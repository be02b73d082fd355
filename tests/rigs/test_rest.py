"""Whoever watches a dock on a slow processor leaves it most of that."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from hil.rigs.bench_faults import Meter, Saboteur, due
from hil.rigs.faults import Script
from hil.rigs.power import SysfsPort
from hil.rigs.rest import LONGEST_S, SHARE, rest
from hil.rigs.usb_tree import UsbDevice, UsbTree

LOOK_S, WATCHED_S = 0.01, 1.0
"""What a look costs on an emulated processor, and for how long we measure."""


def test_a_rest_is_as_long_as_the_look_before_it_was_expensive() -> None:
    assert rest(0.0, 0.02) == 0.02
    assert rest(0.01, 0.02) == SHARE * 0.01
    assert rest(10.0, 0.02) == LONGEST_S
    assert rest(0.0, 1.0) == 1.0


def test_a_fault_that_is_waited_for_leaves_four_fifths_of_the_processor(tmp_path: Path) -> None:
    looked = 0.0

    def slow_look() -> UsbDevice | None:
        nonlocal looked
        end = time.thread_time() + LOOK_S
        while time.thread_time() < end:
            pass
        looked += LOOK_S
        return None

    tree = UsbTree(tmp_path)
    saboteur = Saboteur(due(Script("rU")), Meter(slow_look, tree), SysfsPort("1-1", tree))
    threading.Event().wait(WATCHED_S)
    saboteur.end()
    assert looked > 0
    assert looked < WATCHED_S / (SHARE + 1) + 2 * LOOK_S
