"""One answer of the doctor, and all of them for a terminal and for programs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Word = Literal["ok", "warning", "failure"]
WORDS: tuple[Word, ...] = ("ok", "warning", "failure")


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at (``name``), how it is (``word``, and ``what`` in one line), and ``todo``: what to do about it,
    empty where all is well. A warning lets the dock work, a failure does not."""

    name: str
    word: Word
    what: str
    todo: str = ""


def ok(name: str, what: str) -> Check:
    """All is well."""
    return Check(name, "ok", what)


def warning(name: str, what: str, todo: str) -> Check:
    """The dock works, but not as well as it could, or not for long."""
    return Check(name, "warning", what, todo)


def failure(name: str, what: str, todo: str) -> Check:
    """The dock cannot do its work like this. An error of several lines becomes one."""
    return Check(name, "failure", "; ".join(what.splitlines()), todo)


def exit_code(checks: Sequence[Check]) -> int:
    """1 where anything failed, else 0."""
    return int(any(one.word == "failure" for one in checks))


def as_json(checks: Sequence[Check]) -> dict[str, Any]:
    """The ``--json`` object: ``{"result": "good" | "failure", "checks": [{"name", "word", "what", "todo"}]}``."""
    result = "failure" if exit_code(checks) else "good"
    return {"result": result, "checks": [asdict(one) for one in checks]}


def as_text(checks: Sequence[Check]) -> str:
    """A line for each check, a second one with what to do, and the sums at the end."""
    width = max((len(one.name) for one in checks), default=0)
    lines = []
    for one in checks:
        lines.append(f"{one.word:<8} {one.name:<{width}}  {one.what}")
        if one.todo:
            lines.append(f"{'':<8} {'':<{width}}  → {one.todo}")
    counts = Counter(one.word for one in checks)
    lines.append(f"{len(checks)} checks: " + ", ".join(f"{counts[word]} {word}" for word in WORDS))
    return "\n".join(lines) + "\n"
