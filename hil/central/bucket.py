"""A bucket for evidence on a server of our own, as docs/stores.md and docs/custodian.md call for one: versions, Object
Lock with a default retention, a dock that only puts, and a custodian who reads, and adds what is his.

The custodian lists, reads, and adds what docs/custodian.md says, and nothing else. He may set and lift a legal hold; he
may not delete, shorten a retention, or write where docks write. The requests are boto3's, so that nothing here shares
a line with the agent's own client.
"""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hil.central import rgw
from hil.central.rights import write_only

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

REGION = "us-east-1"
DAYS = 60  # of the default retention by hand: a custodian's permits need 30 that are left
CUSTODIAN = rgw.Account("custodian", "CUSTODIANKEY0000", "custodiansecretcustodiansecret00")
READS = (
    *("s3:ListBucket", "s3:ListBucketVersions", "s3:GetObject", "s3:GetObjectVersion"),
    *("s3:GetObjectRetention", "s3:GetObjectLegalHold"),
)
HOLDS = ("s3:PutObjectLegalHold",)
# Folder by folder: for Ceph 16 a ``*`` ends where the next character is met first, and is never tried again.
WRITES = (
    *("clips/*/*/*/*/*/receipt*", "clips/*/*/*/*/*/permit*", "quarantine/*/*/receipt*"),
    *("clips/*/*/*/*/*/audit*", "quarantine/*/*/audit*"),
    *("catalogue/*", "custodian/*"),
)
FORBIDDEN = (
    *("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObjectRetention", "s3:BypassGovernanceRetention"),
    *("s3:PutObjectAcl", "s3:PutBucketPolicy"),
)


class Server(Protocol):
    """What is needed of :class:`hil.central.rgw.Gateway`."""

    @property
    def endpoint(self) -> str: ...

    def admin(self, *words: str) -> str: ...


def client(endpoint: str, account: rgw.Account) -> "S3Client":
    """A client that is not the agent's. ModuleNotFoundError without boto3 (requirements-dev.lock)."""
    import boto3  # only those who make buckets need it

    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=account.access_key,
        aws_secret_access_key=account.secret_key,
    )


def make(s3: "S3Client", name: str, days: int = 1) -> None:
    """A new bucket with versions, Object Lock, and a default retention of ``days`` in COMPLIANCE mode."""
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    s3.put_object_lock_configuration(
        Bucket=name,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": days}},
        },
    )


def make_custodian(server: Server) -> None:
    """Make his account; once for each server."""
    its = CUSTODIAN
    names = (f"--uid={its.name}", f"--display-name={its.name}")
    server.admin("user", "create", *names, f"--access-key={its.access_key}", f"--secret-key={its.secret_key}")


def policy(bucket: str, prefix: str, *, holds: bool = True) -> str:
    """The bucket policy (JSON) for the accounts ADMIN, DOCK and CUSTODIAN below ``prefix`` (empty: anywhere).
    ``holds``: whether the custodian may set and lift legal holds."""
    said = json.loads(write_only(bucket, prefix, rgw.DOCK.name, rgw.ADMIN.name))
    everything = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    below = f"arn:aws:s3:::{bucket}/{prefix}/" if prefix else f"arn:aws:s3:::{bucket}/"
    written = [below + one for one in WRITES]
    rules = (
        ("Allow", (*READS, *HOLDS) if holds else READS, everything),
        ("Allow", ("s3:PutObject",), written),
        ("Deny", FORBIDDEN if holds else (*FORBIDDEN, *HOLDS), everything),
    )
    for effect, actions, where in rules:
        who = {"AWS": [f"arn:aws:iam:::user/{CUSTODIAN.name}"]}
        said["Statement"].append({"Effect": effect, "Principal": who, "Action": list(actions), "Resource": where})
    return json.dumps(said)


def let_in(s3: "S3Client", bucket: str, prefix: str, *, holds: bool = True) -> None:
    """Let the custodian do his work in ``bucket`` below ``prefix``, and docks only write there; ``s3`` speaks for
    ADMIN."""
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, prefix, holds=holds))


def by_hand(server: Server, bucket: str, prefix: str, secrets: Path) -> str:
    """Make all of it on a server that has nothing yet; the secrets go into files of mode 0600 in the folder
    ``secrets``. What to write into dockagent.toml and custodian.toml, in TOML. RuntimeError with what the server, or
    boto3 before it, says against it."""
    s3 = client(server.endpoint, rgw.ADMIN)
    from botocore.exceptions import BotoCoreError, ClientError

    make_custodian(server)
    try:
        make(s3, bucket, DAYS)
        let_in(s3, bucket, prefix)
    except (BotoCoreError, ClientError) as err:
        raise RuntimeError(" ".join(str(err).split())) from err
    url = f"s3://{bucket}/{prefix}".rstrip("/")
    tables = ((rgw.DOCK, "dockagent.toml"), (CUSTODIAN, "custodian.toml"))
    return "\n".join(_table(server.endpoint, url, account, file, secrets) for account, file in tables)


def _table(endpoint: str, url: str, account: rgw.Account, file: str, secrets: Path) -> str:
    secret = secrets / f"{account.name}.secret"
    with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(account.secret_key)
    keys = {"url": url, "endpoint": endpoint, "region": REGION, "access_key": account.access_key}
    rows = [f"{key} = {json.dumps(value)}" for key, value in {**keys, "secret_key_file": str(secret)}.items()]
    return "\n".join((f"# {file}", "[store]", *rows, ""))
