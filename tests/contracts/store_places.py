"""The stores that the contract is held against. To add one: a class like these, and a line in :data:`PLACES`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import boto3
import pytest
from botocore.exceptions import ClientError

from dockagent.clock import SystemClock
from dockagent.durable import RealDisk
from dockagent.stores import Store
from dockagent.stores.directory import DirectoryStore
from dockagent.stores.paced import paced
from dockagent.stores.s3 import S3Store
from dockagent.stores.s3_settings import S3Settings
from hil.central import lane_b, rgw
from hil.central.processes import free_ports
from hil.central.rights import write_only
from tests.contracts.store_sources import PART

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PREFIX = "evidence/dock-7"
PLACES = ("directory", "paced", "s3", "swift", "swift-rgw", "swift-axis")


class Place(Protocol):
    """One empty store, and a second way into it that is not ours."""

    def open(self) -> Store:
        """A new client of the same store, with parts of :data:`PART` bytes where it has parts."""
        ...

    def unreachable(self) -> Store:
        """A client of a store that does not answer."""
        ...

    def content(self, key: str) -> bytes | None:
        """The bytes under a key, or None."""
        ...

    def leftovers(self) -> list[str]:
        """What lies in the store besides whole objects."""
        ...


class Folder:
    """A folder on a real disk."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def open(self) -> DirectoryStore:
        return DirectoryStore(RealDisk(self.root), self.root.as_uri())

    def unreachable(self) -> DirectoryStore:
        """As after the mount has gone and something else is in its place."""
        store = self.open()
        for left in self.root.iterdir():
            left.unlink()
        self.root.rmdir()
        self.root.write_text("not a folder")
        return store

    def content(self, key: str) -> bytes | None:
        path = self.root / key
        return path.read_bytes() if path.is_file() else None

    def leftovers(self) -> list[str]:
        return [path.name for path in self.root.iterdir() if path.name.startswith(".")]


class Paced:
    """A folder that is fed at a pace: fast enough not to be waited for, in pieces all the same."""

    def __init__(self, root: Path) -> None:
        self.folder = Folder(root)

    def open(self) -> Store:
        return paced(self.folder.open(), 1 << 30, SystemClock())

    def unreachable(self) -> Store:
        return paced(self.folder.unreachable(), 1 << 30, SystemClock())

    def content(self, key: str) -> bytes | None:
        return self.folder.content(key)

    def leftovers(self) -> list[str]:
        return self.folder.leftovers()


class Bucket:
    """A new bucket on a real S3 server. ``locked``: with versions, Object Lock and a default retention."""

    def __init__(self, endpoint: str, name: str, *, locked: bool = False) -> None:
        self.name = name
        self.endpoint = endpoint
        self.client = s3_client(endpoint, rgw.ADMIN)
        self.client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=locked)
        if locked:
            self.client.put_object_lock_configuration(
                Bucket=name,
                ObjectLockConfiguration={
                    "ObjectLockEnabled": "Enabled",
                    "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}},
                },
            )

    def only_writing(self, prefix: str = PREFIX) -> None:
        """Leave the account DOCK nothing but to put below ``prefix``."""
        policy = write_only(self.name, prefix, rgw.DOCK.name, rgw.ADMIN.name)
        self.client.put_bucket_policy(Bucket=self.name, Policy=policy)

    def settings(self, endpoint: str = "", account: rgw.Account = rgw.ADMIN, attempts: int = 3) -> S3Settings:
        return S3Settings(
            bucket=self.name,
            prefix=PREFIX,
            endpoint=endpoint or self.endpoint,
            access_key=account.access_key,
            secret_key=account.secret_key,
            connect_timeout=5,
            read_timeout=20,
            attempts=attempts,
        )

    def open(self) -> S3Store:
        return S3Store(self.settings(), SystemClock(), part_size=PART)

    def unreachable(self) -> S3Store:
        return S3Store(self.settings(f"http://127.0.0.1:{free_ports(1)[0]}", attempts=1), SystemClock())

    def content(self, key: str) -> bytes | None:
        try:
            return self.client.get_object(Bucket=self.name, Key=f"{PREFIX}/{key}")["Body"].read()
        except ClientError as err:
            assert err.response["Error"]["Code"] == "NoSuchKey"
            return None

    def versions(self) -> int:
        """How many versions the bucket keeps, of all objects together."""
        return len(self.client.list_object_versions(Bucket=self.name).get("Versions", ()))

    def leftovers(self) -> list[str]:
        return [one["Key"] for one in self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", ())]


def s3_client(endpoint: str, account: rgw.Account) -> "S3Client":
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=account.access_key,
        aws_secret_access_key=account.secret_key,
    )


def _newer_ceph() -> bool:
    return os.environ.get("DOCKAGENT_CEPH") == "b"


def refuses_ends(place: Place) -> bool:
    """Whether this store refuses to make an object of parts where one is (``If-None-Match`` of Complete)."""
    return isinstance(place, Bucket) and _newer_ceph()


@contextmanager
def real_s3_server(objects: str = "memstore") -> Iterator[rgw.Gateway]:
    """A running Ceph RGW: the system's, or with ``DOCKAGENT_CEPH=b`` in the environment the newer one of the long tier.
    Skips where it is not installed, fails instead on CI."""
    if _newer_ceph():
        with lane_b.in_use() as root, rgw.running(objects, root) as gateway:
            yield gateway
        return
    if names := rgw.missing():
        words = f"no S3 server: {', '.join(names)} not installed (hil/central/packages.txt)"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)
    with rgw.running(objects) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def gateway() -> Iterator[rgw.Gateway]:
    with real_s3_server() as running:
        yield running
