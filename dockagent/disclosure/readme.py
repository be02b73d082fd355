"""``README.txt`` of a package: what is what, and how to check it without dockagent."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import fill

from dockagent.disclosure.checks import Check


@dataclass(frozen=True, slots=True)
class Contents:
    """What the text speaks of. ``clips``: folder and original name of each; ``why``: grounds, label and text; ``said``:
    what is missing or withheld, a sentence each; ``checks``: of the first clip."""

    dock: str
    origin: str
    made: str
    asked: int
    clips: Sequence[tuple[str, str]]
    why: Iterable[tuple[str, str]]
    said: Sequence[str]
    pdf: bool
    c2pa: bool
    checks: Sequence[Check] = ()


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
    """The file's bytes: UTF-8, lines of at most 79 characters but for the commands."""
    parts = [
        f"FOOTAGE DISCLOSED BY DOCK {about.dock}",
        _wrapped(f"Made {about.made}. The dock's ledger is {about.origin}; its record {about.asked} asked for this."),
        "\n".join(_wrapped(f"{label}: {value}", "  ") for label, value in about.why),
        "CLIPS\n" + "\n".join(_wrapped(f"{folder}  {name}", "  ") for folder, name in about.clips),
        "WHAT IS WHAT\n" + "\n".join(_entry(*one) for one in _places(about)),
        "WHAT IS NOT HERE\n" + "\n".join(_wrapped(f"- {one}", "  ") for one in about.said),
        "HOW TO CHECK IT WITHOUT DOCKAGENT\n" + _wrapped(_HOW),
        *map(_check, about.checks),
        _wrapped(_LAST),
    ]
    return ("\n\n".join(map(_plain, parts)) + "\n").encode()


def _check(one: Check) -> str:
    """Its words as the shell's comments, so that a whole page of them can be copied."""
    words = "\n".join(f"# {line}" for line in _wrapped(one.words).split("\n"))
    prints = f"\n# must print: {one.prints}" if one.prints else ""
    return words + (f"\n{one.commands}" if one.commands else "") + prints


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
    "Ask the agency itself for its trust file, and lay it beside this folder as agency.trust: the commands believe no "
    "key and no digest of this folder by itself. Start `bash --norc` in this folder, and type them in their order; the "
    "first that fails says so and ends that shell. Where you have no such file as one names (agency.pem, maker.pem, "
    "tsa.pem), leave it out: it then shows nothing. They are for the first clip; each clip's page has its own. They "
    "need sha256sum, jq, openssl and python3. This text could be forged too: docs/disclosure.md of the project "
    "dockagent has the same commands. Beside them: `bagit.py --validate .` checks the package as such; npm "
    "@sigstore/verify the .sigstore.json files; Go's golang.org/x/mod/sumdb/note and tlog the checkpoints and proofs; "
    "case_validate the file case.jsonld. `dockagent verify . --trust ../agency.trust` does all of it at once."
)
_LAST = (
    "The digests in this folder can be made anew by whoever changes it. What cannot: the SHA-256 of "
    "tagmanifest-sha256.txt is in <folder>.record.json beside this folder, which the dock signed, and "
    "<folder>.tlog-proof shows that it is an entry of its ledger. No other kind of record than package counts: one of "
    "kind derivative speaks of a file that somebody made, which may be the list of a forgery. None of this shows what "
    "happened before the dock read the camera, unless the camera itself signed."
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
