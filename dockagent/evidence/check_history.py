"""Hold a ledger against what outsiders have seen of it: witnesses' cosignatures and time stamps. Pure over bytes.

Whoever has a dock's keys can write any history and sign it. He cannot make others sign it: so each checkpoint that
bears their word, wherever it was found, must be a head of the ledger that is here. A ledger that is shorter was cut or
rolled back; one that is another below that size is a fork.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cryptography import x509

from dockagent.core.moment import rfc3339
from dockagent.core.proof import cosignature, merkle, note
from dockagent.errors import Missing, Refused
from dockagent.evidence.keyring import NO_TIME, unnamed_witnesses
from dockagent.evidence.report import Report, Verdict
from dockagent.ledger import timestamps
from dockagent.ledger.trust import Trust
from dockagent.ledger.witnessed import stamped_part


@dataclass(frozen=True, slots=True)
class Found:
    """A checkpoint that was found: ``where``, in words for a person; its note; the time stamp over it, if any."""

    where: str
    note: bytes
    token: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Head:
    """A checkpoint that is this ledger's, and whose word it bears."""

    found: Found
    head: note.Checkpoint
    cosigned: tuple[cosignature.Cosignature, ...]

    def since(self, quorum: int) -> int:
        """When so many witnesses had cosigned it (POSIX seconds)."""
        return sorted(one.seconds for one in self.cosigned)[max(quorum, 1) - 1]

    @property
    def words(self) -> str:
        """Which checkpoint, where, and who cosigned it."""
        who = ", ".join(one.witness.name for one in self.cosigned)
        when = f" on {_when(min(one.seconds for one in self.cosigned) * 1000)}" if self.cosigned else ""
        return f"the checkpoint over {self.head.size} records {self.found.where}" + (
            f", cosigned by {who}{when}" if who else ""
        )


@dataclass(slots=True)
class _Case:
    """What has been collected."""

    heads: list[_Head] = field(default_factory=list)
    forks: list[_Head] = field(default_factory=list)
    longer: list[_Head] = field(default_factory=list)
    refuted: list[str] = field(default_factory=list)
    unnamed: set[str] = field(default_factory=set)  # in whose names lines are, whom the trust file does not name
    missing: int = 0  # records, by the word of the longest witnessed checkpoint
    findings: list[str] = field(default_factory=list)
    stamps: list[tuple[_Head, timestamps.Stamp]] = field(default_factory=list)
    bad_stamps: list[str] = field(default_factory=list)
    strangers: Counter[str] = field(default_factory=Counter)  # where: checkpoints that nobody known here has signed
    facts: list[str] = field(default_factory=list)


def check_history(
    report: Report,
    lines: Iterable[bytes],
    own: bytes | None,
    found: Sequence[Found],
    log_keys: Sequence[note.VerifierKey],
    trust: Trust | None,
) -> Report:
    """``report`` on the ledger of these ``lines`` (with their newlines) and its ``own`` checkpoint, with what outsiders
    say about it. ``found``: their checkpoints; ``log_keys``: the keys of its dock that are here, believed or not.

    Without witnesses, roots for time and checkpoints to compare with, the report stays as it is.
    """
    given, trust = trust is not None, trust or Trust()
    if not found and not trust.quorum:
        return report
    case = _Case()
    # 1. Which of the checkpoints are this ledger's, and who of the trusted witnesses cosigned them.
    own_head = _own(own)
    origins = {own_head.origin} if own_head else {key.name for key in log_keys}
    for one in found:
        _sort(one, origins, log_keys, trust, case)
    case.findings += [
        f"{_checkpoints(count)} {where}: signed by nobody who is known here, so not used"
        for where, count in case.strangers.items()
    ]
    # 2. Each must be a head of the records that are here.
    size, roots = roots_at(lines, {one.head.size for one in case.heads})
    _compare(size, roots, own_head, case)
    # 3. Time stamps, on those that are.
    if not case.refuted:
        _check_stamps(case, trust)
    return _with(report, case, size, trust, given=given)


def _checkpoints(count: int) -> str:
    return "the checkpoint" if count == 1 else f"{count} checkpoints"


def _own(data: bytes | None) -> note.Checkpoint | None:
    try:
        return note.parse_checkpoint(note.parse(data)) if data is not None else None
    except Refused:
        return None  # the ledger's own check says so


def _sort(one: Found, origins: set[str], log_keys: Sequence[note.VerifierKey], trust: Trust, case: _Case) -> None:
    try:
        signed = note.parse(one.note)
        head = note.parse_checkpoint(signed)
    except Refused as err:
        case.findings.append(f"the checkpoint {one.where} cannot be read: {err.what}")
        return
    if head.origin not in origins:
        return  # another ledger's
    cosigned, bad = cosignature.good(signed, trust.witnesses)
    case.findings += [f"{one.where}: {what}" for what in bad]
    if not cosigned and not any(_signs(signed, key) for key in log_keys):
        case.strangers[one.where] += 1
        return
    case.unnamed |= {name for name in cosignature.strangers(signed, trust.witnesses) if name != head.origin}
    case.heads.append(_Head(one, head, cosigned))


def _signs(signed: note.Note, key: note.VerifierKey) -> bool:
    try:
        note.check(signed, key)
    except Refused:
        return False
    return True


def roots_at(lines: Iterable[bytes], sizes: set[int]) -> tuple[int, dict[int, bytes]]:
    """How many whole lines there are, and the root at each of the sizes that they reach."""
    edge = merkle.Frontier()
    roots = {0: edge.root()} if 0 in sizes else {}
    for line in lines:
        if not line.endswith(b"\n"):
            break
        edge = edge.append(merkle.leaf_hash(line[:-1]))
        if edge.size in sizes:
            roots[edge.size] = edge.root()
    return edge.size, roots


def _compare(size: int, roots: Mapping[int, bytes], own: note.Checkpoint | None, case: _Case) -> None:
    """Which checkpoints are not of these ``size`` records, said once: a fork since where it began, and what is missing
    up to the longest of them."""
    case.longer = [one for one in case.heads if one.head.size not in roots]
    case.forks = [one for one in case.heads if roots.get(one.head.size, one.head.root) != one.head.root]
    if case.forks:
        case.refuted.append(_fork(case))
    if case.longer:
        longest = max(one.head.size for one in case.longer)
        case.missing = longest - size
        here = (
            f"cut: {size} records are here" if own and own.size > size else f"rolled back: it ends after {size} records"
        )
        case.refuted.append(f"{here}, but there is {_named(case.longer, longest)}")


def _fork(case: _Case) -> str:
    first = min(one.head.size for one in case.forks)
    shared = max((one.head.size for one in case.heads if one.head.size < first), default=0)
    since = f"; up to the checkpoint over {shared} it is the same" if shared else ""
    return f"a fork: the first {first} records are not those of {_named(case.forks, first)}{since}"


def _named(heads: Sequence[_Head], size: int) -> str:
    """The checkpoint of this size, the best witnessed of them; where nobody cosigned it, one that somebody did too; and
    how many there are besides."""
    best = max((one for one in heads if one.head.size == size), key=lambda one: len(one.cosigned))
    witnessed = max(heads, key=lambda one: len(one.cosigned))
    also = [witnessed] if witnessed.cosigned and not best.cosigned else []
    more = len({one.head.size for one in heads}) - 1 - len(also)
    words = " and ".join(one.words for one in (best, *also))
    return words + (f" (and {more} more of that history)" if more else "")


def _check_stamps(case: _Case, trust: Trust) -> None:
    """The oldest and the newest: what lies between them cannot be older or newer."""
    roots = [x509.load_pem_x509_certificate(pem.encode()) for pem in trust.tsa_roots_pem]
    stamped = sorted((one for one in case.heads if one.found.token is not None), key=lambda one: one.head.size)
    if stamped and not roots:
        case.facts.append(f"{len(stamped)} time stamps are here, but the trust file names no tsa_roots_pem for them")
        return
    for one in dict.fromkeys([*stamped[-1:], *stamped[:1]]):
        try:
            stamp = timestamps.check(one.found.token or b"", stamped_part(one.found.note), roots)
        except Refused as err:
            case.bad_stamps.append(f"the time stamp of the checkpoint over {one.head.size} records: {err.what}")
        except Missing as err:
            case.findings.append(f"the time stamp over {one.head.size} records cannot be checked: {err}")
        else:
            case.stamps.append((one, stamp))


def _with(report: Report, case: _Case, size: int, trust: Trust, *, given: bool) -> Report:
    verdicts = dict(report.verdicts)
    if case.refuted:
        old = verdicts["intact"]
        whys = [*([old.why] if old.word == "fail" else []), *case.refuted]
        verdicts["intact"] = Verdict("fail", "; ".join(whys))
        if case.missing:
            verdicts["complete"] = Verdict("fail", f"at least {case.missing} records that were witnessed are missing")
    alone = verdicts["time"]
    if alone == NO_TIME and case.unnamed:
        alone = unnamed_witnesses(case.unnamed, given=given)
    verdicts["time"] = _time(case, alone, size, trust)
    for one, stamp in sorted(case.stamps, key=lambda pair: pair[0].head.size):
        case.facts.append(f"the first {one.head.size} records existed on {_when(stamp.time_ms)}, says {stamp.signer}")
    findings = (*report.findings, *case.findings, *(case.bad_stamps if verdicts["time"].word != "fail" else ()))
    return replace(report, verdicts=verdicts, findings=findings, facts=(*report.facts, *case.facts))


def _time(case: _Case, unwitnessed: Verdict, size: int, trust: Trust) -> Verdict:
    """Who vouches for the time. Where the trust file demands a quorum, anything less does not pass."""
    if case.refuted:
        word = Verdict("unknown", "this is not the history that outsiders have seen")
        return replace(word, word="fail") if trust.quorum else word
    vouched = [one for one in case.heads if len(one.cosigned) >= max(trust.quorum, 1)]
    if trust.quorum and not vouched:
        return Verdict(
            "fail",
            f"the trust file demands {trust.quorum} witnesses, and no checkpoint of this ledger bears so many",
        )
    if case.bad_stamps:
        return Verdict("fail", "; ".join(case.bad_stamps))
    if vouched:
        return _witnessed(case, vouched, size, trust)
    if case.stamps:
        newest, stamp = max(case.stamps, key=lambda pair: pair[0].head.size)
        case.facts.append(_beyond(size, newest.head.size, "stamped"))
        when = _when(stamp.time_ms)
        return Verdict("pass", f"a time stamp says that the first {newest.head.size} records existed on {when}")
    return unwitnessed


def _witnessed(case: _Case, vouched: list[_Head], size: int, trust: Trust) -> Verdict:
    newest = max(vouched, key=lambda one: (one.head.size, len(one.cosigned)))
    first = min(vouched, key=lambda one: one.since(trust.quorum))
    latest = max(case.heads, key=lambda one: one.head.size)
    case.facts.append(_beyond(size, newest.head.size, "witnessed"))
    words = (
        f"{len(newest.cosigned)} of {len(trust.witnesses)} witnesses saw the first {newest.head.size} records on "
        f"{_when(newest.since(trust.quorum) * 1000)}; witnessed since {_when(first.since(trust.quorum) * 1000)} "
        f"(the first {first.head.size} records)"
    )
    if latest.head.size > newest.head.size:
        few = f"{latest.words} has fewer than {max(trust.quorum, 1)} of the trusted witnesses"
        return Verdict("unknown" if trust.quorum else "pass", f"{words}; {few}")
    return Verdict("pass", words)


def _beyond(size: int, covered: int, how: str) -> str:
    return f"{how} up to record {covered - 1}; {size - covered} records lie beyond, on the dock's word alone"


def _when(ms: int) -> str:
    return rfc3339(ms)[:19] + "Z"
