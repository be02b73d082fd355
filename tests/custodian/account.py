"""A custodian's own credential on an S3 server: it lists, reads, and adds what docs/custodian.md says, and nothing
else. It may set and lift a legal hold; it may not delete, shorten a retention, or write where docks write."""

import json
from typing import Any

from hil.central import rgw
from hil.central.rights import write_only
from tests.contracts.store_places import Bucket

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


def make(gateway: rgw.Gateway) -> None:
    """Make the account; once for each server."""
    its = CUSTODIAN
    names = (f"--uid={its.name}", f"--display-name={its.name}")
    gateway.admin("user", "create", *names, f"--access-key={its.access_key}", f"--secret-key={its.secret_key}")


def let_in(bucket: Bucket, prefix: str, *, holds: bool = True) -> None:
    """Let the custodian do its work in ``bucket`` below ``prefix``, and docks only write there. ``holds``: whether it
    may set and lift legal holds."""
    policy: dict[str, Any] = json.loads(write_only(bucket.name, rgw.DOCK.name, rgw.ADMIN.name))
    everything = [f"arn:aws:s3:::{bucket.name}", f"arn:aws:s3:::{bucket.name}/*"]
    written = [f"arn:aws:s3:::{bucket.name}/{prefix}/{one}" for one in WRITES]
    may = (*READS, *HOLDS) if holds else READS
    rules = (
        ("Allow", may, everything),
        ("Allow", ("s3:PutObject",), written),
        ("Deny", FORBIDDEN if holds else (*FORBIDDEN, *HOLDS), everything),
    )
    for effect, actions, where in rules:
        who = {"AWS": [f"arn:aws:iam:::user/{CUSTODIAN.name}"]}
        policy["Statement"].append({"Effect": effect, "Principal": who, "Action": list(actions), "Resource": where})
    bucket.client.put_bucket_policy(Bucket=bucket.name, Policy=json.dumps(policy))
