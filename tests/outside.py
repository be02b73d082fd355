"""Verifiers that share nothing with ours: small programs over the Go project's transparency-log code, built when asked.

Each is one file that an outsider can read and build alone (``tests/*/outside/``). It prints ``accepted`` and ends with
0, or begins its complaint with ``refused:``; whatever else it does is a mistake of the test's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

GOPATH = Path("/usr/share/gocode")  # where Debian's golang-*-dev packages lie
Accepts = Callable[..., bool]


def absent(what: str) -> None:
    """Skip, saying what to install; in continuous integration fail, so that nothing is left out in silence."""
    reason = f"{what} is absent; `make packages-test` installs what it needs"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def go_built(source: Path, folder: Path) -> Path:
    """Builds a Go file in ``folder``, one of ``tmp_path_factory.mktemp``. All workers of a run share what the compiler
    has made."""
    go = shutil.which("go") or next((str(path) for path in Path("/usr/lib").glob("go-*/bin/go")), None)
    if go is None:
        absent("the Go compiler")
    if not (GOPATH / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        absent("golang.org/x/mod/sumdb")
    program, cache = folder / source.stem, folder.parents[1] / "go-build-cache"
    env = {**os.environ, "GO111MODULE": "off", "GOPATH": str(GOPATH), "GOFLAGS": "", "GOCACHE": str(cache)}
    subprocess.run([str(go), "build", "-o", program, source], check=True, env=env)
    return program


def go_program(source: Path, folder: Path) -> Accepts:
    """What runs a Go file built in ``folder``: True when it accepts, False when it refuses."""
    program = go_built(source, folder)

    def run(*args: str | Path) -> bool:
        done = subprocess.run([program, *args], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "accepted\n") or done.stderr.startswith("refused:"), done.stderr
        return done.returncode == 0

    return run
