"""Draws that somebody sends to the desk without the command: only what witnesses signed, and nothing beside it."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dockagent import desk
from dockagent.clock import SystemClock
from dockagent.config import Config, Witnesses
from dockagent.core import events as ev
from dockagent.core.acts import Recorded
from dockagent.core.proof import note
from dockagent.core.proof.note import NoteSignature
from dockagent.core.review import review
from dockagent.desk_rules import check
from dockagent.desk_server import open_desk
from dockagent.dock import Ask
from dockagent.durable import RealDisk
from dockagent.errors import Refused
from dockagent.ledger.keys import Keys
from tests.core.story import Story
from tests.core.test_review import asking, taken_in
from tests.desk_bench import home_with, told
from tests.ledger import witnesses

KEYS = [witnesses.key(name=f"{name}.example/w", seed=seed) for seed, name in enumerate(("one", "two"))]
AT = 1_790_000_000
STRANGER = NoteSignature("nobody.example", bytes(4), bytes(72))


@dataclass
class Asked:
    """A dock that does not run, with one open request, and what witnesses signed behind it."""

    home: Path
    story: Story
    config: Config = field(
        default_factory=lambda: Config(
            witnesses=Witnesses(ask=tuple(f"{one.public.text()} http://127.0.0.1:1" for one in KEYS), quorum=2)
        )
    )

    @property
    def request(self) -> int:
        return len(self.story.payloads) - 1

    def signed(self, root: bytes = b"") -> note.Note:
        ledger = RealDisk(self.home / "ledger")
        sealed = ledger.read("checkpoint").decode()
        text = sealed.partition("\n\n")[0] + "\n"
        if root:
            keys = Keys.load(RealDisk(self.home / "keys"))
            sealed = keys.sign_checkpoint(len(self.story.payloads), root)
            text = sealed.partition("\n\n")[0] + "\n"
        return note.parse((sealed + "".join(one.cosign(text, AT) for one in KEYS)).encode())

    def draw(self, signed: note.Note, *lines: NoteSignature) -> ev.SampleDrawn:
        """What follows from a checkpoint with these lines."""
        one = self.story.state.reviews[self.request]
        checkpoint = review.seed_checkpoint(signed.text, lines)
        seed = review.seed(self.request, one.asked, checkpoint)
        clips = review.draw(seed, one.candidates, one.asked.sample)
        return ev.SampleDrawn(self.request, checkpoint, seed, tuple(clips))


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    story = taken_in(6)
    story.tell(asking(story.state, 2))
    return Asked(home_with(tmp_path, story), story)


def test_a_draw_from_what_the_quorum_signed_is_taken(asked: Asked) -> None:
    signed = asked.signed()
    desk.append(asked.config, asked.home, asked.draw(signed, *signed.signatures[1:]))
    assert isinstance(told(asked.home)[-1], ev.SampleDrawn)


def test_a_line_by_nobody_would_choose_the_sample(asked: Asked) -> None:
    signed = asked.signed()
    with pytest.raises(Refused, match=r"in the name of 'nobody\.example', which is no witness of this dock"):
        desk.append(asked.config, asked.home, asked.draw(signed, *signed.signatures[1:], STRANGER))
    tried = told(asked.home)[-1]
    assert isinstance(tried, ev.Accessed)
    assert (tried.act, tried.outcome) == ("review.draw", "refused")


def test_made_up_or_missing_cosignatures(asked: Asked) -> None:
    signed = asked.signed()
    first, second = signed.signatures[1:]
    forged = NoteSignature(second.name, second.key_hash, AT.to_bytes(8) + bytes(64))
    with pytest.raises(Refused, match="forged"):
        check(asked.config, asked.home, asked.draw(signed, first, forged))
    with pytest.raises(Refused, match="1 of the 2 cosignatures"):
        check(asked.config, asked.home, asked.draw(signed, first))


def test_a_checkpoint_of_another_history(asked: Asked) -> None:
    signed = asked.signed(root=bytes(32))
    with pytest.raises(Refused, match="another history"):
        check(asked.config, asked.home, asked.draw(signed, *signed.signatures[1:]))


def test_the_running_agent_looks_too(asked: Asked) -> None:
    """Whoever may use the desk can send it anything; what it refuses never reaches the dock."""
    posted: list[Ask] = []

    def post(message: Ask) -> None:
        posted.append(message)
        message.answer(Recorded(12, 13, 0))

    signed = asked.signed()
    home = RealDisk(asked.home)
    with open_desk(home, (), lambda event: check(asked.config, asked.home, event), post, SystemClock()) as server:
        assert server is not None
        with pytest.raises(Refused, match=r"nobody\.example"):
            desk.ask(asked.home, asked.draw(signed, *signed.signatures[1:], STRANGER))
    assert [type(one.event) for one in posted] == [ev.Accessed]
