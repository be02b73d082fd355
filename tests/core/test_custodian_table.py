"""When a dock asks for the custodian's receipts, whom it asks about, and what waits for them."""

from dockagent.core import events as ev
from dockagent.core.central import custodian_table
from dockagent.core.central.custodian_state import CustodianWord
from dockagent.core.events.custodian import CustodianAsked, CustodianReceived, CustodianRefuted
from dockagent.core.model import State

EVERY = 300_000
WORD = CustodianWord("ab" * 32, "c", "k", "clips/x/master", "", "", "", "off", 0, "2026-11-23T04:02:04.777Z")


def waiting(*clips: str) -> State:
    state = State()
    for at, clip in enumerate(clips):
        state.custodian.waiting[clip] = at
    return state


def test_nobody_is_asked_for_nothing() -> None:
    assert not custodian_table.due(waiting(), 0, EVERY)
    assert not custodian_table.due(waiting("a"), 0, 0)


def test_waits_grow_while_nothing_comes_and_end_with_the_first_receipt() -> None:
    state, now, gaps = waiting("a"), 10_000_000, []
    for _ in range(7):
        custodian_table.asked(state, CustodianAsked(1, 0), now)
        gap = 0
        while not custodian_table.due(state, now + gap, EVERY):
            gap += EVERY // 10
        gaps.append(gap // EVERY)
    assert gaps == [1, 2, 4, 8, 8, 8, 8]
    custodian_table.asked(state, CustodianAsked(1, 1), now)
    assert custodian_table.due(state, now, EVERY)


def test_a_clock_that_was_stepped_back_asks_at_once() -> None:
    state = waiting("a")
    custodian_table.asked(state, CustodianAsked(1, 0), 10_000_000)
    assert custodian_table.due(state, 9_000_000, EVERY)


def test_those_asked_about_in_vain_go_to_the_end() -> None:
    state = waiting("a", "b", "c", "d")
    custodian_table.received(state, CustodianReceived("b", WORD), 1)
    custodian_table.asked(state, CustodianAsked(3, 1), 1)
    assert list(state.custodian.waiting) == ["d", "a", "c"]


def test_an_alarm_is_asked_about_again_at_the_next_start() -> None:
    state = waiting("a")
    custodian_table.refuted(state, CustodianRefuted("a", "ab" * 32, "false"), 1)
    assert (list(state.custodian.waiting), state.custodian.alarms) == ([], {"a": "false"})
    custodian_table.follow(state, ev.DockStarted("1", "", "clean stop"), 2)
    assert list(state.custodian.waiting) == ["a"]
    custodian_table.received(state, CustodianReceived("a", WORD), 3)
    assert (state.custodian.alarms, custodian_table.vouched(state, "a")) == ({}, True)


def test_what_people_are_told() -> None:
    state = waiting("a" * 32)
    found = custodian_table.summary(state, 10 * EVERY, EVERY)
    assert (found["waiting"], found["late"]) == (1, 1)
    assert custodian_table.summary_words(found) == "0 receipts, 1 clips wait for theirs; 1 of them for too long"
    custodian_table.refuted(state, CustodianRefuted("a" * 32, "ab" * 32, "false"), 1)
    assert custodian_table.words(state, "a" * 32) == "ALARM: false"
