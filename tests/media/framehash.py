"""What stock ffmpeg prints for a clip, made into leaves without any code of the agent; and boxes to damage."""

import struct
import subprocess
from pathlib import Path

from tests.media.made import require
from tests.outside import Accepts, go_program

_SOURCE = Path(__file__).parent / "outside" / "leaves.go"


def printed(clip: Path) -> str:
    """The output of ``ffmpeg -i CLIP -map 0 -c copy -f framehash -hash sha256 -``; empty where ffmpeg refuses it."""
    require("ffmpeg")
    argv = ["ffmpeg", "-nostdin", "-v", "error", "-i", f"file:{clip}", "-map", "0", "-c", "copy"]
    argv += ["-f", "framehash", "-hash", "sha256", "-"]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def leaves(listing: str) -> dict[int, list[bytes]]:
    """For each track the texts of its leaves."""
    found: dict[int, list[bytes]] = {}
    for line in listing.splitlines():
        if not line.startswith("#"):
            track, dts, pts, _, size, sha256, *_ = line.replace(" ", "").split(",")
            of_track = found.setdefault(int(track), [])
            leaf = f"dockagent/sample/v1\n{len(of_track)} {track} {dts} {pts} {size} {sha256}\n"
            of_track.append(leaf.encode())
    return found


def go_checker(folder: Path) -> Accepts:
    """Builds the Go checker in ``folder``: True when it accepts, False when it says that it refuses."""
    return go_program(_SOURCE, folder)


# ---- altered copies -------------------------------------------------------------------------------------------------


def flip_sample(data: bytes) -> bytes:
    """One bit in the middle of the media data is another."""
    body = data.index(b"mdat") + 4
    length = int.from_bytes(data[body - 8 : body - 4], "big") - 8
    at = body + length // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def swap_samples(data: bytes) -> bytes:
    """The places of the first two chunks of the first track are exchanged, and nothing else."""
    at = data.index(b"stco") + 12
    return data[:at] + data[at + 4 : at + 8] + data[at : at + 4] + data[at + 8 :]


def slow_down(data: bytes) -> bytes:
    """Pictures last a little longer: the first step of the first table of times."""
    at = data.index(b"stts") + 16
    (step,) = struct.unpack_from(">I", data, at)
    return data[:at] + struct.pack(">I", step + 1) + data[at + 4 :]


def hide_in_free(data: bytes) -> bytes:
    """The media data is called free space, which players do not mind and some signatures leave out."""
    return data.replace(b"mdat", b"free", 1)
