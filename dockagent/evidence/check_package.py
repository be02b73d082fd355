"""Check a disclosure package: the bag, each clip, each record, and that the dock's ledger knows the package.

A package is a bag with ``data/package.json``; other bags are checked as bags, and it is said that nothing in them is
signed. What lies beside a package (``DIR.record.json``, ``DIR.tlog-proof``) shows that it is as it was handed out.
"""

import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from dockagent.core import strict_json
from dockagent.core.disclosure import bagit
from dockagent.core.disclosure.package_form import CASE, CLIPS, PACKAGE, check_times, is_master
from dockagent.core.plan import SEALED_MASTER
from dockagent.errors import Refused
from dockagent.evidence.check_bag import PAYLOAD, Bag, about, check_bag, is_bag, read
from dockagent.evidence.check_clip import MASTER, RECORD_FILE, check_clip
from dockagent.evidence.check_handed_out import HandedOut, check_handed_out
from dockagent.evidence.check_package_keys import check_keys, keys_inside
from dockagent.evidence.check_records import Records, check_records, of_type
from dockagent.evidence.check_sealed import Open
from dockagent.evidence.keyring import Keyring
from dockagent.evidence.report import Report, Verdict
from dockagent.ledger.trust import Trust

LIST = "tagmanifest-sha256.txt"
_UNSIGNED = Verdict("unsigned", "nothing in a bag is signed: whoever changes it can make its lists anew")


def check_package(folder: Path, trust: Trust | None, identities: Sequence[str] = ()) -> list[Report]:
    """The reports on the bag in ``folder``. ``trust``: whom to believe; ``identities`` open what is sealed. Raises
    OSError, and UsageError as :func:`check_clip` does."""
    # 1. Every file is the one that the lists name, and no other is there.
    bag = check_bag(folder)
    if PACKAGE not in bag.files:
        return [_bag_of_others(bag)]
    docks = keys_inside(bag)
    keyring = Keyring.of(trust, docks)
    # 2. The ledger knows the package by the digest of its list of lists.
    handed = check_handed_out(folder, "package", keyring, trust)
    # 3. Each record is signed, and in the ledger; the checkpoints that show it are here.
    of_records, records = check_records(bag, keyring, trust)
    # 4. The keys inside are that ledger's, and do not contradict whom the reader believes.
    check_keys(bag, docks, keyring, records.origins)
    # 5. Each clip is what its record says, and the record is the one that the ledger knows.
    clips = _clip_folders(bag)
    of_clips = [_clip(bag, clip, keyring, records, identities) for clip in clips]
    return [_package(bag, handed, clips), *of_clips, of_records]


def is_package(folder: Path) -> bool:
    """Whether a folder is a bag, or was one: without ``bagit.txt`` it still has all that it is checked by, and that one
    file is missing is what has to be said."""
    lists = (folder / f"manifest-{one}.txt" for one in bagit.ALGORITHMS)
    return (
        is_bag(folder)
        or (folder / PACKAGE).is_file()
        or ((folder / PAYLOAD).is_dir() and any(one.is_file() for one in lists))
    )


def clip_alone(
    folder: Path, path: str, record: bytes, objects: Mapping[str, Open], keyring: Keyring, identities: Sequence[str]
) -> Report | None:
    """The report on the clip in ``folder`` where that is one of a package, taken by itself; None for any other. Whether
    the ledger knows its record is in the package's records, so that this cannot be said."""
    loose = MASTER not in objects and SEALED_MASTER not in objects and any(map(is_master, objects))
    where = folder.absolute()
    inside = where.parts[-3:-1] == tuple(CLIPS.split("/"))
    if not loose and not inside:
        return None
    report = _by_master(path, folder.name, record, objects, keyring, identities)
    whole = f"`dockagent verify {where.parents[2]}`" if inside else "`dockagent verify` of the whole package"
    said = f"one clip of a package, by itself: whether the ledger knows its record, and who handed it out, says {whole}"
    odd = () if inside else ("its master is called as in a package, but it lies in none",)
    return replace(report, findings=(*report.findings, *odd), facts=(*report.facts, said))


def _bag_of_others(bag: Bag) -> Report:
    verdicts = {"intact": bag.intact(), "signature": _UNSIGNED, "complete": bag.complete()}
    facts = ("a bag, but no disclosure package of a dock: it has no custody records", *about(bag))
    return Report("bag", str(bag.folder), verdicts, tuple(bag.odd), facts)


def _package(bag: Bag, handed: HandedOut, clips: Iterable[str]) -> Report:
    if handed.what is not None:
        made = hashlib.sha256(read(bag, LIST)).hexdigest() if LIST in bag.files else ""
        if handed.sha256 != made:
            bag.wrong.append(f"it is not the package that was handed out: {LIST}")
    if LIST not in bag.files:
        bag.lacking.append(f"{LIST} is missing: it is what the ledger knows a package by")
    if handed.what is not None and (gone := {str(one) for one in handed.what["clips"]} - set(clips)):
        bag.lacking.append(f"{len(gone)} clips that were handed out are not here: {', '.join(sorted(gone))}")
    word = {"signature": handed.signature, "signer": handed.signer, "time": handed.time}
    verdicts = {"intact": bag.intact(), **word, "complete": bag.complete()}
    findings = (*bag.odd, *handed.findings, *_case(bag))
    return Report("package", str(bag.folder), verdicts, findings, (*handed.facts, *about(bag)))


def _case(bag: Bag) -> list[str]:
    """What is wrong with the rendering for other tools: its times."""
    if CASE not in bag.files:
        return []
    try:
        check_times(strict_json.parse(read(bag, CASE))["@graph"])
    except (Refused, KeyError, TypeError, AttributeError) as err:
        return [f"{CASE} is not to be relied on: {err}"]
    return []


def _clip_folders(bag: Bag) -> list[str]:
    below = f"{CLIPS}/"
    names = (one.removeprefix(below) for one in bag.files if one.startswith(below))
    return sorted({one.partition("/")[0] for one in names})


def _clip(bag: Bag, clip: str, keyring: Keyring, records: Records, identities: Sequence[str]) -> Report:
    below, path = f"{CLIPS}/{clip}/", f"{bag.folder}/{CLIPS}/{clip}"
    names = [one.removeprefix(below) for one in bag.files if one.startswith(below)]
    if RECORD_FILE not in names:
        gone = Verdict("fail", f"{RECORD_FILE} is missing")
        return Report("clip", path, {"intact": Verdict("unknown", "there is no record"), "complete": gone})
    record = read(bag, below + RECORD_FILE)
    objects = {one: partial(_open, bag.folder / (below + one)) for one in names if one != RECORD_FILE}
    report = _by_master(path, clip, record, objects, keyring, identities)
    return _known(report, clip, hashlib.sha256(record).hexdigest(), records)


def _by_master(
    path: str, clip: str, record: bytes, objects: Mapping[str, Open], keyring: Keyring, identities: Sequence[str]
) -> Report:
    """The clip by its record; its master has a suffix of its own in a package, so that players know it."""
    if len(masters := sorted(filter(is_master, objects))) > 1:
        why = Verdict(
            "fail", f"it has {len(masters)} masters, {' and '.join(masters[:2])}: only one can be the footage"
        )
        return Report("clip", path, {"intact": why, "complete": why})
    named = {MASTER if is_master(name) else name: one for name, one in objects.items()}
    return check_clip(path, clip, record, named, keyring, identities, unsealed=True)


def _known(report: Report, clip: str, sha256: str, records: Records) -> Report:
    """The report, with whether the ledger knows this clip record: by its record ``admit`` or ``quarantine``. The time
    is by the checkpoint over that very record, whatever lies over others."""
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
    time = records.under[index].time
    if time.word == "unknown":
        verdicts["time"] = time
    elif time.word == "pass":
        verdicts["time"] = Verdict("pass", f"by record {index}, which names this clip record: {time.why}")
    return Report(report.kind, report.path, verdicts, report.findings, facts)


def _open(file: Path) -> io.FileIO:
    return file.open("rb", buffering=0)
