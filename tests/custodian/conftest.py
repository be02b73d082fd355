"""The stores that a custodian is tried on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.central import rgw
from tests.contracts.store_places import Bucket, real_s3_server
from tests.contracts.swift_place import openstack, swift_place
from tests.custodian import account
from tests.custodian.in_container import InContainer
from tests.custodian.made import Folder, InBucket, Shelf

__all__ = ["openstack"]  # a fixture: pytest finds it by its name here

_numbers = iter(range(10_000))


@pytest.fixture(scope="session")
def gateway() -> Iterator[rgw.Gateway]:
    with real_s3_server() as running:
        account.make(running)
        yield running


@pytest.fixture(params=["directory", "rgw", "swift", "swift-rgw"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    if request.param == "directory":
        return Folder(tmp_path / "store")
    if request.param.startswith("swift"):
        return InContainer(swift_place(request.param, request))
    server: rgw.Gateway = request.getfixturevalue("gateway")
    return InBucket(Bucket(server.endpoint, f"custodian-{next(_numbers)}", locked=True))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "store")
