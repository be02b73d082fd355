"""Bags by others and bags that lie: checked as bags, and never taken for more. Made by hand and by Library of Congress
``bagit.py``; what that takes and we refuse, is said."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dockagent.evidence.report import Report
from dockagent.evidence.verify import verify

DECLARATION = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def bag(folder: Path, **changed: str | bytes | None) -> Path:
    """A small good bag; ``changed``: other texts for its tag files (None: without), by stem with _ for -."""
    (folder / "data" / "sub").mkdir(parents=True)
    files = {"data/a.txt": b"first\n", "data/sub/b.txt": b"second\n"}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    tags: dict[str, str | bytes | None] = {
        "bagit": DECLARATION,
        "bag_info": "Source-Organization: Somebody\nPayload-Oxum: 13.2\n",
        "manifest_sha256": "".join(f"{digest(data)}  {name}\n" for name, data in files.items()),
        **{name: text for name, text in changed.items() if not name.startswith("tag")},
    }
    for name, text in tags.items():
        if text is not None:
            data = text if isinstance(text, bytes) else text.encode()
            (folder / f"{name.replace('_', '-')}.txt").write_bytes(data)
    listed = sorted(one.name for one in folder.iterdir() if one.is_file())
    tag = "".join(f"{digest((folder / one).read_bytes())}  {one}\n" for one in listed)
    tag_text = changed.get("tagmanifest_sha256", tag)
    if tag_text is not None:
        (folder / "tagmanifest-sha256.txt").write_bytes(tag_text if isinstance(tag_text, bytes) else tag_text.encode())
    return folder


def only(folder: Path) -> Report:
    reports = verify(folder, None)
    assert len(reports) == 1
    return reports[0]


def words(report: Report) -> tuple[str, str]:
    return report.verdicts["intact"].word, report.verdicts["complete"].word


def test_a_good_bag_of_others_is_said_to_be_unsigned(tmp_path: Path) -> None:
    report = only(bag(tmp_path / "bag"))
    assert words(report) == ("pass", "pass")
    assert report.verdicts["signature"].word == "unsigned"
    assert (report.kind, report.exit_code) == ("bag", 3)
    assert "no disclosure package" in report.facts[0]


def test_bags_of_the_library_of_congress_are_what_they_are(tmp_path: Path) -> None:
    bagit = Path(sys.executable).with_name("bagit.py")
    if not bagit.is_file():
        pytest.skip("bagit.py is absent; install bagit")
    folder = tmp_path / "bag"
    folder.mkdir()
    (folder / "100% é.txt").write_bytes(b"x")
    subprocess.run([bagit, "--sha256", "--sha512", "--quiet", folder], check=True)
    report = only(folder)
    assert words(report) == ("pass", "pass")
    assert any("0.97" in finding for finding in report.findings)
    assert subprocess.run([bagit, "--validate", "--quiet", bag(tmp_path / "ours")], check=False).returncode == 0


Change = Callable[[Path], object]


def lines(folder: Path, change: Callable[[str], str], name: str = "manifest-sha256.txt") -> None:
    file = folder / name
    file.write_text(change(file.read_text()))


def escape(name: str) -> Change:
    return lambda folder: lines(folder, lambda text: text + f"{'0' * 64}  {name}\n")


CHANGES: dict[str, tuple[Change, str]] = {
    "a byte": (lambda at: (at / "data/a.txt").write_bytes(b"First\n"), "intact"),
    "a byte of a tag file": (lambda at: (at / "bag-info.txt").write_text("Payload-Oxum: 13.2\n"), "intact"),
    "a file gone": (lambda at: (at / "data/a.txt").unlink(), "complete"),
    "a stray payload file": (lambda at: (at / "data/c.txt").write_text("c"), "complete"),
    "a stray tag file": (lambda at: (at / "notes.txt").write_text("c"), "complete"),
    "a stray file in a tag folder": (lambda at: bag(at / "m"), "complete"),
    "a link in the payload": (lambda at: (at / "data/l").symlink_to("a.txt"), "intact"),
    "a link for a folder": (lambda at: (at / "data/f").symlink_to("/etc"), "intact"),
    "a pipe": (lambda at: os.mkfifo(at / "data/p"), "intact"),
    "an escape": (escape("../outside"), "intact"),
    "an escape inside": (escape("data/../../outside"), "intact"),
    "an absolute path": (escape("/etc/passwd"), "intact"),
    "a home": (escape("~/x"), "intact"),
    "a backslash": (escape("data\\a.txt"), "intact"),
    "a double": (lambda at: lines(at, lambda text: text + text.splitlines(keepends=True)[0]), "intact"),
    "another case": (lambda at: lines(at, lambda text: text + text.replace("a.txt", "A.txt")), "intact"),
    "two files of one name": (lambda at: (at / "data/A.txt").write_bytes(b"first\n"), "intact"),
    "no list": (lambda at: (at / "manifest-sha256.txt").unlink(), "complete"),
    "a list that is no text": (lambda at: (at / "manifest-sha256.txt").write_bytes(b"\xff\xfe"), "intact"),
    "a list of the other kind": (lambda at: lines(at, lambda text: text + f"{'0' * 64}  bagit.txt\n"), "intact"),
    "fetch.txt": (lambda at: (at / "fetch.txt").write_text("http://a.example/x 1 data/x\n"), "complete"),
    "another version": (lambda at: lines(at, lambda text: text.replace("1.0", "3.0"), "bagit.txt"), "intact"),
    "a name that is not UTF-8": (lambda at: Path(os.fsdecode(os.fsencode(at) + b"/data/\xff")).touch(), "intact"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_bag_that_lies_is_refuted(tmp_path: Path, name: str) -> None:
    change, aspect = CHANGES[name]
    folder = bag(tmp_path / "bag")
    change(folder)
    report = only(folder)
    assert report.verdicts[aspect].word == "fail", report.verdicts
    assert report.exit_code == 1


def test_an_oxum_that_is_wrong_is_refuted(tmp_path: Path) -> None:
    report = only(bag(tmp_path / "bag", bag_info="Payload-Oxum: 14.2\n"))
    assert words(report) == ("pass", "fail")


def test_without_a_tag_manifest_nothing_speaks_for_the_lists(tmp_path: Path) -> None:
    report = only(bag(tmp_path / "bag", tagmanifest_sha256=None))
    assert words(report) == ("pass", "pass")
    assert any("no tag manifest" in finding for finding in report.findings)


def test_weak_lists_alone_are_said(tmp_path: Path) -> None:
    made = bag(tmp_path / "bag", tagmanifest_sha256=None, manifest_sha256=None)
    names = ("data/a.txt", "data/sub/b.txt")
    md5 = [f"{hashlib.md5((made / one).read_bytes(), usedforsecurity=False).hexdigest()}  {one}\n" for one in names]
    (made / "manifest-md5.txt").write_text("".join(md5))
    report = only(made)
    assert words(report) == ("pass", "pass")
    assert any("can be forged" in finding for finding in report.findings)


def test_line_ends_of_others_are_read(tmp_path: Path) -> None:
    made = bag(tmp_path / "bag", tagmanifest_sha256=None)
    for name in ("bagit.txt", "manifest-sha256.txt", "bag-info.txt"):
        (made / name).write_bytes((made / name).read_bytes().replace(b"\n", b"\r\n"))
    assert words(only(made)) == ("pass", "pass")


def test_a_folder_of_bags_is_a_report_for_each(tmp_path: Path) -> None:
    bag(tmp_path / "one")
    bag(tmp_path / "two")
    assert [report.kind for report in verify(tmp_path, None)] == ["bag", "bag"]


def test_a_folder_without_a_declaration_is_no_bag(tmp_path: Path) -> None:
    made = bag(tmp_path / "bag", tagmanifest_sha256=None)
    (made / "bagit.txt").unlink()
    (report,) = verify(made, None)
    assert report.exit_code != 0
    assert "bagit.txt is not there" in str(report)


@pytest.mark.parametrize("name", ["tagmanifest-letter.html", "tagmanifest-x/letter.html", "letter.html"])
def test_a_file_that_only_looks_listed_is_too_much(tmp_path: Path, name: str) -> None:
    """Also one that is called as a tag manifest is, or that has a tag manifest of its own."""
    folder = bag(tmp_path / "bag")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"said to be from the agency")
    if name == "letter.html":
        weak = hashlib.md5(b"said to be from the agency", usedforsecurity=False).hexdigest()
        (folder / "tagmanifest-md5.txt").write_text(f"{weak}  {name}\n")
    report = only(folder)
    assert words(report) == ("pass", "fail")
    assert f"{name!r} is in no line of tagmanifest-sha256.txt" in report.verdicts["complete"].why
