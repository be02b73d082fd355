"""The ledger that a store publishes, as ``verify`` finds it: whole, stripped, renamed, altered."""

import shutil
from pathlib import Path

import pytest

from dockagent.evidence.report import Report
from dockagent.evidence.verify import verify
from dockagent.ledger.keys import Keys
from tests.ledger import made
from tests.ledger.test_tiles import publish

SIZE = 300


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return made.keys(tmp_path / "keys")


@pytest.fixture
def published(tmp_path: Path, keys: Keys) -> Path:
    """``ledgers/dock-7`` of a store."""
    folder = tmp_path / "store" / "ledgers" / "dock-7"
    folder.parent.mkdir(parents=True)
    publish(folder, keys, [keys.sign_record(made.record(n)) for n in range(SIZE)])
    (folder / "checkpoints").mkdir(exist_ok=True)
    shutil.copy(folder / "checkpoint", folder / "checkpoints" / str(SIZE))
    return folder


def check(store: Path, keys: Keys) -> Report:
    (only,) = verify(store, keys.trust)
    return only


def store_of(folder: Path) -> Path:
    return folder.parent.parent


def test_as_a_dock_leaves_it(published: Path, keys: Keys) -> None:
    report = check(store_of(published), keys)
    assert (report.kind, report.verdicts["intact"].word, report.findings) == ("published ledger", "pass", ())


def test_without_its_checkpoints_for_good(published: Path, keys: Keys) -> None:
    shutil.rmtree(published / "checkpoints")
    report = check(store_of(published), keys)
    assert report.findings == (f"checkpoints/{SIZE} is missing, which is published before checkpoint",)
    assert report.exit_code == 3


def test_without_its_newest_checkpoint(published: Path, keys: Keys) -> None:
    (published / "checkpoint").unlink()
    report = check(store_of(published), keys)
    assert report.verdicts["intact"].word == "pass"  # up to there
    assert "later records may be gone" in report.findings[0]
    assert report.exit_code == 3


def test_without_any_checkpoint(published: Path, keys: Keys) -> None:
    (published / "checkpoint").unlink()
    (published / "checkpoints" / str(SIZE)).unlink()
    report = check(store_of(published), keys)
    assert (report.kind, report.verdicts["intact"].word) == ("published ledger", "unknown")
    assert "no checkpoint is left" in report.verdicts["intact"].why
    assert report.exit_code == 4


def test_under_the_name_of_another_dock(published: Path, keys: Keys) -> None:
    other = published.rename(published.with_name("dock-9"))
    report = check(store_of(other), keys)
    assert report.findings == ("the folder is called 'dock-9', but it holds the ledger of 'dock-7'",)


def test_altered(published: Path, keys: Keys) -> None:
    bundle = published / "tile" / "entries" / "000"
    bundle.write_bytes(made.flip(bundle.read_bytes()))
    assert check(store_of(published), keys).verdicts["intact"].word == "fail"


def test_what_is_no_checkpoint_where_one_belongs(published: Path, keys: Keys) -> None:
    (published / "checkpoint").write_text("no note\n")
    assert check(store_of(published), keys).verdicts["intact"].word == "fail"


def test_many_checkpoints_of_nobody_are_one_line(tmp_path: Path, published: Path, keys: Keys) -> None:
    imposter = made.keys(tmp_path / "imposter", "dock-7", 9)
    for size in range(40, 80):
        (published / "checkpoints" / str(size)).write_text(imposter.sign_checkpoint(size, bytes(32)))
    report = check(store_of(published), keys)
    (line,) = report.findings
    assert line.startswith("40 checkpoints in ")
    assert line.endswith("signed by nobody who is known here, so not used")
