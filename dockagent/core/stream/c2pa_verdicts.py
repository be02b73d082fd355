"""What a validator of C2PA said about a manifest, as verdicts of ours. Pure: the validator itself is asked elsewhere.

The status codes are those of the C2PA Technical Specification, section 15.2.1. Its state ``Trusted`` says that the
signer leads to a given root and that the hash over the file fits, outside the boxes that the manifest excludes.
"""

import msgspec

from dockagent.core import paths
from dockagent.core.camera.manifest import Answer, Verdicts
from dockagent.core.stream.in_stream import C2PA, OUTSIDE_C2PA, StreamSignature

_HASHES = ("assertion.bmffHash.match", "assertion.dataHash.match", "assertion.boxesHash.match")
_MOST = 12


class Validated(msgspec.Struct, frozen=True):
    """What the validator said: its ``tool``, the state, the signer's names, the stated time, and the codes with their
    explanations. ``error``: why it could say nothing, or empty."""

    tool: str
    state: str = ""
    issuer: str = ""
    common_name: str = ""
    algorithm: str = ""
    time: str = ""
    success: tuple[tuple[str, str], ...] = ()
    informational: tuple[tuple[str, str], ...] = ()
    failure: tuple[tuple[str, str], ...] = ()
    error: str = ""


def c2pa_judged(said: Validated, stores: int) -> StreamSignature:
    """The verdicts; ``stores``: how many manifest stores the file has."""
    good, bad = {code for code, _ in said.success}, dict(said.failure)
    tool = f"{said.tool} says {said.state or 'nothing'}"
    signature, why_signature = _signature(said, good, bad)
    signer, why_signer = _signer(said, good, bad)
    intact, why_intact = _intact(signer, good, bad)
    if said.error:
        signature, signer, intact = "unknown", "unknown", "unknown"
        why_signature = why_signer = why_intact = f"{said.tool} could not read the manifest: {_clean(said.error)}"
    quarantine = why_intact if intact == "fail" else f"signature: {why_signature}" if signature == "fail" else ""
    when = (
        f"{_clean(said.time)}, by its own time stamp; no authority of ours vouches"
        if said.time
        else "no time is stated"
    )
    reasons = {
        "intact": f"{why_intact} ({tool})",
        "signature": why_signature,
        "signer": why_signer,
        "time": when,
        "complete": "the hash is over this file; whether it is all of a recording is not told",
    }
    lines = [f"{code}: {words}" for code, words in (*said.failure, *said.informational)]
    return StreamSignature(
        C2PA,
        -1,
        Verdicts(intact, signature, signer, "unknown", "unknown", reasons, quarantine),
        certificate=_clean(f"{said.issuer}, {said.common_name}" if said.issuer else ""),
        hash=_clean(said.algorithm),
        messages=stores,
        noticed=tuple(_clean(one) for one in lines[:_MOST]),
        outside=OUTSIDE_C2PA,
    )


def _signature(said: Validated, good: set[str], bad: dict[str, str]) -> tuple[Answer, str]:
    for code, why in bad.items():
        if code.startswith("claimSignature."):
            return "fail", f"{code}: {_clean(why)}"
    if "claimSignature.validated" in good:
        return "pass", f"the manifest's signature is valid ({_clean(said.algorithm)})"
    return "unknown", "the validator does not tell of a valid signature"


def _signer(said: Validated, good: set[str], bad: dict[str, str]) -> tuple[Answer, str]:
    who = _clean(f"{said.issuer}, {said.common_name}")
    if "signingCredential.untrusted" in bad:
        return "unknown", f"self-stated: {who}; no given root vouches for it"
    for code, why in bad.items():
        if code.startswith("signingCredential."):
            return "fail", f"{code}: {_clean(why)}"
    if "signingCredential.trusted" in good:
        return "pass", f"{who}, vouched for by a given root"
    return "unknown", "the validator does not tell who signed"


def _intact(signer: Answer, good: set[str], bad: dict[str, str]) -> tuple[Answer, str]:
    for code, why in bad.items():
        if code.startswith("assertion.") and code.endswith(".mismatch"):
            return "fail", f"{code}: {_clean(why)}"
    if any(not code.startswith("signingCredential.") for code in bad):
        return "unknown", f"the manifest breaks a rule: {', '.join(sorted(bad))[:200]}"
    if not good.intersection(_HASHES):
        return "unknown", "no hash over the file was checked"
    if signer != "pass":
        return "unknown", "the hash over the file fits, but nobody vouches for who signed it"
    return "pass", "the hash over the file fits, outside what the manifest excludes"


def _clean(words: str) -> str:
    """A file chose these words."""
    return paths.to_text(words.encode("utf-8", "surrogateescape"))[:200]
