"""Cameras by hand: `python -m hil.cameras pki|make|run`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hil.cameras import card, models
from hil.cameras.camera import ReferenceCamera
from hil.cameras.console import CameraClock, Console, Exchange, Faults
from hil.cameras.footage import Look
from hil.cameras.keyring import identity_in, maker_in
from hil.cameras.manifest import Flaw
from hil.cameras.models import quirks
from hil.cameras.pki import Identity, Validity
from hil.cameras.plate import Plate
from hil.cameras.wire import unescape
from hil.words import Words

SHORT = {"signed": "reference-signed", "unsigned": "reference-signed", "gopro": "gopro-hero", "dcf": "generic-dcf"}
KINDS = (*SHORT, *models.families())
QUIRKS = sorted(set(quirks.QUIRKS) - quirks.OF_LABELS)
MAKER = "Reference"
MAKER_VALID = Validity(datetime(2020, 1, 1, tzinfo=UTC), datetime(2070, 1, 1, tzinfo=UTC))
CAMERA_VALID = Validity(datetime(2020, 1, 1, tzinfo=UTC))
FAULTS: dict[str, dict[str, Any]] = {
    "silent": {"silent": True},
    "noise": {"noise_before": b"\xff\x00AT\r[    0.41] usb: ready\r\n", "noise_after": b"\r\nlogin: "},
    "slow": {"byte_delay": 0.01},
    "wrong-check": {"wrong_checks": sys.maxsize},
    "busy": {"busy": 3},
    "not-set": {"not_set": True},
    "impostor": {"impostor": True},
}


def main(words: list[str] | None = None) -> int:
    """Do what the command line says; the exit status."""
    options = _parser().parse_args(words)
    command: Callable[[argparse.Namespace], None] = options.command
    try:
        command(options)
    except (OSError, RuntimeError, ValueError) as error:
        print(f"hil.cameras: {error}", file=sys.stderr)
        return 1
    return 0


def pki(options: argparse.Namespace) -> None:
    """Make a maker's root and intermediate in a folder, unless it holds them already."""
    maker_in(options.folder, MAKER, MAKER_VALID)
    print(options.folder / "root.pem")


def make(options: argparse.Namespace) -> None:
    """Make a card in a folder."""
    _choose_serial(options)
    keys = options.pki or options.folder.with_name(f"{options.folder.name}.pki")
    _make_card(options.folder, options, _identity(keys, options))
    print(options.folder)


def run(options: argparse.Namespace) -> None:
    """Plug a camera, made now unless its card is there, and serve its console until a signal unplugs it."""
    _choose_serial(options)
    bays: Path = options.bays.absolute()
    identity = _identity(options.pki or bays.with_name(f"{bays.name}.pki"), options)
    home: Path = options.card or bays.with_name(f"{bays.name}.cards") / options.serial
    if not home.exists():
        _make_card(home, options, identity)
    console = None
    if _family(options) == "reference-signed" and not options.no_console:
        console = Console(_plate(options), identity, clock=CameraClock(options.clock_offset), observer=_say)
        console.faults = _faults(options.fault)
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    with ReferenceCamera(home, bays, options.bay, console) as camera:
        camera.plug()
        _print(f"plugged {camera.place}" + (f" and {camera.terminal}" if console else ""))
        over.wait()
    _print(f"unplugged; the card is in {home}")


def _family(options: argparse.Namespace) -> str:
    kind: str = options.kind
    return SHORT.get(kind, kind)


def _choose_serial(options: argparse.Namespace) -> None:
    if options.serial is None:
        options.serial = "BWC-0001" if options.kind in SHORT else models.model(options.kind).example


def _plate(options: argparse.Namespace) -> Plate:
    return models.plate_of(_family(options), options.serial)


def _identity(keys: Path, options: argparse.Namespace) -> Identity | None:
    if options.kind not in ("signed", "reference-signed"):
        return None
    return identity_in(keys, maker_in(keys, MAKER, MAKER_VALID), _plate(options), CAMERA_VALID)


def _make_card(folder: Path, options: argparse.Namespace, identity: Identity | None) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty")
    quirks.check(options.quirk)
    if options.flaw and identity is None:
        raise ValueError(f"--flaw {options.flaw}: a camera of the kind {options.kind} signs nothing; use --kind signed")
    family, plate = _family(options), _plate(options)
    shift = models.shift_of(
        family, options.serial, clips=options.clips, clip_bytes=options.bytes, start=options.start, seed=options.seed
    )
    shift = replace(shift, look=Look(seconds=options.seconds), cache=options.cache)
    shift = replace(shift, first=options.first or shift.first, start=quirks.start(options.quirk, shift.start))
    folder.mkdir(parents=True, exist_ok=True)
    models.film(family, folder, plate, shift)
    if identity is not None:
        models.sign(models.model(family), folder, identity, shift, options.sequence, options.flaw)
    clips = models.footage_in(family, plate, shift)
    quirks.spoil(options.quirk, folder, clips)
    if options.alter is not None:
        card.alter(folder, clips[0], options.alter)


def _faults(names: list[str]) -> Faults:
    chosen: dict[str, Any] = {}
    for name in names:
        chosen |= FAULTS[name]
    return Faults(**chosen)


def _say(exchange: Exchange) -> None:
    _print(f"{exchange.request} -> {exchange.answer or 'no answer'}")
    if exchange.request.startswith("RELEASE ") and exchange.answer == "OK":
        _, state, words = exchange.request.split()
        _print(f"the camera shows {state}: {unescape(words)}")


def _print(text: str) -> None:
    print(text, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = Words(prog="python -m hil.cameras", description="Emulated body-worn cameras")
    commands = parser.add_subparsers(required=True, metavar="pki|make|run")
    one = commands.add_parser("pki", help="make a camera maker's root and intermediate", description=pki.__doc__)
    one.add_argument("folder", type=Path, metavar="DIR")
    one.set_defaults(command=pki)
    one = commands.add_parser("make", help="make a card", description=make.__doc__)
    one.add_argument("folder", type=Path, metavar="DIR")
    _add_card_options(one)
    one.set_defaults(command=make)
    one = commands.add_parser("run", help="plug a camera and serve its console", description=run.__doc__)
    one.add_argument("--bays", type=Path, required=True, help="the dock's folder of bays")
    one.add_argument("--bay", default="bay01")
    one.add_argument("--card", type=Path, help="where the card is while unplugged (default: <bays>.cards/<serial>)")
    one.add_argument("--clock-offset", type=float, default=0.0, metavar="S", help="how far the clock is ahead")
    one.add_argument("--fault", action="append", default=[], choices=FAULTS, help="of the console; may be repeated")
    one.add_argument("--no-console", action="store_true")
    _add_card_options(one)
    one.set_defaults(command=run)
    return parser


def _add_card_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kind", choices=KINDS, default="signed", help="a family of hil/cameras/models, or short")
    parser.add_argument("--serial", help="default: BWC-0001 for the short kinds, else the family's example")
    parser.add_argument("--clips", type=int, default=2, metavar="N", help="recordings; some are several files")
    parser.add_argument("--first", type=int, metavar="N", help="the first recording's number")
    parser.add_argument("--start", type=_moment, default="2026-11-22T08:15:00Z", help="of the first clip")
    parser.add_argument("--seconds", type=float, default=2.0, metavar="S", help="length of each clip")
    parser.add_argument("--bytes", type=int, metavar="N", help="clips of so many random bytes instead of video")
    parser.add_argument("--seed", type=int, metavar="N", help="another seed, other footage (default: from the serial)")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keeps encoded clips for the next time")
    parser.add_argument("--pki", type=Path, metavar="DIR", help="the maker's keys (default: beside the folder, .pki)")
    parser.add_argument("--sequence", type=int, default=1, metavar="N", help="the manifest's number")
    parser.add_argument("--flaw", type=Flaw, choices=list(Flaw), help="sign a manifest that is wrong in this way")
    parser.add_argument("--quirk", action="append", default=[], choices=QUIRKS, help="of the card; may be repeated")
    parser.add_argument("--alter", type=int, metavar="OFFSET", help="flip a bit of the first clip after signing")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a zone is missing")
    return moment


if __name__ == "__main__":
    sys.exit(main())
