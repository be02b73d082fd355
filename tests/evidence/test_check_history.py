"""A ledger against what outsiders have seen of it: cut, rolled back and forked ledgers are refused, by name."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from dockagent.core.proof import merkle
from dockagent.errors import UsageError
from dockagent.evidence.found_history import handed_in
from dockagent.evidence.report import Report
from dockagent.evidence.verify import found_elsewhere, verify
from dockagent.ledger.keys import Keys
from dockagent.ledger.trust import Trust, parse
from tests.ledger import made, witnesses

NAMES = ("one.example/w", "two.example/w", "three.example/w")
KEYS = [witnesses.key(name=name, seed=seed) for seed, name in enumerate(NAMES)]
AT = 1_790_000_000


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return made.keys(tmp_path / "home" / "keys")


@pytest.fixture
def folder(tmp_path: Path, keys: Keys) -> Path:
    """A ledger of 13 records whose first 10 three witnesses saw, and the first 4 two of them, a day before."""
    ledger = made.ledger(tmp_path / "home" / "ledger", keys)
    keep(ledger, keys, 4, (0, 1), AT - 86400)
    keep(ledger, keys, 10, (0, 1, 2), AT)
    return ledger


def note_over(ledger: Path, keys: Keys, size: int, by: Sequence[int], at: int = AT) -> bytes:
    leaves = [merkle.leaf_hash(line) for line in made.entries(ledger)]
    sealed = keys.sign_checkpoint(size, merkle.root(leaves[:size]))
    text = sealed.partition("\n\n")[0] + "\n"
    return (sealed + "".join(KEYS[n].cosign(text, at + n) for n in by)).encode()


def keep(ledger: Path, keys: Keys, size: int, by: Sequence[int], at: int = AT) -> None:
    (ledger / "witnessed").mkdir(exist_ok=True)
    (ledger / "witnessed" / str(size)).write_bytes(note_over(ledger, keys, size, by, at))


def trust(keys: Keys, quorum: int = 2, **more: object) -> Trust:
    return Trust((keys.dock,), witnesses=tuple(one.public for one in KEYS), quorum=quorum)


def check(path: Path, whom: Trust | None, *kept: Path) -> Report:
    (only,) = verify(path, whom, found_elsewhere([path], kept))
    return only


def rewrite(ledger: Path, keys: Keys, count: int, at: int = 2) -> None:
    """The ledger anew, by its own keys: ``count`` records of which number ``at`` is another."""
    lines = [keys.sign_record(made.record(n, "other" if n == at else "made")) for n in range(count)]
    made.write_entries(ledger, lines)
    root = merkle.root(merkle.leaf_hash(line) for line in lines)
    (ledger / "checkpoint").write_text(keys.sign_checkpoint(count, root))


def word(report: Report, aspect: str) -> tuple[str, str]:
    verdict = report.verdicts[aspect]
    return verdict.word, verdict.why


def test_a_witnessed_ledger_says_by_whom_and_since_when(folder: Path, keys: Keys) -> None:
    report = check(folder, trust(keys))
    verdict, why = word(report, "time")
    assert (verdict, report.exit_code, report.findings) == ("pass", 0, ())
    assert "3 of 3 witnesses saw the first 10 records on 2026-09-21T" in why
    assert "witnessed since 2026-09-20T" in why
    assert "(the first 4 records)" in why
    assert "witnessed up to record 9; 3 records lie beyond, on the dock's word alone" in report.facts


def test_nobody_who_is_not_trusted_counts(folder: Path, keys: Keys) -> None:
    plain = check(folder, keys.trust)
    assert word(plain, "time")[0] == "unknown"
    strangers = Trust(
        (keys.dock,), witnesses=tuple(witnesses.key(name=n, seed=9 + i).public for i, n in enumerate(NAMES))
    )
    assert word(check(folder, strangers), "time")[0] == "unknown"
    demanded = Trust((keys.dock,), witnesses=strangers.witnesses, quorum=1)
    assert check(folder, demanded).exit_code == 1


@pytest.mark.parametrize("left", [[], ["4"], ["10"]])
def test_with_a_quorum_demanded_anything_less_does_not_pass(folder: Path, keys: Keys, left: list[str]) -> None:
    for file in (folder / "witnessed").iterdir():
        if file.name not in left:
            file.unlink()
    report = check(folder, trust(keys, quorum=3))
    assert word(report, "time")[0] == ("pass" if left == ["10"] else "fail")
    assert report.exit_code == (0 if left == ["10"] else 1)


def test_a_newest_checkpoint_under_quorum_does_not_pass(folder: Path, keys: Keys) -> None:
    keep(folder, keys, 12, (1,))
    report = check(folder, trust(keys))
    verdict, why = word(report, "time")
    assert verdict == "unknown"
    assert "saw the first 10 records" in why
    assert "checkpoint over 12 records" in why
    assert "fewer than 2" in why


def test_one_key_under_two_names_is_one_witness(folder: Path, keys: Keys) -> None:
    with pytest.raises(UsageError, match="one key twice"):
        twice = witnesses.key(name="again.example", seed=0).public
        parse(Trust((keys.dock,), witnesses=(KEYS[0].public, twice), quorum=2).encode())


@pytest.mark.parametrize("quorum", [0, 2])
@pytest.mark.parametrize(
    ("count", "words"),
    [
        (13, "a fork: the first 4 records are not those"),  # as long as it was
        (10, "a fork: the first 4 records are not those"),  # of the witnessed size, with another root
        (40, "a fork: the first 4 records are not those"),  # longer
        (7, "rolled back: it ends after 7 records"),  # shorter
    ],
)
def test_a_fork_by_the_docks_own_keys_is_refused(folder: Path, keys: Keys, count: int, words: str, quorum: int) -> None:
    rewrite(folder, keys, count)
    report = check(folder, trust(keys, quorum))
    assert (report.exit_code, word(report, "intact")[0]) == (1, "fail")
    assert words in word(report, "intact")[1]
    assert word(report, "signature")[0] == word(report, "signer")[0] == "pass", "the verdicts stay separate"
    assert word(report, "time")[0] == ("fail" if quorum else "unknown")


def test_a_fork_only_beyond_what_was_witnessed_is_not_seen_and_said_to_be_the_docks_word(
    folder: Path, keys: Keys
) -> None:
    rewrite(folder, keys, 13, at=11)
    report = check(folder, trust(keys))
    assert report.exit_code == 0
    assert any("3 records lie beyond, on the dock's word alone" in one for one in report.facts)


def test_an_honest_beginning_that_was_cut_is_rolled_back(folder: Path, keys: Keys) -> None:
    made.write_entries(folder, made.entries(folder)[:8])
    assert "cut: 8 records are here" in word(check(folder, trust(keys)), "intact")[1]
    root = merkle.root(merkle.leaf_hash(line) for line in made.entries(folder))
    (folder / "checkpoint").write_text(keys.sign_checkpoint(8, root))
    report = check(folder, trust(keys))
    assert "rolled back: it ends after 8 records" in word(report, "intact")[1]
    assert word(report, "complete") == ("fail", "at least 2 records that were witnessed are missing")


def test_a_checkpoint_that_somebody_kept_refutes_what_the_dock_tidied_away(
    folder: Path, keys: Keys, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes((folder / "witnessed" / "10").read_bytes())
    for file in (folder / "witnessed").iterdir():
        file.unlink()
    rewrite(folder, keys, 13)
    assert check(folder, trust(keys, quorum=0)).exit_code == 0  # nothing is left here that could tell
    report = check(folder, trust(keys, quorum=0), kept)
    assert report.exit_code == 1
    assert str(kept) in word(report, "intact")[1]
    with pytest.raises(UsageError, match="cannot read the checkpoint"):
        handed_in(tmp_path / "absent")


def test_a_fork_is_told_once_since_where_it_began(folder: Path, keys: Keys) -> None:
    """However many checkpoints there are of the other history."""
    for size in (6, 7, 8, 9):
        keep(folder, keys, size, ())
    rewrite(folder, keys, 20, at=5)
    why = word(check(folder, trust(keys)), "intact")[1]
    assert why.count("a fork") == 1
    assert "a fork: the first 6 records are not those of the checkpoint over 6 records" in why
    assert "and the checkpoint over 10 records beside it, cosigned by one.example/w" in why
    assert "(and 3 more of that history); up to the checkpoint over 4 it is the same" in why


def test_the_published_copy_refutes_too(folder: Path, keys: Keys, tmp_path: Path) -> None:
    published = folder.parent / "store" / "ledgers" / "dock-7" / "checkpoints"
    published.mkdir(parents=True)
    (folder / "witnessed" / "10").rename(published / "10")
    rewrite(folder, keys, 13)
    home = folder.parent
    assert "a fork" in word(check(home, trust(keys)), "intact")[1]


def test_another_docks_and_strangers_checkpoints_say_nothing(folder: Path, keys: Keys, tmp_path: Path) -> None:
    other = made.keys(tmp_path / "other", "dock-8", 8)
    kept = tmp_path / "kept"
    kept.write_text(other.sign_checkpoint(99, bytes(32)))
    assert check(folder, trust(keys), kept).exit_code == 0
    imposter = made.keys(tmp_path / "imposter", "dock-7", 9)
    kept.write_text(imposter.sign_checkpoint(99, bytes(32)))
    report = check(folder, trust(keys), kept)
    assert report.exit_code == 3
    assert "signed by nobody who is known here" in report.findings[0]
    kept.write_text("garbage")
    assert "cannot be read" in check(folder, trust(keys), kept).findings[0]


def test_a_bad_cosignature_is_a_finding_and_counts_for_nothing(folder: Path, keys: Keys) -> None:
    file = folder / "witnessed" / "10"
    text = file.read_text().partition("\n\n")[0] + "\n"
    lines = keys.sign_checkpoint(10, merkle.root(merkle.leaf_hash(one) for one in made.entries(folder)[:10]))
    file.write_text(lines + KEYS[0].cosign(text, AT) + KEYS[1].cosign(text.replace("\n10\n", "\n11\n"), AT))
    report = check(folder, trust(keys))
    assert any("cosignature by 'two.example/w' is not valid" in one for one in report.findings)
    assert word(report, "time")[0] == "unknown"
    assert report.exit_code == 3


def test_unknown_extra_signatures_change_nothing(folder: Path, keys: Keys) -> None:
    file = folder / "witnessed" / "10"
    file.write_text(file.read_text() + "— new.example/w AAAAAAAAAAAAAAAA\n")
    assert check(folder, trust(keys)).exit_code == 0


def test_the_trust_file_carries_it_all_and_old_ones_still_do(keys: Keys) -> None:
    whole = trust(keys)
    assert parse(whole.encode()) == whole
    assert b"witnesses" not in keys.trust.encode()
    assert parse(keys.trust.encode()).quorum == 0
    for bad in (b'"quorum":4', b'"quorum":-1', b'"quorum":true', b'"quorum":"2"', b'"quorum":2.0'):
        with pytest.raises(UsageError, match="not a trust file"):
            parse(whole.encode().replace(b'"quorum":2', bad))
    with pytest.raises(UsageError, match="not a trust file"):
        parse(whole.encode().replace(KEYS[0].public.text().encode(), keys.vkey.encode()))
