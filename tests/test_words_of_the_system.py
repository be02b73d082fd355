"""Mistakes in files that a person wrote or named are said in words: no errno, no type of a programming language."""

import ssl
from pathlib import Path

import pytest

from dockagent import config
from dockagent.core.events.permit import Erased
from dockagent.core.model import State
from dockagent.core.permits.permit_words import TOLD
from dockagent.custodian import server
from dockagent.daemon import certificates_in
from dockagent.errors import UsageError
from dockagent.ledger.conversation import tls


def mistake_in(tmp_path: Path, text: str) -> str:
    (tmp_path / "d.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        config.officers_of(config.load(tmp_path / "d.toml"))
    return str(caught.value).replace(str(tmp_path), "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[witnesses]\nquorum = "2"\n', "there is text where a whole number belongs (at witnesses.quorum)"),
        ("[store]\nurl = 3\n", "there is a whole number where text belongs (at store.url)"),
        ('[erase]\nwhen = "now"\n', "'now' is none of the words that may stand there (at erase.when)"),
        ("store = []\n", "there is a list where a table belongs (at store)"),
    ],
)
def test_a_value_of_another_kind(tmp_path: Path, text: str, said: str) -> None:
    assert mistake_in(tmp_path, text) == f"mistake in /d.toml: {said}; see docs/configuration.md for every key"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    said = mistake_in(tmp_path, f'[officers]\nkeep = "keyed"\nkey_file = "{absent}"\n')
    assert said.startswith("cannot read the secret /absent: No such file or directory; check key_file in [officers]")
    for act, named in (
        (lambda: tls(str(absent), "custodian"), "ca_file in [custodian]"),
        (lambda: tls("", "witnesses", (str(absent), "")), "client_cert_file and client_key_file in [witnesses]"),
        (lambda: certificates_in([str(absent)], "roots of [timestamps]"), "roots of [timestamps]"),
        (lambda: server.tls_of(str(absent), str(absent), ""), "cert_file, key_file and client_ca_file in [service]"),
    ):
        with pytest.raises(UsageError, match="No such file or directory") as caught:
            act()
        assert "Errno" not in str(caught.value)
        assert str(absent) in str(caught.value)
        assert named in str(caught.value)


def test_a_file_that_holds_something_else(tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_text("no PEM")
    for act in (
        lambda: tls(str(other), "custodian"),
        lambda: tls("", "custodian", (str(other), str(other))),
        lambda: certificates_in([str(other)], "roots"),
        lambda: server.tls_of(str(other), str(other), ""),
    ):
        with pytest.raises(UsageError, match=r"other\.pem") as caught:
            act()
        for raw in ("_ssl.c", "[SSL", "PEM lib", "https://cryptography"):
            assert raw not in str(caught.value), caught.value
        assert isinstance(caught.value.__cause__, ssl.SSLError | ValueError)


@pytest.mark.parametrize(("before", "after", "said"), [(10, 4106, ", 4096 bytes more free"), (10, -1, "")])
def test_room_that_an_erasing_made(before: int, after: int, said: str) -> None:
    assert _told(before, after).endswith(f"(FAT, permit){said}")


def test_room_that_it_took_is_no_negative_gain() -> None:
    assert _told(8192, 4096).endswith(", 4096 bytes less free: the card wrote meanwhile")


def _told(before: int, after: int) -> str:
    event = Erased("s1", 5, "c1", "p1", "permit", "FAT", (), (), before, after)
    return TOLD[Erased](event, State())
