"""Delivery into evidence systems that speak Axis' dialect: a strict emulation, and OpenStack's own server."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockagent.core.central import promise
from dockagent.core.uplink.trouble import Kind, LinkTrouble
from dockagent.errors import Permanent, Retryable, UsageError
from dockagent.stores import Conflict
from dockagent.stores.open_store import open_store
from dockagent.stores.swift_axis import AxisStore
from dockagent.stores.swift_connection import parse
from dockagent.stores.swift_recording import of_record, user_id
from dockagent.stores.swift_settings import SwiftSettings
from hil.central import swift
from hil.central.axis import Destination
from hil.central.front import Front, Said
from tests.contracts.axis_place import FOLDER, MASTER, axis_store, record, sha256
from tests.contracts.store_sources import honest, some_bytes
from tests.contracts.swift_place import openstack, way_to

__all__ = ["openstack"]  # a fixture: pytest finds it by its name here

CLIP = some_bytes(200_003)
NAME = f"{user_id('Ä. Müller')}_BWC-0001_20261122T101500Z"
OBJECT = f"20261122_101500_{sha256(CLIP)[:8]}.mp4"


@pytest.fixture
def there() -> Iterator[Destination]:
    with Destination() as running:
        yield running


def deliver(store: AxisStore, data: bytes = CLIP, folder: str = FOLDER, **line: str) -> str:
    """Send record and master, as a dock does; where the master lies then."""
    store.put(f"{folder}/record.json", honest(record(sha256(data), **line)))
    return store.put(f"{folder}/master", honest(data)).version


def test_a_clip_becomes_a_recording_with_its_metadata_in_the_order_of_the_dialect(
    there: Destination, tmp_path: Path
) -> None:
    assert deliver(axis_store(tmp_path / "beside", there.connection_file())) == f"{NAME}/{OBJECT}"
    container = there.recordings()[NAME]
    data, marks = container.objects[OBJECT]
    assert data == CLIP
    assert container.meta == {
        **{"containername": NAME, "bwcserialnumber": "BWC-0001", "scuserialnumber": "dock-7"},
        **{"userid": user_id("Ä. Müller"), "bwcmodel": "BW Two", "timezone": "Europe/Berlin", "status": "Complete"},
        **{"triggerontime": "1795342500", "triggerontimeiso": "2026-11-22T10:15:00.000Z"},
        **{"starttime": "1795342500", "starttimeiso": "2026-11-22T10:15:00.000Z"},
        **{"stoptime": "1795342800", "stoptimeiso": "2026-11-22T10:20:00.500Z"},
    }
    assert marks["containertype"] == "mp4"
    assert there.containers["Users"].objects[user_id("Ä. Müller")][1] == {"active": "True", "name": "Ä. Müller"}
    assert there.containers["Devices"].objects["BWC-0001"][1]["model"] == "BW Two"
    changes = [one.split()[0] + one.split()[1].removeprefix("/v1/account") for one in there.log if NAME in one]
    written = [one for one in changes if not one.startswith(("GET", "HEAD"))]
    assert written == [f"PUT/{NAME}", f"PUT/{NAME}/{OBJECT}", f"POST/{NAME}"]


@pytest.mark.parametrize(
    ("start", "file_time", "said"),
    [
        ("", "2026-11-22T10:20:00.500Z", ("20261122T101959Z", "1795342799", "1795342800")),
        ("2026-11-22T10:15:00.200Z", "2026-11-22T10:15:00.900Z", ("20261122T101500Z", "1795342500", "1795342501")),
        ("2026-11-22T10:15:00.000Z", "2026-11-22T09:20:00.000Z", ("20261122T101500Z", "1795342500", "1795342501")),
    ],
    ids=["no start", "within a second", "a file time before its start"],
)
def test_no_clip_is_without_duration(
    there: Destination, tmp_path: Path, start: str, file_time: str, said: tuple[str, str, str]
) -> None:
    """The system refuses one for good, and the dialect counts in whole seconds."""
    deliver(axis_store(tmp_path / "beside", there.connection_file()), start=start, file_time=file_time)
    ((name, container),) = there.recordings().items()
    ((_, marks),) = container.objects.values()
    assert (name.rpartition("_")[2], marks["starttime"], marks["stoptime"]) == said
    assert container.meta["status"] == "Complete"
    assert there.rejected() == {}


def test_its_promises_are_asked_for_without_leaving_anything_there(there: Destination, tmp_path: Path) -> None:
    store = axis_store(tmp_path / "beside", there.connection_file())
    before = {name: dict(one.objects) for name, one in there.containers.items()}
    proof = store.prove("scratch/dock-7/1")
    answers = {one.promise: one.answer for one in proof.kept}
    asked = {promise.REFUSES_STRANGERS: "kept", promise.RIGHT_CLOCK: "kept"}
    immutable = {promise.LOCK_AS_STATED, promise.IMMUTABLE_FLAG}  # of stores with a lock, and of folders
    assert answers == {**dict.fromkeys(promise.MEANING.keys() - immutable, "not asked"), **asked}
    assert all(one.how for one in proof.kept)
    assert proof.standing == "unknown"
    assert {name: dict(one.objects) for name, one in there.containers.items()} == before
    assert not [one for one in there.log if not one.startswith("GET /auth/v1.0 ")]


def test_records_and_ledgers_go_to_the_store_beside(there: Destination, tmp_path: Path) -> None:
    store = axis_store(tmp_path / "beside", there.connection_file())
    deliver(store)
    store.replace("ledgers/dock-7/checkpoint", b"note")
    store.put(f"{FOLDER}/preview/proxy.mp4", honest(b"preview"))
    found = {str(one.relative_to(tmp_path / "beside")) for one in (tmp_path / "beside").rglob("*") if one.is_file()}
    assert found == {f"{FOLDER}/record.json", f"{FOLDER}/preview/proxy.mp4", "ledgers/dock-7/checkpoint"}
    assert list(there.recordings()) == [NAME]


@pytest.mark.parametrize("line", [{"role": "sidecar"}, {"path": "A.WAV"}])
def test_what_is_no_video_has_no_place_there(there: Destination, tmp_path: Path, line: dict[str, str]) -> None:
    deliver(axis_store(tmp_path / "beside", there.connection_file()), CLIP, FOLDER, **line)
    assert (tmp_path / "beside" / MASTER).read_bytes() == CLIP
    assert there.recordings() == {}


def test_a_second_delivery_finds_the_first_and_other_bytes_are_an_alarm(there: Destination, tmp_path: Path) -> None:
    for _ in range(2):
        store = axis_store(tmp_path / "beside", there.connection_file())
        assert deliver(store) == f"{NAME}/{OBJECT}"
    assert sum(f"PUT /v1/account/{NAME}" in one for one in there.log) == 2  # container and object, once
    with pytest.raises(Conflict):
        store.put(MASTER, honest(some_bytes(10)))


def test_a_master_without_its_record_waits(there: Destination, tmp_path: Path) -> None:
    with pytest.raises(LinkTrouble, match="record has not been sent") as failed:
        axis_store(tmp_path / "beside", there.connection_file()).put(MASTER, honest(CLIP))
    assert failed.value.kind == Kind.OBJECT
    assert there.recordings() == {}


def test_a_lying_source_leaves_no_recording_behind(there: Destination, tmp_path: Path) -> None:
    store = axis_store(tmp_path / "beside", there.connection_file())
    store.put(f"{FOLDER}/record.json", honest(record(sha256(CLIP))))
    lying = honest(CLIP)
    with pytest.raises(Permanent, match="refusing to store"):
        store.put(MASTER, type(lying)(lying.size, sha256(b"other"), lying.open))
    assert there.recordings() == {}


def test_what_it_will_never_store_goes_to_rejected_content_once(there: Destination, tmp_path: Path) -> None:
    there.refused.add(sha256(CLIP))
    places = {deliver(axis_store(tmp_path / "beside", there.connection_file())) for _ in range(2)}
    (name, container), *others = there.rejected().items()
    assert places == {f"{name}/{OBJECT}"}
    assert not others
    assert container.objects[OBJECT][0] == CLIP
    assert container.objects[OBJECT][1]["rejectedcontentoriginalcontainer"] == NAME
    assert container.meta["rejectedcontentreason"] == "this clip is not wanted"
    assert "status" not in container.meta
    assert there.recordings()[NAME].objects == {}


def test_where_it_takes_no_rejected_content_400_is_final(tmp_path: Path) -> None:
    with Destination(("StoreReadSystemID",)) as there:
        there.refused.add(sha256(CLIP))
        with pytest.raises(Permanent, match="not wanted"):
            deliver(axis_store(tmp_path / "beside", there.connection_file()))
        assert there.rejected() == {}


def test_a_quarantined_clip_is_rejected_content_from_the_start(there: Destination, tmp_path: Path) -> None:
    deliver(axis_store(tmp_path / "beside", there.connection_file()), folder="quarantine/BWC-0001/c1")
    (container,) = there.rejected().values()
    assert container.meta["rejectedcontentreason"] == "in quarantine at the dock"
    assert there.recordings() == {}


def test_no_licence_for_one_camera_stops_that_camera_only(tmp_path: Path) -> None:
    with Destination(licences=1) as there:
        store = axis_store(tmp_path / "beside", there.connection_file())
        deliver(store)
        with pytest.raises(LinkTrouble, match="402") as failed:
            deliver(store, folder="clips/BWC-0002/2026/11/22/c2", camera="BWC-0002")
        assert failed.value.kind == Kind.OBJECT
        other = some_bytes(9)
        later = "2026-11-22T10:16:00.000Z"
        assert deliver(store, other, "clips/BWC-0001/2026/11/22/c3", start=later).startswith(NAME[:30])


@pytest.mark.parametrize("request_", [f"PUT /v1/account/{NAME}/{OBJECT}", f"POST /v1/account/{NAME}"])
@pytest.mark.parametrize(("status", "kind"), [(503, Kind.THROTTLED), (507, Kind.FULL), (402, Kind.OBJECT)])
def test_busy_full_and_unpaid_are_tried_again_and_end_complete(
    there: Destination, tmp_path: Path, status: int, kind: Kind, request_: str
) -> None:
    with Front(there.port) as front:
        store = axis_store(
            tmp_path / "beside",
            there.connection_file(AuthenticationTokenURI=[f"http://localhost:{front.port}/auth/v1.0"]),
        )
        # The system names its own address for footage; here it must be the front's.
        front.answer("GET /auth/v1.0", told_to_use(there, front), always=True)
        front.answer(request_, Said(status, b"not now"))
        with pytest.raises(LinkTrouble) as failed:
            deliver(store)
        assert failed.value.kind == kind
        assert there.recordings()[NAME].meta["status"] == "Transferring"
        assert deliver(store) == f"{NAME}/{OBJECT}"
    assert there.recordings()[NAME].meta["status"] == "Complete"


def told_to_use(there: Destination, front: Front) -> Said:
    """The answer to a login at the system, with the front's address in it."""
    token = way_to(f"{there.address}/auth/v1.0", "evidence", "evidence-key").token
    return Said(200, b"", {"X-Auth-Token": token, "X-Storage-Url": f"http://localhost:{front.port}/v1/account"})


def test_the_dock_is_bound_to_one_system_and_notices_another(there: Destination, tmp_path: Path) -> None:
    known: dict[str, str] = {}
    deliver(axis_store(tmp_path / "beside", there.connection_file(), known=known))
    assert len(known) == 1
    assert axis_store(tmp_path / "beside", there.connection_file(), known=known).check() == []
    with Destination() as other:
        stranger = axis_store(tmp_path / "second", other.connection_file(), known=known)
        with pytest.raises(LinkTrouble, match="does not know this dock") as failed:
            deliver(stranger, some_bytes(9))
        assert failed.value.kind == Kind.SETTINGS
        assert "not the evidence system that this dock is bound to" in stranger.check()[0]
        deliver(axis_store(tmp_path / "third", other.connection_file()), some_bytes(9))  # bound by another dock
        again = axis_store(tmp_path / "third", other.connection_file(), known=known)
        assert "another ConnectionId" in again.check()[0]


def test_a_system_that_shows_no_footage_proves_by_md5_only_where_somebody_chose_that(tmp_path: Path) -> None:
    with Destination(gives_back=False) as there:
        with pytest.raises(Retryable, match="read_back"):
            deliver(axis_store(tmp_path / "beside", there.connection_file()))
        assert there.recordings()[NAME].meta["status"] == "Transferring"  # not complete before it is proved
    with Destination(gives_back=False) as there:
        store = axis_store(tmp_path / "beside", there.connection_file(), read_back=False)
        store.put(f"{FOLDER}/record.json", honest(record(sha256(CLIP))))
        assert store.put(MASTER, honest(CLIP)).proof == "md5"
        assert there.recordings()[NAME].meta["status"] == "Complete"


def test_the_certificate_of_the_connection_file_is_trusted_and_no_other(tmp_path: Path) -> None:
    pairs = [certificate(tmp_path, name) for name in ("one", "two")]
    with Destination(tls=pairs[0]) as there, Destination(tls=pairs[1]) as other:
        deliver(axis_store(tmp_path / "beside", there.connection_file()))
        crossed = json.loads(there.connection_file())["HTTPSCertificate"]
        with pytest.raises(LinkTrouble) as failed:
            deliver(axis_store(tmp_path / "beside", other.connection_file(HTTPSCertificate=crossed)))
        assert failed.value.kind == Kind.TLS
        assert other.recordings() == {}


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for localhost that signs itself, and its key."""
    made, key = folder / f"{name}.pem", folder / f"{name}.key"
    words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    place = ["-keyout", str(key), "-out", str(made)]
    subprocess.run(["openssl", *words, *subject, *place], check=True, capture_output=True)
    return made, key


def test_a_standard_swift_server_is_a_destination(openstack: swift.Swift, tmp_path: Path) -> None:
    """README: "it shall be possible to use a standard Swift object store file server"."""
    said = {
        **{"AuthenticationTokenURI": [openstack.auth_url], "FullStoreAndReadSupport": True},
        **{"BlobAPIUserName": swift.ADMIN.name, "BlobAPIKey": swift.ADMIN.key},
    }
    with Destination() as template:
        connection = template.connection_file(**said)
    assert deliver(axis_store(tmp_path / "beside", connection)) == f"{NAME}/{OBJECT}"
    way = way_to(openstack.auth_url, swift.ADMIN.name, swift.ADMIN.key)
    assert way.ask("GET", f"/{NAME}/{OBJECT}")[2] == CLIP
    headers = way.ask("HEAD", f"/{NAME}")[1]
    assert (headers["x-container-meta-status"], headers["x-container-meta-bwcserialnumber"]) == ("Complete", "BWC-0001")
    assert deliver(axis_store(tmp_path / "beside", connection)) == f"{NAME}/{OBJECT}"


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({"WantEncryption": True, "PublicKey": "x", "PublicKeyId": "1"}, "WantEncryption"),
        ({"AuthenticationTokenURI": []}, "AuthenticationTokenURI"),
        ({"BlobAPIKey": None}, "BlobAPIKey"),
        ({"HTTPSCertificate": ["not base64!"]}, "no base64"),
        ({"HTTPSCertificate": ["AAAA"]}, "without TLS"),
        ({"SiteName": "x" * (64 << 10)}, "at most 65536"),
    ],
)
def test_connection_files_that_cannot_be_used_are_a_usage_error(
    there: Destination, others: dict[str, object], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        parse(there.connection_file(**others), "connection.json")


def test_the_url_names_the_file_and_the_settings_who_we_are(there: Destination, tmp_path: Path) -> None:
    file = tmp_path / "connection.json"
    file.write_bytes(there.connection_file())
    settings = SwiftSettings(
        system_id="8a9c2d6e-0b7e-4c58-9a0e-5d0f1c2b3a49",
        system_name="dock-7",
        beside=(tmp_path / "beside").as_uri(),
    )
    assert open_store(f"swift+axis://{file}", swift=settings).check() == []
    for wrong, words in (
        (SwiftSettings(beside="file:///x"), "not a system_id"),
        (SwiftSettings(system_id=settings.system_id), "no store beside it"),
    ):
        with pytest.raises(UsageError, match=words):
            open_store(f"swift+axis://{file}", swift=wrong)


def test_names_and_values_keep_to_what_the_dialect_allows() -> None:
    found = of_record(record(camera="Kamera_ü/" + "x" * 60, officer="", model="ü" * 40))
    assert found is not None
    assert found.container.count("_") == 2
    assert "/" not in found.container
    headers = found.container_headers("dock", "Transferring")
    assert headers["X-Container-Meta-Bwcmodel"] == "%C3%BC" * 16
    assert all(value.isascii() for value in headers.values())
