"""The dock's keys: made once, kept to themselves, and understood by openssl."""

import random
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from dockagent.core import strict_json
from dockagent.core.proof import dsse, key_statement, note
from dockagent.durable import RealDisk
from dockagent.errors import Refused, UsageError
from dockagent.ledger import trust
from dockagent.ledger.keys import RECORD, Keys, read_public
from dockagent.ledger.keys_enroll import csr_pem
from tests.ledger import made


def openssl(*args: str | Path) -> str:
    done = subprocess.run(["openssl", *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_keys_are_loaded_as_they_were_made(tmp_path: Path) -> None:
    keys = made.keys(tmp_path / "keys")
    again = Keys.load(RealDisk(tmp_path / "keys"))
    assert again.public_pem == keys.public_pem
    assert again.vkey == keys.vkey
    assert again.origin == "dockagent.local/dock-7"
    assert again.sign_checkpoint(0, bytes(32)) == keys.sign_checkpoint(0, bytes(32))
    assert {p.name: p.stat().st_mode & 0o777 for p in (tmp_path / "keys").glob("*.pem")} == {
        "identity.pem": 0o600,
        "record.pem": 0o600,
        "log.pem": 0o600,
    }


def test_keys_are_never_overwritten(tmp_path: Path) -> None:
    made.keys(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UsageError, match="keys already"):
        made.keys(tmp_path, seed=8)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    "left", [["identity.pem"], ["identity.pem", "record.pem"], ["identity.pem", "record.pem", "log.pem"]]
)
def test_a_creation_cut_short_is_finished_with_the_same_keys(tmp_path: Path, left: list[str]) -> None:
    whole = made.keys(tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in left}
    for path in tmp_path.iterdir():
        if path.name not in left:
            path.unlink()
    finished = Keys.create(RealDisk(tmp_path), "dock-7", random.Random(99).randbytes)
    assert {name: (tmp_path / name).read_bytes() for name in left} == before
    assert finished.identity.public == whole.identity.public
    assert (finished.key_id == whole.key_id) == ("record.pem" in left)
    assert Keys.load(RealDisk(tmp_path)).vkey == finished.vkey


def test_real_keys_differ(tmp_path: Path) -> None:
    one, two = (Keys.create(RealDisk(tmp_path / name), "dock-7") for name in ("a", "b"))
    assert one.key_id != two.key_id
    assert one.vkey != two.vkey


@pytest.mark.parametrize("dock", ["", "a b", "a+b", "../x", "é", "a\n", "x" * 65, ".x"])
def test_an_unusable_dock_id_is_refused(tmp_path: Path, dock: str) -> None:
    with pytest.raises(UsageError, match="not a dock id"):
        made.keys(tmp_path, dock)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["identity.pem", "record.pem", "log.pem"])
@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, name: str, mode: int) -> None:
    made.keys(tmp_path)
    (tmp_path / name).chmod(mode)
    with pytest.raises(UsageError, match=f"run `chmod 600 {tmp_path / name}`"):
        Keys.load(RealDisk(tmp_path))


def test_no_keys_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="run `dockagent keys init`"):
        Keys.load(RealDisk(tmp_path))


@pytest.mark.parametrize("name", ["identity.pem", "log.pem"])
def test_a_key_that_is_missing_is_to_be_brought_back(tmp_path: Path, name: str) -> None:
    made.keys(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(UsageError, match=f"{name} is missing from this dock's keys") as refused:
        Keys.load(RealDisk(tmp_path))
    assert refused.value.hint == "bring back the keys folder from its backup"


@pytest.mark.parametrize("text", [b"", b"garbage", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_damaged_key_is_one_line(tmp_path: Path, text: bytes) -> None:
    made.keys(tmp_path)
    (tmp_path / "identity.pem").write_bytes(text)
    with pytest.raises(UsageError, match="is not a private key"):
        Keys.load(RealDisk(tmp_path))


def test_swapped_and_foreign_keys_are_refused(tmp_path: Path) -> None:
    made.keys(tmp_path / "a")
    made.keys(tmp_path / "b", seed=8)
    identity = (tmp_path / "a" / "identity.pem").read_bytes()
    (tmp_path / "a" / "identity.pem").write_bytes((tmp_path / "b" / "identity.pem").read_bytes())
    with pytest.raises(UsageError, match=r"not those that trust\.json names"):
        Keys.load(RealDisk(tmp_path / "a"))
    (tmp_path / "a" / "log.pem").write_bytes(identity)
    with pytest.raises(UsageError, match="not an Ed25519 key"):
        Keys.load(RealDisk(tmp_path / "a"))
    (tmp_path / "b" / "identity.pem").write_bytes((tmp_path / "b" / "log.pem").read_bytes())
    with pytest.raises(UsageError, match="not a P-256 key"):
        Keys.load(RealDisk(tmp_path / "b"))


def test_records_and_statements_are_told_apart(tmp_path: Path) -> None:
    keys = made.keys(tmp_path)
    record, statement = dsse.parse(keys.sign_record(b"{}")), dsse.parse(keys.sign_statement(b"{}"))
    assert (record.payload_type, statement.payload_type) == (RECORD, dsse.IN_TOTO)
    assert all(dsse.signed_by(one, keys.dock.record_key) for one in (record, statement))
    assert record.signatures[0].keyid == keys.key_id
    assert not dsse.signed_by(replace(statement, payload_type=RECORD), keys.dock.record_key)


def test_the_certificate_request_is_read_by_openssl(tmp_path: Path) -> None:
    keys = made.keys(tmp_path / "keys")
    request = tmp_path / "dock.csr"
    request.write_text(csr_pem(keys, "Central Station"))
    text = openssl("req", "-in", request, "-noout", "-text", "-verify", "-nameopt", "RFC2253,sname")
    assert "verify OK" in text
    assert "serialNumber=dock-7,CN=dock-7,OU=Central Station" in text
    assert "Digital Signature" in text
    assert "CA:FALSE" in text
    assert openssl("req", "-in", request, "-noout", "-pubkey") == key_statement.public_pem(keys.identity.public)
    assert "OU" not in openssl("req", "-in", _written(tmp_path / "bare.csr", csr_pem(keys, "")), "-noout", "-subject")


def test_a_site_that_no_certificate_can_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot ask for a certificate"):
        csr_pem(made.keys(tmp_path), "x" * 65)


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_the_trust_file_is_read_back(tmp_path: Path) -> None:
    keys = made.keys(tmp_path)
    read = trust.parse((tmp_path / "trust.json").read_bytes())
    assert read.as_json() == keys.trust.as_json()
    assert read_public(RealDisk(tmp_path)).as_json() == keys.dock.as_json()
    assert note.parse_vkey(read.docks[0].log_key.text()) == keys.dock.log_key


def test_what_is_not_a_trust_file_is_refused(tmp_path: Path) -> None:
    good = made.keys(tmp_path).trust.as_json()
    dock = good["docks"][0]
    other = made.keys(tmp_path / "other", "dock-8", 8).dock.as_json()
    seven = good["docks"][0]["statement"]
    eight = other["statement"]
    p384 = openssl("ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", tmp_path / "k") or tmp_path / "k"
    wrong = [
        [],
        {**good, "wittnesses": []},
        {"docks": good["docks"]},
        {**good, "docks": dock},
        {**good, "docks": ["dock-7"]},
        {**good, "docks": [{**dock, "note": "x"}]},
        {**good, "docks": [{**dock, "id": 7}]},
        {**good, "docks": [{**dock, "id": ""}]},
        {**good, "docks": [{**dock, "origin": "elsewhere"}]},
        {**good, "docks": [{**dock, "log_vkey": other["log_vkey"]}]},
        {**good, "docks": [{**dock, "record_key_pem": "no PEM"}]},
        {**good, "docks": [{**dock, "record_key_pem": openssl("ec", "-in", p384, "-pubout").partition("read EC")[0]}]},
        {**good, "docks": [{**dock, "statement": "text"}]},
        {**good, "docks": [{**dock, "statement": eight}]},
        {**good, "docks": [{**dock, "statement": {**seven, "payload": eight["payload"]}}]},
        {**good, "docks": [{**dock, "statement": {**seven, "payloadType": "application/vnd.in-toto+json"}}]},
        {**good, "docks": [{**dock, "record_key_pem": other["record_key_pem"]}]},
        {**good, "docks": [{**dock, "chain_pem": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}]},
        {**good, "camera_roots_pem": ["no PEM"]},
        {**good, "dock_roots_pem": ["no PEM"]},
        {**good, "dock_roots_pem": "no list"},
    ]
    for raw in wrong:
        with pytest.raises(UsageError, match="not a trust file"):
            trust.parse(strict_json.canonical(raw))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'{"docks":[],"docks":[],"camera_roots_pem":[]}', "twice"),
        (b'{"docks":[{"id":"a","id":"b"}],"camera_roots_pem":[]}', "twice"),
        (b'{"docks":[1.5],"camera_roots_pem":[]}', "whole number"),
        (b'{"docks":[1e400],"camera_roots_pem":[]}', "whole number"),
        (b'{"docks":[9007199254740993],"camera_roots_pem":[]}', "2^53"),
        (b'{"docks":[NaN],"camera_roots_pem":[]}', "whole number"),
        (b'{"docks":["\\ud800"],"camera_roots_pem":[]}', "surrogate"),
        (b"[" * 100_000, "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b"", "not valid JSON"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no readable certificates"),
    ],
)
def test_json_that_two_readers_may_read_in_two_ways_is_refused(text: bytes, why: str) -> None:
    with pytest.raises(UsageError, match=rf"not a trust file.*{re.escape(why)}"):
        trust.parse(text)


def test_a_statement_with_other_members_or_numbers_is_refused(tmp_path: Path) -> None:
    keys = made.keys(tmp_path)
    good = strict_json.parse(dsse.parse(keys.dock.statement).payload)
    signer = (dsse.key_id(keys.identity.public), keys.identity.sign)

    def sealed(payload: bytes) -> bytes:
        return dsse.seal_by(key_statement.PAYLOAD_TYPE, payload, [signer])

    assert key_statement.parse(sealed(strict_json.canonical(good))) == keys.dock.certified
    wrong = [
        {**good, "extra": 1},
        {name: value for name, value in good.items() if name != "root"},
        {**good, "schema": "urn:dockagent:keys:2"},
        {**good, "generation": 0},
        {**good, "generation": True},
        {**good, "generation": 2},
        {**good, "since": 5},
        {**good, "since": -1},
        {**good, "previous": "ab"},
        {**good, "previous": "00" * 32},
        {**good, "origin": "elsewhere"},
        {**good, "identity_key_pem": good["record_key_pem"]},
    ]
    for raw in wrong:
        with pytest.raises(Refused):
            key_statement.parse(sealed(strict_json.canonical(raw)))
    twice = strict_json.canonical(good)[:-1] + b',"since":0}'
    for payload in (twice, strict_json.canonical(good).replace(b'"since":0', b'"since":0.0'), b"[]"):
        with pytest.raises(Refused):
            key_statement.parse(sealed(payload))
    with pytest.raises(Refused, match="at most"):
        key_statement.parse(b" " * (1 << 20))
