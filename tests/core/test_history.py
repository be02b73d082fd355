"""When outsiders are asked to vouch for the ledger, and what the dock believes about its own history."""

import pytest

from dockagent.core import events as ev
from dockagent.core import orders as od
from dockagent.core.camera.inventory import Finding
from dockagent.core.history import LONGEST_MS
from dockagent.core.model import Cosigner, SessionPhase, State, TimeStamp
from dockagent.core.orders import Limits, orders
from dockagent.core.summary import history_row, history_words, minutes_ago
from tests.core.story import Story, acquired, attached, detached, hold_set, session_in

EVERY = 60_000
ASKS = Limits(notary_every_ms=EVERY, notary_records=10)
ONE = Cosigner("one.example/w", "00" * 4, 1_795_000_000_000)


def round_of(story: Story, *cosigners: Cosigner, size: int = 0, **changed: object) -> ev.Checkpointed:
    facts = {"stamp": None, "published": "", "findings": (), **changed}
    size = size or len(story.payloads)
    return ev.Checkpointed(size, "aa" * 32, cosigners, 3, 2, **facts)  # type: ignore[arg-type]


def asks(story: Story, later_ms: int = 0, limits: Limits = ASKS) -> bool:
    return any(isinstance(one, od.Notarize) for one in orders(story.state, story.at_ms + later_ms, (), limits))


@pytest.fixture
def story() -> Story:
    return Story().tell(ev.DockStarted("1.0", "c0", "first start"))


def test_a_dock_that_starts_asks_at_once_and_one_that_knows_nobody_never(story: Story) -> None:
    assert asks(story)
    assert not asks(story, limits=Limits())
    busy = (od.Notarize(od.NOTARY),)
    assert not any(isinstance(one, od.Notarize) for one in orders(story.state, story.at_ms, busy, ASKS))


def test_what_only_tells_of_checkpoints_calls_for_none(story: Story) -> None:
    story.tell(round_of(story, ONE, ONE))
    assert not asks(story)
    assert not asks(story, later_ms=10 * EVERY)
    story.tell(attached())
    assert not asks(story)
    assert asks(story, later_ms=EVERY)


def test_many_records_are_vouched_for_sooner(story: Story) -> None:
    story.tell(round_of(story, ONE, ONE))
    for _ in range(5):
        assert not asks(story)
        story.tell(attached(), detached())
    assert asks(story)


def test_a_hold_is_vouched_for_and_published_at_once() -> None:
    """The custodian reads of it in the published ledger, and may sign permits until then."""
    story = session_in(SessionPhase.LISTED).tell(acquired(clip="c1"))
    story.tell(round_of(story, ONE, ONE))
    assert not asks(story)
    story.tell(hold_set("c1"))
    assert asks(story)
    story.tell(ev.CheckpointFailed("notarize", "nobody answers", True))
    assert not asks(story), "who does not answer is not asked without end"
    assert asks(story, later_ms=LONGEST_MS)
    story.tell(round_of(story, ONE, ONE))
    assert not asks(story)
    story.tell(attached("B"))
    assert not asks(story)


def test_a_hold_that_came_while_it_was_under_way_calls_for_the_next() -> None:
    story = session_in(SessionPhase.LISTED).tell(acquired(clip="c1"))
    before = len(story.payloads)
    story.tell(hold_set("c1"), round_of(story, ONE, ONE, size=before))
    assert asks(story)


def test_what_came_while_it_was_under_way_is_not_forgotten(story: Story) -> None:
    before = len(story.payloads)
    story.tell(attached())
    story.tell(round_of(story, ONE, ONE, size=before))
    assert asks(story, later_ms=EVERY)


def test_too_few_are_asked_again_with_growing_patience(story: Story) -> None:
    waits = []
    for _ in range(8):
        story.tell(round_of(story, ONE, findings=(Finding("witness", "two is away", "warning"),)))
        trouble = story.state.history.trouble
        waits.append(trouble.retry_ms - story.at_ms)
        assert not asks(story)
        assert asks(story, later_ms=waits[-1])
        story.at_ms = trouble.retry_ms
    assert waits[0] < waits[-1] <= LONGEST_MS * 1.25
    assert story.state.history.witnessed == 0
    story.tell(ev.DockStarted("1.0", "c0", "clean stop"))
    assert asks(story)
    story.tell(round_of(story, ONE, ONE))
    assert story.state.history.witnessed == len(story.payloads) - 1
    assert not asks(story, later_ms=EVERY // 2)


def test_a_failure_is_tried_again(story: Story) -> None:
    story.tell(ev.CheckpointFailed("notarize", "the disk failed", True))
    assert not asks(story)
    assert asks(story, later_ms=LONGEST_MS * 2)


def test_a_clock_that_was_set_back_stops_nothing(story: Story) -> None:
    story.tell(round_of(story, ONE, ONE), attached())
    assert asks(story, later_ms=-10 * EVERY)


def test_every_record_is_counted_and_an_old_ledger_replays(story: Story) -> None:
    told = session_in("over")
    assert told.state.history.records == len(told.payloads)
    assert told.state.history.newest_other == len(told.payloads) - 1
    assert State().history.newest_other == -1


def test_it_is_told_in_a_line(story: Story) -> None:
    def line(later_ms: int = 0) -> str:
        return history_words(history_row(story.state.history), story.at_ms + later_ms)

    assert line() == "1 records; no outsider vouches for them"
    stamp = TimeStamp("http://tsa", "a0", story.at_ms, "ab" * 32)
    story.tell(round_of(story, ONE, ONE, stamp=stamp))
    assert line(12 * 60_000) == (
        "witnessed up to record 0, 12 minutes ago; 2 of 3 witnesses signed last, 2 are needed; "
        "time-stamped up to record 0, 12 minutes ago"
    )
    story.tell(round_of(story, findings=(Finding("witness", "one is away", "warning"),)))
    assert "0 of 3 witnesses signed last, 2 are needed" in line()
    assert line().endswith("one is away")


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (0, "just now"),
        (1, "1 minute ago"),
        (59, "59 minutes ago"),
        (60, "1 hour ago"),
        (2880, "2 days ago"),
        (-5, "just now"),
    ],
)
def test_stretches_of_time(minutes: int, words: str) -> None:
    assert minutes_ago(0, minutes * 60_000) == words
