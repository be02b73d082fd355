"""What is kept of checked receipts is a cache: whatever becomes of its file costs a read of each, and no more."""

import logging
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dockagent.custodian.known import FILE, Known
from dockagent.durable import RealDisk

_NOBODY = 65534


@pytest.mark.parametrize("left", [3, 16 + 3, 16 + 8 + 5], ids=["of the key", "of the first row", "of a later row"])
def test_what_a_full_disk_cut_off_spoils_nothing_that_comes_after(tmp_path: Path, left: int) -> None:
    home = RealDisk(tmp_path)
    first, names = Known(home), [f"receipt {number}" for number in range(4)]
    for name in names[:2]:
        first.note(name)
    first.keep()
    home.truncate(FILE, left)
    for name in names[2:]:
        first.note(name)
    first.keep()
    again = Known(home)
    assert all(again.has(name) for name in names[2:])
    assert (home.size(FILE) or 0) % 8 == 0


def test_one_that_cannot_be_read_is_said_once_and_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    home = RealDisk(tmp_path)
    (tmp_path / FILE).mkdir()
    known = Known(home)
    caplog.set_level(logging.WARNING)
    for _ in range(3):
        assert not known.has("a receipt")
        known.note("another")
        assert known.has("another")
        with pytest.raises(OSError):
            known.keep()
    assert len(caplog.messages) == 1
    assert "are read again" in caplog.messages[0]
    (tmp_path / FILE).rmdir()
    known.keep()
    assert Known(home).has("another")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to have another user's file")
def test_one_that_is_another_users_is_replaced() -> None:
    with TemporaryDirectory() as made:
        home = RealDisk(Path(made) / "receipts")
        theirs = Known(home)
        theirs.note("a receipt")
        theirs.keep()
        (home.root / FILE).chmod(0o600)
        for path in (Path(made), home.root):
            os.chown(path, _NOBODY, _NOBODY)
        os.seteuid(_NOBODY)
        try:
            mine = Known(home)
            assert not mine.has("a receipt")
            mine.note("another")
            mine.keep()
            assert Known(home).has("another")
        finally:
            os.seteuid(0)
