"""Whom a dock asks to vouch for its ledger, and how."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography import x509

from dockagent.core.proof import note
from dockagent.errors import UsageError
from dockagent.ledger import timestamps
from dockagent.ledger.ask_witness import Post, WitnessPeer, parse_peer
from dockagent.ledger.leaves import Leaves

Stamper = Callable[[bytes], tuple[bytes, int, str]]
"""Has bytes stamped: the raw RFC 3161 reply, checked, with its time (ms since 1970 UTC) and serial number (hex)."""


@dataclass(frozen=True, slots=True)
class Notary:
    """``peers``: the witnesses, of whom ``quorum`` must cosign; ``post`` sends to one. ``stamp`` asks the authority at
    ``stamp_url``; None: there is none. ``leaves``: the ledger. ``publish``: whether it goes to the store."""

    peers: tuple[WitnessPeer, ...]
    quorum: int
    post: Post
    leaves: Leaves
    stamp: Stamper | None = None
    stamp_url: str = ""
    publish: bool = True


def stamper(url: str, roots: Sequence[x509.Certificate], timeout_s: float, ca_file: str = "") -> Stamper:
    """Asks the authority at ``url``, and takes nothing that does not lead to one of ``roots``. ``ca_file``: whom to
    trust for https, if not those whom the system trusts."""

    def stamp(data: bytes) -> tuple[bytes, int, str]:
        nonce = secrets.randbits(128)
        reply = timestamps.ask(url, data, nonce=nonce, timeout=timeout_s, ca_file=ca_file)
        said = timestamps.check(reply, data, roots, nonce=nonce)
        return reply, said.time_ms, said.serial

    return stamp


def notary_of(
    ask: Sequence[str],
    quorum: int,
    leaves: Leaves,
    timeout_s: float,
    *,
    stamp_url: str = "",
    stamp_roots: Sequence[x509.Certificate] = (),
    publish: bool = True,
    own: note.VerifierKey | None = None,
    ca_file: str = "",
    stamp_ca_file: str = "",
    client: tuple[str, str] = ("", ""),
) -> Notary | None:
    """The notary over the network that these settings name: ``ask``, ``VKEY URL`` of each witness; ``quorum``, 0 for
    more than half; ``timeout_s`` seconds for each of them and for the authority at ``stamp_url``; ``own``, as in
    :func:`peers_of`; ``ca_file``, ``stamp_ca_file``: whom to trust for https; ``client``: our own certificate and
    its key, for witnesses. None where there is nobody to ask. Raises UsageError for settings that cannot work."""
    peers = peers_of(ask, quorum, own)
    check_authority(stamp_url, stamp_roots)
    if not peers and not stamp_url:
        return None
    from dockagent.ledger.conversation import tls  # HTTP and TLS: only for those who ask somebody
    from dockagent.ledger.witness_http import post_http

    if stamp_ca_file:
        tls(stamp_ca_file, "timestamps")

    return Notary(
        peers,
        quorum_of(quorum, len(peers)),
        post_http(timeout_s, ca_file, client),
        leaves,
        stamper(stamp_url, stamp_roots, timeout_s, stamp_ca_file) if stamp_url else None,
        stamp_url,
        publish,
    )


def peers_of(ask: Sequence[str], quorum: int, own: note.VerifierKey | None = None) -> tuple[WitnessPeer, ...]:
    """The witnesses that ``ask`` names, each once, ``quorum`` of them or more. ``own``: the key with which this machine
    itself witnesses, which vouches for nothing here: whoever can rewrite the ledger has that key too. Raises
    UsageError."""
    peers = tuple(parse_peer(one) for one in ask)
    seen: dict[bytes, str] = {}
    for peer in peers:
        if own is not None and peer.key.public == own.public:
            raise UsageError(
                f"ask in [witnesses] names this dock's own witness key ({peer.name}): nobody vouches for himself",
                "take it out of ask, and name a witness on another machine",
            )
        if (other := seen.setdefault(peer.key.public, peer.url)) is not peer.url:
            raise UsageError(
                f"ask in [witnesses] names one key twice, at {other} and at {peer.url}",
                "name each witness once, by its own key (`dockagent keys show` on its machine)",
            )
    if len(peers) < quorum:
        raise UsageError(
            f"[witnesses] names {len(peers)} witnesses, fewer than its quorum of {quorum}",
            "lower quorum, or name more witnesses in ask",
        )
    return peers


def check_authority(url: str, roots: Sequence[x509.Certificate]) -> None:
    """Raises UsageError where the time-stamping authority at ``url`` (empty: none) has no root to lead to."""
    if url and not roots:
        raise UsageError("[timestamps] names an authority without roots", "name its root certificate in roots")


def quorum_of(configured: int, peers: int) -> int:
    """How many of the witnesses must cosign: as configured, or more than half of them where that is 0."""
    return configured or (peers // 2 + 1 if peers else 0)
