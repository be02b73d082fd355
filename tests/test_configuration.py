"""Every key of the configuration is explained: in docs/configuration.md, and in the sample that is installed."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from dockagent.config import Config, load

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "configuration.md"
SAMPLE = ROOT / "systemd" / "dockagent.toml"
SECTION = re.compile(r"^## `\[(\w+)\]`$")
ROW = re.compile(r"^\| `(\w+)` \| `([^`]*)` \| (\S.*\.) \|$")
DEFAULTS: dict[str, Any] = json.loads(msgspec.json.encode(Config()))
COMMENTED_KEY = re.compile(r"^#(?=\w+ = )", re.MULTILINE)


def _defaults() -> Iterator[tuple[str, str, Any]]:
    """Section (empty for the top), key, default; in the order of the code."""
    for key, value in DEFAULTS.items():
        if isinstance(getattr(Config(), key), msgspec.Struct):
            yield from ((key, inner, default) for inner, default in value.items())
        else:
            yield "", key, value


def _page() -> Iterator[tuple[str, str, Any]]:
    section = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if head := SECTION.match(line):
            section = head[1]
        elif line.startswith("| `"):
            row = ROW.match(line)
            assert row, f"a row of {PAGE.name} that is not | `key` | `default` | meaning. |: {line}"
            yield section, row[1], json.loads(row[2])


def test_the_page_names_every_key_with_its_default() -> None:
    assert sorted(_page(), key=str) == sorted(_defaults(), key=str)


UNITS = {
    "milliseconds": "_ms",
    "seconds": "_s",
    "minutes": "_minutes",
    "hours": "_hours",
    "days": "_days",
    "MiB": "_mib",
}
IS_A_FILE = re.compile(r"\bPEM\b|\b[Aa] file\b")


def test_a_key_ends_in_what_it_is_a_unit_or_a_file() -> None:
    rows = [row for line in PAGE.read_text(encoding="utf-8").splitlines() if (row := ROW.match(line))]
    names = {key for _, key, _ in _defaults()}
    files = {row[1] for row in rows if row[2] == '""' and IS_A_FILE.search(row[3])}
    assert files == {name for name in names if name.endswith("_file")}
    measured = {row[1]: unit for row in rows for word, unit in UNITS.items() if row[3].endswith(f", in {word}.")}
    assert len(measured) > 8
    assert [name for name, unit in measured.items() if not name.endswith(unit)] == []


def test_the_sample_as_it_is_changes_no_default() -> None:
    assert load(SAMPLE) == Config()


def test_the_sample_holds_every_key_with_its_default_and_explains_it() -> None:
    text = SAMPLE.read_text(encoding="utf-8")
    assert tomllib.loads(COMMENTED_KEY.sub("", text)) == DEFAULTS
    lines = text.splitlines()
    for at, line in enumerate(lines):
        if COMMENTED_KEY.match(line):
            assert lines[at - 1].startswith("#"), f"nothing says what this is for: {line}"
