"""A permit that a dock has already, and a hold that another dock sets later: a real dock and a real custodian beside a
bucket under lock, and the published ledger of a second dock."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("botocore", reason="the S3 store needs botocore")

from dockagent.ledger.trust import Trust
from hil.central import rgw, scripted
from hil.central.processes import free_ports
from tests.contracts.store_places import gateway
from tests.custodian import account
from tests.custodian.made import Dock
from tests.daemon.box import footage, noise
from tests.daemon.counterparty import Counterparty
from tests.daemon.test_central import Central, central, delivered
from tests.ledger import made

__all__ = ["central", "gateway"]  # fixtures: pytest finds them by their names here

NOW = {"policy": "test/1", "age_days": 0, "left_days": 0}


@dataclass(slots=True)
class Beside:
    """What a second dock puts into the bucket of the first, as made.Dock wants it."""

    central: Central

    @property
    def url(self) -> str:
        return self.central.url

    def put(self, key: str, data: bytes) -> None:
        self.central.bucket.client.put_object(Bucket=self.central.bucket.name, Key=f"force/{key}", Body=data)


@pytest.fixture(scope="module")
def let_in(gateway: rgw.Gateway) -> None:
    account.make(gateway)


@pytest.fixture
def other(let_in: None, central: Central, tmp_path: Path) -> Dock:
    return Dock(Beside(central), made.keys(tmp_path / "dock-8", "dock-8", 8))  # type: ignore[arg-type]


def custodian_of(central: Central, other: Dock) -> Counterparty:
    """A custodian who believes both docks."""
    account.let_in(central.bucket, "force")
    chief = Counterparty.beside(central.bucket, central.url, central.box, permits=NOW)
    both = Trust(docks=(*chief.trust.docks, *other.keys.docks))
    (chief.its.folder / "docks.json").write_bytes(both.encode())
    return chief


def permitted(central: Central, chief: Counterparty, files: int) -> tuple[str, str]:
    """A clip that was delivered and has its receipt, and the key of the permit for it. Its camera has left."""
    box = central.box
    chief.its.start()
    with central.dock(**chief.tables):
        delivered(box, files)
        (clip,) = [row["clip_id"] for row in box.json("clips") if row["role"] == "footage"]
        box.agent.start()
        box.until(lambda: any(f"{clip}/permit.json" in key for key in central.names()), seconds=60)
        box.until(lambda: len(box.records("custodian.receipt")) == files, seconds=60)
        box.agent.stop()
    (key,) = [one for one in central.names() if one.endswith(f"{clip}/permit.json")]
    return clip, key


def test_the_custodian_is_asked_once_more_before_anything_goes(central: Central, other: Dock, tmp_path: Path) -> None:
    box, camera = central.box, central.box.camera("BWC-7101", "A", noise(1, 50_000, "BWC-7101"))
    chief = custodian_of(central, other)
    with chief.its:
        before = footage(camera.home)
        clip, key = permitted(central, chief, len(before))
        (tmp_path / "permit.json").write_bytes(central.content(key))
        with central.dock(**chief.tables, erase={"when": "permit"}):
            gone = {row["path"] for row in box.json("clips") if row["clip_id"] == clip}
            door = f"/permits/{clip}?folder={key.rpartition('/')[0]}"
            assert box.agent.ask("erase", "--permit", tmp_path / "permit.json").code == 0
            hold = other.tell("hold.set", clip_id=clip)
            other.publish()
            box.agent.start()
            box.until(lambda: chief.its.get(door)[0] == 404, seconds=60)
            camera.plug()
            box.until(lambda: bool(box.records("erase.failed")), seconds=60)
            (record,) = box.records("erase.failed")
            box.until(lambda: any(one.index > record.index for one in box.records("camera.release")))
            failed = record.what
            assert (failed["ground"], failed["retry"], failed["unsure"]) == ("withheld", False, False)
            assert "on hold: a dock says so" in failed["reason"]
            assert gone <= footage(camera.card).keys()
            camera.unplug()
            other.tell("hold.clear", clip_id=clip, hold=hold)
            other.publish()
            box.until(lambda: chief.its.get(door)[0] == 200, seconds=60)
            camera.plug()
            box.until(lambda: not gone & footage(camera.card).keys(), seconds=60)
            box.agent.stop()
        assert gone <= {one["path"] for record in box.records("erase") for one in record.what["files"]}


def test_a_custodian_who_does_not_answer_is_no_leave(central: Central, other: Dock, tmp_path: Path) -> None:
    box, camera = central.box, central.box.camera("BWC-7102", "A", noise(1, 50_000, "BWC-7102"))
    chief = custodian_of(central, other)
    with chief.its:
        before = footage(camera.home)
        _, key = permitted(central, chief, len(before))
        (tmp_path / "permit.json").write_bytes(central.content(key))
    away = {**chief.tables["custodian"], "url": f"http://127.0.0.1:{free_ports(1)[0]}"}
    with central.dock(custodian=away, erase={"when": "permit"}):
        assert box.agent.ask("erase", "--permit", tmp_path / "permit.json").code == 0
        box.agent.start()
        camera.plug()
        box.until(lambda: bool(box.records("erase.failed")), seconds=60)
        box.agent.stop()
        failed = box.records("erase.failed")[0].what
        assert (failed["ground"], failed["retry"]) == ("withheld", True)
        assert "does not answer" in failed["reason"]
        assert footage(camera.card) == before


def test_a_hold_at_the_dock_itself_stops_what_is_being_hashed(central: Central, other: Dock, tmp_path: Path) -> None:
    """It is set while the custodian is asked for the last time, right before the first file goes."""
    box, camera = central.box, central.box.camera("BWC-7103", "A", noise(1, 50_000, "BWC-7103"))
    chief, asked, held = custodian_of(central, other), list[str](), list[int]()
    with chief.its:
        before = footage(camera.home)
        clip, key = permitted(central, chief, len(before))
        (tmp_path / "permit.json").write_bytes(central.content(key))

        def script(request: scripted.Request, forward: scripted.Forward) -> scripted.Answer:
            if request.path.startswith(f"/permits/{clip}") and box.records("erase.ask"):
                asked.append(request.path)
                if len(asked) == 2:
                    held.append(box.agent.ask("hold", "set", clip, "--basis", "order", "--authority", "Sgt Kay").code)
            return forward(request)

        with scripted.relaying(urlsplit(chief.tables["custodian"]["url"]).port or 0, script) as port:
            between = {**chief.tables["custodian"], "url": f"http://127.0.0.1:{port}"}
            with central.dock(custodian=between, erase={"when": "permit"}):
                assert box.agent.ask("erase", "--permit", tmp_path / "permit.json").code == 0
                box.agent.start()
                camera.plug()
                box.until(lambda: bool(box.records("erase.failed")), seconds=60)
                box.agent.stop()
        failed = box.records("erase.failed")[0]
        assert (failed.what["ground"], failed.what["retry"], failed.what["unsure"]) == ("hold", True, False)
        assert held == [0]
        assert box.records("hold.set")[0].index < failed.index
        assert footage(camera.card) == before
