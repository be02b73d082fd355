"""Check what lies beside something that was handed out: the ledger's record of that, and the record's place in it.

``NAME.record.json`` is the record's envelope, ``NAME.tlog-proof`` shows it under a checkpoint, ``NAME.tlog-proof.tsr``
is a time stamp over that, if any. The record has the digest of what went out, so that by it every byte is the dock's
word: also those of which nothing else is signed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dockagent.core.proof import merkle, tlog_proof
from dockagent.errors import Refused
from dockagent.evidence.check_records import gravest, parse_record
from dockagent.evidence.check_vouched import check_vouched
from dockagent.evidence.in_force import check_one_dock, record_signed
from dockagent.evidence.keyring import NO_TIME, Keyring
from dockagent.evidence.report import Verdict
from dockagent.ledger.trust import Trust

BESIDE = (".record.json", tlog_proof.SUFFIX, f"{tlog_proof.SUFFIX}.tsr")
_MOST = 1 << 20  # bytes of each
_NOT_BESIDE = "neither {0}.record.json nor {0}.tlog-proof lies beside it: nothing shows that it is as it was handed out"


@dataclass(frozen=True, slots=True)
class HandedOut:
    """What was found. ``what``: the record's, None where there is none that can be read and is in a ledger; whether
    it is signed is in the verdicts. ``is_here``: whether anything lies beside."""

    signature: Verdict
    signer: Verdict
    time: Verdict
    what: Mapping[str, Any] | None = None
    is_here: bool = True
    findings: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """Of what was handed out: a package's list of lists, an excerpt's proof, a derivative's file (hex)."""
        return str((self.what or {}).get("package_sha256", ""))


def beside(one: Path) -> tuple[Path, Path, Path]:
    """Where what shows that it is as it was handed out lies: record, proof, and a time stamp, if any."""
    where = one.absolute()
    record, proof, token = (where.with_name(where.name + suffix) for suffix in BESIDE)
    return record, proof, token


def check_handed_out(one: Path, kind: str, keyring: Keyring, trust: Trust | None) -> HandedOut:
    """What lies beside the file or folder ``one``, a disclosure of this ``kind``. Raises OSError."""
    *files, token = beside(one)
    if not all(file.is_file() for file in files):
        why = Verdict("unknown", _NOT_BESIDE.format(one.absolute().name))
        here = any(file.exists() for file in files)
        return HandedOut(why, Verdict("unknown", "nobody's word is here"), NO_TIME, is_here=here)
    entry, data = (_small(file) for file in files)
    try:
        return _log_entry(kind, entry, data, _small(token) if token.is_file() else None, keyring, trust)
    except Refused as err:
        bad = Verdict("fail", f"what lies beside it proves nothing: {err.what}")
        return HandedOut(bad, Verdict("unknown", "nobody's good word is here"), NO_TIME)


def _log_entry(
    kind: str, entry: bytes, data: bytes, token: bytes | None, keyring: Keyring, trust: Trust | None
) -> HandedOut:
    """The record ``entry`` of a disclosure, and that it is in the ledger. Raises Refused."""
    envelope, record = parse_record(entry)
    proof = tlog_proof.parse(data)
    head = proof.check(merkle.leaf_hash(entry))
    what = _disclosed(record, proof.index)
    by = record_signed(proof.index, envelope, keyring)
    vouched = check_vouched(proof.checkpoint, token, keyring, trust)
    check_one_dock(by, vouched.signed, head)
    if what.get("kind") != kind:  # anybody's file can be put on record as derived from a clip, a forged list too
        article = "an" if kind[0] in "aeiou" else "a"
        raise Refused(
            f"record {proof.index} speaks of a disclosure of kind {what.get('kind')!r}, not of {article} {kind}"
        )
    signature = gravest([by.signature, vouched.signed.signature])
    if signature.word == "pass":
        signature = Verdict("pass", f"{by.signature.why}: record {proof.index} of {head.origin} names it")
    signer = gravest([by.signer, vouched.signed.signer])
    facts = tuple(_told(record))
    return HandedOut(signature, signer, vouched.time, what, findings=vouched.findings, facts=facts)


def _disclosed(record: Mapping[str, Any], index: int) -> Mapping[str, Any]:
    """What the record of a disclosure says. Raises Refused for any other record."""
    if record.get("type") != "disclose" or record.get("index") != index:
        kind = record.get("type")
        raise Refused(f"it is record {record.get('index')!r} of type {kind!r}, not that of a disclosure")
    what: Mapping[str, Any] = record["what"]
    if not all(isinstance(record.get(one), dict) for one in ("who", "why", "when")) or not isinstance(
        what.get("clips"), list
    ):
        raise Refused("it does not say who handed out which clips, when and why")
    return what


def _told(record: Mapping[str, Any]) -> Iterable[str]:
    why, who = record["why"], record["who"]
    yield f"handed out by {who.get('id') or 'somebody unknown'} on {record['when'].get('utc', '?')}"
    yield from (f"{label}: {why[label]}" for label in ("recipient", "purpose", "basis", "authority") if why.get(label))


def _small(file: Path) -> bytes:
    with file.open("rb") as source:
        return source.read(_MOST)
