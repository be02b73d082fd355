"""Frames of the Ambarella dialogue, byte for byte as the published client sends and reads them."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockagent.errors import Permanent, UsageError
from dockagent.transports import amba_codec as codec


def test_requests_are_those_of_the_published_client() -> None:
    assert codec.probe() == b"@Ver;8;00000000;#"
    assert codec.frame("Gdv", b"12345678") == b"@Gdv;8;12345678;#"
    assert codec.frame("ATH", b"12345678") == b"@ATH;8;12345678;#"


def test_the_time_says_six_and_sends_eight() -> None:
    assert codec.date_and_time(datetime(2026, 11, 2, 9, 5, 7)) == (b"@Sdt;8;20261102;#", b"@Stm;6;09050700;#")


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        (b"@Gdv;8;CAM00042;#", (b"8", b"CAM00042")),
        (b"@Gdv;8;CAM00042#", (b"8", b"CAM00042")),
        (b"@Gdv;99;CAM00042#", (b"99", b"CAM00042")),
        (b"@Gdv;8;CAM00042#\0\0\0\0", (b"8", b"CAM00042")),
        (b"@Gdv;8;CAM00042", (b"8", b"CAM00042")),
        (b"@Ver;OK;#@Gdv;8;CAM00042#", (b"8", b"CAM00042")),
        (b"\xff\x00\x12@Gdv;8;CAM00042#", (b"8", b"CAM00042")),
    ],
)
def test_an_answer_is_found(data: bytes, fields: tuple[bytes, ...]) -> None:
    assert codec.parse(data, "Gdv") == codec.Answer("Gdv", fields)


def test_an_answer_in_pieces_is_whole_only_at_its_end() -> None:
    whole = b"@Gdv;8;CAM00042#"
    assert [codec.is_whole(whole[:end], "Gdv") for end in range(len(whole) + 1)] == [False] * len(whole) + [True]
    assert not codec.is_whole(b"@Ver;OK;#", "Gdv")
    assert codec.is_whole(b"x" * codec.LONGEST, "Gdv")


@pytest.mark.parametrize("data", [b"@Ver;OK;#", b"@Ver;OK#", b"Ver;OK", b"@Ver;OK;1.0;#"])
def test_a_camera_answers_the_probe(data: bytes) -> None:
    assert codec.is_camera(codec.parse(data, "Ver"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 64,
        b"@Ver;8;00000000;#",
        b"@Ver;ERROR;#",
        b"@Ver;NOK;#",
        b"@Ver;8;OK;#",
        b"NeVer;OK;#",
        b"@Gdv;OK;#",
    ],
)
def test_a_stranger_does_not(data: bytes) -> None:
    assert not codec.is_camera(codec.parse(data, "Ver"))


@given(st.binary(max_size=300).filter(lambda data: b"Ver;OK" not in data))
def test_no_chance_bytes_are_a_camera(data: bytes) -> None:
    assert not codec.is_camera(codec.parse(data, "Ver"))


@pytest.mark.parametrize("fields", [(), (b"",), (b"5", b"ERROR"), (b"ERROR",), (b"3", b"\xffab"), (b"8", b"x" * 33)])
def test_what_is_no_device_id(fields: tuple[bytes, ...]) -> None:
    with pytest.raises(Permanent, match="no device id"):
        codec.device_id(codec.Answer("Gdv", fields))


@pytest.mark.parametrize(
    "password", [b"", b"1234567", b"123456789", b"1234567;", b"1234567#", b"1234567\n", b"\xe4bcdefgh"]
)
def test_a_password_that_cannot_be_sent_is_not_shown(password: bytes) -> None:
    with pytest.raises(UsageError) as caught:
        codec.check_password(password)
    assert "8 printable" in str(caught.value)
    assert not password or repr(password)[2:-1] not in str(caught.value)
