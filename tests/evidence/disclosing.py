"""A dock with real footage, used only through its installed command, whose clips are handed out in tests."""

import base64
import hashlib
import json
import shutil
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hil.cameras import card
from hil.cameras.card import Shift
from hil.cameras.keyring import identity_in, maker_in
from hil.cameras.pki import Validity
from hil.cameras.plate import Plate
from hil.central.tsa import Certified, authority, signer
from hil.demo.agent import COMMAND

VALID = Validity(datetime(2020, 1, 1, tzinfo=UTC))
GROUNDS = ("--purpose", "R v Smith", "--basis", "CPIA 1996 s.3", "--authority", "DI Jones", "--recipient", "Defence")
EMAIL = "1.3.6.1.5.5.7.3.4"  # emailProtection: an extended key usage that C2PA takes


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(slots=True)
class Dock:
    """A dock's home, store and configuration below ``root``; ``serial`` is its camera's."""

    root: Path
    serial: str = "BWC-0001"
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)

    def configure(self, **tables: dict[str, Any]) -> None:
        """Write the configuration: the usual one, with more tables."""
        self.tables = {
            "dock": {"id": "dock-7", "site": "North", "responsible": "Sgt Kay", "home": str(self.root / "home")},
            "store": {"url": (self.root / "store").as_uri()},
            "trust": {"camera_roots": [str(self.root / "maker" / "root.pem")]},
            **tables,
        }
        lines = [
            f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
            for name, keys in self.tables.items()
        ]
        (self.root / "dockagent.toml").write_text("\n".join(lines))

    def film(self, clips: int = 3) -> None:
        """A card with this camera's signed clips, taken in by the dock."""
        plate, shift, place = Plate(self.serial), Shift(clips), self.root / "card"
        card.film_reference(place, plate, shift)
        maker = self.root / "maker"
        maker.mkdir(exist_ok=True)
        mine = identity_in(maker, maker_in(maker, "Reference", VALID), plate, VALID)
        card.sign(place, mine, sequence=1, created=shift.begins(clips + 1))
        assert self.run("ingest", place).code == 0

    def run(self, *words: str | Path, **more: Any) -> Answer:
        """One command of this dock."""
        command = [COMMAND, *words, "--config", self.root / "dockagent.toml"]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False, **more
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def clips(self, suffix: str = ".MP4") -> list[dict[str, Any]]:
        """The rows of its clips whose path ends so, oldest first."""
        rows = json.loads(self.run("clips", "--json").out)
        return sorted((row for row in rows if row["path"].endswith(suffix)), key=lambda row: str(row["path"]))

    def disclose(self, out: Path, *words: str) -> Answer:
        """Hand clips out into ``out``, on the usual grounds."""
        return self.run("disclose", *words, "--out", out, *GROUNDS)

    def records(self, *types: str) -> list[dict[str, Any]]:
        """The ledger's records of these types."""
        lines = (self.root / "home" / "ledger" / "entries.jsonl").read_bytes().splitlines()
        found = [json.loads(base64.b64decode(json.loads(line)["payload"])) for line in lines]
        return [record for record in found if record["type"] in types]

    def trust(self, **more: Any) -> Path:
        """A trust file that names this dock."""
        whom = json.loads(self.run("keys", "show", "--json").out) | more
        file = self.root / "trust.json"
        file.write_text(json.dumps(whom))
        return file

    def verify(self, package: Path, **more: Any) -> tuple[int, dict[str, dict[str, Any]]]:
        """Exit code of ``verify``, and its reports by kind (the last of a kind)."""
        done = self.run("verify", package, "--trust", self.trust(**more), "--json")
        assert done.out, done.err
        return done.code, {one["kind"]: one for one in json.loads(done.out)["reports"]}


def c2pa_credential(folder: Path) -> tuple[Certified, dict[str, str]]:
    """An agency's CA, and what ``[disclosure]`` names of a credential below it."""
    ca = authority("An agency")
    desk = signer("Disclosure desk", ca, usages=[x509.ObjectIdentifier(EMAIL)], critical=False)
    _, key = desk.save(folder, "desk")
    chain = folder / "desk-chain.pem"
    chain.write_bytes(b"".join(one.certificate.public_bytes(Encoding.PEM) for one in (desk, ca)))
    return ca, {"c2pa_chain_file": str(chain), "c2pa_key_file": str(key)}


def copy(package: Path, to: Path) -> Path:
    """A copy of a package with what lies beside it."""
    shutil.copytree(package, to, symlinks=True)
    for suffix in (".record.json", ".tlog-proof", ".tlog-proof.tsr"):
        beside = package.with_name(package.name + suffix)
        if beside.is_file():
            shutil.copy(beside, to.with_name(to.name + suffix))
    return to


def relist(package: Path) -> None:
    """Make all lists of a package anew, as whoever changes one would."""
    for algorithm in ("sha256", "sha512"):
        for name, inside in (("manifest", True), ("tagmanifest", False)):
            files = sorted(file for file in package.rglob("*") if file.is_file())
            names = [file.relative_to(package).as_posix() for file in files]
            lines = [
                f"{hashlib.new(algorithm, (package / one).read_bytes()).hexdigest()}  {one}\n"
                for one in names
                if one.startswith("data/") is inside and not one.startswith("tagmanifest-")
            ]
            (package / f"{name}-{algorithm}.txt").write_text("".join(lines))
    for algorithm in ("sha256", "sha512"):  # the tag lists name the payload lists of both kinds
        names = sorted(one.name for one in package.iterdir() if one.is_file() and not one.name.startswith("tagman"))
        (package / f"tagmanifest-{algorithm}.txt").write_text(
            "".join(f"{hashlib.new(algorithm, (package / one).read_bytes()).hexdigest()}  {one}\n" for one in names)
        )
