"""What ``verify`` says: of whom it is in the name, once, in plain sentences, and what to give instead."""

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dockagent.cli import main
from dockagent.core.proof import merkle
from dockagent.errors import Missing, UsageError
from dockagent.evidence.report import Report
from dockagent.evidence.trust_file import read_trust
from dockagent.evidence.verify import verify
from dockagent.ledger.keys import Keys
from dockagent.ledger.trust import Trust
from tests.evidence import made
from tests.ledger import made as docks
from tests.ledger import witnesses

LIBRARIES = re.compile(
    r"codec can't|Expecting|column \d|Object (contains|missing)|Expected `|ParseError|asn1|Only base64|padding|KeyError"
)
AT = 1_790_000_000


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return docks.keys(tmp_path / "home" / "keys")


def only(path: Path, trust: Trust | None) -> Report:
    (report,) = verify(path, trust)
    return report


def forged(envelope: bytes) -> bytes:
    """The envelope with one bit of its signature changed."""
    raw = json.loads(envelope)
    signature = bytearray(base64.b64decode(raw["signatures"][0]["sig"]))
    signature[-1] ^= 1
    raw["signatures"][0]["sig"] = base64.b64encode(signature).decode()
    return json.dumps(raw, separators=(",", ":"), sort_keys=True).encode()


# ---- whose a bad signature is ---------------------------------------------------------------------------------------


def test_a_damaged_signature_of_a_trusted_dock_is_no_strangers(tmp_path: Path, keys: Keys) -> None:
    folder = made.clip(tmp_path / "store", keys)
    record = folder / "record.json"
    record.write_bytes(forged(record.read_bytes()))
    verdicts = only(folder, keys.trust).verdicts
    assert verdicts["signature"].word == "fail"
    assert verdicts["signer"].word == "unknown"
    assert "names a key of dock dock-7, which is trusted" in verdicts["signer"].why
    stranger = Trust((docks.keys(tmp_path / "other", "dock-8", 8).dock,))
    assert only(folder, stranger).verdicts["signer"].why == "the signer is not in the trust file"


def test_a_damaged_checkpoint_of_a_trusted_dock_is_no_strangers(tmp_path: Path, keys: Keys) -> None:
    folder = docks.ledger(tmp_path / "home" / "ledger", keys)
    whole = (folder / "checkpoint").read_text()
    (folder / "checkpoint").write_text(whole[:-8] + ("AAAA" if whole[-8:-4] != "AAAA" else "BBBB") + whole[-4:])
    verdicts = only(folder, keys.trust).verdicts
    assert "signature by dock dock-7 is not valid" in verdicts["signature"].why
    assert (verdicts["signer"].word, "which is trusted" in verdicts["signer"].why) == ("unknown", True)
    imposter = docks.keys(tmp_path / "imposter", "dock-7", 9)
    root = merkle.root(merkle.leaf_hash(one) for one in docks.entries(folder))
    (folder / "checkpoint").write_text(imposter.sign_checkpoint(13, root))
    verdicts = only(folder, keys.trust).verdicts
    assert verdicts["signer"].why == "the signer is not in the trust file"
    assert verdicts["signature"].word == "fail"


def test_a_damaged_record_is_told_from_one_by_nobody(tmp_path: Path, keys: Keys) -> None:
    folder = docks.ledger(tmp_path / "home" / "ledger", keys)
    lines = docks.entries(folder)
    docks.write_entries(folder, [forged(line) if n == 4 else line for n, line in enumerate(lines)])
    assert "record 4 (in the name of the dock's key" in only(folder, keys.trust).verdicts["signature"].why
    stranger = docks.keys(tmp_path / "other", "dock-8", 8).sign_record(docks.record(4))
    docks.write_entries(folder, [stranger if n == 4 else line for n, line in enumerate(lines)])
    assert "record 4 (by nobody who is known)" in only(folder, keys.trust).verdicts["signature"].why


# ---- a trust file that does not name what is needed -----------------------------------------------------------------


def test_witnesses_whom_the_trust_file_does_not_name_are_told(tmp_path: Path, keys: Keys) -> None:
    folder = docks.ledger(tmp_path / "home" / "ledger", keys)
    witness = witnesses.key(name="w.example/1")
    sealed = (folder / "checkpoint").read_text()
    text = sealed.partition("\n\n")[0] + "\n"
    (folder / "witnessed").mkdir()
    (folder / "witnessed" / "13").write_text(sealed + witness.cosign(text, AT))
    why = only(folder, keys.trust).verdicts["time"].why
    assert "names of 'w.example/1' are on its checkpoints, but the trust file does not name them" in why
    assert "--trust" not in why, "one was given"
    assert "--trust FILE" in only(folder, None).verdicts["time"].why
    named = Trust((keys.dock,), witnesses=(witness.public,))
    assert only(folder, named).verdicts["time"].word == "pass"


def test_a_trust_file_without_the_dock_is_not_asked_for_again(tmp_path: Path, keys: Keys) -> None:
    folder = docks.ledger(tmp_path / "elsewhere", keys)
    (folder / "trust.json").unlink(missing_ok=True)
    for trust in (Trust(), None):
        why = only(folder, trust).verdicts["signature"].why
        assert ("give --trust FILE" in why) == (trust is None), why
    assert "docks of the trust file" in only(folder, Trust()).verdicts["signature"].why


# ---- plain sentences ------------------------------------------------------------------------------------------------


def part(name: str, data: bytes) -> Callable[[Path], object]:
    """Other bytes in the place of a file."""
    return lambda folder: (folder / name).write_bytes(data)


def said(member: str, value: object) -> Callable[[Path], None]:
    """The clip's record with another member in its predicate; nobody signs it."""

    def change(folder: Path) -> None:
        raw = json.loads((folder / "record.json").read_bytes())
        statement = json.loads(base64.b64decode(raw["payload"]))
        statement["predicate"][member] = value
        raw["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
        (folder / "record.json").write_text(json.dumps(raw))

    return change


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (part("record.json", b""), "it is empty"),
        (part("record.json", b"\xff"), "byte 0 is not UTF-8"),
        (part("record.json", b'{"payload":"e30'), "ends in the middle"),
        (part("record.json", b'{"a":]}'), "character 5 of it cannot be there"),
        (part("record.json", b"[" + b"9" * 5000 + b"]"), "a number that is too long"),
        (part("record.json", b'{"payloadType":"x","payload":"!","signatures":[{"sig":""}]}'), "is not base64"),
        (said("samples", {"x": 1}), "a member 'x' that nobody here knows"),
        (said("samples", 7), "there is a whole number where a table belongs"),
        (said("in_stream", {"signatures": [{}]}), "the member"),
        (said("sealing", {"format": 3}), "(at format)"),
    ],
)
def test_a_damaged_clip_record_is_told_in_a_sentence(
    tmp_path: Path, keys: Keys, damage: Callable[[Path], object], words: str
) -> None:
    folder = made.clip(tmp_path / "store", keys)
    damage(folder)
    text = json.dumps(only(folder, keys.trust).as_json())
    assert words in text
    assert not LIBRARIES.search(text), text


@pytest.mark.parametrize(
    "damage",
    [
        part("checkpoint", b""),
        part("checkpoint", b"\xff\xfe"),
        part("checkpoint", b"a\n1\nAAAA\n\n\xe2\x80\x94 a !!!!\n"),
        part("entries.jsonl", b"\xff\n{\n\n{}\n"),
    ],
)
def test_a_damaged_ledger_is_told_in_a_sentence(tmp_path: Path, keys: Keys, damage: Callable[[Path], object]) -> None:
    folder = docks.ledger(tmp_path / "home" / "ledger", keys)
    damage(folder)
    report = only(folder, keys.trust)
    assert report.exit_code == 1
    assert not LIBRARIES.search(json.dumps(report.as_json())), report


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"\xff", b"{", b"{}", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        b'{"docks":[],"camera_roots_pem":["x"]}',
        b'{"docks":[],"camera_roots_pem":[],"witnesses":["a+00000000+!"]}',
    ],
)
def test_a_trust_file_that_is_none_is_named_and_told_in_a_sentence(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "whom.json"
    file.write_bytes(data)
    with pytest.raises(UsageError) as refused:
        read_trust(file)
    assert str(file) in refused.value.what
    assert not LIBRARIES.search(str(refused.value)), refused.value


# ---- once, and what to give instead ---------------------------------------------------------------------------------


def test_a_trust_file_that_fits_nothing_is_told_once(
    tmp_path: Path, keys: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    for number in range(8):
        made.clip(store, keys, f"clip-{number}")
    file = tmp_path / "other.json"
    file.write_bytes(Trust((docks.keys(tmp_path / "other", "dock-8", 8).dock,)).encode())
    assert main(["verify", str(store), "--trust", str(file)]) == 1
    told = capsys.readouterr()
    assert told.out.count("the signer is not in the trust file") == 1
    assert told.out.count(": refuted\n") == 8
    assert "these 8 have in common" in told.out
    assert "the trust file names dock-8, and nothing that was checked is signed by whom it names" in told.err
    file.write_bytes(keys.trust.encode())
    assert main(["verify", str(store), "--trust", str(file)]) == 0
    assert capsys.readouterr().err == ""


def test_one_that_differs_is_told_by_itself(tmp_path: Path, keys: Keys, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "store"
    folders = [made.clip(store, keys, f"clip-{number}") for number in range(8)]
    (folders[3] / "master").write_bytes(b"x")
    assert main(["verify", str(store)]) == 1
    told = capsys.readouterr().out
    assert "these 7 have in common" in told
    assert told.count("the master has 1 bytes") == 1


def test_a_file_alone_is_answered_with_its_folder(tmp_path: Path, keys: Keys) -> None:
    folder = made.clip(tmp_path / "store", keys)
    ledger = docks.ledger(tmp_path / "home" / "ledger", keys)
    for file, where in ((folder / "master", folder), (ledger / "entries.jsonl", ledger)):
        with pytest.raises(Missing) as told:
            verify(file, None)
        assert told.value.hint.endswith(f": {where}")
    (tmp_path / "alone").mkdir()
    film = tmp_path / "alone" / "excerpt.mp4"
    film.write_bytes(b"x")
    with pytest.raises(Missing) as told:
        verify(film, None)
    assert "excerpt.json" in told.value.hint
