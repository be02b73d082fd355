"""How the service is: what its rounds did so far, for health checks, for Prometheus, and for docks that ask by id."""

import threading
from collections import Counter, OrderedDict
from typing import Any

from dockagent.clock import Clock
from dockagent.core.moment import rfc3339
from dockagent.custodian.folders import ClipFolder
from dockagent.custodian.holds import Holds
from dockagent.custodian.receipts import judged
from dockagent.custodian.reports import Reports
from dockagent.custodian.world import Tally

_MOST_FOLDERS = 100_000
_COUNTED = ("receipts", "permits", "audits", "lines", "cosigned", "lost_races", "read")


class ServiceState:
    """Written by the rounds, read by the server's threads. ``late_s``: how old the last good round may be."""

    def __init__(self, clock: Clock, late_s: float) -> None:
        self._clock, self._late_s = clock, late_s
        self._lock = threading.Lock()
        self._sums: Counter[str] = Counter()
        self._folders: OrderedDict[str, str] = OrderedDict()
        self._last, self._last_ms = Tally(), 0
        self._good_s = clock.monotonic()
        self._holds: Holds | None = None
        self._told: Reports | None = None
        self._heard_s = 0.0
        self._trouble = ""

    def saw(self, clip_id: str, prefix: str) -> None:
        """A clip's folder, for those who ask without naming it. Only so many are kept."""
        with self._lock:
            self._folders[clip_id] = prefix
            if len(self._folders) > _MOST_FOLDERS:
                self._folders.popitem(last=False)

    def folder_of(self, clip_id: str) -> str:
        """The folder of a clip that was seen lately, or empty."""
        with self._lock:
            return self._folders.get(clip_id, "")

    def heard(self, holds: Holds, told: Reports) -> None:
        """The docks' holds and what is reported, as a round that begins has read them."""
        with self._lock:
            self._holds, self._told, self._heard_s = holds, told, self._clock.monotonic()

    def doubted(self, folder: ClipFolder) -> bool:
        """Whether a clip, as it is listed, is reported as not being what it must be, or is to be read again, or was not
        looked at yet by this custodian, whose share it is. The rounds keep that on disk: a restart forgets nothing."""
        with self._lock:
            holds, told = self._holds, self._told
        if holds is None or told is None:
            return True
        return told.doubted(folder.clip_id, folder.state) or not judged(holds.custodian, folder)

    def holds(self) -> Holds | None:
        """The docks' holds as the newest round has read them; None where none has lately."""
        with self._lock:
            return self._holds if self._clock.monotonic() - self._heard_s < self._late_s else None

    def ended(self, tally: Tally) -> None:
        """A round came to its end."""
        with self._lock:
            for name in _COUNTED:
                self._sums[name] += int(getattr(tally, name))
            self._sums["rounds"] += 1
            self._last, self._last_ms = tally, self._clock.now().utc_ms
            self._trouble = tally.troubles[0] if tally.troubles else ""
            if not tally.troubles:
                self._good_s = self._clock.monotonic()

    def failed(self, why: str) -> None:
        """A round could not be made."""
        with self._lock:
            self._trouble = why

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Whether rounds are made and the store answers; what to say about it."""
        with self._lock:
            good = self._clock.monotonic() - self._good_s < self._late_s
            return good, {
                "good": good,
                "rounds": self._sums["rounds"],
                "last_round": rfc3339(self._last_ms) if self._last_ms else "",
                "waiting": self._last.waiting,
                "reports": len(self._last.told),
                "refuting": self._last.refuting,
                "trouble": self._trouble,
            }

    def metrics(self) -> str:
        """Prometheus's text format, 0.0.4."""
        with self._lock:
            rows = [(f"{name}_total", "counter", self._sums[name]) for name in (*_COUNTED, "rounds")]
            now = {"clips": self._last.seen, "waiting": self._last.waiting, "reports": len(self._last.told)}
            now |= {"refuting": self._last.refuting, "last_round_seconds": self._last_ms // 1000}
            rows += [(name, "gauge", value) for name, value in now.items()]
        return "".join(
            f"# TYPE dockagent_custodian_{name} {kind}\ndockagent_custodian_{name} {value}\n"
            for name, kind, value in rows
        )
