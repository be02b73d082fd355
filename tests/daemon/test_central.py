"""A dock whose store is a real S3 bucket under Object Lock that it may only write to, and whoever may read it."""

import hashlib
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("botocore", reason="the S3 store needs botocore")

from hil.central import rgw
from hil.demo import agent
from hil.demo.agent import Answer
from hil.scenarios.agent import StillAgent
from tests.contracts.store_places import Bucket, gateway
from tests.custodian import account
from tests.daemon.box import Box, footage, noise
from tests.daemon.counterparty import Counterparty
from tests.daemon.test_sealing import FILMS, Agency

__all__ = ["gateway"]  # a fixture: pytest finds it by its name here

GROUNDS = ("--purpose", "case 7", "--basis", "a court's order", "--authority", "judge", "--recipient", "the defence")
_bucket = itertools.count(1)


class Central:
    """A bucket, and a dock that delivers to it."""

    def __init__(self, gateway: rgw.Gateway, box: Box) -> None:
        self.bucket = Bucket(gateway.endpoint, f"central-{next(_bucket)}", locked=True)
        self.bucket.only_writing("force")
        self.box = box
        self.url = f"s3://{self.bucket.name}/force"
        self.secret = box.place.root / "secret"

    @contextmanager
    def dock(self, **more: object) -> Iterator[StillAgent]:
        """The box's agent, delivering with the credential that may only write."""
        self._configure(rgw.DOCK, more)
        with StillAgent(self.box.place, store=self.url) as self.box.agent:
            yield self.box.agent

    def read_with(self, account: rgw.Account, **more: object) -> None:
        """From now on the commands of this dock use another account."""
        self._configure(account, more)

    def _configure(self, account: rgw.Account, more: dict[str, object]) -> None:
        self.secret.write_text(account.secret_key)
        self.secret.chmod(0o600)
        store = {
            **{"endpoint": self.bucket.endpoint, "region": "us-east-1", "access_key": account.access_key},
            "secret_key_file": str(self.secret),
        }
        self.box.configure(store=store, **more)

    def names(self) -> list[str]:
        pages = self.bucket.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket.name, Prefix="force/")
        return [one["Key"].removeprefix("force/") for page in pages for one in page.get("Contents", ())]

    def content(self, key: str) -> bytes:
        """An object's bytes. One that Ceph was killed in making it may deny at the first question: docs/stores.md."""
        client, name = self.bucket.client, f"force/{key}"
        try:
            return client.get_object(Bucket=self.bucket.name, Key=name)["Body"].read()
        except client.exceptions.NoSuchKey:
            return client.get_object(Bucket=self.bucket.name, Key=name)["Body"].read()

    def copy(self, folder: Path) -> Path:
        """All objects as an auditor brings them home, by means that are not ours."""
        for key in self.names():
            file = folder / key
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(self.content(key))
        return folder

    def disclose(self, clip: str, out: Path, *words: str | Path) -> Answer:
        place = self.box.place
        where = ("--config", place.config, "--home", place.home, "--store", self.url)
        return agent.run("disclose", clip, "--out", out, *GROUNDS, *where, *words)

    def trusted(self, *paths: Path) -> Answer:
        trust = self.box.place.root / "trust.json"
        trust.write_text(self.box.agent.ask("keys", "show", "--json").out)
        return agent.run("verify", *paths, "--trust", trust, "--json")


@pytest.fixture
def central(gateway: rgw.Gateway, box: Box) -> Central:
    return Central(gateway, box)


def delivered(box: Box, clips: int) -> None:
    """Dock every camera until all of it is in the store and the dock's own copies are gone."""
    box.agent.start()
    for camera in box.cameras:
        camera.plug()
    box.until(lambda: len(box.records("receipt")) == clips, seconds=60)
    for camera in box.cameras:
        camera.unplug()
    box.until(lambda: not box.left_in_spool())
    assert box.agent.stop() == 0


def test_what_a_write_only_dock_delivers_is_read_back_disclosed_and_verified(central: Central, tmp_path: Path) -> None:
    box = central.box
    films, noisy = box.camera("BWC-1", "bay1", FILMS), box.camera("BWC-2", "bay2", noise(3, 90_000, "BWC-2"))
    with central.dock(preview={"enabled": True}):
        wanted = set(footage(films.home).values()) | set(footage(noisy.home).values())
        delivered(box, len(wanted))
        masters = [key for key in central.names() if key.endswith("/master")]
        assert {hashlib.sha256(central.content(key)).hexdigest() for key in masters} == wanted
        film = next(row for row in box.json("clips") if row["sha256"] in footage(films.home).values())["clip_id"]

        done = central.disclose(film, tmp_path / "out")
        assert done.code == 4
        assert "may only write" in done.err

        central.read_with(rgw.ADMIN)
        done = central.disclose(film, tmp_path / "out")
        assert done.code == 0, done.err
        subprocess.run([sys.executable, "-m", "bagit", "--validate", tmp_path / "out"], check=True, timeout=60)
        assert central.trusted(tmp_path / "out").code == 0, central.trusted(tmp_path / "out").out
        assert central.trusted(central.copy(tmp_path / "copy"), box.place.home).code == 0


def test_the_catalogue_in_a_bucket_lists_every_clip_once(central: Central) -> None:
    box = central.box
    box.camera("BWC-1", "bay1", noise(4, 20_000, "BWC-1", sidecars=False))
    with central.dock():
        delivered(box, 4)
        lines = [json.loads(central.content(key)) for key in central.names() if key.startswith("catalogue/")]
        clips = box.json("clips")
        assert sorted(line["clip_id"] for line in lines) == sorted(row["clip_id"] for row in clips)
        assert {line["sha256"] for line in lines} == {row["sha256"] for row in clips}


def test_sealed_clips_in_a_bucket_open_for_the_agency_alone(central: Central, tmp_path: Path) -> None:
    box, agency = central.box, Agency(tmp_path / "agency")
    sealing = {"sealing": {"encrypt_to": [agency.recipients["chief"]]}}
    camera = box.camera("BWC-1", "bay1", FILMS)
    with central.dock(**sealing):
        wanted = footage(camera.home)
        delivered(box, len(wanted))
        (row,) = [row for row in box.json("clips") if row["path"].endswith(".MP4")]
        copy = central.copy(tmp_path / "copy")
        sealed = sorted(copy.rglob("master*.age"))
        assert {hashlib.sha256(agency.open(path)).hexdigest() for path in sealed} == set(wanted.values())
        assert not [key for key in central.names() if key.endswith("/master")]

        central.read_with(rgw.ADMIN, **sealing)
        closed = central.disclose(row["clip_id"], tmp_path / "closed")
        assert closed.code == 0, closed.err
        assert not [*(tmp_path / "closed").rglob("master.mp4")]
        (still,) = (tmp_path / "closed").rglob("master.age")
        assert hashlib.sha256(agency.open(still)).hexdigest() == row["sha256"]
        done = central.disclose(row["clip_id"], tmp_path / "out", "--identity", agency.files["chief"])
        assert done.code == 0, done.err
        (media,) = (tmp_path / "out").rglob("master.mp4")
        assert hashlib.sha256(media.read_bytes()).hexdigest() == row["sha256"]
        assert central.trusted(tmp_path / "out").code == 0


def test_a_hold_after_delivery_reaches_the_bucket_by_the_custodian(gateway: rgw.Gateway, box: Box) -> None:
    """A dock that may only put, its custodian with rights of its own, and an administrator who looks."""
    account.make(gateway)
    central = Central(gateway, box)
    account.let_in(central.bucket, "force")
    other = Counterparty.beside(central.bucket, central.url, box)
    camera = box.camera("BWC-1", "bay1", noise(2, 30_000, "BWC-1", sidecars=False))

    def held() -> set[str]:
        masters = [key for key in central.names() if key.endswith("/master")]
        head, name = central.bucket.client.head_object, central.bucket.name
        heads = {key: head(Bucket=name, Key=f"force/{key}") for key in masters}
        return {key.split("/")[-2] for key, said in heads.items() if said.get("ObjectLockLegalHoldStatus") == "ON"}

    with other.its, central.dock(**other.tables):
        other.its.start()
        box.agent.start()
        camera.plug()
        box.until(lambda: len(box.records("custodian.receipt")) == 2, seconds=90)
        clip = box.json("clips")[0]["clip_id"]
        assert held() == set()
        assert box.agent.ask("hold", "set", clip, "--basis", "order", "--authority", "Sgt Kay").code == 0
        box.until(lambda: held() == {clip}, seconds=60)
        box.until(lambda: bool(box.records("custodian.hold")), seconds=60)
        (hold,) = box.json("show", clip)["holds"]
        assert (hold["in_store"]["state"], hold["in_store"]["custodian"]) == ("reached", "custodian"), hold
        assert hold["in_store"]["objects"] >= 2, "the record and the master at least"
        assert box.json("status")["holds"] == {"states": {"reached": 1}, "wrong": {}}
        assert box.agent.ask("hold", "clear", clip, "--basis", "order", "--authority", "Sgt Kay").code == 0
        box.until(lambda: held() == set(), seconds=60)
        assert box.agent.stop() == 0
