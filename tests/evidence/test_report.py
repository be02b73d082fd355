"""How findings are weighed and shown."""

import pytest

from dockagent.evidence.report import ASPECTS, Report, Verdict, Word, as_json, as_text, exit_code


def report(*words: Word, findings: tuple[str, ...] = ()) -> Report:
    verdicts = {aspect: Verdict(word, "why") for aspect, word in zip(ASPECTS, words, strict=True)}
    return Report("clip", "here", verdicts, findings)


GOOD = report("pass", "pass", "pass", "unknown", "pass")
FOUND = report("pass", "pass", "pass", "pass", "pass", findings=("something",))
STRANGER = report("pass", "pass", "unknown", "unknown", "pass")
UNSIGNED = report("pass", "unsigned", "pass", "pass", "pass")
UNREAD = report("unknown", "pass", "pass", "pass", "pass")
UNCHECKED = report("pass", "unknown", "unknown", "unknown", "unknown")
BAD = report("pass", "pass", "pass", "fail", "pass", findings=("something",))


@pytest.mark.parametrize(
    ("one", "code"), [(GOOD, 0), (FOUND, 3), (STRANGER, 3), (UNSIGNED, 3), (UNREAD, 4), (UNCHECKED, 4), (BAD, 1)]
)
def test_the_exit_code_of_one(one: Report, code: int) -> None:
    assert one.exit_code == code


def test_the_gravest_counts() -> None:
    assert exit_code([GOOD, GOOD]) == 0
    assert exit_code([GOOD, FOUND]) == 3
    assert exit_code([UNREAD, FOUND]) == 4
    assert exit_code([GOOD, UNREAD, BAD, FOUND]) == 1


def test_every_verdict_is_shown_with_its_reason() -> None:
    text = as_text([GOOD, BAD])
    assert text.count("why") == 10
    assert text.endswith("2 checked: 1 refuted, 1 good\n")
    assert as_json([GOOD, BAD])["result"] == "refuted"
    assert as_json([GOOD])["reports"][0]["verdicts"]["time"] == {"verdict": "unknown", "why": "why"}


def test_names_from_outside_cannot_forge_a_line() -> None:
    forged = Report("clip", "x", findings=("a\n  intact pass\x1b[2J\u202e",))
    shown = as_text([forged])
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert len(shown.splitlines()) == 3
