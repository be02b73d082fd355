"""Offline verification of stored clips: every byte, every object, and what the dock itself had said."""

import io
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockagent.core import strict_json
from dockagent.errors import Missing
from dockagent.evidence.check_clip import check_clip, chunks
from dockagent.evidence.keyring import Keyring
from dockagent.evidence.report import Report, exit_code
from dockagent.evidence.verify import verify
from dockagent.ledger.keys import Keys
from dockagent.ledger.trust import Trust
from tests.evidence import made
from tests.ledger import made as docks

GOOD = {"intact": "pass", "signature": "pass", "signer": "pass", "time": "unknown", "complete": "pass"}


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return docks.keys(tmp_path / "dock" / "keys")


@pytest.fixture
def folder(tmp_path: Path, keys: Keys) -> Path:
    return made.clip(tmp_path / "store", keys)


def check(path: Path, trust: Trust | None) -> Report:
    (only,) = verify(path, trust)
    return only


def words(report: Report) -> dict[str, str]:
    return {aspect: verdict.word for aspect, verdict in report.verdicts.items()}


def test_a_whole_clip_by_a_trusted_dock_is_good(tmp_path: Path, folder: Path, keys: Keys) -> None:
    for path in (folder, folder.parent, tmp_path / "store"):
        report = check(path, keys.trust)
        assert words(report) == GOOD
        assert (report.exit_code, report.findings) == (0, ())
    assert any("words on the camera's manifest" in fact for fact in report.facts)


@pytest.mark.parametrize("size", [0, 1, made.CHUNK - 1, made.CHUNK, made.CHUNK + 1, 3 * made.CHUNK])
def test_any_size_of_master_is_checked(tmp_path: Path, keys: Keys, size: int) -> None:
    folder = made.clip(tmp_path / "store", keys, files={"master": os.urandom(size)})
    report = check(folder, keys.trust)
    assert words(report) == GOOD
    assert "the camera gave no manifest: integrity begins at the dock" in report.facts


def _alter(folder: Path) -> None:
    data = bytearray((folder / "master").read_bytes())
    data[made.CHUNK + 5] ^= 1
    (folder / "master").write_bytes(data)


def _shorten(folder: Path) -> None:
    os.truncate(folder / "master", len(made.MASTER) - 1)


def _lengthen(folder: Path) -> None:
    (folder / "master").write_bytes(made.MASTER + b"x")


def _alter_preview(folder: Path) -> None:
    (folder / "preview" / "sprite.jpg").write_bytes(b"another picture")


def _lose_master(folder: Path) -> None:
    (folder / "master").unlink()


def _lose_chain(folder: Path) -> None:
    (folder / "chain.pem").unlink()


def _lose_record(folder: Path) -> None:
    (folder / "record.json").unlink()


def _garble_record(folder: Path) -> None:
    (folder / "record.json").write_bytes(b"garbage")


def _edit_record(folder: Path) -> None:
    record = folder / "record.json"
    record.write_bytes(docks.flip(record.read_bytes()))


def _link_master(folder: Path) -> None:
    (folder / "master").rename(folder.parent / "elsewhere")
    (folder / "master").symlink_to(folder.parent / "elsewhere")


def _link_record(folder: Path) -> None:
    (folder / "record.json").rename(folder.parent / "elsewhere")
    (folder / "record.json").symlink_to(folder.parent / "elsewhere")


@pytest.mark.parametrize(
    ("damage", "aspect"),
    [
        (_link_record, "complete"),
        (_alter, "intact"),
        (_shorten, "intact"),
        (_lengthen, "intact"),
        (_alter_preview, "intact"),
        (_lose_master, "complete"),
        (_lose_chain, "complete"),
        (_lose_record, "complete"),
        (_garble_record, "signature"),
        (_edit_record, "signature"),
        (_link_master, "complete"),
    ],
)
def test_a_damaged_clip_is_refuted(folder: Path, keys: Keys, damage: Callable[[Path], None], aspect: str) -> None:
    damage(folder)
    report = check(folder, keys.trust)
    assert words(report)[aspect] == "fail"
    assert report.exit_code == 1


def test_swapped_chunks_are_refuted(tmp_path: Path, keys: Keys) -> None:
    master = os.urandom(2 * made.CHUNK)
    folder = made.clip(tmp_path / "store", keys, files={"master": master})
    (folder / "master").write_bytes(master[made.CHUNK :] + master[: made.CHUNK])
    assert words(check(folder, keys.trust))["intact"] == "fail"


def test_what_the_record_does_not_name_is_a_finding(folder: Path, keys: Keys) -> None:
    (folder / "preview" / "extra\x1b[2J.jpg").write_bytes(b"x")
    (folder / "link").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe")
    report = check(folder, keys.trust)
    assert words(report) == {**GOOD, "complete": "unknown"}
    assert len(report.findings) == 3
    assert report.exit_code == 3


def test_the_custodians_receipt_may_lie_beside(folder: Path, keys: Keys) -> None:
    (folder / "receipt.json").write_bytes(b"{}")
    report = check(folder, keys.trust)
    assert words(report) == GOOD
    assert any("the custodian's word" in fact for fact in report.facts)


def test_without_any_key_the_signature_cannot_be_told(folder: Path) -> None:
    report = check(folder, None)
    assert words(report) == {**GOOD, "signature": "unknown", "signer": "unknown"}
    assert report.exit_code == 4


def test_a_key_beside_checks_the_signature_but_makes_nobody_trusted(tmp_path: Path, folder: Path, keys: Keys) -> None:
    for near in (tmp_path / "trust.json", tmp_path / "store" / "trust.json", folder.parent / "trust.json"):
        near.write_bytes(keys.trust.encode())
        report = check(folder, None)
        assert words(report) == {**GOOD, "signer": "unknown"}
        assert report.exit_code == 3
        near.unlink()
    (tmp_path / "store" / "trust.json").write_bytes(keys.trust.encode())
    other = docks.keys(tmp_path / "other", "dock-8", 8)
    assert words(check(folder, other.trust)) == {**GOOD, "signer": "fail"}


def test_a_stranger_is_refuted(tmp_path: Path, folder: Path) -> None:
    other = docks.keys(tmp_path / "other", "dock-8", 8)
    report = check(folder, other.trust)
    assert words(report) == {**GOOD, "signature": "unknown", "signer": "fail"}
    assert report.exit_code == 1


def test_quarantine_and_the_docks_own_doubt_are_findings(tmp_path: Path, keys: Keys) -> None:
    folder = made.clip(tmp_path / "store", keys)
    doubted = made.statement(
        made.FILES, verdicts={**made.VERDICTS, "signature": "fail"}, quarantine="the manifest was altered"
    )
    (folder / "record.json").write_bytes(keys.sign_statement(strict_json.canonical(doubted)))
    there = tmp_path / "store" / "quarantine" / "BWC-0001" / "clip-1"
    there.parent.mkdir(parents=True)
    folder.rename(there)
    report = check(tmp_path / "store", keys.trust)
    assert words(report) == GOOD
    assert report.findings == (
        "the dock itself found: signature fail",
        "the dock keeps it in quarantine: the manifest was altered",
        "the clip lies in quarantine",
    )
    assert report.exit_code == 3


def test_a_record_without_the_docks_verdicts_is_still_checked(folder: Path, keys: Keys) -> None:
    for left in ({"verdicts": None}, {"verdicts": None, "quarantine": ""}):
        said = strict_json.canonical(made.statement(made.FILES, **left))
        (folder / "record.json").write_bytes(keys.sign_statement(said))
        report = check(folder, keys.trust)
        assert words(report) == GOOD
        assert report.facts[1].endswith("not checked again here: none")


def test_a_clip_in_anothers_folder_is_a_finding(folder: Path, keys: Keys) -> None:
    moved = folder.rename(folder.with_name("clip-2"))
    assert check(moved, keys.trust).findings == ("the folder is called 'clip-2', but the record is of clip 'clip-1'",)


def test_one_bad_clip_does_not_hide_the_others(tmp_path: Path, keys: Keys) -> None:
    for number in range(4):
        made.clip(tmp_path / "store", keys, f"clip-{number}", {"master": b"%d" % number})
    docks.ledger(tmp_path / "store" / "ledgers" / "dock-7", keys)
    bad = tmp_path / "store/clips/BWC-0001/2026/11/22/clip-2/master"
    bad.write_bytes(b"x")
    (tmp_path / "store" / "clips" / "loose.txt").write_bytes(b"x")
    reports = verify(tmp_path / "store", keys.trust)
    assert [report.exit_code for report in reports] == [0, 0, 1, 0, 0, 3]
    assert [report.kind for report in reports] == ["clip"] * 4 + ["ledger", "folder"]
    assert reports[-1].findings == ("clips/loose.txt is covered by no record",)
    assert exit_code(reports) == 1


def test_many_loose_files_are_counted(tmp_path: Path, keys: Keys, folder: Path) -> None:
    for number in range(30):
        (tmp_path / "store" / f"{number:02}").write_bytes(b"")
    *_, loose = verify(tmp_path / "store", keys.trust)
    assert len(loose.findings) == 21
    assert loose.findings[-1] == "… and 10 more files that no record covers"


def test_folders_nested_past_any_sense_are_walked(tmp_path: Path, keys: Keys, folder: Path) -> None:
    deep = tmp_path / "store" / Path(*["d"] * 1200)
    subprocess.run(["mkdir", "-p", deep], check=True)  # Python's own calls would give up: they go down by recursion
    (deep / "x").write_bytes(b"")
    try:
        assert [report.kind for report in verify(tmp_path / "store", keys.trust)] == ["clip", "folder"]
    finally:
        subprocess.run(["rm", "-r", tmp_path / "store" / "d"], check=True)


def test_a_record_longer_than_any_good_one_is_refuted(folder: Path, keys: Keys) -> None:
    with (folder / "record.json").open("r+b") as record:
        record.truncate(1 << 40)  # sparse: reading it whole would take a terabyte of memory
    assert check(folder, keys.trust).exit_code == 1


BAD_STATEMENTS: list[Callable[[dict[str, Any]], Any]] = [
    lambda good: [good],
    lambda good: {**good, "_type": "https://in-toto.io/Statement/v0.1"},
    lambda good: {**good, "predicateType": "urn:dockagent:clip-record:2"},
    lambda good: {**good, "subject": []},
    lambda good: {**good, "subject": ["master"]},
    lambda good: {**good, "subject": [{"name": "master", "digest": {"sha256": "AB" * 32}}]},
    lambda good: {**good, "subject": [{"name": "master", "digest": {"sha512": "ab" * 64}}]},
    lambda good: {**good, "subject": good["subject"] * 2},
    lambda good: {**good, "subject": good["subject"][1:]},
    lambda good: {**good, "predicate": None},
    lambda good: {**good, "predicate": {**good["predicate"], "bytes": "1"}},
    lambda good: {**good, "predicate": {**good["predicate"], "bytes": True}},
    lambda good: {**good, "predicate": {**good["predicate"], "chunks": {"size": 4096, "root": "ab" * 32}}},
    lambda good: {**good, "predicate": {**good["predicate"], "chunks": {"size": made.CHUNK}}},
    lambda good: {**good, "predicate": {**good["predicate"], "verdicts": {"intact": "pass"}}},
    lambda good: {**good, "predicate": {**good["predicate"], "verdicts": {**made.VERDICTS, "time": "yes"}}},
    lambda good: {**good, "predicate": {**good["predicate"], "verdicts": {**made.VERDICTS, "time": ["pass"]}}},
    lambda good: {**good, "predicate": {**good["predicate"], "verdicts": "pass"}},
    lambda good: {**good, "predicate": {**good["predicate"], "quarantine": 1}},
]


@pytest.mark.parametrize("spoil", BAD_STATEMENTS)
def test_a_signed_record_of_another_shape_cannot_be_told(
    folder: Path, keys: Keys, spoil: Callable[[dict[str, Any]], Any]
) -> None:
    spoilt = spoil(made.statement(made.FILES))
    (folder / "record.json").write_bytes(keys.sign_statement(strict_json.canonical(spoilt)))
    report = check(folder, keys.trust)
    assert words(report)["signature"] == "pass"
    assert report.exit_code == 4


def test_a_custody_record_is_not_a_clip_record(folder: Path, keys: Keys) -> None:
    (folder / "record.json").write_bytes(keys.sign_record(strict_json.canonical(made.statement(made.FILES))))
    assert check(folder, keys.trust).exit_code == 4


def test_a_record_that_contradicts_itself_is_refuted(folder: Path, keys: Keys) -> None:
    for wrong in ({"chunks": {"size": made.CHUNK, "root": "ab" * 32}}, {"bytes": 7}):
        said = strict_json.canonical(made.statement(made.FILES, **wrong))
        (folder / "record.json").write_bytes(keys.sign_statement(said))
        assert words(check(folder, keys.trust)) == {**GOOD, "intact": "fail"}


def test_hostile_names_in_a_record_open_nothing(tmp_path: Path, folder: Path, keys: Keys) -> None:
    (folder.parent / "secret").write_bytes(b"x")
    files = {**made.FILES, "../secret": b"x", "/etc/hostname": b"y", "preview/../master": made.MASTER}
    said = strict_json.canonical(made.statement(files))
    (folder / "record.json").write_bytes(keys.sign_statement(said))
    report = check(folder, keys.trust)
    assert words(report)["complete"] == "fail"
    assert words(report)["intact"] == "pass"


def test_a_medium_that_fails_is_not_a_verdict(keys: Keys) -> None:
    def broken() -> io.BytesIO:
        raise OSError(5, "Input/output error")

    record = keys.sign_statement(strict_json.canonical(made.statement({"master": b"x"})))
    report = check_clip("there", "clip-1", record, {"master": broken}, Keyring(keys.trust.docks))
    assert words(report) == {**GOOD, "intact": "unknown"}
    assert report.exit_code == 4


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read_cannot_be_told(tmp_path: Path, folder: Path, keys: Keys) -> None:
    folder.chmod(0)
    with pytest.raises(Missing, match="cannot be read"):
        verify(tmp_path / "store", keys.trust)
    folder.chmod(0o700)
    shutil.rmtree(folder)


class _Dribble:
    """Gives what is asked in pieces of its own size, as a reader may."""

    def __init__(self, data: bytes, piece: int) -> None:
        self._data, self._piece = io.BytesIO(data), piece

    def read(self, size: int, /) -> bytes:
        return self._data.read(min(size, self._piece))


@given(st.integers(0, 3 * made.CHUNK), st.sampled_from([4096, 65_537, 1 << 20, 1 << 24]))
def test_chunks_are_the_same_however_a_reader_gives(size: int, piece: int) -> None:
    data = made.MASTER[:size]
    cut = list(chunks(_Dribble(data, piece)))
    assert cut == [data[at : at + made.CHUNK] for at in range(0, len(data), made.CHUNK)]
