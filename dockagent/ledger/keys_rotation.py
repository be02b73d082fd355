"""Changing a dock's keys, so that its ledger tells where, and everyone who believed the old keys can follow.

In this order, each step durable before the next:

1. the new private keys are made, in files of their own;
2. record ``keys.rotate``, the last one that the old record key signs, has the statement about the new keys, signed by
   the old identity and the new one;
3. the old log key signs a checkpoint that covers this record;
4. ``trust.json`` of the keys folder names the new set: from here on :meth:`Keys.load` gives the new keys;
5. record ``keys.rotated``, the first one that the new record key signs, keeps that checkpoint; the new log key signs
   the next one;
6. the old private keys are removed. (A medium may still hold their blocks. That is why their place in the ledger is
   over, and not only their files.)

The ledger decides what has happened: a crash before 2 has changed nothing, and after 2 :func:`finish` goes on.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import replace

from dockagent.core import custody
from dockagent.core import events as ev
from dockagent.core.model import State
from dockagent.core.moment import Instant
from dockagent.core.proof import dsse, key_statement, note
from dockagent.durable import Disk
from dockagent.errors import Refused
from dockagent.ledger.keys import PUBLIC, Keys, make_signing_keys
from dockagent.ledger.keys_enroll import news
from dockagent.ledger.keys_identity import KINDS, Identity, Maker, Random, file_name, open_identity
from dockagent.ledger.log import Ledger
from dockagent.ledger.trust import DockIdentity, Trust

Write = Callable[[Ledger, ev.Event], None]
"""Appends one event to the ledger as a record."""


def recorder(now: Callable[[], Instant], setting: custody.Setting) -> Write:
    """A :data:`Write` with the records' surroundings as in ``setting``."""

    def write(ledger: Ledger, event: ev.Event) -> None:
        ledger.append([custody.record(event, ledger.size, now(), setting, State(dock=setting.dock))])

    return write


def rotate(
    keys_disk: Disk,
    ledger_disk: Disk,
    write: Write,
    identity: Maker | None = None,
    random: Random = secrets.token_bytes,
) -> Keys:
    """Change the signing keys, and the identity too where a maker of a new one is given; the new keys.

    Finishes first what an earlier call left. Raises Refused where another process has the ledger, Missing where the
    identity is not here, UsageError where there are no keys.
    """
    keys = finish(keys_disk, ledger_disk, write)
    generation = keys.dock.key_set.generation + 1
    if identity is not None:
        identity(keys_disk, generation, random)
    _refuse_left_over_identity(keys_disk, generation, wanted=identity is not None)
    own = open_identity(keys_disk, generation)
    record, log = make_signing_keys(keys_disk, generation, own, random)
    with Ledger.open(ledger_disk, keys) as ledger:
        new = key_statement.KeySet(
            dock=keys.dock.id,
            origin=keys.origin,
            generation=generation,
            since=ledger.size + 1,
            previous=keys.key_id,
            root=ledger.root().hex(),
            identity_key=own.public,
            record_key=record.public_key(),
            log_key=note.VerifierKey(keys.origin, log.public_key().public_bytes_raw()),
        )
        statement = key_statement.seal(new, _signers(keys.identity, own))
        write(ledger, ev.KeysRotated(statement.decode()))
    return finish(keys_disk, ledger_disk, write)


def finish(keys_disk: Disk, ledger_disk: Disk, write: Write) -> Keys:
    """The keys in force, after whatever a change of keys that was cut short still needs. Costs next to nothing where
    none was."""
    keys = Keys.load(keys_disk)
    if _prepared(keys_disk, keys):
        with Ledger.open(ledger_disk, keys) as ledger:
            new = ledger.in_force
            if new.same_keys != keys.dock.same_keys:
                ledger.checkpoint()
                keys_disk.write(PUBLIC, Trust((*keys.docks, _with_chain(new, keys.dock))).encode(), 0o644)
        keys = Keys.load(keys_disk)
    if _left(keys_disk, keys):
        with Ledger.open(ledger_disk, keys) as ledger:
            if ledger.size == keys.dock.key_set.since:
                write(ledger, _taken(keys.dock, ledger))
            ledger.checkpoint()
        for name in _left(keys_disk, keys):
            keys_disk.remove(name)
    return keys


def _signers(before: Identity, after: Identity) -> list[key_statement.Signer]:
    both = [after] if before.public == after.public else [before, after]
    return [(dsse.key_id(one.public), one.sign) for one in both]


def _taken(dock: DockIdentity, ledger: Ledger) -> ev.Event:
    return ev.KeysTaken(dock.key_set.generation, hashlib.sha256(dock.statement).hexdigest(), ledger.last_checkpoint)


def _with_chain(new: DockIdentity, before: DockIdentity) -> DockIdentity:
    """A new set under the same identity has its certificates."""
    same = new.key_set.identity_key == before.key_set.identity_key
    return replace(new, chain_pem=before.chain_pem) if same else new


def _prepared(disk: Disk, keys: Keys) -> bool:
    """Whether the private keys of the next set are there."""
    return disk.size(file_name("log", keys.dock.key_set.generation + 1, "pem")) is not None


def _left(disk: Disk, keys: Keys) -> list[str]:
    """Files of private keys that a later set has taken the place of. They go last, so that they also tell that a
    change was not finished."""
    generation = keys.dock.key_set.generation
    identities = [
        name
        for number in range(1, generation + 1)
        for kind in KINDS
        if disk.size(name := file_name("identity", number, kind)) is not None
    ]
    stems = [file_name(stem, number, "pem") for number in range(1, generation) for stem in ("record", "log")]
    return [name for name in stems if disk.size(name) is not None] + identities[:-1]


def _refuse_left_over_identity(disk: Disk, generation: int, *, wanted: bool) -> None:
    """A change with a new identity that was cut short before it was recorded, and is now asked for without one, or
    with one of another kind."""
    found = [name for kind in KINDS if disk.size(name := file_name("identity", generation, kind)) is not None]
    if len(found) > 1 or (found and not wanted):
        raise Refused(
            f"an earlier change of keys was cut short and left {' and '.join(found)}",
            "ask for the same kind of --identity again to use it, or remove it",
        )


def tell(ledger_disk: Disk, keys: Keys, write: Write) -> None:
    """Have the ledger tell of the statement and certificates of ``keys``, where it does not yet. The agent does the
    same at each start. Raises Refused where another process has the ledger."""
    with Ledger.open(ledger_disk, keys) as ledger:
        state = State()
        custody.replay(ledger.payloads(), state)
        for event in news(keys.dock, state.keys_noted):
            write(ledger, event)
        ledger.checkpoint()
