"""The five verdicts of a disclosed clip, and for each how anybody checks it with a tool that we did not write.

Every command is typed in the package's folder, into bash. They need coreutils, jq, openssl and python3, and leave
nothing in it; ``tests/evidence`` runs them as they stand on the page.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dockagent.disclosure.heads import Head
from dockagent.disclosure.originals import CHAIN_FILE
from dockagent.evidence.check_clip import MANIFEST_FILE, ClipRecord

KEYS, LEDGER = "data/keys", "data/ledger"

QUESTIONS = {
    "intact": "Are these the bytes?",
    "signature": "Is what was signed unchanged?",
    "signer": "Who signed it?",
    "time": "When was it?",
    "complete": "Is everything here?",
}

_CAMERA = {
    "pass": "The dock found the camera's word good when it took the file in.",
    "fail": "The dock found this WRONG when it took the file in.",
    "unknown": "The dock could not tell from what the camera gave.",
    "unsigned": "The camera signed nothing: integrity begins at the dock.",
}


@dataclass(frozen=True, slots=True)
class Check:
    """How one question is checked: in words, the commands, and what they must print (empty: see the words)."""

    words: str
    commands: str
    prints: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One aspect for a page: ``camera``, the dock's verdict on the camera's word, with its reason; ``checks``."""

    aspect: str
    question: str
    camera: str
    reason: str
    checks: tuple[Check, ...]

    @property
    def said(self) -> str:
        """The verdict in a sentence."""
        return _CAMERA[self.camera]


@dataclass(frozen=True, slots=True)
class Subject:
    """What there is to check about one clip. ``folder``: where it lies in the bag; ``master``: its file name there;
    ``generation``: which set of the dock's keys signed its record; ``certified``: whether a certificate came with it;
    ``reasons``: the dock's reasons by aspect; ``newest``: a proof that shows the ledger holds its last record."""

    said: ClipRecord
    folder: str
    master: str
    generation: int
    certified: bool
    reasons: dict[str, str]
    heads: tuple[Head, ...]
    newest: str


def answers(clip: Subject) -> Iterator[Answer]:
    """The five, in their order."""
    checks = {
        "intact": _intact(clip),
        "signature": _signature(clip),
        "signer": _signer(clip),
        "time": _time(clip),
        "complete": _complete(clip),
    }
    for aspect, question in QUESTIONS.items():
        word = clip.said.verdicts.get(aspect, "unknown")
        yield Answer(aspect, question, word, clip.reasons.get(aspect, ""), checks[aspect])


def _intact(clip: Subject) -> tuple[Check, ...]:
    return (
        Check(
            "Every file of this package has the digest that its list says, and the list of lists has them too.",
            "sha256sum --quiet -c tagmanifest-sha256.txt && sha256sum --quiet -c manifest-sha256.txt && echo OK",
            "OK",
        ),
        Check(
            "The footage has the digest that the dock signed in the clip record.",
            f"sha256sum {clip.folder}/{clip.master}",
            clip.said.subjects["master"],
        ),
    )


def dsse(file: str, key: str) -> str:
    """Commands that check a DSSE envelope with openssl: they rebuild the bytes that were signed."""
    return "\n".join(
        (
            f'f={file}; d=$(mktemp -d); t=$(jq -r .payloadType "$f")',
            'jq -r .payload "$f" | base64 -d > "$d/payload"',
            'n=$(stat -c %s "$d/payload")',
            """{ printf 'DSSEv1 %d %s %d ' "${#t}" "$t" "$n"; cat "$d/payload"; } > "$d/signed\"""",
            'jq -r \'.signatures[0].sig\' "$f" | base64 -d > "$d/sig"',
            f'openssl dgst -sha256 -verify {key} -signature "$d/sig" "$d/signed"',
        )
    )


def _signature(clip: Subject) -> tuple[Check, ...]:
    record = Check(
        "The dock's signature on the clip record is good. The same works for every file in data/records/.",
        dsse(f"{clip.folder}/record.json", f"{KEYS}/record-{clip.generation}.pem"),
        "Verified OK",
    )
    if MANIFEST_FILE not in clip.said.subjects or CHAIN_FILE not in clip.said.subjects:
        return (record,)
    key = f"<(openssl x509 -in {clip.folder}/{CHAIN_FILE} -noout -pubkey)"
    words = "The camera's own signature on its manifest is good."
    return record, Check(words, dsse(f"{clip.folder}/{MANIFEST_FILE}", key), "Verified OK")


def _signer(clip: Subject) -> tuple[Check, ...]:
    key = Check(
        "The dock's key is the one that its agency names: compare this with the record key id that the agency gives "
        "out itself, not with anything in this package.",
        f"openssl pkey -pubin -in {KEYS}/record-{clip.generation}.pem -outform DER | sha256sum",
        "",
    )
    chain = Check(
        "The agency's CA certified the dock's identity (AGENCY.pem: from the agency, not from here).",
        f"openssl verify -x509_strict -CAfile AGENCY.pem -untrusted {KEYS}/chain-{clip.generation}.pem "
        f"{KEYS}/chain-{clip.generation}.pem",
        "",
    )
    given = f"{clip.folder}/{CHAIN_FILE}"
    maker = Check(
        "The maker of the camera certified its key (MAKER.pem: from the maker, not from here).",
        f"openssl verify -x509_strict -CAfile MAKER.pem -untrusted {given} {given}",
        "",
    )
    return (key, *([chain] if clip.certified else []), *([maker] if CHAIN_FILE in clip.said.subjects else []))


def _time(clip: Subject) -> tuple[Check, ...]:
    stamped = next((one for one in clip.heads if one.token), None)
    if stamped is None:
        return (Check("Nobody outside vouches for the time: it is the dock's own clock's.", "", ""),)
    return (
        Check(
            f"A time-stamping authority saw the first {stamped.size} records of the ledger (TSA.pem: the authority's "
            "root, from the authority).",
            f"openssl ts -verify -in {LEDGER}/{stamped.size}.tsr -CAfile TSA.pem \\\n"
            f"  -data <(head -n 5 {LEDGER}/{stamped.size})\n"
            f"openssl ts -reply -in {LEDGER}/{stamped.size}.tsr -text | grep 'Time stamp'",
            "Verification: OK",
        ),
    )


def _complete(clip: Subject) -> tuple[Check, ...]:
    head = clip.heads[0]
    return (
        Check(
            "The records are entries of the dock's ledger, and none was changed since the checkpoint: the program of "
            "16 lines in README.txt, or any that reads c2sp.org/tlog-proof.",
            f"python3 <(sed -n '/^import base64/,/^print/p' README.txt) {clip.newest}",
            "proved",
        ),
        Check(
            "The dock signed the checkpoint (a C2SP signed note).",
            f"c={LEDGER}/{head.size}; d=$(mktemp -d); head -n 3 $c > $d/body\n"
            "sed -n 5p $c | cut -d' ' -f3 | base64 -d | tail -c 64 > $d/sig\n"
            f"openssl pkeyutl -verify -pubin -inkey {KEYS}/log-{clip.generation}.pem -rawin \\\n"
            "  -in $d/body -sigfile $d/sig",
            "Signature Verified Successfully",
        ),
    )
