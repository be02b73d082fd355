"""A change of keys: told by the ledger on both sides, followed forward, finished after any power cut, and no help to a
thief of the keys that were changed."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import pytest

from dockagent.core import custody
from dockagent.core import events as ev
from dockagent.core.model import State
from dockagent.core.moment import Instant
from dockagent.core.proof import dsse, key_statement, merkle, note
from dockagent.durable import Disk, RealDisk
from dockagent.errors import Refused
from dockagent.evidence.report import Report
from dockagent.evidence.verify import verify
from dockagent.ledger import keys_rotation
from dockagent.ledger.keys import Keys
from dockagent.ledger.keys_identity import Maker, in_file
from dockagent.ledger.keys_lineage import Lineage
from dockagent.ledger.log import Ledger
from dockagent.ledger.trust import DockIdentity, Trust
from tests.ledger import made
from tests.simulation.memory_disk import MemoryDisk, PowerCut, SubDisk

SETTING = custody.Setting("dockagent.local/dock-7", "dock-7", "", "", "0", "")
WRITE = keys_rotation.recorder(lambda: Instant(1_795_000_000_000, "boot", 1, "rtc", -1), SETTING)
WORDS = ("intact", "signature", "signer", "complete")


def work(ledger: Disk, keys: Keys, count: int = 3) -> None:
    """The dock goes on working: so many records, and a checkpoint."""
    with Ledger.open(ledger, keys) as log:
        for _ in range(count):
            WRITE(log, ev.DockStopped("worked"))
        log.checkpoint()


def rotate(home: Path, identity: Maker | None = None, seed: int = 1) -> Keys:
    keys, ledger = RealDisk(home / "keys"), RealDisk(home / "ledger")
    return keys_rotation.rotate(keys, ledger, WRITE, identity, Random(seed).randbytes)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A dock at work with its first keys."""
    work(RealDisk(tmp_path / "home/ledger"), made.keys(tmp_path / "home/keys"))
    return tmp_path / "home"


def check(home: Path, *docks: DockIdentity) -> Report:
    (report,) = verify(home / "ledger", Trust(docks))
    return report


def words(report: Report) -> str:
    return " ".join(report.verdicts[aspect].word for aspect in WORDS)


@pytest.mark.parametrize("identity", [None, in_file])
def test_a_change_is_told_on_both_sides_and_followed(home: Path, identity: Maker | None) -> None:
    old = Keys.load(RealDisk(home / "keys"))
    new = rotate(home, identity)
    assert (new.identity.public == old.identity.public) == (identity is None)
    work(RealDisk(home / "ledger"), new)
    payloads = list(Ledger.read(RealDisk(home / "ledger"), Lineage([old.dock])))
    told = [custody.event_of(one)[0] for one in payloads]
    assert [type(one) for one in told[3:5]] == [ev.KeysRotated, ev.KeysTaken]
    assert isinstance(told[4], ev.KeysTaken)
    last = note.parse(told[4].checkpoint.encode())
    note.check(last, old.dock.log_key)
    assert note.parse_checkpoint(last).size == 4
    custody.replay(payloads, State())
    for trusted in ([old.dock], list(new.docks)):
        report = check(home, *trusted)
        assert (words(report), report.findings, report.exit_code) == ("pass pass pass pass", (), 0)
    assert sorted(path.name for path in (home / "keys").iterdir()) == sorted(
        ["identity.pem" if identity is None else "identity-2.pem", "log-2.pem", "record-2.pem", "trust.json"]
    )


def test_each_record_is_signed_by_the_keys_for_its_place(home: Path) -> None:
    old, new = Keys.load(RealDisk(home / "keys")), rotate(home)
    lines = [dsse.parse(line) for line in made.entries(home / "ledger")]
    assert [dsse.signed_by(one, old.dock.record_key) for one in lines] == [True] * 4 + [False]
    assert dsse.signed_by(lines[4], new.dock.record_key)


def test_a_chain_of_changes_is_followed_from_any_set_forward_and_never_back(home: Path) -> None:
    docks = [Keys.load(RealDisk(home / "keys")).dock]
    for number, identity in enumerate([None, in_file, None], 2):
        keys = rotate(home, identity, seed=number)
        work(RealDisk(home / "ledger"), keys)
        docks.append(keys.dock)
    assert words(check(home, docks[0])) == "pass pass pass pass"
    for later in docks[1:]:
        report = check(home, later)
        assert words(report) == "pass pass unknown pass"
        assert f"trusted from record {later.key_set.since} on" in report.verdicts["signer"].why
        assert report.exit_code == 3
    for name in ("ledger", "keys"):
        (home / name / "trust.json").unlink()
    assert words(check(home, docks[0])) == "pass pass pass pass"
    assert words(check(home, docks[2])) == "pass unknown unknown pass"


def test_a_dock_from_before_there_were_statements_can_change_its_keys(tmp_path: Path) -> None:
    """The files are those that an earlier version wrote."""
    for file in (Path(__file__).parents[1] / "assets/home-before-statements").rglob("*.*"):
        target = tmp_path / file.parent.name / file.name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(file.read_bytes())
        target.chmod(0o600)
    (tmp_path / "ledger/checkpoint").write_bytes(
        (Path(__file__).parents[1] / "assets/home-before-statements/ledger/checkpoint").read_bytes()
    )
    old = Keys.load(RealDisk(tmp_path / "keys"))
    assert (old.identity.public, old.dock.statement) == (old.dock.record_key, b"")
    assert words(check(tmp_path, old.dock)) == "pass pass pass pass"
    custody.replay(Ledger.read(RealDisk(tmp_path / "ledger"), old.dock.record_key), State())
    work(RealDisk(tmp_path / "ledger"), old)
    new = rotate(tmp_path)
    work(RealDisk(tmp_path / "ledger"), new)
    assert words(check(tmp_path, old.dock)) == "pass pass pass pass"
    assert new.identity.public == old.dock.record_key != new.dock.record_key


def crashing(seed: int, at: int, identity: Maker | None) -> tuple[MemoryDisk, Keys, bool]:
    """A dock whose power goes at the durable call ``at`` of a change of keys; whether it did."""
    disk = MemoryDisk(Random(seed))
    keys = Keys.create(SubDisk(disk, "keys"), "dock-7", Random(7).randbytes)
    work(SubDisk(disk, "ledger"), keys)
    disk.cut_at = disk.calls + at
    try:
        keys_rotation.rotate(SubDisk(disk, "keys"), SubDisk(disk, "ledger"), WRITE, identity, Random(8).randbytes)
    except PowerCut:
        disk.power_cut()
        return disk, keys, True
    disk.cut_at = 0
    return disk, keys, False


@pytest.mark.parametrize("identity", [None, in_file])
@pytest.mark.parametrize("seed", range(3))
def test_wherever_a_change_is_cut_the_next_start_goes_on(seed: int, identity: Maker | None) -> None:
    at, cut = 0, True
    while cut:
        at += 1
        disk, old, cut = crashing(seed, at, identity)
        folders = SubDisk(disk, "keys"), SubDisk(disk, "ledger")
        keys = keys_rotation.finish(*folders, WRITE)
        assert keys.dock.same_keys in (old.dock.same_keys, Keys.load(folders[0]).dock.same_keys)
        work(folders[1], keys)
        believed = list(Ledger.read(folders[1], Lineage([old.dock])))
        told = [type(custody.event_of(one)[0]) for one in believed]
        changed = keys.dock.key_set.generation == 2
        assert (told.count(ev.KeysRotated), told.count(ev.KeysTaken)) == ((1, 1) if changed else (0, 0))
        assert len(told) == 6 + 2 * changed
        again = keys_rotation.rotate(*folders, WRITE, identity if not changed else None, Random(9).randbytes)
        work(folders[1], again)
        assert again.dock.key_set.generation == keys.dock.key_set.generation + 1
        assert len(list(Ledger.read(folders[1], Lineage([old.dock])))) == len(told) + 5
    assert at > 8


@pytest.mark.parametrize("seed", range(4))
def test_wherever_the_making_of_keys_is_cut_the_next_call_goes_on(seed: int) -> None:
    at, cut = 0, True
    while cut:
        at += 1
        disk = MemoryDisk(Random(seed))
        disk.cut_at = at
        try:
            Keys.create(disk, "dock-7", Random(7).randbytes)
            cut = False
        except PowerCut:
            disk.power_cut()
        before = {name: disk.read(name) for name in disk.names("")}
        if disk.size("trust.json") is None:
            Keys.create(disk, "dock-7", Random(8).randbytes)
        Keys.load(disk)
        assert {name: disk.read(name) for name in before} == before
    assert at == 5


def thief(keys: Keys, statement: bytes = b"") -> Callable[[Ledger], None]:
    """What somebody with the record and log keys of ``keys`` can append."""
    return lambda log: WRITE(log, ev.KeysRotated(statement.decode()) if statement else ev.DockStopped("forged"))


def forged_change(by: Keys, log: Ledger, identity: Keys) -> bytes:
    """A change to the thief's own keys, signed by ``identity``'s identity."""
    new = key_statement.KeySet(
        "dock-7",
        by.origin,
        by.dock.key_set.generation + 1,
        log.size + 1,
        by.key_id,
        log.root().hex(),
        identity.identity.public,
        identity.dock.record_key,
        note.VerifierKey(by.origin, identity.dock.log_key.public),
    )
    return key_statement.seal(new, [(dsse.key_id(identity.identity.public), identity.identity.sign)])


def fork(home: Path, place: Path, keys: Keys, upto: int) -> Ledger:
    """A copy of the ledger's first records, opened with the keys that a thief has of that time."""
    place.mkdir()
    (place / "entries.jsonl").write_bytes(b"".join(line + b"\n" for line in made.entries(home / "ledger")[:upto]))
    (place / "trust.json").write_bytes(keys.trust.encode())
    return Ledger.open(RealDisk(place), keys)


def test_a_thief_of_old_keys_cannot_go_on_with_the_true_ledger(home: Path) -> None:
    old = Keys.load(RealDisk(home / "keys"))
    new = rotate(home)
    work(RealDisk(home / "ledger"), new)
    lines = [*made.entries(home / "ledger"), old.sign_record(made.record(8, "forged"))]
    made.write_entries(home / "ledger", lines)
    root = merkle.root([merkle.leaf_hash(line) for line in lines])
    for text in (old.sign_checkpoint(9, root), new.sign_checkpoint(9, root)):
        (home / "ledger/checkpoint").write_text(text)
        for trusted in ([old.dock], list(new.docks), [new.dock]):
            report = check(home, *trusted)
            assert (report.verdicts["signature"].word, report.exit_code) == ("fail", 1)
            known = old.dock in trusted or old.key_id in [dsse.key_id(one.record_key) for one in trusted]
            assert ("not in force" in report.verdicts["signature"].why) or not known


def test_a_thief_of_old_keys_cannot_hide_the_change(home: Path, tmp_path: Path) -> None:
    """A fork from before the change: refused by everyone who knows the new keys, whose identity signed the root."""
    old = Keys.load(RealDisk(home / "keys"))
    new = rotate(home)
    work(RealDisk(home / "ledger"), new)
    with fork(home, tmp_path / "fork", old, 2) as log:
        for _ in range(6):
            WRITE(log, ev.DockStopped("forged"))
        log.checkpoint()
    (one,) = verify(tmp_path / "fork", Trust(new.docks))
    assert one.exit_code == 1
    with fork(home, tmp_path / "short", old, 2) as log:
        WRITE(log, ev.DockStopped("forged"))
        WRITE(log, ev.DockStopped("forged"))
        log.checkpoint()
    (two,) = verify(tmp_path / "short", Trust(new.docks))
    assert "another history" in two.verdicts["signature"].why
    with fork(home, tmp_path / "shorter", old, 2) as log:
        log.checkpoint()
    (three,) = verify(tmp_path / "shorter", Trust(new.docks))
    assert "older copy, or it was cut" in three.findings[0]
    (unaware,) = verify(tmp_path / "fork", Trust((old.dock,)))
    assert unaware.exit_code == 0, "only a witness or the new trust file can tell this one"


def test_a_thief_without_the_identity_cannot_hand_over(home: Path, tmp_path: Path) -> None:
    keys, evil = Keys.load(RealDisk(home / "keys")), made.keys(tmp_path / "evil", seed=66)
    with Ledger.open(RealDisk(home / "ledger"), keys) as log, pytest.raises(Refused, match="identity of dock dock-7"):
        WRITE(log, ev.KeysRotated(forged_change(keys, log, evil).decode()))
    head = merkle.root([merkle.leaf_hash(line) for line in made.entries(home / "ledger")])
    (home / "ledger/checkpoint").write_text(keys.sign_checkpoint(4, head))
    report = check(home, keys.dock)
    assert report.exit_code == 1
    assert "not signed by the identity of dock dock-7 before it" in report.verdicts["signature"].why


def test_a_thief_of_an_old_identity_cannot_hand_over_either(home: Path, tmp_path: Path) -> None:
    """He has everything of the first set, and writes a fork that goes to keys of his own."""
    old = Keys.load(RealDisk(home / "keys"))
    new = rotate(home, in_file)
    evil = made.keys(tmp_path / "evil", seed=66)
    with fork(home, tmp_path / "fork", old, 3) as log:
        both = forged_change(old, log, evil)
        statement = dsse.parse(both)
        signed = key_statement.parse(both)
        signers = [(dsse.key_id(one.identity.public), one.identity.sign) for one in (old, evil)]
        assert dsse.signed_by(statement, evil.identity.public)
        WRITE(log, ev.KeysRotated(key_statement.seal(signed, signers).decode()))
        log.checkpoint()
    (aware,) = verify(tmp_path / "fork", Trust(new.docks))
    assert aware.exit_code == 1
    assert "another history than the true one" in aware.verdicts["signature"].why


def test_a_change_that_was_replayed_elsewhere_is_refused(home: Path) -> None:
    old, new = Keys.load(RealDisk(home / "keys")).dock, rotate(home).dock
    statement = new.statement
    assert key_statement.check_succession(statement, old.key_set, 3) == new.certified
    for before, at in ((old.key_set, 2), (old.key_set, 4), (new.key_set, 3)):
        with pytest.raises(Refused):
            key_statement.check_succession(statement, before, at)


def test_keys_from_an_old_backup_are_refused(home: Path, tmp_path: Path) -> None:
    backup = {path.name: path.read_bytes() for path in (home / "keys").iterdir()}
    rotate(home)
    for name, data in backup.items():
        RealDisk(tmp_path / "restored").write(name, data, 0o600)
    with pytest.raises(Refused, match="belongs to other keys"):
        Ledger.open(RealDisk(home / "ledger"), Keys.load(RealDisk(tmp_path / "restored")))


def test_a_ledger_from_before_its_keys_is_refused(home: Path) -> None:
    backup = {path.name: path.read_bytes() for path in (home / "ledger").iterdir()}
    new = rotate(home)
    for name, data in backup.items():
        (home / "ledger" / name).write_bytes(data)
    with Ledger.open(RealDisk(home / "ledger"), new) as log, pytest.raises(Refused, match="it was cut"):
        WRITE(log, ev.DockStopped("x"))


def test_another_kind_of_identity_than_the_one_left_over_is_refused(home: Path) -> None:
    in_file(RealDisk(home / "keys"), 2, partial(bytes))
    with pytest.raises(Refused, match=r"left identity-2\.pem"):
        rotate(home)
    assert rotate(home, in_file).dock.key_set.generation == 2
