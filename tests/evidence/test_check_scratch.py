"""What a store check leaves is a note; what only looks like it is a finding, as anywhere else in a store."""

from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from dockagent.clock import SystemClock
from dockagent.evidence.check_scratch import is_tried, notes
from dockagent.evidence.report import exit_code
from dockagent.evidence.verify import verify
from dockagent.stores.promises import Credential
from dockagent.stores.s3 import S3Store
from hil.central import pretenders, rgw
from tests.contracts.store_places import PREFIX, Bucket, gateway
from tests.contracts.swift_place import openstack, swift_place
from tests.custodian.made import Folder, dock

__all__ = ["gateway", "openstack"]  # fixtures: pytest finds them by their names here

AT = "scratch/dock-7/0123456789abcdef"
SAID = f"dockagent store check force/{AT}/lock\n"


def lay(store: Path, key: str, data: bytes) -> None:
    file = store / key
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The store of a dock that delivered a clip."""
    shelf = Folder(tmp_path / "store")
    dock(shelf, tmp_path).deliver(b"first" * 999)
    return shelf.root


def _findings(store: Path) -> list[str]:
    return [one for report in verify(store, None) for one in report.findings if one.endswith("covered by no record")]


def _notes(store: Path) -> list[str]:
    return [one for report in verify(store, None) for one in report.facts if "store check" in one]


@pytest.mark.parametrize("server", ["rgw", "moto"])
def test_all_that_a_check_of_a_bucket_leaves_is_recognised(
    request: pytest.FixtureRequest, store: Path, server: str
) -> None:
    """Every version that it put, with an administrator's help; and at a server that takes what it must refuse."""
    if server == "rgw":
        bucket = Bucket(request.getfixturevalue("gateway").endpoint, "scratch", locked=True)
        S3Store(bucket.settings(), SystemClock()).prove(AT, Credential(rgw.ADMIN.access_key, rgw.ADMIN.secret_key))
        return _all_are_tried(bucket, store)
    if pretenders.program("moto") is None:
        pytest.skip("moto_server is not installed")
    with pretenders.running("moto") as pretender:
        bucket = Bucket(pretender.endpoint, "scratch")
        S3Store(bucket.settings(), SystemClock()).prove(AT)
        return _all_are_tried(bucket, store)


def _all_are_tried(bucket: Bucket, store: Path) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=bucket.endpoint,
        region_name="us-east-1",
        aws_access_key_id=rgw.ADMIN.access_key,
        aws_secret_access_key=rgw.ADMIN.secret_key,
        config=Config(response_checksum_validation="when_required"),  # a pretender states those of other bytes
    )
    listed = client.list_object_versions(Bucket=bucket.name)["Versions"]
    assert len(listed) >= 4
    for one in listed:
        answer = client.get_object(Bucket=bucket.name, Key=one["Key"], VersionId=one["VersionId"])
        data = answer["Body"].read()
        _is_tried(store, one["Key"].removeprefix(f"{PREFIX}/"), data)
    assert _findings(store) == []


@pytest.mark.parametrize("kind", ["swift", "swift-rgw"])
def test_all_that_a_check_of_a_container_leaves_is_recognised(
    request: pytest.FixtureRequest, store: Path, kind: str
) -> None:
    container = swift_place(kind, request)
    container.open().prove(AT)
    keys = [one["name"].removeprefix(f"{PREFIX}/") for one in container.way.names(container.name)]
    assert len(keys) >= 1
    for key in keys:
        _is_tried(store, key, container.content(key) or b"")
    assert _findings(store) == []


def _is_tried(store: Path, key: str, data: bytes) -> None:
    lay(store, key, data)
    assert is_tried(store, key), (key, data)


def test_they_change_no_exit_code(store: Path) -> None:
    before = exit_code(verify(store, None))
    lay(store, f"{AT}/lock", SAID.encode())
    lay(store, f"{AT}/first", b"dockagent store check /again\n")
    assert _findings(store) == []
    assert _notes(store) == ["2 objects below scratch/dock-7/ are what `store check` tried there, no evidence"]
    assert exit_code(verify(store, None)) == before
    assert exit_code([one for one in verify(store, None) if one.kind == "folder"]) == 0


@pytest.mark.parametrize(
    ("key", "data"),
    [
        (f"{AT}/lock", b"footage"),
        (f"{AT}/lock", SAID.encode() + b"footage"),
        (f"{AT}/lock", SAID.encode() * 2),
        (f"{AT}/lock", SAID.replace("force", "for ce").encode()),
        (f"{AT}/lock", SAID.replace("dock-7", "dock-8").encode()),
        (f"{AT}/lock", SAID.replace("/lock", "/see you at nine").encode()),
        (f"{AT}/lock", SAID.replace("force", "force/" * 5).encode()),
        (f"{AT}/more/lock", SAID.encode()),
        (f"{AT}/lock.mp4", SAID.encode()),
        (f"{AT}/wrong-hash", b"\0" * 4096),
        (f"{AT}/lock", b"dockagent asks what this store promises\n"),
        ("scratch/dock-7/lock", b"dockagent store check scratch/dock-7/lock\n"),
        ("scratch/lock", b"dockagent store check /again\n"),
        (f"clips/{AT}/lock", f"dockagent store check clips/{AT}/lock\n".encode()),
        (f"other/{AT}/lock", SAID.encode()),
    ],
)
def test_nothing_else_hides_there(store: Path, key: str, data: bytes) -> None:
    lay(store, key, data)
    assert _findings(store) == [f"{key} is covered by no record"]
    assert _notes(store) == []


def test_a_link_is_none(store: Path, tmp_path: Path) -> None:
    lay(tmp_path / "outside", "lock", SAID.encode())
    (store / AT).mkdir(parents=True)
    (store / AT / "lock").symlink_to(tmp_path / "outside" / "lock")
    assert _findings(store) == [f"{AT}/lock is covered by no record"]


def test_many_docks_are_some_lines() -> None:
    told = notes(f"scratch/dock-{number}/0123456789abcdef/lock" for number in range(9))
    assert len(told) == 6
    assert told[-1] == "… and so below 4 more folders"
