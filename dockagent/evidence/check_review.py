"""Check the samples that a ledger says were drawn: was the question fixed first, is the seed the first witnessed
checkpoint behind it, is the sample the one that follows? Pure over lines, checkpoints and keys.

The ledger is replayed for it, so that the list of every request is made again from the records themselves.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from dockagent.core import custody
from dockagent.core import events as ev
from dockagent.core.model import Review, State
from dockagent.core.moment import rfc3339
from dockagent.core.proof import cosignature, dsse, note
from dockagent.core.review import review
from dockagent.core.session import advance
from dockagent.errors import Refused
from dockagent.evidence.check_history import Found, roots_at
from dockagent.evidence.keyring import Keyring
from dockagent.evidence.report import Report, Verdict
from dockagent.ledger.keys import RECORD
from dockagent.ledger.seed_notes import Court, SeedNote, made_by, seconds_of, seed_note
from dockagent.ledger.trust import Trust

Lines = Callable[[], Iterable[bytes]]
"""The ledger's lines from the first on, each with its newline; may be asked for several times."""

_OF_REVIEWS = b'"type":"review.'
_DRAW = "review.draw"


@dataclass(slots=True)
class _Case:
    """What has been collected. ``draws``: by the number of their records, and when (POSIX seconds) trusted witnesses
    had ``cosigned`` each one's seed. ``again``: seeds of which a witness had made another cosignature before;
    ``several``: those of which one was made after. ``tries``: records of draws that were refused."""

    state: State = field(default_factory=State)
    draws: dict[int, ev.SampleDrawn] = field(default_factory=dict)
    refuted: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)
    unsigned: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    several: list[str] = field(default_factory=list)
    tries: list[int] = field(default_factory=list)
    cosigned: dict[int, int] = field(default_factory=dict)


def check_review(
    path: str, lines: Lines, found: Sequence[Found], keyring: Keyring, trust: Trust | None
) -> Report | None:
    """What can be said about the reviews of the ledger of these ``lines``; None where it has none. ``found``:
    checkpoints of it from wherever, among which there must be no earlier one than each seed's. ``path`` is only for the
    report. Whether the ledger itself is sound is another check's question."""
    if not any(_OF_REVIEWS in _payload(line) for line in lines()):
        return None
    given, case, trust = trust is not None, _replay(lines()), trust or Trust()
    keys = tuple({dock.log_key: None for pool, _ in keyring.pools() for dock in pool})
    court = Court(keys, trust.witnesses, trust.quorum)
    witnessed = [one for one in (_seed_note(each, court) for each in found) if one is not None]
    heads = _heads(case)
    _, roots = roots_at(lines(), {head.size for head, _ in heads.values()})
    for index, (head, signed) in heads.items():
        _check_origin(index, head, roots.get(head.size), keys, case)
        _check_first(index, head.size, witnessed, case)
        _check_signers(index, signed, trust, case)
        _check_times(index, signed, found, trust, case)
    verdicts = (
        {"intact": _intact(case), "signer": _signer(case, trust, given=given)}
        if case.draws
        else {"intact": _intact(case)}
    )
    findings = tuple(_loose_ends(case))
    return Report("review", path, verdicts, findings, (*_told(case),))


def _heads(case: _Case) -> dict[int, tuple[note.Checkpoint, note.Note]]:
    heads = {}
    for index, event in case.draws.items():
        try:
            heads[index] = review.parse_seed_checkpoint(event.checkpoint)
        except Refused as err:
            _refute(case, index, err.what)
    return heads


def _refute(case: _Case, index: int, why: str) -> None:
    if (line := f"record {index}: {why}") not in case.refuted:
        case.refuted.append(line)


def _check_origin(
    index: int, head: note.Checkpoint, root: bytes | None, keys: Sequence[note.VerifierKey], case: _Case
) -> None:
    origins = {key.name for key in keys}
    if root != head.root or (origins and head.origin not in origins):
        _refute(case, index, "it drew from a checkpoint of another history than this ledger's")


def _check_first(index: int, size: int, witnessed: Sequence[SeedNote], case: _Case) -> None:
    request = case.draws[index].request
    earlier = [one.head.size for one in witnessed if request < one.head.size < size]
    if earlier:
        why = (
            f"it drew from the checkpoint over {size} records and passed over the one over {min(earlier)}, which "
            f"witnesses had cosigned behind request {request} already"
        )
        _refute(case, index, why)


def _check_signers(index: int, signed: note.Note, trust: Trust, case: _Case) -> None:
    good, bad = cosignature.good(signed, trust.witnesses)
    needed = max(trust.quorum, 1)
    if bad or (trust.witnesses and len(good) < needed):
        why = bad[0] if bad else f"its seed bears {len(good)} cosignatures of trusted witnesses, {needed} are needed"
        case.unsigned.append(f"record {index}: {why}")
    elif trust.witnesses and (others := cosignature.strangers(signed, trust.witnesses)):
        case.strange.append(
            f"record {index}: its seed has a line in the name of {others[0]!r}, whom the trust file does not know: "
            "whoever made that line could choose the sample; name this witness in the trust file, or draw anew"
        )
    if good:
        case.cosigned[index] = max(one.seconds for one in good)


def _check_times(index: int, signed: note.Note, found: Sequence[Found], trust: Trust, case: _Case) -> None:
    """A witness that signs one checkpoint twice makes two seeds: which of them were known, and which was taken."""
    notes = [signed, *(one for one in map(_parsed, found) if one is not None and one.text == signed.text)]
    for key in trust.witnesses:
        taken = made_by(signed, key)
        known = sorted({seconds_of(line) for one in notes for line in made_by(one, key)})
        if not taken or len(known) < 2:
            continue
        when, first = (_day(one) for one in (seconds_of(taken[0]), known[0]))
        if known[0] < seconds_of(taken[0]):
            case.again.append(
                f"record {index}: its seed has the cosignature that {key.name} made on {when}, but on {first} this"
                " witness had cosigned the same checkpoint already: who asked it again could choose the sample"
            )
        else:
            case.several.append(
                f"record {index}: {key.name} cosigned its seed {len(known)} times; the first one counts"
            )


def _parsed(found: Found) -> note.Note | None:
    try:
        return note.parse(found.note)
    except Refused:
        return None  # the history's check says so


def _day(seconds: int) -> str:
    return rfc3339(seconds * 1000)[:19] + "Z"


def _payload(line: bytes) -> bytes:
    try:
        envelope = dsse.parse(line)
    except Refused:
        return b""  # the ledger's own check says so
    return envelope.payload if envelope.payload_type == RECORD else b""


def _replay(lines: Iterable[bytes]) -> _Case:
    """Every record as the dock itself would take it. What cannot follow is said, and left out."""
    case = _Case()
    for index, line in enumerate(lines):
        if not line.endswith(b"\n"):
            break
        try:
            event, at_ms = custody.event_of(_payload(line), index)
        except Refused:
            case.state.history.records += 1
            case.unsure.append(f"record {index} cannot be read")
            continue
        if isinstance(event, ev.SampleDrawn):
            case.draws[index] = event
        if isinstance(event, ev.Accessed) and event.act == _DRAW:
            case.tries.append(index)
        try:
            advance(case.state, event, at_ms)
        except Refused as err:
            case.state.history.records += 1
            ours = isinstance(event, ev.SampleDrawn | ev.SampleAsked)
            (case.refuted if ours else case.unsure).append(f"record {index}: {err.what}")
    return case


def _seed_note(found: Found, court: Court) -> SeedNote | None:
    try:
        return seed_note(found.note, court)
    except Refused:
        return None  # another ledger's, or too little: the history's check says what is wrong with it


def _intact(case: _Case) -> Verdict:
    if case.refuted:
        return Verdict("fail", "; ".join(case.refuted))
    if case.unsure:
        return Verdict("unknown", f"the ledger cannot be replayed: {case.unsure[0]}")
    if not case.draws:
        return Verdict("pass", f"{len(case.state.reviews)} samples were asked for, none is drawn yet")
    return Verdict("pass", f"{len(case.draws)} samples are those that follow from their requests and seeds")


def _signer(case: _Case, trust: Trust, *, given: bool) -> Verdict:
    if case.unsigned:
        return Verdict("fail", "; ".join(case.unsigned))
    if not trust.witnesses:
        todo = "the trust file names none: put their keys into its `witnesses`" if given else "give --trust FILE"
        return Verdict("unknown", f"no witnesses are known here, so the seeds may be the dock's own; {todo}")
    if case.strange:
        return Verdict("unknown", "; ".join(case.strange))
    return Verdict("pass", f"{max(trust.quorum, 1)} or more trusted witnesses cosigned each seed")


def _loose_ends(case: _Case) -> list[str]:
    """What nobody can forbid, and everybody should see: questions that were asked until the answer was a nice one."""
    reviews = case.state.reviews
    found = [
        f"request {index} ({_words(one)}) could be drawn since a checkpoint over {one.size} records, and was not up to "
        f"record {case.state.history.records - 1}, the last one here"
        for index, one in reviews.items()
        if one.drawn is None and one.size
    ]
    same: dict[str, list[int]] = {}
    for index, one in reviews.items():
        same.setdefault(str(review.words(one.asked.filter)), []).append(index)
    found += [
        f"the same footage was asked for {len(them)} times: requests {', '.join(map(str, them))}; look at all of them"
        for them in same.values()
        if len(them) > 1
    ]
    found += case.again
    if case.tries:
        found.append(f"tries to draw were refused: records {', '.join(map(str, case.tries))}")
    return found


def _told(case: _Case) -> Iterator[str]:
    for index, event in case.draws.items():
        when = f", cosigned on {rfc3339(case.cosigned[index] * 1000)}" if index in case.cosigned else ""
        yield f"record {index} drew {len(event.clips)} clips for request {event.request}{when}"
    yield from case.several
    for index, one in case.state.reviews.items():
        if one.drawn is None and not one.size:
            yield f"request {index} ({_words(one)}) waits for witnesses"


def _words(one: Review) -> str:
    who, when = one.by or "somebody unknown", rfc3339(one.asked_ms)
    return f"{one.asked.sample} of {one.asked.candidates} clips, asked by {who} on {when}"
