"""`python -m hil record`: take down what a camera says of itself, so that it can be played without the camera.

Exit 0 when it is written, 1 when the camera could not be taken down, 2 when the command is wrong, 4 when there is no
camera at that port.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from hil.cameras.wire import check
from hil.recordings.capture import CaptureError, capture
from hil.recordings.dialogue import ABOUT_REFERENCE, Listener, ask
from hil.recordings.recording import Recording, Turn, save
from hil.recordings.scrub import scrub
from hil.rigs.card_reader import CardError
from hil.rigs.usb_tree import PORT_PATH, UsbDevice, UsbTree
from hil.words import Words

GOOD, FAILED, USAGE, ABSENT = 0, 1, 2, 4
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def main(argv: Sequence[str] | None = None, *, sysfs: Path = Path("/sys")) -> int:
    """Record, print what was written, and give the exit status."""
    given = _parser().parse_args(argv)
    tree = UsbTree(sysfs)
    device = tree.device(given.port)
    if device is None:
        found = ", ".join(f"{one.port} ({one.name or one.id})" for one in tree.devices() if not one.is_hub) or "nothing"
        return _failed(f"there is no camera at port {given.port}; plugged in: {found}", ABSENT)
    try:
        dialogue = _dialogue(given, device)
        log = given.mtp_log.read_text("utf-8", "replace") if given.mtp_log else ""
        recording = capture(device, given.model or _model(device), given.state, dialogue, log, tree)
        if given.scrub:
            recording = scrub(recording, given.private, given.keep)
        folder = save(recording, given.out)
    except FileExistsError as err:
        return _failed(f"{err.filename} is there already; move it away, or choose another --state", USAGE)
    except (CaptureError, CardError, OSError, ValueError) as err:
        return _failed(str(err), FAILED)
    print(_told(recording, folder))
    return GOOD


def _parser() -> argparse.ArgumentParser:
    parser = Words(
        prog="python -m hil record", description="Take down a camera: descriptors, names, sizes, times. No footage."
    )
    add = parser.add_argument
    add(
        "--port",
        required=True,
        type=_matching(PORT_PATH, "a USB port path such as 1-2.3"),
        help="where it is plugged in",
    )
    add("--out", type=Path, default=Path("hil/recordings"), help="folder of recordings (default: hil/recordings)")
    add("--model", type=_matching(_NAME, "small letters, digits and -"), help="default: from what it says of itself")
    add("--state", type=_matching(_NAME, "small letters, digits and -"), default="storage", help="its mode (storage)")
    add("--scrub", action=argparse.BooleanOptionalAction, default=True, help="replace serial numbers and private names")
    add("--private", action="append", default=[], metavar="TEXT", help="replace this too, wherever it stands")
    add("--keep", action="append", default=[], metavar="WORD", help="a word of file names that may stay")
    add("--mtp-log", type=Path, metavar="FILE", help="what mtp-detect printed, instead of running it")
    line = parser.add_argument_group("its serial line")
    line.add_argument("--line", type=Path, metavar="TTY", help="its terminal (default: the camera's own)")
    line.add_argument("--baud", type=int, default=115200)
    how = line.add_mutually_exclusive_group()
    how.add_argument(
        "--ask", type=Path, metavar="FILE", help="ask these questions, one a line; * at the end: the check"
    )
    how.add_argument("--ask-reference", action="store_true", help="ask what does a reference camera no harm")
    how.add_argument("--listen", type=Path, metavar="LINK", help="stand between: the dock opens LINK")
    line.add_argument("--seconds", type=float, default=60.0, help="how long to listen (60)")
    return parser


def _matching(form: re.Pattern[str], meaning: str) -> Callable[[str], str]:
    def matching(text: str) -> str:
        if not form.fullmatch(text):
            raise argparse.ArgumentTypeError(f"{text!r} is not {meaning}")
        return text

    return matching


def _dialogue(given: argparse.Namespace, device: UsbDevice) -> tuple[Turn, ...]:
    if not (given.ask or given.ask_reference or given.listen):
        return ()
    own = device.terminals
    if given.line is None and not own:
        raise CaptureError(f"the camera at {device.port} shows no serial line; name one with --line")
    node = given.line or Path("/dev") / own[0]
    if given.listen:
        return _listened(node, given.listen, given.baud, given.seconds)
    questions = ABOUT_REFERENCE if given.ask_reference else tuple(given.ask.read_text("ascii").splitlines())
    return ask(node, [_with_check(one) for one in questions if one.strip()], baud=given.baud)


def _listened(node: Path, link: Path, baud: int, seconds: float) -> tuple[Turn, ...]:
    """Stand between until the time is over, or a person ends it, which keeps what was heard."""
    with Listener(node, baud) as listener:
        link.symlink_to(listener.path)
        try:
            print(f"Point the dock at {link}; listening for {seconds:g} s, Ctrl-C ends it.", flush=True)
            with suppress(KeyboardInterrupt):
                time.sleep(seconds)
        finally:
            link.unlink(missing_ok=True)
    return listener.turns


def _with_check(question: str) -> str:
    """A question whose check is left to us: it ends with a space and a star."""
    body = question.removesuffix(" *")
    return question if body == question else f"{body} *{check(body.encode('ascii')):02x}"


def _model(device: UsbDevice) -> str:
    words = f"{device.manufacturer} {device.name}".strip() or device.id
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:64] or "camera"


def _told(recording: Recording, folder: Path) -> str:
    """What was written, so that a person can look before it leaves the house."""
    files = sum(one.size is not None for one in recording.listing)
    folders = len(recording.listing) - files
    lines = [
        f"{folder}: {recording.usb.manufacturer} {recording.usb.product}, serial {recording.usb.serial or 'none'}",
        f"  {files} files, {folders} folders, {len(recording.dialogue)} turns of dialogue",
        "  serial numbers and names are replaced"
        if recording.scrubbed
        else "  AS IT IS: real serial numbers and names",
        "  Read it before you give it away: names are kept where they are made of words that cameras use.",
    ]
    return "\n".join(lines)


def _failed(words: str, status: int) -> int:
    print(f"hil record: {words}", file=sys.stderr)
    return status
