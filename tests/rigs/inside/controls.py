"""Scenarios that cannot hold with a fault and hold without it, so that what fails, fails for the fault's sake."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hil.scenarios.play import Outcome, play
from hil.scenarios.read import read

DISK = 'model = "reference-signed", clips = 1, clip_kib = 8192, sidecars = false'
FILES = 'model = "gopro-hero", mode = "mtp", clips = 1, clip_kib = 4096'
"""From a disk the kernel reads past an error that heals, before any program hears of it; over MTP it is heard."""

RELEASED = "plug alice bay01\nwait alice released within 6 s"
TWICE = "plug alice bay01\nwait alice released within 15 s"
"""For a camera that leaves and comes back by itself."""
FAST = "plug alice bay01\nwait alice pulling 512 KiB within 10 s\nwait alice pulling 6144 KiB within 0.7 s"


@dataclass(frozen=True, slots=True)
class Control:
    """``letters``: the faults; ``script``: what is played; ``expect``: what cannot hold then; ``why``: what is said of
    the run, so that no other failure is taken for this one."""

    camera: str
    letters: str
    script: str
    expect: str
    why: str

    def play(self, folder: Path, *, well: bool = False) -> Outcome:
        """Play it over USB/IP, with its faults or, where all is ``well``, without."""
        path = folder / "control.toml"
        path.write_text(
            'about = "A control"\nwhy = "shows that the fault bites"\n\n'
            f'camera.alice = {{ {self.camera}, faults = "{"" if well else self.letters}" }}'
            f'\n\nscript = """\n{self.script}\n"""\n\nexpect = """\n{self.expect}\n"""\n'
        )
        return play(read(path), "usbip", folder / "run")


UNREAD = 'no reason "could not read all of it" about alice'
READING = {
    "E": Control(FILES, "rrE", RELEASED, UNREAD, "could not read all of it"),
    "B": Control(DISK, "rrB", RELEASED, "alice released", "wait alice released within 6 s: not within"),
    "F": Control(DISK, "rrF", RELEASED, "alice quarantined 0", "alice quarantined 0: there are 1"),
    "S": Control(DISK, "SSSSSSSS", FAST, "alice untouched", "wait alice pulling 6144 KiB within 0.7 s: not within"),
}
LEAVING = {
    "H": Control(DISK, "rrH", RELEASED, "alice released", "wait alice released within 6 s: not within"),
    "U": Control(DISK, "rrU", RELEASED, "alice released", "wait alice released within 6 s: not within"),
    "P": Control(DISK, "rrrP", TWICE, "alice not resumed", "alice not resumed: a file was read on from its middle"),
}
"""For each letter its control: of reading, and of a camera that leaves its port or its mind."""


def without(controls: dict[str, Control]) -> list[Control]:
    """The same without a fault: one for each camera and script, with all that is expected of it."""
    plays = {(one.camera, one.script): "" for one in controls.values()}
    for camera, script in plays:
        claims = {one.expect: "" for one in controls.values() if (one.camera, one.script) == (camera, script)}
        plays[camera, script] = "\n".join(claims)
    return [Control(camera, "", script, expect, "") for (camera, script), expect in plays.items()]
