"""What a dock may do in a bucket, as a bucket policy: put, and nothing else. An explicit Deny stands for each thing
that it must not do, because some stores (Ceph) let whoever wrote an object read it back.

The policy language is Amazon's ("Policies and permissions in Amazon S3"), which Ceph takes too.
``docs/stores.md`` shows the dock's rules as JSON, word for word.
"""

import json

DOCK_ALLOWED = ("s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")
DOCK_DENIED = (
    *("s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectAcl", "s3:GetObjectTagging"),
    *("s3:DeleteObject", "s3:DeleteObjectVersion"),
    *("s3:PutObjectRetention", "s3:BypassGovernanceRetention", "s3:PutObjectLegalHold"),
    *("s3:PutObjectAcl", "s3:PutObjectVersionAcl", "s3:PutBucketAcl", "s3:PutBucketPolicy"),
    *("s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"),
)
# Names that are the custodian's. Folder by folder: for Ceph 16 a ``*`` ends where the next character is met first.
CUSTODIANS_OWN = (
    *(f"clips/*/*/*/*/*/{name}*" for name in ("receipt", "permit", "audit")),
    *(f"quarantine/*/*/{name}*" for name in ("receipt", "permit", "audit")),
    "custodian/*",
)
ADMIN_ALLOWED = ("s3:*",)  # a lock is for those who may do everything else


def dock_rules(bucket: str, prefix: str, dock: str) -> list[dict[str, object]]:
    """The statements by which the user ``dock`` only puts, below ``prefix`` (empty: anywhere) in ``bucket``, and not
    under the names that are the custodian's."""
    whole = f"arn:aws:s3:::{bucket}"
    below = f"{whole}/{prefix}/" if prefix else f"{whole}/"
    return [
        _rule("Allow", dock, DOCK_ALLOWED, (f"{below}*",)),
        _rule("Deny", dock, DOCK_DENIED, (whole, f"{whole}/*")),
        _rule("Deny", dock, ("s3:PutObject",), tuple(below + name for name in CUSTODIANS_OWN)),
    ]


def write_only(bucket: str, prefix: str, dock: str, admin: str) -> str:
    """The policy (JSON) with :func:`dock_rules`, by which the user ``admin`` may do everything."""
    everything = (f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*")
    rules = [_rule("Allow", admin, ADMIN_ALLOWED, everything), *dock_rules(bucket, prefix, dock)]
    return json.dumps({"Version": "2012-10-17", "Statement": rules})


def _rule(effect: str, user: str, actions: tuple[str, ...], where: tuple[str, ...]) -> dict[str, object]:
    who = {"AWS": [f"arn:aws:iam:::user/{user}"]}
    return {"Effect": effect, "Principal": who, "Action": list(actions), "Resource": list(where)}
