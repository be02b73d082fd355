"""Take the inventory: list the card, read its manifest, and find what the dock holds already."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dockagent.core import events as ev
from dockagent.core import plan, strict_json
from dockagent.core.camera import inventory, manifest
from dockagent.core.camera.inventory import Entry, FileFact, Finding, Skipped
from dockagent.core.camera.profile import Profile
from dockagent.core.model import UNLISTED, Receipt
from dockagent.core.paths import to_bytes, to_text
from dockagent.errors import DockError, Gone
from dockagent.steps.identify import CHAIN_LIMIT
from dockagent.steps.listing import list_card, read_file
from dockagent.steps.pull import fingerprint_of
from dockagent.steps.world import World
from dockagent.transports import FileFact as ListedFile
from dockagent.transports import Footage

SIGNED_NAME = "manifest.dsse.json"
MANIFEST_LIMIT = 32 << 20
MOST_FILES = 30_000  # an inventory is one record of the ledger: a hostile card must not be able to burst it
MOST_SPECIAL = 1000
_DAY_MS, _QUARTER_MS = 26 * 3_600_000, 900_000
MOST_PATH_BYTES = 2 << 20


@dataclass(frozen=True, slots=True)
class Task:
    """Whose card to list. ``known``: item id to (clip id, fingerprint, file time) of what was pulled of this
    camera before; ``receipts``: those of its delivered clips; ``last_sequence``: the highest manifest sequence seen
    of it, or None."""

    session: str
    bay: str
    camera: str
    serial: str
    profile: str
    known: Mapping[str, Sequence[tuple[str, str, int]]]
    last_sequence: int | None
    receipts: Mapping[str, Receipt] = field(default_factory=dict)


def take_inventory(world: World, task: Task) -> tuple[ev.Event, ...]:
    """List, read the manifest, compare. Raises Gone when the camera leaves meanwhile."""
    footage = world.bays.footage(task.bay)
    profile = world.profile(task.profile)
    listed, trouble = list_card(footage)
    files = [_fact(one) for one in listed if not one.special]
    taken, findings = _bounded(files)
    if trouble:
        findings.append(Finding(UNLISTED, f"part of the card cannot be listed: {trouble}; keep the camera", "warning"))
    stock = inventory.take(profile, taken)
    try:
        reading, digest = _manifest(world, footage, profile, task)
    except Gone:
        raise
    except DockError as err:  # one bad sector there must not cost all the footage
        reading, digest = None, ""
        text = f"the camera's manifest cannot be read: {err}; its clips are taken as unsigned"
        findings.append(Finding("manifest-unreadable", text, "warning"))
    findings += stock.findings
    if profile.manifest is None and any(one.path.endswith(SIGNED_NAME) for one in files):
        text = f"there is a {SIGNED_NAME} on this card, but profile {profile.name} reads none: it is not checked"
        findings.append(Finding("manifest-ignored", text, "warning"))
    if reading is not None:
        findings += reading.findings
        if not world.camera_roots:
            text = "this dock was given no maker's root (camera_roots in [trust]): it cannot tell who signed"
            findings.append(Finding("no-camera-roots", text, "notice"))
        own = _own_files(profile, stock)
        findings += manifest.compare(reading, [file.path for file in taken if file.path not in own])
    held = _held(footage, task, stock.entries)
    missing = {clip for clip in held.values() if _is_missing(world, task.receipts.get(clip))}
    held = {item: clip for item, clip in held.items() if clip not in missing}
    return (
        ev.InventoryTaken(
            session=task.session,
            entries=stock.entries,
            skipped=(*stock.skipped, *_special(listed)),
            findings=inventory.limited(findings),
            held=held,
            manifest=reading,
            manifest_sha256=digest,
            missing=tuple(sorted(missing)),
        ),
    )


def _fact(listed: ListedFile) -> FileFact:
    """With numbers that a record can hold, whatever the card claims."""
    size = max(0, min(listed.size, strict_json.MAX_INT))
    mtime_ms = max(-strict_json.MAX_INT, min(listed.mtime_ms, strict_json.MAX_INT))
    return FileFact(to_text(listed.path), size, mtime_ms)


def _special(listed: Iterable[ListedFile]) -> list[Skipped]:
    """What is not followed or opened, whatever it is called; no camera writes such."""
    odd = [one for one in listed if one.special][:MOST_SPECIAL]
    return [Skipped(to_text(one.path), "os-junk", f"a {one.special}, which is never opened") for one in odd]


def _bounded(files: Sequence[FileFact]) -> tuple[list[FileFact], list[Finding]]:
    room, taken = MOST_PATH_BYTES, []
    for file in files[:MOST_FILES]:
        room -= len(file.path.encode())
        if room < 0:
            break
        taken.append(file)
    left = len(files) - len(taken)
    if not left:
        return taken, []
    text = f"the card lists {len(files)} files, more than one inventory holds: {left} are not taken; keep the camera"
    return taken, [Finding(UNLISTED, text, "warning")]


def _own_files(profile: Profile, stock: inventory.Inventory) -> set[str]:
    """Paths that no camera lists in its own manifest: the manifest itself, its chain, and what is left out anyway."""
    place = profile.manifest
    own = {skipped.path for skipped in stock.skipped}
    return own | ({place.path, place.chain} if place else set())


def _manifest(world: World, footage: Footage, profile: Profile, task: Task) -> tuple[manifest.Reading | None, str]:
    """The manifest as the camera signed it, kept byte for byte, and what is to be thought of it."""
    place = profile.manifest
    if place is None:
        return None, ""
    try:
        envelope = read_file(footage, place.path, MANIFEST_LIMIT)
    except Gone:
        footage.facts()  # raises Gone when the camera is away, and not just this file
        return None, ""
    try:
        chain = read_file(footage, place.chain, CHAIN_LIMIT)
    except Gone:
        chain = b""
    digest = hashlib.sha256(envelope).hexdigest()
    world.disk.write(plan.manifest_file(digest), envelope)
    if chain:
        world.disk.write(plan.chain_file(digest), chain)
    now = world.clock.now()
    reading = manifest.read(
        envelope,
        chain,
        world.camera_roots,
        now.utc_ms,
        task.serial,
        previous_sequence=task.last_sequence,
        uncertainty_ms=now.uncertainty_ms,
    )
    return world.officers.in_reading(reading), digest


def _held(footage: Footage, task: Task, entries: Iterable[Entry]) -> dict[str, str]:
    """The items whose bytes the dock has: known by camera, path and size, still the same at every probed place, and
    with the same file time."""
    held: dict[str, str] = {}
    for entry in entries:
        item = plan.item_id(task.camera, entry.path, entry.bytes)
        clips = task.known.get(item)
        if not clips:
            continue
        try:
            with footage.open(to_bytes(entry.path)) as source:
                now = fingerprint_of(source, source.size())
        except Gone:
            footage.facts()
            continue
        except DockError:
            continue  # it cannot be compared, so it is pulled, and the pull says what is wrong with it
        same = [clip for clip, before, mtime_ms in clips if before == now and _same_time(mtime_ms, entry.mtime_ms)]
        if same:
            held[item] = same[-1]
    return held


def _same_time(before_ms: int, now_ms: int) -> bool:
    """Whether two file times of one file agree. FAT keeps local time: it shifts by whole quarters of an hour when the
    zone or daylight saving does, and then the file is still the same."""
    apart = abs(before_ms - now_ms)
    return apart <= _DAY_MS and apart % _QUARTER_MS == 0


def _is_missing(world: World, receipt: Receipt | None) -> bool:
    """Whether a clip that was delivered is not in the store that the dock has now. A store that cannot be asked, or
    that may not be asked by this dock, is believed to hold what it gave a receipt for."""
    if receipt is None:
        return False
    if receipt.store != world.store.url:
        return True
    if not receipt.store.startswith("file:"):
        return False  # a look at each of ten thousand objects far away is no part of docking again
    try:
        there = world.store.stat(receipt.key)
    except DockError:
        return False
    return there is None or there.size != receipt.bytes
