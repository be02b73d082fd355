"""Trust files that cannot be read while a custodian works: whom it believed before counts, and nobody drops out."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dockagent.custodian.settings import File, Table
from dockagent.custodian.trusted import Trusted
from dockagent.errors import UsageError
from dockagent.ledger.trust import Trust
from tests.custodian.made import Folder, dock

_NOBODY = 65534


@contextmanager
def _closed(folder: Path) -> Iterator[None]:
    """While nobody may look into it: root may do all, so this process is not root meanwhile."""
    folder.chmod(0)
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(_NOBODY)
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o700)


@pytest.fixture
def etc() -> Iterator[Path]:
    """A folder that others may look into."""
    with TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.mark.parametrize("closed", ["", "docks"], ids=["all of it", "one folder of two"])
def test_a_folder_that_is_closed_while_it_runs_takes_no_dock_away(
    folder: Folder, tmp_path: Path, etc: Path, caplog: pytest.LogCaptureFixture, closed: str
) -> None:
    first, second = dock(folder, tmp_path), dock(folder, tmp_path, "dock-8", 8)
    (etc / "docks").mkdir()
    (etc / "docks" / "first.json").write_bytes(Trust(docks=first.keys.docks).encode())
    (etc / "second.json").write_bytes(Trust(docks=second.keys.docks).encode())
    trusted = Trusted(File(custodian=Table(trust=(str(etc / "docks"), str(etc / "second.json")))))
    caplog.set_level(logging.WARNING)
    with _closed(etc / closed):
        for _ in range(2):
            assert {one.id for one in trusted.read_again().docks} == {"dock-7", "dock-8"}
    (said,) = caplog.messages
    assert f"cannot read the trust file {etc / 'docks'}: Permission denied; check trust of [custodian]" in said
    assert {one.id for one in trusted.read_again().docks} == {"dock-7", "dock-8"}
    (etc / "second.json").unlink()
    assert len(trusted.read_again().docks) == 2
    assert len(caplog.messages) == 2


def test_a_name_that_no_file_can_have_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read the trust file .*: File name too long"):
        Trusted(File(custodian=Table(trust=(str(tmp_path / ("x" * 300)),))))
