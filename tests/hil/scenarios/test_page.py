"""The report's page: whole by itself, and nothing from a camera becomes markup."""

from html.parser import HTMLParser
from typing import Any

import pytest

from hil.scenarios.page import page

DATA: dict[str, Any] = {
    "scenario": "case",
    "about": "A camera <b>is</b> drained",
    "why": "the ordinary case",
    "rig": "folder",
    "seed": None,
    "faults": {"alice": "rrU"},
    "good": False,
    "stopped": "wait alice gone: not within 40 s",
    "seconds": 12.34,
    "replay": "python -m hil run case --rig folder --faults alice=rrU",
    "agent": "dockagent 0.1.0",
    "kernel": "6.1",
    "expectations": [
        {"text": "alice delivered all", "holds": False, "why": "1 files are not in the store", "line": 9},
        {"text": "nobody wrote to a camera", "holds": True, "why": "", "line": None},
    ],
    "timeline": [
        {"seconds": 0.5, "bay": "", "camera": "", "kind": "script", "words": "the dock is started"},
        {"seconds": 1.25, "bay": "bay01", "camera": "alice", "kind": "rig", "words": "alice left its bay by itself"},
        {"seconds": 2.0, "bay": "bay01", "camera": "alice", "kind": "acquire", "words": '<img src="x">.MP4 read'},
    ],
}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [str(value) for name, value in attrs if name in ("src", "href", "action", "data")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(name="read")
def _read() -> _Reader:
    reader = _Reader()
    reader.feed(page(DATA, 'about = "<script>alert(1)</script>"', ["a line of the log", "<i>"]))
    reader.close()
    return reader


def test_it_is_whole_by_itself(read: _Reader) -> None:
    assert read.open == []
    assert read.links == []
    assert {"script", "link", "img", "i", "b", "iframe"} & set(read.tags) <= {"b"}


def test_it_says_what_came_of_it(read: _Reader) -> None:
    for words in (
        "FAILED",
        "1 files are not in the store",
        "not within 40 s",
        "(always)",
        "0.50 s",
        "a line of the log",
    ):
        assert words in read.text
    assert '<img src="x">.MP4 read' in read.text
    assert read.text.index("bay01") < read.text.index("The dock")


def test_a_style_for_dark_and_for_paper() -> None:
    text = page(DATA, "", [])
    for rule in ("prefers-color-scheme:dark", "@media print", "width=device-width"):
        assert rule in text
    assert "url(" not in text
    assert "@import" not in text
