"""Ask a camera to let go of files that it protects, before they are erased: what its profile says in
``[control.unprotect]``, and only for files that a permit names. Part of :mod:`dockagent.steps.erase`.
"""

from collections.abc import Sequence

from dockagent.core.camera.profile import Request
from dockagent.core.paths import to_bytes
from dockagent.core.permits.permit import Named
from dockagent.errors import DockError, Retryable
from dockagent.steps.world import World
from dockagent.transports import Requests


class Protected(DockError):
    """The camera did not let go of a file. Nothing was erased. ``again``: it may do so later."""

    def __init__(self, what: str, *, again: bool) -> None:
        super().__init__(what)
        self.again = again


def ask_camera(world: World, bay: str, profile: str, files: Sequence[Named]) -> str:
    """Ask for all of them; what the tombstone says about it, empty where the profile knows no such request. Raises
    Protected for the first one that the camera keeps."""
    console = world.profile(profile).control if profile else None
    request = console.unprotect if console is not None else None
    if console is None or request is None:
        return ""
    try:
        line = world.bays.control(bay, console, 0)
        if not isinstance(line, Requests):
            return "not unprotected first, its console is away; "
        for one in files:
            _ask(line, request, one)
    except DockError as err:
        if isinstance(err, Protected):
            raise
        raise Protected(f"the camera did not unprotect it: {err}", again=isinstance(err, Retryable)) from err
    values = " ".join(f"{key}={value}" for key, value in sorted(request.answer.items()))
    return f"unprotected by the camera ({request.verb}: {values}); "


def _ask(line: Requests, request: Request, one: Named) -> None:
    words = {"path": to_bytes(one.path), "sha256": one.sha256.encode(), "bytes": b"%d" % one.bytes}
    said = line.request(request.verb, [_filled(template, words) for template in request.arguments])
    wrong = {key: said.get(key) for key, value in request.answer.items() if said.get(key) != value}
    for key, value in wrong.items():
        answered = f"{key}={value}" if value is not None else f"without {key}"
        raise Protected(f"the camera keeps {one.path}: it answered {answered} to {request.verb}", again=False)


def _filled(template: str, words: dict[str, bytes]) -> bytes:
    """A template of the profile with the file's facts in it; a path is its raw bytes, whatever they are."""
    filled = template.encode()
    for name, value in words.items():
        filled = filled.replace(b"{%b}" % name.encode(), value)
    return filled
