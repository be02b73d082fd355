"""What may be asked for when footage leaves the house, and what may be said to have come of it."""

import msgspec
import pytest

from dockagent.core import events as ev
from dockagent.core.acts import Actor, Grounds
from dockagent.core.custody import event_of
from dockagent.core.model import ClipPhase
from dockagent.core.narrate import tell
from dockagent.core.strict_json import parse
from dockagent.errors import Refused
from tests.core import story

WHY = Grounds("R v Smith", "CPIA", "DI Jones", "Defence")
KAY = Actor("kay", "peer credentials", 1000)


def told() -> tuple[story.Story, str]:
    """A story with one clip, and its id."""
    made = story.clip_in(ClipPhase.DONE)
    return made, next(iter(made.state.clips))


def test_the_three_of_them_are_records_of_a_person() -> None:
    made, clip = told()
    made.tell(ev.DisclosureAsked((clip,), actor=KAY, grounds=WHY))
    asked = made.state.history.records - 1
    before = made.state.clips[clip].phase
    made.tell(ev.Disclosed((clip,), "package", asked, "ab" * 32, 3, 400, actor=KAY, grounds=WHY))
    made.tell(ev.DisclosureFailed((clip,), asked, "the disk is full", actor=KAY, grounds=WHY))
    assert made.state.clips[clip].phase is before
    records = [parse(payload) for payload in made.payloads[-3:]]
    assert [one["type"] for one in records] == ["disclose.ask", "disclose", "disclose.failed"]
    assert {one["who"]["actor"] for one in records} == {"person"}
    assert [one["outcome"] for one in records] == ["success", "success", "failure"]
    assert records[2]["errors"] == ["the disk is full"]
    for payload, index in zip(made.payloads[-3:], range(asked, asked + 3), strict=True):
        event, _ = event_of(payload, index)
        assert "kay" in tell(event, made.state)


@pytest.mark.parametrize("missing", ["purpose", "basis", "authority", "recipient"])
def test_every_ground_is_needed(missing: str) -> None:
    made, clip = told()
    words = {"purpose": "a", "basis": "b", "authority": "c", "recipient": "d", missing: " "}
    with pytest.raises(Refused, match="purpose, basis, authority and recipient"):
        made.tell(ev.DisclosureAsked((clip,), grounds=Grounds(**words)))


def test_what_cannot_be_is_refused() -> None:
    made, clip = told()
    records = made.state.history.records
    for bad in (
        ev.DisclosureAsked((), grounds=WHY),
        ev.DisclosureAsked((clip, clip), grounds=WHY),
        ev.DisclosureAsked(("f" * 32,), grounds=WHY),
        ev.Disclosed((clip,), "package", records, "ab" * 32, grounds=WHY),
        ev.Disclosed((clip,), "package", 0, "", grounds=WHY),
        ev.DisclosureFailed((clip,), -1, "no", grounds=WHY),
    ):
        with pytest.raises(Refused):
            made.tell(bad)
    assert made.state.history.records == records


def test_an_end_is_of_what_its_own_person_asked_for_and_once() -> None:
    """Whoever may use the desk can send it an end: none of them may pass for that of another's disclosure."""
    made, clip = told()
    made.tell(ev.DisclosureAsked((clip,), actor=KAY, grounds=WHY))
    asked = made.state.history.records - 1
    done = ev.Disclosed((clip,), "package", asked, "ab" * 32, actor=KAY, grounds=WHY)
    for other, words in (
        (msgspec.structs.replace(done, asked=asked - 1), "did not ask"),
        (msgspec.structs.replace(done, clips=("f" * 32,)), "did not ask"),
        (msgspec.structs.replace(done, kind="excerpt"), "did not ask"),
        (msgspec.structs.replace(done, actor=msgspec.structs.replace(KAY, uid=KAY.uid + 1)), "somebody else"),
    ):
        with pytest.raises(Refused, match=words):
            made.tell(other)
    made.tell(done)
    with pytest.raises(Refused, match="handed out already"):
        made.tell(done)
    ended = ev.DisclosureFailed((clip,), asked, "it never got its name", actor=KAY, grounds=WHY)
    made.tell(ended)
    for late in (done, ended):
        with pytest.raises(Refused, match="did not ask"):
            made.tell(late)
