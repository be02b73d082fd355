"""The guest itself: what a command in it can do, and how it ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from hil.rigs.uml import kernel
from hil.rigs.uml.guest import CHECKOUT, Guest, GuestFailed

LIMIT_S = 120.0
RUN = (sys.executable, "-m", "hil.rigs.uml")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*RUN, *words], cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=120)


def test_a_command_prints_and_ends_as_it_does_anywhere() -> None:
    done = run("--", "bash", "-c", "echo one; echo two; id -u; pwd; exit 7")
    assert (done.returncode, done.stdout) == (7, f"one\ntwo\n0\n{CHECKOUT}\n")


def test_it_has_usb_and_the_file_systems_of_cards() -> None:
    done = run("--", "bash", "-c", "cat /proc/filesystems; ls /sys/class/udc /sys/devices/platform /run/udev/rules.d")
    assert {"vfat", "exfat", "ext4", "dummy_udc.0", "vhci_hcd.0", "60-dockagent.rules"} <= set(done.stdout.split())


def test_what_it_writes_is_gone_but_for_its_shares(tmp_path: Path) -> None:
    lost = CHECKOUT / "not-there.tmp"
    script = f"echo kept > {tmp_path}/kept; echo lost > {lost}; cat {lost}; df --output=target $TMPDIR | tail -1"
    done = run("--share", str(tmp_path), "--", "bash", "-c", script)
    assert done.stdout == "lost\n/run/scratch\n"
    assert (tmp_path / "kept").read_text() == "kept\n"
    assert not lost.exists()


def test_a_command_that_does_not_end_is_ended() -> None:
    begun = time.monotonic()
    done = run("--timeout", "15", "--", "sleep", "1000")
    assert done.returncode == 124
    assert "still at work after 15 s: sleep 1000" in done.stderr
    assert time.monotonic() - begun < 60


@contextmanager
def _at_work(folder: Path, words: Sequence[str], sign: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command, whose temporary files lie in ``folder``, and whose guest has made a file there that fits ``sign``."""
    command = subprocess.Popen(words, cwd=CHECKOUT, env={**os.environ, "TMPDIR": str(folder)})
    try:
        _until(lambda: any(folder.glob(sign)))
        assert _kernels(folder)
        yield command
    finally:
        command.kill()
        command.wait()


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < end, f"not within {LIMIT_S:g} s"
        time.sleep(0.05)


def _waits(folder: Path) -> list[str]:
    return [*RUN, "--share", str(folder), "--", "bash", "-c", f"touch {folder}/up; sleep 1000"]


def test_told_to_end_it_ends_its_guest(tmp_path: Path) -> None:
    """As `timeout`, or a continuous integration that gives up."""
    with _at_work(tmp_path, _waits(tmp_path), "up") as command:
        command.terminate()
        assert command.wait(30) == 130
        assert not _kernels(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["up"]


def test_killed_it_takes_its_guest_along(tmp_path: Path) -> None:
    """As a machine that is out of memory: nobody is left who could end the guest, and none of its processes stays."""
    with _at_work(tmp_path, _waits(tmp_path), "up") as command:
        command.kill()
        command.wait(30)
        _until(lambda: not _kernels(tmp_path))


@pytest.mark.parametrize("kill", [os.kill, os.killpg])
def test_a_guest_whose_binding_shell_is_killed_ends(kill: Callable[[int, int], None]) -> None:
    """Alone, or with its group: neither is the guest's own, and nobody told it."""
    with Guest(["sleep", "1000"]) as guest:
        guest.wait_ready(LIMIT_S)
        assert guest._process is not None
        assert guest._work is not None
        assert len(_kernels(guest._work)) > 1
        kill(guest._process.pid, signal.SIGKILL)
        _until(lambda: not _kernels(guest._work or Path("/nowhere")))


def test_who_watches_the_binding_shell_ends_with_the_guest() -> None:
    with Guest(["sleep", "1000"]) as guest:
        guest.wait_ready(LIMIT_S)
        assert guest._process is not None
        (watcher,) = _watchers(guest._process.pid)
    _until(lambda: not Path(f"/proc/{watcher}").exists())


def _watchers(shell: int) -> list[int]:
    """The children of the binding shell that are in a session of their own, but for the guest."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            words = path.read_text().rpartition(")")[2].split()
            mine, session = int(words[1]) == shell, int(words[3])
            if mine and session == int(path.parent.name) and b"WORK=" not in (path.parent / "cmdline").read_bytes():
                found.append(session)
    return found


ENDLESS = """about = "A dock waits"
why = "for somebody who ends it"
camera.alice = { model = "reference-unsigned", clip_kib = 64 }
script = "wait alice attached within 600 s"
expect = "alice released"
"""


def test_a_scenario_that_is_told_to_end_takes_its_guest_along(tmp_path: Path) -> None:
    """What `python -m hil run --in uml` hears is for the guest, too; and no folder of either is left behind."""
    case, place = tmp_path / "case.toml", tmp_path / "tmp"
    case.write_text(ENDLESS)
    place.mkdir()
    words = [sys.executable, "-m", "hil", "run", str(case), "--rig", "usbip", "--in", "uml"]
    with _at_work(place, words, "hil-*/**/ledger/entries.jsonl") as command:
        command.terminate()
        assert command.wait(60) == 130
        assert not _kernels(place)
    assert list(place.iterdir()) == []


def _kernels(folder: Path) -> list[int]:
    """The processes of guests that work in this folder (proc(5), /proc/pid/cmdline)."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            if f"WORK={folder}".encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def test_a_guest_whose_kernel_dies_says_so() -> None:
    with Guest(["bash", "-c", "echo c > /proc/sysrq-trigger; sleep 100"]) as guest, pytest.raises(GuestFailed):
        guest.wait(60)


def test_after_a_power_cut_only_what_was_synced_is_there(tmp_path: Path) -> None:
    with Guest(["bash", "-c", f"echo safe > {tmp_path}/safe; sync; sleep 1000"], [tmp_path]) as guest:
        guest.wait_ready(60)
        end = time.monotonic() + 60
        while not (tmp_path / "safe").exists() and time.monotonic() < end:
            time.sleep(0.05)
        guest.cut_power()
        with pytest.raises(GuestFailed):
            guest.wait(10)
    assert (tmp_path / "safe").exists()


def test_its_clocks_run_ahead_when_asked() -> None:
    begun = time.monotonic()
    done = run("--time-travel", "--", "bash", "-c", "a=$(date +%s); sleep 86400; echo $(( $(date +%s) - a ))")
    assert int(done.stdout) >= 86400
    assert time.monotonic() - begun < 100


def test_the_cache_is_keyed_by_what_the_kernel_is_made_of() -> None:
    built = kernel.built()
    assert built is not None
    assert built == kernel.build()  # nothing is built twice
    assert kernel.dropped(built.with_name("config")) == []  # Kconfig took every option
