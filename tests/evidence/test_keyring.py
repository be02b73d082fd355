"""Believing a dock through its identity: with the agency's CA alone, or the dock's certificate alone, in the file."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dockagent.core import custody
from dockagent.core import events as ev
from dockagent.core.moment import Instant
from dockagent.core.proof import dsse, key_statement
from dockagent.durable import RealDisk
from dockagent.evidence.report import Report
from dockagent.evidence.trust_file import read_trust
from dockagent.evidence.verify import verify
from dockagent.ledger import keys_enroll, keys_rotation
from dockagent.ledger.keys import Keys
from dockagent.ledger.keys_identity import in_file
from dockagent.ledger.log import Ledger
from dockagent.ledger.trust import DockIdentity, Trust, parse
from tests.evidence import made as clips
from tests.ledger import made
from tests.ledger.authority import NOW, YEAR, Authority, pem
from tests.ledger.test_keys_rotation import forged_change, fork, rotate, work


@pytest.fixture(scope="module")
def agency() -> Authority:
    return Authority.root()


@pytest.fixture
def home(tmp_path: Path, agency: Authority) -> Path:
    """An enrolled dock that has worked, and changed its signing keys once."""
    place = tmp_path / "home"
    keys = made.keys(place / "keys")
    keys = keys_enroll.keep(RealDisk(place / "keys"), keys, agency.for_dock(keys))
    work(RealDisk(place / "ledger"), keys)
    work(RealDisk(place / "ledger"), rotate(place))
    return place


def check(path: Path, trust: Trust | None) -> Report:
    (report,) = verify(path, trust)
    return report


def roots(*certificates: bytes) -> Trust:
    return parse(b"".join(certificates))


def test_the_ca_alone_is_enough(home: Path, agency: Authority, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(pem(agency.certificate))
    trust = read_trust(tmp_path / "ca.pem")
    report = check(home, trust)
    assert report.exit_code == 0
    assert "identity is certified by one whom the trust file names" in report.verdicts["signer"].why
    assert check(home, parse(trust.encode())).exit_code == 0, "the same as a member of a JSON trust file"
    clip = clips.clip(tmp_path / "store", Keys.load(RealDisk(home / "keys")))
    (tmp_path / "store/trust.json").write_bytes((home / "keys/trust.json").read_bytes())
    assert check(clip, trust).exit_code == 0


def test_the_docks_own_certificate_alone_is_enough(home: Path, agency: Authority) -> None:
    leaf = Keys.load(RealDisk(home / "keys")).dock.chain_pem.encode().partition(b"-----END CERTIFICATE-----\n")
    assert check(home, roots(leaf[0] + leaf[1])).exit_code == 0


def test_another_ca_or_another_docks_certificate_is_not(home: Path, tmp_path: Path, agency: Authority) -> None:
    report = check(home, roots(pem(Authority.root("Other").certificate)))
    assert (report.verdicts["signer"].word, report.exit_code) == ("fail", 1)
    assert "foreign root" in report.verdicts["signer"].why
    other = made.keys(tmp_path / "other", "dock-8", 8)
    assert check(home, roots(pem(agency.for_dock(other)[0]))).exit_code == 1
    assert check(home, roots(pem(Authority.root("Agency CA").certificate))).exit_code == 1


def test_a_thief_cannot_put_another_log_key_under_the_certificate(
    home: Path, tmp_path: Path, agency: Authority
) -> None:
    """The chain is public. Beside other keys it says nothing."""
    true = Keys.load(RealDisk(home / "keys"))
    evil = made.keys(tmp_path / "evil/keys", "dock-7", 66)
    work(RealDisk(tmp_path / "evil/ledger"), evil)
    for dock in (
        replace(evil.dock, chain_pem=true.dock.chain_pem),
        replace(evil.dock, chain_pem=pem(*agency.for_dock(made.keys(tmp_path / "x", "dock-9", 9))).decode()),
    ):
        (tmp_path / "evil/ledger/trust.json").write_bytes(Trust((dock,)).encode())
        report = check(tmp_path / "evil/ledger", roots(pem(agency.certificate)))
        assert report.verdicts["signer"].word == "fail"
        assert "its certificates do not help" in report.verdicts["signer"].why


def test_a_certificate_for_another_purpose_vouches_for_nobody(tmp_path: Path, agency: Authority) -> None:
    keys = made.keys(tmp_path / "keys")
    work(RealDisk(tmp_path / "ledger"), keys)
    for leaf in (
        agency.issue(keys.identity.public, "dock-8"),
        agency.issue(keys.identity.public, "dock-7", ca=True),
        agency.issue(keys.identity.public, "dock-7", sign=False),
        agency.issue(keys.dock.record_key, "dock-7"),
    ):
        enrolled = replace(keys.dock, chain_pem=pem(leaf, agency.certificate).decode())
        (tmp_path / "ledger/trust.json").write_bytes(Trust((enrolled,)).encode())
        assert check(tmp_path / "ledger", roots(pem(agency.certificate))).exit_code == 1


def test_what_is_signed_after_the_certificates_end_is_a_finding_and_no_more(tmp_path: Path, agency: Authority) -> None:
    keys = made.keys(tmp_path / "keys")
    leaf = agency.issue(keys.identity.public, "dock-7", ends=NOW + timedelta(days=10))
    keys = keys_enroll.keep(RealDisk(tmp_path / "keys"), keys, (leaf, agency.certificate))
    setting = custody.Setting(keys.origin, "dock-7", "", "", "0", "")
    with Ledger.open(RealDisk(tmp_path / "ledger"), keys) as log:
        for moment in (NOW - YEAR, NOW, NOW + timedelta(days=11), NOW + YEAR):
            at = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 1000
            keys_rotation.recorder(lambda at=at: Instant(at, "b", 1, "rtc", -1), setting)(log, ev.DockStopped("x"))  # type: ignore[misc]
        log.checkpoint()
    report = check(tmp_path, roots(pem(agency.certificate)))
    assert {aspect: one.word for aspect, one in report.verdicts.items()} == {
        **dict.fromkeys(("intact", "signature", "signer", "complete"), "pass"),
        "time": "unknown",
    }
    assert len(report.findings) == 1
    assert report.findings[0].startswith("record 2 says that it is of 2026-12-03, but the certificate of dock dock-7")
    assert check(tmp_path, Trust((keys.dock,))).findings == (), "named by its keys: no certificate was asked"


def test_a_clip_under_later_keys_is_believed_through_the_identity(home: Path, tmp_path: Path) -> None:
    """Somebody who has the first trust file, and a store with the newest beside the clip."""
    docks = Keys.load(RealDisk(home / "keys")).docks
    first = Trust(docks[:1])
    keys = rotate(home, in_file, 5)
    clip = clips.clip(tmp_path / "store", keys)
    assert check(clip, first).verdicts["signer"].word == "fail"
    (tmp_path / "store/trust.json").write_bytes((home / "keys/trust.json").read_bytes())
    report = check(clip, first)
    assert "the dock's identity, which is trusted, signed this key over" in report.verdicts["signer"].why
    assert report.exit_code == 0
    evil = made.keys(tmp_path / "evil", "dock-7", 66)
    (tmp_path / "store/trust.json").write_bytes(Trust((*docks, evil.dock)).encode())
    forged = clips.clip(tmp_path / "forged", evil)
    (tmp_path / "forged/trust.json").write_bytes(Trust((*docks, evil.dock)).encode())
    assert check(forged, first).verdicts["signer"].word == "fail"


def test_the_old_identity_signs_nobody_over_any_more_for_those_who_know_the_new_one(home: Path, tmp_path: Path) -> None:
    old = Keys.load(RealDisk(home / "keys"))
    new = rotate(home, in_file, 5)
    evil = made.keys(tmp_path / "evil", "dock-7", 66)
    with fork(home, tmp_path / "fork", old, 6) as log:
        change = key_statement.parse(forged_change(old, log, evil))
    signers = [(dsse.key_id(one.identity.public), one.identity.sign) for one in (old, evil)]
    forged = DockIdentity.of(key_statement.seal(change, signers))
    clip = clips.clip(tmp_path / "store", evil)
    (tmp_path / "store/trust.json").write_bytes(Trust((*old.docks, forged)).encode())
    assert check(clip, Trust(old.docks)).verdicts["signer"].word == "pass", "who knows the old set only cannot tell"
    assert check(clip, Trust(new.docks)).verdicts["signer"].word == "fail"
