"""Logs and witnesses for tests, from fixed seeds."""

from collections.abc import Callable
from pathlib import Path
from random import Random

from dockagent.clock import Clock, SystemClock
from dockagent.core.proof import cosignature, merkle, note, witnessing
from dockagent.core.proof.witnessing import Request
from dockagent.durable import Disk, RealDisk
from dockagent.ledger.ask_witness import Reply, WitnessPeer
from dockagent.ledger.keys import Keys
from dockagent.ledger.witness import Answer, Witness
from dockagent.ledger.witness_key import WitnessKey
from tests.simulation.memory_disk import MemoryDisk


def leaves(count: int, fork_at: int = -1) -> list[bytes]:
    """Leaf hashes of a log; ``fork_at``: one of them is another."""
    return [merkle.leaf_hash(b"%d%s" % (n, b"!" if n == fork_at else b"")) for n in range(count)]


def checkpoint(keys: Keys, hashes: list[bytes], size: int | None = None) -> bytes:
    size = len(hashes) if size is None else size
    return keys.sign_checkpoint(size, merkle.root(hashes[:size])).encode()


def request(keys: Keys, hashes: list[bytes], old: int, size: int) -> Request:
    proof = merkle.consistency_proof(hashes[:size], old) if 0 < old < size else ()
    return Request(old, proof, checkpoint(keys, hashes, size))


def key(disk: Disk | None = None, name: str = "w.example/1", seed: int = 1) -> WitnessKey:
    return WitnessKey.open(disk or MemoryDisk(Random(0)), name, Random(seed).randbytes)


def logs(*docks: Keys) -> witnessing.Logs:
    return {one.origin: (one.dock.log_key,) for one in docks}


def witness(
    *docks: Keys, disk: Disk | None = None, name: str = "w.example/1", seed: int = 1, clock: Clock | None = None
) -> Witness:
    return Witness(disk or MemoryDisk(Random(0)), key(name=name, seed=seed), logs(*docks), clock or SystemClock())


def witness_in(folder: Path, *docks: Keys) -> Witness:
    return Witness(RealDisk(folder), key(), logs(*docks), SystemClock())


def peer(name: str = "w.example/1", seed: int = 1, url: str = "http://127.0.0.1:9") -> WitnessPeer:
    return WitnessPeer(key(name=name, seed=seed).public, url)


def post_to(asked: Callable[[bytes], Answer]) -> Callable[[WitnessPeer, bytes], Reply]:
    """A way to a witness in this very process."""

    def post(_: WitnessPeer, body: bytes) -> Reply:
        answer = asked(body)
        return Reply(answer.status, answer.body)

    return post


def seconds(line: bytes, text: str, public: note.VerifierKey) -> int:
    """When a cosignature line was made; raises where it is not good."""
    return cosignature.check(note.Note(text, note.parse_signature_lines(line.decode())), public).seconds
