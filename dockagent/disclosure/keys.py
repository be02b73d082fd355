"""The dock's public keys for a package, and which of them signed."""

from collections.abc import Iterator, Sequence

from dockagent.core.proof import dsse
from dockagent.errors import Refused
from dockagent.evidence.check_package_keys import files_of
from dockagent.ledger.trust import DockIdentity, Trust

TRUST_FILE = "trust.json"


def key_files(docks: Sequence[DockIdentity], folder: str) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each file in ``folder``: the trust file of these sets of keys, and each key by itself."""
    yield f"{folder}/{TRUST_FILE}", Trust(tuple(docks)).encode()
    for dock in docks:
        yield from ((f"{folder}/{name}", data) for name, data in files_of(dock))


def signer_of(envelope: dsse.Envelope, docks: Sequence[DockIdentity]) -> DockIdentity:
    """Which set of keys signed an envelope. Raises Refused where none of them did."""
    for dock in docks:
        if dsse.signed_by(envelope, dock.record_key):
            return dock
    raise Refused("a clip record is signed by none of this dock's keys", "run `dockagent verify` on the dock's home")
