"""Time stamps by a real authority: what is right passes here and with openssl, what is wrong passes nowhere."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from dockagent.errors import Missing, Refused, UsageError
from dockagent.ledger import timestamps, timestamps_der, timestamps_tools
from hil.central.tsa import Certified, Tsa, authority, signer

DATA, NONCE = b"dock-7\n13\nroot\n", (1 << 64) + 5
LONG = "An authority whose certificate comes last in a sorted set"


@pytest.fixture
def tsa(tmp_path: Path) -> Iterator[Tsa]:
    with Tsa(made(tmp_path / "tsa")) as running:
        yield running


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def stamped(tsa: Tsa, data: bytes = DATA, nonce: int = NONCE) -> bytes:
    return timestamps.ask(tsa.url, data, nonce=nonce, timeout=10)


def check(token: bytes, tsa: Tsa, data: bytes = DATA, nonce: int | None = NONCE) -> timestamps.Stamp:
    return timestamps.check(token, data, [tsa.root.certificate], nonce=nonce)


def outside(token: bytes, tsa: Tsa, data: bytes = DATA) -> bool:
    """What ``openssl ts -verify`` says of what we keep."""
    held, what = tsa.folder / "held.tsr", tsa.folder / "held.data"
    held.write_bytes(token)
    what.write_bytes(data)
    command: list[str | Path] = ["openssl", "ts", "-verify", "-in", held, "-data", what, "-CAfile", tsa.root_pem]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ("Verification: OK" in done.stdout) == (done.returncode == 0), done.stderr
    return done.returncode == 0


def test_a_stamp_says_when_by_whom_and_who_checked_it(tsa: Tsa) -> None:
    before = datetime.now(UTC)
    token = stamped(tsa)
    stamp = check(token, tsa)
    told = datetime.fromtimestamp(stamp.time_ms / 1000, UTC)
    assert before - timedelta(seconds=1) <= told <= datetime.now(UTC)
    assert (stamp.accuracy_ms, stamp.policy) == (1501, "1.3.6.1.4.1.13762.3")  # 1 s, 500 ms and 100 µs, rounded up
    assert stamp.signer == "CN=A test authority for time stamps"
    assert stamp.verified_by.startswith("rfc3161-client 1.")
    text = subprocess.run(
        ["openssl", "ts", "-reply", "-text", "-in", "/dev/stdin"], input=token, capture_output=True, check=True
    ).stdout.decode()
    assert f"Serial number: 0x{stamp.serial.upper()}\n" in text
    assert f"Time stamp: {told:%b %e %H:%M:%S %Y} GMT\n" in text
    assert f"Nonce: 0x{NONCE:018X}\n" in text
    assert check(token, tsa, nonce=None) == stamp  # years later nobody knows the nonce
    assert timestamps.certificates(token) == (tsa.by.certificate,)
    assert outside(token, tsa)


def test_the_query_is_what_openssl_would_ask(tsa: Tsa) -> None:
    stamped(tsa)
    command = ["openssl", "ts", "-query", "-text", "-in", "/dev/stdin"]
    text = subprocess.run(command, input=tsa.asked[0], capture_output=True, check=True).stdout.decode()
    assert "Hash Algorithm: sha256\n" in text
    assert f"Nonce: 0x{NONCE:018X}\nCertificate required: yes\n" in text


def test_a_token_that_the_strict_parser_refuses_is_checked_by_openssl(tmp_path: Path) -> None:
    root = authority("R")
    middle = authority("M", root)
    with Tsa(made(tmp_path / "tsa"), root, signer(LONG, middle), [middle.certificate]) as tsa:
        token = stamped(tsa)
        stamp = check(token, tsa)
        assert stamp.verified_by.startswith("openssl 3.")
        assert outside(token, tsa)
        assert timestamps_tools.by_library(token, timestamps_der.parse(token), [root.certificate]) == ""
        with pytest.raises(Refused, match="openssl ts"):
            timestamps.check(token, DATA, [authority("R").certificate])
        with pytest.raises(Refused, match="openssl ts"):
            check(flipped(token, len(token) - 8), tsa)  # in the signature


def test_both_tools_accept_what_either_does(tsa: Tsa) -> None:
    token = stamped(tsa)
    reply = timestamps_der.parse(token)
    roots = [tsa.root.certificate]
    assert timestamps_tools.by_library(token, reply, roots).startswith("rfc3161-client")
    assert timestamps_tools.by_openssl(token, reply, roots).startswith("openssl")
    for tool in (timestamps_tools.by_library, timestamps_tools.by_openssl):
        with pytest.raises(Refused, match="does not verify"):
            tool(token, reply, [authority("A test root for time stamps").certificate])


def test_a_stamp_for_another_query_is_refused(tsa: Tsa) -> None:
    token = stamped(tsa)
    with pytest.raises(Refused, match="other bytes"):
        check(token, tsa, data=DATA + b" ")
    with pytest.raises(Refused, match="nonce"):
        check(token, tsa, nonce=NONCE + 1)
    with pytest.raises(Refused, match="nonce"):
        check(tsa.reply(openssl_query("-sha256", "-cert", "-no_nonce")), tsa)
    assert not outside(token, tsa, DATA + b" ")


def test_another_authority_of_the_same_name_is_refused(tsa: Tsa, tmp_path: Path) -> None:
    with Tsa(made(tmp_path / "other")) as other:
        token = stamped(other)
    with pytest.raises(Refused, match="does not verify"):
        check(token, tsa)
    assert not outside(token, tsa)
    with pytest.raises(UsageError, match="no root"):
        timestamps.check(token, DATA, [])


def test_no_byte_can_be_altered(tsa: Tsa) -> None:
    token = stamped(tsa)
    for place in range(len(token)):
        with pytest.raises((Refused, Missing)):
            check(flipped(token, place), tsa)
    info = token.index(b"\x30", token.index(timestamps_der.parse(token).imprint) - 60)
    for place in range(info, info + 120, 10):
        assert not outside(flipped(token, place), tsa)


def test_certificates_slipped_in_are_refused(tmp_path: Path) -> None:
    root, foreign = authority("R"), authority("F")
    twin = signer("S", root)
    for company in (foreign.certificate, signer("X", foreign).certificate, twin.certificate):
        folder = made(tmp_path / str(company.serial_number))
        with Tsa(folder, root, signer(LONG, root), [company]) as tsa:
            token = stamped(tsa)
            with pytest.raises(Refused, match="not on its signer's path"):
                check(token, tsa)
    with Tsa(made(tmp_path / "fine"), root, signer(LONG, root), [root.certificate]) as tsa:
        check(stamped(tsa), tsa)  # the root itself may come along


def test_a_signer_that_may_not_stamp_time_is_refused(tsa: Tsa) -> None:
    root, stamping = tsa.root, ExtendedKeyUsageOID.TIME_STAMPING
    fine = signer("good", root)
    assert check(resigned(tsa, fine), tsa).signer == "CN=good"  # so that what follows is refused for its own fault
    for bad in (
        signer("no usage", root, usages=()),
        signer("not critical", root, critical=False),
        signer("other usage", root, usages=[ExtendedKeyUsageOID.EMAIL_PROTECTION]),
        signer("more usages", root, usages=[stamping, ExtendedKeyUsageOID.CODE_SIGNING]),
    ):
        token = resigned(tsa, bad)
        with pytest.raises(Refused, match="is not for time stamps"):
            check(token, tsa)
        assert not outside(token, tsa)


def test_a_signature_that_is_not_bound_to_its_certificate_is_refused(tsa: Tsa) -> None:
    token = resigned(tsa, signer("good", tsa.root), bound="-nosmimecap")
    with pytest.raises(Refused, match="does not bind"):
        check(token, tsa)
    assert not outside(token, tsa)


def test_a_certificate_that_was_not_valid_then_is_refused(tsa: Tsa) -> None:
    today, day = datetime.now(UTC), timedelta(days=1)
    for start in (today - 3 * day, today + day):
        token = resigned(tsa, signer("late or early", tsa.root, start=start, lasts=day))
        with pytest.raises(Refused, match="was not valid at the time"):
            check(token, tsa)
        assert not outside(token, tsa)


def test_a_certificate_that_has_expired_since_is_no_fault(tmp_path: Path) -> None:
    root = authority("R")
    with Tsa(made(tmp_path / "tsa"), root, signer("S", root, lasts=timedelta(days=1, seconds=5))) as tsa:
        token = stamped(tsa)
        until = tsa.by.certificate.not_valid_after_utc
        while datetime.now(UTC) <= until:  # at most five seconds: nobody here can turn the clock
            tsa.reply(tsa.asked[0])
        assert check(token, tsa).time_ms <= until.timestamp() * 1000
        reply = timestamps_der.parse(token)
        assert timestamps_tools.by_openssl(token, reply, [root.certificate])
        assert not outside(token, tsa)  # openssl without -attime asks about today


def test_what_was_not_granted_is_refused(tmp_path: Path) -> None:
    with Tsa(made(tmp_path / "tsa"), digests=["sha512"]) as tsa:
        token = stamped(tsa)
        with pytest.raises(Refused, match=r"status 2 \(rejection\) 'Message digest algorithm is not supported.'"):
            check(token, tsa)
        assert not outside(token, tsa)


def test_granted_with_changes_is_not_granted(tsa: Tsa) -> None:
    token = stamped(tsa)
    place = token.index(b"\x30\x03\x02\x01\x00") + 4
    changed = token[:place] + b"\x01" + token[place + 1 :]
    with pytest.raises(Refused, match="granted with changes"):
        check(changed, tsa)


def test_a_sha1_imprint_is_refused(tmp_path: Path) -> None:
    with Tsa(made(tmp_path / "tsa"), digests=["sha1", "sha256", "sha384"]) as tsa:
        for kind, oid in (("-sha1", "1.3.14.3.2.26"), ("-sha384", "2.16.840.1.101.3.4.2.2")):
            token = tsa.reply(openssl_query(kind, "-cert"))
            assert outside(token, tsa)
            with pytest.raises(Refused, match=f"digest of kind {oid}, not over a SHA-256"):
                check(token, tsa, nonce=None)


def test_a_token_without_its_certificate_is_refused(tsa: Tsa) -> None:
    with pytest.raises(Refused, match="0 certificates of its signer"):
        check(tsa.reply(openssl_query("-sha256")), tsa, nonce=None)


def test_junk_is_refused(tsa: Tsa) -> None:
    token = stamped(tsa)
    for junk in (
        *(b"", b"\x30", b"<html>", b"\x30\x80\x00\x00", b"\x30\x84\xff\xff\xff\xff", b"\x1f\x81\x01\x00", bytes(1000)),
        *(token + b"\x00", token + token, b"\x30\x00" + token),
        *(token[:cut] for cut in range(0, len(token), 7)),
    ):
        with pytest.raises(Refused, match="not a time-stamp reply"):
            check(junk, tsa)
    with pytest.raises(Refused, match="10485760 bytes, more than"):
        check(b"\x30" * (10 << 20), tsa)
    with pytest.raises(Refused):
        check(timestamps_der.parse(token).token, tsa)  # the bare token is not the reply


def flipped(token: bytes, place: int) -> bytes:
    return token[:place] + bytes([token[place] ^ 1]) + token[place + 1 :]


def openssl_query(*options: str) -> bytes:
    command = ["openssl", "ts", "-query", "-data", "/dev/stdin", *options]
    return subprocess.run(command, input=DATA, capture_output=True, check=True).stdout


def resigned(tsa: Tsa, by: Certified, bound: str = "-cades") -> bytes:
    """The authority's own TSTInfo, signed again by a certificate that its own tool refuses to sign with."""
    pem, key = by.save(tsa.folder, "resigning")
    info = tsa.folder / "info.der"
    reply = timestamps_der.parse(stamped(tsa))
    verify = ["openssl", "cms", "-verify", "-noverify", "-inform", "DER", "-in", "/dev/stdin", "-out", str(info)]
    subprocess.run(verify, input=reply.token, capture_output=True, check=True)
    command: list[str | Path] = ["openssl", "cms", "-sign", "-binary", "-nodetach", bound, "-outform", "DER"]
    command += ["-in", info, "-econtent_type", "1.2.840.113549.1.9.16.1.4", "-signer", pem, "-inkey", key]
    token = subprocess.run(command, capture_output=True, check=True).stdout
    body = b"\x30\x03\x02\x01\x00" + token
    return b"\x30\x82" + len(body).to_bytes(2, "big") + body


def test_what_is_kept_can_be_read_as_certificates_by_others(tsa: Tsa) -> None:
    (kept,) = timestamps.certificates(stamped(tsa))
    assert x509.load_pem_x509_certificate(kept.public_bytes(Encoding.PEM)) == tsa.by.certificate
