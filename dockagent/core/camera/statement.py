"""The payload of a camera's manifest: an in-toto Statement v1 with the predicate of docs/reference-camera.md.

Keys that we do not know are ignored, as in-toto's parsing rules ask. Everything that two readers could take in two ways
is refused: a name that leads elsewhere, the same subject twice, a clip that is no subject.
"""

import re
from typing import Annotated, Any

import msgspec

from dockagent.core import paths, strict_json
from dockagent.core.camera.inventory import Finding, holes, limited
from dockagent.core.moment import parse_rfc3339
from dockagent.errors import Refused

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:dockagent:camera-manifest:1"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
_LONGEST_NAME = 1024
_LONGEST_FREE = 128


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the camera signed about one clip. ``start_ms``: its own word for when it began (ms since 1970 UTC);
    ``zone``: the IANA zone that it says it was in, or empty. ``officer``, ``category``, ``marked``: who wore it, what
    the officer filed it under, and whether it was marked as important, where the camera says so."""

    sha256: str
    counter: int
    bytes: int
    start_ms: int
    zone: str
    officer: str = ""
    category: str = ""
    marked: bool = False


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A camera's signed account of its card, by path (text form). ``others``: digests of what is not a clip.
    ``gaps``: first and last of each run of clip counters that the camera itself does not account for."""

    serial: str
    maker: str
    model: str
    firmware: str
    sequence: int
    created_ms: int
    clips: dict[str, Claim]
    others: dict[str, str]
    gaps: tuple[tuple[int, int], ...]

    def digest(self, path: str) -> str:
        """The signed SHA-256 (hex) of the file at ``path``, or empty where none was signed."""
        claim = self.clips.get(path)
        return claim.sha256 if claim is not None else self.others.get(path, "")


_Text = Annotated[str, msgspec.Meta(max_length=128)]
_Whole = Annotated[int, msgspec.Meta(ge=0)]


class _Digest(msgspec.Struct):
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class _Subject(msgspec.Struct):
    name: str
    digest: _Digest


class _Camera(msgspec.Struct):
    serial: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    maker: _Text = ""
    model: _Text = ""
    firmware: _Text = ""


class _Clip(msgspec.Struct):
    name: str
    counter: _Whole
    bytes: _Whole
    start: str
    zone: _Text = ""
    officer: Any = None  # optional and free: what cannot be used is left out, and the manifest stays good
    category: Any = None
    marked: Any = None


class _Predicate(msgspec.Struct):
    camera: _Camera
    sequence: _Whole
    created: str
    clips: list[_Clip]


class _Statement(msgspec.Struct):
    subject: list[_Subject]
    predicate: _Predicate


def parse(payload: bytes) -> Manifest:
    """The manifest in a signed payload. Raises Refused with the reason where it is not one."""
    raw = strict_json.parse(payload)
    if not isinstance(raw, dict) or raw.get("_type") != STATEMENT:
        raise Refused(f"the payload is not an in-toto statement ({STATEMENT})")
    if raw.get("predicateType") != PREDICATE:
        raise Refused(f"the statement is not a camera manifest ({PREDICATE})")
    try:
        statement = msgspec.convert(raw, _Statement)
    except msgspec.ValidationError as err:
        raise Refused(f"the manifest is malformed: {err}") from err
    said = statement.predicate
    digests = _digests(statement.subject)
    clips = _claims(said.clips, digests)
    return Manifest(
        serial=_word(said.camera.serial),
        maker=_word(said.camera.maker),
        model=_word(said.camera.model),
        firmware=_word(said.camera.firmware),
        sequence=said.sequence,
        created_ms=_time(said.created),
        clips=clips,
        others={path: sha256 for path, sha256 in digests.items() if path not in clips},
        gaps=holes(claim.counter for claim in clips.values()),
    )


def findings(manifest: Manifest, previous_sequence: int | None) -> tuple[Finding, ...]:
    """What is odd in a manifest as such: holes in its own counting, and its place after the last one seen."""
    found = [
        Finding("manifest-gap", f"the camera's manifest leaves out counter {first} to {last}", "warning")
        for first, last in manifest.gaps
    ]
    if len({claim.counter for claim in manifest.clips.values()}) < len(manifest.clips):
        found.append(Finding("manifest-counter-twice", "the manifest gives two clips the same counter", "warning"))
    if previous_sequence is not None and manifest.sequence <= previous_sequence:
        text = f"the manifest's sequence is {manifest.sequence}; {previous_sequence} was seen before"
        if manifest.sequence == previous_sequence:
            found.append(Finding("manifest-again", text, "notice"))
        else:
            found.append(Finding("manifest-replay", f"{text}: an older manifest was put back", "warning"))
    return limited(found)


def _digests(subjects: list[_Subject]) -> dict[str, str]:
    digests: dict[str, str] = {}
    for one in subjects:
        path = _path(one.name)
        if path in digests:
            raise Refused(f"the manifest has the subject {path} twice")
        digests[path] = one.digest.sha256
    return digests


def _claims(clips: list[_Clip], digests: dict[str, str]) -> dict[str, Claim]:
    claims: dict[str, Claim] = {}
    for one in clips:
        path = _path(one.name)
        if path in claims:
            raise Refused(f"the manifest describes the clip {path} twice")
        if path not in digests:
            raise Refused(f"the manifest describes {path} but signs no digest of it")
        claims[path] = Claim(
            digests[path],
            one.counter,
            one.bytes,
            _time(one.start),
            _word(one.zone),
            _free(one.officer),
            _free(one.category),
            one.marked is True,
        )
    return claims


def _path(name: str) -> str:
    """The text form of a name, which must stay below the card's root and be no longer than a file name can be."""
    parts = name.split("/")
    if len(name) > _LONGEST_NAME or {"", ".", ".."} & set(parts):
        raise Refused(
            f"the manifest names {paths.to_text(name.encode())[:80]!r}, which is no path below the card's root"
        )
    if "\\" in name or not name.isprintable():
        raise Refused(f"the manifest names {paths.to_text(name.encode())[:80]!r}, which no camera writes")
    return paths.to_text(name.encode())


def _time(text: str) -> int:
    if not _TIME.fullmatch(text):
        raise Refused(f"the manifest has {text[:40]!r} where a time like 2026-11-22T08:15:00Z belongs")
    try:
        return parse_rfc3339(text)
    except ValueError as err:
        raise Refused(f"the manifest has the impossible time {text!r}") from err


def _free(said: Any) -> str:
    return said if isinstance(said, str) and len(said) <= _LONGEST_FREE and said.isprintable() else ""


def _word(text: str) -> str:
    if not text.isprintable():
        raise Refused(f"the manifest has unprintable characters in {paths.to_text(text.encode())[:80]!r}")
    return text
