"""Offline verification of ledgers: what is refuted, what is a finding, what cannot be told."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dockagent.core import strict_json
from dockagent.core.history import CONTRADICTED
from dockagent.core.proof import merkle, note
from dockagent.durable import RealDisk
from dockagent.errors import Missing, UsageError
from dockagent.evidence.report import Report
from dockagent.evidence.trust_file import read_trust
from dockagent.evidence.verify import verify
from dockagent.ledger.keys import Keys
from dockagent.ledger.log import Ledger
from dockagent.ledger.trust import DockIdentity, Trust
from tests.ledger import made


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return made.keys(tmp_path / "home" / "keys")


@pytest.fixture
def folder(tmp_path: Path, keys: Keys) -> Path:
    return made.ledger(tmp_path / "home" / "ledger", keys)


def check(path: Path, trust: Trust | None) -> Report:
    (only,) = verify(path, trust)
    return only


def words(report: Report) -> dict[str, str]:
    return {aspect: verdict.word for aspect, verdict in report.verdicts.items()}


GOOD = {"intact": "pass", "signature": "pass", "signer": "pass", "time": "unknown", "complete": "pass"}


def test_a_whole_ledger_by_a_trusted_dock_is_good(folder: Path, keys: Keys) -> None:
    for path in (folder, folder.parent):
        report = check(path, keys.trust)
        assert words(report) == GOOD
        assert (report.exit_code, report.findings) == (0, ())


def test_without_a_trust_file_no_signer_passes(folder: Path) -> None:
    report = check(folder, None)
    assert words(report) == {**GOOD, "signer": "unknown"}
    assert "--trust FILE" in report.verdicts["signer"].why
    assert report.exit_code == 3


def test_a_stranger_does_not_pass_although_his_key_lies_beside(tmp_path: Path, folder: Path) -> None:
    other = made.keys(tmp_path / "other", "dock-8", 8)
    report = check(folder, other.trust)
    assert words(report) == {**GOOD, "signer": "fail"}
    assert report.exit_code == 1


def test_a_dock_of_the_same_name_with_other_keys_does_not_pass(tmp_path: Path, folder: Path) -> None:
    imposter = made.keys(tmp_path / "other", "dock-7", 8)
    assert check(folder, imposter.trust).exit_code == 1


def test_with_no_key_at_all_the_signature_cannot_be_told(folder: Path, tmp_path: Path) -> None:
    (folder / "trust.json").unlink()
    (tmp_path / "home" / "keys" / "trust.json").unlink()
    report = check(folder, None)
    assert words(report)["signature"] == "unknown"
    assert report.exit_code == 4


def _cut(lines: list[bytes], _: Keys) -> list[bytes]:
    return lines[:-1]


def _drop(lines: list[bytes], _: Keys) -> list[bytes]:
    return [*lines[:5], *lines[6:]]


def _swap(lines: list[bytes], _: Keys) -> list[bytes]:
    return [*lines[:5], lines[6], lines[5], *lines[7:]]


def _flip(lines: list[bytes], _: Keys) -> list[bytes]:
    return [*lines[:5], made.flip(lines[5]), *lines[6:]]


def _rewrite(lines: list[bytes], keys: Keys) -> list[bytes]:
    return [*lines[:5], keys.sign_record(made.record(5, "rewritten")), *lines[6:]]


def _statement(lines: list[bytes], keys: Keys) -> list[bytes]:
    return [*lines[:5], keys.sign_statement(made.record(5)), *lines[6:]]


def _loose_form(lines: list[bytes], keys: Keys) -> list[bytes]:
    return [*lines[:5], keys.sign_record(b'{ "index":5,"type":"made"}'), *lines[6:]]


def _garbage(lines: list[bytes], _: Keys) -> list[bytes]:
    return [*lines, b"garbage"]


def _empty(_: list[bytes], __: Keys) -> list[bytes]:
    return []


@pytest.mark.parametrize("damage", [_cut, _drop, _swap, _flip, _rewrite, _statement, _loose_form, _garbage, _empty])
@pytest.mark.parametrize("trusted", [True, False])
def test_a_damaged_ledger_is_refuted(
    folder: Path, keys: Keys, damage: Callable[[list[bytes], Keys], list[bytes]], trusted: bool
) -> None:
    made.write_entries(folder, damage(made.entries(folder), keys))
    report = check(folder, keys.trust if trusted else None)
    assert words(report)["intact"] == "fail"
    assert report.exit_code == 1


def test_every_flipped_byte_is_refuted(folder: Path, keys: Keys) -> None:
    whole = (folder / "entries.jsonl").read_bytes()
    for place in range(0, len(whole), 53):
        (folder / "entries.jsonl").write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert check(folder, keys.trust).exit_code == 1, place


def test_a_missing_entries_file_is_refuted(folder: Path, keys: Keys) -> None:
    (folder / "entries.jsonl").unlink()
    assert words(check(folder, keys.trust))["complete"] == "fail"


def test_a_checkpoint_of_a_fork_is_refuted(folder: Path, keys: Keys) -> None:
    forked = [merkle.leaf_hash(line) for line in _rewrite(made.entries(folder), keys)]
    (folder / "checkpoint").write_text(keys.sign_checkpoint(13, merkle.root(forked)))
    report = check(folder, keys.trust)
    assert words(report) == {**GOOD, "intact": "fail"}


def test_an_edited_checkpoint_is_refuted(folder: Path, keys: Keys) -> None:
    text = (folder / "checkpoint").read_text()
    root = merkle.root([merkle.leaf_hash(line) for line in made.entries(folder)[:12]])
    body = note.Checkpoint(keys.origin, 12, root).text()
    (folder / "checkpoint").write_text(body + "\n" + text.partition("\n\n")[2])
    made.write_entries(folder, made.entries(folder)[:12])
    report = check(folder, keys.trust)
    assert words(report)["signature"] == "fail"
    assert report.exit_code == 1
    (folder / "checkpoint").write_text(text + "garbage")
    assert check(folder, keys.trust).exit_code == 1


def test_another_docks_records_under_our_checkpoint_are_refuted(tmp_path: Path, folder: Path, keys: Keys) -> None:
    other = made.keys(tmp_path / "other", "dock-8", 8)
    lines = [*made.entries(folder)[:12], other.sign_record(made.record(12))]
    made.write_entries(folder, lines)
    (folder / "checkpoint").write_text(keys.sign_checkpoint(13, merkle.root(map(merkle.leaf_hash, lines))))
    both = Trust((keys.dock, other.dock))
    report = check(folder, both)
    assert words(report) == {**GOOD, "signature": "fail"}
    assert "record 12" in report.verdicts["signature"].why


def test_a_dock_that_changed_its_record_key_has_two_entries(folder: Path, tmp_path: Path, keys: Keys) -> None:
    new = made.keys(tmp_path / "new", "dock-7", 8)
    lines = [*made.entries(folder), new.sign_record(made.record(13))]
    made.write_entries(folder, lines)
    (folder / "checkpoint").write_text(new.sign_checkpoint(14, merkle.root(map(merkle.leaf_hash, lines))))
    assert words(check(folder, Trust((keys.dock, new.dock)))) == GOOD
    assert check(folder, new.trust).exit_code == 1


def test_records_beyond_the_checkpoint_are_a_finding(tmp_path: Path, keys: Keys) -> None:
    folder = made.ledger(tmp_path / "ledger", keys, 13, pinned=10)
    report = check(folder, keys.trust)
    assert words(report) == {**GOOD, "complete": "unknown"}
    assert "3 records are signed but not yet under a checkpoint" in report.verdicts["complete"].why
    assert report.exit_code == 3
    lines = made.entries(folder)
    resigned = lines[12].partition(b'"sig":')[0] + b'"sig":' + lines[11].partition(b'"sig":')[2]
    made.write_entries(folder, [*lines[:12], resigned])
    assert words(check(folder, keys.trust)) == {**GOOD, "signature": "fail", "complete": "unknown"}


def test_an_unfinished_record_is_a_finding(folder: Path, keys: Keys) -> None:
    (folder / "entries.jsonl").write_bytes((folder / "entries.jsonl").read_bytes() + b'{"payl')
    report = check(folder, keys.trust)
    assert report.findings == ("6 bytes of an unfinished record at the end",)
    assert report.exit_code == 3


def test_without_a_checkpoint_nobody_can_tell_what_is_missing(folder: Path, keys: Keys) -> None:
    (folder / "checkpoint").unlink()
    report = check(folder, keys.trust)
    assert words(report) == {**GOOD, "intact": "unknown", "signer": "unknown", "complete": "unknown"}
    assert report.exit_code == 4


def test_an_empty_ledger_under_an_empty_checkpoint_is_good(tmp_path: Path, keys: Keys) -> None:
    assert words(check(made.ledger(tmp_path / "ledger", keys, 0), keys.trust)) == GOOD


def test_many_bad_records_are_counted_and_only_a_few_named(folder: Path, keys: Keys) -> None:
    made.write_entries(folder, [b"bad"] * 1000)
    why = check(folder, keys.trust).verdicts["intact"].why
    assert "1000 records" in why
    assert len(why) < 400


def test_what_cannot_be_checked_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is nothing at"):
        verify(tmp_path / "absent", None)
    with pytest.raises(Missing, match="cannot tell"):
        verify(tmp_path, None)
    (tmp_path / "file").write_text("x")
    with pytest.raises(Missing, match="cannot tell"):
        verify(tmp_path / "file", None)


def test_a_bad_trust_file_beside_is_named(folder: Path) -> None:
    (folder / "trust.json").write_text("{}")
    with pytest.raises(UsageError, match=rf"{folder}/trust\.json: not a trust file"):
        verify(folder, None)


def test_the_hand_made_trust_of_several_docks_is_read(tmp_path: Path, folder: Path, keys: Keys) -> None:
    other: DockIdentity = made.keys(tmp_path / "other", "dock-8", 8).dock
    text = strict_json.canonical({"camera_roots_pem": [], "docks": [other.as_json(), keys.dock.as_json()]})
    (tmp_path / "trust.json").write_bytes(text)
    assert check(folder, read_trust(tmp_path / "trust.json")).exit_code == 0
    with pytest.raises(UsageError, match="cannot read the trust file"):
        read_trust(tmp_path / "absent.json")


def test_what_witnesses_held_against_it_is_said_however_well_the_rest_fits(tmp_path: Path, keys: Keys) -> None:
    """A dock that was forked or rolled back goes on writing, and what it writes is signed and whole."""

    def round_with(number: int, code: str, text: object) -> bytes:
        what = {"findings": [{"code": code, "text": text, "severity": "warning"}]}
        return strict_json.canonical({"index": number, "type": "checkpoint", "what": what})

    folder = made.ledger(tmp_path / "home" / "ledger", keys, 2)
    with Ledger.open(RealDisk(folder), keys) as log:
        log.append([round_with(2, "witness", "witness w is away")])
        log.append([round_with(n, CONTRADICTED, f"witness w has seen {n}\x1b: a fork") for n in range(3, 7)])
        log.append([round_with(7, CONTRADICTED, "witness v has seen another history")])
        odd: tuple[object, ...] = ([], {"findings": 3}, {"findings": [4, {"code": CONTRADICTED, "text": 5}]})
        log.append(
            [strict_json.canonical({"index": 8 + n, "type": "checkpoint", "what": one}) for n, one in enumerate(odd)]
        )
        log.checkpoint()
    report = check(folder, keys.trust)
    assert words(report) == GOOD
    assert report.exit_code == 3
    assert report.findings == (
        "record 3: witness w has seen 3\x1b: a fork; 3 more such answers, up to record 6",
        "record 7: witness v has seen another history",
    )
