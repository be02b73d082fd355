"""Judges what the configuration points to: bays, firmware profiles, camera makers' certificates, the store."""

from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cryptography import x509

from dockagent.config import Bays, Config, load_profiles, profiles_folder
from dockagent.core.moment import Instant, rfc3339
from dockagent.doctor.check import Check, failure, ok, warning
from dockagent.errors import DockError
from dockagent.stores import Store, Unasked

SOON_MS = 60 * 86_400_000  # 60 days: time to order a new root


def bays(setting: Bays) -> Check:
    """Whether cameras are looked for, and where."""
    if setting.folder and not Path(setting.folder).is_dir():
        return failure("bays", f"the folder {setting.folder} is not there", "make it, or correct folder in [bays]")
    if not setting.folder and not setting.udev:
        return failure("bays", "no camera is looked for anywhere", "set udev = true, or folder, in [bays]")
    if setting.udev and not setting.auto and not setting.ports and not setting.folder:
        return failure("bays", "no USB port is a bay", "name them by ports in [bays], or set auto = true")
    places = [f"the folder {setting.folder}"] if setting.folder else []
    if setting.udev:
        places.append(f"{len(setting.ports)} named ports" + (" and every other USB port" if setting.auto else ""))
    return ok("bays", ", ".join(places))


def profiles(config: Config) -> Check:
    """Whether every firmware profile can be read."""
    folder = profiles_folder(config)
    try:
        known = load_profiles(folder)
    except DockError as err:
        return failure("profiles", err.what, err.hint or "see `dockagent profile check`")
    except OSError as err:
        return failure("profiles", f"{folder} cannot be read: {err.strerror}", "check profiles in the configuration")
    return ok("profiles", f"{len(known)} in {folder}")


def camera_roots(load: Callable[[], Sequence[x509.Certificate]], now: Instant) -> Check:
    """Whether camera makers' certificates can be read, and how long they last."""
    try:
        roots = load()
    except DockError as err:
        return failure("camera roots", err.what, err.hint)
    if not roots:
        return warning(
            "camera roots",
            "none: no camera's signer is trusted, and every record says so",
            "name the makers' root certificates by camera_roots in [trust]",
        )
    first = min(roots, key=lambda one: one.not_valid_after_utc)
    ends = int(first.not_valid_after_utc.timestamp() * 1000)
    what = f"{first.subject.rfc4514_string()} ends {rfc3339(ends)[:10]}"
    if ends <= now.utc_ms:
        return failure(
            "camera roots", f"expired: {what}", "ask the maker for the new root; keep the old for old footage"
        )
    if ends <= now.utc_ms + SOON_MS:
        return warning("camera roots", f"expires soon: {what}", "ask the maker for the next one")
    return ok("camera roots", f"{len(roots)}; {what}")


def store(url: str, opened: Callable[[], Store]) -> Check:
    """Whether the store at ``url`` takes footage. A folder that is not there yet is not made."""
    parts = urlsplit(url)
    folder = Path(unquote(parts.path))
    if parts.scheme == "file" and not folder.exists():
        return warning("store", f"{url} is not there yet; the first start makes it", "check that its disk is mounted")
    try:
        wrong = opened().check()
    except DockError as err:
        return failure("store", err.what, err.hint)
    if wrong and all(isinstance(one, Unasked) for one in wrong):
        return warning("store", "; ".join(wrong), "run `dockagent store check`, and again after changes of the store")
    if wrong:
        return failure("store", "; ".join(wrong), "footage stays in the spool until this is mended")
    return ok("store", f"{url} takes footage")
