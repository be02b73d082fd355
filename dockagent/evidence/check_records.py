"""Check the custody records of a package: signatures, proofs, and the other forms in which they lie beside."""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dockagent.core import strict_json
from dockagent.core.disclosure.package_form import BUNDLE, ENVELOPE, RECORDS, WITHHELD, bundle
from dockagent.core.proof import dsse, merkle, tlog_proof
from dockagent.errors import Refused
from dockagent.evidence.check_bag import Bag, read
from dockagent.evidence.check_package_heads import check_heads, tokens
from dockagent.evidence.check_vouched import Vouched, check_vouched
from dockagent.evidence.in_force import Signed, check_one_dock, record_signed
from dockagent.evidence.keyring import NO_TIME, Keyring
from dockagent.evidence.report import Report, Verdict, Word
from dockagent.ledger.keys import RECORD
from dockagent.ledger.trust import Trust

_NAME = re.compile(r"([0-9]{8,19})-([a-z.]+)")
_SHOWN = 3
_DIFFER = 2  # from so many different verdicts on, each is told with its records
_GRAVEST: tuple[Word, ...] = ("fail", "unknown", "unsigned", "pass")

Judge = Callable[[bytes], Vouched]
"""Who vouches for a checkpoint, given its bytes."""


@dataclass(slots=True)
class Records:
    """What the records say. ``said``: payloads by number, of those whose signature and proof are good; ``under``: the
    checkpoint that a record's proof leads to, by number; ``lacking``: checkpoints that are missing."""

    said: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    unproved: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    signatures: dict[str, Verdict] = field(default_factory=dict)
    signers: dict[str, Verdict] = field(default_factory=dict)
    heads: dict[bytes, Vouched] = field(default_factory=dict)
    under: dict[int, Vouched] = field(default_factory=dict)
    withheld: int = 0
    told: int = 0

    @property
    def origins(self) -> set[str]:
        """The ledgers of the checkpoints that proofs lead to."""
        return {one.head.origin for one in self.heads.values() if one.head is not None}

    def took(self, by: Signed) -> None:
        """Keep who signed a record or a checkpoint; of equal verdicts the last."""
        self.signatures[by.signature.word], self.signers[by.signer.word] = by.signature, by.signer


def parse_record(entry: bytes) -> tuple[dsse.Envelope, Mapping[str, Any]]:
    """A ledger entry taken apart. Raises Refused where it is no custody record."""
    envelope = dsse.parse(entry)
    record = strict_json.parse(envelope.payload) if envelope.payload_type == RECORD else None
    if not isinstance(record, dict) or strict_json.canonical(record) != envelope.payload:
        raise Refused("it is no custody record in canonical form (RFC 8785)")
    parts = all(isinstance(record.get(part), dict) for part in ("who", "what", "when", "why", "links"))
    if not parts or not isinstance(record.get("type"), str):
        raise Refused("it is a custody record without its parts")
    return envelope, record


def check_records(bag: Bag, keyring: Keyring, trust: Trust | None) -> tuple[Report, Records]:
    """The report on ``data/records/`` and ``data/ledger/``, and what the good records say."""
    found, stamps = Records(), tokens(bag)

    def vouched(checkpoint: bytes) -> Vouched:
        return check_vouched(checkpoint, stamps.get(hashlib.sha256(checkpoint).digest()), keyring, trust)

    for name in sorted(one for one in bag.files if one.startswith(RECORDS)):
        stem = name.removeprefix(RECORDS)
        try:
            if stem.endswith(ENVELOPE):
                _record(bag, stem.removesuffix(ENVELOPE), found, keyring, vouched)
            elif stem.endswith(WITHHELD):
                _withheld(bag, stem.removesuffix(WITHHELD), found, vouched)
            elif not stem.endswith((BUNDLE, tlog_proof.SUFFIX)):
                raise Refused("a package has no such file")
        except Refused as err:
            found.wrong.append(f"{stem}: {err.what}")
    _checkpoints(bag, found, vouched)
    return _report(bag, found), found


def _checkpoints(bag: Bag, found: Records, vouched: Judge) -> None:
    here = check_heads(bag, found.heads, vouched)
    found.wrong += here.wrong
    found.lacking += here.lacking
    found.findings += here.findings
    for signed in here.signed:
        found.took(signed)


def _record(bag: Bag, stem: str, found: Records, keyring: Keyring, vouched: Judge) -> None:
    entry = read(bag, f"{RECORDS}{stem}{ENVELOPE}")
    envelope, record = parse_record(entry)
    index = _number(stem, record.get("index"), record.get("type"))
    found.told += 1
    by = record_signed(index, envelope, keyring)
    found.took(by)
    _same_bundle(bag, stem, entry)
    head = _proved(bag, stem, index, merkle.leaf_hash(entry), found, vouched)
    if head is None or head.head is None:
        return
    check_one_dock(by, head.signed, head.head)
    if by.signature.word == head.signed.signature.word == "pass":
        found.said[index] = record


def _withheld(bag: Bag, stem: str, found: Records, vouched: Judge) -> None:
    said = strict_json.parse(read(bag, f"{RECORDS}{stem}{WITHHELD}"))
    if not isinstance(said, dict) or not re.fullmatch(r"[0-9a-f]{64}", str(said.get("leaf_hash"))):
        raise Refused("it has no leaf hash")
    index = _number(stem, said.get("index"), said.get("type"))
    found.withheld += 1
    _proved(bag, stem, index, bytes.fromhex(said["leaf_hash"]), found, vouched)


def _number(stem: str, index: object, kind: object) -> int:
    name = _NAME.fullmatch(stem)
    if name is None or not isinstance(index, int) or int(name[1]) != index or name[2] != kind:
        raise Refused(f"its file is called after another record than {index!r}, {kind!r}")
    return index


def _proved(bag: Bag, stem: str, index: int, leaf: bytes, found: Records, vouched: Judge) -> Vouched | None:
    """The checkpoint of the ledger that the entry is in; None without a proof. Raises Refused for a proof of something
    else, and for one in another ledger than that of the records before: a package is one dock's."""
    name = f"{RECORDS}{stem}{tlog_proof.SUFFIX}"
    if name not in bag.files:
        found.unproved.append(stem)
        return None
    proof = tlog_proof.parse(read(bag, name))
    if proof.index != index:
        raise Refused(f"its proof is of entry {proof.index}")
    proof.check(leaf)
    head = found.heads.get(proof.checkpoint)
    if head is None:
        head = found.heads[proof.checkpoint] = vouched(proof.checkpoint)
        found.took(head.signed)
        found.findings += head.findings
    if len(found.origins) > 1:
        names = ", ".join(sorted(found.origins))
        raise Refused(f"it is proved by a checkpoint of another ledger than other records: {names}")
    found.under[index] = head
    return head


def _same_bundle(bag: Bag, stem: str, entry: bytes) -> None:
    """The Sigstore bundle is the very envelope. Raises Refused where it is another."""
    name = f"{RECORDS}{stem}{BUNDLE}"
    if name not in bag.files:
        return
    said = strict_json.parse(read(bag, name))
    try:
        stamps = said["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"]
        token = base64.b64decode(stamps[0]["signedTimestamp"], validate=True) if stamps else b""
    except (KeyError, TypeError, IndexError, ValueError) as err:
        raise Refused("its Sigstore bundle is of another shape") from err
    if said != bundle(entry, token):
        raise Refused("its Sigstore bundle is not of the same envelope")


def _report(bag: Bag, found: Records) -> Report:
    heads = [one.head for one in found.heads.values() if one.head is not None]
    verdicts = {
        "intact": _intact(found),
        "signature": gravest(found.signatures.values(), "no record is here"),
        "signer": gravest(found.signers.values(), "no record is here"),
        "time": _time(found),
        "complete": _complete(found),
    }
    facts = [f"{found.told} records, {found.withheld} withheld"]
    facts += [f"proved by the checkpoint of {one.origin} over {one.size} records" for one in heads]
    return Report("records", f"{bag.folder}/{RECORDS}", verdicts, tuple(found.findings), tuple(facts))


def _intact(found: Records) -> Verdict:
    if found.wrong:
        more = f"; … and {len(found.wrong) - _SHOWN} more" if len(found.wrong) > _SHOWN else ""
        return Verdict("fail", "; ".join(found.wrong[:_SHOWN]) + more)
    return Verdict("pass", "every proof leads from its record to its checkpoint, and each of those is here as it is")


def _time(found: Records) -> Verdict:
    """The gravest over all; where records differ, it says of which records what holds."""
    alike: dict[Verdict, list[int]] = {}
    for index, head in sorted(found.under.items()):
        alike.setdefault(head.time, []).append(index)
    worst = gravest(alike, NO_TIME.why)
    if len(alike) < _DIFFER:
        return worst
    return Verdict(worst.word, "; ".join(f"{_numbers(indices)}: {one.why}" for one, indices in alike.items()))


def _numbers(indices: list[int]) -> str:
    if len(indices) > _SHOWN:
        return f"{len(indices)} records, from record {indices[0]} to {indices[-1]}"
    return f"record{'s' if len(indices) > 1 else ''} {', '.join(map(str, indices))}"


def _complete(found: Records) -> Verdict:
    if found.lacking:
        return Verdict("fail", "; ".join(found.lacking[:_SHOWN]))
    if found.unproved:
        return Verdict("unknown", f"{len(found.unproved)} records have no proof that they are in the ledger")
    return Verdict("pass", f"all {found.told + found.withheld} records that are named are proved to be in the ledger")


def gravest(verdicts: Iterable[Verdict], nothing: str = "") -> Verdict:
    """The one that weighs most, the last of its kind; ``nothing``: why there is none."""
    words = {one.word: one for one in verdicts}
    return next((words[word] for word in _GRAVEST if word in words), Verdict("unknown", nothing))


def of_type(records: Records, *kinds: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The good records of these types, in order."""
    yield from ((index, one) for index, one in sorted(records.said.items()) if one["type"] in kinds)
