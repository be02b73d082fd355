"""Run one ffmpeg or ffprobe over a hostile file: bounded in time, memory, output and rights, and never left behind.

1. The program starts through :mod:`launcher`: limits, lowest priority, no new privileges, no sockets, only the files
   named here (as far as this kernel can; see :func:`confinement`), killed with the thread that waits for it.
2. It gets no standard input (but a file to read, which then needs no path; or answers, where it may ask), an empty
   environment and its own process group; the group is killed when time is up.
3. Only demuxers for camera footage open (:data:`OPEN`): a playlist or image pattern named ``.mp4`` opens nothing else.
"""

import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from dockagent.clock import Clock
from dockagent.core.movie.boxes import Source
from dockagent.errors import Missing

STDERR_TAIL = 4096
STDOUT_MAX = 1 << 20
MAX_PIXELS = 36_000_000  # one 8K frame; more is a decoder bomb, not a camera
_LAUNCHER = Path(__file__).with_name("launcher.py")
_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "2"}  # arenas reserve address space, which is limited
_PIPE_BUFFER = 1 << 20  # no pipe of an ordinary user holds more, pipe(7)
_POLL = 0.2  # seconds between two looks at the clock
_DEMUXERS = (
    "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,h264,hevc,m4v,mjpeg,flv,asf,mxf,dv,dhav,ivf,"
    "wav,w64,aiff,caf,aac,ac3,amr,amrnb,amrwb,mp3,flac,ogg,jpeg_pipe,png_pipe"
)

# Options before every input, for ffmpeg.input(**OPEN) and, through open_flags(), for ffprobe.
OPEN = {"protocol_whitelist": "file,pipe", "format_whitelist": _DEMUXERS, "max_pixels": str(MAX_PIXELS)}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one child may use: wall-clock ``seconds``, processor seconds, bytes of address space (of which Debian's
    ffmpeg needs 300 MiB for its own libraries), bytes of one file that it writes, open files."""

    seconds: float = 60
    cpu_seconds: int = 60
    memory_bytes: int = 1 << 30
    file_bytes: int = 1 << 30
    open_files: int = 64


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a child ended. ``ok``: exit code 0, which says nothing about what it made. ``reason``: empty when ok, else
    one line for a person. ``timed_out``: its wall-clock or processor time was over. ``stderr_tail``: its last words,
    printable; words alone are no sign of damage."""

    ok: bool
    reason: str
    stderr_tail: str
    seconds: float
    stdout: bytes = b""
    timed_out: bool = False


class OpenFile(Source, Protocol):
    """A real file open for reading, as ``io.FileIO`` is; perhaps one without a name."""

    def fileno(self) -> int: ...


Answer = Callable[[bytes], bytes]
"""What a child that may ask is told: its question, a line of its output without the newline, gives an answer of less
than a pipe holds. Whatever this raises ends the child."""


def program(name: str) -> str:
    """Where ``ffmpeg`` or ``ffprobe`` lies. Raises Missing where it is not installed."""
    found = shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not installed, so footage cannot be looked into", "install the package ffmpeg")
    return str(Path(found).resolve())


def url(path: Path) -> str:
    """``path`` as ffmpeg takes it literally, whatever is in its name (``-``, ``:``, ``%``, bytes that are no UTF-8)."""
    return f"file:{path.absolute()}"


def open_flags() -> list[str]:
    """:data:`OPEN` as arguments."""
    return [part for key, value in OPEN.items() for part in (f"-{key}", value)]


def confinement() -> tuple[str, ...]:
    """Which of ``landlock`` and ``seccomp`` this kernel gives a child. For the doctor: fewer is a finding."""
    answer = subprocess.run(
        [sys.executable, "-I", "-S", str(_LAUNCHER)], capture_output=True, env=_ENVIRONMENT, timeout=30, check=True
    )
    return tuple(answer.stdout.decode().split())


def run(
    argv: Sequence[str],
    limits: Limits,
    clock: Clock,
    *,
    reads: Sequence[Path] = (),
    folders: Sequence[Path] = (),
    writes: Path | None = None,
    source: OpenFile | None = None,
    answer: Answer | None = None,
) -> Outcome:
    """Run ``argv`` (program first, an absolute path) to its end or its limits; never raises for how it ends.

    It may open ``reads`` and all in ``folders`` for reading, and make files in ``writes``. More than STDOUT_MAX bytes
    of output stop it. ``source`` is its standard input, whose place in the file it shares; where that is None, with
    ``answer`` each whole line of its output is a question, and what follows the last one is its output.
    """
    asks = subprocess.DEVNULL if answer is None else subprocess.PIPE
    started = clock.monotonic()
    command = [sys.executable, "-I", "-S", str(_LAUNCHER), _orders(limits, reads, folders, writes), *argv]
    with subprocess.Popen(
        command,
        stdin=asks if source is None else source.fileno(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_ENVIRONMENT,
        cwd="/",
        start_new_session=True,
    ) as process:
        try:
            captured = _Captured(answer, process.stdin)
            stopped = _listen(process, captured, started + limits.seconds, clock)
        finally:
            _end(process)
    tail = _printable(bytes(captured.stderr))
    reason = _stopped(stopped, limits) or _reason(process.returncode, limits, tail)
    timed_out = stopped == "time" or process.returncode == -signal.SIGXCPU
    return Outcome(not reason, reason, tail, clock.monotonic() - started, bytes(captured.stdout), timed_out)


class _Captured:
    """What came through the two pipes so far: output up to its limit, and the end of the words on standard error. A
    child that may ask is answered over ``line``."""

    def __init__(self, answer: Answer | None = None, line: IO[bytes] | None = None) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self._answer, self._line = answer, line

    def take(self, name: str, data: bytes) -> None:
        if name == "stdout":
            self.stdout += data
            self._reply()
        else:
            self.stderr += data
            del self.stderr[:-STDERR_TAIL]

    def _reply(self) -> None:
        while self._answer is not None and self._line is not None and b"\n" in self.stdout:
            question, _, rest = bytes(self.stdout).partition(b"\n")
            self.stdout[:] = rest
            with suppress(BrokenPipeError):  # it ended: how, its exit code says
                os.write(self._line.fileno(), self._answer(question))


def _orders(limits: Limits, reads: Sequence[Path], folders: Sequence[Path], writes: Path | None) -> str:
    """The launcher's first argument. JSON keeps bytes of a name that are no UTF-8 as lone surrogates (PEP 383)."""
    return json.dumps(
        {
            "parent": os.getpid(),
            "cpu_seconds": limits.cpu_seconds,
            "memory_bytes": limits.memory_bytes,
            "file_bytes": limits.file_bytes,
            "open_files": limits.open_files,
            "reads": [str(path.absolute()) for path in reads],
            "folders": [str(path.absolute()) for path in folders],
            "writes": "" if writes is None else str(writes.absolute()),
        }
    )


def _listen(process: subprocess.Popen[bytes], captured: _Captured, deadline: float, clock: Clock) -> str:
    """Read both pipes until the process ends. "" when it did, else what ran out: "time" or "output"."""
    ended = os.pidfd_open(process.pid)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(ended, selectors.EVENT_READ)
            for name, pipe in (("stdout", process.stdout), ("stderr", process.stderr)):
                if pipe is not None:
                    os.set_blocking(pipe.fileno(), False)
                    selector.register(pipe, selectors.EVENT_READ, name)
            return _listen_to(selector, captured, deadline, clock)
    finally:
        os.close(ended)


def _listen_to(selector: selectors.BaseSelector, captured: _Captured, deadline: float, clock: Clock) -> str:
    over = False
    while not over:
        left = deadline - clock.monotonic()
        if left <= 0:
            return "time"
        for key, _ in selector.select(min(left, _POLL)):
            if key.data is None:
                over = True  # its last words may still be in the pipes
            else:
                _drain(selector, key, captured)
        if len(captured.stdout) > STDOUT_MAX:
            return "output"
    for key in list(selector.get_map().values()):
        if key.data is not None:
            _drain(selector, key, captured)
    return "output" if len(captured.stdout) > STDOUT_MAX else ""


def _drain(selector: selectors.BaseSelector, key: selectors.SelectorKey, captured: _Captured) -> None:
    """Take what the pipe holds now (at most its buffer, so a fast writer cannot keep us here)."""
    try:
        data = os.read(key.fd, _PIPE_BUFFER)
    except BlockingIOError:
        return  # nothing there now
    if data:
        captured.take(key.data, data)
    else:
        selector.unregister(key.fileobj)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the whole group, also what an ended leader left behind: until it is reaped nobody else gets its number."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _stopped(what: str, limits: Limits) -> str:
    if what == "time" and limits.seconds <= 0:
        return "had no time left"
    if what == "time":
        return f"took longer than {limits.seconds:.1f} s and was stopped"
    return f"gave more than {STDOUT_MAX} bytes of output and was stopped" if what else ""


def _reason(code: int, limits: Limits, tail: str) -> str:
    """Why an ended child is not ok, or "" for exit code 0."""
    if code == 0:
        return ""
    if code == -signal.SIGXCPU:
        return f"used more than {limits.cpu_seconds} s of processor time and was stopped"
    if code == -signal.SIGXFSZ:
        return f"wrote a file of more than {limits.file_bytes} bytes and was stopped"
    if code < 0:
        return f"was ended by the signal {signal.Signals(-code).name}"
    words = tail.splitlines()
    return f"ended with code {code}: {words[-1][:200]}" if words else f"ended with code {code}"


def _printable(data: bytes) -> str:
    """Text for a log: a file may have chosen these words, so nothing in them may steer a terminal."""
    text = data.decode("utf-8", "replace")
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text).strip()
