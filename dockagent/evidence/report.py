"""What a check found: separate verdicts with a reason each, never one green tick."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
_ALIKE_FROM = 3  # among those, so many that find the same are told once


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
    shown = map(_printable, _brief(reports) if len(reports) > _BRIEF_FROM else _all(reports))
    counts = ", ".join(
        f"{count} {_WORDS[code]}" for code in _GRAVEST_FIRST if (count := sum(r.exit_code == code for r in reports))
    )
    return "\n".join([*shown, f"{len(reports)} checked: {counts}"]) + "\n"


def _all(reports: Iterable[Report]) -> Iterator[str]:
    for report in reports:
        yield _head(report)
        yield from _lines(report)


def _brief(reports: Iterable[Report]) -> Iterator[str]:
    """Many reports: a line for a good one; where several find the same to be not good, that is told once for all."""
    alike: dict[tuple[object, ...], list[Report]] = {}
    for report in reports:
        alike.setdefault(_found(report), []).append(report)
    for same in alike.values():
        if len(same) < _ALIKE_FROM and same[0].exit_code != GOOD:
            yield from _all(same)
            continue
        yield from map(_head, same)
        if same[0].exit_code != GOOD:
            yield f"  these {len(same)} have in common, and nothing else against them:"
            yield from _lines(replace(same[0], verdicts=_not_passed(same[0]), facts=()))


def _found(report: Report) -> tuple[object, ...]:
    """What tells a report from others of its kind; of a good one only that it is good."""
    if report.exit_code == GOOD:
        return (report.kind, GOOD)
    return (report.kind, tuple(_not_passed(report).items()), report.findings)


def _not_passed(report: Report) -> dict[str, Verdict]:
    return {aspect: one for aspect, one in report.verdicts.items() if one.word != "pass"}


def _head(report: Report) -> str:
    return f"{report.kind} {report.path}: {_WORDS[report.exit_code]}"


def _lines(report: Report) -> Iterator[str]:
    for aspect in (*ASPECTS, CONTENT):
        if verdict := report.verdicts.get(aspect):
            yield f"  {aspect:<10} {verdict.word:<8} {verdict.why}"
    for finding in report.findings:
        yield f"  finding    {finding}"
    for fact in report.facts:
        yield f"  note       {fact}"


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
