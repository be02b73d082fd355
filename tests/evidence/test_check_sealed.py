"""Offline verification of sealed clips: what anybody can tell, and what the agency can."""

import hashlib
import io
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyrage
import pytest

from dockagent.cli import main
from dockagent.core import strict_json
from dockagent.evidence.check_clip import check_clip
from dockagent.evidence.check_sealed import Open
from dockagent.evidence.keyring import Keyring
from dockagent.evidence.report import Report
from dockagent.evidence.verify import verify
from dockagent.ledger.keys import Keys
from tests.evidence import made
from tests.ledger import made as docks
from tests.simulation.agency import RECIPIENT, SECRET

ID = "clip-1"
INSIDE = {"master": made.MASTER, "preview/sprite.jpg": b"stands for a picture"}
CLEAR = {name: data for name, data in made.FILES.items() if name not in INSIDE}
STRANGER = str(pyrage.x25519.Identity.generate())


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return docks.keys(tmp_path / "dock" / "keys")


def seal(data: bytes) -> bytes:
    sealed: bytes = pyrage.encrypt(data, [pyrage.x25519.Recipient.from_str(RECIPIENT)])
    return sealed


def said(inside: dict[str, bytes], sealed: dict[str, bytes]) -> dict[str, Any]:
    """The member ``sealing`` of a record over these objects and what is in them."""
    objects = [
        {
            "name": f"{name}.age",
            "bytes": len(sealed[f"{name}.age"]),
            "sha256": hashlib.sha256(sealed[f"{name}.age"]).hexdigest(),
            "of": name,
            "of_bytes": len(data),
            "of_sha256": hashlib.sha256(data).hexdigest(),
        }
        for name, data in inside.items()
    ]
    return {"format": "age-encryption.org/v1", "recipients": [RECIPIENT], "objects": objects}


def sealed_clip(store: Path, keys: Keys, in_fact: dict[str, bytes] | None = None, **changed: Any) -> Path:
    """A sealed clip's folder. ``in_fact``: what a lying dock sealed instead; ``changed``: members of ``sealing``."""
    sealed = {f"{name}.age": seal(data) for name, data in (INSIDE | (in_fact or {})).items()}
    folder = made.clip(store, keys, ID, CLEAR | sealed)
    member = said(INSIDE, sealed) | changed
    statement = made.statement({**INSIDE, **CLEAR, **sealed}, ID, sealing=member)
    (folder / "record.json").write_bytes(keys.sign_statement(strict_json.canonical(statement)))
    return folder


def check(folder: Path, keys: Keys, *identities: str) -> Report:
    (only,) = verify(folder, keys.trust, identities=identities)
    return only


def words(report: Report) -> dict[str, str]:
    return {aspect: verdict.word for aspect, verdict in report.verdicts.items()}


GOOD = {"intact": "pass", "signature": "pass", "signer": "pass", "time": "unknown", "complete": "pass"}


def test_without_an_identity_the_bytes_are_intact_and_what_is_inside_cannot_be_told(tmp_path: Path, keys: Keys) -> None:
    report = check(sealed_clip(tmp_path / "store", keys), keys)
    assert words(report) == GOOD | {"content": "unknown"}
    assert "--identity" in report.verdicts["content"].why
    assert (report.exit_code, report.findings) == (0, ())
    assert any(RECIPIENT in fact for fact in report.facts)


def test_with_the_identity_it_is_opened_and_compared(tmp_path: Path, keys: Keys) -> None:
    report = check(sealed_clip(tmp_path / "store", keys), keys, STRANGER, SECRET)
    assert words(report) == GOOD | {"content": "pass"}
    assert report.exit_code == 0


def test_with_a_strangers_identity_it_cannot_be_told_and_that_is_said(tmp_path: Path, keys: Keys) -> None:
    report = check(sealed_clip(tmp_path / "store", keys), keys, STRANGER)
    assert words(report) == GOOD | {"content": "unknown"}
    assert "none of the identities given opens it" in report.verdicts["content"].why
    without = check(tmp_path / "store" / "clips", keys)
    assert (report.exit_code, report.findings) == (without.exit_code, without.findings) == (0, ()), "as without one"


@pytest.mark.parametrize(
    "lie",
    [
        {"master": made.MASTER[:-1]},
        {"master": made.MASTER + b"x"},
        {"master": b"x" + made.MASTER[1:]},
        {"master": b""},
        {"preview/sprite.jpg": b"another picture"},
    ],
)
def test_only_the_identity_shows_that_other_bytes_were_sealed(
    tmp_path: Path, keys: Keys, lie: dict[str, bytes]
) -> None:
    folder = sealed_clip(tmp_path / "store", keys, lie)
    assert words(check(folder, keys)) == GOOD | {"content": "unknown"}
    report = check(folder, keys, SECRET)
    assert words(report) == GOOD | {"content": "fail"}
    assert report.exit_code == 1


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _seal_anew(path: Path) -> None:
    path.write_bytes(seal(made.MASTER))


def _lose(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [_flip, _cut, _seal_anew, _lose])
@pytest.mark.parametrize("identities", [(), (SECRET,)])
def test_a_damaged_sealed_object_is_refuted_by_anybody(
    tmp_path: Path, keys: Keys, damage: Callable[[Path], None], identities: tuple[str, ...]
) -> None:
    folder = sealed_clip(tmp_path / "store", keys)
    damage(folder / "master.age")
    report = check(folder, keys, *identities)
    assert words(report)["intact"] == "fail"
    assert report.exit_code == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"objects": []},
        {"recipients": "age1"},
        {"format": 5},
        {"more": 1},
        {
            "objects": [
                {"name": "master.age", "bytes": 1, "sha256": "00" * 32, "of": "x", "of_bytes": 1, "of_sha256": ""}
            ]
        },
    ],
)
def test_a_record_that_contradicts_itself_about_sealing_tells_nothing(
    tmp_path: Path, keys: Keys, changed: dict[str, Any]
) -> None:
    report = check(sealed_clip(tmp_path / "store", keys, **changed), keys)
    assert words(report)["intact"] == "unknown"
    assert "seal" in report.verdicts["intact"].why or "contradicts" in report.verdicts["intact"].why


def test_a_digest_that_is_not_the_subjects_is_a_contradiction(tmp_path: Path, keys: Keys) -> None:
    folder = sealed_clip(tmp_path / "store", keys)
    sealed = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.age")}
    other = said(INSIDE | {"master": b"other"}, sealed)
    statement = made.statement({**INSIDE, **CLEAR, **sealed}, ID, sealing=other)
    (folder / "record.json").write_bytes(keys.sign_statement(strict_json.canonical(statement)))
    assert "contradicts its subjects" in check(folder, keys).verdicts["intact"].why


def test_our_copy_beside_another_sealed_copy_is_found_by_its_digest(tmp_path: Path, keys: Keys) -> None:
    folder = sealed_clip(tmp_path / "store", keys)
    digest = hashlib.sha256((folder / "master.age").read_bytes()).hexdigest()
    (folder / "master.age").rename(folder / f"master.{digest[:8]}.age")
    (folder / "master.age").write_bytes(seal(made.MASTER))
    report = check(folder, keys, SECRET)
    assert words(report) == GOOD | {"content": "pass"}
    assert report.exit_code == 0
    assert "master.age is another sealed copy of this clip, not checked" in report.facts


def test_a_record_whose_sealed_copy_never_came_is_told_from_one_whose_did(tmp_path: Path, keys: Keys) -> None:
    """As when the dock lost its sealed copy between record and master, and pulled and sealed the clip anew."""
    first = sealed_clip(tmp_path / "first", keys)
    folder = sealed_clip(tmp_path / "store", keys)
    (folder / "record.json").rename(folder / f"record.json.{keys.key_id[:8]}")
    shutil.copy(first / "record.json", folder / "record.json")
    report = check(folder, keys, SECRET)
    assert words(report)["intact"] == words(report)["content"] == "pass"
    assert report.exit_code == 3
    assert any("is not here" in finding for finding in report.findings)


def test_a_strangers_record_does_not_stand_in_for_the_docks(tmp_path: Path, keys: Keys) -> None:
    stranger = docks.keys(tmp_path / "stranger" / "keys", "other", seed=8)
    folder = sealed_clip(tmp_path / "store", stranger)
    (folder / "record.json").rename(folder / f"record.json.{stranger.key_id[:8]}")
    shutil.copy(sealed_clip(tmp_path / "first", keys) / "record.json", folder / "record.json")
    assert check(folder, keys, SECRET).exit_code == 1


def test_what_was_opened_before_it_came_here_is_not_unknown(tmp_path: Path, keys: Keys) -> None:
    """A clip that was opened for a package has its bytes in the clear: they were compared, and that is said."""
    folder = sealed_clip(tmp_path / "store", keys)

    def opened(files: dict[str, bytes]) -> dict[str, str]:
        objects: dict[str, Open] = {name: partial(io.BytesIO, data) for name, data in files.items()}
        record = (folder / "record.json").read_bytes()
        report = check_clip("here", ID, record, objects, Keyring.of(keys.trust), unsealed=True)
        return words(report)

    assert opened({**INSIDE, **CLEAR}) == GOOD | {"content": "pass"}
    found = opened({**INSIDE, **CLEAR, "master": made.MASTER[:-1] + b"x"})
    assert (found["intact"], found["content"]) == ("fail", "fail")


def test_the_command_says_that_an_identity_opens_nothing_and_goes_on(
    tmp_path: Path, keys: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    sealed_clip(tmp_path / "store", keys)
    trust, wrong, right = (tmp_path / name for name in ("trust.json", "wrong.key", "right.key"))
    trust.write_bytes(keys.trust.encode())
    wrong.write_text(STRANGER)
    right.write_text(SECRET)
    command = ["verify", str(tmp_path / "store"), "--trust", str(trust)]
    without = main(command), capsys.readouterr().out.splitlines()[-1]
    assert (main([*command, "--identity", str(wrong)]), without[0]) == (0, 0)
    told = capsys.readouterr()
    assert told.out.splitlines()[-1] == without[1]
    assert "no identity that was given opens any of 1 sealed clips" in told.err
    assert main([*command, "--identity", str(wrong), "--identity", str(right)]) == 0
    assert capsys.readouterr().err == ""
