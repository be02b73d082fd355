"""A receipt of a store judged without dockagent: base64 and JSON by Python's library, the signature by openssl."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any


def public_key(line: str, folder: Path) -> Path:
    """The PEM file of the key in a custodian's line (``NAME+HASH+BASE64``), by openssl."""
    pem = folder / "custodian-key.pem"
    der = base64.b64decode(line.split("+", 2)[2])
    words = ["openssl", "pkey", "-pubin", "-inform", "DER", "-out", str(pem)]
    subprocess.run(words, input=der, check=True, capture_output=True, timeout=30)
    return pem


def judged(envelope: bytes, key: Path) -> dict[str, Any]:
    """The statement in a DSSE envelope that ``openssl dgst -verify`` finds signed by ``key`` (DSSE v1, section
    "Signature Definition": over the pre-authentication encoding). Raises AssertionError where it does not."""
    said = json.loads(envelope)
    kind, payload = said["payloadType"], base64.b64decode(said["payload"], validate=True)
    (signature,) = said["signatures"]
    signed, sig = key.with_name("signed"), key.with_name("sig")
    signed.write_bytes(f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload)
    sig.write_bytes(base64.b64decode(signature["sig"], validate=True))
    words = ["openssl", "dgst", "-sha256", "-verify", str(key), "-signature", str(sig), str(signed)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "Verified OK"), done.stderr
    statement: dict[str, Any] = json.loads(payload)
    return statement
