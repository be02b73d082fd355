"""Verify: what a clip's camera signed about it, against the bytes that the dock read."""

from dockagent.core import events as ev
from dockagent.core.camera import manifest
from dockagent.core.model import Clip


def verify(clip: Clip, reading: manifest.Reading | None) -> tuple[ev.Event, ...]:
    """Judge one clip. ``reading``: the manifest of the session in which it was pulled; None for an unsigned camera."""
    return (ev.Verified(clip.id, manifest.judge(reading, clip.path, clip.bytes, clip.sha256)),)


def verify_path(clip: Clip, path: str, reading: manifest.Reading | None) -> tuple[ev.Event, ...]:
    """Judge a clip under another path that its bytes have on a card: the camera signed names and bytes together."""
    return (ev.PathVerified(clip.id, path, manifest.judge(reading, path, clip.bytes, clip.sha256)),)
