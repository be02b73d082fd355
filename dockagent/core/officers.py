"""Under which words an officer is known to a dock: one door, through which every name passes before it is recorded.

The ledger may be published and the catalogue is, so what an agency does not want there must not come in. What a camera
itself signed stays as it is, in the manifest that goes with its clips: a camera that signs names shows names.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Literal

import msgspec

from dockagent.core.camera.manifest import Reading
from dockagent.core.camera.statement import Claim, Manifest
from dockagent.errors import Refused, UsageError

Keep = Literal["plain", "keyed", "none"]
LEAST_SECRET = 16  # bytes
_PREFIX = "k-"
_DIGITS = 24  # hex, of HMAC-SHA-256: 96 bits, so that no two officers of any force meet
_PSEUDONYM = re.compile(f"{_PREFIX}[0-9a-f]{{{_DIGITS}}}")


@dataclass(frozen=True, slots=True)
class Officers:
    """``keep``: ``plain``, as stated; ``keyed``, by a pseudonym that only the holder of ``secret`` can tell; ``none``.
    Without the secret nobody can try numbers until one fits, as they could with a plain hash."""

    keep: Keep = "plain"
    secret: bytes = b""

    def __post_init__(self) -> None:
        if self.keep == "keyed" and len(self.secret) < LEAST_SECRET:
            raise UsageError(
                f"the key for officers' pseudonyms has {len(self.secret)} bytes; at least {LEAST_SECRET} are needed",
                "make it once for all docks: openssl rand -hex 32",
            )

    def known_as(self, officer: str) -> str:
        """The words for this officer in records; empty for nobody."""
        if not officer or self.keep == "none":
            return ""
        if self.keep == "plain":
            return officer
        return _PREFIX + hmac.new(self.secret, officer.encode(), hashlib.sha256).hexdigest()[:_DIGITS]

    def let_in(self, officer: str) -> str:
        """What a person's act may say of an officer: these words as :meth:`known_as` makes them, or a pseudonym that
        was made before. Raises Refused where none are kept: to drop a name would say that nobody has the camera."""
        if officer and self.keep == "none":
            raise Refused("this dock keeps no officers", 'keep of [officers] is "none"')
        return officer if self.keep == "keyed" and _PSEUDONYM.fullmatch(officer) else self.known_as(officer)

    def in_reading(self, reading: Reading) -> Reading:
        """What was read of a camera's manifest, with its officers under these words."""
        if reading.manifest is None or self.keep == "plain":
            return reading
        clips = {path: self._in_claim(claim) for path, claim in reading.manifest.clips.items()}
        manifest: Manifest = msgspec.structs.replace(reading.manifest, clips=clips)
        return msgspec.structs.replace(reading, manifest=manifest)

    def _in_claim(self, claim: Claim) -> Claim:
        return msgspec.structs.replace(claim, officer=self.known_as(claim.officer)) if claim.officer else claim


PLAIN = Officers()
"""As stated: what a dock does that was told nothing else."""
