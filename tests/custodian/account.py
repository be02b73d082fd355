"""The custodian's own credential on a server of the tests: ``hil/central/bucket.py`` says what it may."""

from hil.central import bucket as evidence
from hil.central.bucket import CUSTODIAN
from hil.central.bucket import make_custodian as make
from tests.contracts.store_places import Bucket

__all__ = ["CUSTODIAN", "let_in", "make"]


def let_in(bucket: Bucket, prefix: str, *, holds: bool = True) -> None:
    """Let the custodian do its work in ``bucket`` below ``prefix``, and docks only write there. ``holds``: whether it
    may set and lift legal holds."""
    evidence.let_in(bucket.client, bucket.name, prefix, holds=holds)
