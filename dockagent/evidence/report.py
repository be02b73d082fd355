"""What a check found: separate verdicts with a reason each, never one green tick."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Word = Literal["pass", "fail", "unknown", "unsigned"]

ASPECTS = ("intact", "signature", "signer", "time", "complete")
"""The questions, in the order in which they are shown: are these the bytes; is the signature good; is the signer one
whom we trust; does anyone outside vouch for the time; is everything there and nothing more."""

CONTENT = "content"
"""One more question about what is sealed: are the camera's bytes in it. Only its recipients can tell."""

GOOD, REFUTED, FINDINGS, CANNOT_TELL = 0, 1, 3, 4
_WORDS = {GOOD: "good", REFUTED: "refuted", FINDINGS: "findings", CANNOT_TELL: "cannot tell"}
_GRAVEST_FIRST = (REFUTED, CANNOT_TELL, FINDINGS, GOOD)


_BRIEF_FROM = 5  # from so many reports on, a good one takes one line


@dataclass(frozen=True, slots=True)
class Verdict:
    """One answer and the reason for it, in a sentence for a person."""

    word: Word
    why: str


@dataclass(frozen=True, slots=True)
class Report:
    """What was found about one thing. ``verdicts``: by aspect, those that apply; ``findings``: what a person should
    look at although nothing is refuted; ``facts``: what the thing says about itself."""

    kind: str
    path: str
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    findings: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """The contract's exit code. ``time`` unknown alone is no finding: few docks have a witness outside. Nor is
        ``content``: who checks a store of sealed clips seldom holds the agency's identity."""
        words = {aspect: verdict.word for aspect, verdict in self.verdicts.items()}
        if "fail" in words.values():
            return REFUTED
        if "unknown" in (words.get("intact"), words.get("signature")):
            return CANNOT_TELL
        asked = [word for aspect, word in words.items() if aspect not in ("time", CONTENT)]
        return FINDINGS if self.findings or any(word != "pass" for word in asked) else GOOD

    def as_json(self) -> dict[str, Any]:
        """One member of ``reports`` in the ``--json`` object."""
        return {
            "kind": self.kind,
            "path": self.path,
            "result": _WORDS[self.exit_code],
            "verdicts": {name: {"verdict": one.word, "why": one.why} for name, one in self.verdicts.items()},
            "findings": list(self.findings),
            "facts": list(self.facts),
        }


def exit_code(reports: Iterable[Report]) -> int:
    """The gravest of all: refuted, then cannot tell, then findings, then good."""
    codes = {report.exit_code for report in reports}
    return next((code for code in _GRAVEST_FIRST if code in codes), GOOD)


def as_json(reports: Sequence[Report]) -> dict[str, Any]:
    """The ``--json`` object over all reports."""
    code = exit_code(reports)
    return {"result": _WORDS[code], "exit_code": code, "reports": [report.as_json() for report in reports]}


def as_text(reports: Sequence[Report]) -> str:
    """The reports for a terminal. Names that come from outside cannot move the cursor or forge a line."""
    brief = len(reports) > _BRIEF_FROM
    shown = [_printable(line) for report in reports for line in _lines(report, brief=brief)]
    counts = ", ".join(
        f"{count} {_WORDS[code]}" for code in _GRAVEST_FIRST if (count := sum(r.exit_code == code for r in reports))
    )
    return "\n".join([*shown, f"{len(reports)} checked: {counts}"]) + "\n"


def _lines(report: Report, *, brief: bool) -> Iterable[str]:
    yield f"{report.kind} {report.path}: {_WORDS[report.exit_code]}"
    if brief and report.exit_code == GOOD:
        return
    for aspect in (*ASPECTS, CONTENT):
        if verdict := report.verdicts.get(aspect):
            yield f"  {aspect:<10} {verdict.word:<8} {verdict.why}"
    for finding in report.findings:
        yield f"  finding    {finding}"
    for fact in report.facts:
        yield f"  note       {fact}"


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
