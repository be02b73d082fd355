"""The custodian as a process: the installed command, its configuration, and how it is started, killed and asked."""

import json
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError
from urllib.request import urlopen

from dockagent.core.central.custodian_key import CustodianKey
from dockagent.custodian import service
from dockagent.ledger.trust import Trust
from hil.central import rgw
from hil.demo.agent import COMMAND
from tests.contracts.store_places import Bucket
from tests.custodian.in_container import InContainer
from tests.custodian.made import Dock, InBucket, Shelf

PATIENCE_S = 240


@dataclass(slots=True)
class Installed:
    """One custodian with its home, keys and configuration in ``folder``. ``store``, ``swift``: how it reaches its
    store; ``trust``: whose records it believes."""

    folder: Path
    store: dict[str, Any]
    trust: Trust
    name: str = "custodian"
    custodian: dict[str, Any] = field(default_factory=dict)
    service: dict[str, Any] = field(default_factory=dict)
    permits: dict[str, Any] = field(default_factory=dict)
    swift: dict[str, Any] = field(default_factory=dict)
    running: "subprocess.Popen[bytes] | None" = None
    port: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        docks = self.folder / "docks.json"
        docks.write_bytes(self.trust.encode())
        about = {"name": self.name, "trust": [str(docks)], "ledger_wait_minutes": 0, **self.custodian}
        tables = {"custodian": about, "service": self.service, "permits": self.permits, "store": self.store}
        tables["swift"] = self.swift
        lines = []
        for table, keys in tables.items():
            lines += [f"[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]
        (self.folder / "custodian.toml").write_text("\n".join(lines) + "\n")
        service.open_keys(self.folder / "home", about["name"])

    def words(self, act: str, *more: str) -> list[str]:
        """A command line."""
        where = ["--config", str(self.folder / "custodian.toml"), "--home", str(self.folder / "home")]
        return [str(COMMAND), "custodian", act, *where, *more]

    def once(self) -> tuple[int, dict[str, Any]]:
        """One round to its end: exit code and what it says."""
        done = subprocess.run(
            self.words("once", "--json"), capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, json.loads(done.stdout) if done.stdout else {"err": done.stderr}

    def start(self, act: str = "run") -> None:
        """Start it (again) and do not wait for it; ``run`` with a service says its port first."""
        self._let_go()
        with (self.folder / "log").open("ab") as log:
            self.running = subprocess.Popen(
                self.words(act), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
            )
        if act == "run" and self.running.stdout is not None:
            self.port = json.loads(self.running.stdout.readline())["port"]

    def end(self, number: signal.Signals) -> int:
        """Send it a signal and wait; its exit code."""
        assert self.running is not None
        self.running.send_signal(number)
        return self.running.wait(20)

    def get(self, path: str) -> tuple[int, bytes]:
        """What its service answers."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read()
        except HTTPError as err:
            return err.code, err.read()

    def key(self) -> str:
        """Its line for docks' configurations."""
        done = subprocess.run(self.words("keys", "--json"), capture_output=True, text=True, timeout=60, check=True)
        line: str = json.loads(done.stdout)["custodian"]
        return line

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go()

    def _let_go(self) -> None:
        if self.running is not None:
            if self.running.poll() is None:
                self.running.kill()
            self.running.wait(20)
            if self.running.stdout is not None:
                self.running.stdout.close()


def bucket_of(bucket: Bucket, url: str, account: rgw.Account, folder: Path) -> dict[str, Any]:
    """``[store]`` for a custodian over ``url`` in ``bucket``, with the credential of ``account``."""
    folder.mkdir(parents=True, exist_ok=True)
    secret = folder / "secret"
    secret.write_text(account.secret_key)
    secret.chmod(0o600)
    reached = {"endpoint": bucket.endpoint, "access_key": account.access_key, "secret_key_file": str(secret)}
    return {"url": url, **reached}


class Process(Installed):
    """A custodian over ``shelf``, with an administrator's credential where that is a bucket. ``others``: custodians
    beside the same store."""

    def __init__(
        self,
        folder: Path,
        shelf: Shelf,
        docks: Sequence[Dock],
        name: str = "custodian",
        others: Sequence[CustodianKey] = (),
        **more: Any,
    ) -> None:
        store: dict[str, Any] = {"url": shelf.url}
        if isinstance(shelf, InBucket):
            store = bucket_of(shelf.bucket, shelf.url, rgw.ADMIN, folder)
        if isinstance(shelf, InContainer):
            tables = shelf.tables(folder)
            store = tables["store"]
            more = {**more, "swift": tables["swift"]}
        trust = Trust(docks=tuple(one for dock in docks for one in dock.keys.docks), custodians=tuple(others))
        super().__init__(folder, store, trust, name, **more)
