"""ext2, ext3, ext4 and NTFS, by The Sleuth Kit (its Python binding pytsk3), which forensic laboratories use.

It is a parser in C, and a card may be hostile: only a process without rights loads it (:mod:`confinement`).
"""

import importlib
import struct
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from dockagent.core.paths import to_text
from dockagent.errors import DockError, Missing, Permanent
from dockagent.transports.raw_medium import Medium
from dockagent.transports.raw_volume import FOLDER, Entry, Node

NTFS_OWN_FILES = 24  # inodes below are the file system's own (the root is 5)
_EXT_MAGIC_AT, _EXT_MAGIC = 1080, b"\x53\xef"
_HAS_JOURNAL_TO_REPLAY, _EXTENTS, _CLEAN = 0x4, 0x40, 0x1
_NAME_IN_USE, _META_IN_USE = 1, 1


def load() -> Any:
    """The library, before rights are given up. Raises Missing where it is not installed."""
    try:
        return importlib.import_module("pytsk3")
    except ImportError as err:
        raise Missing("without pytsk3, ext and NTFS are read by mounting only", "mount the card") from err


class SleuthkitVolume:
    """:class:`dockagent.transports.raw_volume.Volume` of an ext or an NTFS. ``start`` of a node is its inode. Raises
    Permanent where there is none that can be read."""

    def __init__(self, tsk: Any, medium: Medium, head: bytes) -> None:
        self._tsk, self._medium = tsk, medium
        self._ntfs = head[3:11] == b"NTFS    "
        self._image = _image(tsk, medium)
        kind = tsk.TSK_FS_TYPE_NTFS if self._ntfs else tsk.TSK_FS_TYPE_EXT_DETECT
        self._system = self._asked(tsk.FS_Info, self._image, 0, kind)
        self.root = Node(int(self._system.info.root_inum))
        self.facts: Mapping[str, str] = _ntfs_facts(head) if self._ntfs else _ext_facts(head)
        self._kinds = {
            tsk.TSK_FS_META_TYPE_REG: "",
            tsk.TSK_FS_META_TYPE_DIR: FOLDER,
            tsk.TSK_FS_META_TYPE_LNK: "link",
            tsk.TSK_FS_META_TYPE_FIFO: "pipe",
            tsk.TSK_FS_META_TYPE_SOCK: "socket",
        }

    def entries(self, folder: Node) -> tuple[Sequence[Entry], str]:
        found, torn = [], 0
        for file in self._asked(lambda: list(self._system.open_dir(inode=folder.start))):
            name, meta = file.info.name, file.info.meta
            if name is None or not int(name.flags) & _NAME_IN_USE or name.name in (b".", b"..") or self._own(name):
                continue
            if meta is None or not int(meta.flags) & _META_IN_USE:
                torn += 1
                continue
            found.append(self._entry(bytes(name.name), meta))
        return found, f"{torn} entries of it lead to no file" if torn else ""

    def content(self, file: Node) -> "_Content":
        return _Content(self, self._asked(self._system.open_meta, file.start))

    def bytes_of(self, file: Any, offset: int, size: int) -> bytes:
        """Content of an open file; for its reader."""
        return bytes(self._asked(file.read_random, offset, size))

    def _own(self, name: Any) -> bool:
        """What the library or the file system puts there by itself."""
        virtual = name.type in (self._tsk.TSK_FS_NAME_TYPE_VIRT, self._tsk.TSK_FS_NAME_TYPE_VIRT_DIR)
        return virtual or (self._ntfs and int(name.meta_addr) < NTFS_OWN_FILES)

    def _entry(self, name: bytes, meta: Any) -> Entry:
        size = int(meta.size)
        kind = self._kinds.get(meta.type, "device")
        mtime_ms = int(meta.mtime) * 1000 + int(meta.mtime_nano) // 1_000_000
        return Entry(name, kind, Node(int(meta.addr), size, size), mtime_ms)

    def _asked(self, act: Any, *arguments: Any) -> Any:
        """The library says what went wrong in words only; what the medium said goes before them."""
        self._image.error = None
        try:
            return act(*arguments)
        except (OSError, RuntimeError) as err:
            if self._image.error is not None:
                raise self._image.error from err
            words = " ".join(str(err).split())
            raise Permanent(f"the file system on {self._medium.name} is damaged: {words}", "image the card") from err


class _Content:
    """A :class:`dockagent.transports.raw_medium.Content`."""

    def __init__(self, volume: SleuthkitVolume, file: Any) -> None:
        self._volume, self._file = volume, file
        self.size = int(file.info.meta.size)

    def read_into(self, room: memoryview, offset: int) -> int:
        size = min(len(room), self.size - offset)
        if size <= 0:
            return 0
        data = self._volume.bytes_of(self._file, offset, size)
        room[: len(data)] = data
        if not data:
            raise Permanent(f"there is nothing behind byte {offset}", "image the card and look at it")
        return len(data)


def _image(tsk: Any, medium: Medium) -> Any:
    class Image(tsk.Img_Info):  # type: ignore[misc]  # the library's base class is known only now
        """The medium as the library reads it; ``error``: what it last raised, which the library drops."""

        def __init__(self) -> None:
            self.error: DockError | None = None
            super().__init__(url="", type=tsk.TSK_IMG_TYPE_EXTERNAL)

        def read(self, offset: int, size: int) -> bytes:
            try:
                return medium.read(offset, max(0, min(size, medium.size - offset)))
            except DockError as err:
                self.error = err
                raise

        def get_size(self) -> int:
            return medium.size

        def close(self) -> None:
            """The medium is closed by whoever opened it."""

    return Image()


def is_known(head: bytes) -> bool:
    """Whether the first 2 KiB are those of a file system of this module."""
    return head[3:11] == b"NTFS    " or head[_EXT_MAGIC_AT : _EXT_MAGIC_AT + 2] == _EXT_MAGIC


def _ext_facts(head: bytes) -> dict[str, str]:
    """Out of the superblock (Linux, Documentation/filesystems/ext4/super.rst)."""
    block = head[1024:]
    state = struct.unpack_from("<H", block, 0x3A)[0]
    compatible, incompatible = struct.unpack_from("<II", block, 0x5C)
    name = "ext4" if incompatible & _EXTENTS else "ext3" if compatible & 4 else "ext2"
    dirty = not state & _CLEAN or incompatible & _HAS_JOURNAL_TO_REPLAY
    facts = {"filesystem": name, "uuid": str(uuid.UUID(bytes=block[0x68:0x78])), "dirty": "yes" if dirty else "no"}
    label = to_text(block[0x78:0x88].split(b"\0")[0])
    return {**facts, "label": label} if label else facts


def _ntfs_facts(head: bytes) -> dict[str, str]:
    return {"filesystem": "ntfs", "uuid": f"{struct.unpack_from('<Q', head, 0x48)[0]:016X}"}
