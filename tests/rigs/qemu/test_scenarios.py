"""Scenarios of the rig ``usbip`` on the distribution's own kernel: its vhci_hcd, usb-storage, cdc-acm, vfat, udevd."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from hil.rigs.qemu.view import View
from tests.rigs.qemu.guests import said

CHOSEN = ("plain-signed-console", "pulled-out-mid-clip", "medium-error-heals")
LIMIT_S = 600


@pytest.mark.timeout(LIMIT_S + 100)
def test_on_the_stock_kernel(view: View, share: Path) -> None:
    words = f"{sys.executable} -m hil run {' '.join(CHOSEN)} --rig usbip --json --keep {share}/reports"
    text = said(view, words, LIMIT_S)
    outcomes = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    print("".join(f"\n{one['scenario']}: {one.get('seconds')} s" for one in outcomes))
    assert {one["scenario"]: one.get("good") for one in outcomes} == dict.fromkeys(CHOSEN, True), text
    assert {one["kernel"] for one in outcomes} == {view.vm.output("uname -r").strip()}
