"""Legal holds for what docks put on hold, also long after it was delivered.

A dock says so in its ledger; its credential may not touch what it wrote. The custodian reads the records ``hold.set``
and ``hold.clear`` in the published ledger, checks each like any record, and sets the store's legal hold on everything
in the clip's folder that docks put there, on every version of it: other bytes may lie on top of the evidence. With the
last hold on a clip gone, it lifts what it set itself, and what the dock had asked for when it delivered; a hold that
somebody else set is left, and a person is told.

``custodian/holds/<clip>/<dock>.<record>.set.json`` and ``….cleared.json`` are signed notes of what was done about one
record of a ledger: with one, nothing is done about it again. Where the store or the custodian's rights do not allow a
legal hold there is a report instead, and ``….refused.<number>.json`` tells the dock; it is tried again in every round.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec

from dockagent.core import strict_json
from dockagent.core.central import hold_note
from dockagent.core.central.hold_note import Held, HoldNote
from dockagent.core.central.store_receipt import OFF
from dockagent.core.moment import rfc3339
from dockagent.core.proof import dsse
from dockagent.custodian import legal_hold, reports
from dockagent.custodian.clip_record import Ledgers
from dockagent.custodian.folders import ClipFolder
from dockagent.custodian.legal_hold import MOST_VERSIONS
from dockagent.custodian.published import ClipId, Published, delivered, formed, said_by
from dockagent.custodian.reports import Report, Reports
from dockagent.custodian.reread import small
from dockagent.custodian.world import Custodian
from dockagent.errors import Missing, Refused, Retryable
from dockagent.ledger import tiles
from dockagent.stores import Conflict

_NAME = re.compile(r"custodian/holds/([0-9a-f]{32})/((.+)\.(\d{15})\.(?:(set|cleared)|refused\.[1-9]\d?)\.json)")
_SET, _CLEARED = b'"type":"hold.set"', b'"type":"hold.clear"'
_DELIVERED = b'"type":"receipt"'


class _Set(msgspec.Struct, frozen=True):
    clip_id: ClipId


class _Clear(msgspec.Struct, frozen=True):
    clip_id: ClipId
    hold: Annotated[int, msgspec.Meta(ge=0)]


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

    @property
    def named(self) -> str:
        """What the names of notes about it begin with."""
        return hold_note.which(self.dock, self.hold)


@dataclass(slots=True)
class Holds:
    """What ledgers and notes say about holds, read once for each round. Of a dock whose ledger was not read to its end
    nobody can tell what it has on hold. ``unread``: the store did not give it, and is asked again; ``_wrong``: it is
    damaged, forged, or signed by keys that the trust files do not have."""

    custodian: Custodian
    _acts: dict[str, list[Act]] = field(default_factory=dict)
    _noted: dict[str, set[Act]] = field(default_factory=dict)
    _signed: dict[tuple[str, Act], bool] = field(default_factory=dict)
    _refused: dict[str, list[str]] = field(default_factory=dict)
    _tried: dict[str, set[Act]] = field(default_factory=dict)
    _by_dock: set[str] = field(default_factory=set)
    _wrong: dict[str, Refused | Missing] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Lists the notes. Raises Retryable."""
        self.unread = {one.id for one in self.custodian.trust.docks}
        for one in self.custodian.archive.list(hold_note.FOLDER):
            found = _NAME.fullmatch(one.key)
            if found is not None and found[5]:
                self._noted.setdefault(found[1], set()).add(Act(found[3], int(found[4]), found[5] == "cleared"))
            elif found is not None:
                self._refused.setdefault(found[1], []).append(found[2])
                self._tried.setdefault(found[1], set()).add(Act(found[3], int(found[4]), cleared=False))

    def read(self, dock: str, ledgers: Ledgers, ledger: Published | None) -> None:
        """Take in what the ledger of ``dock`` says since it was last compared with the store; a record that cannot be
        believed is for :meth:`check`. Raises Retryable, also where less is there than before: a store may show an old
        state for a while. Raises Refused and Missing where the ledger is damaged."""
        start, size = ledgers.marked(dock)[0], ledger.head.size if ledger is not None else 0
        seen = max(start, self.custodian.sizes.get(dock, 0))
        if size < seen:
            why = f"the published ledger has {size} records, and {seen} were seen of it before"
            raise Retryable(why, f"bring {tiles.prefix(dock)} back as it was; until then nobody can tell its holds")
        if ledger is not None:
            self._read(dock, ledgers, ledger, start)
        self.custodian.sizes[dock] = size
        self.unread.discard(dock)

    def _read(self, dock: str, ledgers: Ledgers, ledger: Published, start: int) -> None:
        for index, entry in ledger.entries(start, ledger.head.size):
            self.custodian.beat()
            try:
                self._look(dock, ledgers, ledger, index, entry)
            except (Refused, Missing) as err:
                self._wrong.setdefault(dock, err)

    def doubt(self, dock: str, err: Refused | Missing) -> None:
        """Note that the ledger of ``dock`` cannot be believed, so that nobody can tell what it has on hold."""
        self._wrong.setdefault(dock, err)
        self.unread.discard(dock)

    def _look(self, dock: str, ledgers: Ledgers, ledger: Published, index: int, entry: bytes) -> None:
        payload = dsse.parse(entry).payload
        if _SET in payload or _CLEARED in payload:
            self._take(dock, ledgers.believed(dock, ledger, index, entry), index)
        elif _DELIVERED in payload and (what := delivered(payload, index)) is not None and what.receipt.hold:
            self._by_dock.add(what.clip_id)

    def _take(self, dock: str, said: Any, index: int) -> None:
        if said_by(said, ("hold.clear",)):
            clear = formed(said, _Clear, index)
            self._acts.setdefault(clear.clip_id, []).append(Act(dock, clear.hold, cleared=True))
        elif said_by(said, ("hold.set",)):
            self._acts.setdefault(formed(said, _Set, index).clip_id, []).append(Act(dock, index, cleared=False))

    def check(self, dock: str) -> None:
        """Raises Refused or Missing for the first thing in the ledger of ``dock`` that could not be believed."""
        if dock in self._wrong:
            raise self._wrong[dock]

    def due(self, clip_id: str) -> bool:
        """Whether something may be to be done about this clip."""
        return clip_id in self._acts

    def keeps(self, clip_id: str) -> bool:
        """Whether any dock has this clip on hold, as far as its ledger could be read. Raises Retryable."""
        return bool(self._active(clip_id))

    def forbids(self, clip_id: str) -> str:
        """Why this clip may have no permit, or empty. Raises Retryable, also while a dock is unread."""
        if self.keeps(clip_id):
            return "it is on hold: a dock says so in its published ledger"
        if self.unread:
            why = f"nobody can tell now what dock {min(self.unread)} has on hold: its ledger could not be read"
            raise Retryable(why, "it is read again in the next round")
        if self._wrong:
            return f"nobody can tell what dock {min(self._wrong)} has on hold: its published ledger cannot be believed"
        return ""

    def as_read(self) -> "Holds":
        """The same as it is known now, for other threads to ask: what is carried out later does not change it."""
        other = copy(self)
        other._noted = {clip_id: set(acts) for clip_id, acts in self._noted.items()}
        other._signed = dict(self._signed)
        return other

    def open(self, dock: str) -> bool:
        """Whether something that this dock's ledger asks for, or may ask for, was not carried out yet. Raises
        Retryable."""
        return dock in self.unread or any(act.dock == dock for clip_id in self._acts for act in self._left(clip_id))

    def carry_out(self, folder: ClipFolder, told: Reports) -> None:
        """Do what is to be done about a clip. Raises Retryable."""
        for act in self._left(folder.clip_id):
            self.custodian.beat()  # never in the middle of one: what was half set would count as somebody else's
            if not folder.masters:
                return  # a dock is still delivering it; it asks for the hold itself
            over = act.opposite in self._acts[folder.clip_id]
            done = self._clear(folder, told) if act.cleared else self._set(folder, act, told, over=over)
            if done is not None:
                self._note(folder.clip_id, act, done, told)

    def _left(self, clip_id: str) -> list[Act]:
        """What this custodian has to carry out: of docks in its share."""
        mine = (act for act in self._acts.get(clip_id, ()) if self.custodian.share.mine(act.dock))
        return [act for act in mine if not self._done(clip_id, act)]

    def _active(self, clip_id: str) -> list[Act]:
        acts = set(self._acts.get(clip_id, ()))
        known = acts | self._noted.get(clip_id, set()) | self._tried.get(clip_id, set())
        set_up = [act for act in known if not act.cleared]
        return [act for act in set_up if act.opposite not in acts and not self._done(clip_id, act.opposite)]

    def _done(self, clip_id: str, act: Act) -> bool:
        """Whether there is a note that it was done, by somebody whom we trust: a name alone says nothing."""
        if act not in self._noted.get(clip_id, ()):
            return False
        if (clip_id, act) not in self._signed:
            name = hold_note.final(act.named, cleared=act.cleared)
            self._signed[clip_id, act] = self._said(clip_id, act, name) is not None
        return self._signed[clip_id, act]

    def _set(self, folder: ClipFolder, act: Act, told: Reports, *, over: bool) -> list[Held] | None:
        """``over``: the hold was cleared before anything could be done about it."""
        archive, done, too_many = self.custodian.archive, list[Held](), ""
        try:
            for name, version, count in self._versions(folder, _objects(folder)):
                done.append(legal_hold.turn(archive, folder.key(name), name, version, on=True))
                if count > MOST_VERSIONS:
                    too_many = f"{name} has {count} versions; only the oldest {MOST_VERSIONS} are on legal hold"
            if too_many:
                raise Refused(too_many, "find out who puts them there; a person decides about the rest")
        except Refused as err:
            if over:
                return done
            told.tell(_report(folder, reports.NOT_HELD, f"a dock has it on hold, and {err.what}"))
            self._refuse(folder.clip_id, act, str(err))
            return None
        return done

    def _clear(self, folder: ClipFolder, told: Reports) -> list[Held] | None:
        archive, lifts = self.custodian.archive, self.custodian.settings.lift_holds
        if self._active(folder.clip_id) or not archive.knows_holds:
            return []
        mine, left, done, objects = self._mine(folder), list[str](), list[Held](), _objects(folder)
        hidden = sorted({name for name, _ in mine}.difference(objects))
        for name, version, count in self._versions(folder, [*hidden, *objects]):
            if lifts and (name, version) in mine:
                try:
                    done.append(legal_hold.turn(archive, folder.key(name), name, version, on=False))
                except Refused as err:
                    told.tell(_report(folder, reports.STILL_HELD, f"no dock has it on hold any more, and {err.what}"))
                    return None
            elif archive.held(folder.key(name), version) != OFF:
                left.append(f"{name} (version {version})" if count > 1 else name)
        if left:
            why = "no dock has it on hold any more; a person decides about the legal hold on " + ", ".join(left)
            told.tell(_report(folder, reports.STILL_HELD, why))
        return done

    def _versions(self, folder: ClipFolder, names: Sequence[str]) -> Iterator[tuple[str, str, int]]:
        """Each version of these objects, the oldest first: name, version, and how many the object has. Only so many of
        one object are given. Raises Missing where one that was listed is gone."""
        for name in names:
            found = self.custodian.archive.versions(folder.key(name))
            if not found and name in folder.objects:
                raise Missing(f"{folder.key(name)} was listed and is not there any more", "it is looked for again")
            for version in found[:MOST_VERSIONS]:
                yield name, version, len(found)

    def _mine(self, folder: ClipFolder) -> set[tuple[str, str]]:
        """The objects of a clip whose legal hold may be lifted, by name and version: ours, and those that the dock
        asked for."""
        mine = set[tuple[str, str]]()
        for act in self._noted.get(folder.clip_id, set()):
            if not act.cleared:
                said = self._said(folder.clip_id, act, hold_note.final(act.named))
                rows = said.objects if said else ()
                mine |= {(one.name, one.version) for one in rows if one.before == OFF or (said and said.by_dock)}
        return mine

    def _said(self, clip_id: str, act: Act, name: str) -> HoldNote | None:
        """What a note about an act says; None for one that is about another, or that nobody whom we trust signed."""
        keys = [self.custodian.key.public, *self.custodian.trust.custodians]
        try:
            said = hold_note.read(small(self.custodian.archive, _key(clip_id, name), hold_note.MOST), keys)
        except Refused:
            return None
        about = said.clip_id, said.dock, said.hold, said.cleared
        return said if about == (clip_id, act.dock, act.hold, act.cleared) else None

    def _note(self, clip_id: str, act: Act, done: Sequence[Held], told: Reports) -> None:
        name, noted = hold_note.final(act.named, cleared=act.cleared), self._noted.setdefault(clip_id, set())
        if act in noted:
            key, why = _key(clip_id, name), "nobody who is trusted signed this note on a hold, which was carried out"
            told.tell(Report(reports.STRAY, "key", reports.state_of(key), (why,), (key,)))
        else:
            self._write(clip_id, act, name, done)
        noted.add(act)
        self._signed[clip_id, act] = True

    def _refuse(self, clip_id: str, act: Act, why: str) -> None:
        """Tell the dock why the store does not keep it, unless the newest note says just that."""
        newest = hold_note.refusals(act.named, self._refused.get(clip_id, ()))
        last = self._said(clip_id, act, hold_note.refusal(act.named, newest)) if newest else None
        if (last is None or last.refused != why) and newest < hold_note.MOST_REFUSALS:
            self._write(clip_id, act, hold_note.refusal(act.named, newest + 1), (), why)

    def _write(self, clip_id: str, act: Act, name: str, done: Sequence[Held], refused: str = "") -> None:
        custodian = self.custodian
        noted = HoldNote(
            clip_id=clip_id,
            dock=act.dock,
            hold=act.hold,
            cleared=act.cleared,
            by_dock=clip_id in self._by_dock,
            objects=tuple(done),
            custodian=custodian.key.public.name,
            store=custodian.archive.url,
            time=rfc3339(custodian.now_ms()),
            refused=refused,
        )
        said = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": clip_id, "digest": {"sha256": reports.name_digest(clip_id)}}],
            "predicateType": hold_note.PREDICATE,
            "predicate": msgspec.to_builtins(noted),
        }
        with suppress(Conflict):  # another custodian did the same at the same time
            custodian.archive.add(_key(clip_id, name), custodian.key.seal(strict_json.canonical(said)))


def _key(clip_id: str, name: str) -> str:
    return f"{hold_note.FOLDER}{clip_id}/{name}"


def _objects(folder: ClipFolder) -> list[str]:
    """What a hold keeps: all that docks put there, the masters last, so that a hold on them says that it is whole."""
    masters = set(folder.masters)
    return [*sorted({*folder.records, *folder.contents} - masters), *folder.masters]


def _report(folder: ClipFolder, kind: str, words: str) -> Report:
    return Report(kind, folder.clip_id, reports.state_of(folder.state, words), (words,), (f"{folder.prefix}/",))
