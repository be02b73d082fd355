"""Commands in a guest, as tests want them: with what they print, and whether they went well."""

from __future__ import annotations

import sys

from hil.rigs.qemu.view import View

PYTEST = f"{sys.executable} -m pytest -q -s -ra --color=no -p no:cacheprovider"
RIG = {"DOCKAGENT_RIG": "1", "PYTEST_ADDOPTS": ""}


def said(view: View, command: str, seconds: float = 120, status: int = 0) -> str:
    """What a command prints, which must end with ``status``."""
    heard: list[str] = []
    ended = view.run(command, seconds, heard.append, RIG)
    text = "".join(heard)
    assert ended == status, f"{command} ended with {ended}:\n{text[-20_000:]}"
    return text


def passes(view: View, part: str, seconds: float) -> None:
    """Run a file of tests in the guest; all must pass, and none be skipped."""
    text = said(view, f"{PYTEST} tests/rigs/qemu/inside/{part}", seconds)
    print(text)
    last = text.splitlines()[-1]
    assert "passed" in last, text
    assert "skipped" not in last, text
