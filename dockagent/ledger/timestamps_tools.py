"""The two tools that check a time stamp's signature and path. What they decide is final; neither is asked for words."""

import subprocess
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from dockagent.errors import Missing, Refused
from dockagent.ledger.timestamps_der import Reply

_PATIENCE_S = 20.0


def verify(token: bytes, reply: Reply, roots: Sequence[x509.Certificate]) -> str:
    """Verify ``token``, whose parts are ``reply``; the name and version of the tool that did. Raises Refused where it
    does not verify, Missing where no tool is there that can tell."""
    return by_library(token, reply, roots) or by_openssl(token, reply, roots)


def by_library(token: bytes, reply: Reply, roots: Sequence[x509.Certificate]) -> str:
    """By ``rfc3161-client``; empty where it is absent or cannot read the token's DER.

    Nothing but the roots is handed to it: it takes every certificate that it is given for trusted.
    """
    try:
        from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response
    except ImportError:
        return ""
    try:
        decoded = decode_timestamp_response(token)
        told = (decoded.tst_info.serial_number, decoded.tst_info.message_imprint.message)
    except ValueError:
        return ""
    try:
        VerifierBuilder(roots=list(roots)).build().verify(decoded, reply.imprint)
    except (VerificationError, ValueError) as err:
        raise Refused(f"the time stamp does not verify: rfc3161-client: {_one_line(str(err))}") from err
    if told != (reply.serial, reply.imprint):
        raise Refused("the time stamp can be read in two ways")
    return f"rfc3161-client {metadata.version('rfc3161-client')}"


def by_openssl(token: bytes, reply: Reply, roots: Sequence[x509.Certificate]) -> str:
    """By ``openssl ts -verify`` at the token's own time, with nobody's roots but these."""
    with tempfile.TemporaryDirectory(prefix="time-stamp-") as folder:
        held, trusted = Path(folder, "reply.tsr"), Path(folder, "roots.pem")
        held.write_bytes(token)
        trusted.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in roots))
        at = ("-attime", str(reply.time_ms // 1000))
        done = _openssl("ts", "-verify", "-in", held, "-digest", reply.imprint.hex(), "-CAfile", trusted, *at)
    if done.returncode != 0:
        raise Refused(f"the time stamp does not verify: openssl ts: {_one_line(done.stdout + done.stderr)}")
    return "openssl " + _openssl("version").stdout.split()[1]


def _openssl(*args: str | Path) -> "subprocess.CompletedProcess[str]":
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "OPENSSL_CONF": "/dev/null"}
    try:
        return subprocess.run(
            ["openssl", *args],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE_S,
            env=env,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as err:
        raise Missing(f"the time stamp cannot be checked: openssl: {err}", "install openssl") from err


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]
