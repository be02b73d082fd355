"""The files of an MTP camera by path. The camera itself knows no paths: it has objects with numbers and parents.

Names come from the camera and may be anything: equal ones in one folder, empty ones, ones with a ``/`` or that lead
upwards. Each object gets a part of a path that is its own; an honest name stays as it is.
"""

from collections.abc import Iterable, Iterator, MutableSequence
from dataclasses import dataclass

from dockagent.core.paths import to_text
from dockagent.errors import DockError, Gone, Permanent, Refused, Retryable
from dockagent.transports import mtp_codec as codec
from dockagent.transports.mtp_answer import NEVER, OK, Removed, answer_error
from dockagent.transports.mtp_codec import ObjectInfo, Op
from dockagent.transports.mtp_session import Session

LONGEST_PATH = 4095  # as on any card of ours
_ROOTS = {0, codec.ROOT}


@dataclass(frozen=True, slots=True)
class Node:
    """A file or folder as it was when its folder was listed. ``handle`` is good for one session; ``info`` is None for
    a storage."""

    path: bytes
    handle: int
    info: ObjectInfo | None

    @property
    def folder(self) -> bool:
        """Whether other objects can be in it."""
        return self.info is None or self.info.format == codec.FOLDER


@dataclass(frozen=True, slots=True)
class _Place:
    """A folder to look into: its storage, and its handle or ROOT."""

    storage: int
    handle: int


def storages(session: Session) -> dict[int, str]:
    """The camera's storages, by number, and what it calls them."""
    numbers = codec.numbers(session.fetch(Op.GET_STORAGE_IDS, what="list its storages"))
    found = {}
    for number in numbers:
        if number & 0xFFFF:  # else a slot without a card (PIMA 15740, 5.2.1)
            found[number] = _storage_name(session, number)
    return found


def _storage_name(session: Session, number: int) -> str:
    code, data = session.exchange(Op.GET_STORAGE_INFO, number)
    if code in NEVER:
        return f"storage-{number:08x}"
    if code != OK:
        raise answer_error(code, "describe its storage")
    info = codec.storage_info(data)
    return info.description or info.volume


def ask_size(session: Session, handle: int, info: ObjectInfo) -> int | None:
    """How large an object is, by its property of 64 bits where the camera has it, else by the 32 bits of ObjectInfo."""
    said = info.size
    if session.can(Op.GET_OBJECT_PROP_VALUE):
        code, data = session.exchange(Op.GET_OBJECT_PROP_VALUE, handle, codec.OBJECT_SIZE)
        if code == OK:
            said = codec.unsigned(data) or said
            if len(data) == 8:
                return said
        elif code not in NEVER:
            raise answer_error(code, f"say how large {to_text(info.name.encode('utf-8', 'surrogatepass'))} is")
    return None if said == codec.UNKNOWN_SIZE else said


class Tree:
    """The folders of the camera as they were when they were first looked into, good for one session.

    Raises Gone when the camera leaves, Retryable when it shows no storage, and what :class:`Session` raises.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.epoch = session.epoch
        self._seen: dict[int, bytes] = {}  # in which folder each object was met
        self._inside: dict[bytes, dict[bytes, Node]] = {}
        self._places = self._tops()

    def walk(self) -> Iterator[tuple[Node, int | None]]:
        """Every file with its size as :func:`ask_size` gives it, sorted by raw path. What cannot be looked at does not
        hide the rest: the first such error is raised after the last file."""
        troubles: list[DockError] = []
        pending: list[Node | bytes] = [b""]
        while pending:
            entry = pending.pop()
            try:
                if isinstance(entry, Node):
                    yield entry, self.size(entry)
                else:
                    pending += reversed(self._entries(entry, troubles))
            except Removed:
                continue  # since its folder was listed: not on the card
            except DockError as err:
                self._not_alone(err)
                troubles.append(err)
        if troubles:
            raise troubles[0]

    def size(self, node: Node) -> int | None:
        """How large a file was when its folder was listed, or is now, where the camera has a property for that."""
        self._still_ours()
        return 0 if node.info is None else ask_size(self._session, node.handle, node.info)

    def _entries(self, path: bytes, troubles: MutableSequence[DockError]) -> list[Node | bytes]:
        """Files, and folders as paths with a ``/`` behind them, which sorts them right."""
        nodes = self._folder(path, troubles).values()
        entries = [node.path + b"/" if node.folder else node for node in nodes]
        return sorted(entries, key=lambda one: one if isinstance(one, bytes) else one.path)

    def find(self, path: bytes) -> Node:
        """The file at ``path``. Raises Refused for a folder or for what lies below a file, Gone for no file at all."""
        parts = path.split(b"/")
        if any(part in (b"", b".", b"..") for part in parts) or b"\0" in path:
            raise Refused(f"{to_text(path)!r} is not a path on the card", "only files that the card lists are read")
        *folders, name = parts
        inside = b""
        for folder in folders:
            inside = self._one(inside, folder, path, folder=True).path + b"/"
        return self._one(inside, name, path, folder=False)

    def _one(self, inside: bytes, part: bytes, path: bytes, *, folder: bool) -> Node:
        """The folder or the file that is called ``part``, on the way to ``path``. Where an object of its folder could
        not be described, that may have been it."""
        troubles: list[DockError] = []
        node = self._folder(inside, troubles).get(part)
        if node is None and troubles:
            raise troubles[0]
        if node is None:
            raise Gone(f"{to_text(path)} is not on the camera", "put the camera back")
        if node.folder != folder:
            raise Refused(f"{to_text(path)} is not a file", "only files that the card lists are read")
        return node

    def _tops(self) -> dict[bytes, _Place]:
        """The tops of the storages: one alone is the card's root, several stand in folders of their own."""
        found = storages(self._session)
        if not found:
            raise Retryable("the camera shows no card", "put its card in, unlock it, or have it share its files")
        if len(found) == 1:
            return {b"": _Place(next(iter(found)), codec.ROOT)}
        names = _distinct((name, number) for number, name in found.items())
        self._inside[b""] = {part: Node(part, 0, None) for part in names}
        return {part + b"/": _Place(number, codec.ROOT) for part, number in names.items()}

    def _folder(self, path: bytes, troubles: MutableSequence[DockError]) -> dict[bytes, Node]:
        """What is in a folder, by name. Troubles with single objects are noted, and the others go on. An object that
        was met in another folder is left out: a camera may list a folder inside itself."""
        if path in self._inside:
            return self._inside[path]
        self._still_ours()
        if len(path) > LONGEST_PATH:
            raise Permanent(f"folders are nested too deep under {to_text(path[:80])}…", "check the camera's card")
        place = self._places[path]
        name = to_text(path) or "its card"
        what = f"list {name}"
        data = self._session.fetch(Op.GET_OBJECT_HANDLES, place.storage, 0, place.handle, what=what)
        handles = [one for one in codec.numbers(data) if self._seen.get(one, path) == path]
        before = len(troubles)
        infos = dict(self._infos(handles, f"describe an object in {name}", troubles))
        here = {
            handle: info for handle, info in infos.items() if not (place.handle == codec.ROOT and info.parent in infos)
        }
        nodes = {part: Node(path + part, one, here[one]) for part, one in _distinct(_in_order(here)).items()}
        self._seen |= dict.fromkeys(here, path)
        for node in nodes.values():
            self._places[node.path + b"/"] = _Place(place.storage, node.handle)
        if len(troubles) == before:
            self._inside[path] = nodes
        return nodes

    def _infos(
        self, handles: Iterable[int], what: str, troubles: MutableSequence[DockError]
    ) -> Iterator[tuple[int, ObjectInfo]]:
        """ObjectInfo of each object that is still there."""
        for handle in handles:
            try:
                info = codec.object_info(self._session.fetch(Op.GET_OBJECT_INFO, handle, what=what))
            except Removed:
                continue  # since its folder was listed: not on the card
            except DockError as err:
                self._not_alone(err)
                troubles.append(err)
                continue
            yield handle, info

    def _still_ours(self) -> None:
        """Raises Retryable when our handles died with their session: they may stand for other objects by now."""
        if self.epoch != self._session.epoch:
            raise Retryable("the session with the camera had to be opened anew", "list it again")

    def _not_alone(self, err: DockError) -> None:
        """Raises ``err`` again when it is about the whole camera, so that asking for the next object makes no sense."""
        self._session.check()
        if self._session.broken or self.epoch != self._session.epoch:
            raise err


def _in_order(infos: dict[int, ObjectInfo]) -> Iterator[tuple[str, int]]:
    """Names and handles, so that of equal names the same comes first each time: handles may change, times do not."""
    ordered = sorted(infos.items(), key=lambda one: (one[1].mtime_ms, one[1].size, one[0]))
    return ((info.name, handle) for handle, info in ordered)


def _distinct(names: Iterable[tuple[str, int]]) -> dict[bytes, int]:
    """A part of a path for each name. Honest names come first, so that no other can take theirs."""
    honest: dict[bytes, int] = {}
    others: list[tuple[bytes, int]] = []
    for name, number in names:
        raw = name.encode("utf-8", "surrogatepass")
        part = b"_" + raw if raw in (b"", b".", b"..") else raw.replace(b"/", b"_")
        if part == raw and part not in honest:
            honest[part] = number
        else:
            others.append((part, number))
    for part, number in others:
        honest[_free(part, honest)] = number
    return honest


def _free(part: bytes, taken: dict[bytes, int]) -> bytes:
    """``BWC0001~2.MP4`` where ``BWC0001.MP4`` is taken: the suffix stays, as profiles go by it."""
    stem, dot, suffix = part.rpartition(b".")
    if not stem:
        stem, dot, suffix = part, b"", b""
    count = 1
    while part in taken:
        count += 1
        part = stem + b"~%d" % count + dot + suffix
    return part
