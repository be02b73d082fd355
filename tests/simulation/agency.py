"""The agency whose footage a simulated dock seals: it alone can open it."""

import pyrage

from dockagent.sealing.age import AgeSealer, Read, Write

_IDENTITY = pyrage.x25519.Identity.generate()
SECRET = str(_IDENTITY)
RECIPIENT = str(_IDENTITY.to_public())


class Blunderer(AgeSealer):
    """Seals other bytes than it read: no digest that the dock takes itself can show that."""

    def seal(self, read: Read, write: Write) -> None:
        super().seal(lambda size: read(size)[::-1], write)


def sealer(*, blunders: bool = False) -> AgeSealer:
    """What a dock is given to seal with."""
    return (Blunderer if blunders else AgeSealer)((RECIPIENT,))


def opened(sealed: bytes) -> bytes:
    """What is in a sealed object, by the library itself. Raises pyrage.DecryptError for anything else."""
    found: bytes = pyrage.decrypt(sealed, [_IDENTITY])
    return found
