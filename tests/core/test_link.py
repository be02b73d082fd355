"""How long anybody waits after a failure to send, who waits, and what ends it."""

import re
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockagent.core import events as ev
from dockagent.core.model import ClipPhase, SessionPhase
from dockagent.core.orders import Limits as OrderLimits
from dockagent.core.orders import Pull, SendMaster, card_is_done, orders
from dockagent.core.uplink import link
from dockagent.core.uplink.link import HOUR, LONGEST_ASKED_MS, MINUTE, RULES, SECOND, rule, wait_ms
from dockagent.core.uplink.trouble import Kind, Trouble
from tests.core.story import (
    Story,
    acquired,
    admitted,
    attached,
    delivered,
    detached,
    entry,
    identified,
    inventory,
    item,
    one_clip,
    previewed,
    session_in,
    trouble,
    unread,
    verified,
)

FAILS = [kind for kind in Kind if kind is not Kind.HOURS]
UNITS = {"s": SECOND, "min": MINUTE, "h": HOUR}


def failing(kind: Kind, clip: str = "c0", after_ms: int = 0, *, retry: bool = True) -> ev.ClipFailed:
    event = trouble(clip, retry=retry, link=RULES[kind].whole)
    return msgspec.structs.replace(event, kind=str(kind), after_ms=after_ms)


def dock_with(count: int) -> Story:
    """A dock in which so many clips wait to be delivered: c0, c1, …"""
    story = session_in(SessionPhase.IDENTIFIED)
    paths = [f"DCIM/{number:04}.MP4" for number in range(count)]
    story.tell(inventory("A", *map(entry, paths)))
    for number, path in enumerate(paths):
        name = f"c{number}"
        story.tell(acquired("A", path, name), verified(name), previewed(name), admitted(name))
    return story.tell(detached())


def next_up(story: Story) -> list[str]:
    found = orders(story.state, story.at_ms, (), OrderLimits(uplinks=1))
    return [one.clip for one in found if isinstance(one, SendMaster)]


# ---- waits ----------------------------------------------------------------------------------------------------------


def test_the_table_in_the_text_is_the_table_in_force() -> None:
    rows = re.findall(r"^([a-z-]+) +(\d+) (s|min|h) +(\d+) (s|min|h) +(everybody|this clip)", link.__doc__ or "", re.M)
    said = {
        kind: (int(first) * UNITS[one], int(longest) * UNITS[other], who == "everybody")
        for kind, first, one, longest, other, who in rows
    }
    assert said == {str(kind): (RULES[kind].first_ms, RULES[kind].longest_ms, RULES[kind].whole) for kind in FAILS}
    assert RULES.keys() == set(Kind)
    assert all(one.words for one in RULES.values())


@given(st.sampled_from(FAILS), st.integers(1, 60), st.text(max_size=20))
def test_a_wait_doubles_up_to_its_longest_and_is_spread_by_a_quarter(kind: Kind, attempts: int, clip: str) -> None:
    found = wait_ms(RULES[kind], attempts, clip)
    plain = min(RULES[kind].longest_ms, RULES[kind].first_ms * 2 ** (attempts - 1))
    assert plain * 0.75 - 1 <= found <= plain * 1.25 + 1
    assert found == wait_ms(RULES[kind], attempts, clip)  # a replay arrives at the same


def test_docks_that_fail_together_do_not_come_back_together() -> None:
    random = Random(3)
    waits = {wait_ms(RULES[Kind.STORE], 4, random.randbytes(16).hex()) for _ in range(100)}
    assert len(waits) > 80
    assert max(waits) - min(waits) > 2 * SECOND


@given(st.integers(1, 10), st.integers(0, 10 * HOUR))
def test_the_store_s_word_is_kept_up_to_an_hour(attempts: int, asked: int) -> None:
    found = wait_ms(RULES[Kind.THROTTLED], attempts, "c1", asked)
    assert found >= min(asked, LONGEST_ASKED_MS)
    assert found <= max(1.25 * 5 * MINUTE, 1.35 * LONGEST_ASKED_MS)


def test_retry_after_holds_the_link_and_then_lets_it_go() -> None:
    story = dock_with(2).tell(failing(Kind.THROTTLED, after_ms=20 * MINUTE))
    failed_at = story.at_ms
    story.at_ms = failed_at + 20 * MINUTE - 1
    assert next_up(story) == []
    story.at_ms = failed_at + 27 * MINUTE
    assert next_up(story) == ["c1"]


def test_an_old_record_without_a_kind_waits_as_it_did() -> None:
    assert (rule("", whole=True).first_ms, rule("", whole=True).longest_ms) == (SECOND, 5 * MINUTE)
    assert (rule("", whole=False).first_ms, rule("", whole=False).longest_ms) == (SECOND, 5 * MINUTE)
    assert rule("a kind of later", whole=False).words


# ---- whose trouble it is --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FAILS)
def test_only_what_is_the_link_s_stops_the_others(kind: Kind) -> None:
    story = dock_with(3).tell(failing(kind))
    assert next_up(story) == ([] if RULES[kind].whole else ["c1"])


def test_the_link_is_away_since_its_first_failure_also_after_a_restart_and_until_the_store_answers() -> None:
    story = dock_with(3).tell(failing(Kind.DNS))
    since = story.at_ms
    story.tell(failing(Kind.LINK, "c1"), ev.DockStarted("1", "c", "crash or power cut"), failing(Kind.LINK, "c2"))
    assert story.state.uplink.since_ms == since
    assert story.state.uplink.trouble.kind == Kind.LINK
    story.tell(delivered("c1"))
    assert (story.state.uplink.since_ms, story.state.uplink.trouble) == (0, Trouble())
    assert (story.state.uplink.answered_ms, story.state.uplink.sent) == (story.at_ms, 1)


def test_who_failed_because_the_link_was_away_need_not_wait_when_it_is_back() -> None:
    story = dock_with(3).tell(*(failing(Kind.CREDENTIAL, f"c{n % 2}") for n in range(8)))
    assert one_clip(story, "c0").trouble.retry_ms > story.at_ms + 10 * SECOND
    story.tell(delivered("c2"))
    assert next_up(story) == ["c0"]


def test_a_whole_link_that_is_down_is_tried_by_one_clip_at_a_time() -> None:
    story = dock_with(50)
    tries: list[str] = []
    ends = story.at_ms + 24 * HOUR
    while story.at_ms < ends:
        for name in next_up(story):
            tries.append(name)
            story.tell(failing(Kind.LINK, name))
        story.at_ms += 10_000
    assert 280 <= len(tries) <= 400  # about one in five minutes, not fifty
    assert len(set(tries)) == 50  # and not always the same


# ---- one bad clip ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FAILS)
@pytest.mark.parametrize("retry", [True, False])
def test_one_clip_that_fails_for_ever_does_not_block_the_others(kind: Kind, *, retry: bool) -> None:
    """Whatever it says, and also where it speaks of the whole link: the others are through in a few minutes."""
    story, count, tries = dock_with(40), 0, 0
    ends = story.at_ms + 30 * MINUTE
    while story.at_ms < ends:
        for name in next_up(story):
            if name == "c0":
                tries += 1
                story.tell(failing(kind, name, retry=retry))
            else:
                count += 1
                story.tell(delivered(name))
                story.at_ms += 2000  # each send takes a while
        story.at_ms += 500
        if count == 39:
            break
    assert count == 39, f"only {count} of 39 went"
    assert tries <= 12
    assert one_clip(story, "c0").trouble.reason
    assert one_clip(story, "c0").phase is ClipPhase.SHOWN


def test_what_was_refused_for_good_is_offered_again_a_day_later_and_what_the_dock_cannot_do_is_not() -> None:
    story = dock_with(1).tell(failing(Kind.OBJECT, retry=False))
    story.at_ms += 23 * HOUR
    assert next_up(story) == []
    story.at_ms += HOUR
    assert next_up(story) == ["c0"]
    story.tell(ev.ClipFailed("c0", "record", "no record can hold it", retry=False, link=False))
    story.at_ms += 1000 * HOUR
    assert next_up(story) == []


def test_the_end_of_the_upload_hours_is_no_failure() -> None:
    story = dock_with(2).tell(failing(Kind.HOURS))
    found = one_clip(story, "c0").trouble
    assert (found.attempts, found.final, story.state.uplink.trouble) == (0, False, Trouble())
    assert found.due(story.at_ms)


def test_a_full_spool_is_tried_by_one_camera_and_not_by_each() -> None:
    story = Story().tell(attached("A"), attached("B"), identified("A"), identified("B"))
    story.tell(inventory("A", entry("DCIM/a.MP4")), inventory("B", entry("DCIM/b.MP4")))
    assert len(_pulls(story)) == 2
    story.tell(unread("A", "DCIM/a.MP4", "spool-full"))
    assert _pulls(story) == []
    story.at_ms += 10 * SECOND
    assert len(_pulls(story)) == 1


def _pulls(story: Story) -> list[Pull]:
    return [one for one in orders(story.state, story.at_ms, (), OrderLimits()) if isinstance(one, Pull)]


def test_who_waits_for_one_card_does_not_wait_an_hour_because_the_store_said_so() -> None:
    story = dock_with(1).tell(
        attached(), identified(), inventory("A", entry("DCIM/0000.MP4"), held={item("DCIM/0000.MP4"): "c0"})
    )
    story.tell(failing(Kind.THROTTLED))
    assert not card_is_done(story.state, "A", 3)
    story.tell(failing(Kind.THROTTLED, after_ms=HOUR))
    assert card_is_done(story.state, "A", 3)
