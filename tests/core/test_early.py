"""Which files are sent while they are read, when they make way, and when what was sent is thrown away."""

import hashlib
from typing import Any

import pytest

from dockagent.core import events as ev
from dockagent.core import orders as od
from dockagent.core import plan
from dockagent.core.camera.manifest import Reading
from dockagent.core.camera.statement import Claim, Manifest
from dockagent.core.model import CHUNK, ClipPhase
from dockagent.core.orders import Limits, orders
from dockagent.core.uplink.early_parts import NO_PARTS, PartDigests, Parts
from dockagent.core.uplink.hours import UploadHours, stretch
from dockagent.core.uplink.turns import Terms
from tests.core.story import (
    CAMERA,
    NOW,
    Story,
    acquired,
    admitted,
    attached,
    clip_in,
    entry,
    identified,
    inventory,
    item,
    previewed,
    trees,
    verified,
)

PATH, SIZE, SHA256 = "DCIM/a.MP4", 100, f"{'c1':0>64}"
EXPECTED = plan.clip_id(CAMERA.id, SHA256)
KEY = f"clips/{CAMERA.id}/2026/11/22/{EXPECTED}/master"
LIMITS = Limits(early=40)


def reading(signer: Any = "pass", path: str = PATH) -> Reading:
    claim = Claim(SHA256, 1, SIZE, NOW, "")
    manifest = Manifest(CAMERA.serial, "m", "m", "1", 1, NOW, {path: claim}, {}, ())
    return Reading("5e" * 32, "pass", "", signer, "", CAMERA.serial, "k", NOW, 5, manifest, ())


def signed_card(signed: Reading | None = None, size: int = SIZE) -> Story:
    """A dock in which one file of a card lies, as its camera signed it."""
    found = signed or reading()
    listed = inventory("A", entry(PATH, size), manifest=found, manifest_sha256=found.sha256)
    return Story().tell(attached(), identified(), listed)


def pulling(story: Story, size: int = SIZE) -> od.Pull:
    return od.Pull("bay:A", "s/A", "A", item(PATH, size))


def early_orders(story: Story, limits: Limits = LIMITS, *more: od.Order, size: int = SIZE) -> list[od.Order]:
    found = orders(story.state, story.at_ms, (pulling(story, size), *more), limits)
    return [order for order in found if isinstance(order, od.EarlyOrder)]


def sent(how: str, key: str = "", **more: Any) -> ev.SentEarly:
    return ev.SentEarly("s/A", item(), EXPECTED, key or KEY, more.pop("parts", 2), 80, how, **more)


def test_a_signed_file_of_several_parts_is_sent_while_it_is_pulled() -> None:
    (order,) = early_orders(signed_card())
    assert isinstance(order, od.SendEarly)
    assert (order.lane, order.session, order.item, order.bay) == ("uplink:0", "s/A", item(), "A")
    assert order.expected == EXPECTED
    assert order.key.startswith(f"clips/{CAMERA.id}/")
    assert order.key.endswith(f"/{EXPECTED}/master")


@pytest.mark.parametrize("signer", ["fail", "unknown"])
def test_nobody_knows_the_key_of_a_file_whose_camera_is_not_trusted(signer: str) -> None:
    assert early_orders(signed_card(reading(signer))) == []


def test_a_file_that_the_camera_did_not_sign_is_sent_when_it_is_whole() -> None:
    assert early_orders(signed_card(reading(path="DCIM/other.MP4"))) == []


def test_one_part_is_not_worth_it() -> None:
    assert early_orders(signed_card(), Limits(early=SIZE)) == []


def test_where_the_store_takes_none_or_footage_is_sealed_nothing_goes_early() -> None:
    assert early_orders(signed_card(), Limits(early=0)) == []


def test_what_is_not_being_pulled_is_not_sent() -> None:
    story = signed_card()
    assert not [one for one in orders(story.state, story.at_ms, (), LIMITS) if isinstance(one, od.EarlyOrder)]


def test_one_file_is_sent_once_at_a_time() -> None:
    story = signed_card()
    (order,) = early_orders(story)
    assert early_orders(story, Limits(early=40, uplinks=2), order) == []


def test_what_is_ready_goes_first() -> None:
    story = clip_in(ClipPhase.SHOWN)
    found = reading()
    listed = inventory(
        "B", entry("DCIM/b.MP4", SIZE), manifest=reading(path="DCIM/b.MP4"), manifest_sha256=found.sha256
    )
    story.tell(attached("B"), identified("B"), listed)
    busy = (od.Pull("bay:B", "s/B", "B", item("DCIM/b.MP4")),)
    kinds = [type(one) for one in orders(story.state, story.at_ms, busy, LIMITS)]
    assert od.SendMaster in kinds
    assert od.SendEarly not in kinds


def test_outside_the_upload_hours_nothing_goes_early() -> None:
    shut = Terms(hours=UploadHours((stretch("03:00-03:01"),)))
    assert early_orders(signed_card(), Limits(early=40, terms=shut)) == []


def test_a_turn_goes_on_and_an_end_is_the_end_for_this_session() -> None:
    assert early_orders(signed_card().tell(sent("turn"))) != []
    assert early_orders(signed_card().tell(sent("sent"))) == []
    assert early_orders(signed_card().tell(sent("stopped", reason="the part changed", kind="object"))) == []


def test_the_links_trouble_is_everybodys_and_passes() -> None:
    story = signed_card().tell(sent("stopped", parts=0, reason="away", link=True, kind="link"))
    assert story.state.uplink.trouble.reason == "away"
    assert early_orders(story) == []
    story.tell(sent("turn"))
    assert not story.state.uplink.trouble.attempts
    assert early_orders(story) != []


def test_what_turned_out_to_be_another_clip_is_dropped_once() -> None:
    story = signed_card().tell(sent("sent", key=KEY), acquired(clip="other"))
    (order,) = early_orders(story)
    assert (type(order), order.lane) == (od.DropEarly, "uplink:0")
    assert isinstance(order, od.DropEarly)
    assert (order.item, order.key, order.expected) == (item(), KEY, EXPECTED)
    assert early_orders(story.tell(sent("dropped", key=KEY))) == []


def admitted_at(prefix: str) -> Story:
    story = signed_card().tell(sent("sent", key=f"clips/{EXPECTED}/master"))
    first = acquired(clip=EXPECTED)
    story.tell(first, verified(EXPECTED), trees(EXPECTED, tracks=()), previewed(EXPECTED))
    return story.tell(ev.Admitted(EXPECTED, prefix, "e0" * 32))


def test_what_goes_to_its_key_is_kept_for_the_put() -> None:
    assert early_orders(admitted_at(f"clips/{EXPECTED}")) == []


def test_what_was_placed_elsewhere_is_dropped() -> None:
    story = admitted_at(f"quarantine/{EXPECTED}")
    story.state.queues[ClipPhase.SHOWN].clear()  # its own send would have the lane first
    assert [type(one) for one in early_orders(story)] == [od.DropEarly]


def test_a_known_clip_is_not_sent_again() -> None:
    story = signed_card()
    story.tell(acquired(clip=EXPECTED))
    assert early_orders(story) == []


@pytest.mark.parametrize("count", [0, 1, 2 * CHUNK, 2 * CHUNK + 1, 4 * CHUNK, 5 * CHUNK + 77])
def test_parts_are_hashed_as_they_come_the_first_by_the_whole_files_hash(count: int) -> None:
    data = bytes(range(251)) * (count // 251 + 1)
    data, whole, parts = data[:count], hashlib.sha256(), PartDigests(2 * CHUNK)
    for at in range(0, count, CHUNK):
        chunk = data[at : at + CHUNK]
        whole.update(chunk)
        parts.first(at + len(chunk), whole)
        parts.saw(chunk)
    truth = tuple(hashlib.sha256(data[at : at + 2 * CHUNK]).hexdigest() for at in range(0, count, 2 * CHUNK))
    assert parts.finish() == (Parts(2 * CHUNK, truth) if count > 2 * CHUNK else NO_PARTS)


def test_an_old_record_of_a_pull_has_no_parts() -> None:
    assert admitted("c1").clip_id == "c1"
    assert acquired().parts == NO_PARTS
