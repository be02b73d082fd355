"""Between the loop, which records what people ask for, and the step that erases from a camera: for each clip counts
which of them is first. The step hashes for hours, and a hold that comes meanwhile must stop it."""

from collections.abc import Collection
from threading import Lock


class Gate:
    """Open for a clip until the first of the files that go with it is about to go. From any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._stopped, self._shut = set[str](), set[str]()

    def enter(self, clip_id: str, *, stops: bool) -> bool:
        """Whether an act on a clip that is being erased may be recorded now; else when that has come to its end.
        ``stops``: whether nothing may be erased after it."""
        with self._lock:
            if clip_id in self._shut:
                return False
            if stops:
                self._stopped.add(clip_id)
            return True

    def shut(self, clips: Collection[str]) -> bool:
        """Whether nothing has come that stops the erasing of these clips; then nothing comes any more until its
        end."""
        with self._lock:
            if not self._stopped.isdisjoint(clips):
                return False
            self._shut.update(clips)
            return True

    def end(self, clips: Collection[str]) -> None:
        """The erasing of these clips is over, however it ended."""
        with self._lock:
            self._stopped.difference_update(clips)
            self._shut.difference_update(clips)
