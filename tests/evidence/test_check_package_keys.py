"""What lies in a package for other tools, ``data/ledger/`` and ``data/keys/``, forged with all lists made anew and no
record beside: it has to be what the proofs lead to and what was checked."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dockagent.durable import RealDisk
from dockagent.evidence.check_bag import Bag
from dockagent.evidence.check_package_keys import check_keys
from dockagent.evidence.keyring import Keyring
from dockagent.ledger.keys import Keys
from dockagent.ledger.trust import DockIdentity, Trust
from tests.evidence.disclosing import Dock, copy, relist
from tests.ledger import made
from tests.ledger.test_keys_rotation import rotate, work


@pytest.fixture(scope="module")
def dock(tmp_path_factory: pytest.TempPathFactory) -> Dock:
    it = Dock(tmp_path_factory.mktemp("dock"))
    it.configure()
    it.film(1)
    assert it.disclose(it.root / "package", it.clips()[0]["clip_id"]).code == 0
    return it


@pytest.fixture
def forged(dock: Dock, tmp_path: Path) -> Path:
    shutil.copytree(dock.root / "package", tmp_path / "forged")
    return tmp_path / "forged"


def head_in(package: Path) -> Path:
    (head,) = (package / "data" / "ledger").iterdir()
    return head


def line(number: int, text: str) -> Callable[[Path], object]:
    def change(head: Path) -> None:
        lines = head.read_text().splitlines(keepends=True)
        head.write_text("".join([*lines[:number], text, *lines[number + 1 :]]))

    return change


@pytest.mark.parametrize(
    ("forge", "said"),
    [
        (lambda head: head.write_text("forged\n"), "the checkpoint cannot be read"),
        (line(1, "7\n"), "it is a checkpoint over 7 records"),
        (line(0, "dockagent.local/dock-8\n"), "it is a checkpoint of another ledger, 'dockagent.local/dock-8'"),
        (lambda head: head.write_bytes(head.read_bytes() + head.read_bytes()[-100:]), "is not the checkpoint that"),
        (lambda head: head.rename(head.with_name("9999")), "9999: it is a checkpoint over"),
        (lambda head: shutil.copy(head, head.with_name("9999")), "9999: it is a checkpoint over"),
        (lambda head: shutil.copy(head, head.with_name("notes.txt")), "notes.txt: a package has no such file"),
        (lambda head: shutil.copy(head, head.with_name("9999.tsr")), "9999.tsr: a package has no such file"),
    ],
)
def test_a_forged_checkpoint_is_refuted(dock: Dock, forged: Path, forge: Callable[[Path], object], said: str) -> None:
    forge(head_in(forged))
    relist(forged)
    code, reports = dock.verify(forged)
    assert (code, reports["records"]["result"]) == (1, "refuted")
    assert said in reports["records"]["verdicts"]["intact"]["why"]


def test_a_checkpoint_that_is_gone_is_missed(dock: Dock, forged: Path) -> None:
    size = head_in(forged).name
    head_in(forged).unlink()
    relist(forged)
    code, reports = dock.verify(forged)
    assert code == 1
    assert f"data/ledger/{size} is missing" in reports["records"]["verdicts"]["complete"]["why"]


def test_the_ledger_s_own_checkpoint_that_proves_nothing_here_is_a_finding(dock: Dock, forged: Path) -> None:
    assert dock.disclose(forged.with_name("later"), dock.clips()[0]["clip_id"]).code == 0
    later = head_in(forged.with_name("later"))
    shutil.copy(later, head_in(forged).with_name(later.name))
    relist(forged)
    _, reports = dock.verify(forged)
    assert reports["records"]["result"] == "findings"
    assert reports["records"]["findings"] == [f"data/ledger/{later.name}: no proof leads to this checkpoint"]
    bad = head_in(copy(dock.root / "package", forged.with_name("again"))).with_name(later.name)
    bad.write_text(later.read_text().replace("\n\n", "\n\n— dockagent.local/dock-7 " + "A" * 91 + "=\n", 1))
    bad.write_text("\n".join([*bad.read_text().splitlines()[:5], ""]))
    relist(forged.with_name("again"))
    code, reports = dock.verify(forged.with_name("again"))
    assert code == 1
    assert "not signed by the keys that were in force" in reports["records"]["verdicts"]["intact"]["why"]


def keys_of(forged: Path, stranger: Keys, *, names_it: bool) -> None:
    """The stranger's keys in place of the dock's; with ``names_it`` also in the trust file."""
    keys = forged / "data" / "keys"
    (keys / "record-1.pem").write_text(stranger.dock.record_key_pem)
    if names_it:
        (keys / "trust.json").write_bytes(Trust((stranger.dock,)).encode())


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("trust.json", "{}", "trust.json is not a trust file"),
        ("trust.json", '{"camera_roots_pem":[],"docks":[]}', "does not name the keys of one dock"),
        ("log-1.vkey", "forged\n", "log-1.vkey is not the key that"),
        ("record-1.keyid", "0\n", "record-1.keyid is not the key that"),
        ("record-2.pem", "forged\n", "record-2.pem: data/keys/trust.json names no such key"),
    ],
)
def test_forged_keys_are_refuted(dock: Dock, forged: Path, name: str, text: str, said: str) -> None:
    (forged / "data" / "keys" / name).write_text(text)
    relist(forged)
    code, reports = dock.verify(forged)
    assert (code, reports["package"]["result"]) == (1, "refuted")
    assert said in reports["package"]["verdicts"]["intact"]["why"]


@pytest.mark.parametrize(
    ("name", "names_it", "said"),
    [
        ("dock-7", False, "record-1.pem is not the key that data/keys/trust.json names"),
        ("dock-7", True, "names keys of dock dock-7 (set 1) that the given trust file does not"),
        ("dock-8", True, "trust.json names the keys of another ledger, 'dockagent.local/dock-8'"),
    ],
)
def test_a_stranger_s_keys_are_refuted(
    dock: Dock, forged: Path, tmp_path: Path, name: str, names_it: bool, said: str
) -> None:
    keys_of(forged, Keys.create(RealDisk(tmp_path / "stranger"), name), names_it=names_it)
    relist(forged)
    code, reports = dock.verify(forged)
    assert code == 1
    assert said in reports["package"]["verdicts"]["intact"]["why"]


def test_keys_that_are_gone_are_missed_and_whom_else_they_name_is_refuted(dock: Dock, forged: Path) -> None:
    keys = forged / "data" / "keys"
    (keys / "log-1.pem").unlink()
    said = json.loads((keys / "trust.json").read_bytes())
    root = (dock.root / "maker" / "root.pem").read_text()
    (keys / "trust.json").write_text(json.dumps({**said, "camera_roots_pem": [root]}))
    relist(forged)
    _, reports = dock.verify(forged)
    assert "data/keys/log-1.pem is missing" in reports["package"]["verdicts"]["complete"]["why"]
    assert "names more than the keys of a dock" in reports["package"]["verdicts"]["intact"]["why"]
    (keys / "trust.json").unlink()
    relist(forged)
    _, reports = dock.verify(forged)
    assert "data/keys/trust.json is missing" in reports["package"]["verdicts"]["complete"]["why"]


def disagreeing(tmp_path: Path, inside: tuple[DockIdentity, ...], trust: Trust | None) -> list[str]:
    bag = Bag(tmp_path)
    check_keys(bag, inside, Keyring.of(trust, inside), [inside[0].origin])
    return bag.wrong


def test_sets_that_took_over_one_from_the_other_agree_with_a_trust_file_that_names_one(tmp_path: Path) -> None:
    home = tmp_path / "home"
    work(RealDisk(home / "ledger"), made.keys(home / "keys"))
    old = Keys.load(RealDisk(home / "keys")).dock
    sets = rotate(home).docks
    for trust in (None, Trust(sets), Trust((old,)), Trust(sets[1:]), Trust((Keys.create(
        RealDisk(tmp_path / "other"), "dock-8").dock,))):  # fmt: skip
        assert disagreeing(tmp_path, sets, trust) == []
    thief = Keys.create(RealDisk(tmp_path / "thief"), "dock-7").dock
    for inside in ((thief, sets[1]), (thief,)):
        (why,) = disagreeing(tmp_path, inside, Trust(sets[1:]))
        assert "(set 1) that the given trust file does not" in why
    assert disagreeing(tmp_path, (replace(sets[0], log_key=thief.log_key),), Trust(sets))
