"""What the custodian says right before footage is erased, and what becomes of it. Mostly the card is not there: whoever
gets past the question fails for that."""

import hashlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from dockagent.clock import SystemClock
from dockagent.core.events.permit import Erased, EraseFailed, PermitRefused, PermitsSought
from dockagent.core.permits import permit
from dockagent.core.permits.erasing import Ground
from dockagent.core.permits.permit import ANY_DOCK, Named, Permit
from dockagent.core.permits.permit_state import OpenAsk
from dockagent.core.permits.permit_table import Wanted
from dockagent.custodian.key import SigningKey
from dockagent.errors import Retryable
from dockagent.ledger.custodian_peer import Counterparty, Withheld
from dockagent.steps.erase import Job, erase, seek
from dockagent.steps.erase_gate import Gate
from dockagent.steps.world import World
from dockagent.transports.bays import DockBays
from tests.simulation.memory_disk import MemoryDisk
from tests.steps.card import world_over

CLIP, SIDECAR = "c1" * 16, "c2" * 16
FILES = tuple(Named(f"DCIM/{clip[:2]}", clip, clip * 2, 9, "ee" * 32) for clip in (CLIP, SIDECAR))
FOLDERS = {CLIP: f"clips/BWC-1/2026/11/22/{CLIP}", SIDECAR: f"clips/BWC-1/2026/11/22/{SIDECAR}"}
KEY, STRANGER = (SigningKey.open(MemoryDisk(Random(n)), "desk", Random(n).randbytes) for n in (1, 2))
LATE = 1 << 60  # ms; no permit ends so late
Answer = Callable[[str], bytes | None]


def signed(key: SigningKey = KEY, camera: str = "BWC-1", files: tuple[Named, ...] = FILES) -> bytes:
    one = Permit(permit.name(camera, files, "test"), ANY_DOCK, camera, "test", 1, 1, 2, files)
    return key.seal(permit.statement(one))


def withheld(clip: str) -> bytes | None:
    raise Withheld("the custodian gives no permit for it now: it is on hold")


def away(clip: str) -> bytes | None:
    raise Retryable("nobody answers")


def peer(answer: Answer, *, door: bool = True) -> Counterparty:
    return Counterparty((KEY.public,), lambda kind, clip, folder, name: answer(clip), door)


def tried(tmp_path: Path, custodian: Counterparty | None) -> EraseFailed:
    with closing(DockBays(SystemClock(), tmp_path / "mounts")) as bays:
        world = world_over(MemoryDisk(Random(3)), bays, eraser=bays, custodian=custodian)
        (event,) = erase(world, Job("s1", "A", 5, OpenAsk("s1", "BWC-1", "p1", FILES), CLIP, 3, LATE, folders=FOLDERS))
    assert isinstance(event, EraseFailed)
    return event


@pytest.mark.parametrize(
    ("answer", "words", "retry"),
    [
        (withheld, "it is on hold", False),
        (lambda clip: None, "no permit for it any more", False),
        (lambda clip: b"<html>log in</html>", "is nothing signed", True),
        (lambda clip: signed() if clip == CLIP else b"<html>log in</html>", "is nothing signed", True),
        (lambda clip: signed(STRANGER), "", False),
        (lambda clip: signed(camera="BWC-2"), "for camera BWC-2", False),
        (lambda clip: signed(files=FILES[::-1]), f"is about clip {SIDECAR}", False),
        (lambda clip: signed() if clip == CLIP else withheld(clip), "it is on hold", False),
        (away, "nobody answers", True),
        (lambda clip: signed() if clip == CLIP else away(clip), "nobody answers", True),
    ],
)
def test_only_a_permit_that_he_hands_out_lets_it_go(tmp_path: Path, answer: Answer, words: str, retry: bool) -> None:
    event = tried(tmp_path, peer(answer))
    assert (event.ground, event.retry, event.unsure) == (Ground.WITHHELD, retry, False)
    assert words in event.reason
    assert event.reason


def test_who_gets_it_once_more_goes_on_and_so_does_who_has_nobody_to_ask(tmp_path: Path) -> None:
    """What goes with the clip need not have a permit of its own."""
    given = peer(lambda clip: signed() if clip == CLIP else None)
    for custodian in (given, peer(away, door=False), None):
        assert tried(tmp_path, custodian).ground == Ground.MEDIUM


@pytest.mark.parametrize(("later", "retry"), [(withheld, False), (away, True), (None, False)])
def test_what_comes_while_files_are_hashed_is_heard_before_the_first_goes(
    tmp_path: Path, later: Answer | None, retry: bool
) -> None:
    card, data, asked = tmp_path / "card", b"film" * 500_000, list[str]()
    card.mkdir()
    (card / "clip.mp4").write_bytes(data)
    files = (Named("clip.mp4", CLIP, hashlib.sha256(data).hexdigest(), len(data), "ee" * 32),)

    def answer(clip: str) -> bytes | None:
        asked.append(clip)
        return signed(files=files) if len(asked) == 1 or later is None else later(clip)

    with closing(DockBays(SystemClock(), tmp_path / "mounts")) as bays:
        bays.came("A", "folder", str(card), {})
        world = world_over(MemoryDisk(Random(3)), bays, eraser=bays, custodian=peer(answer))
        job = Job("s1", "A", 5, OpenAsk("s1", "BWC-1", "p1", files), CLIP, 3, LATE, folders={CLIP: FOLDERS[CLIP]})
        (event,) = erase(world, job)
    assert len(asked) == 2
    assert (card / "clip.mp4").exists() is (later is not None)
    if later is None:
        assert isinstance(event, Erased)
    else:
        assert isinstance(event, EraseFailed)
        assert (event.ground, event.retry, event.unsure) == (Ground.WITHHELD, retry, False)


def test_a_file_beside_the_clip_goes_by_the_clips_permit_alone(tmp_path: Path) -> None:
    """What is left of a permit may be such a file: the clip that it is about is asked for all the same."""
    for answer in (withheld, away, lambda clip: None):
        with closing(DockBays(SystemClock(), tmp_path / "mounts")) as bays:
            world = world_over(MemoryDisk(Random(3)), bays, eraser=bays, custodian=peer(only(CLIP, answer)))
            ask = OpenAsk("s1", "BWC-1", "p1", FILES[1:])
            (event,) = erase(world, Job("s1", "A", 5, ask, CLIP, 3, LATE, folders=FOLDERS))
        assert isinstance(event, EraseFailed)
        assert event.ground == Ground.WITHHELD


def only(clip: str, answer: Answer) -> Answer:
    return lambda asked: answer(asked) if asked == clip else None


def erased_unless(
    tmp_path: Path, before_it_goes: Callable[[World], None], until_ms: int = LATE
) -> EraseFailed | Erased:
    """From a card that is there. ``before_it_goes`` is called when all of it was hashed."""
    card, data, asked = tmp_path / "card", b"film", list[str]()
    card.mkdir()
    (card / "clip.mp4").write_bytes(data)
    files = (Named("clip.mp4", CLIP, hashlib.sha256(data).hexdigest(), len(data), "ee" * 32),)

    def answer(clip: str) -> bytes | None:
        asked.append(clip)
        if len(asked) == 2:
            before_it_goes(world)
        return signed(files=files)

    with closing(DockBays(SystemClock(), tmp_path / "mounts")) as bays:
        bays.came("A", "folder", str(card), {})
        world = world_over(MemoryDisk(Random(3)), bays, eraser=bays, custodian=peer(answer))
        job = Job("s1", "A", 5, OpenAsk("s1", "BWC-1", "p1", files), CLIP, 3, until_ms, folders={CLIP: FOLDERS[CLIP]})
        (event,) = erase(world, job)
    assert isinstance(event, EraseFailed | Erased)
    assert (card / "clip.mp4").exists() is isinstance(event, EraseFailed)
    return event


def test_a_hold_here_that_comes_while_files_are_hashed_stops_them(tmp_path: Path) -> None:
    event = erased_unless(tmp_path, lambda world: entered(world, CLIP, stops=True))
    assert isinstance(event, EraseFailed)
    assert (event.ground, event.retry, event.unsure) == (Ground.HOLD, True, False)


@pytest.mark.parametrize(("clip", "stops"), [(CLIP, False), (SIDECAR, True)])
def test_other_acts_and_other_clips_do_not(tmp_path: Path, clip: str, stops: bool) -> None:
    assert isinstance(erased_unless(tmp_path, lambda world: entered(world, clip, stops=stops)), Erased)


def entered(world: World, clip: str, *, stops: bool) -> None:
    assert world.gate.enter(clip, stops=stops)


def test_after_the_last_word_whoever_comes_waits_until_it_is_over() -> None:
    gate = Gate()
    assert gate.enter(CLIP, stops=False)
    assert gate.shut((CLIP, SIDECAR))
    assert not gate.enter(CLIP, stops=True)
    assert not gate.enter(SIDECAR, stops=False)
    gate.end((CLIP, SIDECAR))
    assert gate.enter(CLIP, stops=True)
    assert not gate.shut((SIDECAR, CLIP))
    gate.end((CLIP,))
    assert gate.shut((CLIP,))


def test_a_permit_whose_time_is_over_is_none(tmp_path: Path) -> None:
    event = erased_unless(tmp_path, lambda world: None, until_ms=1)
    assert isinstance(event, EraseFailed)
    assert (event.ground, event.retry) == (Ground.STALE, False)


def test_one_that_is_withheld_stops_no_other(tmp_path: Path) -> None:
    answers: dict[str, Answer] = {CLIP: withheld, SIDECAR: lambda clip: signed(files=FILES[1:])}
    with closing(DockBays(SystemClock(), tmp_path / "mounts")) as bays:
        world = world_over(MemoryDisk(Random(3)), bays, custodian=peer(lambda clip: answers[clip](clip)))
        wanted = [Wanted(clip, folder, "BWC-1") for clip, folder in FOLDERS.items()]
        _, sought = seek(world, ("s1",), wanted, {})
    assert isinstance(sought, PermitsSought)
    assert (sought.asked, sought.found) == (2, 1)
    assert "it is on hold" in sought.reason


def sought(tmp_path: Path, answer: Answer, clips: int) -> list[object]:
    with closing(DockBays(SystemClock(), tmp_path / "mounts")) as bays:
        world = world_over(MemoryDisk(Random(3)), bays, custodian=peer(answer))
        return list(seek(world, ("s1",), [Wanted(f"{n:032x}", f"clips/{n}", "BWC-1") for n in range(clips)], {}))


@pytest.mark.parametrize("page", [b"<html>Please sign in</html>", b""])
def test_a_portal_hands_out_no_permits_and_is_not_asked_about_every_clip(tmp_path: Path, page: bytes) -> None:
    (end,) = sought(tmp_path, lambda clip: page, 256)
    assert isinstance(end, PermitsSought)
    assert (end.asked, end.found) == (3, 0)
    assert "is nothing signed, and is asked for again" in end.reason


def test_one_envelope_that_is_no_permit_of_any_clip_is_said_once(tmp_path: Path) -> None:
    refused, end = sought(tmp_path, lambda clip: signed(STRANGER), 256)
    assert isinstance(refused, PermitRefused)
    assert (refused.ground, end) == (Ground.UNKNOWN_KEY, PermitsSought(("s1",), 256, 0))
