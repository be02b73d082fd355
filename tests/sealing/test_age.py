"""The sealed stream: age itself opens it and refuses our altered copies, and we refuse what it does."""

import io
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockagent.errors import DockError, Missing, Refused, UsageError
from dockagent.evidence.sealed import open_sealed, read_identities
from dockagent.sealing import age
from tests.sealing.outside import NEEDS_AGE, decrypt, encrypt, keygen
from tests.simulation.agency import RECIPIENT, SECRET

CHUNK = 65_536 + 16  # of the payload: 64 KiB and its tag (age-encryption.org/v1, "Payload")
DATA = bytes(range(256)) * 1000


def sealed(data: bytes, *recipients: str) -> bytes:
    pieces: list[bytes] = []
    age.AgeSealer(recipients or (RECIPIENT,)).seal(io.BytesIO(data).read, pieces.append)
    return b"".join(pieces)


def opened(data: bytes, *identities: str) -> bytes:
    pieces: list[bytes] = []
    age.open_stream(io.BytesIO(data).read, pieces.append, identities or (SECRET,))
    return b"".join(pieces)


def payload_at(data: bytes) -> int:
    """Where the first chunk begins: after the header's last line and the nonce of 16 bytes."""
    return data.index(b"\n", data.index(b"\n--- ") + 1) + 1 + 16


ALTERED: dict[str, Callable[[bytes, int], bytes]] = {
    "truncated": lambda data, at: data[:-1],
    "truncated at a chunk": lambda data, at: data[: at + CHUNK],
    "without its last chunk": lambda data, at: data[: at + 3 * CHUNK],
    "a chunk dropped": lambda data, at: data[: at + CHUNK] + data[at + 2 * CHUNK :],
    "chunks swapped": lambda data, at: (
        data[:at] + data[at + CHUNK : at + 2 * CHUNK] + data[at : at + CHUNK] + data[at + 2 * CHUNK :]
    ),
    "a byte appended": lambda data, at: data + b"x",
    "a chunk repeated": lambda data, at: data + data[at : at + CHUNK],
    "a bit flipped": lambda data, at: data[: at + 100] + bytes([data[at + 100] ^ 1]) + data[at + 101 :],
    "another header": lambda data, at: sealed(b"other")[: payload_at(sealed(b"other"))] + data[at:],
    "nothing": lambda data, at: b"",
    "no age file": lambda data, at: b"\x00" * 1000,
    "only the first line": lambda data, at: data[: data.index(b"\n") + 1],
}


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200_000))
def test_what_goes_in_comes_out(data: bytes) -> None:
    assert opened(sealed(data)) == data


@pytest.mark.parametrize("how", ALTERED)
def test_an_altered_copy_is_refused(tmp_path: Path, how: str) -> None:
    good = sealed(DATA)
    bad = ALTERED[how](good, payload_at(good))
    assert bad != good
    (tmp_path / "key").write_text(SECRET)
    (tmp_path / "bad.age").write_bytes(bad)
    with pytest.raises((Refused, Missing)), open_sealed(tmp_path / "bad.age", [tmp_path / "key"]) as file:
        file.read()


@NEEDS_AGE
@pytest.mark.parametrize("how", ALTERED)
def test_age_refuses_it_too(tmp_path: Path, how: str) -> None:
    identity, recipient = keygen(tmp_path, "key")
    good = sealed(DATA, recipient)
    (tmp_path / "good.age").write_bytes(good)
    (tmp_path / "bad.age").write_bytes(ALTERED[how](good, payload_at(good)))
    assert decrypt(tmp_path / "good.age", identity).stdout == DATA
    assert decrypt(tmp_path / "bad.age", identity).returncode != 0


@NEEDS_AGE
def test_age_opens_it_for_each_of_two_recipients_and_for_nobody_else(tmp_path: Path) -> None:
    people = [keygen(tmp_path, name) for name in ("one", "two", "stranger")]
    (tmp_path / "clip.age").write_bytes(sealed(DATA, people[0][1], people[1][1]))
    found = [decrypt(tmp_path / "clip.age", identity) for identity, _ in people]
    assert [one.returncode for one in found] == [0, 0, 1]
    assert [one.stdout for one in found] == [DATA, DATA, b""]
    for identity, _ in people[:2]:
        with open_sealed(tmp_path / "clip.age", [people[2][0], identity]) as file:
            assert file.read() == DATA
    with pytest.raises(Missing, match="sealed to others"), open_sealed(tmp_path / "clip.age", [people[2][0]]):
        pass


@NEEDS_AGE
def test_we_open_what_age_sealed(tmp_path: Path) -> None:
    identity, recipient = keygen(tmp_path, "key")
    (tmp_path / "x.age").write_bytes(encrypt(DATA, recipient))
    with open_sealed(tmp_path / "x.age", [identity], folder=tmp_path) as file:
        assert file.read() == DATA
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key", "x.age"]  # no name for what was opened


def test_nobody_is_named_in_a_sealed_file() -> None:
    assert RECIPIENT.encode() not in sealed(DATA)
    assert sealed(DATA) != sealed(DATA)


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), DockError("the disk is full")])
def test_the_readers_and_the_writers_own_errors_come_through(at: int, error: Exception) -> None:
    def fail(*_: object) -> Any:
        raise error

    plain = b"x" * (3 << 20)
    for data, act in ((plain, age.AgeSealer((RECIPIENT,)).seal), (sealed(plain), _open)):
        read, write = (fail, lambda piece: None) if at == 0 else (io.BytesIO(data).read, fail)
        with pytest.raises(type(error)) as caught:
            act(read, write)
        assert caught.value is error


def _open(read: age.Read, write: age.Write) -> None:
    age.open_stream(read, write, (SECRET,))


def test_other_threads_run_while_a_long_clip_is_sealed() -> None:
    """A dock that seals 2 GiB must go on reading cameras: a binding that keeps the interpreter would stop it."""
    steps, going = 0, threading.Event()

    def count() -> None:
        nonlocal steps
        while not going.wait(0.001):
            steps += 1

    other = threading.Thread(target=count)
    other.start()
    left = 128

    def read(size: int) -> bytes:
        nonlocal left
        left -= 1
        return bytes(size) if left else b""

    age.AgeSealer((RECIPIENT,)).seal(read, lambda data: None)
    going.set()
    other.join()
    assert steps > 10


def test_memory_does_not_grow_with_the_clip() -> None:
    """Peak memory of a process that seals 512 MiB: what it takes without, and a few pieces."""
    code = f"""
import resource
from dockagent.sealing.age import AgeSealer
sealer, left = AgeSealer(({RECIPIENT!r},)), 512
def read(size):
    global left
    left -= 1
    return bytes(size) if left else b""
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sealer.seal(read, lambda data: None)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    grown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert int(grown.stdout) < 32 << 10  # KiB


# ---- identities -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no identity"),
        ("# only a comment\n", "no identity"),
        ("age-encryption.org/v1\n-> scrypt", "encrypted itself"),
        ("AGE-SECRET-KEY-1QQQQ", "no age identity"),
        (RECIPIENT, "no age identity"),
        ("AGE-PLUGIN-YUBIKEY-1QQ", "no age identity"),
    ],
    ids=range(6),
)
def test_a_file_that_is_no_identity_is_named_and_never_quoted(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "key").write_text(text)
    with pytest.raises(UsageError, match=words) as caught:
        read_identities([tmp_path / "key"])
    assert "QQQQ" not in str(caught.value)


def test_an_identity_that_is_not_there_or_is_no_text_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    for name in ("bytes", "nowhere"):
        with pytest.raises(UsageError, match="cannot read the identity"):
            read_identities([tmp_path / name])


def test_what_is_sealed_is_missing_without_an_identity(tmp_path: Path) -> None:
    (tmp_path / "x.age").write_bytes(sealed(DATA))
    with pytest.raises(Missing, match="--identity"), open_sealed(tmp_path / "x.age", []):
        pass
