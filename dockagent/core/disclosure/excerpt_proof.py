"""``excerpt.json``: what proves an excerpt, beside its file. Strict JSON (RFC 8785), read without any trust in it.

Signed are two things in it, by the dock: ``entry``, a record of its ledger that holds the root over the fields of the
clip's record, and the checkpoint in ``tlog_proof``. All else is shown to follow from these and from the excerpt itself,
or is only a hint: ``asked_…`` (what somebody asked for) and ``docks`` (public keys to try, which prove nothing).
"""

from typing import Any, Literal

import msgspec

from dockagent.core import mistake, strict_json
from dockagent.core.disclosure.clip_fields import Shown
from dockagent.core.disclosure.excerpt_cut import Stretch
from dockagent.errors import Refused

TYPE = "urn:dockagent:excerpt:1"
PROOF_FILE = "excerpt.json"
FILES = ("excerpt.mp4", "excerpt.mov")
MOST_BYTES = 4 << 20


class Fields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which fields of the clip record are shown, out of ``count``."""

    count: int
    shown: tuple[Shown, ...]


class Proof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``file``: the excerpt's name, ``bytes`` and ``sha256`` of it. ``from_ms``, ``to_ms``: what it shows, in the
    original's time, ``asked_…``: what was asked for. ``tracks``: in the order of the excerpt. ``fields``: what is shown
    of the clip's record, or None where ``record`` is the whole of it (a DSSE envelope): of docks that made no fields.
    ``entry``: the ledger's record (a DSSE envelope) about either. ``tlog_proof``: that it is in the ledger, with the
    checkpoint (c2sp.org/tlog-proof), empty where none is over it yet; ``time_stamp``: over that checkpoint (base64 of
    an RFC 3161 reply), or empty. ``docks``: entries of a trust file."""

    type: Literal["urn:dockagent:excerpt:1"]
    file: str
    bytes: int
    sha256: str
    asked_from_ms: int
    asked_to_ms: int
    from_ms: int
    to_ms: int
    tracks: tuple[Stretch, ...]
    fields: Fields | None
    record: dict[str, Any] | None
    entry: dict[str, Any]
    tlog_proof: str
    time_stamp: str
    docks: tuple[dict[str, Any], ...]


def encode(proof: Proof) -> bytes:
    """The file's bytes."""
    return strict_json.canonical(msgspec.to_builtins(proof)) + b"\n"


def parse(data: bytes) -> Proof:
    """Read a proof. Raises Refused for anything that is not exactly one."""
    if len(data) > MOST_BYTES:
        raise Refused(f"not an excerpt's proof: more than {MOST_BYTES} bytes")
    raw = strict_json.parse(data)
    try:
        proof = msgspec.convert(raw, Proof)
    except msgspec.ValidationError as err:
        raise Refused(f"not an excerpt's proof: {mistake.in_form(err)}") from err
    if encode(proof) != data:
        raise Refused("not an excerpt's proof: it is not in canonical form (RFC 8785)")
    if proof.file not in FILES:
        raise Refused(f"an excerpt's file is called {' or '.join(FILES)}, not {proof.file[:80]!r}")
    if (proof.fields is None) == (proof.record is None):
        raise Refused("a proof shows either fields of the clip record or the whole of it")
    return proof
