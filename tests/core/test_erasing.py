"""The dock's judgement on permits: every ground on its own, and what follows from permits for each bay."""

from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from dockagent.core import events as ev
from dockagent.core.custody import event_of
from dockagent.core.events.custodian import CustodianRefuted
from dockagent.core.events.permit import CameraRecalled, PermitHandedIn, PermitRefused, PermitsSought
from dockagent.core.model import Camera, ClipPhase, SessionPhase
from dockagent.core.narrate import tell
from dockagent.core.permits import erasing, permit_table
from dockagent.core.permits.erasing import Ground
from dockagent.core.permits.permit_state import Tombstone
from dockagent.core.strict_json import parse
from tests.core import permits, story
from tests.core.permits import C1, C2, C3, DAY_MS, PERMIT_ID, asks, erased, failed, leave, named, ready, seen

Told = story.Story


def verdict(told: Told, at_ms: int = story.NOW + 1000, permit: str = PERMIT_ID) -> str:
    """The ground, or empty where nothing speaks against the permit."""
    refusal = erasing.judge(told.state, told.state.permits.known[permit], told.state.sessions["A"], at_ms)
    return "" if refusal is None else str(refusal.ground)


def test_nothing_speaks_against_a_good_permit() -> None:
    told = ready(leave())
    assert verdict(told) == ""
    assert erasing.targets(told.state, told.state.sessions["A"], told.state.permits.known[PERMIT_ID]) == (named(),)


def _dock(told: Told) -> None:
    told.state.dock = "another"


def _unknown_camera(told: Told) -> None:
    told.state.sessions["A"].camera = Camera("unidentified", "", "", "", "", "nothing")


def _other_camera(told: Told) -> None:
    told.state.sessions["A"].camera = msgspec.structs.replace(story.CAMERA, id="BWC-0002")


def _unknown_clip(told: Told) -> None:
    del told.state.clips[C1]


def _version(told: Told) -> None:
    clip = told.state.clips[C1]
    assert clip.receipt is not None
    clip.receipt = msgspec.structs.replace(clip.receipt, version="v1")
    told.tell(permits.word(version="v2"))


def _other_receipt(told: Told) -> None:
    clip = told.state.clips[C1]
    assert clip.receipt is not None
    clip.receipt = msgspec.structs.replace(clip.receipt, sha256="00" * 32)


def _undelivered(told: Told) -> None:
    told.state.clips[C1].phase = ClipPhase.SHOWN


def _no_word(told: Told) -> None:
    del told.state.custodian.words[C1]


def _failed_file(told: Told) -> None:
    session = told.state.sessions["A"]
    item = next(iter(session.items.values()))
    session.items["other"] = replace(item, trouble=replace(item.trouble, final=True))


@pytest.mark.parametrize(
    ("change", "ground"),
    [
        (_dock, Ground.WRONG_DOCK),
        (_unknown_camera, Ground.UNIDENTIFIED),
        (_other_camera, Ground.WRONG_CAMERA),
        (_unknown_clip, Ground.FOREIGN),
        (lambda told: setattr(told.state.clips[C1], "camera", "BWC-9"), Ground.WRONG_CAMERA),
        (lambda told: setattr(told.state.clips[C1], "sha256", "00" * 32), Ground.OTHER_BYTES),
        (lambda told: setattr(told.state.clips[C1], "bytes", 99), Ground.OTHER_BYTES),
        (lambda told: setattr(told.state.clips[C1], "path", "DCIM/z.MP4"), Ground.OTHER_PATH),
        (lambda told: setattr(told.state.clips[C1], "quarantine", "intact: said"), Ground.QUARANTINE),
        (lambda told: told.state.to_judge.update({(C1, "DCIM/a.MP4"): "m1"}), Ground.UNJUDGED),
        (lambda told: told.tell(story.hold_set(C1)), Ground.HOLD),
        (lambda told: told.tell(permits.word(legal_hold="on")), Ground.HOLD),
        (_undelivered, Ground.NO_RECEIPT),
        (_no_word, Ground.NO_RECEIPT),
        (lambda told: told.tell(permits.word(sha256="00" * 32)), Ground.OTHER_RECEIPT),
        (lambda told: told.tell(CustodianRefuted(C1, "00" * 32, "false")), Ground.OTHER_RECEIPT),
        (_version, Ground.OTHER_RECEIPT),
        (_other_receipt, Ground.OTHER_RECEIPT),
        (lambda told: told.tell(permits.word(findings=("another size",))), Ground.DOUBTED_RECEIPT),
        (_failed_file, Ground.CARD),
    ],
)
def test_each_ground_is_a_no_with_words_of_its_own(change: Callable[[Told], object], ground: Ground) -> None:
    told = ready(leave(dock="dock-7"))
    told.state.dock = "dock-7"
    assert verdict(told) == ""
    change(told)
    assert verdict(told) == ground


def test_a_quarantined_clip_is_kept_from_the_start() -> None:
    assert verdict(ready(leave(), doubt="intact: said")) == Ground.QUARANTINE


def test_a_permit_has_its_time() -> None:
    told = ready(leave())
    assert verdict(told, story.NOW - 1001) == Ground.NOT_YET
    assert verdict(told, story.NOW - 1000) == ""
    assert verdict(told, story.NOW + DAY_MS - 1) == ""
    assert verdict(told, story.NOW + DAY_MS) == Ground.STALE


# ---- the table ------------------------------------------------------------------------------------------------------


def act(told: Told) -> str:
    found = permit_table.next_act(told.state, told.state.sessions["A"], told.at_ms + 10)
    return found.act if found else ""


def test_a_permit_is_used_once() -> None:
    one = leave()
    told = ready(one)
    assert act(told) == "ask"
    told.tell(asks(one))
    asked = told.state.history.records - 1
    assert act(told) == "erase"
    told.tell(erased(asked, one))
    assert told.state.permits.gone == {C1: {"DCIM/a.MP4": asked + 1}}
    assert not told.state.sessions["A"].items
    assert act(told) == ""
    told.tell(seen(one))  # and again
    assert verdict(told) == Ground.REPLAY
    assert "used already" in story.refused(told, asks(one))
    assert "did not ask" in story.refused(told, erased(asked, one))


def test_the_card_that_comes_back_with_its_files_is_not_erased_again() -> None:
    one = leave()
    told = ready(one)
    told.tell(asks(one))
    told.tell(erased(told.state.history.records - 1, one), story.detached(), story.attached(), story.identified())
    told.tell(story.inventory("A", held={story.item(): C1}), seen(one))
    assert act(told) == ""
    assert "used already" in story.refused(told, asks(one))


@pytest.mark.parametrize("where", ["before", "between"])
def test_a_hold_stops_it_before_and_between(where: str) -> None:
    one = leave()
    told = ready(one)
    if where == "before":
        told.tell(story.hold_set(C1))
        assert "on hold" in story.refused(told, asks(one))
        assert act(told) == "ask"  # to put the ground on record
        told.tell(PermitRefused(C1, "00" * 32, Ground.HOLD, "on hold", PERMIT_ID, "s/A"))
        assert act(told) == ""  # once
        told.tell(story.hold_cleared(C1, told.state.clips[C1].holds[0].record))
        assert act(told) == "ask"
    else:
        told.tell(asks(one), story.hold_set(C1))
        assert verdict(told) == Ground.HOLD


def test_an_ask_without_an_end_is_looked_for_on_the_card() -> None:
    one = leave()
    told = ready(one)
    told.tell(asks(one))
    asked = told.state.history.records - 1
    told.tell(ev.DockStarted("1", "c0", "crash or power cut"), story.attached(), story.identified())
    told.tell(story.inventory("A", held={story.item(): C1}))
    assert act(told) == "look"
    assert "has no end yet" in story.refused(told, asks(one))
    told.tell(failed(asked))
    assert act(told) == ""  # for a moment
    assert permit_table.waits(told.state)
    told.at_ms += 10_000
    assert act(told) == "ask"


def test_what_nobody_knows_stays_open_and_what_was_found_gone_ends_it() -> None:
    one = leave()
    told = ready(one)
    told.tell(asks(one))
    asked = told.state.history.records - 1
    told.tell(failed(asked, unsure=True))
    told.at_ms += 10_000
    assert act(told) == "look"
    stone = Tombstone("DCIM/a.MP4", C1, "", 0, permits.RECEIPT)
    told.tell(msgspec.structs.replace(erased(asked, one), files=(stone,), method="found gone"))
    assert not told.state.permits.asks
    assert act(told) == ""


def test_a_tombstone_says_what_was_asked_for_and_nothing_else() -> None:
    one = leave()
    told = ready(one)
    told.tell(asks(one))
    asked = told.state.history.records - 1
    good = erased(asked, one)
    wrong = msgspec.structs.replace(good.files[0], sha256="00" * 32)
    assert "other bytes" in story.refused(told, msgspec.structs.replace(good, files=(wrong,)))
    elsewhere = msgspec.structs.replace(good.files[0], path="DCIM/z.MP4")
    assert "is not what record" in story.refused(told, msgspec.structs.replace(good, files=(elsewhere,)))
    assert "is not what record" in story.refused(told, msgspec.structs.replace(good, files=()))
    assert "cannot happen" in story.refused(told, msgspec.structs.replace(good, session="s/B"))


def test_an_altered_file_ends_its_permit_and_a_medium_waits_for_the_next_stay() -> None:
    one = leave()
    told = ready(one)
    told.tell(asks(one))
    told.tell(failed(told.state.history.records - 1, retry=False))
    told.at_ms += DAY_MS // 2
    assert act(told) == ""
    told.tell(story.detached(), story.attached())
    told.state.sessions["A"].id = "s/later"
    told.state.sessions["A"].camera, told.state.sessions["A"].phase = story.CAMERA, SessionPhase.LISTED
    told.state.sessions["A"].items = ready().state.sessions["A"].items
    assert act(told) == "ask"
    again = ready(one)
    again.tell(asks(one))
    again.tell(failed(again.state.history.records - 1, retry=False, ground="changed"))
    assert not again.state.permits.pending


def test_a_camera_that_may_be_taken_is_recalled_first() -> None:
    told = ready(leave()).tell(story.released())
    assert act(told) == "recall"
    assert "cannot happen" in story.refused(told, asks(leave()))
    told.tell(CameraRecalled("s/A", "no console"))
    session = told.state.sessions["A"]
    assert (session.phase, session.safe) == (SessionPhase.IDENTIFIED, False)


def test_a_shared_sidecar_stays_until_the_last_of_its_footage_goes() -> None:
    clips = [leave(named("DCIM/a.MP4", C1)), leave(named("DCIM/b.MP4", C2), id="1f" * 16)]
    side = leave(named("DCIM/a.GPS", C3), id="2f" * 16)
    told = permits.with_sidecars(side, *clips)
    session = told.state.sessions["A"]
    for one in clips:
        assert erasing.targets(told.state, session, told.state.permits.known[side.id]) == ()
        told.tell(asks(one))
        told.tell(erased(told.state.history.records - 1, one))
    assert erasing.targets(told.state, session, told.state.permits.known[side.id]) == side.files
    told.tell(asks(side))


def test_a_sidecar_that_the_permit_names_goes_with_its_clip() -> None:
    both = leave(named("DCIM/a.MP4", C1), named("DCIM/a.GPS", C3))
    told = permits.with_sidecars(both)
    assert erasing.targets(told.state, told.state.sessions["A"], told.state.permits.known[both.id]) == both.files[:1]
    told.state.clips[C3].sha256 = "00" * 32  # and one that differs keeps them all
    assert verdict(told) == Ground.OTHER_BYTES


def test_a_permit_is_what_its_envelope_says() -> None:
    told = ready()
    other = seen(leave(policy="8 days"))
    assert "does not hold" in story.refused(told, msgspec.structs.replace(seen(leave()), envelope=other.envelope))
    assert "is about clip" in story.refused(told, msgspec.structs.replace(seen(leave()), clip_id=C2))
    handed = PermitHandedIn(C1, leave(), (seen(leave()).envelope,) * 2, actor=story.ACTOR)
    assert "one envelope" in story.refused(told, handed)
    told.tell(msgspec.structs.replace(handed, documents=handed.documents[:1]))
    assert act(told) == "ask"


def test_permits_are_asked_for_once_before_a_camera_goes_and_then_now_and_then() -> None:
    told = ready()
    assert permit_table.first_to_seek(told.state, 60_000) == {"s/A"}
    assert permit_table.to_seek(told.state, told.at_ms, 60_000) == ("s/A",)
    assert [one.clip_id for one in permit_table.wanted(told.state, ("s/A",))] == [C1]
    told.tell(PermitsSought(("s/A",), 1, 0, "away"))
    assert permit_table.first_to_seek(told.state, 60_000) == frozenset()
    assert permit_table.to_seek(told.state, told.at_ms + 1000, 60_000) == ()
    assert permit_table.to_seek(told.state, told.at_ms + 61_000, 60_000) == ("s/A",)
    assert permit_table.to_seek(told.state, told.at_ms, 0) == ()
    told.tell(seen(leave()))
    assert permit_table.to_seek(told.state, told.at_ms + 61_000, 60_000) == ()


def test_records_say_it_in_the_contracts_words() -> None:
    one = leave()
    told = ready(one)
    told.tell(asks(one))
    told.tell(erased(told.state.history.records - 1, one))
    records = [parse(payload) for payload in told.payloads[-3:]]
    assert [record["type"] for record in records] == ["permit", "erase.ask", "erase"]
    assert [record["item"]["clip"] for record in records] == [C1] * 3
    lines = [tell(event_of(payload)[0], told.state) for payload in told.payloads[-3:]]
    assert "ERASED from the camera: DCIM/a.MP4" in lines[2]
    failure = parse(ready(one).tell(PermitRefused(C1, "00" * 32, "hold", "it is on hold", PERMIT_ID)).payloads[-1])
    assert (failure["outcome"], failure["errors"]) == ("failure", ["it is on hold"])
