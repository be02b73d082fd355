"""Those who vouch for a simulated dock's ledger. They remember what the dock may forget: no power cut touches them."""

from dataclasses import dataclass, field
from random import Random

from dockagent.core.proof.witnessing import Head
from dockagent.durable import Disk
from dockagent.errors import Retryable
from dockagent.ledger.ask_witness import Reply, WitnessPeer
from dockagent.ledger.keys import Keys
from dockagent.ledger.leaves import Leaves
from dockagent.ledger.notary import Notary
from dockagent.ledger.witness import Witness
from dockagent.ledger.witness_key import WitnessKey
from tests.simulation.actors import VirtualClock
from tests.simulation.memory_disk import MemoryDisk

NAMES = ("one.example/w", "two.example/w", "three.example/w")


@dataclass(slots=True)
class Outsiders:
    """Three witnesses; ``trouble``: how often one is not reached, or its answer is lost."""

    seed: int
    clock: VirtualClock
    trouble: float = 0.0
    witnesses: dict[str, Witness] = field(default_factory=dict)
    peers: tuple[WitnessPeer, ...] = ()
    random: Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)

    def meet(self, dock: Keys) -> None:
        """Let them know the dock. Once; they never forget."""
        if self.witnesses:
            return
        for number, name in enumerate(NAMES):
            key = WitnessKey.open(MemoryDisk(Random(number)), name, Random(number).randbytes)
            logs = {dock.origin: (dock.dock.log_key,)}
            self.witnesses[name] = Witness(MemoryDisk(Random(number)), key, logs, self.clock)
            self.peers += (WitnessPeer(key.public, f"memory://{number}"),)

    def notary(self, home: Disk) -> Notary:
        """The notary of the dock in ``home``, which asks them."""
        return Notary(self.peers, 2, self._post, Leaves(home, "ledger"))

    def heads(self, origin: str) -> list[Head]:
        """What they have seen."""
        return [one.known(origin) for one in self.witnesses.values()]

    def _post(self, peer: WitnessPeer, body: bytes) -> Reply:
        if self.random.random() < self.trouble:
            raise Retryable(f"{peer.name} is not there (simulated)")
        answer = self.witnesses[peer.name].add_checkpoint(body)
        if self.random.random() < self.trouble:
            raise Retryable(f"the answer of {peer.name} was lost (simulated)")
        return Reply(answer.status, answer.body)
