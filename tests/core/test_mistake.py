"""What is wrong with a file is said in words, with the place, and without what only a programmer reads."""

import errno
import os
import socket
import ssl
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest

from dockagent.core import mistake


class Track(msgspec.Struct, forbid_unknown_fields=True):
    root: str
    size: int = 0
    rate: float | None = None
    count: Annotated[int, msgspec.Meta(ge=1)] = 1
    name: Annotated[str, msgspec.Meta(min_length=1)] = "x"
    when: Literal["never", "permit"] = "never"


class Whole(msgspec.Struct, forbid_unknown_fields=True):
    tracks: list[Track] = []
    store: Track | None = None
    on: bool = False


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"tracks": [{}]}, "the member 'root' is missing (at tracks[0])"),
        ({"extra": 1}, "there is a member 'extra' that nobody here knows"),
        ({"store": {"root": "", "extra": 1}}, "there is a member 'extra' that nobody here knows (at store)"),
        ({"tracks": [{"root": 3}]}, "there is a whole number where text belongs (at tracks[0].root)"),
        ({"store": {"root": "", "size": "3"}}, "there is text where a whole number belongs (at store.size)"),
        ({"store": {"root": "", "rate": []}}, "there is a list where a number or nothing belongs (at store.rate)"),
        ({"on": "yes"}, "there is text where true or false belongs (at on)"),
        ({"tracks": {}}, "there is a table where a list belongs (at tracks)"),
        ({"store": {"root": "", "count": 0}}, "there must be a whole number >= 1 (at store.count)"),
        ({"store": {"root": "", "name": ""}}, "there must be text of length >= 1 (at store.name)"),
        ({"store": {"root": "", "when": "x"}}, "'x' is none of the words that may stand there (at store.when)"),
        ([], "there is a list where a table belongs"),
    ],
)
def test_a_form_is_named_with_its_place(raw: object, said: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(raw, Whole)
    assert mistake.in_form(caught.value) == said


def test_what_it_has_no_words_for_is_said_without_any_of_the_programmers() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert("x", int | list[int])
    assert "`" not in mistake.in_form(caught.value)
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(b'{"root": "", "` - at `$.x": 1}', type=Track)
    assert "nobody here knows" in mistake.in_form(caught.value)


def test_the_system_is_quoted_without_its_numbers(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught:
        (tmp_path / "absent").read_bytes()
    assert mistake.in_system(caught.value) == "No such file or directory"
    with pytest.raises(OSError) as caught, socket.socket() as line:
        line.connect(("127.0.0.1", 1))
    assert mistake.in_system(caught.value) == os.strerror(errno.ECONNREFUSED)
    (tmp_path / "no.pem").write_text("nothing")
    with pytest.raises(OSError) as caught:
        ssl.create_default_context(cafile=str(tmp_path / "no.pem"))
    assert "[" not in mistake.in_system(caught.value)
    assert "_ssl.c" not in mistake.in_system(caught.value)
    raw = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:992)")
    assert mistake.in_system(raw) == "what answers there speaks no TLS"
    assert mistake.in_system(TimeoutError("no whole answer in 5 s")) == "no whole answer in 5 s"
    assert mistake.in_system(ConnectionResetError()) == "the system gave no reason (ConnectionResetError)"
