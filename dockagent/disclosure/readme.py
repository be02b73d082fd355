"""``README.txt`` of a package: what is what, and how to check it without dockagent."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import fill

PROOF = """\
import base64, hashlib, sys
H = lambda data: hashlib.sha256(data).digest()
name = sys.argv[1]
head, note = open(name + ".tlog-proof").read().split("\\n\\n", 1)
_, index, *path = head.split("\\n")
_, size, root = note.split("\\n")[:3]
node, at, last = H(b"\\0" + open(name + ".dsse.json", "rb").read()), int(index[6:]), int(size) - 1
for one in map(base64.b64decode, path):
    if at & 1 or at == last:
        node = H(b"\\1" + one + node)
        while at and not at & 1:
            at, last = at >> 1, last >> 1
    else:
        node = H(b"\\1" + node + one)
    at, last = at >> 1, last >> 1
print("proved" if last == 0 and node == base64.b64decode(root) else "REFUTED")
"""


@dataclass(frozen=True, slots=True)
class Contents:
    """What the text speaks of. ``clips``: folder and original name of each; ``why``: grounds, label and text; ``said``:
    what is missing or withheld, a sentence each."""

    dock: str
    origin: str
    made: str
    asked: int
    clips: Sequence[tuple[str, str]]
    why: Iterable[tuple[str, str]]
    said: Sequence[str]
    pdf: bool
    c2pa: bool


_PLACES = (
    ("data/index.html", "begin here: a page for people, and one for each clip (they need no network)"),
    (
        "data/clips/<clip>/",
        "the footage (master.*), the dock's signed record of it (record.json), previews, and what "
        "the camera itself signed (manifest.dsse.json, chain.pem), if it did",
    ),
    (
        "data/records/",
        "the custody records that speak of these clips. <number>.dsse.json: the signed record; "
        ".tlog-proof: that it is in the dock's ledger; .sigstore.json: the same as one file for Sigstore's tools; "
        ".withheld.json: a record that is not shown, and why",
    ),
    (
        "data/ledger/",
        "the signed heads of the ledger (checkpoints) that the proofs lead to, with witnesses' lines; "
        ".tsr: a time stamp over the first five lines",
    ),
    (
        "data/keys/",
        "the dock's public keys. They are here so that signatures can be checked. WHOSE they are, only the "
        "agency can tell: ask it for its trust file or its CA",
    ),
    ("data/case.jsonld", "the same history for forensic tools (CASE/UCO)"),
    ("manifest-*.txt, tagmanifest-*.txt", "SHA-256 and SHA-512 of every file (BagIt 1.0, RFC 8493)"),
)


def text(about: Contents) -> bytes:
    """The file's bytes: UTF-8, lines of at most 79 characters but for the program."""
    parts = [
        f"FOOTAGE DISCLOSED BY DOCK {about.dock}",
        _wrapped(f"Made {about.made}. The dock's ledger is {about.origin}; its record {about.asked} asked for this."),
        "\n".join(_wrapped(f"{label}: {value}", "  ") for label, value in about.why),
        "CLIPS\n" + "\n".join(_wrapped(f"{folder}  {name}", "  ") for folder, name in about.clips),
        "WHAT IS WHAT\n" + "\n".join(_entry(*one) for one in _places(about)),
        "WHAT IS NOT HERE\n" + "\n".join(_wrapped(f"- {one}", "  ") for one in about.said),
        "HOW TO CHECK IT WITHOUT DOCKAGENT\n" + _wrapped(_HOW),
        _wrapped(
            "PROOFS: that a record is in the ledger. Run it with a record's path without its suffix, for example "
            "data/records/00000012-acquire:"
        ),
        PROOF.rstrip("\n"),
        _wrapped(_LAST),
    ]
    return ("\n\n".join(map(_plain, parts)) + "\n").encode()


def _plain(text: str) -> str:
    """Without what moves a terminal's cursor or turns its text: file names and grounds come from anybody."""
    return "".join(one if one.isprintable() or one == "\n" else one.encode("unicode_escape").decode() for one in text)


def _places(about: Contents) -> Iterable[tuple[str, str]]:
    yield from _PLACES
    if about.pdf:
        yield "data/report.pdf", "the same pages, for paper"
    if about.c2pa:
        yield "data/c2pa/", "a C2PA manifest beside each film: for viewers that show such"


_HOW = (
    "Each clip's page lists five questions, each with the commands that answer it: are these the bytes, is the "
    "signature good, who signed, when, is everything here. They need sha256sum, jq, openssl and python3. Beside that: "
    "`bagit.py --validate .` checks the package as such; npm @sigstore/verify the .sigstore.json files; Go's "
    "golang.org/x/mod/sumdb/note and tlog the checkpoints and proofs; case_validate the file case.jsonld. "
    "`dockagent verify .` does all of it at once."
)
_LAST = (
    "The digests in this folder can be made anew by whoever changes it. What cannot: the SHA-256 of "
    "tagmanifest-sha256.txt is an entry of the dock's ledger. Beside this folder lie <folder>.record.json, that "
    "signed entry, and <folder>.tlog-proof, its proof. `sha256sum tagmanifest-sha256.txt` must print the "
    "package_sha256 in it, and the record's type must be disclose, its kind package: a record of kind derivative "
    "speaks of a file that somebody made, which may be the list of a forgery. None of this shows what happened before "
    "the dock read the camera, unless the camera itself signed."
)


def _wrapped(words: str, indent: str = "") -> str:
    return fill(
        words,
        79,
        initial_indent=indent,
        subsequent_indent=indent + ("  " if indent else ""),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _entry(where: str, what: str) -> str:
    return _wrapped(f"{where}: {what}", "  ")
