"""The rules of the house as functions: each takes one source and gives what it breaks, with the line.

``tests/test_tidy.py`` applies them to every file, and shows for each that it bites.
"""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

MOST_LINES = 400
MOST_FUNCTION_LINES = 60
DEEPEST = 4

_LOW = {"durable", "medium", "clock"}
_LEAVES = {*_LOW, "transports", "stores", "ledger", "media", "sealing"}
ROOMS: dict[str, set[str]] = {
    "core": set(),
    "errors": set(),
    "config": set(),
    "systemd": set(),
    "reach": {"clock", "config", "stores"},
    "clock": set(),
    "durable": {"medium"},
    "medium": set(),
    "transports": _LOW,
    "stores": _LOW,
    "ledger": _LOW,
    "media": _LOW,
    "sealing": set(),
    "steps": _LEAVES,
    "workers": {*_LEAVES, "steps"},
    "dock": {*_LEAVES, "steps", "workers"},
    "evidence": {*_LOW, "ledger", "media", "sealing"},
    "disclosure": {*_LOW, "ledger", "media", "stores", "evidence"},
    "desk_rules": {*_LOW, "ledger", "config"},
    "desk": {*_LOW, "ledger", "config", "desk_rules"},
    "desk_server": {*_LOW, "desk", "dock"},
    "custodian": {*_LOW, "ledger", "stores", "evidence", "config", "systemd"},
    "doctor": {*_LOW, "transports", "stores", "ledger", "sealing", "evidence", "config"},
    "daemon": {
        *_LEAVES,
        "steps",
        "workers",
        "dock",
        "desk",
        "desk_rules",
        "desk_server",
        "evidence",
        "reach",
        "config",
        "systemd",
    },
    "cli": {
        *(*_LEAVES, "steps", "workers", "dock", "desk", "desk_rules", "evidence", "disclosure", "config", "systemd"),
        *("reach", "daemon", "doctor", "custodian"),
    },
}
"""What each room of ``dockagent`` may import besides itself, ``core`` and ``errors`` (``errors`` itself: nothing).

cli, daemon → dock → workers → steps → transports | stores | ledger | media → durable, clock. ``evidence`` checks what
a ledger and a store hold, so that it needs no camera, no step and no configuration; ``doctor`` looks at everything a
daemon stands on, but at no part of the running one.
"""

IMPURE = {"os", "io", "time", "socket", "subprocess", "threading", "logging", "asyncio", "shutil", "tempfile", "random"}
_TIME_READERS = {"now", "utcnow", "today"}
_DURABLE_CALLS = {
    *("fsync", "fdatasync", "rename", "renames", "unlink", "link", "hardlink_to", "symlink", "symlink_to"),
    *("rmdir", "removedirs", "rmtree", "copytree", "move"),
}
DURABLE_EXCEPT = {
    ("dockagent/transports/mass_storage.py", "rmdir"): "an empty mount point of our own; nothing is lost with it",
    ("dockagent/steps/derive.py", "rmtree"): "the sandbox's scratch folder; previews are made again",
}
CATCH_ALL = {"dockagent/workers.py", "dockagent/daemon.py"}
READS_TOML = {"dockagent/config.py", "dockagent/core/camera/profile.py"}  # the second parses bytes that it is given
_VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}
_PATCHES_NOTHING_OF_OURS = {"setenv", "delenv", "chdir"}
# Written so that they do not find themselves.
_LEFT_OVER = re.compile(r"\b(TO[D]O|FIX[M]E|X[X]X|HAC[K])\b")
_NOT_OURS = re.compile(
    r"(?<![\w.~}])/(root|work|home/\w+|Users/\w+)/|[.]librar[y]\b|\bas an A[I]\b|\blanguage mode[l]\b"
    r"|\b[a-z0-9.-]*(pypi|debian|npmjs|pythonhosted)[.](org|com|net)\b"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that breaks a rule."""

    path: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


@dataclass(frozen=True)
class Source:
    """One file: its path from the checkout's top, and its text."""

    path: str
    text: str

    @property
    def top(self) -> str:
        """``dockagent``, ``hil``, ``tests``, or another first part of the path."""
        return self.path.split("/", 1)[0]

    @property
    def room(self) -> str:
        """The part of ``dockagent`` that it belongs to."""
        return self.path.split("/")[1].removesuffix(".py")

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax."""
        return ast.parse(self.text)

    def at(self, node: ast.AST, what: str) -> Finding:
        """A finding at a node."""
        return Finding(self.path, getattr(node, "lineno", 1), what)

    def imports(self) -> Iterator[tuple[ast.AST, str]]:
        """Every imported module by its full name; for ``from a import b`` both ``a`` and ``a.b``, as b may be one."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node, name.name) for name in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield node, node.module or ""
                yield from ((node, f"{node.module}.{name.name}") for name in node.names)

    def calls(self) -> Iterator[tuple[ast.Call, str, str]]:
        """Every call as (node, what it is called on, name): ``os.path.join(x)`` is ("os.path", "join")."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                yield node, ast.unparse(node.func.value), node.func.attr
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                yield node, "", node.func.id

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Every function and method."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node


def direction(source: Source) -> Iterator[Finding]:
    """Imports of ours go down the house only."""
    if source.top != "dockagent" or source.room == "__init__":
        return
    if source.room not in ROOMS:
        yield Finding(source.path, 1, f"the room {source.room} is not in the table ROOMS of tests/tidy_rules.py")
        return
    free = {source.room, "__version__"} | (set() if source.room == "errors" else {"core", "errors"})
    for node, name in source.imports():
        parts = name.split(".")
        if parts[0] == "dockagent" and len(parts) > 1 and parts[1] not in ROOMS[source.room] | free:
            yield source.at(node, f"{source.room} must not import {parts[1]}")


def strangers(source: Source) -> Iterator[Finding]:
    """The emulators share no code with the agent, and the agent none with emulators and tests."""
    forbidden = {"hil": {"dockagent", "tests"}, "dockagent": {"hil", "tests"}}.get(source.top, set())
    for node, name in source.imports():
        if name.split(".")[0] in forbidden:
            yield source.at(node, f"{source.top} must not import {name}")


def pure_core(source: Source) -> Iterator[Finding]:
    """The core decides; it touches nothing."""
    if not source.path.startswith("dockagent/core/"):
        return
    for node, name in source.imports():
        if name.split(".")[0] in IMPURE:
            yield source.at(node, f"core must not import {name}")
    for call, on, name in source.calls():
        if (on, name) == ("", "open") or name in {"read_bytes", "read_text", "write_bytes", "write_text"}:
            yield source.at(call, f"core must not call {name}()")


def one_clock(source: Source) -> Iterator[Finding]:
    """Only clock.py reads time."""
    if source.top != "dockagent" or source.path == "dockagent/clock.py":
        return
    for node, name in source.imports():
        if name == "time" or name.startswith("time."):
            yield source.at(node, "only clock.py may import time; take a Clock, an Instant or a number")
    for call, on, name in source.calls():
        if name in _TIME_READERS and on.rpartition(".")[2] in {"datetime", "date"}:
            yield source.at(call, f"only clock.py may ask {on}.{name}()")


def one_disk(source: Source) -> Iterator[Finding]:
    """Only durable.py makes names and takes them away."""
    if source.top != "dockagent" or source.path == "dockagent/durable.py":
        return
    for call, on, name in source.calls():
        # str.replace takes two, dataclasses.replace and datetime.replace take keywords: one alone is Path.replace.
        moves = name == "replace" and (on == "os" or (len(call.args) == 1 and not call.keywords))
        removes = name in _DURABLE_CALLS or (name, on) == ("remove", "os")
        if (moves or removes) and (source.path, name) not in DURABLE_EXCEPT:
            yield source.at(call, f"only durable.py may call {on}.{name}()")


def one_configuration(source: Source) -> Iterator[Finding]:
    """Only config.py reads configuration."""
    if source.top != "dockagent" or source.path in READS_TOML:
        return
    for node, name in source.imports():
        if name.split(".")[0] in {"tomllib", "configparser"}:
            yield source.at(node, f"only config.py may import {name}")


def narrow_except(source: Source) -> Iterator[Finding]:
    """Errors are caught by name; only the two outermost doors catch all."""
    if source.top == "tests":
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler):
            caught = {ast.unparse(one) for one in _caught(node)}
            if node.type is None or "BaseException" in caught:
                yield source.at(node, "nobody may catch everything, the end of the process included")
            elif "Exception" in caught and source.path not in CATCH_ALL:
                yield source.at(node, "only workers.py and daemon.py may catch Exception")


def _caught(handler: ast.ExceptHandler) -> list[ast.expr]:
    if isinstance(handler.type, ast.Tuple):
        return handler.type.elts
    return [handler.type] if handler.type is not None else []


def chained_raise(source: Source) -> Iterator[Finding]:
    """An error raised while another is handled says from which."""
    for handler in ast.walk(source.tree):
        if isinstance(handler, ast.ExceptHandler):
            for node in _inside(handler):
                if isinstance(node, ast.Raise) and node.exc is not None and node.cause is None:
                    yield source.at(node, "raise inside except: use `from`, or a bare raise")


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    """What runs as part of a node: functions that are only defined in it are not."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from _inside(child)


def sizes(source: Source) -> Iterator[Finding]:
    """Modules and functions that one can hold in the head."""
    lines = source.text.count("\n")
    if lines > MOST_LINES:
        yield Finding(source.path, MOST_LINES, f"{lines} lines; at most {MOST_LINES}")
    for function in source.functions():
        length = (function.end_lineno or function.lineno) - function.lineno + 1
        if length > MOST_FUNCTION_LINES:
            yield source.at(function, f"{function.name} has {length} lines; at most {MOST_FUNCTION_LINES}")
        depth = _depth(function.body)
        if depth > DEEPEST:
            yield source.at(function, f"{function.name} is nested {depth} deep; at most {DEEPEST}")


_BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)


def _depth(body: list[ast.stmt], chained: bool = False) -> int:
    """How deep blocks lie in each other. ``chained``: an elif, which lies as deep as its if."""
    deepest = 0
    for statement in body:
        if isinstance(statement, _BLOCKS):
            alone = chained and isinstance(statement, ast.If) and len(body) == 1
            deepest = max(deepest, _depth_below(statement) + (0 if alone else 1))
    return deepest


def _depth_below(block: ast.stmt) -> int:
    handlers = [part for part in ast.iter_child_nodes(block) if isinstance(part, ast.ExceptHandler | ast.match_case)]
    inner = [_depth(part.body) for part in handlers]
    for name in ("body", "orelse", "finalbody"):
        inner.append(_depth(getattr(block, name, []), chained=name == "orelse" and isinstance(block, ast.If)))
    return max(inner)


def speaking_names(source: Source) -> Iterator[Finding]:
    """A room by its name."""
    for part in source.path.removesuffix(".py").split("/"):
        if part in _VAGUE:
            yield Finding(source.path, 1, f"{part} says nothing; name it by what it does")


def docstrings(source: Source) -> Iterator[Finding]:
    """What others may use says what it is. (Methods: their class or the protocol they follow says it.)"""
    if source.top != "dockagent":
        return
    if ast.get_docstring(source.tree) is None:
        yield Finding(source.path, 1, "the module has no docstring")
    for node in source.tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not (
            node.name.startswith("_") or ast.get_docstring(node)
        ):
            yield source.at(node, f"{node.name} has no docstring")


def no_mocks(source: Source) -> Iterator[Finding]:
    """Tests use the real thing, or a simulator behind the interface."""
    if source.top != "tests":
        return
    for node, name in source.imports():
        if name.split(".")[0] == "mock" or name.startswith("unittest.mock") or name == "pytest_mock":
            yield source.at(node, "no mocks")
    for function in source.functions():
        if any(argument.arg == "mocker" for argument in function.args.args):
            yield source.at(function, "no mocks")
    for call, on, name in source.calls():
        if on == "monkeypatch" and name not in _PATCHES_NOTHING_OF_OURS:
            yield source.at(call, f"monkeypatch.{name}() changes code under test; hand in another part instead")


def own_words(source: Source) -> Iterator[Finding]:
    """The project speaks of itself alone, and leaves nothing for later."""
    for number, line in enumerate(source.text.splitlines(), 1):
        if found := _LEFT_OVER.search(line):
            yield Finding(source.path, number, f"{found[0]}: finish it, or write it into an issue")
        if found := _NOT_OURS.search(line):
            yield Finding(source.path, number, f"{found[0]!r} is about somebody's machine, not about the project")


Rule = Callable[[Source], Iterator[Finding]]
OF_CODE: tuple[Rule, ...] = (
    *(direction, strangers, pure_core, one_clock, one_disk, one_configuration, narrow_except, chained_raise),
    *(sizes, speaking_names, docstrings, no_mocks),
)
OF_TEXT: tuple[Rule, ...] = (own_words,)
