"""Names and places: what identifies a file on a camera, a clip, and where each lies in the spool and the store."""

import hashlib
import zlib
from datetime import UTC, datetime

from dockagent.core.model import Clip
from dockagent.core.paths import safe_name

FINGERPRINT_EDGE = 64 << 10
FINGERPRINT_PROBE = 4 << 10
_PROBES = 14
_FIRST_YEAR, _LAST_YEAR = 1970, 9999
SEALED = ".age"
SEALED_MASTER = f"master{SEALED}"


def item_id(camera: str, path: str, size: int) -> str:
    """Names one listed file of one camera: enough to find what was pulled of it before, not enough to trust it."""
    return _digest("dockagent/item/1", camera, path, str(size))


def clip_id(camera: str, sha256: str) -> str:
    """Names a clip by its source and its content, never by name or time: 32 hex digits."""
    return _digest("dockagent/clip/1", camera, sha256)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def fingerprint_ranges(size: int) -> list[tuple[int, int]]:
    """The (offset, length) ranges of a file of ``size`` bytes whose digest tells at a docking whether it changed.

    Head, tail and a few probes between: a listing's worth of reading, not a copy. Containers keep their times and
    sizes at the edges, so a file that was recorded anew differs there.
    """
    if size <= 2 * FINGERPRINT_EDGE:
        return [(0, size)] if size else []
    step = (size - 2 * FINGERPRINT_EDGE) // (_PROBES + 1)
    inner = [(FINGERPRINT_EDGE + step * n, FINGERPRINT_PROBE) for n in range(1, _PROBES + 1)]
    if step <= FINGERPRINT_PROBE:
        inner = []
    return [(0, FINGERPRINT_EDGE), *inner, (size - FINGERPRINT_EDGE, FINGERPRINT_EDGE)]


def store_prefix(clip: Clip) -> str:
    """The clip's folder in the store. The date is the camera's own, so that every dock arrives at the same key."""
    if clip.quarantine:
        return f"quarantine/{safe_name(clip.camera)}/{clip.id}"
    return clip_folder(clip.camera, clip.mtime_ms, clip.id)


def clip_folder(camera: str, mtime_ms: int, clip: str) -> str:
    """Where a clip that nobody doubts lies in the store, by its camera, its file's time and its id."""
    return f"clips/{safe_name(camera)}/{_day(mtime_ms)}/{clip}"


def catalogue_key(clip: Clip, dock: str) -> str:
    """Where the dock's line about a clip lies in the store. Each dock has its own, also about the same clip."""
    return f"catalogue/{safe_name(dock)}/{_day(clip.mtime_ms)}/{clip.id}.ndjson"


def _day(mtime_ms: int) -> str:
    seconds = mtime_ms // 1000
    try:
        day = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return "1970/01/01"
    return f"{day:%Y/%m/%d}" if _FIRST_YEAR <= day.year <= _LAST_YEAR else "1970/01/01"


def part_file(item: str) -> str:
    """Where the bytes of a file lie while they are being pulled."""
    return f"spool/parts/{item}.part"


def leaves_file(item: str) -> str:
    """Where the chunk digests of a half-pulled file lie: 32 bytes for each whole chunk."""
    return f"spool/parts/{item}.leaves"


def spool_folder(clip: str, quarantine: str = "") -> str:
    """Where a clip rests in the dock; a quarantined one rests apart."""
    return f"quarantine/{clip}" if quarantine else f"spool/{clip}"


def put_aside(clip: str) -> str:
    """Where a whole master goes that no record speaks of."""
    return f"quarantine/{clip}.unknown/master"


def sealed_name(name: str) -> str:
    """What the sealed copy of an object is called."""
    return f"{name}{SEALED}"


def other_seal(name: str, sha256: str) -> str:
    """Where a sealed object goes in the store when another sealed copy of the same has its name already: every sealing
    gives other bytes, so that both may be good. ``name`` ends in ``.age``; ``sha256`` is of the sealed object."""
    return f"{name.removesuffix(SEALED)}.{sha256[:8]}{SEALED}"


def manifest_file(sha256: str) -> str:
    """Where a manifest as read from the camera is kept."""
    return f"spool/manifests/{sha256}.dsse.json"


def chain_file(sha256: str) -> str:
    """Where the certificates that came with a manifest are kept."""
    return f"spool/manifests/{sha256}.chain.pem"


def backoff_ms(attempts: int, key: str, first_ms: int = 1000, longest_ms: int = 300_000) -> int:
    """Exponential wait before the next try, spread by a quarter either way so that docks do not knock in step."""
    wait = min(longest_ms, first_ms << min(attempts - 1, 20))
    spread = zlib.crc32(f"{key}/{attempts}".encode()) % 512 - 256
    return wait + wait * spread // 1024
