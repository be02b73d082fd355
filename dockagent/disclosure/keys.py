"""The dock's public keys for a package, in the forms that openssl, Go and Sigstore's tools take."""

from collections.abc import Iterator, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dockagent.core.proof import dsse
from dockagent.core.proof.key_statement import public_pem
from dockagent.errors import Refused
from dockagent.ledger.trust import DockIdentity, Trust

TRUST_FILE = "trust.json"


def key_files(docks: Sequence[DockIdentity], folder: str) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each file in ``folder``: the trust file of these sets of keys, and each key by itself."""
    yield from ((f"{folder}/{name}", data) for name, data in _files(docks))


def _files(docks: Sequence[DockIdentity]) -> Iterator[tuple[str, bytes]]:
    yield TRUST_FILE, Trust(tuple(docks)).encode()
    for dock in docks:
        number = dock.key_set.generation
        log = Ed25519PublicKey.from_public_bytes(dock.log_key.public)
        yield f"record-{number}.pem", dock.record_key_pem.encode()
        yield f"record-{number}.keyid", f"{dsse.key_id(dock.record_key)}\n".encode()
        yield f"log-{number}.pem", log.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        yield f"log-{number}.vkey", f"{dock.log_key.text()}\n".encode()
        if dock.certified is not None:
            yield f"identity-{number}.pem", public_pem(dock.certified.identity_key).encode()
        if dock.chain_pem:
            yield f"chain-{number}.pem", dock.chain_pem.encode()


def signer_of(envelope: dsse.Envelope, docks: Sequence[DockIdentity]) -> DockIdentity:
    """Which set of keys signed an envelope. Raises Refused where none of them did."""
    for dock in docks:
        if dsse.signed_by(envelope, dock.record_key):
            return dock
    raise Refused("a clip record is signed by none of this dock's keys", "run `dockagent verify` on the dock's home")
