"""The rules of the house (dockagent/README.md) over every file of the checkout; and that each of them bites."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests import tidy_rules
from tests.tidy_rules import OF_CODE, OF_TEXT, Rule, Source

ROOT = Path(__file__).resolve().parent.parent
CODE = ("dockagent", "hil", "tests")
TEXT = (*CODE, "docs", "systemd", "firmware_profiles", ".ci")
BINARY = {".pyc", ".jpg", ".png", ".mp4", ".mov", ".bin", ".der", ".gz", ".xz", ".zst", ".img"}


def _files() -> Iterator[Path]:
    for path in ROOT.iterdir():
        if path.is_file() and not path.name.startswith(".git"):
            yield path
    for top in TEXT:
        yield from (path for path in (ROOT / top).rglob("*") if path.is_file() and path.suffix not in BINARY)


@cache
def _sources() -> tuple[Source, ...]:
    return tuple(
        Source(path.relative_to(ROOT).as_posix(), path.read_text("utf-8", "replace")) for path in sorted(_files())
    )


def _name(rule: Rule) -> str:
    return rule.__name__


@pytest.mark.parametrize("rule", OF_CODE, ids=_name)
def test_code(rule: Rule) -> None:
    code = [one for one in _sources() if one.top in CODE and one.path.endswith(".py")]
    assert len(code) > 100
    found = [str(finding) for source in code for finding in rule(source)]
    assert not found, f"{rule.__doc__}\n" + "\n".join(found)


@pytest.mark.parametrize("rule", OF_TEXT, ids=_name)
def test_text(rule: Rule) -> None:
    found = [str(finding) for source in _sources() for finding in rule(source)]
    assert not found, f"{rule.__doc__}\n" + "\n".join(found)


def test_the_exceptions_are_still_needed() -> None:
    there = {one.path: one for one in _sources()}
    for path, call in tidy_rules.DURABLE_EXCEPT:
        assert any(name == call for _, _, name in there[path].calls()), f"{path} calls no {call} any more"
    for path in tidy_rules.READS_TOML:
        assert any(name == "tomllib" for _, name in there[path].imports()), f"{path} reads no TOML any more"


DEEP = "def f(x):\n" + "".join(f"{'    ' * deep}if x:\n" for deep in range(1, 6)) + "    " * 6 + "return"
ELIF = "def f(x):\n    if x:\n        pass\n" + "    elif x:\n        pass\n" * 6
RAISES = "try:\n    f()\nexcept KeyError as err:\n    raise ValueError{}"


@pytest.mark.parametrize(
    ("rule", "path", "text", "line"),
    [
        ("direction", "dockagent/core/model.py", "import os\nfrom dockagent.ledger.log import Ledger", 2),
        ("direction", "dockagent/steps/pull.py", "from dockagent import errors, workers", 1),
        ("direction", "dockagent/stores/s3.py", "import dockagent.transports.folder", 1),
        ("direction", "dockagent/errors.py", "from dockagent.core import note", 1),
        ("direction", "dockagent/cupboard/x.py", "", 1),
        ("strangers", "hil/cameras/card.py", "from dockagent.core import dsse", 1),
        ("strangers", "dockagent/cli/run.py", "from hil.cameras import card", 1),
        ("pure_core", "dockagent/core/proof/merkle.py", "def f():\n    from subprocess import run", 2),
        ("pure_core", "dockagent/core/proof/merkle.py", "open('x')", 1),
        ("one_clock", "dockagent/steps/pull.py", "from time import monotonic", 1),
        ("one_clock", "dockagent/steps/pull.py", "import datetime\ndatetime.datetime.now()", 2),
        ("one_disk", "dockagent/steps/pull.py", "import os\nos.replace('a', 'b')", 2),
        ("one_disk", "dockagent/steps/pull.py", "here.replace(there)", 1),
        ("one_disk", "dockagent/steps/pull.py", "here.unlink(missing_ok=True)", 1),
        ("one_configuration", "dockagent/steps/pull.py", "import tomllib", 1),
        ("narrow_except", "dockagent/steps/pull.py", "try:\n    f()\nexcept (KeyError, Exception):\n    pass", 3),
        ("narrow_except", "dockagent/workers.py", "try:\n    f()\nexcept BaseException:\n    pass", 3),
        ("narrow_except", "hil/x.py", "try:\n    f()\nexcept:\n    pass", 3),
        ("chained_raise", "tests/x.py", RAISES.format("()"), 4),
        ("sizes", "hil/x.py", "x = 1\n" * 401, 400),
        ("sizes", "hil/x.py", "def f():\n" + "    x = 1\n" * 60, 1),
        ("sizes", "hil/x.py", DEEP, 1),
        ("speaking_names", "dockagent/core/utils.py", "", 1),
        ("docstrings", "dockagent/x.py", "'''Doc.'''\ndef f(): ...", 2),
        ("docstrings", "dockagent/x.py", "x = 1", 1),
        ("no_mocks", "tests/x.py", "from unittest import mock", 1),
        ("no_mocks", "tests/x.py", "def test_x(mocker): ...", 1),
        ("no_mocks", "tests/x.py", "monkeypatch.setattr(a, 'b', 1)", 1),
        ("own_words", "docs/x.md", "fine\nTO" + "DO: more", 2),
        ("own_words", "docs/x.md", "see /ro" + "ot/main/x", 1),
        ("own_words", "Makefile", "https://files.python" + "hosted.org/simple", 1),
    ],
)
def test_each_rule_bites(rule: str, path: str, text: str, line: int) -> None:
    found = list(getattr(tidy_rules, rule)(Source(path, text)))
    assert [str(one).split(": ")[0] for one in found][:1] == [f"{path}:{line}"]


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (
            "direction",
            "dockagent/core/model.py",
            "from dockagent.errors import Refused\nfrom dockagent.core import dsse",
        ),
        ("direction", "dockagent/daemon.py", "from dockagent import __version__, systemd"),
        ("one_disk", "dockagent/steps/pull.py", "'a'.replace('a', 'b'); replace(x, y=1); disk.remove('x')"),
        ("one_disk", "dockagent/steps/derive.py", "shutil.rmtree(work)"),
        ("one_clock", "dockagent/steps/pull.py", "clock.now()"),
        ("chained_raise", "tests/x.py", RAISES.format("() from err")),
        ("chained_raise", "tests/x.py", RAISES.format("() from None")),
        ("sizes", "hil/x.py", ELIF),
        ("narrow_except", "dockagent/workers.py", "try:\n    f()\nexcept Exception:\n    pass"),
        ("no_mocks", "tests/x.py", "monkeypatch.setenv('A', 'b')"),
        ("own_words", "docs/x.md", "mounts lie in /var/lib/dockagent/mounts, at $HOME/dock/"),
    ],
)
def test_no_rule_bites_what_is_allowed(rule: str, path: str, text: str) -> None:
    assert list(getattr(tidy_rules, rule)(Source(path, text))) == []
