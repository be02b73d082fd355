"""``uploads.json`` as several lanes use it at once: nothing that one of them does is an error in another."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dockagent.stores.s3_pending import (
    MOST_MADE,
    ORPHANED_MS,
    Made,
    Pending,
    Uploads,
    orphaned,
    remember_made,
    unfinished,
)

LANES, EACH = 3, 60
MADE = Made("v", "e", "c")


def begun(touched_ms: int) -> Pending:
    return Pending("upload", "ab" * 32, 1, touched_ms)


def in_lanes(work: Callable[[int], None]) -> None:
    """``work(lane)`` in :data:`LANES` threads at once. Raises what the first one raised."""
    start, raised = threading.Barrier(LANES), list[BaseException]()

    def run(lane: int) -> None:
        start.wait(10)
        try:
            work(lane)
        except KeyError as err:
            raised.append(err)

    threads = [threading.Thread(target=run, args=(lane,)) for lane in range(LANES)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    if raised:
        raise raised[0]


@pytest.fixture
def uploads(tmp_path: Path) -> Iterator[Uploads]:
    """Checked afterwards: what lasts is what it said."""
    kept = Uploads(tmp_path)
    yield kept
    assert dict(Uploads(tmp_path).items()) == dict(kept.items())


def test_lanes_that_end_uploads_at_once_forget_the_same_old_ones(uploads: Uploads) -> None:
    uploads["unfinished"] = begun(0)

    def end(lane: int) -> None:
        for number in range(EACH):
            remember_made(uploads, f"{lane}/{number:02}", begun(1 + number), MADE)

    in_lanes(end)
    assert unfinished(uploads) == {"unfinished": begun(0)}
    assert len(uploads) == MOST_MADE + 1
    assert {f"{lane}/{EACH - 1}" for lane in range(LANES)} < set(uploads)


def test_lanes_that_look_for_orphans_while_others_end_and_drop_theirs(uploads: Uploads) -> None:
    def work(lane: int) -> None:
        for number in range(EACH):
            name = f"orphan/{number}"
            uploads[name] = begun(0)
            for other, _ in orphaned(uploads, ORPHANED_MS + 1):
                uploads.pop(other, None)
            remember_made(uploads, f"{lane}/{number}", begun(number), MADE)

    in_lanes(work)
    assert unfinished(uploads) == {}


def test_what_was_made_now_is_kept_also_after_the_clock_was_set_back(uploads: Uploads) -> None:
    for number in range(MOST_MADE):
        remember_made(uploads, f"{number}", begun(1_000_000 + number), MADE)
    remember_made(uploads, "now", begun(5), MADE)
    assert uploads["now"].made == MADE
    assert "0" not in uploads
    assert len(uploads) == MOST_MADE
    with pytest.raises(KeyError):
        uploads.pop("0")
