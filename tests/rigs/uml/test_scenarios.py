"""The scenarios on emulated USB hardware. Every run plays those that need such hardware, and some that every rig plays,
for comparison; the long tier plays all that these rigs can carry."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hil.scenarios import rigs
from hil.scenarios.model import Scenario
from hil.scenarios.read import all_cases, read
from tests.corpus import corpus
from tests.rigs.uml.in_guest import long_tier, run

CASES = {one.name: one for one in map(read, all_cases())}
ONLY_HERE = rigs.carries("usbip") - rigs.carries("folder")
HEAVY = {"four-gib"}
COMPARED = {
    *("altered-between-dockings", "console-dies", "dock-killed-in-pull", "eight-at-once", "mixed-station", "other-bay"),
    *("plain-signed-console", "plain-gopro", "pulled-out-again-and-again", "pulled-out-at-once", "pulled-out-last-mib"),
    *("pulled-out-mid-clip", "pulled-out-unread", "swapped-cards", "taken-while-dock-is-down", "there-before-the-dock"),
    *("two-cameras-one-serial", "two-pulled-out-together", "video-with-previews"),
}
ON_GADGETS = {
    *(
        "medium-error-heals",
        "medium-error-stays",
        "other-usb-id",
        "plain-signed",
        "plain-signed-console",
        "swapped-cards",
    ),
}
PORTS = {"usbip": 8, "gadget": 4}
GUESTS = {"usbip": 6, "gadget": 1}
"""How many guests share what every run plays: few boots, and both cores busy to the end."""
AT_ONCE = 8
"""How many scenarios a guest of the long tier plays."""


def carried(rig: str) -> list[Scenario]:
    """What a rig can carry, and has enough ports for."""
    return [one for one in CASES.values() if not rigs.cannot_carry(one, rig) and bays(one) <= PORTS[rig]]


def bays(scenario: Scenario) -> int:
    """The highest number of a bay that a scenario speaks of."""
    words = (line.words.get("bay", "") for line in scenario.script)
    return max((int(word.removeprefix("bay")) for word in words if word), default=0)


def of_every_run(rig: str) -> set[str]:
    chosen = {one.name for one in carried("usbip") if one.needs & ONLY_HERE} | COMPARED
    return (chosen if rig == "usbip" else ON_GADGETS) - HEAVY


def groups(rig: str) -> list[list[str]]:
    """What every run plays, spread so that what is like each other, and takes as long, is in different guests."""
    names = sorted(of_every_run(rig))
    return [names[first :: GUESTS[rig]] for first in range(GUESTS[rig])]


def rest(rig: str) -> list[list[str]]:
    """What only the long tier plays."""
    names = sorted({one.name for one in carried(rig)} - of_every_run(rig))
    many = -(-len(names) // AT_ONCE)
    return [names[first::many] for first in range(many)]


def _play(rig: str, names: list[str], folder: Path, seconds: float) -> None:
    media = {"DOCKAGENT_CORPUS": str(corpus())} if any(_has_image(CASES[name]) for name in names) else {}
    words = [sys.executable, "-m", "hil", "run", *names, "--rig", rig, "--keep", str(folder / "kept")]
    status, said = run(words, folder, seconds, environment=media)
    print(said)
    assert status == 0, said[-12_000:]
    assert f"{len(names)} good, 0 failed, 0 skipped" in said, said[-12_000:]


def _has_image(scenario: Scenario) -> bool:
    return any(part.image for part in scenario.cameras.values())


@pytest.mark.timeout(900)
@pytest.mark.parametrize("names", groups("usbip"), ids=" ".join)
def test_over_usbip(names: list[str], tmp_path: Path) -> None:
    _play("usbip", names, tmp_path, 860)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("names", groups("gadget"), ids=" ".join)
def test_on_gadgets(names: list[str], tmp_path: Path) -> None:
    _play("gadget", names, tmp_path, 860)


@long_tier
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("names", rest("usbip"), ids=" ".join)
def test_the_rest_over_usbip(names: list[str], tmp_path: Path) -> None:
    _play("usbip", names, tmp_path, 1760)


@long_tier
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("names", rest("gadget"), ids=" ".join)
def test_the_rest_on_gadgets(names: list[str], tmp_path: Path) -> None:
    _play("gadget", names, tmp_path, 1760)


def test_what_is_chosen_is_there() -> None:
    """A scenario that got another name would otherwise be left out without a word."""
    assert CASES.keys() >= COMPARED | ON_GADGETS | HEAVY
    assert {name for group in (*groups("usbip"), *rest("usbip")) for name in group} == {
        one.name for one in carried("usbip")
    }
