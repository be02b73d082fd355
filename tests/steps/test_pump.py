"""The pump: reading and writing side by side lose no chunk, no error and no order."""

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockagent.steps.pump import pump

CHUNKS = [b"%d" % number for number in range(100)]


@pytest.mark.parametrize("threaded", [False, True])
@settings(max_examples=20, deadline=None)
@given(chunks=st.lists(st.binary(min_size=1, max_size=9), max_size=40))
def test_every_chunk_is_written_once_and_in_order(threaded: bool, chunks: list[bytes]) -> None:
    written: list[bytes] = []
    with pump(written.append, threaded=threaded) as put:
        for chunk in chunks:
            put(chunk)
    assert written == chunks


@pytest.mark.parametrize("threaded", [False, True])
@pytest.mark.parametrize("fails_at", [0, 1, 50, 99])
def test_an_error_of_the_writer_comes_back_and_nothing_is_written_after_it(threaded: bool, fails_at: int) -> None:
    written: list[bytes] = []

    def write(chunk: bytes) -> None:
        if chunk == CHUNKS[fails_at]:
            raise OSError(28, "No space left on device")
        written.append(chunk)

    with pytest.raises(OSError, match="No space"), pump(write, threaded=threaded) as put:
        for chunk in CHUNKS:
            put(chunk)
    assert written == CHUNKS[:fails_at]


@pytest.mark.parametrize("threaded", [False, True])
def test_an_error_of_the_reader_comes_through_after_all_it_read_was_written(threaded: bool) -> None:
    written: list[bytes] = []

    def write(chunk: bytes) -> None:
        time.sleep(0.005)
        written.append(chunk)

    with pytest.raises(TimeoutError, match="the camera"), pump(write, threaded=threaded) as put:
        for chunk in CHUNKS[:10]:
            put(chunk)
        raise TimeoutError("the camera")
    assert written == CHUNKS[:10]


def test_a_slow_writer_holds_the_reader_back() -> None:
    """What is in flight is bounded, or a slow disk would fill the memory with a whole clip."""
    go = threading.Event()
    written: list[bytes] = []
    given_out: list[bytes] = []

    def write(chunk: bytes) -> None:
        go.wait(10)
        written.append(chunk)

    def look() -> None:
        time.sleep(0.2)
        ahead.append(len(given_out))
        go.set()

    ahead: list[int] = []
    watcher = threading.Thread(target=look)
    watcher.start()
    with pump(write, threaded=True) as put:
        for chunk in CHUNKS:
            put(chunk)
            given_out.append(chunk)
    watcher.join()
    assert 2 <= ahead[0] <= 8
    assert written == CHUNKS


def test_a_writer_that_dies_does_not_hang_a_reader_that_waits_for_room() -> None:
    started = time.monotonic()

    def write(chunk: bytes) -> None:
        time.sleep(0.1)  # the reader is waiting by now
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output"), pump(write, threaded=True) as put:
        for chunk in CHUNKS:
            put(chunk)
    assert time.monotonic() - started < 5


def test_no_thread_is_left_behind() -> None:
    before = threading.active_count()
    for _ in range(3):
        with pump(lambda chunk: None, threaded=True) as put:
            put(b"x")
    assert threading.active_count() == before
