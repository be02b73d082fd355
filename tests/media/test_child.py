"""Children are bounded, have next to no rights, and are never left behind. Real programs play the hostile decoder."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.errors import Missing
from dockagent.media import child
from tests.media import made

CLOCK = SystemClock()
QUICK = child.Limits(seconds=20, cpu_seconds=10, memory_bytes=512 << 20, file_bytes=1 << 20)


def sh(script: str, limits: child.Limits = QUICK, writes: Path | None = None) -> child.Outcome:
    return child.run([child.program("sh"), "-c", script], limits, CLOCK, writes=writes)


def alive(pid: int) -> bool:
    """Whether the process still runs; one that is dead but not yet reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_a_child_that_ignores_sigterm_dies_in_time_and_its_whole_group_with_it() -> None:
    started = time.monotonic()
    outcome = sh("trap '' TERM INT HUP; sleep 60 & echo $!; wait", child.Limits(seconds=1))
    assert not outcome.ok
    assert outcome.timed_out
    assert "longer than 1.0 s" in outcome.reason
    assert time.monotonic() - started < 5
    grandchild = int(outcome.stdout)
    assert until(lambda: not alive(grandchild))


def test_what_an_ended_child_left_running_is_killed_too() -> None:
    outcome = sh("sleep 60 & echo $!")
    assert outcome.ok
    assert outcome.seconds < 10
    grandchild = int(outcome.stdout)
    assert until(lambda: not alive(grandchild))


def test_no_orphan_outlives_the_daemon(tmp_path: Path) -> None:
    script = "echo $$ > {0}/pid; exec sleep 60"
    daemon = f"""
from pathlib import Path
from dockagent.clock import SystemClock
from dockagent.media import child
child.run(["/bin/sh", "-c", {script.format(tmp_path)!r}], child.Limits(), SystemClock(), writes=Path({str(tmp_path)!r}))
"""
    root = Path(child.__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", daemon], cwd=root) as parent:
        assert until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").stat().st_size > 0)
        pid = int((tmp_path / "pid").read_text())
        assert alive(pid)
        parent.send_signal(signal.SIGKILL)
    assert until(lambda: not alive(pid))


def test_processor_time_is_limited() -> None:
    outcome = sh("while :; do :; done", child.Limits(seconds=30, cpu_seconds=1))
    assert outcome.timed_out
    assert outcome.reason == "used more than 1 s of processor time and was stopped"


def test_memory_is_limited(tmp_path: Path) -> None:
    gulp = [child.program("dd"), "if=/dev/urandom", "bs=100M", "count=1", f"of={tmp_path}/gulped"]
    few = child.run(gulp, child.Limits(memory_bytes=64 << 20), CLOCK, writes=tmp_path)
    assert not few.ok
    assert "memory" in few.reason
    assert child.run(gulp, child.Limits(memory_bytes=512 << 20), CLOCK, writes=tmp_path).ok


def test_a_decoder_bomb_hits_the_memory_limit(tmp_path: Path) -> None:
    bomb = made.clip(tmp_path / "bomb.avi", size="10000x10000", rate=2, codec="mjpeg", picture="color=c=black")
    argv = [
        child.program("ffmpeg"),
        "-nostdin",
        "-v",
        "error",
        "-threads",
        "1",
        "-i",
        child.url(bomb),
        "-f",
        "null",
        "-",
    ]
    few = child.run(argv, child.Limits(memory_bytes=380 << 20), CLOCK, reads=[bomb])
    assert "get_buffer() failed" in few.stderr_tail  # ffmpeg may still end with code 0: what came out decides
    enough = child.run(argv, child.Limits(memory_bytes=2 << 30), CLOCK, reads=[bomb])
    assert enough.ok
    assert enough.stderr_tail == ""


def test_the_size_of_a_file_is_limited(tmp_path: Path) -> None:
    argv = [child.program("dd"), "if=/dev/urandom", f"of={tmp_path}/big", "bs=64K", "count=1000"]
    outcome = child.run(argv, QUICK, CLOCK, writes=tmp_path)
    assert outcome.reason == f"wrote a file of more than {QUICK.file_bytes} bytes and was stopped"
    assert (tmp_path / "big").stat().st_size <= QUICK.file_bytes


def test_endless_output_is_stopped() -> None:
    outcome = child.run([child.program("yes")], QUICK, CLOCK)
    assert "bytes of output" in outcome.reason
    assert len(outcome.stdout) <= child.STDOUT_MAX + (1 << 20)


def test_of_endless_words_the_last_are_kept_and_cannot_steer_a_terminal() -> None:
    outcome = sh("head -c 300000 /dev/urandom >&2; printf '\\n\\033[2Jlast words\\n' >&2; exit 3")
    assert len(outcome.stderr_tail) <= child.STDERR_TAIL
    assert outcome.reason.startswith("ended with code 3: ")
    assert outcome.reason.endswith("last words")
    assert "\033" not in outcome.stderr_tail


def test_the_environment_is_empty_and_there_is_no_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the dock's secret")
    outcome = child.run([child.program("env")], QUICK, CLOCK)
    assert {line.partition("=")[0] for line in outcome.stdout.decode().splitlines()} == {"LC_ALL", "MALLOC_ARENA_MAX"}
    assert child.run([child.program("cat")], QUICK, CLOCK).stdout == b""


def test_a_child_is_the_last_in_line() -> None:
    assert child.run([child.program("nice")], QUICK, CLOCK).stdout.strip() == b"19"


def test_a_child_sees_only_the_files_that_it_was_given(tmp_path: Path) -> None:
    if "landlock" not in child.confinement():
        pytest.skip("this kernel has no Landlock")
    given, secret, folder = tmp_path / "given", tmp_path / "secret", tmp_path / "out"
    given.write_text("given")
    secret.write_text("secret")
    folder.mkdir()
    script = (
        f"cat {given}; cat {secret}; cat /etc/passwd; echo x > {given}; echo x > {tmp_path}/new; echo x > {folder}/new"
    )
    outcome = child.run([child.program("sh"), "-c", script], QUICK, CLOCK, reads=[given], writes=folder)
    assert outcome.stdout == b"given"
    assert given.read_text() == "given"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["given", "out", "secret"]
    assert (folder / "new").read_text() == "x\n"


def test_a_child_has_no_network() -> None:
    if "seccomp" not in child.confinement():
        pytest.skip("this kernel has no system call filters")
    made.require("ffprobe")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        outcome = child.run([child.program("ffprobe"), "-v", "error", address], QUICK, CLOCK)
        assert "Operation not permitted" in outcome.reason
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_child_cannot_signal_the_daemon() -> None:
    if "seccomp" not in child.confinement():
        pytest.skip("this kernel has no system call filters")
    outcome = sh(f"kill -0 {os.getpid()}")
    assert not outcome.ok
    assert "not permitted" in outcome.reason


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(Missing, match="install the package ffmpeg"):
        child.program("ffmpeg-of-another-world")
    outcome = child.run(["/nowhere/ffmpeg"], QUICK, CLOCK)
    assert outcome.reason.startswith("ended with code 127: /nowhere/ffmpeg could not be started")
