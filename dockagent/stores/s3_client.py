"""The low-level S3 client, set up so that old and new servers take what it sends and nothing goes out unsigned.

It is made by botocore, as boto3 makes it: boto3's own part is a transfer manager and resources, which nobody here uses
and which cost a third of the start and 4 MiB.
"""

from pathlib import Path
from typing import TYPE_CHECKING, cast

import botocore
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.loaders import Loader

from dockagent.core.uplink.link_parts import MOST
from dockagent.errors import Permanent, UsageError
from dockagent.stores import s3_sender
from dockagent.stores.keys import checked
from dockagent.stores.s3_errors import must_be_s3
from dockagent.stores.s3_settings import S3Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Older ones store an object twice after a server has answered a PUT instead of saying "100 Continue" (botocore #3784).
_OLDEST = (1, 43, 77)


def connect(settings: S3Settings) -> "S3Client":
    """A client for ``settings``; nothing is sent yet. Raises UsageError for settings that cannot work."""
    _need_good_botocore()
    _need_settings(settings)
    try:
        made = _session().create_client(
            "s3",
            endpoint_url=settings.endpoint or None,
            region_name=settings.region or ("us-east-1" if settings.endpoint else None),
            aws_access_key_id=settings.access_key or None,
            aws_secret_access_key=settings.secret_key or None,
            aws_session_token=settings.session_token or None,
            verify=settings.ca_file or None,
            config=_config(settings),
        )
    except (BotoCoreError, ValueError) as err:
        raise UsageError(f"cannot use {settings.url}: {err}", "correct the store's settings") from err
    client = cast("S3Client", made)
    s3_sender.attach(client)
    client.meta.events.register("after-call.s3", must_be_s3)
    return client


class _OnlyS3(Loader):
    """botocore's descriptions of services, of which one is wanted: the usual look for which there are reads some 900
    folders."""

    def list_available_services(self, type_name: str) -> list[str]:
        return ["s3"]


def _session() -> botocore.session.Session:
    session = botocore.session.Session()
    session.register_component("data_loader", _OnlyS3())
    return session


def _config(settings: S3Settings) -> Config:
    """Checksums only where we hand them in: what botocore adds by itself is sent as a trailer, which old servers
    refuse (Ceph 16: 411). The signature always covers the body's SHA-256, over TLS too: a server that ignores
    ``x-amz-checksum-sha256`` still has to compare that."""
    return Config(
        signature_version="s3v4",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"payload_signing_enabled": True, "addressing_style": "path" if settings.endpoint else "auto"},
        retries={"mode": "standard", "total_max_attempts": settings.attempts},
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
        tcp_keepalive=True,
        max_pool_connections=4 * MOST,  # several objects at once; what is over is not kept, and greets anew
        client_cert=(settings.client_cert_file, settings.client_key_file) if settings.client_cert_file else None,
    )


def _need_good_botocore() -> None:
    oldest = ".".join(str(number) for number in _OLDEST)
    if tuple(int(number) for number in botocore.__version__.split(".")[:3]) < _OLDEST:
        raise UsageError(
            f"botocore {botocore.__version__} can store an object twice; {oldest} is the first that does not",
            f"run: pip install 'botocore>={oldest}'",
        )


def _need_settings(settings: S3Settings) -> None:
    if not settings.bucket:
        raise UsageError("the S3 store has no bucket", "give s3://BUCKET/PREFIX")
    if settings.prefix:
        _need_key(settings.prefix)
    if bool(settings.access_key) != bool(settings.secret_key):
        lacks = "secret_key_file" if settings.access_key else "access_key"
        raise UsageError(f"{settings.url} has half of a key pair: no {lacks}", f"set {lacks} in [store]")
    if bool(settings.client_cert_file) != bool(settings.client_key_file):
        raise UsageError(f"{settings.url} has a client certificate or its key alone", "give both files")
    for name in (settings.ca_file, settings.client_cert_file, settings.client_key_file):
        if name and not Path(name).is_file():
            raise UsageError(
                f"{settings.url} needs the file {name}, which is not there", "correct the store's settings"
            )


def _need_key(prefix: str) -> None:
    try:
        checked(prefix)
    except Permanent as err:
        raise UsageError(f"the S3 store's prefix is {err.what}", err.hint) from err
