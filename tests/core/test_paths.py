"""The text form of a camera's file names: reversible, safe to show, and safe as part of a key."""

import json
import re
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dockagent.core.paths import safe_name, to_bytes, to_text
from tests.corpus import corpus

NAMES = st.one_of(st.binary(max_size=80), st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))


@settings(max_examples=500)
@given(NAMES)
@example(b"%41")
@example(b"%")
@example(b"100%25.MP4")
@example(b"\xff\xfe")
@example(b"\xed\xa0\x80")
@example("caf\u00e9\u202egpj.exe".encode())
@example(b"a\nb\r\x1b[2Jc\x00")
def test_the_form_is_reversible_printable_and_one_line(raw: bytes) -> None:
    text = to_text(raw)
    assert to_bytes(text) == raw
    assert text.isprintable()
    assert not [char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs")]
    assert len(text.splitlines()) <= 1
    assert text.encode("utf-8").decode("utf-8") == text


@given(NAMES, NAMES)
def test_distinct_names_have_distinct_forms(one: bytes, other: bytes) -> None:
    assert (to_text(one) == to_text(other)) == (one == other)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"DCIM/100BWC/a.MP4", "DCIM/100BWC/a.MP4"),
        ("Größe/映像.MP4".encode(), "Größe/映像.MP4"),
        (b"50%.MP4", "50%25.MP4"),
        (b"a\nb", "a%0Ab"),
        (b"\xffx", "%FFx"),
        ("a\u202eb".encode(), "a%E2%80%AEb"),
        ("a\u00a0b".encode(), "a%C2%A0b"),
        (b"a b", "a b"),
    ],
)
def test_what_people_see(raw: bytes, text: str) -> None:
    assert to_text(raw) == text


@pytest.mark.parametrize("text", ["%4", "%zz", "%4a", "100%"])
def test_what_to_text_never_makes_stays_as_it_is(text: str) -> None:
    assert to_bytes(text) == text.encode()


def test_naughty_strings_are_harmless() -> None:
    for text in json.loads(corpus("hostile", "blns.json").read_bytes()):
        raw = text.encode()
        assert to_bytes(to_text(raw)) == raw
        assert to_text(raw).isprintable()
        assert re.fullmatch(r"[A-Za-z0-9._~-]+", safe_name(text))


@settings(max_examples=300)
@given(st.text(max_size=50))
@example("")
@example(".")
@example("..")
@example("../../etc")
@example("~")
@example("\udcff")
def test_a_safe_name_is_one_harmless_part(text: str) -> None:
    name = safe_name(text)
    assert re.fullmatch(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*", name)
    assert 0 < len(name) <= 80
    assert safe_name(text) == name


SHORT = st.text(
    st.characters(exclude_categories=["Cs"]), max_size=6
)  # at most 72 characters when every byte is escaped


@settings(max_examples=300)
@given(SHORT, SHORT)
@example(".", "~2E")
@example("", "~")
@example("a", "a.")
def test_distinct_short_names_stay_distinct(one: str, other: str) -> None:
    assert (safe_name(one) == safe_name(other)) == (one == other)
