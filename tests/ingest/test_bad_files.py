"""What lies on a card and is no ordinary clip: it is pulled if it is a file, and never followed, opened or waited for
if it is not.
"""

import os
import socket
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ingest.bench import Station, assert_delivered, place, sha256, tree

GOOD = "DCIM/100VIDEO/GOOD0001.MP4"


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """A card with one good clip."""
    place(tmp_path / "card", GOOD, b"a good clip")
    return tmp_path / "card"


@pytest.fixture
def station(tmp_path: Path) -> Station:
    return Station(tmp_path / "dock")


@pytest.fixture
def odd_card(card: Path, tmp_path: Path) -> Iterator[Path]:
    """Beside the good clip: links, a FIFO, a socket and, for root, device nodes, all of them named like clips."""
    secret = place(tmp_path, "outside/secret.MP4", b"not on the card")
    folder = card / "DCIM" / "100VIDEO"
    (folder / "LINK0001.MP4").symlink_to("/etc/passwd")
    (folder / "LINK0002.MP4").symlink_to(secret)
    (folder / "LINK0003.MP4").symlink_to(folder / "LINK0003.MP4")
    (folder / "LINK0004.MP4").symlink_to("GOOD0001.MP4")
    (card / "DCIM" / "101VIDEO").symlink_to(secret.parent)
    (card / "DCIM" / "102VIDEO").symlink_to(card)
    os.mkfifo(folder / "FIFO0001.MP4")
    devices = [("ZERO0001.MP4", 1, 5), ("TTY00001.MP4", 5, 0), ("LOOP0001.MP4", 7, 99)] if os.geteuid() == 0 else []
    for name, major, minor in devices:
        kind = stat.S_IFBLK if name.startswith("LOOP") else stat.S_IFCHR
        os.mknod(folder / name, 0o666 | kind, os.makedev(major, minor))
    with listening(folder / "SOCK0001.MP4"):
        yield card


def test_what_is_not_a_file_is_never_opened(odd_card: Path, station: Station, tmp_path: Path) -> None:
    place(odd_card, "DCIM/100VIDEO/DIRE0001.MP4/INSIDE.MP4", b"in a folder that is named like a clip")
    (odd_card / "DCIM/100VIDEO/DIRE0002.MP4").mkdir()
    run = station.ingest(odd_card)
    assert set(run.rows) == {GOOD, "DCIM/100VIDEO/DIRE0001.MP4/INSIDE.MP4"}
    assert run.code in (0, 3), run.err
    assert_delivered(run, odd_card, station)
    digests = {sha256(path) for path in station.folder.rglob("*") if path.is_file()}
    assert not digests & {sha256(tmp_path / "outside/secret.MP4"), sha256(Path("/etc/passwd"))}


def test_what_is_named_like_a_clip_and_left_out_is_told_of(odd_card: Path, station: Station) -> None:
    run = station.ingest(odd_card)
    told = {*run.skipped, *(finding["path"] for finding in run.report["findings"])}
    odd = {path.relative_to(odd_card).as_posix() for path in odd_card.glob("DCIM/100VIDEO/*")} - {GOOD}
    assert odd <= told, "not delivered, and no reason given anywhere"


@contextmanager
def listening(path: Path) -> Iterator[None]:
    """A socket at ``path``, bound by its short name, for names of sockets have to be short."""
    here = Path.cwd()
    with socket.socket(socket.AF_UNIX) as ear:
        os.chdir(path.parent)
        try:
            ear.bind(path.name)
        finally:
            os.chdir(here)
        yield


def test_empty_files_keep_their_own_names(card: Path, station: Station) -> None:
    for name in ("ZERO0001.MP4", "ZERO0002.MP4", "ZERO0003.JPG"):
        place(card, f"DCIM/100VIDEO/{name}", b"")
    run = station.ingest(card)
    assert run.code == 3
    assert "empty-clip" in run.codes
    assert len(run.rows) == 4
    assert set(run.states().values()) == {"delivered"}
    assert run.rows["DCIM/100VIDEO/ZERO0001.MP4"]["bytes"] == 0
    assert_delivered(run, card, station)


def test_the_same_bytes_under_two_names_keep_their_roles(card: Path, station: Station) -> None:
    """One object in the store; two files on the card, each with its own role and recording."""
    names = ("CLIP0001.JPG", "CLIP0002.MP4", "CLIP0003.MP4")
    for name in names:
        place(card, f"DCIM/100VIDEO/{name}", b"the same bytes")
    os.link(card / "DCIM/100VIDEO/CLIP0002.MP4", card / "DCIM/100VIDEO/CLIP0004.MP4")
    run = station.ingest(card)
    assert run.code == 0
    assert len(run.rows) == 5
    assert len(station.masters()) == 2
    assert_delivered(run, card, station)
    for name in names:
        row = run.rows[f"DCIM/100VIDEO/{name}"]
        assert row["recording"] == f"DCIM/100VIDEO/{name[:8]}".upper(), row
        assert row["role"] == ("footage" if name.endswith(".MP4") else row["role"]), row


def test_a_sparse_file(card: Path, station: Station) -> None:
    big = card / "DCIM/100VIDEO/HOLE0001.MP4"
    with big.open("wb") as file:
        file.seek(1 << 20)
        file.write(b"data in the middle")
        file.truncate(1 << 29)
    run = station.ingest(card)
    assert run.code == 0, run.err
    assert_delivered(run, card, station)
    assert not station.spooled()


def test_a_folder_and_a_file_that_may_not_be_read() -> None:
    """As root nothing is unreadable, so the whole command runs as nobody then, in a place that nobody may enter."""
    with tempfile.TemporaryDirectory(prefix="ingest-") as open_to_all:
        card, station, prefix = Path(open_to_all, "card"), Station(Path(open_to_all, "dock")), []
        place(card, GOOD, b"a good clip")
        place(card, "DCIM/101VIDEO/SECR0001.MP4", b"in a closed folder").parent.chmod(0)
        place(card, "DCIM/100VIDEO/SECR0002.MP4", b"a closed file").chmod(0)
        if os.geteuid() == 0:
            prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
            Path(open_to_all).chmod(0o755)
            os.chown(station.folder, 65534, 65534)
        run = station.ingest(card, prefix=prefix)
        (card / "DCIM/101VIDEO").chmod(0o755)
        assert run.code == 1, (run.out, run.err)
        assert GOOD in run.rows, run.report["reason"]
        assert run.rows[GOOD]["state"] == "delivered"
        assert run.rows["DCIM/100VIDEO/SECR0002.MP4"]["state"] == "failed"
        assert "ermission" in run.rows["DCIM/100VIDEO/SECR0002.MP4"]["reason"]
        assert any("101VIDEO" in finding["text"] for finding in run.report["findings"])
        assert not run.report["safe_to_take"]


def test_deep_folders(card: Path, station: Station) -> None:
    deep = "/".join(["d" * 50] * 60)
    place(card, f"{deep}/DEEP0001.MP4", b"deep")
    here = Path.cwd()
    os.chdir(card)
    try:
        for _ in range(200):  # beyond PATH_MAX, as a damaged file system shows it
            Path("e" * 100).mkdir()
            os.chdir("e" * 100)
        Path("BEYOND01.MP4").write_bytes(b"nobody can name this file")
    finally:
        os.chdir(here)
    run = station.ingest(card)
    assert run.rows[f"{deep}/DEEP0001.MP4"]["state"] == "delivered", run.err
    assert run.code in (1, 3), "a file too deep to be read must be told of"
    assert run.report["findings"]


@pytest.mark.parametrize("pause_s", [0.0005, 0.02])
def test_a_file_that_grows_while_it_is_read(pause_s: float, card: Path, station: Station) -> None:
    """Written without pause it changes while it is read; written now and then, only between reading and release."""
    growing = place(card, "DCIM/100VIDEO/GROW0001.MP4", b"start")
    stop = threading.Event()

    def write() -> None:
        with growing.open("ab", buffering=0) as file:
            while not stop.wait(pause_s):
                file.write(b"more" * 1000)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        run = station.ingest(card)
    finally:
        stop.set()
        writer.join()
    assert run.rows[GOOD]["state"] == "delivered"
    again = station.ingest(card)
    assert again.rows["DCIM/100VIDEO/GROW0001.MP4"]["sha256"] == sha256(growing)
    assert again.code in (0, 3)
    assert_delivered(again, card, station)
    assert run.code in (1, 3), "SAFE TO TAKE with half of a file that is still being written"


def test_files_that_come_and_go_during_the_ingest(card: Path, station: Station) -> None:
    for number in range(30):
        place(card, f"DCIM/100VIDEO/VANI{number:04}.MP4", b"%d" % number * 300_000)
    last = card / "DCIM/100VIDEO/VANI0029.MP4"
    with when_pulling(station, last.unlink):
        run = station.ingest(card)
    assert not last.exists()
    gone = run.rows.get("DCIM/100VIDEO/VANI0029.MP4")
    assert gone is None or gone["state"] == "failed", gone
    others = [path for path in run.rows if not path.endswith("VANI0029.MP4")]
    assert len(others) == 30
    assert_delivered(run, card, station, others)
    assert run.code in (1, 3), "a listed file that vanished must be told of"


def test_a_card_that_is_taken_away_during_the_ingest(card: Path, station: Station) -> None:
    for number in range(40):
        place(card, f"DCIM/100VIDEO/CLIP{number:04}.MP4", b"%d" % number * 400_000)
    elsewhere = card.with_name("taken")
    before = tree(card)
    with when_pulling(station, lambda: card.rename(elsewhere)):
        run = station.ingest(card)
    assert run.code == 1, run.out
    assert "KEEP" not in run.err
    elsewhere.rename(card)
    assert tree(card) == before
    again = station.ingest(card)
    assert again.code == 0
    assert len(again.rows) == 41
    assert_delivered(again, card, station)
    assert len(station.masters()) == 41
    station.verify()


@contextmanager
def when_pulling(station: Station, act: Callable[[], object]) -> Iterator[None]:
    """Do something to the card at the moment when the first part of a file appears in the spool."""
    parts, stop = station.home / "spool" / "parts", threading.Event()

    def watch() -> None:
        while not stop.wait(0.0005):
            if parts.is_dir() and any(parts.iterdir()):
                act()
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()
