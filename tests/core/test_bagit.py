"""The texts of a bag: RFC 8493's own words, and what two readers could take in two ways."""

import pytest

from dockagent.core.disclosure import bagit
from dockagent.errors import Refused

DIGEST = "ab" * 32


@pytest.mark.parametrize("name", ["data/a", "data/100% sure.txt", "data/é/ü.mp4", "data/a\rb"])
def test_names_come_back_as_they_were(name: str) -> None:
    if "\r" in name:  # written with its escape, and refused when it is read: no bag of ours has such a name
        assert b"%0D" in bagit.manifest({name: DIGEST})
        with pytest.raises(Refused):
            bagit.parse_manifest(bagit.manifest({name: DIGEST}), "manifest-sha256.txt")
        return
    assert bagit.parse_manifest(bagit.manifest({name: DIGEST}), "manifest-sha256.txt").digests == {name: DIGEST}


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_every_line_end_of_the_rfc_is_read(ending: str) -> None:
    text = ending.join([f"{DIGEST}  data/a", f"{DIGEST}  data/b", ""]).encode()
    assert set(bagit.parse_manifest(text, "manifest-sha256.txt").digests) == {"data/a", "data/b"}


@pytest.mark.parametrize("line", [f"{DIGEST} *data/a", f"{DIGEST}\tdata/a", f"{DIGEST.upper()}  data/a"])
def test_other_forms_are_read_and_said(line: str) -> None:
    listed = bagit.parse_manifest(f"{line}\n".encode(), "manifest-sha256.txt")
    assert (listed.digests, len(listed.odd)) == ({"data/a": DIGEST}, 1)


@pytest.mark.parametrize(
    "name",
    [
        *("/etc/passwd", "../a", "data/../../a", "data//a", "data/./a", "~/a", "~root/a", "C:/a", "data\\a", "data/"),
        *("data/a\x00b", "data/a\x1bb", "data/%0Ab", "data/a\u2028b"),
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(Refused):
        bagit.parse_manifest(f"{DIGEST}  {name}\n".encode(), "manifest-sha256.txt")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"{DIGEST}  data/a\n{DIGEST}  data/a\n", "twice"),
        (f"{DIGEST}  data/a\n{DIGEST}  data/A\n", "one file on many disks"),
        (f"{DIGEST}  data/\u00e9\n{DIGEST}  data/e\u0301\n", "one file on many disks"),
        (f"{DIGEST}  ./data/a\n{DIGEST}  data/a\n", "twice"),
        (f"{DIGEST[:-2]}  data/a\n", "no digest"),
        (f"{DIGEST}\n", "no digest"),
        ("\ufeff", "byte order mark"),
    ],
)
def test_a_list_that_can_be_read_in_two_ways_is_refused(text: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        bagit.parse_manifest(text.encode(), "manifest-sha256.txt")


def test_a_list_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(Refused, match="not UTF-8"):
        bagit.parse_manifest(f"{DIGEST}  data/".encode() + b"\xff\n", "manifest-sha256.txt")


def test_notes_are_folded_and_come_back() -> None:
    fields = (("Source-Organization", "North Police"), ("External-Description", "a word " * 40 + "end"), ("Empty", ""))
    text = bagit.info(fields)
    assert max(map(len, text.decode().splitlines())) <= 79
    assert bagit.parse_info(text) == (fields[0], (fields[1][0], ("a word " * 40 + "end")))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"BagIt-Version: 2.0\nTag-File-Character-Encoding: UTF-8\n",
        b"BagIt-Version: 1.0\n",
        b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-16\n",
        b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\nMore: 1\n",
    ],
)
def test_another_declaration_is_refused(text: bytes) -> None:
    with pytest.raises(Refused):
        bagit.parse_declaration(text)


def test_the_declaration_is_ours() -> None:
    assert bagit.parse_declaration(bagit.DECLARATION) == "1.0"
    assert bagit.parse_declaration(b"BagIt-Version: 0.97\r\nTag-File-Character-Encoding: utf-8\r\n") == "0.97"
