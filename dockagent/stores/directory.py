"""A store in a folder: one machine's disk, or a mounted share that has hard links.

An object gets its name by a link after all of it was written, synced and read back from the medium, so a name always
means whole and proved bytes, and a second writer cannot replace the first. Then nobody may write it any more, and where
the station wants it, it bears the immutable flag (``guard.py``). That makes the folder tamper-evident, not write-once:
its owner can still remove what is in it, and digests, ledger and receipts tell. What a crash leaves is a ``.part-…``
file in the root (keys never start with a dot); the next start removes it. A put whose part is removed under it by
another start over the same folder ends as Retryable.
"""

import hashlib
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from dockagent.durable import Disk, DiskFull
from dockagent.errors import Retryable
from dockagent.stores import MOST_REPLACED, Conflict, Source, Stored, directory_proof
from dockagent.stores.guard import Guard
from dockagent.stores.intake import BUFFER, Tally, open_source, read_some, whole
from dockagent.stores.keys import checked, replaceable
from dockagent.stores.promises import Credential, Proof

_PART = ".part-"
_PROBE = ".probe-"
_TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp")  # of the store's mark, whose writing a power cut ended
_REFUSALS = "check that it is mounted, writable, healthy, and of a kind that has hard links (not FAT)"


class DirectoryStore:
    """Objects as files under ``disk``'s root; ``url`` is how people call it. Removes what a crash left there.

    ``mark``: a file that is there as long as the folder is this store, or empty. Without it nothing is put and nothing
    is believed to be missing: a share that was unmounted under us leaves an empty folder behind. ``guard`` keeps whole
    objects from being changed; without one they are as they were written.
    Raises Retryable where the folder cannot be read.
    """

    def __init__(self, disk: Disk, url: str, mark: str = "", guard: Guard | None = None) -> None:
        self.url = url
        self._disk, self._mark, self._guard = disk, mark, guard
        with self._named_errors("tidy up"):
            for name in disk.names(""):
                if name.startswith((_PART, _PROBE)) or _TEMPORARY.fullmatch(name):
                    disk.remove(name)

    def put(self, key: str, source: Source, progress: Callable[[int], None] | None = None) -> Stored:
        """As :class:`dockagent.stores.Store` says. The proof is a re-read of every byte past the page cache."""
        heard = progress or _unheard
        with self._named_errors(f"store {checked(key)}"):
            self._check_there()
            if self._disk.size(key) is not None:
                return self._held_already(key, source, heard)
            self._need_room(source.size)
            return self._write_new(key, source, heard)

    def replace(self, key: str, data: bytes) -> Stored:
        """As :class:`dockagent.stores.Store` says: written apart, read back from the medium, then given its name."""
        digest, part = hashlib.sha256(data).hexdigest(), _PART + secrets.token_hex(8)
        with self._named_errors(f"replace {replaceable(key, len(data), MOST_REPLACED)}"):
            self._check_there()
            try:
                with self._disk.append(part, scratch=True) as sink:
                    sink.write(data)
                    sink.sync()
                if self._digest(part) != digest:
                    raise Retryable(
                        f"{self.url} gave back other bytes than were written for {key}", "replace this disk"
                    )
                self._disk.commit(part, key)
            finally:
                self._disk.remove(part)
        return Stored(key, len(data), digest, proof="re-read")

    def stat(self, key: str) -> Stored | None:
        """Size only: a folder keeps no digest that would not have to be read again to be believed."""
        with self._named_errors(f"look at {checked(key)}"):
            size = self._disk.size(key)
            if size is None:
                self._check_there()
        return None if size is None else Stored(key, size, "", proof="size")

    def check(self) -> Sequence[str]:
        """One line for each thing that keeps this folder from being a store."""
        name = secrets.token_hex(8)
        part, final = _PROBE + name, _PROBE + name + "-linked"
        try:
            with self._named_errors("write a probe"):
                try:
                    self._probe(part, final)
                finally:
                    self._disk.remove(part)
                    self._disk.remove(final)
        except Retryable as err:
            return [str(err)]
        return []

    def prove(self, scratch: str, admin: Credential | None = None) -> Proof:
        """As :class:`dockagent.stores.promises.Prover` says; an administrator can do no more here than the owner."""
        with self._named_errors("try this store's promises"):
            self._check_there()
            return directory_proof.prove(self, self._disk, self._guard, checked(scratch))

    def _check_there(self) -> None:
        if self._mark and self._disk.size(self._mark) is None:
            raise Retryable(f"{self.url} is away: its mark {self._mark} is gone", "mount it, or bring its folder back")

    def _write_new(self, key: str, source: Source, heard: Callable[[int], None]) -> Stored:
        part = _PART + secrets.token_hex(8)
        try:
            self._write_part(part, key, source, heard)
            if self._digest(part) != source.sha256:
                _check_word(source, key)
                raise Retryable(f"{self.url} gave back other bytes than were written for {key}", "replace this disk")
            self._disk.publish(part, key)
            self._keep(key)
        except FileExistsError:
            return self._held_already(key, source, _unheard)
        finally:
            self._disk.remove(part)
        return Stored(key, source.size, source.sha256, proof="re-read")

    def _write_part(self, part: str, key: str, source: Source, heard: Callable[[int], None]) -> None:
        """Copy without hashing: the digest of what the medium gives back afterwards speaks for source and copy."""
        with open_source(source, key) as reader, self._disk.append(part, scratch=True, forget=True) as sink:
            left = source.size + 1  # one more byte shows a source that is longer than it says
            while left and (data := read_some(reader, min(BUFFER, left), key)):
                sink.write(data)
                heard(len(data))
                left -= len(data)
            sink.sync()

    def _held_already(self, key: str, source: Source, heard: Callable[[int], None]) -> Stored:
        """Answer for a key that is taken: by these bytes, read back now, or by others."""
        size = self._disk.size(key)
        if size != source.size or self._digest(key) != source.sha256:
            raise Conflict(
                f"{self.url} holds other bytes under {key} than the {source.size} bytes with SHA-256 {source.sha256}",
                "find out who wrote there; nothing was overwritten",
            )
        heard(source.size)
        self._keep(key)
        return Stored(key, source.size, source.sha256, proof="re-read")

    def _keep(self, key: str) -> None:
        if self._guard is not None:
            self._guard.keep(key)

    def _digest(self, path: str) -> str:
        """SHA-256 (hex) of a file as its medium gives it back."""
        digest = hashlib.sha256()
        with self._disk.reader(path, cold=True) as reader:
            while data := reader.read(BUFFER):
                digest.update(data)
        return digest.hexdigest()

    def _need_room(self, size: int) -> None:
        free = self._disk.free()
        if free < size:
            raise DiskFull(f"{size} bytes do not fit into the {free} that are free", "free some space in the store")

    def _probe(self, part: str, final: str) -> None:
        with self._disk.append(part) as sink:
            sink.write(b"probe")
            sink.sync()
        self._disk.publish(part, final)

    @contextmanager
    def _named_errors(self, act: str) -> Iterator[None]:
        try:
            yield
        except DiskFull as err:
            raise DiskFull(f"cannot {act} in {self.url}: {err.what}", err.hint) from err
        except OSError as err:
            raise Retryable(f"cannot {act} in {self.url}: {err.strerror or err}", _REFUSALS) from err


def _check_word(source: Source, key: str) -> None:
    """Raises Permanent unless the source's bytes are what it says they are."""
    with open_source(source, key) as reader:
        for _ in whole(reader, Tally(source, key)):
            pass


def _unheard(_size: int) -> None:
    """Nobody asked to be told."""
