"""A custodian's own configuration file, ``/etc/dockagent/custodian.toml``. It has tables of its own, since a dock's
``[custodian]`` is about the other side: whom it believes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from dockagent import config
from dockagent.config import Natural, Positive
from dockagent.custodian.world import DAY_MS, MINUTE_MS, PermitPolicy, Settings
from dockagent.errors import UsageError
from dockagent.ledger import trust
from dockagent.ledger.trust import Trust

SYSTEM_CONFIG, SYSTEM_HOME = Path("/etc/dockagent/custodian.toml"), Path("/var/lib/dockagent-custodian")
PAGE = "docs/custodian.md"
_MANY_POLICIES = 200  # characters
MOST_DAYS = 36_500  # a century; a permit's end must be a date
Days = Annotated[Natural, msgspec.Meta(le=MOST_DAYS)]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[custodian]``: who it is, whom it believes, how often it looks, and what it waits for."""

    name: str = "custodian"
    home: str = ""
    trust: tuple[str, ...] = ()
    share: str = "1/1"
    every_s: Positive = 60
    whole_minutes: Positive = 60
    ledger_wait_minutes: Natural = 60
    settle_hours: Positive = 24
    overdue_hours: Positive = 24
    take_over_minutes: Positive = 120
    lift_holds: bool = True
    reaudit_days: Days = 365
    reaudit_gib: Positive = 10


class Service(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[service]``: where docks ask. ``listen``: ``HOST:PORT``, empty: nowhere; ``cert_file``, ``key_file``: PEM, for
    TLS; ``client_ca_file``: PEM of those whose client certificates are let in."""

    listen: str = ""
    cert_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""


class Permits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[permits]``: when cameras may be erased. ``policy``: what a permit calls this rule; empty: no permit is ever
    signed."""

    policy: str = ""
    age_days: Days = 7
    retention: tuple[Literal["COMPLIANCE", "GOVERNANCE", "IMMUTABLE"], ...] = ("COMPLIANCE",)
    left_days: Days = 30
    valid_days: Annotated[Positive, msgspec.Meta(le=MOST_DAYS)] = 90
    renewals: Annotated[Natural, msgspec.Meta(le=9998)] = 4  # as many as names of permits


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file; ``[store]`` and ``[swift]`` are a dock's own tables, with the custodian's credential in them."""

    custodian: Table = Table()
    service: Service = Service()
    permits: Permits = Permits()
    store: config.Store = config.Store()
    swift: config.Swift = config.Swift()

    @property
    def reached(self) -> config.Config:
        """How its store is reached, as a dock's configuration would say it."""
        return config.Config(store=self.store, swift=self.swift)


def load(path: Path | None) -> File:
    """The file at ``path``, else the system's. Raises UsageError with the key at fault."""
    chosen = path or SYSTEM_CONFIG
    return config.read_as(chosen, File, PAGE)


def home_of(file: File, given: str) -> Path:
    """Where its keys and its memory as a witness lie: ``--home``, else the file's, else the system's place."""
    return Path(given or file.custodian.home or SYSTEM_HOME).absolute()


def settings_of(file: File) -> Settings:
    """How long to wait for what. Raises UsageError for a policy that no permit can name."""
    said, permits = file.custodian, file.permits
    if len(permits.policy) > _MANY_POLICIES or not (permits.policy.isprintable()):
        raise UsageError("policy of [permits] is too long, or not printable", f"at most {_MANY_POLICIES} characters")
    policy = PermitPolicy(
        permits.policy,
        permits.age_days * DAY_MS,
        permits.retention,
        permits.left_days * DAY_MS,
        permits.valid_days * DAY_MS,
        permits.renewals,
    )
    return Settings(
        ledger_wait_ms=said.ledger_wait_minutes * MINUTE_MS,
        settle_ms=said.settle_hours * 60 * MINUTE_MS,
        overdue_ms=said.overdue_hours * 60 * MINUTE_MS,
        take_over_ms=said.take_over_minutes * MINUTE_MS,
        permits=policy,
        lift_holds=said.lift_holds,
        audit_ms=said.reaudit_days * DAY_MS,
        audit_bytes=said.reaudit_gib << 30,
    )


def trust_of(file: File) -> Trust:
    """The trust files that are named, as one. A folder stands for the ``*.json`` in it. Raises UsageError."""
    found = [_read(path) for name in file.custodian.trust for path in _files(Path(name))]
    if not any(one.docks or one.dock_roots_pem for one in found):
        raise UsageError("a custodian must know whose records to believe", "name trust files in trust of [custodian]")
    return Trust(
        docks=tuple({dock.same_keys: dock for one in found for dock in one.docks}.values()),
        dock_roots_pem=tuple(dict.fromkeys(pem for one in found for pem in one.dock_roots_pem)),
        witnesses=tuple({key.public: key for one in found for key in one.witnesses}.values()),
        quorum=max(one.quorum for one in found),
        custodians=tuple({key.key_id: key for one in found for key in one.custodians}.values()),
    )


def _files(path: Path) -> list[Path]:
    """A folder that cannot be listed is no empty one: its docks, and their holds, would count no more."""
    with _readable(path):
        try:
            return sorted(one for one in path.iterdir() if one.suffix == ".json")
        except NotADirectoryError:
            return [path]


def _read(path: Path) -> Trust:
    with _readable(path):
        return trust.parse(path.read_bytes())


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        raise UsageError(f"cannot read the trust file {path}: {err.strerror}", "check trust of [custodian]") from err
