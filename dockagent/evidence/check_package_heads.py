"""Check ``data/ledger/`` of a package: the checkpoints that its proofs lead to, each once more as a file of its own.

Commands that need no program of ours read these files, and so do people: what lies here must be what was proved.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from dockagent.evidence.check_bag import Bag, read
from dockagent.evidence.check_vouched import Vouched
from dockagent.evidence.in_force import Signed

LEDGER, TOKEN = "data/ledger/", ".tsr"
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(slots=True)
class HeadsHere:
    """What was found. ``wrong`` refutes it, ``lacking`` is missing, ``findings`` are for a person; ``signed``: who
    signed the checkpoints that no proof leads to."""

    wrong: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    signed: list[Signed] = field(default_factory=list)


def tokens(bag: Bag) -> dict[bytes, bytes]:
    """The time stamps by the SHA-256 of the checkpoint beside which they lie."""
    names = [one for one in bag.files if one.startswith(LEDGER) and f"{one}{TOKEN}" in bag.files]
    return {hashlib.sha256(read(bag, one)).digest(): read(bag, f"{one}{TOKEN}") for one in names}


def check_heads(bag: Bag, used: Mapping[bytes, Vouched], vouched: Callable[[bytes], Vouched]) -> HeadsHere:
    """Every file of ``data/ledger/``. ``used``: the checkpoints that proofs lead to, by their text; ``vouched`` judges
    any other."""
    found = HeadsHere()
    for text, head in used.items():
        if head.head is not None:
            _same_text(bag, f"{LEDGER}{head.head.size}", text, found)
    origins = {head.head.origin for head in used.values() if head.head is not None}
    for name in sorted(one for one in bag.files if one.startswith(LEDGER)):
        if not _is_token(bag, name):
            _checkpoint(bag, name, used, origins, vouched, found)
    return found


def _same_text(bag: Bag, name: str, text: bytes, found: HeadsHere) -> None:
    if name not in bag.files:
        found.lacking.append(f"{name} is missing: it is the checkpoint that proofs lead to")
    elif read(bag, name) != text:
        found.wrong.append(f"{name} is not the checkpoint that proofs lead to")


def _is_token(bag: Bag, name: str) -> bool:
    head = name.removesuffix(TOKEN)
    return head != name and head in bag.files and _SIZE.fullmatch(head.removeprefix(LEDGER)) is not None


def _checkpoint(
    bag: Bag,
    name: str,
    used: Mapping[bytes, Vouched],
    origins: set[str],
    vouched: Callable[[bytes], Vouched],
    found: HeadsHere,
) -> None:
    text, size = read(bag, name), name.removeprefix(LEDGER)
    if not _SIZE.fullmatch(size):
        found.wrong.append(f"{name}: a package has no such file")
        return
    head = used.get(text) or vouched(text)
    if wrong := list(_wrong(head, int(size), origins)):
        found.wrong += [f"{name}: {one}" for one in wrong]
    elif text not in used:
        found.signed.append(head.signed)
        found.findings += head.findings
        if not any(one.head is not None and one.head.size == int(size) for one in used.values()):
            found.findings.append(f"{name}: no proof leads to this checkpoint")


def _wrong(head: Vouched, size: int, origins: set[str]) -> Iterator[str]:
    """What speaks against a checkpoint that is called after ``size``, in a package of the ledger ``origins``."""
    if head.signed.signature.word == "fail":
        yield head.signed.signature.why
    if head.head is None:
        return
    if head.head.size != size:
        yield f"it is a checkpoint over {head.head.size} records"
    if origins and head.head.origin not in origins:
        yield f"it is a checkpoint of another ledger, {head.head.origin!r}"
