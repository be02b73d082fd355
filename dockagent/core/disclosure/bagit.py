"""BagIt 1.0 (RFC 8493): the texts of a bag. Pure over bytes and names.

Ours are strict: one newline as line end, forward slashes, names that every file system and every reader takes alike.
Others' bags may have CR LF, and names of any kind; what of that a bag of ours would not have, is said and refused.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dockagent.errors import Refused

DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
ALGORITHMS = {"sha256": 64, "sha512": 128}
"""What we write, and how many hex digits each has."""

_WEAK = {"md5": 32, "sha1": 40, "sha224": 56, "sha384": 96}
_LINE = re.compile(r"([0-9A-Fa-f]+)[ \t]+\*?(.+)")
_MANIFEST = re.compile(r"(tag)?manifest-([a-z0-9]+)\.txt")
_WIDTH = 78  # bag-info lines are folded at 79 (RFC 8493, section 2.2.2)


@dataclass(frozen=True, slots=True)
class Listed:
    """A manifest taken apart: digest (lower-case hex) by name. ``odd``: what a strict writer would not have done."""

    digests: Mapping[str, str]
    odd: tuple[str, ...]


def manifest(digests: Mapping[str, str]) -> bytes:
    """A manifest's text over digests (hex) by name. Names have no newline, or they would be refused before."""
    return "".join(f"{digest}  {_written(name)}\n" for name, digest in sorted(digests.items())).encode()


def info(fields: Iterable[tuple[str, str]]) -> bytes:
    """``bag-info.txt``: a line for each field, long ones folded with a space at the start of the next."""
    return "".join(_folded(f"{label}: {' '.join(value.split())}") + "\n" for label, value in fields if value).encode()


def _folded(line: str) -> str:
    lines, rest = [], line
    while len(rest) > _WIDTH and (cut := rest.rfind(" ", 1, _WIDTH)) > 0:
        lines.append(rest[:cut])
        rest = rest[cut:]
    return "\n".join([*lines, rest])


def parse_info(data: bytes) -> tuple[tuple[str, str], ...]:
    """The fields of ``bag-info.txt`` in order; labels as they are. Raises Refused where a line is none."""
    fields: list[tuple[str, str]] = []
    for line in _lines(data, "bag-info.txt"):
        if line[0] in " \t":
            if not fields:
                raise Refused("bag-info.txt begins with the continuation of a line")
            fields[-1] = (fields[-1][0], f"{fields[-1][1]} {line.strip()}")
            continue
        label, colon, value = line.partition(":")
        if not colon or not label.strip():
            raise Refused(f"bag-info.txt has a line without a label: {line[:80]!r}")
        fields.append((label.strip(), value.strip()))
    return tuple(fields)


def parse_declaration(data: bytes) -> str:
    """The version that ``bagit.txt`` declares: ``1.0`` or ``0.97``. Raises Refused for anything else."""
    found = dict(
        (label.strip(), value.strip()) for label, _, value in (one.partition(":") for one in _lines(data, "bagit.txt"))
    )
    if list(found) != ["BagIt-Version", "Tag-File-Character-Encoding"]:
        raise Refused("bagit.txt must be two lines: BagIt-Version and Tag-File-Character-Encoding")
    if found["BagIt-Version"] not in ("1.0", "0.97"):
        raise Refused(f"it is a bag of version {found['BagIt-Version'][:20]!r}; 1.0 and 0.97 are known here")
    if found["Tag-File-Character-Encoding"].upper() != "UTF-8":
        raise Refused(f"its tag files are in {found['Tag-File-Character-Encoding'][:20]!r}, not in UTF-8")
    return found["BagIt-Version"]


def algorithm(name: str) -> tuple[str, bool] | None:
    """Of the manifest called ``name``: its algorithm, and whether it is over tag files; None for no manifest."""
    found = _MANIFEST.fullmatch(name)
    return (found[2], bool(found[1])) if found else None


def parse_manifest(data: bytes, name: str, *, lax: bool = False) -> Listed:
    """The manifest file ``name``. ``lax``: a bag of 0.97, whose names are not escaped. Raises Refused where two readers
    could take it in two ways: a name twice (also after folding case or composing letters), one that leads elsewhere, a
    digest that is none."""
    digits = {**ALGORITHMS, **_WEAK}.get((algorithm(name) or ("", False))[0])
    if digits is None:
        raise Refused(f"{name} is of an algorithm that is not known here")
    digests: dict[str, str] = {}
    odd: list[str] = []
    folded: dict[str, str] = {}
    for line in _lines(data, name):
        found = _LINE.fullmatch(line)
        if found is None or len(found[1]) != digits:
            raise Refused(f"{name} has a line that is no digest and name: {line[:80]!r}")
        path = safe(found[2] if lax else _read(found[2], name), name)
        if path in digests:
            raise Refused(f"{name} names {path!r} twice")
        if (other := folded.setdefault(fold(path), path)) != path:
            raise Refused(f"{name} names {path!r} and {other!r}, which are one file on many disks")
        digests[path] = found[1].lower()
        if found[1] != found[1].lower() or not line.startswith(f"{found[1]}  {found[2]}"):
            odd.append(f"{name} is not in the plain form at {path!r}")
    return Listed(digests, tuple(odd))


def safe(path: str, where: str) -> str:
    """``path``, which stays below the bag's folder. Raises Refused for one that does not, or that no reader can be
    trusted with: absolute, ``..``, ``~``, backslashes, control characters, drive letters."""
    parts = path.removeprefix("./").split("/")
    if path.startswith(("/", "~")) or {"", ".", ".."} & set(parts) or "\\" in path or path[1:2] == ":":
        raise Refused(f"{where} names {path[:120]!r}, which is no path below the bag")
    if any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in path):
        raise Refused(f"{where} names {path[:120]!r}, which has control characters")
    return "/".join(parts)


def fold(path: str) -> str:
    """What a name comes down to on a disk that ignores case and composes letters."""
    return unicodedata.normalize("NFC", path).casefold()


def _written(name: str) -> str:
    return name.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _read(text: str, where: str) -> str:
    """A name with its escapes undone. RFC 8493 section 2.1.3 has three; any other percent sign is a plain one."""
    return re.sub(r"%(25|0[AaDd])", lambda found: chr(int(found[1], 16)), text)


def _lines(data: bytes, name: str) -> list[str]:
    """The lines of a tag file, which end in LF, CR or CR LF. Raises Refused where it is not UTF-8, or has a BOM."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as err:
        raise Refused(f"{name} is not UTF-8") from err
    if text.startswith("\ufeff"):
        raise Refused(f"{name} begins with a byte order mark")
    return [line for line in re.split(r"\r\n|\r|\n", text) if line]
