"""Legal holds on what is uploaded for clips that are on hold.

A server may leave the header out without a word (Ceph 16 does for uploads in parts), a bucket may have no lock, and a
credential that only puts may be denied it. Footage is delivered all the same, and what is known of the hold is said.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypedDict, TypeVar

from botocore.exceptions import ClientError

from dockagent.stores.s3_errors import code, status

if TYPE_CHECKING:
    from mypy_boto3_s3.literals import ObjectLockLegalHoldStatusType

    from dockagent.stores.s3_complete import Place

Answer = TypeVar("Answer")
KEPT, LOST, REFUSED, UNSEEN = "kept", "lost", "refused", "unseen"
NO_LOCK = frozenset(
    (
        *("InvalidRequest", "InvalidArgument", "NotImplemented", "MethodNotAllowed"),
        *("ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration"),
    )
)


class LegalHold(TypedDict, total=False):
    """The one parameter of a request that asks for a hold."""

    ObjectLockLegalHoldStatus: "ObjectLockLegalHoldStatusType"


LEGAL_HOLD: LegalHold = {"ObjectLockLegalHoldStatus": "ON"}


def without_hold(request: Callable[[bool], Answer], *, held: bool) -> tuple[Answer, bool]:
    """The answer to ``request``, which is told whether to ask for a hold, and whether it could be asked for. Where the
    store or the credential's rights do not allow that, the request is made once more without it."""
    if held:
        try:
            return request(True), True
        except ClientError as err:
            if status(err) != 403 and code(err) not in NO_LOCK:
                raise
    return request(False), False


def seen(place: "Place", version: str, *, asked: bool) -> str:
    """What is known of the hold that was wanted on an object just stored; ``asked``: the request for it was taken.
    Where it was lost, it is set now, if this credential may."""
    if not asked:
        return REFUSED
    which: dict[str, str] = {"VersionId": version} if version else {}
    try:
        head = place.client.head_object(Bucket=place.bucket, Key=place.name, **which)  # type: ignore[arg-type]
        if head.get("ObjectLockLegalHoldStatus") == "ON":
            return KEPT
    except ClientError:
        return UNSEEN
    try:
        place.client.put_object_legal_hold(
            Bucket=place.bucket,
            Key=place.name,
            LegalHold={"Status": "ON"},
            **which,  # type: ignore[arg-type]
        )
        held = place.client.get_object_legal_hold(Bucket=place.bucket, Key=place.name, **which)  # type: ignore[arg-type]
    except ClientError:
        return LOST
    return KEPT if held.get("LegalHold", {}).get("Status") == "ON" else LOST
