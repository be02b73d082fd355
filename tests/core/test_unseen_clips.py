"""A clip whose key is taken, by what the dock may not see: how it waits, and what a custodian's receipt makes of it."""

from typing import Any

import msgspec
import pytest

from dockagent.core import custody
from dockagent.core import events as ev
from dockagent.core.central import custodian_table, store_receipt
from dockagent.core.central.custodian_state import CustodianWord
from dockagent.core.central.custodian_table import Wanted
from dockagent.core.central.receipt import BY_CUSTODIAN
from dockagent.core.central.store_receipt import Held, Retention, StoreReceipt
from dockagent.core.events.custodian import CustodianAsked, CustodianReceived, CustodianRefuted
from dockagent.core.model import ClipPhase, SessionPhase, State
from dockagent.core.narrate import tell
from dockagent.core.orders import AskCustodian, Dispose, Limits, Release, SendMaster, orders
from dockagent.core.summary import clip_reason, clip_state
from dockagent.core.uplink.trouble import Kind, Trouble
from dockagent.core.uplink.turns import Terms
from dockagent.core.uplink.words import clip_waits
from dockagent.errors import Refused
from tests.core.story import SEALED, Story, clip_in, delivered, hold_set, one_clip, refused, trouble

STORE, KEY = "s3://x", "clips/c1/master"
ENVELOPE = "ab" * 32
LIMITS = Limits(custodian_every_ms=300_000, custodian_first=True)
WORD = CustodianWord(ENVELOPE, "chief", "k", KEY, "v1", "COMPLIANCE", "", "off", 7, "2026-11-23T04:02:04.777Z")


def met(key: str = KEY, **changed: Any) -> ev.ClipFailed:
    """The store says that the key is taken."""
    return msgspec.structs.replace(trouble(), **{"kind": Kind.UNSEEN, "key": key, **changed})


def waiting(*, seals: bool = False, key: str = KEY) -> Story:
    return clip_in(ClipPhase.SHOWN, seals=seals).tell(met(key))


def vouched(key: str = KEY, **changed: Any) -> ev.Delivered:
    return delivered(key=key, proof=BY_CUSTODIAN, **changed)


def given(story: Story) -> list[type]:
    return [type(one) for one in orders(story.state, story.at_ms, (), LIMITS)]


def receipt(about: Wanted, **changed: Any) -> StoreReceipt:
    facts: dict[str, Any] = {
        "store": STORE,
        "key": about.key,
        "version": "v1",
        "etag": "e1",
        "bytes": about.bytes,
        "sha256": about.sha256,
        "chunk_root": "d0" * 32,
        "clip_id": about.clip_id,
        "camera": "BWC-0001",
        "clip_bytes": about.clip_bytes,
        "clip_sha256": about.clip_sha256,
        "record": Held("record.json", 1, "e0" * 32),
        "objects": (),
        "retention": Retention(),
        "legal_hold": store_receipt.OFF,
        "checkpoint": None,
        "quarantine": "",
        "findings": (),
        "custodian": "chief",
        "time": WORD.time,
    }
    return StoreReceipt(**{**facts, **changed})


def test_it_waits_undelivered_with_a_reason_and_the_custodian_is_asked() -> None:
    story = waiting()
    clip = one_clip(story)
    assert (clip.phase, clip.trouble.kind, clip_state(clip)) == (ClipPhase.SHOWN, "unseen", "spooled")
    assert clip_reason(clip) == "as it happens"
    assert given(story) == [AskCustodian]
    (one,) = custodian_table.wanted(story.state, STORE)
    assert one == Wanted("c1", KEY, clip.bytes, clip.sha256, clip.bytes, clip.sha256, STORE)
    words = clip_waits(clip, story.state, story.at_ms, Terms())
    assert "something there that this dock may not look at: as it happens; it is tried again at" in words
    assert words.endswith("; the custodian's receipt for it counts as delivery")
    found = custodian_table.summary(story.state, story.at_ms, 1000)
    assert (found["waiting"], found["unseen"]) == (1, 1)
    assert "1 are not delivered before it comes" in custodian_table.summary_words(found)
    assert "may not look at clips/c1/master" in custodian_table.words(story.state, "c1")


def test_a_good_receipt_delivers_it_and_all_that_rests_on_delivery_follows() -> None:
    story = waiting()
    assert story.state.sessions["A"].undelivered == {"c1"}
    assert Release not in given(story)
    (about,) = custodian_table.wanted(story.state, STORE)
    story.tell(custodian_table.delivery(receipt(about), about))
    clip = one_clip(story)
    assert clip.receipt is not None
    assert (clip.receipt.proof, clip.receipt.key, clip.receipt.store) == (BY_CUSTODIAN, KEY, STORE)
    assert (clip.receipt.version, clip.receipt.etag) == ("v1", "e1")
    assert (clip.phase, clip.trouble, clip_reason(clip)) == (ClipPhase.DELIVERED, Trouble(), "")
    assert Dispose not in given(story), "the receipt itself is on record first"
    story.tell(CustodianReceived("c1", WORD))
    assert set(given(story)) == {Release, Dispose}
    assert (story.state.custodian.unseen, story.state.custodian.waiting) == ({}, {})
    assert tell(vouched(), story.state) == "receipt c1: DCIM/a.MP4 delivered, proof: custodian"


@pytest.mark.parametrize("name", ["master.age", f"master.{SEALED.sha256[:8]}.age"])
def test_a_sealed_clip_is_asked_about_under_either_name(name: str) -> None:
    story = waiting(seals=True, key=f"clips/c1/{name}")
    (about,) = custodian_table.wanted(story.state, STORE)
    assert (about.key, about.bytes, about.sha256) == (f"clips/c1/{name}", SEALED.bytes, SEALED.sha256)
    story.tell(custodian_table.delivery(receipt(about), about))
    assert one_clip(story).phase is ClipPhase.DELIVERED


@pytest.mark.parametrize("key", ["", "clips/c1/record.json", "clips/c2/master", "clips/c1/master.age"])
def test_no_other_key_is_asked_about(key: str) -> None:
    story = waiting(key=key)
    assert (story.state.custodian.unseen, story.state.custodian.waiting) == ({}, {})
    assert given(story) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"store": "s3://y"}, "it is about s3://y, and this dock delivers to s3://x"),
        ({"key": "clips/c2/master"}, "it is about clips/c2/master"),
        ({"clip_id": "c2"}, "of clip c2"),
        ({"bytes": 99}, "the store holds 99 bytes"),
        ({"sha256": "00" * 32}, "SHA-256 0000"),
        ({"clip_bytes": 99}, "the camera gave 99 bytes"),
        ({"clip_sha256": "00" * 32}, "SHA-256 0000"),
    ],
)
def test_a_receipt_about_anything_else_is_no_good(changed: dict[str, Any], words: str) -> None:
    (about,) = custodian_table.wanted(waiting().state, STORE)
    custodian_table.check_word(receipt(about), about)
    with pytest.raises(Refused, match=words):
        custodian_table.check_word(receipt(about, **changed), about)


@pytest.mark.parametrize("lie", [{"sha256": "00" * 32}, {"bytes": 99}])
def test_no_delivery_by_the_custodian_for_other_bytes(lie: dict[str, Any]) -> None:
    assert "names other bytes" in refused(waiting(), vouched(**lie))


def test_no_delivery_by_the_custodian_for_a_clip_that_does_not_wait_for_it() -> None:
    assert "does not wait" in refused(clip_in(ClipPhase.SHOWN), vouched())
    assert "does not wait" in refused(waiting(), vouched(key="clips/c1/other"))
    assert "cannot happen" in refused(waiting().tell(delivered()), vouched())
    assert "was not delivered" in refused(waiting(), CustodianReceived("c1", WORD))
    assert "was not delivered" in refused(clip_in(ClipPhase.SHOWN), CustodianRefuted("c1", ENVELOPE, "false"))


def test_a_false_receipt_is_an_alarm_until_the_next_start_asks_again() -> None:
    story = waiting().tell(CustodianRefuted("c1", ENVELOPE, "other bytes"), CustodianAsked(1, 1))
    assert one_clip(story).phase is ClipPhase.SHOWN
    assert given(story) == []
    assert clip_waits(one_clip(story), story.state, story.at_ms, Terms()).endswith("; ALARM: other bytes")
    assert custodian_table.words(story.state, "c1") == "ALARM: other bytes"
    story.tell(met())
    assert AskCustodian not in given(story)
    story.tell(ev.DockStarted("1.0", "c0", "clean stop"))
    assert set(given(story)) == {AskCustodian, SendMaster}
    story.tell(vouched(), CustodianReceived("c1", WORD))
    assert story.state.custodian.alarms == {}


def test_it_is_offered_to_the_store_again_which_may_settle_it_first() -> None:
    story = waiting()
    assert SendMaster not in given(story)
    story.at_ms = one_clip(story).trouble.retry_ms
    assert SendMaster in given(story)
    story.tell(delivered())
    assert (story.state.custodian.unseen, list(story.state.custodian.waiting)) == ({}, ["c1"])


@pytest.mark.parametrize("gone", [{"lost": True}, {"record": True}])
def test_a_clip_that_is_lost_or_recorded_anew_does_not_wait_for_the_custodian(gone: dict[str, bool]) -> None:
    story = waiting().tell(msgspec.structs.replace(trouble(), **gone))
    assert (story.state.custodian.unseen, story.state.custodian.waiting) == ({}, {})


@pytest.mark.parametrize("late", [met(), met(lost=True), met(record=True), trouble(retry=False), delivered()])
def test_a_send_that_was_under_way_changes_nothing_any_more(late: ev.Event) -> None:
    story = waiting().tell(vouched(), CustodianReceived("c1", WORD))
    if isinstance(late, ev.Delivered):
        assert "cannot happen" in refused(story, late)
        return
    story.tell(late)
    assert (one_clip(story).phase, one_clip(story).trouble) == (ClipPhase.DELIVERED, Trouble())
    assert (story.state.custodian.unseen, story.state.custodian.waiting) == ({}, {})
    assert not story.state.uplink.trouble.attempts


def test_the_custodian_s_word_says_nothing_about_the_way_to_the_store() -> None:
    story = waiting().tell(msgspec.structs.replace(trouble(link=True), kind=Kind.LINK))
    assert story.state.uplink.trouble.attempts == 1
    story.tell(vouched())
    assert story.state.uplink.trouble.attempts == 1
    story.tell(CustodianReceived("c1", WORD), msgspec.structs.replace(trouble(link=True), kind=Kind.DNS))
    assert (story.state.uplink.trouble.attempts, story.state.uplink.trouble.kind) == (2, Kind.DNS)


@pytest.mark.parametrize(("hold", "said"), [("on", 0), ("off", 1), ("unknown", 1)])
def test_a_hold_that_the_store_does_not_show_is_said(hold: str, said: int) -> None:
    story = waiting().tell(hold_set())
    (about,) = custodian_table.wanted(story.state, STORE)
    story.tell(custodian_table.delivery(receipt(about, legal_hold=hold), about))
    assert [one.code for one in one_clip(story).findings] == ["hold"] * said
    assert one_clip(story).kept


def test_a_replay_arrives_at_the_same() -> None:
    story = waiting().tell(ev.DockStarted("1.0", "c0", "crash or power cut"), met(), vouched())
    story.tell(CustodianReceived("c1", WORD), CustodianAsked(1, 1))
    again = State()
    custody.replay(story.payloads, again)
    assert again == story.state


def test_a_failure_of_an_old_ledger_has_no_key() -> None:
    old = msgspec.json.decode(b'{"type":"clip.failed","clip_id":"c1","step":"send-master","reason":"412","retry":true,'
                              b'"link":false,"kind":"object"}', type=ev.ClipFailed)  # fmt: skip
    story = clip_in(ClipPhase.SHOWN).tell(old)
    assert (old.key, story.state.custodian.waiting) == ("", {})
    assert story.state.sessions["A"].phase is SessionPhase.LISTED
