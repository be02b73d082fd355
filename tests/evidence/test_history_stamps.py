"""Time stamps over checkpoints, by a real authority: what they add, and that altered and foreign ones are refused."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from dockagent.evidence.report import Report
from dockagent.evidence.verify import verify
from dockagent.ledger import timestamps
from dockagent.ledger.keys import Keys
from dockagent.ledger.trust import Trust
from dockagent.ledger.witnessed import stamped_part
from hil.central.tsa import Tsa, authority
from tests.evidence.test_check_history import KEYS, note_over, rewrite
from tests.ledger import made


@pytest.fixture
def tsa(tmp_path: Path) -> Iterator[Tsa]:
    (tmp_path / "tsa").mkdir()
    with Tsa(tmp_path / "tsa") as running:
        yield running


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return made.keys(tmp_path / "keys")


@pytest.fixture
def folder(tmp_path: Path, keys: Keys, tsa: Tsa) -> Path:
    """A ledger of 13 records; the first 10 are cosigned by two witnesses and stamped."""
    ledger = made.ledger(tmp_path / "ledger", keys)
    whole = note_over(ledger, keys, 10, (0, 1))
    (ledger / "witnessed").mkdir()
    (ledger / "witnessed" / "10").write_bytes(whole)
    token = timestamps.ask(tsa.url, stamped_part(whole), nonce=7, timeout=20)
    (ledger / "witnessed" / "10.tsr").write_bytes(token)
    return ledger


def check(folder: Path, trust: Trust) -> Report:
    (only,) = verify(folder, trust)
    return only


def trusting(keys: Keys, tsa: Tsa, quorum: int = 0) -> Trust:
    whom = tuple(one.public for one in KEYS) if quorum else ()
    return Trust((keys.dock,), witnesses=whom, quorum=quorum, tsa_roots_pem=(tsa.root_pem.read_text(),))


def test_a_stamp_alone_vouches_for_the_time(folder: Path, keys: Keys, tsa: Tsa) -> None:
    report = check(folder, trusting(keys, tsa))
    assert report.verdicts["time"].word == "pass"
    assert "a time stamp says that the first 10 records existed on 20" in report.verdicts["time"].why
    assert any("stamped up to record 9; 3 records lie beyond" in one for one in report.facts)
    assert report.exit_code == 0


def test_a_stamp_goes_with_the_witnesses(folder: Path, keys: Keys, tsa: Tsa) -> None:
    report = check(folder, trusting(keys, tsa, quorum=2))
    assert report.verdicts["time"].word == "pass"
    assert "witnesses saw" in report.verdicts["time"].why
    assert any("the first 10 records existed on 20" in one and "test authority" in one for one in report.facts)


def test_a_stamp_is_no_witness(folder: Path, keys: Keys, tsa: Tsa) -> None:
    for file in (folder / "witnessed").glob("10"):
        file.write_bytes(stamped_part(file.read_bytes()))
    assert check(folder, trusting(keys, tsa, quorum=1)).verdicts["time"].word == "fail"


def test_without_roots_it_is_said_that_nobody_looked(folder: Path, keys: Keys) -> None:
    report = check(folder, keys.trust)
    assert report.verdicts["time"].word == "unknown"
    assert any("names no tsa_roots_pem" in one for one in report.facts)


@pytest.mark.parametrize("quorum", [0, 2])
def test_altered_and_foreign_stamps_are_refused(
    folder: Path, keys: Keys, tsa: Tsa, tmp_path: Path, quorum: int
) -> None:
    trust, file = trusting(keys, tsa, quorum), folder / "witnessed" / "10.tsr"
    good = file.read_bytes()
    for bad in (good[:-20], b"", b"garbage", good[:-9] + bytes([good[-9] ^ 1]) + good[-8:]):
        file.write_bytes(bad)
        report = check(folder, trust)
        assert (report.verdicts["time"].word, report.exit_code) == ("fail", 1)
        assert "the time stamp of the checkpoint over 10 records" in report.verdicts["time"].why
    file.write_bytes(timestamps.ask(tsa.url, b"other bytes", nonce=7, timeout=20))
    assert "for other bytes" in check(folder, trust).verdicts["time"].why
    file.write_bytes(good)
    foreign = authority("a foreign root").certificate.public_bytes(Encoding.PEM).decode()
    assert check(folder, replace(trust, tsa_roots_pem=(foreign,))).exit_code == 1
    assert check(folder, trust).exit_code == 0


def test_a_rewritten_ledger_is_held_against_its_stamped_checkpoint(folder: Path, keys: Keys, tsa: Tsa) -> None:
    rewrite(folder, keys, 13)
    report = check(folder, trusting(keys, tsa))
    assert (report.exit_code, report.verdicts["intact"].word) == (1, "fail")
    assert "a fork: the first 10 records" in report.verdicts["intact"].why
