"""``dockagent keys``: make, show, enrol and change the dock's keys."""

import argparse
import sys
from pathlib import Path

from cryptography import x509

from dockagent import __version__, config
from dockagent.cli import history
from dockagent.clock import SystemClock
from dockagent.core import custody
from dockagent.core.moment import rfc3339
from dockagent.core.proof import certificates, dsse
from dockagent.durable import RealDisk
from dockagent.errors import DockError, Refused, UsageError
from dockagent.ledger import keys_enroll, keys_rotation
from dockagent.ledger.keys import Keys, read_sets
from dockagent.ledger.keys_identity import Maker, in_credential, in_file, kept_in
from dockagent.ledger.keys_new import new_keys
from dockagent.ledger.keys_tpm import DEVICE, in_tpm
from dockagent.ledger.trust import DockIdentity, Trust
from dockagent.ledger.witness_key import WitnessKey, name_of, read_public

HELP = "make, show, enrol and change the dock's keys"
NEXT = """Next: have the agency's CA sign this request (`openssl req -in {out} -noout -text -verify` shows it). Then
`dockagent keys enroll --certificate CHAIN.pem` takes its answer: the dock's certificate first, then its issuers."""
_KINDS = ("file", "credential", "tpm")
_WHERE = "where the identity is kept: a file (mode 0600), a systemd credential, or a TPM 2.0"


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", parent: argparse.ArgumentParser) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("keys", help=HELP, description=HELP)
    acts = parser.add_subparsers(metavar="ACT", required=True)
    init = acts.add_parser("init", parents=[parent], help="make the keys of a new dock; never replaces keys")
    init.add_argument("--dock", metavar="ID", help="the dock's name (default: id of [dock], else the machine's name)")
    init.add_argument("--identity", choices=_KINDS, default="file", help=_WHERE)
    init.add_argument("--tpm", metavar="TCTI", default=DEVICE, help=f"which TPM (default: {DEVICE})")
    init.set_defaults(run=run_init)
    show = acts.add_parser("show", parents=[parent], help="show the public keys; with --json: a trust file")
    show.set_defaults(run=run_show)
    enroll = acts.add_parser("enroll", parents=[parent], help="have the agency's CA certify this dock")
    way = enroll.add_mutually_exclusive_group(required=True)
    way.add_argument("--out", metavar="FILE", type=Path, help="write the request for the CA (PKCS #10, PEM) here")
    way.add_argument("--certificate", metavar="FILE", type=Path, help="take the chain that the CA issued (PEM)")
    enroll.add_argument("--ca", metavar="FILE", type=Path, help="the CA's root, to check the chain against (PEM)")
    enroll.set_defaults(run=run_enroll)
    rotate = acts.add_parser("rotate", parents=[parent], help="change the keys that sign; the agent must not run")
    rotate.add_argument("--identity", choices=_KINDS, help=f"change the identity too; {_WHERE}")
    rotate.add_argument("--tpm", metavar="TCTI", default=DEVICE, help=f"which TPM (default: {DEVICE})")
    rotate.set_defaults(run=run_rotate)


def run_init(args: argparse.Namespace) -> int:
    """Make the keys of a new dock."""
    home, dock_id = config.home(args), args.dock or config.dock_id(config.of(args))
    try:
        keys = new_keys(home, dock_id, _maker(args.identity, args.tpm))
        WitnessKey.open(RealDisk(home / "keys"), name_of(keys.origin))
    except OSError as err:
        raise UsageError(f"cannot make keys in {home / 'keys'}: {err.strerror}", "run this as the dock's user") from err
    return run_show(args)


def run_show(args: argparse.Namespace) -> int:
    """Show the public side; needs no right to the private keys."""
    disk = _keys_folder(args)
    docks = read_sets(disk)
    if args.json:
        sys.stdout.write(Trust(docks).encode().decode())
    else:
        print("\n".join([*_lines(docks[-1], kept_in(disk, docks[-1].key_set.generation)), *map(_earlier, docks[:-1])]))
        if (witness := read_public(disk)) is not None:
            print(f"{'witness key':<16} {witness.text()}")
        print(docks[-1].record_key_pem, end="")
    return 0


def run_enroll(args: argparse.Namespace) -> int:
    """Write a certificate request, or take the chain that came back."""
    disk = _keys_folder(args)
    keys = Keys.load(disk)
    if args.certificate:
        return _take_chain(args, disk, keys)
    request = keys_enroll.csr_pem(keys, config.of(args).dock.site)
    try:
        with args.out.open("x", encoding="ascii") as file:
            file.write(request)
    except OSError as err:
        raise UsageError(f"cannot write {args.out}: {err.strerror}", "give another --out") from err
    print(NEXT.format(out=args.out))
    return 0


def run_rotate(args: argparse.Namespace) -> int:
    """Change the signing keys, recorded in the ledger on both sides of the change."""
    disk, ledger = _keys_folder(args), config.home(args) / "ledger"
    identity = _maker(args.identity, args.tpm) if args.identity else None
    if not ledger.is_dir():
        raise Refused(f"there is no ledger at {ledger} that could tell of new keys", "start the agent once before")
    keys = keys_rotation.rotate(disk, RealDisk(ledger), _recorder(args, read_sets(disk)[-1]), identity)
    print(f"set {keys.dock.key_set.generation} of dock {keys.dock.id}'s keys is in force")
    if args.identity and not keys.dock.chain_pem:
        print("Its identity is new: enrol it (`dockagent keys enroll --out FILE`).")
    if config.of(args).witnesses.ask:
        print(
            f"Its witnesses need the new checkpoint key too, beside the old one, in logs of [witness]:\n  {keys.vkey}"
        )
    print("Give others the new trust file (`dockagent keys show --json`). Old records stay good under the old keys.")
    return 0


def _take_chain(args: argparse.Namespace, disk: RealDisk, keys: Keys) -> int:
    chain = _certificates(args.certificate, "--certificate")
    roots = _certificates(args.ca, "--ca") if args.ca else ()
    try:
        keys_enroll.check_chain(keys.dock, chain, roots, SystemClock().now().utc_ms)
    except Refused as err:
        raise Refused(f"not taken: {err.what}", err.hint or "ask the CA for a chain that fits") from err
    keys = keys_enroll.keep(disk, keys, chain)
    leaf = chain[0]
    print(f"dock {keys.dock.id} is certified by {certificates.shown(chain[-1].subject)}")
    print(f"from {leaf.not_valid_before_utc:%Y-%m-%d} to {leaf.not_valid_after_utc:%Y-%m-%d}")
    ledger = config.home(args) / "ledger"
    if ledger.is_dir() and not history.in_use(args):
        keys_rotation.tell(RealDisk(ledger), keys, _recorder(args, keys.dock))
        print("It is in the ledger.")
    else:
        print("The agent writes it into the ledger at its next start.")
    return 0


def _certificates(file: Path, option: str) -> tuple[x509.Certificate, ...]:
    try:
        return certificates.parse_chain(file.read_bytes())
    except OSError as err:
        raise UsageError(f"cannot read {file}: {err.strerror}", f"check {option}") from err
    except Refused as err:
        raise UsageError(f"{file}: {err.what}", f"check {option}") from err


def _recorder(args: argparse.Namespace, dock: DockIdentity) -> keys_rotation.Write:
    chosen = config.of(args)
    who = chosen.dock
    policy = chosen.erase.policy
    setting = custody.Setting(dock.origin, dock.id, who.site, who.responsible, __version__, chosen.sha256, policy)
    return keys_rotation.recorder(SystemClock().now, setting)


def _maker(kind: str, tcti: str) -> Maker:
    return {"file": in_file, "credential": in_credential, "tpm": in_tpm(tcti)}[kind]


def _keys_folder(args: argparse.Namespace) -> RealDisk:
    folder = config.home(args) / "keys"
    if not folder.is_dir():
        raise UsageError(f"this dock has no keys: there is no {folder}", "run `dockagent keys init`, or check --home")
    return RealDisk(folder)


def _lines(dock: DockIdentity, where: str) -> list[str]:
    rows = [
        ("dock", dock.id),
        ("ledger", dock.origin),
        ("set of keys", f"{dock.key_set.generation}, signs from record {dock.key_set.since} on"),
        ("identity", where),
        ("identity key id", dsse.key_id(dock.key_set.identity_key)),
        ("certificate", _certificate(dock)),
        ("certifies", "both keys below" if dock.statement else "nothing yet: made before there were statements"),
        ("record key id", dsse.key_id(dock.record_key)),
        ("checkpoint key", dock.log_key.text()),
    ]
    return [f"{name:<16} {value}" for name, value in rows]


def _certificate(dock: DockIdentity) -> str:
    if not dock.chain_pem:
        return "none: enrol with `dockagent keys enroll --out FILE`"
    try:
        leaf = certificates.parse_chain(dock.chain_pem.encode())[0]
    except DockError as err:
        return f"damaged: {err.what}"
    last = rfc3339(int(leaf.not_valid_after_utc.timestamp() * 1000))[:10]
    return f"by {certificates.shown(leaf.issuer)}, until {last}"


def _earlier(dock: DockIdentity) -> str:
    return f"{'earlier set ' + str(dock.key_set.generation):<16} record key id {dsse.key_id(dock.record_key)}"
