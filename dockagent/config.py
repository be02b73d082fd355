"""The only door to configuration: ``/etc/dockagent/dockagent.toml`` (or ``--config FILE``), the folder of profiles, and
where the dock's home is. A key that nobody knows is an error, so that a typing mistake is not a silent default.
"""

import argparse
import hashlib
import os
import platform
import re
import tomllib
from collections.abc import Callable
from datetime import tzinfo
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec

from dockagent.core import mistake, officers, secret_file
from dockagent.core.camera.profile import Profile
from dockagent.core.camera.profile import parse as parse_profile
from dockagent.core.officers import Keep
from dockagent.core.permits import policy
from dockagent.core.review.catalogue import Cataloguer
from dockagent.core.uplink import turns as uplink
from dockagent.core.uplink.hours import UploadHours, stretch
from dockagent.core.uplink.link import HOUR
from dockagent.core.uplink.pace import rate_of
from dockagent.errors import UsageError

SYSTEM_CONFIG = Path("/etc/dockagent/dockagent.toml")
SYSTEM_HOME = Path("/var/lib/dockagent")
MIB = 1 << 20
Natural = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Kind = TypeVar("Kind")


class Dock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[dock]``: who this dock is, and who answers for it."""

    id: str = "dock"
    site: str = ""
    responsible: str = ""
    home: str = ""


class Bays(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[bays]``: where cameras appear. ``folder``: a directory with one subfolder per bay. ``ports``: USB port path
    (``1-2.3``) or ``name:<kernel name>`` to bay name; ``auto``: other USB ports are bays of their own name. ``lines``:
    bay to the ``host:port`` where a camera's dialogue is; ``camera_password_file``: what such cameras want to hear.
    ``read``: who reads a card's file system; ``hang_s``: when a camera is given up."""

    folder: str = ""
    udev: bool = True
    ports: dict[str, str] = {}
    auto: bool = True
    settle_ms: Natural = 1000
    console_wait_ms: Natural = 3000
    lines: dict[str, str] = {}
    camera_password_file: str = ""
    read: Literal["auto", "mount", "raw"] = "auto"
    hang_s: Positive = 30


class Store(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[store]``: the central store. Credentials may also come from the usual AWS variables. ``immutable``: objects in
    a folder get the file system's immutable flag, where this dock may set it."""

    url: str = ""
    endpoint: str = ""
    region: str = ""
    access_key: str = ""
    secret_key_file: str = ""
    ca_file: str = ""
    client_cert_file: str = ""
    client_key_file: str = ""
    immutable: bool = False


class Swift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[swift]``: how a Swift store is reached; its certificates are those of ``[store]``. ``auth_url``: where tokens
    are given out; ``read_back``: whether each object is read again, which is its only proof; ``system_id``,
    ``system_name``: who this dock is for an evidence system that speaks Axis' dialect; ``beside``: URL of the store for
    what has no place there."""

    auth_url: str = ""
    user: str = ""
    key_file: str = ""
    read_back: bool = True
    system_id: str = ""
    system_name: str = ""
    beside: str = ""


class Trust(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[trust]``: PEM files of the camera makers' root certificates."""

    camera_roots: tuple[str, ...] = ()


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[limits]``: cameras read at the same time, workers, room that the spool leaves for the ledger."""

    pulls: Positive = 4
    previews: Positive = 1
    uplinks: Positive = 2
    spool_reserve_mib: Natural = 256


class Preview(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[preview]``: whether to make previews, and what one may cost."""

    enabled: bool = True
    timeout_s: Positive = 120
    memory_mib: Positive = 1024


class Clock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[clock]``: whether the dock sets cameras' clocks, and from which offset on."""

    set_cameras: bool = True
    tolerance_ms: Natural = 1000


class Furniture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[furniture]``: what the dock itself is made of. ``cradles``: bay name to the serial line of its locking cradle;
    ``cradle_open_s``: how long a latch opens; ``rfid``: the line of a reader of tags."""

    cradles: dict[str, str] = {}
    cradle_open_s: Annotated[int, msgspec.Meta(ge=10, le=30)] = 10
    rfid: str = ""


class Witnesses(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[witnesses]``: who cosigns this dock's checkpoints. ``ask``: ``VKEY URL`` of each; ``quorum``: how many must,
    0 for more than half; ``every_minutes``, ``every_records``: how often they are asked; ``publish``: whether
    checkpoint and tiles go to the store; ``ca_file``: PEM of whom to trust for https, if not the
    system's choice; ``client_cert_file``, ``client_key_file``: PEM files that show a witness who this dock is."""

    ask: tuple[str, ...] = ()
    quorum: Natural = 0
    every_minutes: Positive = 15
    every_records: Positive = 1000
    timeout_s: Positive = 10
    publish: bool = True
    ca_file: str = ""
    client_cert_file: str = ""
    client_key_file: str = ""


class Timestamps(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[timestamps]``: the RFC 3161 authority that stamps checkpoints, and PEM files of the roots that it must lead
    to; ``ca_file``: PEM of whom to trust for https, instead of the system's choice."""

    url: str = ""
    roots: tuple[str, ...] = ()
    ca_file: str = ""


class Witness(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[witness]``: cosign others' checkpoints. ``listen``: ``HOST:PORT``; ``logs``: whose, each a checkpoint key
    (vkey) or a trust file."""

    listen: str = ""
    logs: tuple[str, ...] = ()


class Officers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[officers]``: under which words officers are known in records and catalogue. ``keep``: ``plain``, ``keyed`` (a
    pseudonym made with the secret in ``key_file``) or ``none``."""

    keep: Keep = "plain"
    key_file: str = ""


class Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[catalogue]``: whether each delivered clip gets its line in the store's catalogue."""

    enabled: bool = True


class Access(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[access]``: user names of the people who may act on footage through this dock; with none, everyone whom the
    desk's file mode lets in: root, the dock's own user, and its group."""

    people: tuple[str, ...] = ()


class Disclosure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[disclosure]``: who hands footage out, and PEM files of the credential that signs C2PA manifests: the
    certificates, leaf first, and its P-256 key."""

    organization: str = ""
    c2pa_chain_file: str = ""
    c2pa_key_file: str = ""


class Sealing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[sealing]``: whom footage is sealed to before it leaves the dock: age keys (``age1…``), or absolute paths of
    files with such keys. With none it is stored as the camera gave it."""

    encrypt_to: tuple[str, ...] = ()


class Custodian(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[custodian]``: the counter-party beside the store, as a dock sees it. ``keys``: whose receipts and permits are
    believed, a line each (``dockagent custodian keys``); ``url``: its HTTP service, empty where the dock can read the
    store itself; ``client_cert_file``, ``client_key_file``: PEM files that show it who this dock is; ``every_s``: how
    often it is asked at most; ``spool_waits``: whether the dock's own copy stays until the custodian has read the clip
    back; ``alarm_hours``: when a receipt that does not come is said aloud."""

    url: str = ""
    keys: tuple[str, ...] = ()
    ca_file: str = ""
    client_cert_file: str = ""
    client_key_file: str = ""
    timeout_s: Positive = 10
    every_s: Positive = 300
    spool_waits: bool = False
    alarm_hours: Positive = 48


class Erase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[erase]``: whether footage is erased from cameras: ``never``, or only where the custodian's ``permit`` allows
    it; ``ask_every_minutes``: how often permits are asked for while a camera stays in its bay."""

    when: Literal["never", "permit"] = "never"
    ask_every_minutes: Positive = 15

    @property
    def policy(self) -> str:
        """The name of the rule, as every record has it."""
        return policy.PERMIT if self.when == "permit" else policy.KEEP


class UplinkTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[uplink]``: how fast and when footage goes to the store. ``rate``: ``8 Mbit/s``, for all uploads together;
    ``hours``: ``HH:MM-HH:MM`` by the wall clock of ``zone`` (empty: the machine's); ``always``: what goes at any hour;
    ``flagged``: which of the cameras' categories go before others; ``overdue_hours``: who waits longer gets a turn."""

    rate: str = ""
    hours: tuple[str, ...] = ()
    zone: str = ""
    always: tuple[uplink.Always, ...] = ()
    flagged: tuple[str, ...] = ()
    overdue_hours: Positive = 24


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration. Every key has a default that works on a machine without root."""

    dock: Dock = Dock()
    bays: Bays = Bays()
    store: Store = Store()
    uplink: UplinkTable = UplinkTable()
    swift: Swift = Swift()
    trust: Trust = Trust()
    limits: Limits = Limits()
    preview: Preview = Preview()
    clock: Clock = Clock()
    furniture: Furniture = Furniture()
    witnesses: Witnesses = Witnesses()
    timestamps: Timestamps = Timestamps()
    witness: Witness = Witness()
    access: Access = Access()
    sealing: Sealing = Sealing()
    officers: Officers = Officers()
    catalogue: Catalogue = Catalogue()
    disclosure: Disclosure = Disclosure()
    custodian: Custodian = Custodian()
    erase: Erase = Erase()
    profiles: str = ""

    @property
    def sha256(self) -> str:
        """Digest of the configuration in force, defaults included; secrets are not in it, only their file's name."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()


def load(path: Path | None) -> Config:
    """The configuration in ``path``, else the system's, else the defaults. Raises UsageError with the key at fault."""
    if path is None:
        path = SYSTEM_CONFIG if SYSTEM_CONFIG.is_file() else None
    return Config() if path is None else read_as(path, Config, "docs/configuration.md")


def read_as(path: Path, kind: type[Kind], page: str) -> Kind:
    """The file ``path`` (TOML) as a ``kind``; ``page`` explains its keys. Raises UsageError with the key at fault."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        if unknown := mistake.unknown_key(raw, kind):
            raise UsageError(f"mistake in {path}: {unknown}", f"see {page} for every key")
        return msgspec.convert(raw, kind)
    except OSError as err:
        raise UsageError(f"cannot read the configuration {path}: {err.strerror}", "check --config") from err
    except UnicodeDecodeError as err:
        raise UsageError(f"mistake in {path}: it is not text: byte {err.start} is not UTF-8", f"see {page}") from err
    except msgspec.ValidationError as err:
        raise UsageError(f"mistake in {path}: {mistake.in_form(err)}", f"see {page} for every key") from err
    except tomllib.TOMLDecodeError as err:
        raise UsageError(f"mistake in {path}: {err}", f"see {page} for every key") from err


def of(args: argparse.Namespace) -> Config:
    """The configuration that a command line asks for."""
    return load(Path(args.config) if args.config else None)


def officers_of(config: Config) -> officers.Officers:
    """Under which words officers are known. Raises UsageError where the key for pseudonyms is missing or too short."""
    said = config.officers
    if said.keep != "keyed":
        return officers.Officers(said.keep)
    if not said.key_file:
        raise UsageError('[officers] keep is "keyed" without key_file', "name a file with the agency's secret")
    return officers.Officers("keyed", secret_in(said.key_file, "key_file in [officers]"))


def secret_in(file: str, name: str) -> bytes:
    """The secret in ``file``; ``name``: where a person named it. Raises UsageError as secret_file does."""
    try:
        with Path(file).open("rb") as opened:
            mode, data = os.fstat(opened.fileno()).st_mode, opened.read()
    except OSError as err:
        why = f"cannot read the secret {file}: {mistake.in_system(err)}"
        raise UsageError(why, f"check {name}, and who runs this") from err
    return secret_file.secret_in(file, name, mode, data, os.environ.get("CREDENTIALS_DIRECTORY", ""))


def catalogue_of(config: Config, dock: str, origin: str) -> Cataloguer | None:
    """Who writes the catalogue's lines on the dock ``dock``, whose ledger is ``origin``; None where none are wanted."""
    return Cataloguer(dock, config.dock.site, origin) if config.catalogue.enabled else None


def terms_of(config: Config, zone: Callable[[str], tzinfo]) -> uplink.Terms:
    """How fast and when footage goes to the store; ``zone`` knows time zones by name. Raises UsageError."""
    said = config.uplink
    try:
        stretches, rate = tuple(map(stretch, said.hours)), rate_of(said.rate)
    except ValueError as err:
        raise UsageError(f"mistake in [uplink]: {err}", "see docs/uplink.md") from err
    return uplink.Terms(
        hours=UploadHours(stretches, zone(said.zone)),
        always=frozenset(said.always),
        categories=frozenset(one.lower() for one in said.flagged),
        rate=rate,
        overdue_ms=said.overdue_hours * HOUR,
    )


def dock_id(config: Config) -> str:
    """What a new dock is called: as configured; where that is left at ``"dock"``, as the machine, made to fit."""
    if config.dock.id != Dock().id:
        return config.dock.id
    return re.sub(r"[^A-Za-z0-9._-]", "-", platform.node()).lstrip("._-")[:64] or Dock().id


def with_bays_folder(config: Config, folder: str) -> Config:
    """The configuration, but watching this folder of bays."""
    bays = msgspec.structs.replace(config.bays, folder=str(Path(folder).absolute()))
    return msgspec.structs.replace(config, bays=bays)


def home(args: argparse.Namespace) -> Path:
    """Where ``keys/ ledger/ spool/ quarantine/`` lie: ``--home``, else the configuration's, else the system's place
    when we may write there, else the user's state folder (XDG Base Directory)."""
    chosen = args.home or of(args).dock.home
    if chosen:
        return Path(chosen).absolute()
    if os.access(SYSTEM_HOME, os.W_OK):
        return SYSTEM_HOME
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "dockagent"


def profiles_folder(config: Config) -> Path:
    """The folder of firmware profiles: the configured one, the installed one, or the checkout's."""
    if config.profiles:
        return Path(config.profiles)
    package = Path(__file__).resolve().parent
    installed = package / "firmware_profiles"
    return installed if installed.is_dir() else package.parent / "firmware_profiles"


def load_profiles(folder: Path | None) -> tuple[Profile, ...]:
    """Every ``*.toml`` of the folder as a profile, sorted by id. Raises UsageError naming file and mistake."""
    folder = folder or profiles_folder(Config())
    if not folder.is_dir():
        raise UsageError(f"there is no folder of firmware profiles at {folder}", "set profiles = in the configuration")
    try:
        found = [(path.read_bytes(), path.name) for path in sorted(folder.glob("[!.]*.toml"))]
    except OSError as err:
        raise UsageError(
            f"cannot read the firmware profile {err.filename}: {err.strerror}", "mend or remove it"
        ) from err
    profiles = [parse_profile(data, name) for data, name in found]
    if not profiles:
        raise UsageError(f"no firmware profile (*.toml) in {folder}", "set profiles = in the configuration")
    return tuple(sorted(profiles, key=lambda one: one.name))
