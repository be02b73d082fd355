"""The shipped profiles, and the smallest one that can be."""

from pathlib import Path

from dockagent.core.camera import profile
from dockagent.core.camera.profile import Profile

FOLDER = Path(__file__).resolve().parents[2] / "firmware_profiles"
SHIPPED = tuple(profile.parse(path.read_bytes(), path.name) for path in sorted(FOLDER.glob("*.toml")))
SMALLEST = """
schema = 1
title = "x"
[[probe]]
path = ["DCIM"]
[layout]
"""


def parse(text: str) -> Profile:
    """Raises UsageError where it is no profile."""
    return profile.parse(text.encode(), "try.toml")
