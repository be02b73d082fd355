"""A dock at the end of a bad network, before a real S3 server: nothing lost, nothing twice, a reason shown."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

pytest.importorskip("botocore", reason="the S3 store needs botocore")

import socket

from hil.cameras.card import Shift
from hil.central import rgw, wire
from hil.central.line import Line
from hil.central.portal import portal
from hil.central.wire import FAR, Names, Wire
from hil.scenarios.agent import StillAgent
from tests.contracts.store_places import gateway
from tests.daemon.box import MIB, STARTED, Box, footage, noise
from tests.daemon.test_central import Central

__all__ = ["gateway"]  # a fixture: pytest finds it by its name here

NAME, PORT = "store.example", 8000
PATIENCE_S = 150.0


@dataclass(slots=True)
class Far:
    """A dock with its camera, and its store beyond a wire."""

    box: Box
    central: Central
    wire: Wire
    line: Line
    names: Names

    def deliver(self, shift: Shift, trouble: Callable[[], None], relief: Callable[[], None], word: str) -> None:
        """Dock a camera, have trouble come, see what the dock says of it, and have it pass."""
        camera = self.box.camera("BWC-1", "bay1", shift)
        wanted = footage(camera.home)
        self.box.agent.start()
        trouble()
        camera.plug()
        self.box.until(lambda: len(self.box.records("acquire")) == len(wanted), seconds=PATIENCE_S)
        self.box.until(lambda: self.said() != "no trouble seen", seconds=PATIENCE_S)
        assert word in self.said()
        assert self.box.records("camera.release") == []
        assert "clip.quarantine" not in {record.type for record in self.box.records()}
        relief()
        self.all_is_there(wanted)

    def said(self) -> str:
        """What `status` says of the store."""
        return str(self.box.json("status")["store"])

    def all_is_there(self, wanted: dict[str, str]) -> None:
        """Every clip is in the bucket, whole, in one version; and the dock says so."""
        self.box.until(lambda: len(self.box.records("receipt")) == len(wanted), seconds=PATIENCE_S)
        masters = [key for key in self.central.names() if key.endswith("/master")]
        assert sorted(hashlib.sha256(self.central.content(key)).hexdigest() for key in masters) == sorted(
            wanted.values()
        )
        versions = self.central.bucket.client.list_object_versions(Bucket=self.central.bucket.name)["Versions"]
        assert len([one for one in versions if one["Key"].endswith("/master")]) == len(wanted)
        # Ceph 16 ignores If-None-Match here and this dock may not look: what is tried again makes the same bytes again.
        bytes_of = {(one["Key"], one["ETag"]) for one in versions if not one["Key"].endswith("/checkpoint")}
        assert len(bytes_of) == len({key for key, _ in bytes_of})
        self.box.until_released(1)
        assert {row["state"] for row in self.box.json("clips")} <= {"delivered", "done"}


@pytest.fixture
def far(gateway: rgw.Gateway, box: Box) -> Iterator[Far]:
    if why := wire.missing():
        pytest.skip(why)
    central = Central(gateway, box)
    central.bucket.endpoint = f"http://{NAME}:{PORT}"
    with ExitStack() as ends:
        cable = ends.enter_context(Wire())
        cable.ask_names_of(FAR)
        names = ends.enter_context(Names(cable.listen(53, socket.SOCK_DGRAM), NAME))
        line = ends.enter_context(Line(gateway.port, cable.listen(PORT)))
        central.read_with(rgw.DOCK)
        with StillAgent(box.place, store=central.url, through=cable.command()) as box.agent:
            yield Far(box, central, cable, line, names)


def test_late_lossy_and_slow(far: Far) -> None:
    far.wire.delay_s, far.wire.loss, far.wire.bits_per_s = 0.2, 0.05, 1e6
    camera = far.box.camera("BWC-1", "bay1", noise(2, 60_000, "BWC-1", sidecars=False))
    wanted = footage(camera.home)
    far.box.agent.start()
    camera.plug()
    far.all_is_there(wanted)


def test_cut_in_the_middle_of_a_clip(far: Far) -> None:
    far.wire.bits_per_s = 40e6
    far.line.sent = 0

    def cut() -> None:
        far.line.cut_after(6 * MIB)

    def away() -> None:
        assert far.line.sent >= 6 * MIB
        far.line.mend()

    far.deliver(Shift(1, start=STARTED, size=16 * MIB, sidecars=False), cut, away, "")


def test_nobody_knows_the_store_s_name(far: Far) -> None:
    def gone() -> None:
        far.names.silent = True

    def back() -> None:
        far.names.silent = False

    far.deliver(noise(2, 60_000, "BWC-1", sidecars=False), gone, back, NAME)


def test_the_cable_is_out(far: Far) -> None:
    far.deliver(noise(2, 60_000, "BWC-1", sidecars=False), far.wire.cut, far.wire.mend, NAME)


def test_a_captive_portal_that_answers_200_to_everything(far: Far, gateway: rgw.Gateway) -> None:
    with portal() as host:
        far.deliver(
            noise(2, 60_000, "BWC-1", sidecars=False),
            lambda: far.line.lead_to(host.port),
            lambda: far.line.lead_to(gateway.port),
            "",
        )
