"""The agent from outside: the installed command `dockagent`, run as a person or systemd runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from hil.demo.place import Place

COMMAND = Path(sys.executable).with_name("dockagent")
HASHED = 32 << 20
"""Bytes that a command reads and hashes in a second, at least, on a laptop that does other things too."""
PATIENCE = 30.0
"""Seconds that a command, or the daemon after SIGTERM, may take."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Its output, which was asked for with --json. Raises RuntimeError with its complaint where it is none."""
        try:
            return json.loads(self.out)
        except ValueError as error:
            raise RuntimeError(f"dockagent printed no JSON but ended with {self.code}: {self.err.strip()}") from error


@dataclass(slots=True)
class Agent:
    """The daemon of one place, and the commands that look at it. Its log is `place.log`, kept over restarts.

    `store`: a store's URL instead of the place's folder. `environment`: variables more than ours. `slowness`: how many
    times longer than on a good laptop things may take here. `through`: a command that runs the daemon, such as
    `ip netns exec NAME`. As a context manager it ends the daemon at the end, whatever happened.
    """

    place: Place
    store: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    slowness: float = 1.0
    through: Sequence[str] = ()
    _daemon: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the daemon, in a process group of its own: a terminal's Ctrl-C is for us, and we end it. Raises
        RuntimeError when it runs already, OSError when the command is not installed."""
        if self.alive():
            raise RuntimeError("the agent runs already")
        store = self.store or self.place.store.as_uri()
        words = ["run", *self._where(), "--bays", self.place.bays, "--store", store]
        with self.place.log.open("ab") as log:
            self._daemon = subprocess.Popen(
                [*self.through, COMMAND, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | self.environment,
                process_group=0,
            )

    def alive(self) -> bool:
        """Whether the daemon runs."""
        return self._daemon is not None and self._daemon.poll() is None

    def ended(self, seconds: float) -> bool:
        """Whether the daemon has ended, or does so within so many seconds."""
        try:
            return self._daemon is None or self._daemon.wait(seconds) is not None
        except subprocess.TimeoutExpired:
            return False

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the daemon a signal and wait; its exit status. One that does not end in time is killed.

        Raises subprocess.TimeoutExpired then, RuntimeError when it was never started.
        """
        if self._daemon is None:
            raise RuntimeError("the agent was not started")
        self._daemon.send_signal(number)  # does nothing to one that has ended
        try:
            return self._daemon.wait(PATIENCE * self.slowness)
        except subprocess.TimeoutExpired:
            self._daemon.kill()
            self._daemon.wait()
            raise

    def ask(self, *words: str | Path) -> Answer:
        """Run a command on this dock's home and configuration, to its end. Raises subprocess.TimeoutExpired."""
        return run(*words, *self._where(), slowness=self.slowness)

    def verify(self, *paths: Path, trust: Path) -> Answer:
        """`dockagent verify` of what lies there, as an outsider runs it; long footage takes longer. Raises
        subprocess.TimeoutExpired."""
        reading_s = sum(map(_size, paths)) / HASHED
        return run("verify", *paths, "--trust", trust, slowness=self.slowness, reading_s=reading_s)

    def last_words(self, lines: int = 3) -> str:
        """The end of the log."""
        try:
            return "\n".join(self.place.log.read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return "it said nothing"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.alive():
            self.stop()

    def _where(self) -> list[str | Path]:
        return ["--home", self.place.home, "--config", self.place.config]


def _size(path: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())


def run(*words: str | Path, slowness: float = 1.0, reading_s: float = 0.0) -> Answer:
    """Run `dockagent` with these words to its end. ``reading_s``: seconds more for what it has to read. Raises
    subprocess.TimeoutExpired, OSError when it is not there."""
    limit = (PATIENCE + reading_s) * slowness
    done = subprocess.run([COMMAND, *words], capture_output=True, text=True, check=False, timeout=limit)
    return Answer(done.returncode, done.stdout, done.stderr)
