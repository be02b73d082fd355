"""Notarize: have outsiders vouch for the ledger as it is. Witnesses cosign its checkpoint, an authority stamps it, and
the store gets checkpoint and tiles for everybody to see.

Each of them may fail alone: what it says then is a finding, and the others go on. What was gathered is kept durably
beside the ledger before anything is published or recorded; asking the same again gives the same or more.
"""

import hashlib
import io
from dataclasses import dataclass, field

from dockagent.core import events as ev
from dockagent.core.camera.inventory import Finding
from dockagent.core.history import CONTRADICTED
from dockagent.core.model import Cosigner, TimeStamp
from dockagent.core.proof import cosignature, merkle, note
from dockagent.errors import DockError, Missing, Refused, Retryable
from dockagent.ledger import tiles, witnessed
from dockagent.ledger.ask_witness import Contradicted, WitnessPeer, ask
from dockagent.ledger.log import CHECKPOINT
from dockagent.ledger.notary import Notary
from dockagent.ledger.witness_round import PATIENCE_S, alone, keep, with_kept
from dockagent.steps.world import World
from dockagent.stores import Conflict, Source, Unseen

LEDGER = "ledger"
MOST_APART_S = 300  # between a witness's clock and ours, before a person is told


@dataclass(slots=True)
class _Round:
    """One checkpoint on its way round. ``signed``: the note with the cosignatures so far."""

    world: World
    notary: Notary
    head: note.Checkpoint
    signed: bytes
    hashes: list[bytes]
    cosigners: list[Cosigner] = field(default_factory=list)
    stamp: TimeStamp | None = None
    token: bytes = b""
    contradicted: bool = False
    retry: bool = False
    published: str = ""
    findings: list[Finding] = field(default_factory=list)

    @property
    def vouched_for(self) -> bool:
        """Whether enough witnesses cosigned it, and none has seen another history."""
        return len(self.cosigners) >= self.notary.quorum and not self.contradicted

    def note_trouble(self, code: str, text: str) -> None:
        """Something that a person should know, and that stops nothing else."""
        self.findings.append(Finding(code, text, "warning"))

    def event(self) -> ev.Checkpointed:
        """What came of it."""
        return ev.Checkpointed(
            size=self.head.size,
            root=self.head.root.hex(),
            cosigners=tuple(self.cosigners),
            asked=len(self.notary.peers),
            quorum=self.notary.quorum,
            stamp=self.stamp,
            published=self.published,
            findings=tuple(self.findings),
            retry=self.retry,
        )


def notarize(world: World) -> tuple[ev.Event, ...]:
    """Send the newest checkpoint round, keep and publish what came of it."""
    if world.notary is None:
        raise Missing("nobody is named who could vouch for this ledger", "name them in [witnesses]")
    gathered = _gather(world, world.notary)
    if world.notary.publish and gathered.vouched_for:
        _publish(gathered)
    return (gathered.event(),)


def notarize_at_stop(world: World, notary: Notary, seconds: float) -> str:
    """The same for the very last checkpoint, without publishing, within about ``seconds``; what came of it, in words
    for the log. No record tells of it: the checkpoint lies beside the ledger, and the next start sends a newer one."""
    gathered = _gather(world, notary, until=world.clock.monotonic() + seconds)
    return f"the last {gathered.head.size} records are cosigned by {len(gathered.cosigners)} of {len(notary.peers)}"


def _gather(world: World, notary: Notary, until: float | None = None) -> _Round:
    """Ask everybody, then keep what they said; not while somebody who hands footage out is at it."""
    patience_s = PATIENCE_S if until is None else max(until - world.clock.monotonic(), 0)
    with alone(world.disk, LEDGER, world.clock, patience_s):
        return _gather_alone(world, notary, until)


def _gather_alone(world: World, notary: Notary, until: float | None) -> _Round:
    signed = world.disk.read(f"{LEDGER}/{CHECKPOINT}")
    head = note.parse_checkpoint(note.parse(signed))
    hashes = notary.leaves.hashes(head.size)
    if merkle.root(hashes) != head.root:
        raise Refused(
            f"the ledger's first {head.size} records are not those of its checkpoint", "run `dockagent verify`"
        )
    one = _Round(world, notary, head, with_kept(world.disk, LEDGER, signed, notary.peers), hashes)
    seen = _newest_kept(world, notary)
    for peer in notary.peers:
        if until is None or world.clock.monotonic() < until:
            _ask(one, peer, seen.get(peer.key, 0))
    if notary.stamp is not None and not one.contradicted and (until is None or world.clock.monotonic() < until):
        _stamp(one)
    if one.cosigners or one.token:  # durably, before anybody relies on it
        keep(world.disk, LEDGER, one.signed, one.token)
    return one


def _newest_kept(world: World, notary: Notary) -> dict[note.VerifierKey, int]:
    """For each witness the size of the newest checkpoint that is kept with its cosignature, among the newest few."""
    seen: dict[note.VerifierKey, int] = {}
    for size in reversed(witnessed.sizes(world.disk, LEDGER)[-4:]):
        kept = note.parse(world.disk.read(witnessed.path_of(LEDGER, size)))
        for one in cosignature.good(kept, [peer.key for peer in notary.peers])[0]:
            seen.setdefault(one.witness, size)
    return seen


def _ask(one: _Round, peer: WitnessPeer, guess: int) -> None:
    try:
        made = cosignature.good(note.parse(one.signed), [peer.key])[0]
        if not made:
            signature = ask(peer, one.signed, lambda old: _prove(one, old), guess, one.notary.post)
            one.signed = witnessed.with_signatures(one.signed, [signature])
            made = (cosignature.check(note.parse(one.signed), peer.key),)
            _compare_clocks(one, made[0])
    except DockError as err:
        contradicted = isinstance(err, Contradicted)
        one.contradicted = one.contradicted or contradicted
        one.note_trouble(CONTRADICTED if contradicted else "witness", str(err))
        return
    one.cosigners += [Cosigner(peer.name, peer.key.key_hash.hex(), cosigned.seconds * 1000) for cosigned in made]


def _compare_clocks(one: _Round, made: cosignature.Cosignature) -> None:
    """A witness's word counts with the time that it states; whose clock is wrong, a person has to find out."""
    apart = made.seconds - one.world.clock.now().utc_ms // 1000
    if abs(apart) > MOST_APART_S:
        way = "ahead of" if apart > 0 else "behind"
        one.note_trouble("witness-clock", f"the clock of {made.witness.name} is {abs(apart)} s {way} ours")


def _prove(one: _Round, old: int) -> tuple[bytes, ...]:
    return merkle.consistency_proof(one.hashes, old)


def _stamp(one: _Round) -> None:
    if one.notary.stamp is None:
        return
    try:
        token, time_ms, serial = one.notary.stamp(witnessed.stamped_part(one.signed))
    except DockError as err:
        one.retry = one.retry or isinstance(err, Retryable)
        one.note_trouble("timestamp", str(err))
        return
    one.token = token
    one.stamp = TimeStamp(one.notary.stamp_url, serial, time_ms, hashlib.sha256(token).hexdigest())


def _publish(one: _Round) -> None:
    """Tiles and entries, this checkpoint for good, and at last the newest checkpoint. Where it ends early, the next
    round goes on from there.

    A tile's name and bytes follow from the ledger alone, which witnesses saw. So where its key is taken and this dock
    may not look by what, its own earlier try is what lies there; waiting would end nothing, for nobody reads a ledger
    before its checkpoint is there. Were it another's, everyone who reads would find that it does not lead to the
    checkpoint, the custodian first (his report ``ledger``).
    """
    world = one.world
    mark = f"{LEDGER}/published/{hashlib.sha256(world.store.url.encode()).hexdigest()[:16]}"
    prefix = tiles.prefix(world.keys.dock.id)
    try:
        taken = list[str]()
        publication = tiles.prepare(_edge(world, mark), one.notary.leaves.read, one.signed)
        for thing in publication.objects():
            if not thing.final:
                _put_for_good(one, prefix)
                world.store.replace(prefix + thing.path, thing.data)
            else:
                taken += _put_tile(world, prefix + thing.path, thing.data)
    except DockError as err:
        one.retry = one.retry or isinstance(err, Retryable)
        one.note_trouble("publish", f"the ledger is not published: {err}")
        return
    world.disk.write(mark, publication.edge.encode())
    one.published = prefix + tiles.CHECKPOINT
    if taken:
        words = f"{len(taken)} parts of the published ledger were in the store already, the first of them {taken[0]}"
        why = "this dock may not look at them, and takes them for its own"
        check = "the custodian holds each against the checkpoint"
        one.findings.append(Finding("publish", f"{words}: {why}; {check}", "notice"))


def _put_tile(world: World, key: str, data: bytes) -> list[str]:
    """The key, where it was taken by what this dock may not see."""
    try:
        world.store.put(key, source_of(data))
    except Unseen:
        return [key]
    return []


def _put_for_good(one: _Round, prefix: str) -> None:
    """``checkpoints/<size>`` and its token, which nobody replaces. Where a crash came between, the first ones stay."""
    for name, data in (("", one.signed), (witnessed.SUFFIX, one.token)):
        try:
            if data:
                one.world.store.put(f"{prefix}checkpoints/{one.head.size}{name}", source_of(data))
        except (Conflict, Unseen):
            text = f"the store holds an earlier word on the first {one.head.size} records already; that one stays"
            one.findings.append(Finding("publish", text, "notice"))


def _edge(world: World, mark: str) -> tiles.Edge:
    """Where the last publication to this store ended; from the start where nobody knows."""
    if world.disk.size(mark) is None:
        return tiles.Edge()
    try:
        return tiles.decode(world.disk.read(mark))
    except Refused:
        return tiles.Edge()  # a cache: all is put once more


def source_of(data: bytes) -> Source:
    """Bytes in memory, as stores take them."""
    return Source(len(data), hashlib.sha256(data).hexdigest(), lambda: io.BytesIO(data))
