"""Custody records: every event goes in and comes out as it was, with who, what, when, where, why and how around it."""

import json
import typing
import unicodedata
import uuid
from collections.abc import Iterator
from types import UnionType
from typing import Any, Literal, get_args, get_origin

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockagent.core import custody, narrate, strict_json
from dockagent.core import events as ev
from dockagent.core.events import AnyEvent
from dockagent.core.model import ClipPhase, SessionPhase, State
from dockagent.core.moment import Instant, rfc3339
from dockagent.core.paths import to_bytes, to_text
from dockagent.errors import Refused
from tests.core.story import (
    NOW,
    SETTING,
    acquired,
    attached,
    clip_in,
    delivered,
    entry,
    identified,
    inventory,
    session_in,
    session_trouble,
    trouble,
    unread,
    verified,
)

EVENTS: tuple[type[ev.Event], ...] = get_args(AnyEvent)
GROUPS = {
    "schema", "id", "index", "type", "who", "what", "item", "when", "where", "why", "how", "outcome", "errors", "links",
}  # fmt: skip
WHOLE = st.integers(-(2**53) + 1, 2**53 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
MOMENTS = st.builds(
    Instant,
    st.integers(0, 253_402_300_799_999),
    st.just("0f8fad5b-d9cb-469f-a165-70867728950e"),
    st.integers(0, 2**53 - 1),
    st.sampled_from(["ntp", "rtc"]),
    st.integers(-1, 10_000),
)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a field's type, the extremes included."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        hints = typing.get_type_hints(kind)
        return st.builds(kind, **{one.name: values(hints[one.name]) for one in msgspec.structs.fields(kind)})
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return st.sampled_from(inner)
    if origin is tuple and inner[-1] is not Ellipsis:
        return st.tuples(*map(values, inner))
    if origin is tuple:
        return st.lists(values(inner[0]), max_size=2).map(tuple)
    if origin is dict:
        return st.dictionaries(values(inner[0]), values(inner[1]), max_size=2)
    if origin in (UnionType, typing.Union):
        return st.one_of(*map(values, inner))
    plain: dict[Any, st.SearchStrategy[Any]] = {str: TEXT, int: WHOLE, bool: st.booleans(), type(None): st.none()}
    return plain[kind]


ANY_EVENT = st.one_of(*map(values, EVENTS))
AT = Instant(NOW, "0f8fad5b-d9cb-469f-a165-70867728950e", 77, "ntp", 4)


def told(event: ev.Event, state: State | None = None, index: int = 5, at: Instant = AT) -> Any:
    return json.loads(custody.record(event, index, at, SETTING, state or State()))


def _below(kind: type[ev.Event]) -> Iterator[type[ev.Event]]:
    """All kinds of events that the agent has, wherever they are declared."""
    for one in kind.__subclasses__():
        if one.__module__.startswith("dockagent."):
            yield one
        yield from _below(one)


# ---- every event ----------------------------------------------------------------------------------------------------


def test_every_kind_of_event_is_in_the_ledgers_language() -> None:
    declared = set(_below(ev.Event)) - {ev.PersonsAct}
    assert set(EVENTS) == declared
    assert len({one.__struct_config__.tag for one in EVENTS}) == len(EVENTS)


@settings(max_examples=400, deadline=None)
@given(ANY_EVENT, MOMENTS, st.integers(0, 2**40))
def test_an_event_comes_out_of_its_record_as_it_went_in(event: ev.Event, at: Instant, index: int) -> None:
    payload = custody.record(event, index, at, SETTING, State())
    assert custody.event_of(payload) == (event, at.utc_ms)
    assert strict_json.canonical(strict_json.parse(payload)) == payload  # neither a float nor a second form
    record = json.loads(payload)
    assert set(record) == GROUPS
    assert (record["schema"], record["index"]) == (custody.SCHEMA, index)
    assert record["type"] == type(event).__struct_config__.tag
    assert record["when"] == {
        "utc": rfc3339(at.utc_ms),
        "boot": at.boot_id,
        "mono_us": at.mono_us,
        "clock": {"source": at.source, "offset_ms": at.offset_ms, "uncertainty_ms": at.uncertainty_ms},
    }


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__struct_config__.tag)
def test_no_event_has_a_field_that_a_record_cannot_hold(kind: type[ev.Event]) -> None:
    def check(tp: Any) -> None:
        if isinstance(tp, type) and issubclass(tp, msgspec.Struct):
            assert tp.__struct_config__.frozen
            for hint in typing.get_type_hints(tp).values():
                check(hint)
        elif get_args(tp) and get_origin(tp) is not Literal:
            for inner in get_args(tp):
                check(inner)
        else:
            assert tp in (str, int, bool, type(None), Ellipsis) or get_origin(tp) is Literal, tp

    check(kind)


@settings(max_examples=100)
@given(st.binary(min_size=1, max_size=60))
def test_any_name_of_a_file_comes_out_byte_for_byte(raw: bytes) -> None:
    event = ev.AcquireFailed("s", "i", to_text(raw), "read", "why", True, 0)
    back, _ = custody.event_of(custody.record(event, 0, AT, SETTING, State()))
    assert isinstance(back, ev.AcquireFailed)
    assert to_bytes(back.path) == raw


# ---- the questions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [attached(), ev.DockStarted("1", "c", "first start"), verified(), delivered()])
def test_every_record_says_who_where_why_and_how(event: ev.Event) -> None:
    record = told(event)
    assert record["who"] == {
        "actor": "software", "id": "dock-7", "known_by": "record key", "responsible": "Sgt Kay",
    }  # fmt: skip
    assert (record["where"]["site"], record["where"]["dock"]) == ("station 4", "dock-7")
    assert all(record["why"][key] for key in ("purpose", "policy", "authority"))
    assert record["how"]["tool"] == "dockagent"
    assert (record["how"]["version"], record["how"]["config_sha256"]) == ("1.0", "c0" * 32)


def test_a_record_about_a_camera_says_in_which_bay_and_by_which_profile() -> None:
    story = session_in(SessionPhase.LISTED)
    for event in (acquired(), unread(), session_trouble()):
        record = told(event, story.state)
        assert (record["where"]["bay"], record["where"]["port"]) == ("A", "port-A")
        assert record["how"]["profile_sha256"] == "9f" * 32
        assert record["links"]["session"] == "s/A"
    assert (told(attached())["where"]["bay"], told(attached())["where"]["port"]) == ("A", "port-A")


def test_a_record_about_a_clip_names_it() -> None:
    assert told(acquired())["links"] == {"session": "s/A", "clip": "c1"}
    assert told(delivered())["links"] == {"clip": "c1"}
    assert told(ev.DockStopped("signal"))["links"] == {}


def test_a_record_about_a_clip_says_of_which_camera_path_digest_and_size() -> None:
    """The contract's "what": camera serial, clip id, path, digest and size, in every record about a clip."""
    story = clip_in(ClipPhase.SHOWN)
    text = json.dumps(told(delivered(), story.state))
    assert all(word in text for word in ("BWC-0001", "c1", "DCIM/a.MP4", f"{'c1':0>64}", "100"))


@pytest.mark.parametrize("event", [unread(), trouble(), session_trouble()])
def test_a_failure_says_so_and_why(event: ev.Event) -> None:
    record = told(event)
    assert record["outcome"] == "failure"
    assert record["errors"] == [record["what"]["reason"]]
    assert record["errors"][0]


def test_all_else_is_a_success_without_errors() -> None:
    for event in (attached(), identified(), inventory(), acquired(), verified(), delivered()):
        assert (told(event)["outcome"], told(event)["errors"]) == ("success", [])


# ---- identity -------------------------------------------------------------------------------------------------------


def test_a_record_has_one_id_for_its_place_in_its_ledger() -> None:
    assert told(attached(), index=3)["id"] == told(delivered(), index=3)["id"]
    ids = {told(attached(), index=index)["id"] for index in range(50)}
    assert len(ids) == 50
    elsewhere = custody.Setting("dockagent.local/other", "other", "", "", "", "")
    assert json.loads(custody.record(attached(), 3, AT, elsewhere, State()))["id"] not in ids
    assert told(attached(), index=3)["id"] == str(uuid.uuid5(uuid.NAMESPACE_URL, "dockagent.local/dock-7/3"))


# ---- records that are none ------------------------------------------------------------------------------------------


def _changed(**members: Any) -> bytes:
    return strict_json.canonical({**told(verified()), **members})


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b"{not json",
        _changed(schema="urn:dockagent:record:2"),
        _changed(type="no.such.event"),
        _changed(type=5),
        _changed(what={}),
        _changed(what=[]),
        _changed(what={"clip_id": "c1", "verdicts": {}, "more": 1}),
        _changed(when={}),
        _changed(when={"utc": "yesterday"}),
        _changed(when={"utc": "2026-11-22T08:15:00"}),
        _changed(when=None),
    ],
)
def test_what_is_no_record_is_refused(payload: bytes) -> None:
    with pytest.raises(Refused):
        custody.event_of(payload)


def test_a_newer_schema_is_called_that() -> None:
    with pytest.raises(Refused, match="newer dockagent"):
        custody.event_of(_changed(schema="urn:dockagent:record:2"))


def test_a_record_that_cannot_follow_stops_the_replay() -> None:
    with pytest.raises(Refused, match="unknown"):
        custody.replay([custody.record(verified(), 0, AT, SETTING, State())], State())


@pytest.mark.parametrize(
    "event",
    [
        ev.ClockMeasured("s", 2**53, 0, 0, 0, ""),
        inventory("A", entry(size=2**60)),
        ev.DockStopped("half a pair: \ud800"),
    ],
)
def test_what_canonical_json_cannot_hold_is_refused_in_words(event: ev.Event) -> None:
    with pytest.raises(Refused):
        custody.record(event, 0, AT, SETTING, State())


# ---- for people -----------------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(ANY_EVENT, st.sampled_from([State(), clip_in(ClipPhase.SHOWN).state]))
def test_every_event_is_told_in_one_printable_line(event: ev.Event, state: State) -> None:
    line = narrate.tell(event, state)
    assert line.startswith(str(type(event).__struct_config__.tag))
    assert not [char for char in line if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs")]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1 << 20, "1.0 MiB"),
        (5 << 30, "5.0 GiB"),
        (3 << 40, "3.0 TiB"),
        (5000 << 40, "5000.0 TiB"),
    ],
)
def test_sizes_for_people(count: int, text: str) -> None:
    assert narrate.size(count) == text
