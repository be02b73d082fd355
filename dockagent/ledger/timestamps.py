"""RFC 3161 time stamps: ask an authority for one, and check one, today or in ten years.

A time stamp says that its authority saw the SHA-256 of some bytes at a time. It says nothing about who made them.

The raw reply is what is kept: whatever we made of it, somebody else can look at it again. Beside it goes its chain
(:func:`certificates`, and the roots it was checked against), for a day when the authority is gone. Without us::

    openssl ts -verify -in reply.tsr -data FILE -CAfile roots.pem -attime SECONDS

Two tools can check the signature: ``rfc3161-client`` first, and ``openssl ts`` where that is absent or its parser
refuses the token's DER (authorities exist that order a SET as they like). A token that the first has read and refuted
is refuted; the second is not asked for a kinder answer. What both leave open is decided here, before them.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from dockagent.errors import Refused, Retryable, UsageError
from dockagent.ledger import timestamps_der as der
from dockagent.ledger import timestamps_tools

MOST_BYTES = der.MOST_BYTES
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a time stamp that passed says.

    ``time_ms``: milliseconds since 1970, UTC. ``accuracy_ms``: how far off the authority says that it may be, rounded
    up; None where it does not say. ``serial``: the token's number, lower-case hex. ``policy``: dotted OID. ``signer``:
    the subject of the authority's certificate (RFC 4514). ``verified_by``: the tool that checked the signature, with
    its version.
    """

    time_ms: int
    accuracy_ms: int | None
    serial: str
    policy: str
    signer: str
    verified_by: str


def ask(url: str, data: bytes, *, nonce: int, timeout: float, ca_file: str = "") -> bytes:
    """The reply of the authority at ``url`` (http or https) to a query over the SHA-256 of ``data``: raw DER, at most
    :data:`MOST_BYTES`, not checked beyond being one DER sequence. Only the digest leaves the house.

    ``nonce``: a fresh random number of 64 bits or more, below 2^512, not negative. ``timeout``: seconds for the whole
    exchange after the name was looked up; ``ca_file``: PEM file of whom to trust for https, or "" for the system's
    choice. Raises UsageError for a wrong address or nonce; Permanent where the authority
    will not take such a query; Retryable for all else: nobody there, a portal's page or redirect, too slow, too much.
    """
    if not 0 <= nonce < 1 << 512:
        raise UsageError("a time stamp's nonce must be a number from 0 to 2^512 - 1")
    from dockagent.ledger.timestamps_http import exchange  # TLS and HTTP are not needed to check what was kept

    reply = exchange(url, der.query(data, nonce), most=MOST_BYTES, timeout=timeout, ca_file=ca_file)
    if not der.is_whole(reply):
        raise Retryable(f"{url} answered with {len(reply)} bytes that are no time-stamp reply")
    return reply


def certificates(token: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates that came with a reply, for keeping beside it. Raises Refused where it is no granted reply."""
    return der.parse(token).certificates


def check(token: bytes, data: bytes, roots: Sequence[x509.Certificate], *, nonce: int | None = None) -> Stamp:
    """Check a reply (raw DER TimeStampResp, as :func:`ask` returned it) against the bytes that it should speak of.

    ``roots``: the authorities' root certificates that are trusted for time (an intermediate may be added to them where
    the token does not carry it). ``nonce``: the query's, or None where it is no longer known. In this order:

    1. the reply is whole, granted, and its token is over one SHA-256 (RFC 3161 section 2.4.2);
    2. the SHA-256 is that of ``data``, and the nonce is the query's;
    3. exactly one certificate in the token is the signer's, and the one that the signature is bound to; its only
       extended key usage is timeStamping, critical (RFC 3161 section 2.3); it was valid at the token's time;
    4. every other certificate in the token is on the signer's path: nothing was slipped in;
    5. the signature and the path to one of ``roots`` at the token's time, by one of the two tools.

    Certificates expire; that is no fault of a token from before. Revocation is not asked for. Raises Refused with
    what is wrong, Missing where neither tool is there, UsageError without roots.
    """
    if not roots:
        raise UsageError(
            "no root certificate is trusted for time stamps", "name one in the configuration or trust file"
        )
    reply = der.parse(token)
    if reply.imprint != hashlib.sha256(data).digest():
        raise Refused("the time stamp is for other bytes than these")
    if nonce is not None and reply.nonce != nonce:
        raise Refused("the time stamp answers another query: its nonce is not ours")
    signer = _signer(reply)
    _check_signer(signer, reply.time_ms)
    _check_company(signer, reply.certificates)
    return Stamp(
        time_ms=reply.time_ms,
        accuracy_ms=reply.accuracy_ms,
        serial=f"{reply.serial:x}",
        policy=reply.policy,
        signer=signer.subject.rfc4514_string(),
        verified_by=timestamps_tools.verify(token, reply, roots),
    )


def _signer(reply: der.Reply) -> x509.Certificate:
    """The certificate that the signer's issuer and serial number name."""
    issuer, serial = reply.signer_id
    named = [one for one in reply.certificates if (one.issuer.public_bytes(), one.serial_number) == (issuer, serial)]
    if len(named) != 1:
        raise Refused(f"the time stamp brings {len(named)} certificates of its signer, not one")
    if named[0].fingerprint(_digest_of(reply.signer_digest)) != reply.signer_digest:
        raise Refused("the time stamp brings another certificate than the one that its signature is bound to")
    return named[0]


def _digest_of(digest: bytes) -> hashes.HashAlgorithm:
    known: dict[int, hashes.HashAlgorithm] = {20: hashes.SHA1(), 32: hashes.SHA256(), 48: hashes.SHA384()}  # noqa: S303
    return known.get(len(digest), hashes.SHA512())


def _check_signer(signer: x509.Certificate, time_ms: int) -> None:
    name = signer.subject.rfc4514_string()
    usage = next((one for one in signer.extensions if isinstance(one.value, x509.ExtendedKeyUsage)), None)
    if usage is None or not usage.critical or list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise Refused(
            f"the certificate of {name} is not for time stamps: extended key usage must be timeStamping, critical"
        )
    moment = _EPOCH + timedelta(milliseconds=time_ms)
    if not signer.not_valid_before_utc <= moment <= signer.not_valid_after_utc:
        raise Refused(f"the certificate of {name} was not valid at the time of its stamp, {moment:%Y-%m-%d %H:%M:%S}Z")


def _check_company(signer: x509.Certificate, held: Sequence[x509.Certificate]) -> None:
    path, left = [signer], [one for one in held if one != signer]
    if len(left) != len(held) - 1:
        raise Refused("the time stamp brings its signer's certificate twice")
    while above := [one for one in left if any(_issued(one, below) for below in path)]:
        path += above
        left = [one for one in left if one not in above]
    if left:
        stranger = left[0].subject.rfc4514_string()
        raise Refused(f"the time stamp brings a certificate that is not on its signer's path: {stranger}")


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
