"""What goes with each custody record of a package, for three kinds of outside verifier: the envelope itself (DSSE), a
``tlog-proof@v1`` that it is in the ledger, and a Sigstore bundle v0.3, its one-file form."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from dockagent.core import strict_json
from dockagent.core.disclosure.package_form import BUNDLE, ENVELOPE, RECORDS, WITHHELD, bundle
from dockagent.core.proof import dsse, merkle, tlog_proof
from dockagent.disclosure.heads import Head
from dockagent.disclosure.records import Told
from dockagent.errors import DockError
from dockagent.ledger.leaves import Leaves

Stamp = Callable[[bytes], tuple[bytes, int, str]]
"""Has bytes stamped: the raw RFC 3161 reply, its time (ms since 1970 UTC) and serial number."""


@dataclass(slots=True)
class Proving:
    """What proofs are made from: the checkpoints (best first) and the ledger's leaf hashes. ``stamp``: who stamps a
    record's signature, or None. ``unproved``: records that lie beyond every checkpoint; ``unstamped``: why some bundles
    have no time stamp."""

    heads: Sequence[Head]
    leaves: Leaves
    stamp: Stamp | None = None
    unproved: int = 0
    unstamped: str = ""
    _provers: dict[int, tlog_proof.Prover] = field(default_factory=dict)

    def proof(self, index: int) -> bytes:
        """The ``tlog-proof`` of entry ``index`` under the best checkpoint that covers it; empty where none does."""
        head = next((one for one in self.heads if one.size > index), None)
        if head is None:
            self.unproved += 1
            return b""
        if head.size not in self._provers:
            self._provers[head.size] = tlog_proof.Prover(self.leaves.hashes(head.size), head.signed)
        return self._provers[head.size].proof(index).encode()

    def files(self, told: Told) -> Iterator[tuple[str, bytes]]:
        """The files of one record: name in the bag, bytes."""
        if told.withheld:
            leaf = merkle.leaf_hash(told.entry).hex()
            said = {"index": told.index, "type": told.record["type"], "leaf_hash": leaf, "withheld": told.withheld}
            yield f"{RECORDS}{told.name}{WITHHELD}", strict_json.canonical(said) + b"\n"
        else:
            yield f"{RECORDS}{told.name}{ENVELOPE}", told.entry
            yield f"{RECORDS}{told.name}{BUNDLE}", self._bundle(told.entry)
        if proof := self.proof(told.index):
            yield f"{RECORDS}{told.name}{tlog_proof.SUFFIX}", proof

    def _bundle(self, entry: bytes) -> bytes:
        return strict_json.canonical(bundle(entry, self._stamped(dsse.parse(entry).signatures[0].sig))) + b"\n"

    def _stamped(self, signature: bytes) -> bytes:
        """An RFC 3161 reply over a signature. Whoever failed once is not asked again: a package may have thousands."""
        if self.stamp is None or self.unstamped:
            return b""
        try:
            return self.stamp(signature)[0]
        except DockError as err:
            self.unstamped = str(err)
            return b""
