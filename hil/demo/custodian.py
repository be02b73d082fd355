"""The custodian from outside: the installed command `dockagent custodian run` beside the demonstration's store."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from hil.demo.agent import COMMAND, PATIENCE, Agent, Answer, run
from hil.demo.place import Place, Settings

NAME = "demo-custodian"
NO_PERMITS: Mapping[str, Any] = MappingProxyType({})


@dataclass(slots=True)
class Custodian:
    """It is met before the dock runs, then works until the context manager ends it. ``line``: its key, as docks and
    trust files take it; ``witness``: with which it cosigns the dock's checkpoints."""

    place: Place
    line: str = ""
    witness: str = ""
    _port: int = 0
    _process: subprocess.Popen[bytes] | None = None

    def meet(self, agent: Agent) -> None:
        """Make both sides' keys, let the custodian know the dock's, and start it. Raises RuntimeError
        where a command fails."""
        made = agent.ask("keys", "init", "--json")
        if made.code:
            raise RuntimeError(f"dockagent keys init failed: {made.err.strip()}")
        self.place.root.joinpath("docks.json").write_text(made.out)
        self.place.store.joinpath(".dockagent-store").write_text(os.urandom(16).hex() + "\n")
        self._port = _free_port()
        self._configure()
        said = run("custodian", "keys", "--json", *self._where()).json()
        self.line, self.witness = said["custodian"], said["witness"]
        self.start()

    def start(self) -> None:
        """Let it work, round after round."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [COMMAND, "custodian", "run", *self._where()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )

    def once(self, permits: Mapping[str, Any]) -> Answer:
        """One round with these ``[permits]``, while it does nothing else; then it works on without them."""
        self.stop()
        self._configure(permits)
        done = run("custodian", "once", "--json", *self._where())
        self._configure()
        self.start()
        self._until_it_answers()
        return done

    def _until_it_answers(self) -> None:
        """Raises RuntimeError where it does not, in time."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError as error:
                if self.over() or time.monotonic() > end:
                    raise RuntimeError(f"the custodian does not answer on port {self._port}: {error}") from error
                time.sleep(0.05)
            else:
                return

    def of_a_dock(self) -> dict[str, Any]:
        """What the dock's configuration says about it: it witnesses the ledger, and its receipts count."""
        return {
            "witnesses": {"ask": [f"{self.witness} http://127.0.0.1:{self._port}"], "every_records": 10},
            "custodian": {"keys": [self.line], "url": f"http://127.0.0.1:{self._port}", "every_s": 2},
        }

    def over(self) -> bool:
        """Whether it ended by itself."""
        return self._process is not None and self._process.poll() is not None

    @property
    def log(self) -> Path:
        """What it says."""
        return self.place.root / "custodian.log"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it. May be repeated."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            print("the custodian did not end and was killed", file=sys.stderr)

    def _configure(self, permits: Mapping[str, Any] = NO_PERMITS) -> None:
        tables: Settings = {
            "custodian": {"name": NAME, "trust": [str(self.place.root / "docks.json")], "every_s": 1},
            "service": {"listen": f"127.0.0.1:{self._port}"},
            "store": {"url": self.place.store.as_uri()},
            "permits": permits,
        }
        lines = []
        for table, keys in tables.items():
            lines += [f"[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]
        self.place.root.joinpath("custodian.toml").write_text("\n".join(lines) + "\n")

    @property
    def private(self) -> Path:
        """Its private key (PEM), for whoever shows what somebody could do who has it."""
        return self.place.root / "custodian" / "keys" / "custodian.pem"

    def _where(self) -> list[str | Path]:
        return ["--config", self.place.root / "custodian.toml", "--home", self.place.root / "custodian"]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as door:
        return int(door.getsockname()[1])
