"""What a custodian who is killed while he adds to a folder leaves there, and who clears it."""

import subprocess
import sys
from pathlib import Path

import pytest

from dockagent.durable import RealDisk
from dockagent.stores.archive import FolderArchive
from dockagent.stores.directory import DirectoryStore
from tests.custodian.made import Folder

KEY = "clips/BWC-0001/2026/11/22/c1/receipt.json"
KILLED_WHILE_IT_ADDS = """
import resource, signal, sys
from pathlib import Path
from dockagent.stores.archive import FolderArchive
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
root = Path(sys.argv[1])
FolderArchive(root.as_uri(), root, sys.argv[2]).add(sys.argv[3], bytes(5000))
"""


def killed(root: Path, writer: str) -> str:
    """Have the kernel kill a custodian in the middle of a write; the name of the file that he leaves."""
    before = set(root.iterdir())
    done = subprocess.run([sys.executable, "-c", KILLED_WHILE_IT_ADDS, root, writer, KEY], timeout=60, check=False)
    assert done.returncode < 0
    (left,) = set(root.iterdir()) - before
    return left.name


@pytest.fixture
def root(folder: Folder) -> Path:
    return folder.root


def test_his_next_write_clears_it_and_leaves_that_of_others(root: Path) -> None:
    """Another custodian's, and a dock's, may be under way."""
    ours, theirs = killed(root, "0a1b2c3d"), killed(root, "0a1b2c3")
    (root / ".part-0123456789abcdef").write_bytes(b"a dock is writing this")
    FolderArchive(root.as_uri(), root, "0a1b2c3d").add(KEY, b"the receipt")
    assert (root / KEY).read_bytes() == b"the receipt"
    assert not (root / ours).exists()
    assert (root / theirs).exists()
    assert (root / ".part-0123456789abcdef").exists()


def test_it_is_cleared_once_and_not_at_each_write(root: Path) -> None:
    """What lies there in his name later is of a write that he is at, in another thread."""
    archive = FolderArchive(root.as_uri(), root, "0a1b2c3d")
    archive.add(KEY, b"the receipt")
    later = killed(root, "0a1b2c3d")
    archive.add(KEY.replace("c1", "c2"), b"another")
    assert (root / later).exists()


def test_a_dock_that_starts_over_the_folder_clears_all(root: Path) -> None:
    left = killed(root, "0a1b2c3d")
    DirectoryStore(RealDisk(root), root.as_uri())
    assert not (root / left).exists()
