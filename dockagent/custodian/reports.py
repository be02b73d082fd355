"""What a custodian has to say to people, as objects in the bucket: ``custodian/reports/<kind>/<what>-<state>.json``.

Each is a signed in-toto Statement. Its name says what it is about and in which state that was, so that the same find is
reported once, whoever finds it and however often, and looked into again only when something was added or altered.
"""

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass

from dockagent.core import strict_json
from dockagent.core.moment import rfc3339
from dockagent.custodian.world import Custodian, Tally
from dockagent.stores import Conflict

PREDICATE = "urn:dockagent:custodian-report:1"
PREFIX = "custodian/reports/"
ALTERED, WRONG, UNRECORDED, UNREAD = "altered", "wrong-record", "without-record", "unreadable"
NOT_HELD, STILL_HELD, FALSE = "not-held", "still-held", "false-receipt"
UNFINISHED, LEDGER, OVERDUE, LOST, LINE, STRAY = "unfinished", "ledger", "overdue", "lost", "catalogue", "stray"
REFUTING = frozenset((ALTERED, WRONG, UNRECORDED, LOST, LINE, LEDGER, FALSE))
"""The kinds that say that something is not what it must be; the others are findings."""
_DOUBTING = frozenset((ALTERED, WRONG, UNRECORDED))

_NAME = re.compile(re.escape(PREFIX) + r"([a-z-]+)/(.+)-([0-9a-f]{16})\.json")


@dataclass(frozen=True, slots=True)
class Report:
    """One find: its ``kind``, ``what`` it is about (a clip's id, a dock), in which ``state`` (16 hex digits), in
    ``words``, and the ``keys`` of the objects concerned."""

    kind: str
    what: str
    state: str
    words: tuple[str, ...]
    keys: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Where it lies."""
        return f"{PREFIX}{self.kind}/{self.what}-{self.state}.json"


def state_of(*parts: str) -> str:
    """A state's name (16 hex digits) for what these words say."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def audit_of(state: str) -> str:
    """The state's name under which an audit's find is reported, for a folder in ``state``."""
    return state_of(state, "audit")


class Reports:
    """What is reported already, and what is reported in this round."""

    def __init__(self, custodian: Custodian, tally: Tally) -> None:
        """Lists what is there. Raises Retryable."""
        self._custodian, self._tally = custodian, tally
        self._trust = hashlib.sha256(custodian.trust.encode()).hexdigest()
        self._known: dict[tuple[str, str], list[str]] = {}
        self._counted: set[str] = set()
        for one in custodian.archive.list(PREFIX):
            if (found := _NAME.fullmatch(one.key)) is not None:
                self._known.setdefault((found[2], found[3]), []).append(found[1])

    def believing(self, state: str) -> str:
        """The name of a state with whom this custodian trusts: what depends on that is looked into again when it
        changes."""
        return state_of(state, self._trust)

    def stands(self, what: str, state: str) -> bool:
        """Whether something was reported about ``what`` in just this state. It counts for this round too."""
        kinds = self._known.get((what, state), [])
        for kind in kinds:
            self._count(Report(kind, what, state, ()))
        return bool(kinds)

    def altered(self, clip_id: str, state: str) -> bool:
        """Whether an audit of a clip's folder in this state found that it is not what it must be. It counts for this
        round too."""
        audited = audit_of(state)
        return not REFUTING.isdisjoint(self._known.get((clip_id, audited), ())) and self.stands(clip_id, audited)

    def doubted(self, clip_id: str, state: str) -> bool:
        """Whether it was reported of a clip whose folder is in this state that it is not what it must be, by a round or
        an audit. Other threads may ask."""
        states = state, self.believing(state), audit_of(state)
        return any(not _DOUBTING.isdisjoint(self._known.get((clip_id, one), ())) for one in states)

    def wrote(self, report: Report) -> bool:
        """Whether just this is reported. It does not count for this round."""
        return report.kind in self._known.get((report.what, report.state), ())

    def tell(self, report: Report) -> None:
        """Write a report, unless it was written before. Raises Retryable."""
        self._count(report)
        if self.wrote(report):
            return
        with suppress(Conflict):  # another custodian found the same
            self._custodian.archive.add(report.key, self._custodian.key.seal(self._payload(report)))
        self._known.setdefault((report.what, report.state), []).append(report.kind)
        self._tally.new[report.kind] += 1

    def _count(self, report: Report) -> None:
        if report.key not in self._counted:
            self._counted.add(report.key)
            self._tally.told.append(report.key)
            self._tally.refuting += report.kind in REFUTING

    def _payload(self, report: Report) -> bytes:
        subjects = report.keys or (report.what,)
        return strict_json.canonical(
            {
                "_type": "https://in-toto.io/Statement/v1",
                "subject": [{"name": one, "digest": {"sha256": name_digest(one)}} for one in subjects],
                "predicateType": PREDICATE,
                "predicate": {
                    "kind": report.kind,
                    "what": report.what,
                    "state": report.state,
                    "refutes": report.kind in REFUTING,
                    "words": list(report.words),
                    "custodian": self._custodian.key.public.name,
                    "store": self._custodian.archive.url,
                    "time": rfc3339(self._custodian.now_ms()),
                },
            }
        )


def name_digest(name: str) -> str:
    """SHA-256 (hex) of a name. in-toto wants a digest for each subject; this is for what is about a name, whatever
    lies under it."""
    return hashlib.sha256(name.encode()).hexdigest()
