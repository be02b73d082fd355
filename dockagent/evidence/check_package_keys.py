"""Check ``data/keys/`` of a package: one dock's sets of keys, in each form the same, and none that the reader's trust
file contradicts. Nobody is believed for what lies here; but whoever checks a package with other tools takes it from
here, and must get the keys that were checked."""

from collections.abc import Collection, Iterator

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dockagent.core.disclosure.package_form import TRUST
from dockagent.core.proof import dsse, key_statement
from dockagent.errors import Refused, UsageError
from dockagent.evidence.check_bag import Bag, read
from dockagent.evidence.keyring import Keyring
from dockagent.ledger.trust import DockIdentity, Trust, parse

KEYS = "data/keys/"


def keys_inside(bag: Bag) -> tuple[DockIdentity, ...]:
    """The sets of keys that lie in a package, oldest first. They check signatures; who believes them needs more. What
    is wrong with the file that names them goes into the bag."""
    if TRUST not in bag.files:
        bag.lacking.append(f"{TRUST} is missing: it names the dock's keys")
        return ()
    try:
        inside = parse(read(bag, TRUST))
    except UsageError as err:
        bag.wrong.append(f"{TRUST} is {err.what}")
        return ()
    if inside != Trust(inside.docks):
        bag.wrong.append(f"{TRUST} names more than the keys of a dock")
    following = [(one.id, one.origin, number) for number, one in enumerate(inside.docks, 1)]
    if not following or following != [(*following[0][:2], one.key_set.generation) for one in inside.docks]:
        bag.wrong.append(f"{TRUST} does not name the keys of one dock, set by set")
    return inside.docks


def check_keys(bag: Bag, docks: tuple[DockIdentity, ...], keyring: Keyring, ledgers: Collection[str]) -> None:
    """Every file of ``data/keys/``, where ``docks`` are the sets in its trust file, and ``ledgers`` has the origin of
    the checkpoints. What is wrong goes into the bag. Whether a dock is believed at all is the signer's verdict."""
    wanted = {KEYS + name: data for dock in docks for name, data in files_of(dock)}
    here = {one for one in bag.files if one.startswith(KEYS)} - {TRUST}
    for name in sorted(wanted.keys() & here):
        if read(bag, name) != wanted[name]:
            bag.wrong.append(f"{name} is not the key that {TRUST} names")
    if docks:
        bag.lacking += [f"{name} is missing" for name in sorted(wanted.keys() - here)]
        bag.wrong += [f"{name}: {TRUST} names no such key" for name in sorted(here - wanted.keys())]
    if ledgers and (others := {one.origin for one in docks}.difference(ledgers)):
        bag.wrong.append(f"{TRUST} names the keys of another ledger, {min(others)!r}")
    bag.wrong += [
        f"{TRUST} names keys of dock {one.id} (set {one.key_set.generation}) that the given trust file does not"
        for one in docks
        if not _agrees(one, keyring)
    ]


def files_of(dock: DockIdentity) -> Iterator[tuple[str, bytes]]:
    """What a package holds of one set of keys, in the forms that openssl, Go and Sigstore's tools take: name below
    ``data/keys/``, and bytes."""
    number = dock.key_set.generation
    log = Ed25519PublicKey.from_public_bytes(dock.log_key.public)
    yield f"record-{number}.pem", dock.record_key_pem.encode()
    yield f"record-{number}.keyid", f"{dsse.key_id(dock.record_key)}\n".encode()
    yield f"log-{number}.pem", log.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    yield f"log-{number}.vkey", f"{dock.log_key.text()}\n".encode()
    if dock.certified is not None:
        yield f"identity-{number}.pem", key_statement.public_pem(dock.certified.identity_key).encode()
    if dock.chain_pem:
        yield f"chain-{number}.pem", dock.chain_pem.encode()


def _agrees(dock: DockIdentity, keyring: Keyring) -> bool:
    """Whether a set is one that the reader believes, follows one, or is one that a believed set took over from; or no
    set of its ledger is believed. Who was succeeded is not believed for that: the keyring judges what such a set
    signed."""
    believed = [one for one in (*keyring.believed, *keyring.followed) if one.origin == dock.origin]
    if not believed or dock.same_keys in {one.same_keys for one in believed}:
        return True
    if any(one.key_set.generation == dock.key_set.generation for one in believed):
        return False
    later = {one.same_keys: one for one in (*believed, *keyring.beside) if one.origin == dock.origin}.values()
    return _precedes(dock, tuple(later), {one.same_keys for one in believed})


def _precedes(dock: DockIdentity, sets: tuple[DockIdentity, ...], believed: set[tuple[str, str, str, int]]) -> bool:
    """Whether the sets after ``dock`` took over one from the other until a believed one."""
    for one in sets:
        if one.certified is None or one.certified.generation != dock.key_set.generation + 1:
            continue
        try:
            key_statement.check_succession(one.statement, dock.key_set, one.certified.since - 1)
        except Refused:
            continue
        if one.same_keys in believed or _precedes(one, sets, believed):
            return True
    return False
