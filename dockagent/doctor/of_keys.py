"""Judges the certificate of the dock's identity. Whether the keys themselves are there and private: ``of_home``."""

from pathlib import Path

from dockagent.core.moment import Instant, rfc3339
from dockagent.core.proof import certificates
from dockagent.doctor.check import Check, failure, ok, warning
from dockagent.durable import RealDisk
from dockagent.errors import DockError
from dockagent.ledger.keys import PUBLIC, read_public

SOON_MS = 30 * 86_400_000  # 30 days: time for the agency's CA to issue the next one


def certificate(home: Path, now: Instant) -> Check:
    """Whether the identity has one, and how long it lasts."""
    folder = home / "keys"
    try:
        if not (folder / PUBLIC).exists():
            return ok("certificate", "none: there are no keys yet")
        dock = read_public(RealDisk(folder))
        chain = certificates.parse_chain(dock.chain_pem.encode()) if dock.chain_pem else ()
    except DockError as err:
        return failure("certificate", err.what, err.hint or "enrol again: `dockagent keys enroll --certificate FILE`")
    except OSError as err:
        return failure("certificate", f"{folder} cannot be read: {err.strerror}", "run this as the agent's user")
    if not chain:
        return ok("certificate", "none: others believe this dock by its own trust file (`dockagent keys enroll`)")
    first = min(chain, key=lambda one: one.not_valid_after_utc)
    ends = int(first.not_valid_after_utc.timestamp() * 1000)
    what = f"{certificates.shown(first.subject)} ends {rfc3339(ends)[:10]}"
    again = "have the CA issue the next one: `dockagent keys enroll --out FILE`"
    if ends <= now.utc_ms:
        return failure("certificate", f"expired: {what}", again)
    if ends <= now.utc_ms + SOON_MS:
        return warning("certificate", f"expires soon: {what}", again)
    return ok("certificate", what)
