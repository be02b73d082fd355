"""The camera's manifest: what a valid one proves, what a bad one does not, and that outside tools see it our way."""

import base64
import hashlib
import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from dockagent.core import certificates, manifest
from dockagent.core.manifest import Reading, Verdicts, compare, judge, read
from dockagent.errors import Refused

AT = 1_795_363_331_000  # 2026-11-22T16:02:11Z
FOREVER = datetime(9999, 12, 31, 23, 59, 59)
CLIPS = tuple(f"DCIM/100BWC/BWC000{count}_20261122T08150{count}Z.MP4" for count in (1, 2, 3))
SIDECAR = CLIPS[0].replace("MP4", "GPS")
Key = ec.EllipticCurvePrivateKey
ROOT_KEY, SUB_KEY, LEAF_KEY, OTHER_KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(4))


def sha(path: str) -> str:
    return hashlib.sha256(path.encode()).hexdigest()


def name(common: str, *serials: str) -> x509.Name:
    parts = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Reference"),
        x509.NameAttribute(NameOID.COMMON_NAME, common),
    ]
    return x509.Name(parts + [x509.NameAttribute(NameOID.SERIAL_NUMBER, one) for one in serials])


LEAF_NAME, SUB_NAME = name("BWC-1", "BWC-0001"), name("Sub CA")


@dataclass(frozen=True)
class Make:
    """A recipe for one certificate, to be varied by tests."""

    subject: x509.Name = LEAF_NAME
    key: Any = LEAF_KEY
    issuer: x509.Name = SUB_NAME
    signer: Key = SUB_KEY
    ca: bool | None = False
    path_length: int | None = None
    usage: str = "digital_signature"
    start: datetime = datetime(2020, 1, 1)
    end: datetime = FOREVER
    critical_unknown: bool = False

    def build(self) -> x509.Certificate:
        builder = x509.CertificateBuilder(self.issuer, self.subject, self.key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(self.start).not_valid_after(self.end)
        for extension in (
            x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()),
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.signer.public_key()),
        ):
            builder = builder.add_extension(extension, False)
        if self.ca is not None:
            builder = builder.add_extension(x509.BasicConstraints(self.ca, self.path_length), True)
        if self.usage:
            every = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
                     "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")  # fmt: skip
            builder = builder.add_extension(x509.KeyUsage(**{one: one in self.usage.split() for one in every}), True)
        if self.critical_unknown:
            odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
            builder = builder.add_extension(odd, True)
        return builder.sign(self.signer, hashes.SHA256())


def authority(**changes: Any) -> Make:
    usual: dict[str, Any] = {"subject": SUB_NAME, "key": SUB_KEY, "issuer": name("Maker Root"), "signer": ROOT_KEY,
                             "ca": True, "path_length": 0, "usage": "key_cert_sign crl_sign"}  # fmt: skip
    return Make(**(usual | changes))


def root(**changes: Any) -> Make:
    return authority(**({"subject": name("Maker Root"), "key": ROOT_KEY, "path_length": None} | changes))


def foreign() -> Make:
    return root(subject=name("Other"), issuer=name("Other"), key=OTHER_KEY, signer=OTHER_KEY)


ROOT, SUB, LEAF = root().build(), authority().build(), Make().build()


def pem(*chain: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(Encoding.PEM) for one in chain)


CHAIN = pem(LEAF, SUB)


def statement(clips: Sequence[str] = CLIPS, others: Sequence[str] = (SIDECAR,), **changes: Any) -> dict[str, Any]:
    """A good statement; ``changes`` go into its predicate."""
    predicate = {
        "camera": {"maker": "Reference", "model": "BWC-1", "serial": "BWC-0001", "firmware": "1.4.2"},
        "sequence": 7,
        "created": "2026-11-22T16:02:11Z",
        "clips": [
            {
                "name": clip,
                "counter": count,
                "bytes": len(clip),
                "start": "2026-11-22T08:15:00Z",
                "zone": "Europe/London",
            }
            for count, clip in enumerate(clips, 1)
        ],
    }
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": one, "digest": {"sha256": sha(one)}} for one in (*clips, *others)],
        "predicateType": "urn:dockagent:camera-manifest:1",
        "predicate": predicate | changes,
    }


def pae(kind: str, payload: bytes) -> bytes:
    return b" ".join((b"DSSEv1", str(len(kind)).encode(), kind.encode(), str(len(payload)).encode(), payload))


def sign(payload: bytes, key: Key = LEAF_KEY, kind: str = "application/vnd.in-toto+json", copies: int = 1) -> bytes:
    sig = key.sign(pae(kind, payload), ec.ECDSA(hashes.SHA256()))
    one = {"keyid": "", "sig": base64.b64encode(sig).decode()}
    return json.dumps(
        {"payloadType": kind, "payload": base64.b64encode(payload).decode(), "signatures": [one] * copies}
    ).encode()


def envelope(said: dict[str, Any] | None = None, **how: Any) -> bytes:
    return sign(json.dumps(statement() if said is None else said).encode(), **how)


def reading(
    data: bytes | None = None, chain: bytes = CHAIN, roots: Sequence[x509.Certificate] = (ROOT,), **how: Any
) -> Reading:
    usual: dict[str, Any] = {"at_ms": AT, "card_serial": "BWC-0001", "uncertainty_ms": 50}
    return read(envelope() if data is None else data, chain, roots, **(usual | how))


def verdict(read_as: Reading | None, path: str = CLIPS[0], size: int | None = None, digest: str = "") -> Verdicts:
    return judge(read_as, path, len(path) if size is None else size, digest or sha(path))


def answers(said: Verdicts) -> tuple[str, str, str, str, str]:
    return said.intact, said.signature, said.signer, said.time, said.complete


# ---- the good case --------------------------------------------------------------------------------------------------


def test_a_good_manifest_proves_each_clip() -> None:
    good = reading()
    assert (good.signature, good.signer, good.serial, good.findings) == ("pass", "pass", "BWC-0001", ())
    assert good.manifest is not None
    assert good.manifest.clips[CLIPS[1]].counter == 2
    assert good.manifest.clips[CLIPS[1]].start_ms == 1_795_335_300_000
    for clip in CLIPS:
        said = verdict(good, clip)
        assert answers(said) == ("pass",) * 5
        assert said.quarantine_reason == ""
        assert all(said.reasons[one] for one in ("intact", "signature", "signer", "time", "complete"))
    assert answers(verdict(good, SIDECAR)) == ("pass", "pass", "pass", "unknown", "pass")
    assert compare(good, [*CLIPS, SIDECAR]) == ()


def test_values_round_trip_through_json() -> None:
    good = reading(envelope(statement(sequence=3)), previous_sequence=9)
    assert good.findings
    assert msgspec.json.decode(msgspec.json.encode(good), type=Reading) == good
    said = verdict(good)
    assert msgspec.json.decode(msgspec.json.encode(said), type=Verdicts) == said


def test_openssl_accepts_the_signature_that_we_accept(tmp_path: Path) -> None:
    payload = json.dumps(statement()).encode()
    data = sign(payload)
    assert reading(data).signature == "pass"
    (tmp_path / "key.pem").write_bytes(LEAF.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "sig").write_bytes(base64.b64decode(json.loads(data)["signatures"][0]["sig"]))
    for signed, code in ((pae("application/vnd.in-toto+json", payload), 0), (payload, 1)):
        (tmp_path / "signed").write_bytes(signed)
        command = ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "sig", "signed"]
        assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == code


# ---- bytes that differ, and signatures that are bad -----------------------------------------------------------------


def test_other_bytes_than_signed_go_to_quarantine() -> None:
    said = verdict(reading(), digest="00" * 32)
    assert answers(said) == ("fail", "pass", "pass", "pass", "unknown")
    assert said.quarantine_reason == f"the camera signed the digest {sha(CLIPS[0])}, but the dock read {'00' * 32}"


def test_other_bytes_than_a_stranger_signed_are_a_fail_too_but_equal_ones_prove_nothing() -> None:
    stranger = reading(roots=[root(key=OTHER_KEY, signer=OTHER_KEY).build()])
    assert (stranger.signature, stranger.signer) == ("pass", "fail")
    assert answers(verdict(stranger)) == ("unknown", "pass", "fail", "unknown", "unknown")
    assert verdict(stranger).quarantine_reason == ""
    assert verdict(stranger, digest="00" * 32).intact == "fail"
    assert verdict(stranger, digest="00" * 32).quarantine_reason


def test_without_roots_the_signer_is_unknown() -> None:
    nobody = reading(roots=[])
    assert (nobody.signature, nobody.signer) == ("pass", "unknown")
    assert answers(verdict(nobody)) == ("unknown", "pass", "unknown", "unknown", "unknown")


def test_an_invalid_signature_proves_nothing_and_quarantines() -> None:
    forged = reading(envelope(key=OTHER_KEY))
    assert (forged.signature, forged.manifest) == ("fail", None)
    for digest in (sha(CLIPS[0]), "00" * 32):
        said = verdict(forged, digest=digest)
        assert answers(said) == ("unknown", "fail", "unknown", "unknown", "unknown")
        assert "was not made by the camera certificate's key" in said.quarantine_reason
    assert compare(forged, []) == ()


def test_without_a_manifest_integrity_begins_at_the_dock() -> None:
    said = verdict(None)
    assert answers(said) == ("unknown", "unsigned", "unsigned", "unknown", "unknown")
    assert (said.quarantine_reason, compare(None, CLIPS)) == ("", ())


def test_a_clip_that_the_manifest_does_not_name_is_unsigned() -> None:
    said = verdict(reading(), "DCIM/100BWC/BWC0009_20261122T090000Z.MP4")
    assert answers(said) == ("unknown", "unsigned", "unsigned", "unknown", "unknown")
    assert said.quarantine_reason == ""


def without(said: dict[str, Any], key: str) -> dict[str, Any]:
    return {one: value for one, value in said.items() if one != key}


def named(path: str) -> dict[str, Any]:
    return statement(clips=[path], others=[])


def clip(**changes: Any) -> dict[str, Any]:
    good = statement()
    return good | {"predicate": good["predicate"] | {"clips": [good["predicate"]["clips"][0] | changes]}}


REFUSED = [
    (named("../../etc/passwd"), "no path below the card's root"),
    (named("/etc/passwd"), "no path below the card's root"),
    (named("DCIM//x.MP4"), "no path below the card's root"),
    (named("DCIM/./x.MP4"), "no path below the card's root"),
    (named("DCIM/x/"), "no path below the card's root"),
    (named(""), "no path below the card's root"),
    (named("x" * 5000), "no path below the card's root"),
    (named("DCIM/x\0.MP4"), "which no camera writes"),
    (named("DCIM/x\n.MP4"), "which no camera writes"),
    (named("DCIM\\..\\x.MP4"), "which no camera writes"),
    (named("DCIM/\u202e4PM.exe"), "which no camera writes"),
    (statement(others=[SIDECAR, SIDECAR]), "twice"),
    (statement(clips=[CLIPS[0], CLIPS[0]], others=[]), "twice"),
    (statement() | {"subject": statement()["subject"][1:]}, "signs no digest of it"),
    (clip() | {"_type": "https://in-toto.io/Statement/v0.1"}, "not an in-toto statement"),
    (statement() | {"predicateType": "https://slsa.dev/provenance/v1"}, "not a camera manifest"),
    (without(statement(), "predicate"), "malformed: Object missing required field `predicate`"),
    (statement(sequence=-1), "malformed"),
    (statement(sequence="7"), "malformed"),
    (statement(sequence=7.0), "not a whole number"),
    (statement(sequence=2**60), "past 2^53-1"),
    (statement(created="yesterday"), "where a time like"),
    (statement(created="2026-11-22T16:02:11+01:00"), "where a time like"),
    (statement(created="2026-13-22T16:02:11Z"), "impossible time"),
    (statement(camera={"serial": ""}), "malformed"),
    (statement(camera={"serial": "BWC\n0001"}), "unprintable"),
    (clip(start="08:15"), "where a time like"),
    (clip(bytes=-1), "malformed"),
    (clip(name="other.MP4"), "signs no digest of it"),
    (statement() | {"subject": [{"name": "x", "digest": {"sha256": "00" * 32 + "\n"}}]}, "malformed"),
    (statement() | {"subject": [{"name": "x", "digest": {"sha256": "AB" * 32}}]}, "malformed"),
    (statement() | {"subject": [{"name": "x", "digest": {"md5": "00" * 16}}]}, "malformed"),
]


@pytest.mark.parametrize(("said", "why"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_signed_but_not_to_be_believed_is_refused(said: dict[str, Any], why: str) -> None:
    refused = reading(envelope(said))
    assert (refused.signature, refused.signer, refused.manifest) == ("fail", "pass", None)
    assert why in refused.signature_reason
    assert refused.signature_reason.isprintable()
    assert verdict(refused).quarantine_reason == f"signature: {refused.signature_reason}"


ODD_ENVELOPES = [
    (b"", "not valid JSON"),
    (b"\xff\xfe", "not valid JSON"),
    (b"[1]", "not a DSSE envelope"),
    (b"[" * 100_000, "not valid JSON"),
    (sign(b"not json"), "not valid JSON"),
    (sign(b"[]"), "not an in-toto statement"),
    (sign(json.dumps(statement()).encode().replace(b'"sequence": 7', b'"sequence": 7, "sequence": 8')), "twice"),
    (envelope(kind="application/json"), "payload type is not"),
    (envelope().replace(b'"payload":', b'"payload": "", "payload":'), "twice"),
    (envelope(copies=500), "500 signatures"),
    (envelope().replace(b'"sig": "', b'"sig": "AAAA'), "was not made by"),
    (envelope().replace(b'"sig": "', b'"sig": "!'), "base64"),
    (envelope().replace(b'"payload": "', '"payload": "é'.encode()), "base64"),
    (b"\0" * (50 << 20), "at most"),
    (b"{" + b" " * (40 << 20) + b"}", "at most"),
]


@pytest.mark.parametrize(("data", "why"), ODD_ENVELOPES, ids=range(len(ODD_ENVELOPES)))
def test_an_odd_envelope_is_a_fail_with_a_reason_and_no_error(data: bytes, why: str) -> None:
    started = time.process_time()
    refused = reading(data)
    assert time.process_time() - started < 2
    assert (refused.signature, refused.manifest) == ("fail", None)
    assert why in refused.signature_reason
    assert refused.sha256 == hashlib.sha256(data).hexdigest()


def test_a_changed_payload_under_the_old_signature_is_a_fail() -> None:
    good = json.loads(envelope())
    altered = base64.b64decode(good["payload"]).replace(sha(CLIPS[0]).encode(), b"00" * 32)
    refused = reading(json.dumps(good | {"payload": base64.b64encode(altered).decode()}).encode())
    assert refused.signature == "fail"


def test_keys_of_the_future_are_ignored() -> None:
    later = statement(weather="rain") | {"note": {"a": [1]}}
    later["subject"][0]["digest"]["sha512"] = "00" * 64
    assert reading(envelope(later)).signature == "pass"


# ---- time, completeness, sequence -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "uncertainty_ms", "answer", "why"), [
    ("2026-11-22T16:02:11Z", 0, "pass", "is possible"),
    ("2026-11-22T16:02:11.050Z", 50, "fail", "after it signed the manifest"),
    ("2009-12-31T23:59:59Z", 50, "fail", "clock was not set"),
    ("2010-01-01T00:00:00Z", 50, "pass", "is possible"),
])  # fmt: skip
def test_whether_the_start_is_plausible(start: str, uncertainty_ms: int, answer: str, why: str) -> None:
    said = verdict(reading(envelope(clip(start=start)), uncertainty_ms=uncertainty_ms))
    assert said.time == answer
    assert why in said.reasons["time"]


@pytest.mark.parametrize(("behind_ms", "uncertainty_ms", "answer"), [
    (60_000, 60_000, "pass"), (60_001, 60_000, "fail"), (60_001, -1, "unknown"), (0, -1, "pass"),
])  # fmt: skip
def test_a_start_in_the_future_of_the_docks_clock(behind_ms: int, uncertainty_ms: int, answer: str) -> None:
    ahead = envelope(clip(start="2026-11-22T16:02:11Z"))
    said = verdict(reading(ahead, at_ms=AT - behind_ms, uncertainty_ms=uncertainty_ms))
    assert said.time == answer


def test_too_few_bytes_and_a_hole_beside_a_clip_are_not_complete() -> None:
    assert verdict(reading(), size=5).complete == "fail"
    gone = statement(clips=(*CLIPS, "DCIM/4.MP4", "DCIM/5.MP4"))
    del gone["predicate"]["clips"][3]
    holed = reading(envelope(gone))
    assert [(one.code, one.text) for one in holed.findings] == [
        ("manifest-gap", "the camera's manifest leaves out counter 4 to 4")
    ]
    assert [verdict(holed, one).complete for one in (*CLIPS, "DCIM/5.MP4")] == ["pass", "pass", "fail", "fail"]
    assert answers(verdict(holed, CLIPS[2])) == ("pass", "pass", "pass", "pass", "fail")


@pytest.mark.parametrize(("previous", "code"), [(None, []), (6, []), (7, ["manifest-again"]), (8, ["manifest-replay"])])
def test_a_manifest_that_was_seen_before(previous: int | None, code: list[str]) -> None:
    assert [one.code for one in reading(previous_sequence=previous).findings] == code


def test_two_clips_with_one_counter() -> None:
    twice = statement()
    twice["predicate"]["clips"][1]["counter"] = 1
    twice["predicate"]["clips"][2]["counter"] = 2
    assert [one.code for one in reading(envelope(twice)).findings] == ["manifest-counter-twice"]


def test_manifest_and_card_are_compared() -> None:
    found = compare(reading(), [CLIPS[0], CLIPS[1], SIDECAR, "DCIM/100BWC/new.MP4"])
    assert [(one.code, one.path, one.severity) for one in found] == [
        ("signed-but-missing", CLIPS[2], "warning"),
        ("present-but-unsigned", "DCIM/100BWC/new.MP4", "warning"),
    ]
    assert len(compare(reading(), [f"{count}.MP4" for count in range(1000)])) == 4 + 26


# ---- certificates ---------------------------------------------------------------------------------------------------

LATE = datetime(2026, 1, 1)
TABLE: list[tuple[str, list[Make], list[Make], bool, bool, str]] = [
    # what, chain leaf first, roots, whether we trust it, whether openssl -x509_strict does, our reason
    ("good", [Make(), authority()], [root()], True, True, ""),
    ("straight from the root", [Make(issuer=name("Maker Root"), signer=ROOT_KEY)], [root()], True, True, ""),
    ("no basic constraints", [Make(ca=None), authority()], [root()], True, True, ""),
    ("one of two roots", [Make(), authority()],
     [foreign(), root()], True, True, ""),
    ("root sent along", [Make(), authority(), root()], [root()], True, True, ""),
    ("foreign root", [Make(), authority()], [foreign()], False, False, "foreign root: CN=Maker"),
    ("root of the same name", [Make(), authority()], [root(key=OTHER_KEY, signer=OTHER_KEY)], False, False,
     "CN=Sub CA,O=Reference was not signed by the CN=Maker Root,O=Reference that it names"),
    ("intermediate left out", [Make()], [root()], False, False, "foreign root: CN=Sub CA"),
    ("expired", [Make(end=LATE), authority()], [root()], False, False, "the camera certificate expired on 2026-01-01"),
    ("not yet valid", [Make(start=datetime(2030, 1, 1)), authority()], [root()], False, False, "not valid before 2030"),
    ("expired intermediate", [Make(), authority(end=LATE)], [root()], False, False,
     "the certificate of CN=Sub CA,O=Reference expired on 2026-01-01"),
    ("expired root", [Make(), authority()], [root(end=LATE)], False, False, "CN=Maker Root,O=Reference expired"),
    ("intermediate is no CA", [Make(), authority(ca=False, path_length=None, usage="digital_signature")], [root()],
     False, False, "basicConstraints.cA must be asserted"),
    ("intermediate may not certify", [Make(), authority(usage="crl_sign")], [root()], False, False, "no keyCertSign"),
    ("signed by another", [Make(signer=OTHER_KEY), authority()], [root()], False, False, "was not signed by"),
    ("path too long", [Make(issuer=name("Sub Sub"), signer=OTHER_KEY),
     authority(subject=name("Sub Sub"), key=OTHER_KEY, issuer=name("Sub CA"), signer=SUB_KEY), authority()],
     [root()], False, False, "path length constraint violated"),
    ("unknown critical extension", [Make(critical_unknown=True), authority()], [root()], False, False, "critical ext"),
    # Where we ask for more than openssl's general purpose:
    ("leaf is a CA", [Make(ca=True, usage="digital_signature key_cert_sign"), authority(path_length=1)], [root()],
     False, True, "is that of a CA"),
    ("leaf may not sign", [Make(usage="key_agreement"), authority()], [root()], False, True, "key usage is not that"),
    ("leaf without key usage", [Make(usage=""), authority()], [root()], False, True, "key usage is not that"),
    ("leaf without serial", [Make(subject=name("BWC-1")), authority()], [root()], False, True, "exactly one"),
    ("leaf with two serials", [Make(subject=name("B", "1", "2")), authority()], [root()], False, True, "exactly one"),
    ("leaf with a P-384 key", [Make(key=ec.generate_private_key(ec.SECP384R1())), authority()], [root()], False, True,
     "not ECDSA P-256"),
    ("leaf with an Ed25519 key", [Make(key=ed25519.Ed25519PrivateKey.generate()), authority()], [root()], False, True,
     "not ECDSA P-256"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("chain", "roots", "ours", "openssl", "why"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_the_chain_is_judged_as_written_and_as_openssl_does(
    tmp_path: Path, chain: list[Make], roots: list[Make], ours: bool, openssl: bool, why: str
) -> None:
    built, anchors = [one.build() for one in chain], [one.build() for one in roots]
    (tmp_path / "leaf.pem").write_bytes(pem(built[0]))
    (tmp_path / "more.pem").write_bytes(pem(*built[1:], *anchors))
    (tmp_path / "roots.pem").write_bytes(pem(*anchors))
    command = ["openssl", "verify", "-x509_strict", "-attime", str(AT // 1000), "-CAfile", "roots.pem"]
    extra = ["-untrusted", "more.pem", "leaf.pem"]
    there = subprocess.run([*command, *extra], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (there.returncode == 0) is openssl, there.stderr
    if ours:
        certificates.trust(built, anchors, AT)
        return
    with pytest.raises(Refused) as caught:
        certificates.trust(built, anchors, AT)
    assert why in caught.value.what


def test_the_signers_reason_is_in_the_reading() -> None:
    expired = reading(chain=pem(Make(end=LATE).build(), SUB))
    assert (expired.signature, expired.signer) == ("pass", "fail")
    assert "expired on 2026-01-01" in expired.signer_reason
    assert reading(chain=pem(Make(end=LATE).build(), SUB), at_ms=1_750_000_000_000).signer == "pass"


@pytest.mark.parametrize(("card", "said", "where"), [
    ("BWC-0002", "BWC-0001", "camera.json says BWC-0002"), ("BWC-0001", "BWC-0009", "the manifest says BWC-0009"),
    ("", "BWC-0009", "the manifest says BWC-0009"),
])  # fmt: skip
def test_a_serial_that_differs_is_another_cameras_manifest(card: str, said: str, where: str) -> None:
    other = reading(envelope(statement(camera={"serial": said})), card_serial=card)
    assert (other.signature, other.signer) == ("pass", "fail")
    assert where in other.signer_reason


def test_a_card_that_does_not_say_its_serial_is_known_by_its_certificate() -> None:
    assert reading(card_serial="").signer == "pass"


@pytest.mark.parametrize(("chain", "why"), [
    (b"", "no readable certificates"), (b"\0" * 100, "no readable certificates"),
    (CHAIN[:300], "no readable certificates"),
    (pem(LEAF) * 5000, "more than 8 certificates"), (b"x" * (50 << 20), "more than 8 certificates"),
    (pem(*[SUB] * 9), "more than 8 certificates"),
    (pem(Make(key=ed25519.Ed25519PrivateKey.generate()).build(), SUB), "not ECDSA P-256"),
])  # fmt: skip
def test_an_odd_chain_is_a_fail_with_a_reason_and_no_error(chain: bytes, why: str) -> None:
    started = time.process_time()
    refused = reading(chain=chain)
    assert time.process_time() - started < 1
    assert refused.signature == "fail"
    assert refused.signer != "pass"
    assert why in refused.signature_reason


DER = LEAF.public_bytes(Encoding.DER)


# The library warns of serial numbers and parameters that it will refuse one day; today they must not be trusted either.
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(DER) - 1), st.binary(min_size=1, max_size=4), st.sampled_from(["leaf", "sub", "root"]))
def test_no_damaged_certificate_is_trusted_or_raises(at: int, noise: bytes, which: str) -> None:
    der = {"leaf": DER, "sub": SUB.public_bytes(Encoding.DER), "root": ROOT.public_bytes(Encoding.DER)}[which]
    at %= len(der) - len(noise)
    bad = der[:at] + noise + der[at + len(noise) :]
    wrapped = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(bad) + b"-----END CERTIFICATE-----\n"
    chain = {"leaf": wrapped + pem(SUB), "sub": pem(LEAF) + wrapped, "root": pem(LEAF, SUB) + wrapped}[which]
    said = reading(chain=chain)
    if which == "leaf" and bad != der:
        assert said.signer != "pass"
    assert said.signer_reason.isprintable()


GOOD = envelope()


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=3))
def test_no_damaged_envelope_raises_or_proves_other_bytes(at: int, noise: bytes) -> None:
    said = reading(GOOD[:at] + noise + GOOD[at + len(noise) :])
    assert said.manifest in (None, reading(GOOD).manifest)


# ---- size -----------------------------------------------------------------------------------------------------------


def test_ten_thousand_clips_are_read_and_judged_in_seconds() -> None:
    clips = [f"DCIM/{100 + count // 999}BWC/BWC{count:05}_20261122T081500Z.MP4" for count in range(10_000)]
    data = envelope(statement(clips=clips, others=[one.replace("MP4", "GPS") for one in clips]))
    assert len(data) < manifest.MAX_ENVELOPE_BYTES
    started = time.process_time()
    big = reading(data)
    assert big.manifest is not None, big.signature_reason
    assert {verdict(big, one).intact for one in clips} == {"pass"}
    assert time.process_time() - started < 10


def test_the_time_used_in_these_tests_is_the_one_in_words() -> None:
    assert datetime.fromtimestamp(AT / 1000, UTC) == datetime(2026, 11, 22, 16, 2, 11, tzinfo=UTC)
