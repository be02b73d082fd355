"""A file that was put on record as made of a clip, with that record beside it: whose word that is, and of which bytes.

Nothing in such a file proves what it was made of: it was encoded again. So this check only says that it is the very
file that somebody, who is on record, said to be derived from that clip.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from dockagent.evidence.check_handed_out import HandedOut, beside, check_handed_out
from dockagent.evidence.keyring import Keyring
from dockagent.evidence.report import Report, Verdict
from dockagent.ledger.trust import DockIdentity, Trust


def is_on_record(file: Path) -> bool:
    """Whether record and proof of a hand-out lie beside a file."""
    record, proof, _ = beside(file)
    return file.is_file() and record.is_file() and proof.is_file()


def among(files: Iterable[Path]) -> list[Path]:
    """Those of the files, in order of names, that are on record. No link is followed."""
    return [file for file in sorted(files) if not file.is_symlink() and is_on_record(file)]


def derivative(file: Path, path: str, trust: Trust | None, keys: tuple[DockIdentity, ...]) -> Report:
    """The report on ``file``, which is on record; ``path`` is its name for the report, ``keys``: public keys to try.
    Raises OSError."""
    handed = check_handed_out(file, "derivative", Keyring.of(trust, keys), trust)
    with file.open("rb") as source:
        made = hashlib.file_digest(source, "sha256").hexdigest()
    verdicts = {
        "intact": _intact(handed, made),
        "signature": handed.signature,
        "signer": handed.signer,
        "time": handed.time,
    }
    facts = []
    if handed.what is not None:
        facts = [f"by the word of who handed it out, made of clip {one}" for one in handed.what["clips"]]
        facts.append("nothing in the file proves what it was made of: it was encoded again")
    return Report("derivative", path, verdicts, handed.findings, (*facts, *handed.facts))


def _intact(handed: HandedOut, made: str) -> Verdict:
    if handed.what is None:
        return Verdict("unknown", "there is no record to compare with")
    if handed.sha256 != made:
        return Verdict("fail", "it is not the file that was put on record: it has another SHA-256")
    return Verdict("pass", "it is byte for byte the file that was put on record")
