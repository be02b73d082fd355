"""Legal holds for what docks put on hold, also long after it was delivered.

A dock says so in its ledger; its credential may not touch what it wrote. The custodian reads the records ``hold.set``
and ``hold.clear`` in the published ledger, checks each like any record, and sets the store's legal hold on everything
in the clip's folder that docks put there. With the last hold on a clip gone, it lifts what it set itself, and what the
dock had asked for when it delivered; a hold that somebody else set is left, and a person is told.

``custodian/holds/<clip>/<dock>.<record>.set.json`` and ``….cleared.json`` are signed notes of what was done about one
record of a ledger: with one, nothing is done about it again. Where the store or the custodian's rights do not allow a
legal hold there is a report instead, and it is tried again in every round.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

from dockagent.core import strict_json
from dockagent.core.central.custodian_key import signed_payload
from dockagent.core.central.store_receipt import OFF, ON
from dockagent.core.moment import rfc3339
from dockagent.core.proof import dsse
from dockagent.custodian import reports
from dockagent.custodian.clip_record import Ledgers
from dockagent.custodian.folders import ClipFolder
from dockagent.custodian.published import Published
from dockagent.custodian.reports import Report, Reports
from dockagent.custodian.reread import small
from dockagent.custodian.world import Custodian
from dockagent.errors import Missing, Refused
from dockagent.stores import Conflict

FOLDER = "custodian/holds/"
PREDICATE = "urn:dockagent:custodian-hold:1"
_NAME = re.compile(r"custodian/holds/([0-9a-f]{32})/(.+)\.(\d{15})\.(set|cleared)\.json")
_MOST = 1 << 20
_SET, _CLEARED = b'"type":"hold.set"', b'"type":"hold.clear"'
_DELIVERED = b'"type":"receipt"'


@dataclass(frozen=True, slots=True)
class Act:
    """One record of the ledger of ``dock`` about its hold ``hold`` (the number of the record that set it)."""

    dock: str
    hold: int
    cleared: bool

    @property
    def opposite(self) -> "Act":
        """The other act on the same hold."""
        return Act(self.dock, self.hold, not self.cleared)


class Held(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was done about one object of a clip: its name and version, and its legal hold ``before`` and ``now``."""

    name: str
    version: str
    before: str
    now: str


class Noted(msgspec.Struct, frozen=True):
    """What a note says, as far as it is needed again. ``by_dock``: the dock had asked for a hold when it delivered."""

    clip_id: str
    dock: str
    hold: int
    cleared: bool
    by_dock: bool
    objects: tuple[Held, ...]


@dataclass(slots=True)
class Holds:
    """What ledgers and notes say about holds, read once for each round."""

    custodian: Custodian
    _acts: dict[str, list[Act]] = field(default_factory=dict)
    _noted: dict[str, set[Act]] = field(default_factory=dict)
    _by_dock: set[str] = field(default_factory=set)
    _wrong: dict[str, Refused | Missing] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Lists the notes. Raises Retryable."""
        for one in self.custodian.archive.list(FOLDER):
            if (found := _NAME.fullmatch(one.key)) is not None:
                self._noted.setdefault(found[1], set()).add(Act(found[2], int(found[3]), found[4] == "cleared"))

    def read(self, dock: str, ledgers: Ledgers, ledger: Published) -> None:
        """Take in what the ledger of ``dock`` says since it was last compared with the store; a record that no trusted
        dock signed says nothing, and is for :meth:`check`. Raises Retryable, and Refused and Missing where the ledger
        is damaged."""
        start, _ = ledgers.marked(dock)
        for index, entry in ledger.entries(start, ledger.head.size):
            payload = dsse.parse(entry).payload
            if _SET in payload or _CLEARED in payload:
                try:
                    self._take(dock, ledgers.believed(dock, ledger, index, entry), index)
                except (Refused, Missing) as err:
                    self._wrong.setdefault(dock, err)
            elif _DELIVERED in payload:
                what = strict_json.parse(payload)["what"]
                if what["receipt"].get("hold"):
                    self._by_dock.add(what["clip_id"])

    def _take(self, dock: str, said: Any, index: int) -> None:
        what, cleared = said["what"], said["type"] == "hold.clear"
        act = Act(dock, what["hold"] if cleared else index, cleared)
        self._acts.setdefault(what["clip_id"], []).append(act)

    def check(self, dock: str) -> None:
        """Raises Refused or Missing for the first record about a hold that could not be believed."""
        if dock in self._wrong:
            raise self._wrong[dock]

    def due(self, clip_id: str) -> bool:
        """Whether something is to be done about this clip."""
        return bool(self._left(clip_id))

    def keeps(self, clip_id: str) -> bool:
        """Whether any dock has this clip on hold."""
        return bool(self._active(clip_id))

    def open(self, dock: str) -> bool:
        """Whether something that this dock's ledger asks for was not carried out yet."""
        return any(act.dock == dock for clip_id in self._acts for act in self._left(clip_id))

    def carry_out(self, folder: ClipFolder, told: Reports) -> None:
        """Do what is to be done about a clip. Raises Retryable."""
        for act in self._left(folder.clip_id):
            if not folder.masters:
                return  # a dock is still delivering it; it asks for the hold itself
            over = act.opposite in self._acts[folder.clip_id]
            done = self._clear(folder, told) if act.cleared else self._set(folder, told, over=over)
            if done is None:
                return
            self._note(folder.clip_id, act, done)

    def _left(self, clip_id: str) -> list[Act]:
        noted = self._noted.get(clip_id, set())
        return [act for act in self._acts.get(clip_id, ()) if act not in noted]

    def _active(self, clip_id: str) -> list[Act]:
        known = self._noted.get(clip_id, set()) | set(self._acts.get(clip_id, ()))
        return [act for act in known if not act.cleared and act.opposite not in known]

    def _set(self, folder: ClipFolder, told: Reports, *, over: bool) -> list[Held] | None:
        """``over``: the hold was cleared before anything could be done about it."""
        done = list[Held]()
        for name in _objects(folder):
            try:
                done.append(self._turn(folder.key(name), name, on=True))
            except Refused as err:
                if over:
                    return done
                told.tell(_report(folder, reports.NOT_HELD, f"a dock has it on hold, and {err.what}"))
                return None
        return done

    def _clear(self, folder: ClipFolder, told: Reports) -> list[Held] | None:
        if self._active(folder.clip_id) or not self.custodian.archive.knows_holds:
            return []
        mine, left, done = self._mine(folder), list[str](), list[Held]()
        for name in _objects(folder):
            if name in mine and self.custodian.settings.lift_holds:
                try:
                    done.append(self._turn(folder.key(name), name, on=False))
                except Refused as err:
                    told.tell(_report(folder, reports.STILL_HELD, f"no dock has it on hold any more, and {err.what}"))
                    return None
            elif self._state(folder.key(name))[1] != OFF:
                left.append(name)
        if left:
            why = "no dock has it on hold any more; a person decides about the legal hold on " + ", ".join(left)
            told.tell(_report(folder, reports.STILL_HELD, why))
        return done

    def _mine(self, folder: ClipFolder) -> set[str]:
        """The objects of a clip whose legal hold may be lifted: ours, and those that the dock asked for."""
        mine = set[str]()
        keys = [self.custodian.key.public, *self.custodian.trust.custodians]
        for act in self._noted.get(folder.clip_id, set()):
            if act.cleared:
                continue
            with suppress(Refused):  # a note that nobody whom we trust signed says nothing
                payload, _ = signed_payload(small(self.custodian.archive, _key(folder.clip_id, act), _MOST), keys, "it")
                said = _noted(payload)
                if (said.clip_id, said.dock, said.hold, said.cleared) == (folder.clip_id, act.dock, act.hold, False):
                    mine |= {one.name for one in said.objects if one.before == OFF or said.by_dock}
        return mine

    def _turn(self, key: str, name: str, *, on: bool) -> Held:
        """Have the legal hold on an object so, and see that it is. Raises Refused where that cannot be."""
        version, before = self._state(key)
        wanted, now = ON if on else OFF, before
        if before != wanted:
            self.custodian.archive.hold(key, version, on=on)
            now = self._state(key)[1]
        if now != wanted:
            raise Refused(f"the store took its legal hold for {key} and does not say that it is {wanted}")
        return Held(name, version, before, now)

    def _state(self, key: str) -> tuple[str, str]:
        with self.custodian.archive.open(key) as source:
            facts = self.custodian.archive.locks(key, source.facts)
        return facts.version, facts.hold

    def _note(self, clip_id: str, act: Act, done: Sequence[Held]) -> None:
        custodian, key = self.custodian, _key(clip_id, act)
        noted = Noted(clip_id, act.dock, act.hold, act.cleared, clip_id in self._by_dock, tuple(done))
        said = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": clip_id, "digest": {"sha256": reports.name_digest(clip_id)}}],
            "predicateType": PREDICATE,
            "predicate": {
                **msgspec.to_builtins(noted),
                "custodian": custodian.key.public.name,
                "store": custodian.archive.url,
                "time": rfc3339(custodian.now_ms()),
            },
        }
        with suppress(Conflict):  # another custodian did the same at the same time
            custodian.archive.add(key, custodian.key.seal(strict_json.canonical(said)))
        self._noted.setdefault(clip_id, set()).add(act)


def _key(clip_id: str, act: Act) -> str:
    return f"{FOLDER}{clip_id}/{act.dock}.{act.hold:015d}.{'cleared' if act.cleared else 'set'}.json"


def _noted(payload: bytes) -> Noted:
    said = strict_json.parse(payload)
    if not isinstance(said, dict) or said.get("predicateType") != PREDICATE:
        raise Refused("it is no note about a hold")
    try:
        return msgspec.convert(said.get("predicate"), Noted)
    except msgspec.ValidationError as err:
        raise Refused(f"it is malformed: {err}") from err


def _objects(folder: ClipFolder) -> list[str]:
    """What a hold keeps: all that docks put there, the masters last, so that a hold on them says that it is whole."""
    masters = set(folder.masters)
    return [*sorted({*folder.records, *folder.contents} - masters), *folder.masters]


def _report(folder: ClipFolder, kind: str, words: str) -> Report:
    return Report(kind, folder.clip_id, reports.state_of(folder.state, words), (words,), (f"{folder.prefix}/",))
