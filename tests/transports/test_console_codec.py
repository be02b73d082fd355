"""The console's lines, by property: what is encoded decodes, and nothing else is ever taken for an answer."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockagent.core.paths import to_bytes, to_text
from dockagent.errors import Refused
from dockagent.transports import console_codec as codec

idents = st.text(string.ascii_letters + string.digits, min_size=1, max_size=8)
values = st.dictionaries(st.sampled_from(["serial", "model", "sig", "x9_y"]), st.binary(max_size=60))
noise = st.binary(max_size=80).filter(lambda raw: b"\n" not in raw)


def answer_line(ident: str, given: dict[str, bytes]) -> bytes:
    body = b" ".join(
        [b"<", ident.encode(), b"OK", *(key.encode() + b"=" + codec.encode_value(raw) for key, raw in given.items())]
    )
    return b"%b *%02x\r\n" % (body, codec.check(body))


@given(st.binary())
def test_values_round_trip_and_travel_without_spaces(raw: bytes) -> None:
    encoded = codec.encode_value(raw)
    assert codec.decode_value(encoded) == raw
    assert all(0x21 <= byte <= 0x7E for byte in encoded)


@given(idents, values, noise)
def test_an_answer_is_found_behind_any_noise(ident: str, given: dict[str, bytes], before: bytes) -> None:
    answer = codec.parse(before + answer_line(ident, given))
    assert answer is not None
    assert (answer.ident, answer.code) == (ident, "")
    assert {key: to_bytes(text) for key, text in answer.values.items()} == given
    assert all(text.isprintable() for text in answer.values.values())


@given(idents, values, st.data())
def test_no_line_with_one_changed_bit_is_taken_for_the_answer(
    ident: str, given: dict[str, bytes], data: st.DataObject
) -> None:
    line = bytearray(answer_line(ident, given)[:-2])
    place = data.draw(st.integers(0, len(line) - 1))
    line[place] ^= 1 << data.draw(st.integers(0, 6))
    parsed = codec.parse(bytes(line))
    assert parsed is None or (place >= len(line) - 2 and parsed.ident == ident)  # hex digits: *5A and *5a are one


@given(st.binary(max_size=2000))
def test_parsing_never_raises(line: bytes) -> None:
    answer = codec.parse(line)
    assert answer is None or answer.words.isprintable()


@given(st.lists(st.binary(max_size=1500), max_size=8))
def test_splitting_keeps_lines_and_never_more_than_one_line_of_rest(pieces: list[bytes]) -> None:
    rest, lines = b"", list[bytes]()
    for piece in pieces:
        found, rest = codec.split(rest + piece)
        lines += found
        assert len(rest) <= codec.LONGEST_LINE
    whole = b"".join(pieces).split(b"\n")[:-1]
    assert [line[-codec.LONGEST_LINE :] for line in whole] == lines


def test_a_request_as_the_page_says() -> None:
    assert codec.request("7", "RELEASE", [b"SAFE", b"all done"]) == b"> 7 RELEASE SAFE all%20done *17\r\n"
    assert codec.check(b"> 7 RELEASE SAFE all%20done") == 0x17


def test_errors_are_read() -> None:
    body = b"< a1 ERR NOTSET no%20clock yet"
    answer = codec.parse(b"%b *%02X\r\n" % (body, codec.check(body)))
    assert answer == codec.Answer("a1", "NOTSET", {}, "no clock yet")


def test_control_characters_are_shown_escaped() -> None:
    answer = codec.parse(answer_line("1", {"serial": b"BWC\x1b[2J\n\xff 1"}))
    assert answer is not None
    assert answer.values["serial"] == to_text(b"BWC\x1b[2J\n\xff 1") == "BWC%1B[2J%0A%FF 1"


@pytest.mark.parametrize(
    "body",
    [b"< 1", b"< 1 YES", b"<1 OK", b"< 1 OK =x", b"< 1 OK a", b"< 1 OK a=1 a=2", b"< 1 OK a=%4", b"< 1 OK  a=1",
     b"< 123456789 OK", b"< a-b OK", b"< 1 ERR", b"< 1 ERR busy", b"> 1 OK"],
)  # fmt: skip
def test_what_has_the_right_check_but_is_no_answer_is_skipped(body: bytes) -> None:
    assert codec.parse(b"%b *%02X" % (body, codec.check(body))) is None


@pytest.mark.parametrize(
    ("ident", "verb", "arguments"),
    [("", "ID", []), ("123456789", "ID", []), ("a b", "ID", []), ("1", "id", []), ("1", "ID", [b""]),
     ("1", "PROVE", [b"x" * 1100])],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused(ident: str, verb: str, arguments: list[bytes]) -> None:
    with pytest.raises(Refused):
        codec.request(ident, verb, arguments)
