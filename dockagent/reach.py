"""How the configuration says that a store is reached. Nothing is sent, and no store's client is loaded."""

from pathlib import Path
from typing import TYPE_CHECKING

from dockagent.clock import Clock
from dockagent.config import Config, dock_id, secret_in
from dockagent.errors import UsageError
from dockagent.stores import Store
from dockagent.stores.marks import StoreMarks
from dockagent.stores.open_store import open_store
from dockagent.stores.s3_pending import Uploads
from dockagent.stores.s3_settings import S3Settings
from dockagent.stores.shelf import Shelf, open_shelf
from dockagent.stores.swift_settings import SwiftSettings

if TYPE_CHECKING:
    from dockagent.stores.archive import Archive


def configured_store(config: Config, home: Path, url: str, clock: Clock, *, remember: bool = True) -> Store:
    """The store that ``url``, the configuration, or the home says, in this order. ``remember``: mark a folder that is
    used for the first time, so that it is known again, and keep in the home what is begun in a bucket. Raises
    UsageError."""
    known, uploads = (StoreMarks(home), Uploads(home)) if remember else (None, None)
    kept, swift = config.store.immutable, swift_settings(config)
    chosen = _chosen(config, home, url)
    return open_store(chosen, s3_settings(config), clock, known, uploads, immutable=kept, swift=swift)


def configured_shelf(config: Config, home: Path, url: str) -> Shelf:
    """The same store for reading. Raises UsageError."""
    return open_shelf(_chosen(config, home, url), s3_settings(config), swift=swift_settings(config))


def configured_archive(config: Config, url: str, clock: Clock, writer: str = "") -> "Archive":
    """The store at ``url`` for a custodian, reached as ``[store]`` and ``[swift]`` say; ``writer`` as for
    ``open_archive``. Raises UsageError."""
    from dockagent.stores.archive import open_archive  # no dock needs it

    return open_archive(url, s3_settings(config), clock, swift_settings(config), writer)


def refuse_unnamed(config: Config, home: Path, url: str) -> None:
    """Raises UsageError where nobody names the store in which footage lies that this dock disposed of: a forgotten
    ``--config`` looks like a credential that may not read, else."""
    if not url and not config.store.url and not (home / "store").is_dir():
        why = "the dock's own copy was disposed of, and nobody says in which store the footage lies"
        raise UsageError(why, "give the dock's --config FILE, or --store URL")


def _chosen(config: Config, home: Path, url: str) -> str:
    return url or config.store.url or f"file://{home / 'store'}"


def s3_settings(config: Config) -> S3Settings:
    """How the configuration says that an S3 store is reached. Raises UsageError where its secret cannot be read."""
    secret = secret_of(config.store.secret_key_file, "secret_key_file in [store]")
    return S3Settings(
        endpoint=config.store.endpoint,
        region=config.store.region,
        access_key=config.store.access_key,
        secret_key=secret,
        ca_file=config.store.ca_file,
        client_cert_file=config.store.client_cert_file,
        client_key_file=config.store.client_key_file,
    )


def swift_settings(config: Config) -> SwiftSettings:
    """How the configuration says that a Swift store is reached. Raises UsageError where its key cannot be read."""
    said, key = config.swift, secret_of(config.swift.key_file, "key_file in [swift]")
    return SwiftSettings(
        auth_urls=(said.auth_url,) if said.auth_url else (),
        user=said.user,
        key=key,
        ca_file=config.store.ca_file,
        client_cert_file=config.store.client_cert_file,
        client_key_file=config.store.client_key_file,
        read_back=said.read_back,
        system_id=said.system_id,
        system_name=said.system_name or dock_id(config),
        beside=said.beside,
    )


def secret_of(file: str, name: str) -> str:
    """The secret that ``file`` holds, empty where no file is named; ``name``: where a person named it. Raises
    UsageError for a file that cannot be read, that others can read, or that holds no text."""
    if not file:
        return ""
    try:
        return secret_in(file, name).decode()
    except UnicodeDecodeError as err:
        raise UsageError(f"the secret {file} is not text", f"check {name}") from err
