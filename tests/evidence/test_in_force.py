"""One answer to "whose keys were in force here": for a package's records, for what lies beside it, for an excerpt."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dockagent.core import events as ev
from dockagent.core import strict_json
from dockagent.core.proof import merkle, tlog_proof
from dockagent.durable import RealDisk
from dockagent.evidence.check_bag import check_bag
from dockagent.evidence.check_entry import Entry, check_entry
from dockagent.evidence.check_records import check_records
from dockagent.evidence.keyring import Keyring
from dockagent.evidence.report import Report
from dockagent.ledger.keys import Keys
from dockagent.ledger.log import Ledger
from dockagent.ledger.trust import DockIdentity, Trust
from tests.ledger import made
from tests.ledger.test_keys_rotation import WRITE, rotate, work


@dataclass(frozen=True, slots=True)
class Scene:
    """A dock that has changed its keys (records 0 to 3 by ``old``, from 4 on by ``new``), and another, ``other``."""

    home: Path
    old: Keys
    new: Keys
    other: Keys

    @property
    def lines(self) -> list[bytes]:
        return made.entries(self.home / "ledger")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    home = tmp_path / "home"
    old = made.keys(home / "keys")
    work(RealDisk(home / "ledger"), old)
    before = Keys.load(RealDisk(home / "keys"))
    new = rotate(home)
    work(RealDisk(home / "ledger"), new)
    return Scene(home, before, new, Keys.create(RealDisk(tmp_path / "other" / "keys"), "dock-8"))


def forged(scene: Scene) -> bytes:
    """Record 8, by one who has the keys that were succeeded."""
    payload = strict_json.parse(base64.b64decode(json.loads(scene.lines[5])["payload"]))
    return scene.old.sign_record(strict_json.canonical({**payload, "index": 8}))


def proof(lines: list[bytes], index: int, by: Keys) -> tlog_proof.TlogProof:
    """The place of a record in the tree over these lines, under a checkpoint by ``by``."""
    leaves = [merkle.leaf_hash(line) for line in lines]
    checkpoint = by.sign_checkpoint(len(lines), merkle.root(leaves)).encode()
    return tlog_proof.Prover(leaves, checkpoint).proof(index)


def of_excerpt(line: bytes, shown: tlog_proof.TlogProof | None, trust: Trust, *beside: DockIdentity) -> Entry:
    envelope: dict[str, Any] = json.loads(line)
    text = shown.encode().decode() if shown else ""
    return check_entry(envelope, text, b"", Keyring.of(trust, beside), trust)


def of_package(folder: Path, line: bytes, shown: tlog_proof.TlogProof, trust: Trust, *beside: DockIdentity) -> Report:
    record = strict_json.parse(base64.b64decode(json.loads(line)["payload"]))
    stem = folder / f"data/records/{record['index']:08d}-{record['type']}"
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_name(stem.name + ".dsse.json").write_bytes(line)
    stem.with_name(stem.name + ".tlog-proof").write_bytes(shown.encode())
    return check_records(check_bag(folder), Keyring.of(trust, beside), trust)[0]


def words(found: Entry | Report) -> tuple[str, str]:
    """Signature and signer; for a package's records also whether its proofs are good."""
    if isinstance(found, Entry):
        return found.signature.word, found.signer.word
    said = found.verdicts
    signature = "fail" if said["intact"].word == "fail" else said["signature"].word
    return signature, said["signer"].word


def both(
    tmp_path: Path, line: bytes, shown: tlog_proof.TlogProof, trust: Trust, *beside: DockIdentity
) -> tuple[tuple[str, str], tuple[str, str]]:
    package = of_package(tmp_path / "bag", line, shown, trust, *beside)
    return words(of_excerpt(line, shown, trust, *beside)), words(package)


@pytest.mark.parametrize("index", [0, 3, 4, 7])
def test_a_record_under_its_own_dock_s_checkpoint_is_good(scene: Scene, tmp_path: Path, index: int) -> None:
    shown = proof(scene.lines, index, scene.new)
    found = both(tmp_path, scene.lines[index], shown, Trust(scene.new.docks))
    assert found == (("pass", "pass"), ("pass", "pass"))


def test_a_record_under_another_dock_s_checkpoint_is_refused(scene: Scene, tmp_path: Path) -> None:
    """Both are trusted, both signed: the other dock put a record of this one into a tree of its own."""
    shown = proof(scene.lines, 5, scene.other)
    trust = Trust((*scene.new.docks, scene.other.dock))
    excerpt, package = both(tmp_path, scene.lines[5], shown, trust)
    assert (excerpt[0], package[0]) == ("fail", "fail")
    why = of_package(tmp_path / "bag", scene.lines[5], shown, trust).verdicts["intact"].why
    assert "the record is by 'dockagent.local/dock-7', its checkpoint is of 'dockagent.local/dock-8'" in why


def test_a_trusted_record_in_a_tree_by_keys_that_came_along_is_refused(scene: Scene, tmp_path: Path) -> None:
    """Keys under the dock's name lie beside, and signed the checkpoint: nobody believes those."""
    claims = Keys.create(RealDisk(tmp_path / "claims"), "dock-7")
    shown = proof(scene.lines, 5, claims)
    trust = Trust(scene.new.docks)
    excerpt, package = both(tmp_path, scene.lines[5], shown, trust, claims.dock)
    assert (excerpt[0], package[0]) == ("fail", "fail")


def test_keys_that_were_succeeded_sign_nothing_behind_their_last_record(scene: Scene, tmp_path: Path) -> None:
    """The trust file names the first set only; the second lies beside, signed over by the identity of the first."""
    lines = [*scene.lines, forged(scene)]
    trust, beside = Trust((scene.old.dock,)), scene.new.dock
    for by in (scene.old, scene.new):
        excerpt, package = both(tmp_path, lines[8], proof(lines, 8, by), trust, beside)
        assert (excerpt[0], package[0]) == ("fail", "fail")


def test_a_record_without_its_place_counts_only_where_its_keys_were_in_force(scene: Scene) -> None:
    """Its own number says where that would be."""
    trust = Trust(scene.new.docks)
    found = of_excerpt(forged(scene), None, trust)
    assert found.signature.word == "fail"
    assert "not in force at its place" in found.signature.why
    assert of_excerpt(scene.lines[5], None, trust).signature.word == "pass"


def test_records_of_two_ledgers_make_no_package(scene: Scene, tmp_path: Path) -> None:
    with Ledger.open(RealDisk(tmp_path / "other" / "ledger"), scene.other) as log:
        WRITE(log, ev.DockStopped("told to"))
        log.checkpoint()
    trust = Trust((*scene.new.docks, scene.other.dock))
    alien = made.entries(tmp_path / "other" / "ledger")
    of_package(tmp_path / "bag", scene.lines[5], proof(scene.lines, 5, scene.new), trust)
    report = of_package(tmp_path / "bag", alien[0], proof(alien, 0, scene.other), trust)
    assert report.verdicts["intact"].word == "fail"
    assert "another ledger than other records" in report.verdicts["intact"].why
