"""Enrolment: the agency's CA certifies the identity, and what it sends back is taken only when it fits."""

import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from dockagent.core import custody
from dockagent.core import events as ev
from dockagent.core.model import State
from dockagent.core.moment import Instant
from dockagent.durable import RealDisk
from dockagent.errors import Refused
from dockagent.ledger import keys_enroll, keys_rotation, trust
from dockagent.ledger.keys import Keys
from dockagent.ledger.log import Ledger
from tests.ledger import made
from tests.ledger.authority import NOW, NOW_MS, YEAR, Authority, pem


@pytest.fixture(scope="module")
def agency() -> Authority:
    return Authority.root()


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return made.keys(tmp_path / "keys")


def check(keys: Keys, chain: tuple[x509.Certificate, ...], *roots: Authority) -> None:
    keys_enroll.check_chain(keys.dock, chain, [one.certificate for one in roots], NOW_MS)


def test_a_chain_that_fits_is_taken_with_its_root_or_without(keys: Keys, agency: Authority) -> None:
    middle = agency.below("Agency Docks")
    long = (middle.issue(keys.identity.public, "dock-7"), middle.certificate)
    check(keys, agency.for_dock(keys), agency)
    check(keys, agency.for_dock(keys))
    check(keys, long, agency)
    check(keys, (*long, agency.certificate), agency)


WRONG: dict[str, tuple[str, Callable[[Keys, Authority], tuple[x509.Certificate, ...]]]] = {
    "another key": (
        "not for this dock's identity key",
        lambda k, a: (a.issue(ec.generate_private_key(ec.SECP256R1()).public_key(), "dock-7"), a.certificate),
    ),
    "the record key": (
        "not for this dock's identity key",
        lambda k, a: (a.issue(k.dock.record_key, "dock-7"), a.certificate),
    ),
    "another curve": (
        "not ECDSA P-256",
        lambda k, a: (a.issue(ec.generate_private_key(ec.SECP384R1()).public_key(), "dock-7"), a.certificate),
    ),
    "same-size curve": (
        "not ECDSA P-256",
        lambda k, a: (a.issue(ec.generate_private_key(ec.BrainpoolP256R1()).public_key(), "dock-7"), a.certificate),
    ),
    "another dock": ("this is dock dock-7", lambda k, a: (a.issue(k.identity.public, "dock-8"), a.certificate)),
    "no serial": ("exactly one serialNumber", lambda k, a: (a.issue(k.identity.public, ""), a.certificate)),
    "a CA": ("is that of a CA", lambda k, a: (a.issue(k.identity.public, "dock-7", ca=True), a.certificate)),
    "key usage": ("digitalSignature", lambda k, a: (a.issue(k.identity.public, "dock-7", sign=False), a.certificate)),
    "expired": (
        "dock certificate expired on 2026-11-21",
        lambda k, a: (a.issue(k.identity.public, "dock-7", ends=NOW - timedelta(hours=15)), a.certificate),
    ),
    "not yet": (
        "not valid before 2026-11-23",
        lambda k, a: (a.issue(k.identity.public, "dock-7", begins=NOW + timedelta(hours=20)), a.certificate),
    ),
    "order": ("not for this dock's identity key", lambda k, a: tuple(reversed(a.for_dock(k)))),
    "stranger between": (
        "out of order",
        lambda k, a: (a.for_dock(k)[0], Authority.root("Other").certificate, a.certificate),
    ),
    "foreign": ("foreign root", lambda k, a: Authority.root("Other").for_dock(k)[:1]),
    "same name": ("was not signed by", lambda k, a: Authority.root("Agency CA").for_dock(k)[:1]),
    "nothing": ("holds no certificate", lambda k, a: ()),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_refused_with_the_reason(keys: Keys, agency: Authority, case: str) -> None:
    reason, chain = WRONG[case]
    with pytest.raises(Refused, match=reason):
        check(keys, chain(keys, agency), agency)


def test_a_lone_certificate_needs_the_root(keys: Keys, agency: Authority) -> None:
    with pytest.raises(Refused, match="came alone"):
        check(keys, agency.for_dock(keys)[:1])
    check(keys, agency.for_dock(keys)[:1], agency)


def test_an_expired_ca_is_refused(keys: Keys) -> None:
    old = Authority.root("Old CA", NOW - 3 * YEAR, 2 * YEAR)
    with pytest.raises(Refused, match="expired"):
        check(keys, old.for_dock(keys), old)


def test_the_chain_is_kept_beside_the_keys_and_told_to_the_ledger_once(
    tmp_path: Path, keys: Keys, agency: Authority
) -> None:
    disk, ledger = RealDisk(tmp_path / "keys"), RealDisk(tmp_path / "ledger")
    chain = agency.for_dock(keys)
    keys_enroll.keep(disk, keys, chain)
    again = Keys.load(disk)
    assert again.dock.chain_pem.encode() == pem(*chain) == disk.read("certificate.pem")
    assert trust.parse(again.trust.encode()) == again.trust

    write = keys_rotation.recorder(
        lambda: Instant(NOW_MS, "boot", 1, "rtc", -1),
        custody.Setting(keys.origin, keys.dock.id, "", "", "0", ""),
    )
    for _ in range(2):
        keys_rotation.tell(ledger, again, write)
    (payload,) = Ledger.read(ledger, again.dock.record_key)
    event, _ = custody.event_of(payload, 0)
    assert event == ev.KeysCertified(1, again.dock.statement.decode(), again.dock.chain_pem)
    state = State()
    custody.replay([payload], state)
    assert keys_enroll.news(again.dock, state.keys_noted) == ()
    renewed = again.enrolled(agency.for_dock(keys), pem(*agency.for_dock(keys)).decode())
    assert len(keys_enroll.news(renewed.dock, state.keys_noted)) == 1


def test_openssl_alone_gets_from_the_ca_to_the_log_key(tmp_path: Path, keys: Keys, agency: Authority) -> None:
    """The commands of docs/keys.md: CA, identity, statement, log key."""
    leaf, root = agency.for_dock(keys)
    (tmp_path / "leaf.pem").write_bytes(pem(leaf))
    (tmp_path / "ca.pem").write_bytes(pem(root))
    envelope = keys.dock.as_json()["statement"]
    script = """set -eu
    openssl verify -x509_strict -CAfile ca.pem leaf.pem
    openssl x509 -in leaf.pem -noout -pubkey > identity.pub
    python3 - <<'END'
import base64, json
e = json.load(open("statement.json")); p = base64.b64decode(e["payload"])
open("payload.json", "wb").write(p)
open("pae", "wb").write(b"DSSEv1 %d %s %d %s" % (len(e["payloadType"]), e["payloadType"].encode(), len(p), p))
open("sig", "wb").write(base64.b64decode(e["signatures"][0]["sig"]))
END
    openssl dgst -sha256 -verify identity.pub -signature sig pae
    grep -o '"log_vkey":"[^"]*"' payload.json
    sed -i s/dock-7/dock-8/ pae
    openssl dgst -sha256 -verify identity.pub -signature sig pae || echo altered: refused
    """
    (tmp_path / "statement.json").write_bytes(keys.dock.statement)
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "leaf.pem: OK" in done.stdout
    assert "Verified OK" in done.stdout
    assert f'"log_vkey":"{keys.vkey}"' in done.stdout
    assert "altered: refused" in done.stdout
    assert envelope["payloadType"] == "application/vnd.dockagent.keys+json"
