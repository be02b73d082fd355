"""What the tests of ``dockagent ingest`` share: a dock used only through its installed command, and what anybody can
check about its home, its store and the card with standard tools. Nothing here imports dockagent.
"""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COMMAND = Path(sys.executable).with_name("dockagent")
PATIENCE_S = 240.0  # a guard against one that hangs; how fast they are, `make bench` says
_ESCAPED = re.compile(rb"%([0-9A-F]{2})")
_RAW_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ingested:
    """How one run ended. ``report`` is what ``--json`` printed, empty where it printed nothing."""

    code: int
    report: dict[str, Any]
    out: str
    err: str
    seconds: float

    @property
    def rows(self) -> dict[str, Row]:
        """The report's clips by path."""
        return {row["path"]: row for row in self.report["clips"]}

    @property
    def skipped(self) -> dict[str, Row]:
        """The report's left-out files by path."""
        return {row["path"]: row for row in self.report["skipped"]}

    @property
    def codes(self) -> set[str]:
        """The codes of the report's findings."""
        return {finding["code"] for finding in self.report["findings"]}

    def states(self) -> dict[str, str]:
        """Path to state."""
        return {path: row["state"] for path, row in self.rows.items()}


@dataclass(slots=True)
class Station:
    """One dock's home, store and configuration under ``folder``."""

    folder: Path
    roots: tuple[Path, ...] = ()
    previews: bool = False
    extra: str = ""
    home: Path = field(init=False)
    store: Path = field(init=False)

    def __post_init__(self) -> None:
        self.home = self.folder / "home"
        self.store = self.folder / "store"
        self.folder.mkdir(parents=True, exist_ok=True)

    def config(self) -> Path:
        """The configuration file, written anew."""
        path = self.folder / "dockagent.toml"
        roots = json.dumps([str(one) for one in self.roots])
        switch = "true" if self.previews else "false"
        path.write_text(
            f"[trust]\ncamera_roots = {roots}\n[preview]\nenabled = {switch}\ntimeout_s = 10\n"
            f"[limits]\nspool_reserve_mib = 1\n{self.extra}"
        )
        return path

    def argv(self, card: Path | str, *more: str, store: str = "", as_json: bool = True) -> list[str]:
        """The command line of one ingest."""
        url = store or f"file://{self.store}"
        base = [str(COMMAND), "ingest", str(card), "--home", str(self.home), "--config", str(self.config())]
        return [*base, "--store", url, *(["--json"] if as_json else []), *more]

    def ingest(
        self, card: Path | str, *more: str, store: str = "", as_json: bool = True, prefix: Sequence[str] = ()
    ) -> Ingested:
        """Run one ingest (under the command ``prefix``) to its end. What holds for every run is checked here."""
        started = time.monotonic()
        done = subprocess.run(
            [*prefix, *self.argv(card, *more, store=store, as_json=as_json)],
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        seconds = time.monotonic() - started
        out, err = done.stdout.decode(), done.stderr.decode()
        assert "Traceback" not in out + err, err
        assert done.returncode in range(5), (done.returncode, err)
        assert not _RAW_CONTROL.search(out + err), ascii(_RAW_CONTROL.search(out + err))
        assert not left_behind(self.folder), "a child process outlived the command"
        report = json.loads(out) if as_json and out else {}
        return Ingested(done.returncode, report, out, err, seconds)

    def start(self, card: Path, *more: str, store: str = "") -> subprocess.Popen[bytes]:
        """Start an ingest and do not wait for it."""
        return subprocess.Popen(
            self.argv(card, *more, store=store),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )

    def verify(self, code: int = 0) -> None:
        """``dockagent verify`` over home and store with this dock's own trust file; must exit with ``code``."""
        keys = subprocess.run(
            [COMMAND, "keys", "show", "--json", "--home", self.home], capture_output=True, timeout=60, check=True
        )
        trust = self.folder / "trust.json"
        trust.write_bytes(keys.stdout)
        done = subprocess.run(
            [COMMAND, "verify", self.home, self.store, "--trust", trust],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == code, (done.returncode, done.stdout[-600:], done.stderr)

    def events(self) -> list[dict[str, Any]]:
        """The payload of every record in the ledger, in order."""
        lines = (self.home / "ledger" / "entries.jsonl").read_bytes().splitlines()
        return [payload_of(line) for line in lines]

    def count(self, kind: str) -> int:
        """How many records of this type the ledger has."""
        return sum(event["type"] == kind for event in self.events())

    def masters(self) -> dict[str, str]:
        """Every master in the store, by its key: SHA-256. Quarantined ones included."""
        found = sorted(self.store.glob("*/**/master"))
        return {path.relative_to(self.store).as_posix(): sha256(path) for path in found}

    def spooled(self) -> list[str]:
        """What of footage still rests in the dock (``spool/`` without kept manifests)."""
        spool = self.home / "spool"
        files = (path for path in spool.rglob("*") if path.is_file())
        return sorted(one for path in files if not (one := path.relative_to(spool).as_posix()).startswith("manifests/"))


def payload_of(envelope: bytes) -> dict[str, Any]:
    """What a DSSE envelope holds, its signature unchecked."""
    payload: dict[str, Any] = json.loads(base64.b64decode(json.loads(envelope)["payload"]))
    return payload


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def on_card(card: Path, path: str) -> Path:
    """The file that a report's path (text form: ``%XX`` for what is not printable) names on the card."""
    raw = _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), path.encode())
    return card / os.fsdecode(raw)


def tree(card: Path) -> dict[bytes, tuple[int, int, int, str]]:
    """Everything about a card that reading must not change: for each entry mode, size, times and digest."""
    found = {}
    for path in [card, *card.rglob("*")]:
        facts = path.lstat()
        digest = sha256(path) if path.is_file() and not path.is_symlink() and facts.st_size < 1 << 26 else ""
        found[os.fsencode(path)] = (facts.st_mode, facts.st_size, facts.st_mtime_ns, digest)
    return found


def assert_delivered(run: Ingested, card: Path, station: Station, paths: Iterable[str] | None = None) -> None:
    """Each of ``paths`` (default: all in the report) is in the store byte for byte, with a record that names it."""
    for path in run.rows if paths is None else paths:
        row = run.rows[path]
        assert row["state"] in ("delivered", "quarantined"), row
        wanted = sha256(on_card(card, path))
        assert row["sha256"] == wanted, path
        master = station.store / row["stored"]
        assert row["stored"].endswith("/master")
        assert sha256(master) == wanted, path
        said = payload_of((master.parent / "record.json").read_bytes())
        names = {said["predicate"]["path"], *said["predicate"]["other_paths"], *row["other_paths"]}
        assert path in names or row["other_paths"], (path, names)
        assert {"name": "master", "digest": {"sha256": wanted}} in said["subject"]


def left_behind(folder: Path) -> list[str]:
    """Command lines of processes, other than ours, that name ``folder``; given a moment to end."""
    for _ in range(20):
        found = list(_naming(os.fsencode(folder)))
        if not found:
            return []
        time.sleep(0.05)
    return found


def _naming(word: bytes) -> Iterator[str]:
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        if int(entry.parent.name) == os.getpid():
            continue
        try:
            line = entry.read_bytes()
        except OSError:
            continue  # it ended meanwhile
        if word in line and (b"ffmpeg" in line or b"ffprobe" in line or b"dockagent" in line):
            yield line.decode(errors="replace")


def place(card: Path, name: str | bytes, data: bytes) -> Path:
    """Write one file on a card, with the folders that it needs."""
    path = card / os.fsdecode(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
