"""Cameras' dialogues from the outside: literal bytes in, literal bytes out, over plain sockets and transfers."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from hil.cameras.dialects import amba
from hil.cameras.dialects.amba import AmbaCamera, Stranger
from hil.cameras.dialects.e12 import E12Camera, Owner
from hil.cameras.dialects.zzx import ZzxCamera

SHANGHAI = ZoneInfo("Asia/Shanghai")


class Plugged:
    """The host's end of a camera's cable."""

    def __init__(self, function: AmbaCamera | Stranger) -> None:
        self.function, self.sent, self.stalled, self.left = function, list[bytes](), list[int](), False
        function.attached(self, 0)

    def send(self, endpoint: int, data: bytes, *, zero: bool = False) -> None:
        assert endpoint == amba.IN
        self.sent.append(data)

    def stall(self, endpoint: int) -> None:
        self.stalled.append(endpoint)

    def leave(self) -> None:
        self.left = True

    def ask(self, request: bytes) -> bytes:
        self.sent.clear()
        self.function.received(amba.OUT, request)
        return b"".join(self.sent)


def camera() -> tuple[AmbaCamera, Plugged, list[str]]:
    switches: list[str] = []
    made = AmbaCamera("CAM00042", lambda: switches.append("switch"))
    return made, Plugged(made), switches


def test_amba_says_what_the_published_client_understands() -> None:
    made, cable, switches = camera()
    assert b"Ver;OK" in cable.ask(b"@Ver;8;00000000;#")
    said = cable.ask(b"@Gdv;8;12345678;#")
    assert said.startswith(b"@Gdv")
    assert said.split(b";")[2].strip(b"#") == b"CAM00042"
    cable.ask(b"@Sdt;8;20261122;#")
    assert not made.set_to
    cable.ask(b"@Stm;6;17304500;#")
    assert list(made.set_to) == [datetime(2026, 11, 22, 17, 30, 45)]
    assert switches == []
    assert cable.ask(b"@ATH;8;12345678;#") == b"@ATH;OK;#"
    assert (switches, made.mode) == (["switch"], "disk")
    assert [one.length for one in made.requests] == [8, 8, 8, 6, 8]


def test_amba_a_second_ath_goes_back_to_work() -> None:
    made, cable, switches = camera()
    cable.ask(b"@ATH;8;12345678;#")
    assert b"ERROR" in cable.ask(b"@Gdv;8;12345678;#")
    cable.ask(b"@ATH;8;12345678;#")
    assert (switches, made.mode) == (["switch", "switch"], "work")
    assert b"CAM00042" in cable.ask(b"@Gdv;8;12345678;#")


@pytest.mark.parametrize("request_", [b"@ATH;8;87654321;#", b"@Gdv;8;;#"])
def test_amba_refuses_a_wrong_password(request_: bytes) -> None:
    made, cable, switches = camera()
    assert b"ERROR" in cable.ask(request_)
    assert (switches, made.mode) == ([], "work")


@pytest.mark.parametrize(
    "data", [b"", b"Ver", b"@Ver;8;00000000#", b"@ver;8;0;#", b"@Verx;8;0;#", b"\x00" * 64, b"@Ver;x;0;#"]
)
def test_amba_skips_what_is_no_request(data: bytes) -> None:
    made, cable, _ = camera()
    assert cable.ask(data) == b""
    assert made.skipped == (data,)


@pytest.mark.parametrize("request_", [b"@Sdt;8;20261332;#", b"@Stm;6;17304500;#", b"@Stm;6;173045;#", b"@Xyz;1;0;#"])
def test_amba_refuses_what_makes_no_sense(request_: bytes) -> None:
    made, cable, _ = camera()
    assert b"ERROR" in cable.ask(request_)
    assert made.set_to == ()


def test_amba_faults() -> None:
    made, cable, switches = camera()
    made.faults.split = 4
    assert cable.ask(b"@Ver;8;00000000;#") == b"@Ver;OK;#"
    assert [len(part) for part in cable.sent] == [4, 4, 1]
    made.faults = amba.Faults(wrong_length=True, late=b"@Ver;OK;#")
    assert cable.ask(b"@Gdv;8;12345678;#") == b"@Ver;OK;#@Gdv;11;CAM00042#"
    made.faults = amba.Faults(quiet_after_ath=True, stays=True)
    assert cable.ask(b"@ATH;8;12345678;#") == b""
    assert (switches, made.mode) == ([], "work")
    made.faults = amba.Faults(silent=True)
    assert cable.ask(b"@Ver;8;00000000;#") == b""
    made.faults = amba.Faults(stall_on="Ver", leave_on="Gdv")
    assert cable.ask(b"@Ver;8;00000000;#") == b""
    assert cable.stalled == [amba.IN]
    assert cable.ask(b"@Gdv;8;12345678;#") == b""
    assert cable.left


@pytest.mark.parametrize("make", [amba.one_rs, amba.boot_loader, amba.echo])
def test_strangers_count_what_harms_them(make: Callable[[], Stranger]) -> None:
    stranger = make()
    cable = Plugged(stranger)
    assert b"Ver;OK" not in cable.ask(b"@Ver;8;00000000;#")
    assert not stranger.harmed
    cable.ask(b"@ATH;8;12345678;#")
    assert list(stranger.harmed) == [b"@ATH;8;12345678;#"]


@contextmanager
def called(made: E12Camera | ZzxCamera) -> Iterator[socket.socket]:
    host, _, port = made.open().partition(":")
    with socket.create_connection((host, int(port)), 5) as client:
        yield client
    made.hang_up()
    made.hang_up()


def exactly(client: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = client.recv(count - len(data))
        assert part, "hung up"
        data += part
    return data


def heard(client: socket.socket) -> bytes:
    return exactly(client, int.from_bytes(exactly(client, 4), "little"))


def tell(client: socket.socket, text: bytes) -> None:
    client.sendall(len(text).to_bytes(4, "little") + text)


def test_e12_dialogue() -> None:
    made = E12Camera(Owner(), SHANGHAI)
    with called(made) as client:
        tell(client, b"E12CMDS004")
        assert heard(client) == b"E12DATR880"
        info = heard(client)
        assert len(info) == 89
        assert info[:13] == b"E120001012345"
        assert info[13:45] == b"\xcd\xf5\xd0\xa1\xc3\xf7" + bytes(26)
        assert info[45:57] == b"110101000000"
        tell(client, b"E12CMDS007")
        assert [heard(client), heard(client)] == [b"E12DATR880", b"73"]
        tell(client, b"E12CMDN030")
        heard(client)
        local = datetime.strptime(heard(client).decode(), "%Y-%m-%d %H:%M:%S")
        assert abs(local - datetime.now(UTC).astimezone(SHANGHAI).replace(tzinfo=None)) < timedelta(seconds=3)
        tell(client, b"E12CMDS003")
        assert heard(client) == b"E12DATR880"
        tell(client, b"2031-05-15 8:00:00")
        assert heard(client) == b"E12DATR001"
        assert made.clock.now().isoformat().startswith("2031-05-15T00:00:0")
        tell(client, b"E12CMDS008")
        assert [heard(client), heard(client)] == [b"E12DATR880", b"E12DATR011"]
        assert client.recv(1) == b""  # the link drops
        assert made.mode == "disk"


def test_e12_faults_and_what_is_no_request() -> None:
    made = E12Camera(Owner(), SHANGHAI)
    made.faults.working, made.faults.finished, made.faults.refuse = 3, True, b"E12CMDS007"
    with called(made) as client:
        tell(client, b"E12CMDS007")
        assert [heard(client) for _ in range(5)] == [b"E12DATR880"] * 3 + [b"E12DATR140", b"E12DATR881"]
        tell(client, b"GET /")
        assert client.recv(1) == b""


def ask_zzx(client: socket.socket, number: int, **body: str) -> dict[str, str]:
    request = {"header": {"version": "1.0", "id": number, "device": "ZZX2080"}, "body": body}
    client.sendall(b"noise before it" + json.dumps(request).encode() + b"\n")
    line = b""
    while not line.endswith(b"\r\n"):
        line += exactly(client, 1)
    said = json.loads(line)
    assert said["header"] == {"version": "1.0", "id": number, "device": "ZZX2080"}
    assert all(isinstance(value, str) for value in said["body"].values())
    body_said: dict[str, str] = said["body"]
    return body_said


def test_zzx_dialogue() -> None:
    made = ZzxCamera("0000042", "000000")
    with called(made) as client:
        assert ask_zzx(client, 1) == {"IDCode": "ZZXP5"}
        assert ask_zzx(client, 8, password="111111") == {"password": "false"}
        assert ask_zzx(client, 8, password="000000") == {"password": "true", "battery": "88"}
        assert ask_zzx(client, 3, password="000000")["serial"] == "0000042"
        client.sendall(b"no request\n")
        seconds = int(ask_zzx(client, 16, password="000000")["Time"])
        assert abs(seconds - datetime.now(UTC).timestamp()) < 3
        assert ask_zzx(client, 5, password="000000", Time="soon")["Result"] == "false"
        assert ask_zzx(client, 5, password="000000", Time="1936569600000")["Result"] == "true"
        assert made.clock.now().isoformat().startswith("2031-05-15T00:00:0")
        made.faults.recording = True
        assert ask_zzx(client, 6, password="000000")["Result"] == "false"
        made.faults.recording = False
        assert ask_zzx(client, 6, password="000000")["Result"] == "true"
        assert client.recv(1) == b""  # the link drops
    assert made.mode == "disk"
