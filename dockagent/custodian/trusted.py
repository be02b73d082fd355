"""Whom a custodian believes while it works: its trust files, read again before each round."""

import logging

from dockagent.core.proof.note import VerifierKey
from dockagent.custodian import settings
from dockagent.custodian.settings import File
from dockagent.errors import UsageError
from dockagent.ledger.trust import Trust

log = logging.getLogger(__name__)


class Trusted:
    """``now``: what the files say; ``logs``: whose checkpoints are witnessed by that, which its witness holds too."""

    def __init__(self, file: File) -> None:
        """Raises UsageError for files that cannot be believed."""
        self._file, self._trouble = file, ""
        self.now = settings.trust_of(file)
        self.logs: dict[str, list[VerifierKey]] = _logs(self.now)

    def read_again(self) -> Trust:
        """What they say now. Where they say nothing good any more, they count as they were, and the log says why."""
        try:
            found = settings.trust_of(self._file)
        except UsageError as err:
            if str(err) != self._trouble:
                log.warning("the trust files count as they were: %s", err)
            self._trouble = str(err)
            return self.now
        self._trouble = ""
        if found.encode() != self.now.encode():
            self._change(found)
        return self.now

    def _change(self, found: Trust) -> None:
        ids = ", ".join(sorted({dock.id for dock in found.docks}))
        log.info("the trust files have changed: docks %s, %d custodians", ids or "none", len(found.custodians))
        logs, self.now = _logs(found), found
        self.logs.update(logs)  # the witness's threads look one origin up at a time
        for origin in self.logs.keys() - logs.keys():
            del self.logs[origin]


def _logs(trust: Trust) -> dict[str, list[VerifierKey]]:
    logs: dict[str, list[VerifierKey]] = {}
    for dock in trust.docks:
        logs.setdefault(dock.origin, []).append(dock.log_key)
    return logs
