"""A camera that gives its files over MTP or PTP: read-only, object by object, never more trusted than its bytes.

Why the protocol is spoken here, over the kernel's usbfs, and not by a library: libmtp 1.1.20 (Debian 12) leaves an
object out of ``LIBMTP_Get_Files_And_Folders`` without a word when its ObjectInfo fails, and gives the same NULL for an
empty folder and for an error; ``LIBMTP_GetPartialObject`` throws the camera's answer away, calls it the end of the
file when it could not ask for the size, and may go by a size of long ago; sizes are cut to 32 bits where formats differ
in their width; ``LIBMTP_Detect_Raw_Devices`` opens and asks USB devices in other bays too. libgphoto2 is known to cut
videos of more than 4 GiB (its issues 581, 582 and 990). Each would let a clip be missed or cut in silence. Both are the
outside witnesses of our emulator instead.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from dockagent.core.paths import to_text
from dockagent.errors import DockError, Gone, Permanent, Retryable
from dockagent.transports import FileFact, FootageReader, mtp_tree
from dockagent.transports import mtp_codec as codec
from dockagent.transports.mtp_answer import OK, Answer, CutShort, answer_error
from dockagent.transports.mtp_codec import Op
from dockagent.transports.mtp_port import Port, UsbPort
from dockagent.transports.mtp_session import PATIENCE_S, Session
from dockagent.transports.mtp_tree import Tree

PART = 1 << 20  # bytes that are asked for at once
_4_GIB = 1 << 32
_TAKE_CARD_OUT = "take its card out and read that"


class MtpFootage:
    """:class:`dockagent.transports.Footage` of the USB device ``node`` (``/dev/bus/usb/BBB/DDD``).

    Paths are the objects' names; with several storages, the storage's name comes first. Where a name is there twice
    in a folder, the later ones get ``~2``, ``~3``, … before their suffix. A time without a zone is taken as UTC.
    The camera is given ``patience_s`` seconds for an answer; ``plug`` opens the device.

    Raises Gone when it is not there, Retryable when somebody else has it or it does not answer, Permanent when it
    speaks no PTP.
    """

    def __init__(self, node: Path, *, patience_s: float = PATIENCE_S, plug: Callable[[Path], Port] = UsbPort) -> None:
        self.node = node
        self._session = Session(plug(node), patience_s)
        self._open = True
        self._tree: Tree | None = None

    def facts(self) -> Mapping[str, str]:
        """``vendor``, ``product``, ``serial`` and ``firmware`` as the camera says them; ``label``: its storages' names.
        Raises Gone when the camera left."""
        session = self._there()
        info = session.info
        facts = {
            "filesystem": "mtp",
            "readonly": "yes",
            "device": str(self.node),
            "vendor": info.manufacturer,
            "product": info.model,
            "serial": info.serial,
            "firmware": info.version,
        }
        with suppress(Retryable):  # without its card a camera is still itself
            facts["label"] = ", ".join(mtp_tree.storages(session).values())
        session.check()
        return {key: to_text(value.encode("utf-8", "surrogatepass")) for key, value in facts.items()}

    def list(self) -> Iterator[FileFact]:
        """As :meth:`Footage.list`. A size that the camera cannot tell is given as 4 GiB."""
        tree = self._tree = Tree(self._there())
        for node, size in tree.walk():
            mtime_ms = node.info.mtime_ms if node.info else 0
            yield FileFact(node.path, _4_GIB if size is None else size, mtime_ms)

    def open(self, path: bytes) -> FootageReader:
        """As :meth:`Footage.open`. Raises Permanent for an object that the camera cannot give whole."""
        return _Reader(self, path)

    def close(self) -> None:
        if self._open:
            self._session.close()
        self._open = False
        self._tree = None

    def find(self, path: bytes) -> tuple[int, int | None]:
        """Handle and size of the object at ``path``, asked for now. Handles die with their session, so the folders are
        looked at again where that is a new one."""
        session = self._there()
        if self._tree is None or self._tree.epoch != session.epoch:
            self._tree = Tree(session)
        handle = self._tree.find(path).handle
        info = session.fetch(Op.GET_OBJECT_INFO, handle, what=f"say how large {to_text(path)} is")
        return handle, mtp_tree.ask_size(session, handle, codec.object_info(info))

    @property
    def session(self) -> Session:
        """The session with the camera. Raises Gone when it left, or was let go."""
        return self._there()

    def _there(self) -> Session:
        if not self._open:
            raise Gone(f"the camera at {self.node} was let go", "put the camera back")
        self._session.check()
        self._session.mend()
        return self._session


class _Reader:
    """A :class:`FootageReader`. It reads parts where the camera gives parts from everywhere, else the whole object from
    its start, of which it forgets what was not asked for."""

    def __init__(self, card: MtpFootage, path: bytes) -> None:
        self._card, self._path = card, path
        self._at = 0
        self._stream: tuple[Answer, int] | None = None  # a whole object on its way, and how far it came
        self._look()
        if self._size == 0:
            self._doubt_emptiness()

    def read(self, size: int, /) -> bytes:
        if self._at >= self._size:
            self._look()  # it may have grown, or been listed too small
        if self._at >= self._size or size <= 0:
            return b""
        most = min(size, self._size - self._at)
        data = self._from_stream(most) if self._operation is None else self._part(self._operation, most)
        self._at += len(data)
        return data

    def read_into(self, room: memoryview, /) -> int:
        """As :class:`dockagent.transports.Filler`: many small answers fill one large room."""
        count = 0
        while count < len(room):
            try:
                data = self.read(len(room) - count)
            except Retryable:
                if count:
                    break  # what came is well; the error comes again, if it is still there
                raise
            if not data:
                break
            room[count : count + len(data)] = data
            count += len(data)
        return count

    def seek(self, offset: int, /) -> int:
        self._at = offset
        return offset

    def size(self) -> int:
        self._look()
        return self._size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        if self._stream is not None and not self._stream[0].done:
            with suppress(DockError):  # the next operation, or its error, sets it right
                self._card.session.cancel()
        self._stream = None

    def _look(self) -> None:
        """Find the object, how large it is, and how it can be read. Raises Permanent where it cannot."""
        handle, size = self._card.find(self._path)
        if size is None:
            raise Permanent(
                f"{to_text(self._path)} is 4 GiB or larger, and the camera cannot say how large", _TAKE_CARD_OUT
            )
        self._handle, self._size, self._epoch = handle, size, self._card.session.epoch
        self._operation = self._best(self._size)
        if self._operation is None and not self._card.session.can(Op.GET_OBJECT):
            raise self._too_large()

    def _best(self, size: int) -> Op | None:
        """How to read parts of an object of this size; None: the camera has no way for it."""
        session = self._card.session
        if session.can(Op.GET_PARTIAL_OBJECT) and size < _4_GIB:
            return Op.GET_PARTIAL_OBJECT
        return Op.GET_PARTIAL_OBJECT_64 if session.can(Op.GET_PARTIAL_OBJECT_64) else None

    def _part(self, operation: Op, most: int) -> bytes:
        """1..``most`` bytes from where we are. What comes is kept only if the whole answer was well."""
        session = self._session()
        count = min(most, PART)
        if count > 1 and (count + codec.HEADER.size) % 512 == 0:
            count -= 1  # some phones hang when such an answer ends with a full packet
        wide = operation == Op.GET_PARTIAL_OBJECT_64
        where = (self._at & 0xFFFFFFFF, self._at >> 32) if wide else (self._at,)
        answer = session.begin(operation, self._handle, *where, count)
        data = b"".join(iter(lambda: answer.read(PART), b""))
        if answer.code != OK:
            raise answer_error(answer.code, self._act())
        if not data or len(data) > count or (answer.params and answer.params[0] != len(data)):
            told = f", says {answer.params[0]}" if answer.params else ""
            raise Retryable(
                f"asked to {self._act()} for {count} bytes, the camera gives {len(data)}{told}", "try again"
            )
        return data

    def _from_stream(self, most: int) -> bytes:
        """1..``most`` bytes of the object as it comes in whole. A look at anything else in between began it anew."""
        if self._stream is None or self._stream[0].done or self._stream[1] > self._at or not self._same_stream():
            session = self._session()
            self._stream = session.begin(Op.GET_OBJECT, self._handle, expected=self._size), 0
        answer, at = self._stream
        try:
            while at < self._at:
                at += len(self._some(answer, min(PART, self._at - at)))
            data = self._some(answer, most)
        except CutShort as err:
            self._stream = None
            raise (self._too_large() if self._size >= _4_GIB else err) from err
        except DockError:
            self._stream = None
            raise
        self._stream = answer, at + len(data)
        if at + len(data) == self._size:
            self._end(answer)
        return data

    def _same_stream(self) -> bool:
        return self._stream is not None and self._card.session.under_way is self._stream[0]

    def _some(self, answer: Answer, most: int) -> bytes:
        data = answer.read(most)
        if not data:
            if answer.code != OK:
                raise answer_error(answer.code, self._act())
            raise CutShort(f"the camera gave {answer.received} of the {self._size} bytes of {to_text(self._path)}")
        return data

    def _end(self, answer: Answer) -> None:
        """The last byte is there: so must the camera's word be that all went well, and nothing more."""
        more = answer.read(PART)
        self._stream = None
        if more:
            self._card.session.cancel()
            raise Retryable(
                f"{to_text(self._path)} is longer than the camera said", "try again, then take its card out"
            )
        if answer.code != OK:
            raise answer_error(answer.code, self._act())

    def _doubt_emptiness(self) -> None:
        """Cameras list large videos as empty. One that gives bytes all the same is not believed."""
        if not self._card.session.can(Op.GET_OBJECT):
            return
        answer = self._card.session.begin(Op.GET_OBJECT, self._handle)
        if answer.read(1):
            self._card.session.cancel()
            raise Permanent(f"{to_text(self._path)} is listed as empty, and is not", _TAKE_CARD_OUT)
        if answer.code != OK:
            raise answer_error(answer.code, self._act())

    def _session(self) -> Session:
        """The session, with our handle good in it."""
        session = self._card.session
        if session.epoch != self._epoch:
            self._look()
        return session

    def _act(self) -> str:
        return f"read {to_text(self._path)} at byte {self._at}"

    def _too_large(self) -> Permanent:
        return Permanent(f"{to_text(self._path)} is larger than this camera can give over MTP", _TAKE_CARD_OUT)
