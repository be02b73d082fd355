"""Whole lives of a dock before a real S3 server, with faults that a seed decides: the gateway, the agent and the
custodian are killed, the line is cut, flips a bit or loses an answer. In the end every clip is in the store, once, byte
for byte, and has the custodian's receipt, which the dock took, `dockagent verify` passes and openssl finds signed.

``DOCKAGENT_FAULT_SEEDS=0-199`` chooses the seeds; without it a few are run.
"""

import os
import random
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("botocore", reason="the S3 store needs botocore")

from hil.cameras.card import Shift
from hil.central import rgw
from hil.central.line import Line
from hil.demo import agent
from hil.scenarios.agent import StillAgent
from tests.contracts.store_places import real_s3_server
from tests.custodian import account
from tests.custodian.judged import judged, public_key
from tests.daemon.box import MIB, STARTED, Box, footage, sha256
from tests.daemon.counterparty import Counterparty
from tests.daemon.test_central import Central

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ObjectVersionTypeDef

FEW = "7-9"  # all kinds of faults
LARGE = 70 * MIB  # more than one part
PATIENCE_S = 120.0
START_S = 5.0
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
                account.make(now[0].gateway)
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
    kinds = (
        *("gateway is killed", "line is cut", "answer is lost", "bit is flipped", "agent is killed"),
        "custodian is killed",
    )
    faults = [
        Fault(dice.choice(kinds), dice.randrange(int(1.1 * LARGE)), dice.uniform(0.1, 3.0))
        for _ in range(dice.randint(1, 4))
    ]
    return sorted(faults, key=lambda fault: fault.at)


@dataclass(slots=True)
class Life:
    """One dock, its cameras, its bucket, the line between them, and the custodian on the other side."""

    box: Box
    gateway: rgw.Gateway
    line: Line
    other: Counterparty
    dice: random.Random
    seen: int = 0

    def has(self, count: int, kind: str) -> bool:
        """Whether the ledger has so many records of a kind; it is read only where it grew since the last look."""
        entries = self.box.place.entries
        size = entries.stat().st_size if entries.exists() else 0
        grown, self.seen = size != self.seen, size
        return grown and len(self.box.records(kind)) >= count

    def suffer(self, fault: Fault) -> None:
        """Have it happen, and pass."""
        match fault.kind:
            case "gateway is killed":
                self.gateway.kill_rgw()
                time.sleep(fault.for_s)
                self.gateway.start_rgw()
            case "line is cut":
                self.line.cut_after(0)
                time.sleep(fault.for_s)
                self.line.mend()
            case "answer is lost":
                self.line.lose_answer_to(self.dice.choice((b"PUT /", b"POST /", b"partNumber=2", b"uploadId=")))
            case "bit is flipped":
                self.line.flip_after(self.dice.randrange(LARGE))
            case "agent is killed":
                assert self.box.agent.stop(signal.SIGKILL) == -signal.SIGKILL
                self.start_again()
            case "custodian is killed":
                self.other.its.end(signal.SIGKILL)
                time.sleep(fault.for_s)
                self.other.its.start()

    def start_again(self) -> None:
        """Start the agent, and wait until it heeds SIGTERM: where all was done before, the next thing is its end."""
        self.box.agent.start()
        self.box.until(lambda: self.box.agent.heeds(signal.SIGTERM))

    def go_through(self, faults: list[Fault], done: Callable[[], bool]) -> None:
        """Wait for the end; on the way each fault has its turn, and those that were not reached by then do not."""
        end = time.monotonic() + PATIENCE_S
        left = list(faults)
        while not done():
            assert time.monotonic() < end, f"not done, {left} not reached: {self.box.agent.last_words(20)}"
            assert self.box.agent.alive(), self.box.agent.last_words(20)
            if left and self.line.sent >= left[0].at:
                self.suffer(left.pop(0))
            time.sleep(0.02)

    def until_received(self, count: int) -> None:
        """Wait until the dock has the custodian's receipts. A dock that could not publish its ledger tries again after
        15 s, then 30; one that is started anew asks at once, so nobody waits longer than it would take to start."""
        self.seen = 0
        soon = time.monotonic() + START_S
        self.go_through([], lambda: self.has(count, "custodian.receipt") or time.monotonic() > soon)
        if len(self.box.records("custodian.receipt")) < count:
            assert self.box.agent.stop() == 0
            self.start_again()
            self.seen = 0
            self.go_through([], lambda: self.has(count, "custodian.receipt"))


def seeds() -> range:
    first, _, last = os.environ.get("DOCKAGENT_FAULT_SEEDS", FEW).partition("-")
    return range(int(first), int(last or first) + 1)


def stored_once(central: Central, copy: Path, wanted: list[str], *, may_read: bool) -> "list[ObjectVersionTypeDef]":
    """The versions of the masters in the store, which ``copy`` is a copy of, after they were found to be ``wanted``."""
    versions = central.bucket.client.list_object_versions(Bucket=central.bucket.name)["Versions"]
    masters = [one for one in versions if one["Key"].endswith("/master")]
    if may_read:
        assert len(masters) == len(wanted)
    else:  # Ceph 16 ignores If-None-Match in such a bucket, and who may not look cannot know
        assert len({(one["Key"], one["ETag"]) for one in masters}) == len(wanted)
    assert sorted(sha256(file) for file in copy.rglob("master")) == wanted
    return masters


def receipts_valid(copy: Path, masters: "list[ObjectVersionTypeDef]", key: Path) -> None:
    """Each master has one receipt, signed by ``key`` as openssl finds, that says what lies there and what keeps it."""
    versions = defaultdict(set)
    for one in masters:
        versions[one["Key"].removeprefix("force/")].add(one["VersionId"])
    for file in copy.rglob("master"):
        statement = judged((file.parent / "receipt.json").read_bytes(), key)
        said, name = statement["predicate"], file.relative_to(copy).as_posix()
        digest = sha256(file)
        assert statement["subject"] == [{"name": name, "digest": {"sha256": digest}}]
        assert (said["key"], said["sha256"], said["bytes"]) == (name, digest, file.stat().st_size)
        assert (said["clip_sha256"], said["clip_bytes"]) == (digest, file.stat().st_size)
        assert said["version"] in versions[name]
        assert (said["retention"]["mode"], said["legal_hold"]) == ("COMPLIANCE", "off")
        assert (said["findings"], said["quarantine"], said["read"]) == ([], "", "storage")
        record = file.parent / said["record"]["name"]
        assert said["record"]["sha256"] == sha256(record)
        assert said["checkpoint"]["size"] > said["checkpoint"]["entry"]


@pytest.mark.parametrize("seed", seeds())
def test_every_clip_is_in_the_store_once_with_its_receipt(
    seed: int, servers: Callable[[], rgw.Gateway], box: Box, tmp_path: Path
) -> None:
    dice = random.Random(seed)
    faults = script(dice)
    gateway = servers()
    may_read = seed % 2 == 0
    with ExitStack() as ends:
        line = ends.enter_context(Line(gateway.port))
        central = Central(gateway, box)
        account.let_in(central.bucket, "force")
        other = Counterparty.beside(central.bucket, central.url, box)
        ends.enter_context(other.its)
        central.bucket.endpoint = f"http://127.0.0.1:{line.port}"
        small = Shift(2, start=STARTED, size=300_000, sidecars=False, seed=seed)
        large = Shift(1, start=STARTED, size=LARGE, sidecars=False, seed=seed)
        cameras = [box.camera("BWC-1", "bay1", small), box.camera("BWC-2", "bay2", large)]
        wanted = sorted(sha for camera in cameras for sha in footage(camera.home).values())
        central.read_with(rgw.ADMIN if may_read else rgw.DOCK, **other.tables)
        with StillAgent(box.place, store=central.url) as box.agent:
            other.its.start()
            box.agent.start()
            for camera in cameras:
                camera.plug()
            life = Life(box, gateway, line, other, dice)
            life.go_through(faults, lambda: life.has(len(wanted), "receipt"))
            box.until_released(2)
            life.until_received(len(wanted))
            assert len(box.records("receipt")) == len(box.records("custodian.receipt")) == len(wanted)
            assert not box.records("custodian.alarm")
            assert box.agent.stop() == 0
        assert other.its.end(signal.SIGTERM) == 0
        code, round_ = other.its.once()
        assert (code, round_["troubles"], round_["told"], round_["receipts"]) == (0, [], [], 0), round_
        copy = central.copy(tmp_path / "copy")
        receipts_valid(copy, stored_once(central, copy, wanted, may_read=may_read), public_key(other.key, tmp_path))
        trust = box.place.root / "trust.json"
        trust.write_bytes(other.trust.encode())
        checked = agent.run("verify", box.place.home, copy, "--trust", trust, "--json")
        assert checked.code == 0, checked.out[-2000:]
        (receipts,) = [one for one in checked.json()["reports"] if one["kind"] == "custodian"]
        assert receipts["verdicts"]["intact"]["why"] == f"all {len(wanted)} receipts are about what lies beside them"
