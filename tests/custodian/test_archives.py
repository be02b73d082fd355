"""What every store promises to a custodian: on a folder, a bucket, and Swift containers of two servers."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from dockagent.custodian.reread import small
from dockagent.errors import Missing, Refused, Retryable
from dockagent.stores import Conflict
from dockagent.stores.archive import FolderArchive
from hil.central import rgw
from tests.contracts.store_places import Bucket
from tests.custodian.in_container import InContainer
from tests.custodian.made import Folder, InBucket, Shelf

A, B = "clips/BWC-0001/2026/11/22", "clips/BWC-0001x/2026/11/22"
ROUNDS = 6


def test_it_lists_folders_and_objects_in_order(shelf: Shelf) -> None:
    there = {f"{A}/c1/master": b"one", f"{A}/c1/preview/a.jpg": b"", f"{A}/c2/master": b"three", f"{B}/c3/master": b"4"}
    for key, data in {**there, "quarantine/BWC-0009/c4/master": b"apart"}.items():
        shelf.put(key, data)
    archive = shelf.archive()
    assert archive.names("clips/") == ["BWC-0001", "BWC-0001x"]
    assert archive.names("catalogue/") == []
    listed = list(archive.list("clips/"))
    assert {one.key: one.size for one in listed} == {key: len(data) for key, data in there.items()}
    folders = [one.key.rsplit("/", 2 if "preview" in one.key else 1)[0] for one in listed]
    assert folders == sorted(folders), "what lies in one folder comes together"
    assert all(one.modified_ms > 1_700_000_000_000 for one in listed)
    assert list(archive.list("clips/BWC-0007/")) == []
    assert archive.asked["list" if "list" in archive.asked else "GET"] > 0


def test_it_gives_back_what_lies_there_with_what_the_store_says_of_it(shelf: Shelf) -> None:
    data = bytes(range(256)) * 9000
    shelf.put(f"{A}/c1/master", data)
    archive = shelf.archive()
    with archive.open(f"{A}/c1/master") as source:
        assert b"".join(iter(lambda: source.read(70_000), b"")) == data
        facts = archive.locks(f"{A}/c1/master", source.facts)
    (listed,) = archive.list(f"{A}/c1/")
    assert (facts.size, abs(facts.modified_ms - listed.modified_ms) < 1000) == (len(data), True)
    if isinstance(shelf, InContainer):
        assert facts.etag == hashlib.md5(data, usedforsecurity=False).hexdigest()
        assert (facts.mode, facts.until_ms, facts.hold) == ("", 0, "unknown")
    with pytest.raises(Missing, match="has no"), archive.open(f"{A}/c1/receipt.json"):
        pass


def test_what_is_added_is_written_once(shelf: Shelf) -> None:
    archive, key = shelf.archive(), f"{A}/c1/receipt.json"
    archive.add(key, b"the first")
    archive.add(key, b"the first")
    with pytest.raises(Conflict):
        archive.add(key, b"another")
    assert small(archive, key, 100, first=True) == b"the first"
    if not isinstance(shelf, InBucket):  # there a version of it lies above, and the first one counts
        assert shelf.take(key) == b"the first"


def test_of_two_who_add_at_once_one_is_told(shelf: Shelf) -> None:
    two = shelf.archive(), shelf.archive()
    ready = Barrier(2)

    def add(who: int, number: int) -> str:
        ready.wait(30)
        try:
            two[who].add(f"{A}/c{number}/receipt.json", b"by %d" % who)
        except Conflict:
            return "conflict"
        return f"by {who}"

    with ThreadPoolExecutor(2) as pool:
        for number in range(ROUNDS):
            said = list(pool.map(add, (0, 1), (number, number)))
            assert said.count("conflict") == 1, said
            stands = small(two[0], f"{A}/c{number}/receipt.json", 100, first=True).decode()
            assert stands in said


def test_the_first_is_what_came_before_there_were_versions(gateway: rgw.Gateway) -> None:
    """Its id is ``null`` (Amazon S3 User Guide, "Adding objects to versioning-enabled buckets")."""
    place, key = InBucket(Bucket(gateway.endpoint, "versions-came-later")), f"{A}/c1/receipt.json"
    place.put(key, b"the first")
    archive = place.archive()
    place.bucket.client.put_bucket_versioning(Bucket=place.bucket.name, VersioningConfiguration={"Status": "Enabled"})
    place.put(key, b"the second")
    assert small(archive, key, 100, first=True) == b"the first"
    with archive.open(key, first=True) as held:
        assert held.facts.version == archive.versions(key)[0] == "null"
    with pytest.raises(Conflict):
        archive.add(key, b"the second")


def test_a_folder_that_cannot_be_looked_at_is_trouble_with_the_store(folder: Folder) -> None:
    """A name that is too long stands for whatever the system may say: it says that to root too."""
    archive, key = FolderArchive(folder.url, folder.root / ("x" * 300)), f"{A}/c1/master"
    acts: list[Callable[[], object]] = [
        lambda: archive.versions(key),
        lambda: archive.names("clips/"),
        lambda: list(archive.list("clips/")),
        lambda: archive.add(key, b""),
        lambda: archive.open(key).__enter__(),
    ]
    for act in acts:
        with pytest.raises(Retryable, match="File name too long"):
            act()


def test_where_there_is_no_legal_hold_that_is_said(shelf: Shelf) -> None:
    archive = shelf.archive()
    shelf.put(f"{A}/c1/master", b"one")
    assert archive.knows_holds is isinstance(shelf, InBucket)
    if not archive.knows_holds:
        with pytest.raises(Refused, match="knows no legal hold"):
            archive.hold(f"{A}/c1/master", "", on=True)
