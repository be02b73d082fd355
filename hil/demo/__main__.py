"""`python -m hil.demo [--serve]`: the demonstration. Exit 0 when all that it claims held, 1 when something did not."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from rich.table import Table

from hil.demo import proofs, scenes
from hil.demo.agent import COMMAND, Agent
from hil.demo.custodian import Custodian
from hil.demo.place import Place, Settings, fresh
from hil.demo.records import Follower
from hil.demo.screen import Screen
from hil.demo.show import Show, Unmet
from hil.demo.telling import size

FOLDER = Path(".demo")
INTERRUPTED = 130
SETTINGS: Settings = {
    "dock": {"id": "demo-dock", "site": "Demo station", "responsible": "nobody: this is a demonstration"},
    "bays": {"udev": False, "settle_ms": 300, "console_wait_ms": 1500},
    "limits": {"previews": 2, "spool_reserve_mib": 64},
}


def main() -> int:
    """Play it; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m hil.demo", description="The agent at work with emulated cameras")
    parser.add_argument("--serve", action="store_true", help="keep agent and cameras up at the end, until Ctrl-C")
    serve = parser.parse_args().serve or os.environ.get("SERVE", "") not in ("", "0")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both end it in the same way: every child, then itself
    with Screen() as screen:
        try:
            with fresh(FOLDER.absolute()) as place:
                _play(place, screen, serve=serve)
        except KeyboardInterrupt:
            screen.still()
            screen.say(f"Interrupted. Agent and cameras are ended; {FOLDER}/ stays as it is.", "faint")
            return INTERRUPTED
        except BlockingIOError:
            return _failed(screen, f"another demonstration is running in {FOLDER}/; end that one first")
        except (Unmet, OSError, RuntimeError, subprocess.TimeoutExpired) as error:
            return _failed(screen, str(error))
    return 0


def _failed(screen: Screen, words: str) -> int:
    screen.still()
    sys.stdout.flush()
    print(f"demo: {words}", file=sys.stderr)
    return 1


def _play(place: Place, screen: Screen, *, serve: bool) -> None:
    if not COMMAND.exists():
        raise RuntimeError(f"the command {COMMAND} is not installed; run `make demo`, which installs it")
    began = time.monotonic()
    root = str(place.maker / "root.pem")
    store = {"url": place.store.as_uri()}
    place.configure({**SETTINGS, "trust": {"camera_roots": [root]}, "store": store})
    with Agent(place) as agent, Custodian(place) as custodian:
        custodian.meet(agent)
        place.configure({**SETTINGS, **custodian.of_a_dock(), "trust": {"camera_roots": [root]}, "store": store})
        show = Show(place, agent, screen, Follower(place.entries))
        try:
            studio = scenes.film(show)
            scenes.dock(show)
            scenes.resume(show, studio)
            scenes.again(show)
            scenes.vouched(show, custodian)
            scenes.stop(show)
            proofs.prove(show, custodian)
            _sum_up(show, time.monotonic() - began)
            _commands(show)
            if serve:
                _serve(show)
        finally:
            for actor in show.cast:
                actor.camera.unplug()


def _sum_up(show: Show, seconds: float) -> None:
    screen = show.screen
    screen.scene("What came of it", f"All claims above held. It took {seconds:.0f} s.")
    table = Table(box=None, header_style="bold", padding=(0, 3, 0, 0))
    table.add_column("camera")
    for column in ("files (clips)", "delivered", "quarantined", "resumed at"):
        table.add_column(column, justify="right")
    table.add_column("identity known by")
    for actor in show.cast:
        one = show.counted(actor.serial)
        counts = f"{len(one.listed)} ({one.footage})", str(one.delivered), str(len(one.quarantined) or "–")
        table.add_row(one.serial, *counts, size(one.resumed_at) if one.resumed_at else "–", one.known_by)
    screen.table(table)
    screen.say("")
    screen.say(f"  the dock's home    {FOLDER}/home/")
    screen.say(f"  the central store  {FOLDER}/store/")
    screen.say(f"  the agent's log    {FOLDER}/agent.log")


def _commands(show: Show) -> None:
    """What to type to look at it, ready to be copied."""
    screen, command, home = show.screen, Path(os.path.relpath(COMMAND)), f"--home {FOLDER}/home"
    doubted = [clip[:8] for one in show.tally.cameras.values() for clip in one.quarantined]
    screen.say("  look at it with:")
    screen.say(f"      {command} status {home}")
    screen.say(f"      {command} clips {home}")
    screen.say(f"      {command} show {home} {doubted[0]}")
    screen.say(f"      {command} verify {FOLDER}/store --trust {FOLDER}/trust.json")


def _serve(show: Show) -> None:
    """Agent and cameras again, until somebody ends it."""
    show.screen.scene("It stays up until Ctrl-C", "The agent runs again, with every camera in its bay.")
    show.agent.start()
    for actor in show.cast:
        actor.camera.plug()
    show.until(_never, "the agent stays up", float("inf"))


def _never() -> bool:
    return False


if __name__ == "__main__":
    sys.exit(main())
