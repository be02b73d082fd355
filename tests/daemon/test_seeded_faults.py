"""Whole lives of a dock before a real S3 server, with faults that a seed decides: the gateway and the agent are killed,
the line is cut, flips a bit or loses an answer. In the end every clip is in the store, once, byte for byte.

``DOCKAGENT_FAULT_SEEDS=0-199`` chooses the seeds; without it a few are run.
"""

import hashlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("boto3", reason="the S3 store needs boto3")

from hil.cameras.card import Shift
from hil.central import rgw
from hil.central.line import Line
from hil.demo import agent
from hil.scenarios.agent import StillAgent
from tests.contracts.store_places import real_s3_server
from tests.daemon.box import MIB, STARTED, Box, footage
from tests.daemon.test_central import Central

FEW = "0-3"
LARGE = 70 * MIB  # more than one part
PATIENCE_S = 300.0
LIVES_OF_A_SERVER = 10  # its disk is memory


@dataclass(slots=True)
class Server:
    """A server for some lives; then another one."""

    gateway: rgw.Gateway
    ends: ExitStack
    lives: int = 0


@pytest.fixture(scope="module")
def servers() -> Iterator[Callable[[], rgw.Gateway]]:
    with ExitStack() as last:
        now: list[Server] = []

        def fresh() -> rgw.Gateway:
            if now and now[0].lives >= LIVES_OF_A_SERVER:
                now.pop().ends.close()
            if not now:
                ends = last.enter_context(ExitStack())
                now.append(Server(ends.enter_context(real_s3_server()), ends))
            now[0].lives += 1
            return now[0].gateway

        yield fresh


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens once ``at`` bytes have gone to the server; ``for_s``: how long it lasts."""

    kind: str
    at: int
    for_s: float


def script(dice: random.Random) -> list[Fault]:
    """One to four faults, in the order in which they come."""
    kinds = ("gateway is killed", "line is cut", "answer is lost", "bit is flipped", "agent is killed")
    faults = [
        Fault(dice.choice(kinds), dice.randrange(int(1.1 * LARGE)), dice.uniform(0.1, 3.0))
        for _ in range(dice.randint(1, 4))
    ]
    return sorted(faults, key=lambda fault: fault.at)


class Life:
    """One dock, its camera, its bucket, and the line between them."""

    def __init__(self, box: Box, gateway: rgw.Gateway, line: Line, dice: random.Random) -> None:
        self._box, self._gateway, self._line, self._dice = box, gateway, line, dice

    def suffer(self, fault: Fault) -> None:
        """Have it happen, and pass."""
        match fault.kind:
            case "gateway is killed":
                self._gateway.kill_rgw()
                time.sleep(fault.for_s)
                self._gateway.start_rgw()
            case "line is cut":
                self._line.cut_after(0)
                time.sleep(fault.for_s)
                self._line.mend()
            case "answer is lost":
                self._line.lose_answer_to(self._dice.choice((b"PUT /", b"POST /", b"partNumber=2", b"uploadId=")))
            case "bit is flipped":
                self._line.flip_after(self._dice.randrange(LARGE))
            case "agent is killed":
                assert self._box.agent.stop(signal.SIGKILL) == -signal.SIGKILL
                self._box.agent.start()

    def go_through(self, faults: list[Fault], done: Callable[[], bool]) -> None:
        """Wait for the end; on the way each fault has its turn, and those that were not reached by then do not."""
        end = time.monotonic() + PATIENCE_S
        left = list(faults)
        while not done():
            assert time.monotonic() < end, f"not done, {left} not reached: {self._box.agent.last_words(20)}"
            assert self._box.agent.alive(), self._box.agent.last_words(20)
            if left and self._line.sent >= left[0].at:
                self.suffer(left.pop(0))
            time.sleep(0.02)


def seeds() -> range:
    first, _, last = os.environ.get("DOCKAGENT_FAULT_SEEDS", FEW).partition("-")
    return range(int(first), int(last or first) + 1)


@pytest.mark.parametrize("seed", seeds())
def test_every_clip_is_in_the_store_once(
    seed: int, servers: Callable[[], rgw.Gateway], box: Box, tmp_path: Path
) -> None:
    dice = random.Random(seed)
    faults = script(dice)
    gateway = servers()
    may_read = seed % 2 == 0
    with ExitStack() as ends:
        line = ends.enter_context(Line(gateway.port))
        central = Central(gateway, box)
        central.bucket.endpoint = f"http://127.0.0.1:{line.port}"
        small = Shift(2, start=STARTED, size=300_000, sidecars=False, seed=seed)
        large = Shift(1, start=STARTED, size=LARGE, sidecars=False, seed=seed)
        cameras = [box.camera("BWC-1", "bay1", small), box.camera("BWC-2", "bay2", large)]
        wanted = sorted(sha for camera in cameras for sha in footage(camera.home).values())
        central.read_with(rgw.ADMIN if may_read else rgw.DOCK)
        with StillAgent(box.place, store=central.url) as box.agent:
            box.agent.start()
            for camera in cameras:
                camera.plug()
            life = Life(box, gateway, line, dice)
            life.go_through(faults, lambda: len(box.records("receipt")) == len(wanted))
            box.until_released(2)
            assert box.agent.stop() == 0
            versions = central.bucket.client.list_object_versions(Bucket=central.bucket.name)["Versions"]
            masters = [one for one in versions if one["Key"].endswith("/master")]
            if may_read:
                assert len(masters) == len(wanted), faults
            else:  # Ceph 16 ignores If-None-Match in such a bucket, and who may not look cannot know
                assert len({(one["Key"], one["ETag"]) for one in masters}) == len(wanted), faults
            keys = {one["Key"].removeprefix("force/") for one in masters}
            assert sorted(hashlib.sha256(central.content(key)).hexdigest() for key in keys) == wanted
            copy = central.copy(tmp_path / "copy")
            trust = box.place.root / "trust.json"
            trust.write_text(box.agent.ask("keys", "show", "--json").out)
            checked = agent.run("verify", box.place.home, copy, "--trust", trust)
            assert checked.code == 0, checked.out[-2000:]
