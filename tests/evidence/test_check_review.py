"""Reviews in a ledger, checked by somebody who has the ledger, the witnesses' keys and what others kept. The forger has
the dock's keys and writes what he likes; what he has not is the witnesses' keys."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dockagent.core import custody, strict_json
from dockagent.core import events as ev
from dockagent.core.model import Question, ReviewFilter, State
from dockagent.core.moment import Instant
from dockagent.core.proof import merkle, note
from dockagent.core.proof.dsse import parse
from dockagent.core.review import review
from dockagent.core.session import advance
from dockagent.errors import Refused
from dockagent.evidence.check_history import Found
from dockagent.evidence.check_review import check_review
from dockagent.evidence.keyring import Keyring
from dockagent.evidence.report import Report
from dockagent.ledger import witnessed
from dockagent.ledger.keys import Keys
from dockagent.ledger.seed_notes import Court, joined, seed_note
from dockagent.ledger.trust import Trust
from tests.core.story import NOW, SETTING
from tests.core.test_review import asking, taken_in
from tests.ledger import made, witnesses

KEYS = [witnesses.key(name=f"{name}.example/w", seed=seed) for seed, name in enumerate(("one", "two", "three"))]
AT = 1_790_000_000


@dataclass
class Dock:
    """A ledger in the hands of whoever has its keys: six clips taken in, and what he does then."""

    keys: Keys
    state: State = field(default_factory=State)
    lines: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        for payload in taken_in(6).payloads:
            event, at_ms = custody.event_of(payload)
            advance(self.state, event, at_ms)
            self.lines.append(self.keys.sign_record(payload) + b"\n")

    def put(self, event: ev.Event) -> int:
        """Write a record, also one that no honest dock would write; its number."""
        at_ms = NOW + 1000 * len(self.lines)
        at = Instant(at_ms, "boot", at_ms, "ntp", 5)
        payload = custody.record(event, len(self.lines), at, SETTING, self.state)
        try:
            advance(self.state, event, at_ms)
        except Refused:
            self.state.history.records += 1
        self.lines.append(self.keys.sign_record(payload) + b"\n")
        return len(self.lines) - 1

    def round(self, *by: int, told: bool = True, root: bytes = b"") -> Found:
        """The ledger goes round; what the witnesses ``by`` signed. ``told``: whether a record says so."""
        size = len(self.lines)
        root = root or merkle.root(merkle.leaf_hash(line[:-1]) for line in self.lines)
        sealed = self.keys.sign_checkpoint(size, root)
        text = sealed.partition("\n\n")[0] + "\n"
        signed = (sealed + "".join(KEYS[n].cosign(text, AT + size + n) for n in by)).encode()
        if told:
            who = tuple(review.cosigner_of(one) for one in note.parse(signed).signatures[1:])
            self.put(ev.Checkpointed(size, root.hex(), who, 3, 2, None, "", ()))
        return Found("that somebody kept", signed)

    def ask(self, sample: int = 2, **wanted: Any) -> int:
        return self.put(asking(self.state, sample, **wanted))

    def draw(self, request: int, found: Found, **changed: Any) -> int:
        signed = note.parse(found.note)
        one = self.state.reviews[request]
        lines = changed.pop("lines", signed.signatures[1:])
        checkpoint = review.seed_checkpoint(signed.text, lines)
        ids = changed.pop("ids", one.candidates)
        seed = changed.get("seed", review.seed(request, one.asked, checkpoint))
        clips = tuple(review.draw(seed, ids, one.asked.sample))
        facts = {"request": request, "checkpoint": checkpoint, "seed": seed, "clips": clips, **changed}
        return self.put(ev.SampleDrawn(**facts))

    def rewrite(self, index: int, **what: Any) -> None:
        """Record ``index`` anew, with other facts."""
        record = strict_json.parse(parse(self.lines[index]).payload)
        record["what"] |= what
        self.lines[index] = self.keys.sign_record(strict_json.canonical(record)) + b"\n"

    def checked(self, *found: Found, quorum: int = 2, trusted: bool = True) -> Report:
        whom = Trust((self.keys.dock,), witnesses=tuple(one.public for one in KEYS), quorum=quorum) if trusted else None
        keyring = Keyring.of(whom, (self.keys.dock,))
        report = check_review("ledger", lambda: iter(self.lines), found, keyring, whom)
        assert report is not None
        return report


@pytest.fixture
def dock(tmp_path: Path) -> Dock:
    return Dock(made.keys(tmp_path))


def why(report: Report, aspect: str = "intact") -> str:
    assert report.verdicts[aspect].word == "fail"
    return report.verdicts[aspect].why


def words(report: Report) -> Sequence[str]:
    return [report.verdicts[name].word for name in ("intact", "signer")]


def test_a_ledger_without_reviews_is_not_spoken_of(dock: Dock) -> None:
    assert check_review("ledger", lambda: iter(dock.lines), (), Keyring.of(None, ()), None) is None


def test_a_trust_file_that_names_no_witness_is_told_what_to_add(dock: Dock) -> None:
    request = dock.ask()
    dock.draw(request, dock.round(0, 1))
    keyring = Keyring.of(Trust((dock.keys.dock,)), ())
    for trust, todo in ((Trust((dock.keys.dock,)), "put their keys into its `witnesses`"), (None, "give --trust FILE")):
        report = check_review("ledger", lambda: iter(dock.lines), (), keyring, trust)
        assert report is not None
        assert report.verdicts["signer"].word == "unknown"
        assert report.verdicts["signer"].why.endswith(todo)


def test_a_fair_review_passes(dock: Dock) -> None:
    early = dock.round(0, 1)
    request = dock.ask()
    kept = dock.round(0, 1)
    dock.draw(request, kept)
    later = dock.round(0, 1, 2)
    report = dock.checked(early, kept, later)
    assert words(report) == ["pass", "pass"]
    assert report.findings == ()
    assert any(f"drew 2 clips for request {request}, cosigned on 2026" in fact for fact in report.facts)


def test_what_was_cosigned_while_the_dock_stopped_is_drawn_from(dock: Dock) -> None:
    request = dock.ask()
    silent = dock.round(0, 1, told=False)
    dock.put(ev.DockStarted("1", "c0", "clean stop"))
    told = dock.round(0, 1)
    dock.draw(request, silent)
    assert words(dock.checked(silent, told)) == ["pass", "pass"]


def test_without_the_witnesses_keys_nobody_can_tell_whose_seed_it_is(dock: Dock) -> None:
    _drawn(dock)
    assert words(dock.checked(trusted=False)) == ["pass", "unknown"]
    assert dock.checked(trusted=False).exit_code == 3


def _drawn(dock: Dock, **wanted: Any) -> tuple[int, int, Found]:
    """A fair review: request, draw, and the checkpoint between them."""
    request = dock.ask(**wanted)
    kept = dock.round(0, 1)
    return request, dock.draw(request, kept), kept


def test_a_filter_that_was_changed_afterwards(dock: Dock) -> None:
    request, _, kept = _drawn(dock)
    asked = strict_json.parse(parse(dock.lines[request]).payload)["what"]["question"]
    dock.rewrite(request, question={**asked, "filter": {**asked["filter"], "officer": "4711"}})
    assert f"record {request}: 0 clips fit the filter now" in why(dock.checked(kept))


def cosigned_again(found: Found, by: int, later: int) -> Found:
    """The same checkpoint with the cosignature that a witness made ``later`` seconds after its first."""
    signed = note.parse(found.note)
    mine = next(one for one in signed.signatures[1:] if one.name == KEYS[by].public.name)
    line = KEYS[by].cosign(signed.text, int.from_bytes(mine.signature[:8]) + later)
    others = "".join(note.signature_line(one) for one in signed.signatures if one is not mine)
    return Found("that somebody kept", f"{signed.text}\n{others}{line}".encode())


def test_a_seed_that_was_asked_for_until_it_was_a_nice_one(dock: Dock) -> None:
    """A witness of others signs each time anew. Whoever kept its first cosignature shows it."""
    request = dock.ask()
    first = dock.round(0, 1, told=False)
    nicer = cosigned_again(first, 1, 40)
    drawn = dock.draw(request, nicer)
    assert dock.checked(nicer).findings == (), "nobody else kept one: nothing shows it"
    report = dock.checked(nicer, first)
    assert report.exit_code == 3
    assert f"record {drawn}: its seed has the cosignature that two.example/w made on" in report.findings[0]
    assert "had cosigned the same checkpoint already: who asked it again could choose" in report.findings[0]


def test_a_seed_of_first_cosignatures_is_good_whatever_was_asked_later(dock: Dock) -> None:
    request = dock.ask()
    first = dock.round(0, 1, told=False)
    dock.draw(request, first)
    report = dock.checked(first, cosigned_again(first, 1, 40))
    assert (words(report), report.findings) == (["pass", "pass"], ())
    assert any("two.example/w cosigned its seed 2 times; the first one counts" in fact for fact in report.facts)


def test_the_earliest_that_is_known_is_drawn_from(dock: Dock) -> None:
    dock.ask()
    first = dock.round(0, 1, told=False)
    later = cosigned_again(first, 1, 40)
    court = Court((dock.keys.dock.log_key,), [one.public for one in KEYS], 2)
    expected = seed_note(first.note, court).as_lines()
    assert seed_note(later.note, court).as_lines() != expected
    assert joined(seed_note(later.note, court), seed_note(first.note, court), court).as_lines() == expected
    assert joined(seed_note(first.note, court), seed_note(later.note, court), court).as_lines() == expected
    both = witnessed.with_signatures(later.note, note.parse(first.note).signatures)
    assert seed_note(both, court).as_lines() == expected
    other = dock.round(0, 1, told=False)
    assert joined(seed_note(first.note, court), seed_note(other.note, court), court).as_lines() == expected


@pytest.mark.parametrize("change", ["left out", "put in"])
def test_a_list_that_was_changed(dock: Dock, change: str) -> None:
    ids = list(review.candidates(dock.state.clips.values(), ReviewFilter()))
    ids = ids[1:] if change == "left out" else [*ids, "f" * 32]
    fair = asking(dock.state)
    question = Question(ReviewFilter(), 2, len(ids), review.list_sha256(ids))
    request = dock.put(ev.SampleAsked(question, grounds=fair.grounds))
    dock.round(0, 1)
    assert f"record {request}: 6 clips fit the filter now; the request has another list" in why(dock.checked())


def test_a_sample_from_another_list_than_that_of_the_request(dock: Dock) -> None:
    request = dock.ask()
    kept = dock.round(0, 1)
    fair = review.candidates(dock.state.clips.values(), ReviewFilter())
    first = review.draw(review.seed(request, dock.state.reviews[request].asked, _lines(kept)), fair, 2)[0]
    dock.draw(request, kept, ids=[one for one in fair if one != first])
    assert "is not the one that the seed draws" in why(dock.checked(kept))


def _lines(found: Found) -> tuple[str, ...]:
    signed = note.parse(found.note)
    return review.seed_checkpoint(signed.text, signed.signatures[1:])


def test_a_later_checkpoint_that_the_ledger_tells_of(dock: Dock) -> None:
    request = dock.ask()
    first, later = dock.round(0, 1), dock.round(0, 1)
    dock.draw(request, later)
    assert "may not be passed over" in why(dock.checked())
    assert "passed over the one over" in why(dock.checked(first, later))


def test_a_later_checkpoint_where_the_first_was_hidden(dock: Dock) -> None:
    """The dock tells of none; only whoever kept it can refute the draw. Where nobody did, nothing shows it: the limit
    that the page states."""
    request = dock.ask()
    hidden = dock.round(0, 1, told=False)
    dock.put(ev.Accessed("show"))
    later = dock.round(0, 1)
    dock.draw(request, later)
    assert f"passed over the one over {request + 1}, which witnesses had cosigned" in why(dock.checked(hidden, later))
    assert words(dock.checked(later)) == ["pass", "pass"]


def test_a_checkpoint_from_before_the_question(dock: Dock) -> None:
    early = dock.round(0, 1)
    request = dock.ask()
    dock.draw(request, early)
    assert "was there before record" in why(dock.checked(early))


def test_a_checkpoint_of_another_history(dock: Dock) -> None:
    request = dock.ask()
    other = dock.round(0, 1, root=bytes(32))
    dock.draw(request, other)
    assert "another history than this ledger's" in why(dock.checked(other))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"seed": hashlib.sha256(b"mine").hexdigest()}, "the seed is not that of the request"),
        ({"clips": ("0" * 31 + "1", "0" * 31 + "1", "0" * 31 + "2")}, "is not the one that the seed draws"),
        ({"clips": ()}, "is not the one that the seed draws"),
    ],
)
def test_a_seed_or_a_sample_of_ones_own(dock: Dock, changed: dict[str, Any], said: str) -> None:
    request = dock.ask(3)
    kept = dock.round(0, 1)
    dock.draw(request, kept, **changed)
    assert said in why(dock.checked(kept))


def test_a_draw_that_was_altered_afterwards(dock: Dock) -> None:
    _, drawn, kept = _drawn(dock)
    clips = strict_json.parse(parse(dock.lines[drawn]).payload)["what"]["clips"]
    dock.rewrite(drawn, clips=[clips[0], next(f"{one:032x}" for one in range(6) if f"{one:032x}" not in clips)])
    assert f"record {drawn}: the sample is not" in why(dock.checked(kept))


def test_cosignatures_of_ones_own(dock: Dock) -> None:
    """Names and hashes of witnesses' keys are public; their signatures he has to make up."""
    request = dock.ask()
    size, root = len(dock.lines), merkle.root(merkle.leaf_hash(line[:-1]) for line in dock.lines)
    lines = [
        note.NoteSignature(one.public.name, one.public.key_hash, (AT + n).to_bytes(8) + bytes(64))
        for n, one in enumerate(KEYS[:2])
    ]
    text = dock.keys.sign_checkpoint(size, root) + "".join(note.signature_line(one) for one in lines)
    dock.put(ev.Checkpointed(size, root.hex(), tuple(map(review.cosigner_of, lines)), 3, 2, None, "", ()))
    dock.draw(request, Found("his own", text.encode()))
    report = dock.checked()
    assert report.verdicts["intact"].word == "pass"
    assert "is not valid" in why(report, "signer")


def test_a_line_by_nobody_beside_the_witnesses_own(dock: Dock) -> None:
    """Before the ledger tells of a round, its keeper could try lines of nobody's until he likes the sample."""
    request = dock.ask()
    silent = dock.round(0, 1, told=False)
    signed = note.parse(silent.note).signatures[1:]
    dock.draw(request, silent, lines=(*signed, note.NoteSignature("nobody.example", bytes(4), bytes(72))))
    report = dock.checked(silent)
    assert words(report) == ["pass", "unknown"]
    assert "'nobody.example', whom the trust file does not know" in report.verdicts["signer"].why
    assert report.exit_code == 3


def test_fewer_witnesses_than_the_trust_file_demands(dock: Dock) -> None:
    _drawn(dock)
    assert "2 cosignatures of trusted witnesses, 3 are needed" in why(dock.checked(quorum=3), "signer")


def test_two_questions_of_which_the_nicer_answer_is_shown(dock: Dock) -> None:
    first = dock.ask()
    second = dock.ask(3)
    kept = dock.round(0, 1)
    dock.draw(second, kept)
    dock.put(ev.Accessed("review.draw", outcome="refused", reason="too early"))
    report = dock.checked(kept)
    assert words(report) == ["pass", "pass"]
    assert report.exit_code == 3
    said = "\n".join(report.findings)
    assert f"request {first} (2 of 6 clips" in said
    assert f"asked for 2 times: requests {first}, {second}; look at all of them" in said
    assert "tries to draw were refused: records" in said


def test_a_question_that_waits_is_no_finding(dock: Dock) -> None:
    dock.round(0, 1)
    request = dock.ask()
    report = dock.checked()
    assert report.findings == ()
    assert any(f"request {request}" in fact and "waits for witnesses" in fact for fact in report.facts)
    assert report.exit_code == 0
