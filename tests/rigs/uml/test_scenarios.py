"""Scenarios on emulated USB hardware: those that need it, and some that every rig plays, for comparison."""

import subprocess
import sys
from pathlib import Path

import pytest

from hil.rigs.uml.guest import CHECKOUT

USBIP = {
    "plain": ("plain-signed-console", "mode-switch", "plain-gopro", "other-usb-id"),
    "pulled": ("pulled-out-mid-clip", "pulled-out-last-mib", "other-bay", "power-dips"),
    "medium": ("medium-error-heals", "medium-error-stays", "medium-error-until-back"),
    "bytes": ("bit-flip-signed", "bit-flip-unsigned", "slow"),
    "odd": ("hang", "keyboard", "boot-rom", "two-cameras-one-serial"),
    "cards": ("dirty-fat", "damaged-exfat-checksum", "damaged-fat-names", "empty-card"),
    "mtp": ("mtp-gopro", "mtp-pulled-out"),
    "many": ("eight-at-once", "dock-killed-in-pull"),
}
GADGET = ("plain-signed", "plain-signed-console", "other-usb-id")


def _play(rig: str, names: tuple[str, ...], keep: Path) -> None:
    words = [sys.executable, "-m", "hil", "run", *names, "--rig", rig, "--in", "uml", "--keep", str(keep)]
    done = subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=860)
    assert done.returncode == 0, f"{done.stdout[-8000:]}\n{done.stderr[-2000:]}"
    assert f"{len(names)} good, 0 failed, 0 skipped" in done.stdout, done.stdout


@pytest.mark.timeout(880)
@pytest.mark.parametrize("group", USBIP)
def test_over_usbip(group: str, tmp_path: Path) -> None:
    _play("usbip", USBIP[group], tmp_path)


@pytest.mark.timeout(880)
def test_on_gadgets(tmp_path: Path) -> None:
    _play("gadget", GADGET, tmp_path)
