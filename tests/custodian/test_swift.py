"""A custodian beside real Swift: what only Swift does, and one whole round with an installed dock."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.custodian.reread import reread, small
from dockagent.custodian.rounds import once
from dockagent.errors import Missing, Retryable, UsageError
from dockagent.stores.archive import open_archive
from dockagent.stores.s3_settings import S3Settings
from dockagent.stores.swift_client import Client
from dockagent.stores.swift_listing import Listing
from hil.central import rgw, swift
from hil.central.front import Front, Said
from tests.contracts.store_sources import PART, honest, some_bytes
from tests.contracts.swift_place import PREFIX, Container, rgw_container
from tests.custodian.in_container import InContainer
from tests.custodian.made import Dock, custodian, dock
from tests.custodian.test_holds import told_to
from tests.custodian.test_rounds import receipt_of, reports_of

KEY = "clips/BWC-0001/2026/11/22/c1/master"
LARGE = some_bytes(2 * PART + 70_001)


@pytest.fixture
def place(openstack: swift.Swift) -> InContainer:
    return InContainer(Container(openstack.auth_url, swift.ADMIN.name, swift.ADMIN.key))


@pytest.fixture
def one(place: InContainer, tmp_path: Path) -> Dock:
    return dock(place, tmp_path)


@pytest.fixture
def front(openstack: swift.Swift) -> Iterator[Front]:
    with Front(openstack.port) as running:
        yield running


def segments(place: InContainer) -> list[str]:
    beside = f"{place.container.name}_segments"
    return [f"/{beside}/{row['name']}" for row in place.container.way.names(beside)]


def read_back(place: InContainer) -> str:
    return reread(place.archive(), KEY, lambda: None, chunks=True).sha256


def test_a_large_object_is_read_as_one(place: InContainer) -> None:
    place.container.open().put(KEY, honest(LARGE))
    assert len(segments(place)) == 3
    found = reread(place.archive(), KEY, lambda: None, chunks=True)
    assert (found.size, found.sha256) == (len(LARGE), hashlib.sha256(LARGE).hexdigest())


@pytest.mark.parametrize("number", [0, 2])
@pytest.mark.parametrize("act", ["altered", "gone"])
def test_a_segment_that_is_not_what_it_was_is_no_line_that_broke(place: InContainer, number: int, act: str) -> None:
    place.container.open().put(KEY, honest(LARGE))
    name = segments(place)[number]
    if act == "altered":
        _, _, was = place.container.way.ask("GET", name)
        assert place.container.way.ask("PUT", name, was[:-1] + bytes([was[-1] ^ 1]))[0] == 201
    else:
        assert place.container.way.ask("DELETE", name)[0] == 204
    with pytest.raises(Missing, match=f"{name} (has MD5|is not there)"):
        read_back(place)


def test_ceph_gives_altered_segments_and_the_digest_tells(gateway: rgw.Gateway) -> None:
    place = InContainer(rgw_container(gateway))
    place.container.open().put(KEY, honest(LARGE))
    assert read_back(place) == hashlib.sha256(LARGE).hexdigest()
    name = segments(place)[1]
    assert place.container.way.ask("PUT", name, b"y" * PART)[0] == 201
    assert read_back(place) != hashlib.sha256(LARGE).hexdigest()


def test_a_server_that_does_not_answer_has_lost_nothing(place: InContainer, openstack: swift.Swift) -> None:
    place.container.open().put(KEY, honest(LARGE))
    openstack.kill_server("object")
    try:
        with pytest.raises(Retryable):
            read_back(place)
    finally:
        openstack.revive_server("object")
    end = time.monotonic() + 60
    while True:  # the proxy leaves a server alone for a moment that failed it
        try:
            assert read_back(place) == hashlib.sha256(LARGE).hexdigest()
        except Retryable:
            assert time.monotonic() < end
            time.sleep(0.1)
        else:
            return


def test_a_listing_goes_on_over_many_pages(place: InContainer) -> None:
    keys = [f"clips/C{number}/2026/{name}" for number in range(3) for name in ("a", "b", "c")]
    for key in keys:
        place.put(key, b"x")
    pages = Listing(Client(place.settings), place.url, place.container.name, page=2)
    top = f"{PREFIX}/clips/"
    assert [row.name.removeprefix(f"{PREFIX}/") for row in pages.rows(top)] == keys
    assert [row.subdir.removeprefix(top) for row in pages.rows(top, folders=True)] == ["C0/", "C1/", "C2/"]


def test_of_versions_the_first_counts(place: InContainer) -> None:
    place.keep_versions()
    key, archive = "custodian/x", place.archive()
    archive.add(key, b"the first")
    for number in range(4):
        place.put(key, b"by a stranger, %d" % number)
    assert (small(archive, key, 100), small(archive, key, 100, first=True)) == (b"by a stranger, 3", b"the first")
    listed = Listing(Client(place.settings), place.url, place.container.name, page=2)
    versions = [row.version_id for row in listed.rows(f"{PREFIX}/{key}", versions=True)]
    assert len(set(versions)) == 5
    place.drop(key)
    with pytest.raises(Missing), archive.open(key):
        pass
    with archive.open(key, first=True) as source:
        assert (source.facts.version, source.read(100)) == (versions[-1], b"the first")


def test_a_page_of_somebody_else_is_no_listing(place: InContainer, front: Front) -> None:
    settings = replace(place.settings, auth_urls=(f"http://127.0.0.1:{front.port}/auth/v1.0",))
    front.answer(f"GET /v1/AUTH_ev/{place.container.name}", Said(200, b"<html>Please log in</html>"))
    archive = open_archive(place.url, S3Settings(), SystemClock(), settings)
    with pytest.raises(Retryable, match="Please log in"):
        archive.names("clips/")
    assert archive.names("clips/") == []


def test_no_camera_is_erased_where_the_store_has_no_locks(place: InContainer, one: Dock, tmp_path: Path) -> None:
    prefix = one.deliver(b"a clip")
    one.publish()
    its = custodian(place, tmp_path, [one])
    assert [once(its).permits for _ in range(2)] == [0, 0]
    assert receipt_of(place, prefix, its.key.public).legal_hold == "unknown"


def test_a_hold_is_reported_and_ends_without_a_word(place: InContainer, one: Dock, tmp_path: Path) -> None:
    clip = one.deliver(b"a clip").rpartition("/")[2]
    hold = one.tell("hold.set", clip_id=clip)
    one.publish()
    its = custodian(place, tmp_path, [one])
    assert dict(once(its).new) == {"not-held": 1}
    assert "which knows no legal hold" in str(reports_of(place, "not-held"))
    answer = told_to(its, clip, hold)
    assert answer is not None
    assert "which knows no legal hold; have the storage below it keep the clip" in answer.refused
    one.tell("hold.clear", clip_id=clip, hold=hold)
    one.publish()
    assert (once(its).told, reports_of(place, "still-held")) == ([], [])


def test_an_evidence_system_is_refused_with_the_reason() -> None:
    with pytest.raises(UsageError, match="no listing, and need not show footage again"):
        open_archive("swift+axis:///etc/connection.json", S3Settings(), SystemClock())
