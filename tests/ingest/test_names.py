"""Names that a camera, a person or an attacker gave to files: every one is delivered and shown without harm."""

import json
import os
import pty
import re
import select
import subprocess
import time
from pathlib import Path

import pytest

from tests.corpus import corpus
from tests.ingest.bench import PATIENCE_S, Station, assert_delivered, place

FOLDER = b"DCIM/100VIDEO/"
BAD = (
    b"new\nline.MP4",
    b"\nfirst.MP4",
    b"tab\tand\rreturn.MP4",
    b"\x1b]0;title\x07\x1b[31mred.MP4",
    b"not-utf8-\xff\xfe\x80.MP4",
    b"latin1-\xe9t\xe9.MP4",
    b"-rf.MP4",
    b"--help.MP4",
    b"-.MP4",
    b".hidden.MP4",
    b"...MP4",
    b"....MP4",
    b".. .MP4",
    b" leading.MP4",
    b"two  spaces .MP4",
    b"100%.MP4",
    b"%41.MP4",
    b"%2F%2e%2e%0A.MP4",
    b"%s%n{0}{dir}.MP4",
    b'it\'s "quoted" `id` $(id) ; rm.MP4',
    b"back\\slash.MP4",
    b"[bold]markup[/bold].MP4",
    "rtl-\u202egpj.MP4".encode(),
    "zero\u200bwidth\ufeff.MP4".encode(),
    "line\u2028separator.MP4".encode(),
    "c1\u0085\u009b31m.MP4".encode(),
    "combining-e\u0301.MP4".encode(),
    "combining-\u00e9.MP4".encode(),
    "emoji-\U0001f46e\u200d\u2640\ufe0f.MP4".encode(),
    b"colon:star*quest?pipe|.MP4",
    b"a" * 251 + b".MP4",
    b"\xff" * 251 + b".MP4",
    "\u4e2d".encode() * 83 + b".MP4",
    b"NUL.MP4",
    b"CON",
    b"...",
    b"trailing space ",
    b"trailing dot.",
    b"file:evil.MP4",
    b"http:example.MP4",
    b"concat:a|b.MP4",
    b"%03d.MP4",
)


def test_bad_names_are_delivered(tmp_path: Path) -> None:
    card, station = tmp_path / "card", Station(tmp_path / "dock")
    for number, name in enumerate(BAD):
        place(card, FOLDER + name, b"clip %d" % number)
    run = station.ingest(card)
    assert run.code == 0, (run.code, run.err, [one for one in run.report["findings"] if one["severity"] == "warning"])
    assert len(run.rows) == len(BAD)
    assert set(run.states().values()) == {"delivered"}
    assert_delivered(run, card, station)
    assert {"name-not-utf8", "name-unprintable"} <= run.codes
    assert len(station.masters()) == len(BAD)
    for path in station.store.rglob("*"):
        assert re.fullmatch(r"[A-Za-z0-9._~-]+", path.name), path
    station.verify()


def test_bad_names_in_every_output(tmp_path: Path) -> None:
    """As text, in the log and on a terminal: no byte of a name reaches the screen as a control character."""
    card, station = tmp_path / "card", Station(tmp_path / "dock")
    for number, name in enumerate(BAD):
        place(card, FOLDER + name, b"clip %d" % number)
    run = station.ingest(card, "--log", "debug", as_json=False)
    assert run.code == 0
    assert "[bold]markup[/bold].MP4" in run.out
    screen, code = on_terminal(Station(tmp_path / "other").argv(card, as_json=False))
    assert code == 0
    plain = re.sub(rb"\x1b\[\??[0-9;]*[a-zA-Z]", b"", screen)  # the bars move the cursor and give colours
    assert b"title\x07" not in plain
    assert b"\x1b" not in plain
    assert b"\xe2\x80\xae" not in screen


def on_terminal(argv: list[str]) -> tuple[bytes, int]:
    """What a command shows on a terminal, and its exit code."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown, deadline = b"", time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if not select.select([ours], [], [], 1)[0]:
                continue
            try:
                piece = os.read(ours, 65536)
            except OSError:
                break  # Linux: the other side is closed
            if not piece:
                break
            shown += piece
        code = process.wait(PATIENCE_S)
    os.close(ours)
    return shown, code


def test_naughty_strings_as_names(tmp_path: Path) -> None:
    card, station = tmp_path / "card", Station(tmp_path / "dock")
    strings: list[str] = json.loads(corpus("hostile", "blns.json").read_text())
    names = {
        raw + b".MP4"
        for raw in (one.encode("utf-8", "surrogatepass") for one in strings)
        if raw and b"/" not in raw and b"\0" not in raw and len(raw) <= 251
    }
    for number, name in enumerate(sorted(names)):
        place(card, b"DCIM/100BLNS/" + name, b"naughty %d" % number)
    run = station.ingest(card)
    assert run.code in (0, 3), run.err
    assert len(run.rows) == len(names) > 250
    assert set(run.states().values()) == {"delivered"}
    assert_delivered(run, card, station)


def test_bad_folder_names(tmp_path: Path) -> None:
    card, station = tmp_path / "card", Station(tmp_path / "dock")
    for number, folder in enumerate((b"...", b" ", b"-x", b"\xff\xfe", b"new\nline", b"%2e%2e", b"a" * 255)):
        place(card, folder + b"/CLIP.MP4", b"folder %d" % number)
    run = station.ingest(card)
    assert run.code == 0, run.err
    assert len(run.rows) == 7
    assert_delivered(run, card, station)


@pytest.mark.parametrize(
    "label", [b"two words", b"50%41", b"new\nline", b"\x1b[31mred", "caf\u00e9".encode(), b"caf\xe9"]
)
def test_a_card_mounted_under_any_name(label: bytes, tmp_path: Path) -> None:
    """Volume labels become mount points; FAT labels are in the code page of whoever wrote them."""
    card, station = tmp_path / os.fsdecode(label), Station(tmp_path / "dock")
    place(card, "DCIM/100VIDEO/CLIP0001.MP4", b"a clip")
    run = station.ingest(card, "--log", "info")
    assert run.code == 0, run.err
    assert_delivered(run, card, station)
