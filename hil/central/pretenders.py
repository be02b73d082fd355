"""Servers that look like a store for evidence and are none: for finding out whether they are found out.

moto (``moto_server``) takes any secret and any body; ``rclone serve s3`` compares signatures but not bodies with their
signed hash; the boaster relays to a real server without a lock, and says of every object that it is locked.
"""

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hil.central.processes import Processes, free_ports, listens
from hil.central.scripted import Answer, Forward, Request, relaying

PATIENCE = 30  # seconds
_PROGRAMS = {"moto": "moto_server", "rclone": "rclone"}


@dataclass(frozen=True, slots=True)
class Pretender:
    """One such server, as an S3 client needs it."""

    endpoint: str
    access_key: str
    secret_key: str


def program(kind: str) -> str | None:
    """Where ``moto`` or ``rclone`` is installed: beside this Python, in an environment of their own, or on the
    path."""
    beside = Path(sys.executable).parent
    return shutil.which(_PROGRAMS[kind], path=f"{beside}:{beside.parent}/pretenders/bin:{os.environ.get('PATH', '')}")


@contextmanager
def running(kind: str) -> Iterator[Pretender]:
    """``moto`` or ``rclone`` with an empty store on 127.0.0.1, ended by its own process id. RuntimeError where it does
    not come up."""
    port, path = free_ports(1)[0], program(kind)
    if path is None:
        raise RuntimeError(f"{kind} is not installed")
    one = Pretender(f"http://127.0.0.1:{port}", "PRETENDER", secrets.token_hex(16))
    with tempfile.TemporaryDirectory(prefix="pretender-") as folder:
        store, processes = Path(folder, "store"), Processes(Path(folder), PATIENCE)
        store.mkdir()
        words = {
            "moto": [path, "-H", "127.0.0.1", "-p", str(port)],
            "rclone": [
                *(path, "serve", "s3", str(store), "--addr", f"127.0.0.1:{port}"),
                *("--auth-key", f"{one.access_key},{one.secret_key}", "--config", os.devnull),
            ],
        }[kind]
        try:
            processes.launch(kind, words)
            processes.wait(kind, lambda: listens(port))
            yield one
        finally:
            processes.kill(kind)


@contextmanager
def boasting(target: int) -> Iterator[int]:
    """The port of a relay to ``target`` that adds a lock until 2099 to what is said of every object."""

    def boast(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        if answer.status != 200 or request.method not in ("HEAD", "GET"):
            return answer
        until = ("x-amz-object-lock-retain-until-date", "2099-01-01T00:00:00Z")
        return answer.saying(("x-amz-object-lock-mode", "COMPLIANCE"), until)

    with relaying(target, boast) as port:
        yield port
