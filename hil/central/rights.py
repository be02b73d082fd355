"""What a dock may do in a bucket, as a bucket policy: put, and nothing else. An explicit Deny stands for each thing
that it must not do, because some stores (Ceph) let whoever wrote an object read it back.

The policy language is Amazon's ("Policies and permissions in Amazon S3"), which Ceph takes too.
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
ADMIN_ALLOWED = ("s3:*",)  # a lock is for those who may do everything else


def write_only(bucket: str, dock: str, admin: str) -> str:
    """The policy (JSON) by which the user ``dock`` only puts into ``bucket``, and ``admin`` may do everything."""
    everything = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]

    def rule(effect: str, user: str, actions: tuple[str, ...]) -> dict[str, object]:
        who = {"AWS": [f"arn:aws:iam:::user/{user}"]}
        return {"Effect": effect, "Principal": who, "Action": list(actions), "Resource": everything}

    rules = [
        rule("Allow", admin, ADMIN_ALLOWED),
        rule("Allow", dock, DOCK_ALLOWED),
        rule("Deny", dock, DOCK_DENIED),
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": rules})
