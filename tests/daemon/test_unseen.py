"""Two docks that may only put meet the same clip. The second is told that the name is taken and may not look by what:
it believes its custodian's receipt, and nothing else."""

from collections.abc import Iterator
from copy import copy
from pathlib import Path

import pytest

pytest.importorskip("botocore", reason="the S3 store needs botocore")

from hil.cameras.card import Shift
from hil.cameras.keyring import maker_in
from hil.central import rgw
from hil.demo.place import fresh
from hil.scenarios.agent import StillAgent
from tests.contracts.store_places import Bucket, gateway
from tests.custodian import account
from tests.daemon.box import STARTED, VALID, Box, footage
from tests.daemon.counterparty import Counterparty
from tests.daemon.test_central import Central, delivered

__all__ = ["gateway"]  # a fixture: pytest finds it by its name here

CAMERA = "BWC-1"
OTHER = {"id": "other", "site": "test", "responsible": "test"}


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Box]:
    """Another dock of the same force: a home of its own, and no memory of anything."""
    with fresh(tmp_path / "other") as place, StillAgent(place) as agent:
        maker_in(place.maker, "Reference", VALID)
        made = Box(place, agent)
        yield made
        for camera in made.cameras:
            camera.unplug()


@pytest.fixture
def central(gateway: rgw.Gateway, box: Box) -> Central:
    """A store that refuses a second write. Ceph 16 does so in buckets without versions only."""
    account.make(gateway)
    made = Central(gateway, box)
    if refuses_nothing_but_empty(gateway):
        made.bucket = Bucket(gateway.endpoint, "unseen")
        made.url = "s3://unseen/force"
    account.let_in(made.bucket, "force")
    return made


def refuses_nothing_but_empty(gateway: rgw.Gateway) -> bool:
    """Whether this store overlooks If-None-Match at the end of an upload in parts, as Ceph 16 does. What goes there in
    one piece from a dock that may only put is an empty file."""
    return gateway.version() < "20"


def shift(gateway: rgw.Gateway) -> Shift:
    clips, size = (1, 0) if refuses_nothing_but_empty(gateway) else (2, 40_000)
    return Shift(clips, start=STARTED, size=size, seed=5, sidecars=False)


def masters(central: Central) -> dict[str, bytes]:
    return {key: central.content(key) for key in central.names() if key.endswith("/master")}


def unseen(box: Box) -> set[str]:
    """The keys that the dock met taken."""
    return {one.what["key"] for one in box.records("clip.failed") if one.what["kind"] == "unseen"}


def test_what_a_dock_may_not_see_is_delivered_by_its_custodian_s_receipt(
    gateway: rgw.Gateway, central: Central, box: Box, other: Box
) -> None:
    custodian = Counterparty.beside(central.bucket, central.url, box)
    wanted = footage(box.camera(CAMERA, "bay1", shift(gateway)).home)
    with custodian.its, central.dock(**custodian.tables):
        custodian.its.start()
        delivered(box, len(wanted))
        box.agent.start()
        box.until(lambda: len(box.records("custodian.receipt")) == len(wanted), seconds=90)
        assert box.agent.stop() == 0
    before, camera = masters(central), other.camera(CAMERA, "bay1", shift(gateway))
    assert footage(camera.home) == wanted

    again = copy(central)
    again.box, again.secret = other, other.place.root / "secret"
    with again.dock(dock=OTHER, custodian=custodian.tables["custodian"]):
        other.agent.start()
        camera.plug()
        other.until(lambda: unseen(other) == set(before), seconds=60)
        for row in other.json("clips"):
            assert (row["state"], row["stored"]) == ("spooled", "")
            assert "may not look at" in row["reason"]
            assert "custodian's receipt for it counts" in other.json("show", row["clip_id"])["reason"]
        assert other.json("status")["custodian"]["unseen"] == len(wanted)
        assert other.records("receipt") == other.records("camera.release") == []
        assert len(other.left_in_spool()) == len(wanted)

        with custodian.its:
            custodian.its.start()
            other.until_released(1, seconds=90)
        other.until(lambda: not other.left_in_spool())
        assert other.agent.stop() == 0
        proofs = {one.what["receipt"]["key"]: one.what["receipt"] for one in other.records("receipt")}
        words = {one.what["word"]["key"]: one.what["word"] for one in other.records("custodian.receipt")}
        assert set(proofs) == set(words) == set(before)
        assert {one["sha256"] for one in proofs.values()} == set(wanted.values())
        for key, one in proofs.items():
            assert (one["proof"], one["store"], one["version"]) == ("custodian", central.url, words[key]["version"])
        assert {row["state"] for row in other.json("clips")} == {"delivered"}
        clip = other.json("show", other.json("clips")[0]["clip_id"])
        assert (clip["receipt"]["proof"], clip["custodian"]["custodian"]) == ("custodian", "custodian")
        assert any("delivered, proof: custodian" in one["what"] for one in clip["timeline"])
        verified = again.trusted(central.copy(other.place.root / "copy"), other.place.home)
        receipts = [one for one in verified.json()["reports"] if one["kind"] == "receipts"]
        own = [one for one in receipts if str(other.place.home) in one["path"]]
        assert len(own) == 1
        # Ceph 16 let the second dock's record replace the first one's, which the first one's ledger tells of.
        for one in own if refuses_nothing_but_empty(gateway) else receipts:
            assert (one["verdicts"]["complete"]["verdict"], one["facts"]) == ("pass", []), verified.out
    assert masters(central) == before, "nothing was written over"
