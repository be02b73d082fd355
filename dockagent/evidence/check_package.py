"""Check a disclosure package: the bag, each clip, each record, and that the dock's ledger knows the package.

A package is a bag with ``data/package.json``; other bags are checked as bags, and it is said that nothing in them is
signed. What lies beside a package (``DIR.record.json``, ``DIR.tlog-proof``) shows that it is as it was handed out.
"""

import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dockagent.core import strict_json
from dockagent.core.disclosure.package_form import CASE, CLIPS, PACKAGE, TRUST, check_times, is_master
from dockagent.core.proof import merkle, tlog_proof
from dockagent.errors import Refused, UsageError
from dockagent.evidence.check_bag import Bag, about, check_bag, read
from dockagent.evidence.check_clip import MASTER, RECORD_FILE, check_clip
from dockagent.evidence.check_records import Records, check_records, gravest, of_type, parse_record
from dockagent.evidence.check_sealed import Open
from dockagent.evidence.check_vouched import check_vouched
from dockagent.evidence.in_force import check_one_dock, record_signed
from dockagent.evidence.keyring import NO_TIME, Keyring
from dockagent.evidence.report import Report, Verdict
from dockagent.ledger.trust import DockIdentity, Trust, parse

BESIDE = (".record.json", tlog_proof.SUFFIX, f"{tlog_proof.SUFFIX}.tsr")
LIST = "tagmanifest-sha256.txt"
_MOST = 1 << 20  # bytes of a record or proof beside
_UNSIGNED = Verdict("unsigned", "nothing in a bag is signed: whoever changes it can make its lists anew")
_NOT_BESIDE = "neither {0}.record.json nor {0}.tlog-proof lies beside it: nothing shows that it is as it was handed out"


@dataclass(frozen=True, slots=True)
class _Logged:
    """What the record beside a package says: the verdicts, and the clips that it names (None: there is no record)."""

    verdicts: Mapping[str, Verdict]
    wrong: tuple[str, ...] = ()
    clips: frozenset[str] | None = None
    findings: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()


def check_package(folder: Path, trust: Trust | None, identities: Sequence[str] = ()) -> list[Report]:
    """The reports on the bag in ``folder``. ``trust``: whom to believe; ``identities`` open what is sealed. Raises
    OSError, and UsageError as :func:`check_clip` does."""
    # 1. Every file is the one that the lists name, and no other is there.
    bag = check_bag(folder)
    if PACKAGE not in bag.files:
        return [_bag_of_others(bag)]
    keyring = Keyring.of(trust, _keys_inside(bag))
    # 2. The ledger knows the package by the digest of its list of lists.
    logged = _logged(bag, keyring, trust)
    # 3. Each record is signed, and in the ledger.
    of_records, records = check_records(bag, keyring, trust)
    # 4. Each clip is what its record says, and the record is the one that the ledger knows.
    clips = _clip_folders(bag)
    time = of_records.verdicts["time"]
    of_clips = [_clip(bag, clip, keyring, records, time, identities) for clip in clips]
    return [_package(bag, logged, clips), *of_clips, of_records]


def beside(folder: Path) -> tuple[Path, Path, Path]:
    """Where what shows that a package is as it was handed out lies: record, proof, and a time stamp, if any."""
    where = folder.absolute()
    record, proof, token = (where.with_name(where.name + suffix) for suffix in BESIDE)
    return record, proof, token


def _bag_of_others(bag: Bag) -> Report:
    verdicts = {"intact": bag.intact(), "signature": _UNSIGNED, "complete": bag.complete()}
    facts = ("a bag, but no disclosure package of a dock: it has no custody records", *about(bag))
    return Report("bag", str(bag.folder), verdicts, tuple(bag.odd), facts)


def _keys_inside(bag: Bag) -> tuple[DockIdentity, ...]:
    """The keys that lie in the package. They check signatures; who believes them needs more."""
    try:
        return parse(read(bag, TRUST)).docks if TRUST in bag.files else ()
    except UsageError:
        return ()  # then no signature can be checked, which is what is said


def _package(bag: Bag, logged: _Logged, clips: Iterable[str]) -> Report:
    wrong, lacking = [*bag.wrong, *logged.wrong], list(bag.lacking)
    if LIST not in bag.files:
        lacking.append(f"{LIST} is missing: it is what the ledger knows a package by")
    if logged.clips is not None and (gone := logged.clips - set(clips)):
        lacking.append(f"{len(gone)} clips that were handed out are not here: {', '.join(sorted(gone))}")
    bag.wrong, bag.lacking = wrong, lacking
    verdicts = {"intact": bag.intact(), **logged.verdicts, "complete": bag.complete()}
    findings = (*bag.odd, *logged.findings, *_case(bag))
    return Report("package", str(bag.folder), verdicts, findings, (*logged.facts, *about(bag)))


def _case(bag: Bag) -> list[str]:
    """What is wrong with the rendering for other tools: its times."""
    if CASE not in bag.files:
        return []
    try:
        check_times(strict_json.parse(read(bag, CASE))["@graph"])
    except (Refused, KeyError, TypeError, AttributeError) as err:
        return [f"{CASE} is not to be relied on: {err}"]
    return []


def _logged(bag: Bag, keyring: Keyring, trust: Trust | None) -> _Logged:
    *files, token = beside(bag.folder)
    if not all(file.is_file() for file in files):
        why = Verdict("unknown", _NOT_BESIDE.format(bag.folder.absolute().name))
        return _Logged({"signature": why, "signer": Verdict("unknown", "nobody's word is here"), "time": NO_TIME})
    entry, data = (_small(file) for file in files)
    try:
        return _log_entry(bag, entry, data, _small(token) if token.is_file() else None, keyring, trust)
    except Refused as err:
        bad = Verdict("fail", f"what lies beside it proves nothing: {err.what}")
        return _Logged({"signature": bad, "signer": Verdict("unknown", "nobody's good word is here"), "time": NO_TIME})


def _log_entry(
    bag: Bag, entry: bytes, data: bytes, token: bytes | None, keyring: Keyring, trust: Trust | None
) -> _Logged:
    """The record ``entry`` of a disclosure, and that it is in the ledger. Raises Refused."""
    envelope, record = parse_record(entry)
    proof = tlog_proof.parse(data)
    head = proof.check(merkle.leaf_hash(entry))
    if record.get("type") != "disclose" or record.get("index") != proof.index:
        kind = record.get("type")
        raise Refused(f"it is record {record.get('index')!r} of type {kind!r}, not that of a disclosure")
    if not all(isinstance(record.get(one), dict) for one in ("who", "why", "when")) or not isinstance(
        record["what"].get("clips"), list
    ):
        raise Refused("it does not say who handed out which clips, when and why")
    by = record_signed(proof.index, envelope, keyring)
    vouched = check_vouched(proof.checkpoint, token, keyring, trust)
    check_one_dock(by, vouched.signed, head)
    signature = gravest([by.signature, vouched.signed.signature])
    what, clips = record["what"], record["what"].get("clips")
    if what.get("kind") != "package":  # anybody's file can be put on record as derived from a clip, a forged list too
        raise Refused(f"record {proof.index} speaks of a disclosure of kind {what.get('kind')!r}, not of a package")
    if not isinstance(clips, list):
        raise Refused("it does not say which clips were handed out")
    made = hashlib.sha256(read(bag, LIST)).hexdigest() if LIST in bag.files else ""
    wrong = () if what.get("package_sha256") == made else ("it is not the package that was handed out: " + LIST,)
    return _Logged(
        {
            "signature": signature
            if signature.word != "pass"
            else Verdict("pass", f"{by.signature.why}: record {proof.index} of {head.origin} names it"),
            "signer": gravest([by.signer, vouched.signed.signer]),
            "time": vouched.time,
        },
        wrong,
        frozenset(map(str, clips)),
        vouched.findings,
        tuple(_told(record)),
    )


def _told(record: Mapping[str, Any]) -> Iterable[str]:
    why, who = record["why"], record["who"]
    yield f"handed out by {who.get('id') or 'somebody unknown'} on {record['when'].get('utc', '?')}"
    yield from (f"{label}: {why[label]}" for label in ("recipient", "purpose", "basis", "authority") if why.get(label))


def _clip_folders(bag: Bag) -> list[str]:
    below = f"{CLIPS}/"
    names = (one.removeprefix(below) for one in bag.files if one.startswith(below))
    return sorted({one.partition("/")[0] for one in names})


def _clip(bag: Bag, clip: str, keyring: Keyring, records: Records, time: Verdict, identities: Sequence[str]) -> Report:
    below, path = f"{CLIPS}/{clip}/", f"{bag.folder}/{CLIPS}/{clip}"
    names = [one.removeprefix(below) for one in bag.files if one.startswith(below)]
    if RECORD_FILE not in names:
        gone = Verdict("fail", f"{RECORD_FILE} is missing")
        return Report("clip", path, {"intact": Verdict("unknown", "there is no record"), "complete": gone})
    if len(masters := sorted(filter(is_master, names))) > 1:
        why = Verdict(
            "fail", f"it has {len(masters)} masters, {' and '.join(masters[:2])}: only one can be the footage"
        )
        return Report("clip", path, {"intact": why, "complete": why})
    record = read(bag, below + RECORD_FILE)
    objects: dict[str, Open] = {
        MASTER if is_master(one) else one: partial(_open, bag.folder / (below + one))
        for one in names
        if one != RECORD_FILE
    }
    report = check_clip(path, clip, record, objects, keyring, identities, unsealed=True)
    return _known(report, clip, hashlib.sha256(record).hexdigest(), records, time)


def _known(report: Report, clip: str, sha256: str, records: Records, time: Verdict) -> Report:
    """The report, with whether the ledger knows this clip record: by its record ``admit`` or ``quarantine``."""
    named = [one for _, one in of_type(records, "admit", "quarantine") if one["what"].get("clip_id") == clip]
    verdicts = dict(report.verdicts)
    if not named:
        finding = "no record here shows that the ledger knows this clip record"
        return Report(report.kind, report.path, verdicts, (*report.findings, finding), report.facts)
    known, index = named[-1]["what"].get("record_sha256"), named[-1]["index"]
    if known != sha256:
        verdicts["intact"] = Verdict("fail", f"the ledger knows another clip record of it (record {index})")
        return Report(report.kind, report.path, verdicts, report.findings, report.facts)
    facts = (*report.facts, f"record {index} of the ledger names this very clip record")
    if time.word == "pass":
        verdicts["time"] = Verdict("pass", f"by record {index}, which names this clip record: {time.why}")
    return Report(report.kind, report.path, verdicts, report.findings, facts)


def _open(file: Path) -> io.FileIO:
    return file.open("rb", buffering=0)


def _small(file: Path) -> bytes:
    with file.open("rb") as source:
        return source.read(_MOST)
