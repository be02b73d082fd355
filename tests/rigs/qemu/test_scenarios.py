"""Scenarios on the distribution's own kernel: its usb-storage, vfat, udevd, on USB/IP (vhci_hcd, cdc-acm) and on what
QEMU emulates (xHCI, hubs, usb-mtp)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from hil.rigs.qemu.view import View
from tests.rigs.qemu.guests import said

CHOSEN = {
    "usbip": ("plain-signed-console", "pulled-out-mid-clip", "medium-error-heals"),
    "qemu": ("plain-gopro", "mtp-gopro", "other-bay", "damaged-fat-names", "dock-killed-in-pull"),
}
"""One of each kind: `python -m hil run --all --rig qemu --in qemu` plays all that the rig carries."""
EACH_S = 200


@pytest.mark.timeout(EACH_S * max(map(len, CHOSEN.values())) + 100)
@pytest.mark.parametrize("rig", CHOSEN)
def test_on_the_stock_kernel(view: View, share: Path, rig: str) -> None:
    chosen = CHOSEN[rig]
    words = f"{sys.executable} -m hil run {' '.join(chosen)} --rig {rig} --json --keep {share}/{rig}"
    text = said(view, words, EACH_S * len(chosen))
    outcomes = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    print("".join(f"\n{one['scenario']}: {one.get('seconds')} s" for one in outcomes))
    assert {one["scenario"]: one.get("good") for one in outcomes} == dict.fromkeys(chosen, True), text
    assert {one["kernel"] for one in outcomes} == {view.vm.output("uname -r").strip()}
