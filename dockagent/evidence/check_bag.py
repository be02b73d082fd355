"""Check a bag (RFC 8493, BagIt 1.0; 0.97 of others too): that every file is the one that its lists name, and that
nothing is there that no list names. What a bag says about itself is no more than that: nothing in BagIt is signed."""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dockagent.core.disclosure import bagit
from dockagent.errors import Refused
from dockagent.evidence.report import Verdict

DECLARED, INFO, FETCH, PAYLOAD = "bagit.txt", "bag-info.txt", "fetch.txt", "data/"
_STRONG = frozenset(bagit.ALGORITHMS)
_PIECE = 1 << 20
_MOST_LIST = 64 << 20  # bytes of a manifest
_SHOWN = 5


@dataclass(slots=True)
class Bag:
    """What was found. ``files``: sizes by name, all that is really there; ``wrong``: what refutes it; ``lacking``: what
    is missing or too much; ``odd``: what a person should look at; ``tag_lists``: algorithms of its tag manifests."""

    folder: Path
    version: str = ""
    files: dict[str, int] = field(default_factory=dict)
    info: tuple[tuple[str, str], ...] = ()
    wrong: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    tag_lists: frozenset[str] = frozenset()
    checked: int = 0

    def intact(self) -> Verdict:
        """Whether every listed byte is the one that was listed."""
        if self.wrong:
            return Verdict("fail", _some(self.wrong))
        return Verdict("pass", f"{self.checked} files have the digests that the bag's lists give")

    def complete(self) -> Verdict:
        """Whether just that is there which is listed."""
        if self.lacking:
            return Verdict("fail", _some(self.lacking))
        return Verdict("pass", f"all {self.checked} files that are listed are here, and no others")


def is_bag(folder: Path) -> bool:
    """Whether a folder says of itself that it is one."""
    return (folder / DECLARED).is_file()


def check_bag(folder: Path) -> Bag:
    """Everything about the bag in ``folder``. Each file is read once. Raises OSError."""
    bag = Bag(folder)
    _walk(bag)
    lists = _lists(bag)
    _compare_names(bag, lists)
    _compare_bytes(bag, lists)
    _compare_totals(bag)
    return bag


def read(bag: Bag, name: str) -> bytes:
    """A small file of a bag that really lies in it."""
    if name not in bag.files:
        raise Refused(f"{name} is not there")
    with (bag.folder / name).open("rb") as source:
        return source.read(_MOST_LIST)


def _walk(bag: Bag) -> None:
    """Every name below the folder; links and special files are not followed, nor read."""
    waiting, folded = [bag.folder], dict[str, str]()
    while waiting:
        folder = waiting.pop()
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        if not entries and folder != bag.folder:
            bag.odd.append(f"{str(folder.relative_to(bag.folder))!r} is an empty folder, which no list can name")
        for entry in entries:
            raw = os.fsencode(Path(entry.path).relative_to(bag.folder))
            name = raw.decode("utf-8", "backslashreplace")
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                waiting.append(Path(entry.path))
            elif not stat.S_ISREG(mode):
                bag.wrong.append(f"{name!r} is a link or a special file: a bag has none")
            else:
                bag.files[name] = entry.stat(follow_symlinks=False).st_size
                if name.encode() != raw:
                    bag.wrong.append(f"{name!r} has a name that is not UTF-8")
                if (other := folded.setdefault(bagit.fold(name), name)) != name:
                    bag.wrong.append(f"{name!r} and {other!r} are one file on many disks")


def _lists(bag: Bag) -> dict[str, Mapping[str, str]]:
    """The manifests by file name; what is wrong with the texts goes into the bag."""
    found: dict[str, Mapping[str, str]] = {}
    try:
        bag.version = bagit.parse_declaration(read(bag, DECLARED))
    except Refused as err:
        bag.wrong.append(err.what)
    if FETCH in bag.files:
        bag.lacking.append(f"{FETCH} says that some of its files lie elsewhere: nothing is fetched")
    for name in sorted(bag.files):
        kind = bagit.algorithm(name)
        if kind is None:
            continue
        try:
            listed = bagit.parse_manifest(read(bag, name), name, lax=bag.version == "0.97")
        except Refused as err:
            bag.wrong.append(err.what)
            continue
        bag.odd += listed.odd[:_SHOWN]
        found[name] = listed.digests
        if any(one.startswith(PAYLOAD) == kind[1] for one in listed.digests):
            bag.wrong.append(f"{name} names files of the other kind")
    _judge_lists(bag, set(found))
    try:
        bag.info = bagit.parse_info(read(bag, INFO)) if INFO in bag.files else ()
    except Refused as err:
        bag.wrong.append(err.what)
    return found


def _judge_lists(bag: Bag, names: set[str]) -> None:
    kinds = [kind for kind in map(bagit.algorithm, names) if kind is not None]
    payload = {algorithm for algorithm, of_tags in kinds if not of_tags}
    bag.tag_lists = frozenset(algorithm for algorithm, of_tags in kinds if of_tags)
    if not payload:
        bag.lacking.append("there is no list of its payload (manifest-sha256.txt)")
    elif not payload & _STRONG:
        bag.odd.append(f"its payload is listed by {', '.join(sorted(payload))} alone, which can be forged")
    if bag.version == "0.97":
        bag.odd.append("it is a bag of version 0.97, from before RFC 8493")


def _compare_names(bag: Bag, lists: Mapping[str, Mapping[str, str]]) -> None:
    """Each list names what is there; each payload file is in every payload list (RFC 8493 section 3)."""
    for name, digests in lists.items():
        kind = bagit.algorithm(name)
        missing = sorted(set(digests) - set(bag.files))
        bag.lacking += [f"{one!r} of {name} is missing" for one in missing]
        if kind is not None and not kind[1]:
            stray = sorted(one for one in bag.files if one.startswith(PAYLOAD) and one not in digests)
            bag.lacking += [f"{one!r} is in no line of {name}" for one in stray]
    tag_lists = {name: digests for name, digests in lists.items() if (bagit.algorithm(name) or ("", False))[1]}
    if tag_lists:
        tags = sorted(one for one in bag.files if not one.startswith(PAYLOAD) and one not in tag_lists)
        for name, digests in tag_lists.items():  # in each of them, or a second one could bring files of its own
            bag.lacking += [f"{one!r} is in no line of {name}" for one in tags if one not in digests]
    else:
        bag.odd.append("it has no tag manifest: nothing speaks for its lists and notes")


def _compare_bytes(bag: Bag, lists: Mapping[str, Mapping[str, str]]) -> None:
    wanted: dict[str, dict[str, str]] = {}
    for name, digests in lists.items():
        algorithm = (bagit.algorithm(name) or ("", False))[0]
        for one, digest in digests.items():
            wanted.setdefault(one, {})[algorithm] = digest
    for name in sorted(set(wanted) & set(bag.files)):
        made = _digests(bag.folder / name, wanted[name])
        if wrong := [one for one, digest in wanted[name].items() if made[one] != digest]:
            bag.wrong.append(f"{name!r} has another {' and '.join(wrong)} than is listed")
        bag.checked += 1


def _digests(file: Path, algorithms: Iterable[str]) -> dict[str, str]:
    hashes = {one: hashlib.new(one, usedforsecurity=False) for one in algorithms}
    with file.open("rb", buffering=0) as source:
        while piece := source.read(_PIECE):
            for one in hashes.values():
                one.update(piece)
    return {name: one.hexdigest() for name, one in hashes.items()}


def _compare_totals(bag: Bag) -> None:
    sizes = [size for name, size in bag.files.items() if name.startswith(PAYLOAD)]
    for label, value in bag.info:
        if label.lower() == "payload-oxum" and value != f"{sum(sizes)}.{len(sizes)}":
            bag.lacking.append(f"its payload is {sum(sizes)}.{len(sizes)} (bytes.files), {INFO} says {value[:40]!r}")


def about(bag: Bag) -> Iterator[str]:
    """What it says about itself, for a person."""
    yield f"BagIt {bag.version or 'of an unknown version'}, {sum(bag.files.values())} bytes in {len(bag.files)} files"
    for label, value in bag.info:
        if label in ("Source-Organization", "External-Description", "Bagging-Date", "Bag-Software-Agent"):
            yield f"{label}: {value}"


def _some(found: list[str]) -> str:
    more = f"; … and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return "; ".join(found[:_SHOWN]) + more
