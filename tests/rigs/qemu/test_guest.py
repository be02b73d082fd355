"""The guest itself: what a command in it can do, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hil.rigs.qemu.machine import PROGRAM
from hil.rigs.qemu.view import CHECKOUT, View
from tests.rigs.qemu.guests import said

PATIENCE_S = 100


def test_a_command_prints_and_ends_as_it_does_anywhere(view: View) -> None:
    assert said(view, "echo one; echo two >&2; id -u; pwd; exit 7", status=7) == f"one\ntwo\n0\n{CHECKOUT}\n"
    assert said(view, "printf 'na\\xc3\\xafve'") == "naïve"


def test_a_command_that_does_not_end_is_ended(view: View) -> None:
    begun = time.monotonic()
    heard: list[str] = []
    assert view.run("echo begun; sleep 1000; echo never", 2, heard.append) == -9
    assert heard == ["begun\n"]
    assert time.monotonic() - begun < 17
    assert said(view, "echo still here") == "still here\n"


def test_it_is_the_distribution_as_it_is(view: View) -> None:
    """Another kernel than this machine's, with its own process 1, and the dock's rules in its udev."""
    release = view.vm.output("uname -r; cat /etc/debian_version; systemctl is-system-running; hostname").split()
    assert release[0].endswith("-amd64")
    assert release[0] != os.uname().release
    assert release[1].startswith("12")
    assert release[2:] == ["running", "dock"]
    found = set(said(view, "ls /run/udev/rules.d /sys/devices/platform; cat /proc/filesystems").split())
    assert {"60-dockagent.rules", "vhci_hcd.0", "vfat", "exfat", "ext4"} <= found


def test_what_it_writes_is_gone_but_for_its_share(view: View, share: Path) -> None:
    lost = CHECKOUT / "not-there.tmp"
    (share / "given").write_text("from outside\n")
    text = said(view, f"cat {share}/given; echo kept > {share}/kept; echo lost > {lost}; cat {lost}; echo $HIL_SHARE")
    assert text == f"from outside\nlost\n{share}\n"
    assert (share / "kept").read_text() == "kept\n"
    assert not lost.exists()


def test_its_clock_is_right(view: View) -> None:
    """Its memory was kept some time ago, and its clock with it."""
    before = time.time()
    told = float(said(view, "date +%s.%N"))
    assert before - 3 < told < time.time() + 3


def test_its_tpm_answers(view: View) -> None:
    drawn = [view.vm.output("tpm2_getrandom --hex 8") for _ in range(2)]
    assert [len(bytes.fromhex(text)) for text in drawn] == [8, 8]
    assert drawn[0] != drawn[1]
    assert view.vm.output("tpm2_getcap properties-fixed").count("TPM2_PT_MANUFACTURER")


@pytest.mark.parametrize(("words", "status", "out"), [("exit 3", 3, ""), ("echo $HOME; id -u", 0, None)])
def test_from_the_command_line(words: str, status: int, out: str | None) -> None:
    run = [sys.executable, "-m", "hil.rigs.qemu", "--memory", "1024", "--timeout", "100", "--", "bash", "-c", words]
    done = subprocess.run(run, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=200)
    expected = f"{Path.home()}\n0\n" if out is None else out
    assert (done.returncode, done.stdout) == (status, expected), done.stderr


def programs_with(word: str) -> set[str]:
    """Names of the programs that run with this text in their command lines."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue  # it has ended
        if any(word in one for one in words):
            found.add(Path(words[0]).name)
    return found


def until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, f"not within {PATIENCE_S} s: {what}"
        time.sleep(0.1)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_who_is_ended_leaves_no_guest_behind(number: signal.Signals, status: int, tmp_path: Path) -> None:
    words = ["--share", str(tmp_path), "--", "bash", "-c", "touch $HIL_SHARE/there; sleep 1000"]
    child = subprocess.Popen([sys.executable, "-m", "hil.rigs.qemu", *words], cwd=CHECKOUT)
    until((tmp_path / "there").exists, "the guest")
    assert PROGRAM in programs_with(str(tmp_path))
    child.send_signal(number)
    assert child.wait(PATIENCE_S) == status
    until(lambda: PROGRAM not in programs_with(str(tmp_path)), "the guest's end")
