"""``dockagent store check`` against a real server, and against servers that only pretend."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from dockagent.clock import SystemClock
from dockagent.core.central import promise as pr
from dockagent.errors import Retryable
from dockagent.stores.promises import Credential, Proof
from dockagent.stores.s3 import S3Store
from dockagent.stores.s3_settings import S3Settings
from hil.central import pretenders, rgw
from hil.central.rights import dock_rules, write_only
from tests.contracts.store_places import Bucket, gateway, s3_client

__all__ = ["gateway"]  # a fixture: pytest finds it by its name here

SCRATCH = "scratch/dock-7/0123456789abcdef"
ADMIN = Credential(rgw.ADMIN.access_key, rgw.ADMIN.secret_key)
_SAID_BY_THE_DOCK = (pr.REFUSES_STRANGERS, pr.REFUSES_WRONG_HASH, pr.REFUSES_DELETE, pr.REFUSES_EARLY_END)

_BY_ITS_RIGHTS = (pr.REFUSES_READ, pr.REFUSES_CUSTODIANS_NAMES)


@pytest.fixture
def newer(gateway: rgw.Gateway) -> bool:
    """Whether the server knows checksums and conditional writes in versioned buckets."""
    return int(gateway.version().split(".")[0]) >= 20


@pytest.fixture
def locked(gateway: rgw.Gateway, request: pytest.FixtureRequest) -> Bucket:
    return Bucket(gateway.endpoint, f"proof-{abs(hash(request.node.name)) % 10**8}", locked=True)


def proved(bucket: Bucket, account: rgw.Account = rgw.DOCK, admin: Credential | None = None) -> Proof:
    return S3Store(bucket.settings(account=account), SystemClock()).prove(SCRATCH, admin)


def test_a_locked_bucket_and_a_dock_that_may_only_put(locked: Bucket, newer: bool) -> None:
    locked.only_writing()
    proof = proved(locked)
    said = pr.answers(proof.kept)
    assert proof.standing == "honest"
    assert {said[one] for one in (*_SAID_BY_THE_DOCK, *_BY_ITS_RIGHTS, pr.KEEPS_VERSIONS, pr.RIGHT_CLOCK)} == {pr.KEPT}
    for one in (pr.REFUSES_SECOND_WRITE, pr.STATES_CHECKSUMS, pr.CHECKS_COMPOSITE):
        assert said[one] == (pr.KEPT if newer else pr.BROKEN)
    assert {said[one] for one in pr.LOCKS} == {pr.NOT_ASKED}
    assert proof.event().store == locked.open().url


CLIP = f"clips/receipt-1/2026/11/22/{'ab' * 16}"
APART = f"quarantine/permit-1/{'ab' * 16}"
DOCKS = (f"{CLIP}/master", f"{CLIP}/record.json", f"{CLIP}/preview/sprite.jpg", f"{APART}/master", "catalogue/d/c.json")
CUSTODIANS = (
    *(f"{CLIP}/{name}" for name in ("receipt.json", "receipt.0a1b2c3d.json", "permit.json", "permit.2.json")),
    *(f"{where}/audit.1.json" for where in (CLIP, APART)),
    *(f"{APART}/receipt.json", f"{APART}/permit.json", "custodian/reports/altered/x.json"),
)


def test_a_dock_may_not_write_what_only_the_custodian_writes(locked: Bucket) -> None:
    locked.only_writing()
    dock = s3_client(locked.endpoint, rgw.DOCK)
    where = [{"Bucket": locked.name, "Key": f"evidence/dock-7/{key}"} for key in CUSTODIANS]
    for one in where:
        for attempt in (dock.put_object, dock.create_multipart_upload):
            with pytest.raises(ClientError, match="AccessDenied"):
                attempt(**one)  # type: ignore[arg-type]
        locked.client.put_object(**one)  # type: ignore[arg-type]
    for key in DOCKS:
        dock.put_object(Bucket=locked.name, Key=f"evidence/dock-7/{key}", Body=b"footage")


def test_one_name_of_the_custodian_that_a_dock_may_write_is_found_and_nothing_is_left(locked: Bucket) -> None:
    policy = json.loads(write_only(locked.name, "evidence/dock-7", rgw.DOCK.name, rgw.ADMIN.name))
    denied = policy["Statement"][-1]["Resource"]
    denied.remove(f"arn:aws:s3:::{locked.name}/evidence/dock-7/quarantine/*/*/permit*")
    locked.client.put_bucket_policy(Bucket=locked.name, Policy=json.dumps(policy))
    (found,) = [one for one in proved(locked).kept if one.promise == pr.REFUSES_CUSTODIANS_NAMES]
    assert found.answer == pr.BROKEN
    assert f"under quarantine/scratch/{'0' * 32}/permit.json, and aborted" in found.how
    assert locked.leftovers() == []
    keys = [one["Key"] for one in locked.client.list_objects_v2(Bucket=locked.name)["Contents"]]
    assert all(key.startswith(f"evidence/dock-7/{SCRATCH}/") for key in keys)


def test_the_policy_of_the_documents_is_the_one_that_is_tested() -> None:
    page = (Path(__file__).parents[2] / "docs" / "stores.md").read_text()
    shown = json.loads(page.partition("```json\n")[2].partition("```")[0])
    assert shown["Statement"] == dock_rules("evidence", "force", "dock-7")


def test_with_an_administrator_the_lock_is_tried_and_holds(locked: Bucket, newer: bool) -> None:
    locked.only_writing()
    proof = proved(locked, admin=ADMIN)
    said = pr.answers(proof.kept)
    assert proof.standing == "write-once", proof.kept
    assert said[pr.KEEPS_LEGAL_HOLD] == pr.KEPT
    assert said[pr.KEEPS_LEGAL_HOLD_OF_PARTS] == (pr.KEPT if newer else pr.BROKEN)
    locks = [one.how for one in proof.kept if one.promise in pr.LOCKS]
    assert all("it states COMPLIANCE until 20" in how and "answered 403" in how for how in locks)
    still = locked.client.list_object_versions(Bucket=locked.name, Prefix=f"evidence/dock-7/{SCRATCH}/lock")
    assert len(still["Versions"]) == 2
    assert all(one["Size"] < 100 for one in locked.client.list_objects_v2(Bucket=locked.name)["Contents"])


def test_governance_is_a_lock_that_an_administrator_opens(locked: Bucket) -> None:
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    locked.client.put_object_lock_configuration(
        Bucket=locked.name,
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule},  # type: ignore[typeddict-item]
    )
    locked.only_writing()
    proof = proved(locked, admin=ADMIN)
    said = pr.answers(proof.kept)
    assert {said[one] for one in pr.LOCKS} == {pr.BROKEN}
    assert proof.standing == "honest"


def test_a_bucket_without_versions_that_takes_a_second_write_in_parts_only_pretends(
    gateway: rgw.Gateway, newer: bool
) -> None:
    """Ceph 16 keeps to If-None-Match there where an object is put as a whole, and no dock that only puts does that."""
    bucket = Bucket(gateway.endpoint, "proof-plain")
    proof = proved(bucket, rgw.ADMIN, ADMIN)
    said = pr.answers(proof.kept)
    for one in (pr.KEEPS_VERSIONS, pr.REFUSES_DELETE, pr.REFUSES_EARLY_END, *_BY_ITS_RIGHTS, *pr.LOCKS):
        assert said[one] == pr.BROKEN, one
    (second,) = [one for one in proof.kept if one.promise == pr.REFUSES_SECOND_WRITE]
    refused = "answered 412 PreconditionFailed"
    taken = "If-None-Match: * was ignored, and a second write taken"
    assert second.how == f"as a whole: {refused}; in parts: {refused if newer else taken}"
    assert second.answer == (pr.KEPT if newer else pr.BROKEN)
    assert proof.standing == ("honest" if newer else "pretender")
    assert bucket.leftovers() == []


def test_a_store_that_does_not_take_even_an_honest_object_is_no_answer(gateway: rgw.Gateway, locked: Bucket) -> None:
    stranger = S3Store(locked.settings(account=rgw.Account("x", "NOBODYSKEY", "nobodyssecret")), SystemClock())
    with pytest.raises(Retryable, match="access key"):
        stranger.prove(SCRATCH)
    with pytest.raises(Retryable, match="network"):
        locked.unreachable().prove(SCRATCH)


@pytest.fixture(params=["moto", "rclone"])
def pretender(request: pytest.FixtureRequest) -> Iterator[pretenders.Pretender]:
    if pretenders.program(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    with pretenders.running(request.param) as one:
        yield one


def test_a_server_that_only_pretends_is_named(pretender: pretenders.Pretender) -> None:
    account = rgw.Account("x", pretender.access_key, pretender.secret_key)
    client = s3_client(pretender.endpoint, account)
    client.create_bucket(Bucket="evidence")
    settings = S3Settings(
        bucket="evidence",
        endpoint=pretender.endpoint,
        region="us-east-1",
        access_key=pretender.access_key,
        secret_key=pretender.secret_key,
    )
    proof = S3Store(settings, SystemClock()).prove(SCRATCH)
    assert proof.standing == "pretender"
    assert pr.answers(proof.kept)[pr.REFUSES_WRONG_HASH] == pr.BROKEN


def test_a_server_that_names_a_lock_and_deletes_all_the_same_is_named(gateway: rgw.Gateway) -> None:
    bucket = Bucket(gateway.endpoint, "proof-boast")
    with pretenders.boasting(gateway.port) as port:
        store = S3Store(bucket.settings(f"http://127.0.0.1:{port}"), SystemClock())
        proof = store.prove(SCRATCH)
    (lock,) = [one for one in proof.kept if one.promise == pr.LOCK_AS_STATED]
    assert lock.answer == pr.BROKEN
    assert "it stated COMPLIANCE until 2099" in lock.how
    assert proof.standing == "pretender"
