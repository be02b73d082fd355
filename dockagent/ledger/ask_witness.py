"""A witness's client: hand in a checkpoint, take its cosignature (c2sp.org/tlog-witness).

What comes back is believed only as far as it is signed. A witness that refuses, lies or hangs costs its own word,
within its own time, and never the others'.
"""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from dockagent.core.proof import cosignature, note, witnessing
from dockagent.errors import Permanent, Refused, Retryable, UsageError

_ROUNDS = 3  # the size that we guessed, the size that it said, and once more if somebody came between


class Contradicted(Permanent):
    """A witness has seen another history of this ledger than the one that was shown to it."""


@dataclass(frozen=True, slots=True)
class WitnessPeer:
    """A witness to ask: its key, and the URL under which it answers ``/add-checkpoint``."""

    key: note.VerifierKey
    url: str

    @property
    def name(self) -> str:
        """What people call it."""
        return self.key.name


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer: status and body."""

    status: int
    body: bytes


Post = Callable[[WitnessPeer, bytes], Reply]
"""Sends the body of an ``add-checkpoint`` and gives the answer. Raises Retryable where there is none."""


def parse_peer(text: str) -> WitnessPeer:
    """``VKEY URL`` as the configuration has it. Raises UsageError."""
    vkey, _, url = text.strip().partition(" ")
    try:
        key = cosignature.parse_vkey(vkey)
        parts = urlsplit(url.strip())
        good = parts.scheme in ("http", "https") and parts.hostname and not parts.query and not parts.fragment
        if not good or (parts.port or 1) < 1:
            raise Refused(f"{url!r} is not a URL of http or https")
    except (Refused, ValueError) as err:
        raise UsageError(f"not a witness: {text[:200]!r}: {err}", 'write "VKEY URL" into ask of [witnesses]') from err
    return WitnessPeer(key, url.strip().rstrip("/"))


def ask(
    peer: WitnessPeer,
    checkpoint: bytes,
    prove: Callable[[int], tuple[bytes, ...]],
    guess: int,
    post: Post,
) -> note.NoteSignature:
    """Have ``peer`` cosign ``checkpoint`` (a signed note); its signature, checked.

    ``prove(old)``: the consistency proof from ``old`` records, for 0 < old <= size. ``guess``: the size that the
    witness has probably seen. Raises Retryable where another try may succeed, Contradicted where the witness has seen
    another history of this ledger, Permanent where it answers what nobody can believe.
    """
    signed = note.parse(checkpoint)
    size = note.parse_checkpoint(signed).size
    old = guess if 0 <= guess <= size else 0
    for _ in range(_ROUNDS):
        proof = prove(old) if 0 < old < size else ()
        reply = post(peer, witnessing.Request(old, proof, checkpoint).encode())
        if reply.status == 200:
            return _taken(peer, signed, reply.body)
        if reply.status != 409:
            raise _refused(peer, reply)
        old = _known(peer, reply.body, old, size)
    raise Retryable(f"witness {peer.name} keeps saying other sizes", "does another machine use this dock's key?")


def _known(peer: WitnessPeer, body: bytes, old: int, size: int) -> int:
    """The size from which the witness wants to be shown the way."""
    try:
        known = witnessing.parse_size(body)
    except Refused as err:
        raise Permanent(f"witness {peer.name}: {err.what}", "check that its URL is that of a witness") from err
    if known > size:
        raise Contradicted(
            f"witness {peer.name} has seen {known} records of this ledger, which has {size}: it was rolled back, or "
            "another machine uses its key",
            "keep this folder as it is, and look for the newer copy",
        )
    if known == old:
        raise Contradicted(
            f"witness {peer.name} has seen another tree of {known} records of this ledger: a fork",
            "keep this folder as it is: its history was rewritten, or another machine uses its key",
        )
    return known


def _taken(peer: WitnessPeer, signed: note.Note, body: bytes) -> note.NoteSignature:
    try:
        lines = note.parse_signature_lines(body.decode("utf-8"))
        mine = [one for one in lines if (one.name, one.key_hash) == (peer.key.name, peer.key.key_hash)]
        cosignature.check(note.Note(signed.text, tuple(mine)), peer.key)
    except (Refused, UnicodeDecodeError) as err:
        raise Permanent(f"witness {peer.name} gave no cosignature that can be believed: {err}", _CHECK) from err
    return mine[-1]


_UNKNOWN = (
    "make this dock known there: a witness takes its checkpoint key (`dockagent keys show`) into logs of [witness], a"
    " custodian its trust file (`dockagent keys show --json`) into trust of [custodian]"
)
_CHECK = "compare its vkey in [witnesses] with `dockagent keys show` on its machine"


def _refused(peer: WitnessPeer, reply: Reply) -> Permanent | Retryable:
    said = reply.body[:200].decode("utf-8", "replace").strip()
    what = f"witness {peer.name} answered {reply.status}: {said or 'nothing'}"
    if reply.status == 422:
        return Contradicted(f"{what}: it has seen another history of this ledger", "keep this folder as it is")
    if reply.status in (403, 404):
        return Permanent(what, _UNKNOWN)
    if reply.status in (408, 429) or reply.status >= 500:
        return Retryable(what, "look at its log")
    return Permanent(what, "check that its URL is that of a witness")
