"""What tests of the desk need: a home with a ledger of its own, other users, and a place that they can reach."""

import codecs
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dockagent.core import custody
from dockagent.core import events as ev
from dockagent.durable import RealDisk
from dockagent.ledger.keys import Keys, read_sets
from dockagent.ledger.keys_lineage import Lineage
from dockagent.ledger.log import Ledger
from tests.core.story import Story

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


@contextmanager
def public_place() -> Iterator[Path]:
    """A folder that other users can reach, which pytest's own are not."""
    place = Path(tempfile.mkdtemp(prefix="desk-"))
    place.chmod(0o755)
    try:
        yield place
    finally:
        shutil.rmtree(place)


def home_with(place: Path, story: Story) -> Path:
    """A dock's home whose ledger tells this story."""
    home = RealDisk(place / "home").root
    keys = Keys.create(RealDisk(home / "keys"), "dock-7")
    with Ledger.open(RealDisk(home / "ledger"), keys) as ledger:
        ledger.append(story.payloads)
        ledger.checkpoint()
    return home


def told(home: Path) -> list[ev.Event]:
    """The events of a ledger."""
    keys = Lineage(read_sets(RealDisk(home / "keys")))
    return [custody.event_of(one)[0] for one in Ledger.read(RealDisk(home / "ledger"), keys)]


def as_user(uid: int, act: Callable[[], str]) -> str:
    """What ``act`` returns in a process of that user and of no group of ours. Fails where it raised."""
    codecs.lookup("ascii")  # that user may not be able to read where our Python lies, to load what is still missing
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            os.write(theirs, act().encode())
            code = 0
        finally:
            os._exit(code)  # nothing of the test's own end may happen twice
    os.close(theirs)
    with os.fdopen(ours, encoding="utf-8") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, f"user {uid} could not do it"
    return answer
