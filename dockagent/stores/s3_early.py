"""Parts that go into a bucket before their object is whole: an upload in parts that is left unfinished."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from dockagent.stores.s3_multipart import Multipart


class S3Early:
    """A :class:`dockagent.stores.early.EarlyUpload` over ``upload``, with as many parts as it ends with. ``named``
    turns botocore's errors into the house's."""

    def __init__(
        self, upload: Multipart, named: Callable[[], AbstractContextManager[None]], progress: Callable[[int], None]
    ) -> None:
        self._upload, self._named, self._progress = upload, named, progress
        self.count = 0

    @property
    def whole(self) -> bool:
        return self.count == self._upload.count

    def send(self, known: Sequence[str]) -> int:
        if len(known) <= self.count:
            return 0
        with self._named():
            went = self._upload.some(known, self._progress)
        self.count = len(known)
        return went
