"""Legal holds where a dock's key has put other bytes over evidence: a bucket under lock keeps both, and the evidence
must be what is held, and what is let go."""

from pathlib import Path
from typing import Literal

import pytest

from dockagent.clock import SystemClock
from dockagent.core.central.hold_note import HoldNote
from dockagent.custodian.legal_hold import MOST_VERSIONS
from dockagent.custodian.rounds import once
from dockagent.custodian.world import DAY_MS, Custodian
from dockagent.stores.archive_s3 import S3Archive
from hil.central import rgw
from tests.contracts.store_places import s3_client
from tests.custodian.account import CUSTODIAN
from tests.custodian.made import Dock, InBucket
from tests.custodian.test_holds import clip_of, its, made, one, place, told_to
from tests.custodian.test_rounds import reports_of

__all__ = ["its", "one", "place"]  # fixtures: pytest finds them by their names here


def cover(place: InBucket, prefix: str, name: str, data: bytes = b"JUNK on top") -> None:
    """Put other bytes over an object, with the key of a dock."""
    client = s3_client(place.bucket.endpoint, rgw.DOCK)
    client.put_object(Bucket=place.bucket.name, Key=f"evidence/dock-7/{prefix}/{name}", Body=data)


def holds_of(place: InBucket, prefix: str, name: str) -> list[str]:
    """The legal hold on every version of an object, oldest first, as an administrator sees it."""
    client, key = place.bucket.client, f"evidence/dock-7/{prefix}/{name}"
    answer = client.list_object_versions(Bucket=place.bucket.name, Prefix=key)
    ids = [row["VersionId"] for row in reversed(answer.get("Versions", [])) if row["Key"] == key]
    heads = [client.head_object(Bucket=place.bucket.name, Key=key, VersionId=one) for one in ids]
    return [head.get("ObjectLockLegalHoldStatus", "OFF") for head in heads]


def noted(its: Custodian, prefix: str, hold: int, name: str) -> list[tuple[str, str, str]]:
    said = told_to(its, clip_of(prefix), hold)
    assert isinstance(said, HoldNote)
    return [(row.version, row.before, row.now) for row in said.objects if row.name == name]


@pytest.mark.parametrize("name", ["master", "record.json"])
def test_a_hold_is_about_every_version_and_its_end_too(place: InBucket, one: Dock, its: Custodian, name: str) -> None:
    prefix = one.deliver(b"a clip")
    one.publish()
    once(its)
    cover(place, prefix, name)
    hold = one.tell("hold.set", clip_id=clip_of(prefix))
    one.publish()
    assert once(its).troubles == []
    assert holds_of(place, prefix, name) == ["ON", "ON"]
    versions = its.archive.versions(f"{prefix}/{name}")
    assert noted(its, prefix, hold, name) == [(one, "off", "on") for one in versions]
    one.tell("hold.clear", clip_id=clip_of(prefix), hold=hold)
    one.publish()
    assert "still-held" not in once(its).new
    assert holds_of(place, prefix, name) == ["OFF", "OFF"]


def test_what_is_put_on_top_of_a_hold_keeps_nothing_held(place: InBucket, one: Dock, its: Custodian) -> None:
    prefix = one.deliver(b"a clip")
    hold = one.tell("hold.set", clip_id=clip_of(prefix))
    one.publish()
    once(its)
    cover(place, prefix, "master")
    assert holds_of(place, prefix, "master") == ["ON", "OFF"]
    one.tell("hold.clear", clip_id=clip_of(prefix), hold=hold)
    one.publish()
    assert "still-held" not in once(its).new
    assert holds_of(place, prefix, "master") == ["OFF", "OFF"]


def test_a_hold_by_somebody_else_below_is_left_and_said(place: InBucket, one: Dock, its: Custodian) -> None:
    prefix = one.deliver(b"a clip")
    place.bucket.client.put_object_legal_hold(
        Bucket=place.bucket.name, Key=f"evidence/dock-7/{prefix}/master", LegalHold={"Status": "ON"}
    )
    (theirs,) = its.archive.versions(f"{prefix}/master")
    cover(place, prefix, "master")
    hold = one.tell("hold.set", clip_id=clip_of(prefix))
    one.tell("hold.clear", clip_id=clip_of(prefix), hold=hold)
    one.publish()
    assert once(its).new["still-held"] == 1
    assert holds_of(place, prefix, "master") == ["ON", "OFF"]
    assert f"master (version {theirs})" in str(reports_of(place, "still-held")[0]["words"])


def test_the_same_bytes_on_top_are_no_hold_that_was_lost(
    place: InBucket, one: Dock, its: Custodian, tmp_path: Path
) -> None:
    """An audit asks about the version that the receipt names."""
    prefix = one.deliver(b"a clip")
    one.tell("hold.set", clip_id=clip_of(prefix))
    one.publish()
    once(its)
    assert once(its).told == []
    cover(place, prefix, "master", b"a clip")
    soon = made(place, one, tmp_path, audit_ms=DAY_MS)
    assert "not-held" not in once(soon).new
    place.bucket.client.put_object_legal_hold(
        Bucket=place.bucket.name,
        Key=f"evidence/dock-7/{prefix}/master",
        VersionId=its.archive.versions(f"{prefix}/master")[0],
        LegalHold={"Status": "OFF"},
    )
    audited = made(place, one, tmp_path, audit_ms=1)
    assert once(audited).new["not-held"] == 1


def test_a_legal_hold_that_somebody_lifted_is_said_in_every_round_until_it_is_back(
    place: InBucket, one: Dock, its: Custodian, tmp_path: Path
) -> None:
    """Also where the next audit is a year away; and nothing is read for it but the receipt."""
    held, free = one.deliver(b"a clip"), one.deliver(b"another")
    hold = one.tell("hold.set", clip_id=clip_of(held))
    one.publish()
    once(its)

    def turned(word: Literal["ON", "OFF"]) -> None:
        key = f"evidence/dock-7/{held}/master"
        place.bucket.client.put_object_legal_hold(Bucket=place.bucket.name, Key=key, LegalHold={"Status": word})

    turned("OFF")
    audited = once(made(place, one, tmp_path, audit_ms=1))
    assert (audited.new["not-held"], audited.audits) == (1, 2)
    later = made(place, one, tmp_path, audit_ms=DAY_MS)
    for _ in range(2):
        tally = once(later)
        assert (len(tally.told), tally.exit_code, dict(tally.new), tally.read) == (1, 3, {}, 0)
    turned("ON")
    assert once(later).told == []
    turned("OFF")
    assert len(once(later).told) == 1
    one.tell("hold.clear", clip_id=clip_of(held), hold=hold)
    one.publish()
    assert once(later).told == []
    assert "not-held" not in once(later).new
    (said,) = reports_of(place, "not-held")
    assert said["what"] == clip_of(held) != clip_of(free)


def test_versions_come_oldest_first_also_under_a_delete_marker(place: InBucket, one: Dock) -> None:
    prefix = one.deliver(b"a clip")
    archive = S3Archive(place.bucket.settings(account=CUSTODIAN), SystemClock())
    (first,) = archive.versions(f"{prefix}/master")
    cover(place, prefix, "master")
    both = archive.versions(f"{prefix}/master")
    assert (both[0], len(both)) == (first, 2)
    place.bucket.client.delete_object(Bucket=place.bucket.name, Key=f"evidence/dock-7/{prefix}/master")
    assert archive.versions(f"{prefix}/master") == both
    assert archive.versions(f"{prefix}/nothing") == []


def test_what_a_delete_marker_hides_is_not_called_gone(place: InBucket, one: Dock, its: Custodian) -> None:
    prefix = one.deliver(b"a clip")
    one.publish()
    place.bucket.client.delete_object(Bucket=place.bucket.name, Key=f"evidence/dock-7/{prefix}/master")
    assert once(its).new["lost"] == 1
    (said,) = reports_of(place, "lost")
    assert f"a version of it is still there: take the delete marker over {prefix}/master away" in str(said["words"])


def test_a_flood_of_versions_ends_no_round_and_leaves_no_master_unheld(
    place: InBucket, one: Dock, its: Custodian
) -> None:
    prefix = one.deliver(b"a clip")
    for number in range(MOST_VERSIONS):
        cover(place, prefix, "preview/sprite.jpg", b"%d" % number)
    hold = one.tell("hold.set", clip_id=clip_of(prefix))
    one.publish()
    assert once(its).new["not-held"] == 1
    assert holds_of(place, prefix, "preview/sprite.jpg") == ["ON"] * MOST_VERSIONS + ["OFF"]
    assert holds_of(place, prefix, "master") == ["ON"]
    said = told_to(its, clip_of(prefix), hold)
    assert said is not None
    assert f"preview/sprite.jpg has {MOST_VERSIONS + 1} versions" in said.refused
