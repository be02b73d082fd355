"""``make bench``: ``dockagent ingest`` against the same work by hand, interleaved, medians.

By hand: ``cp -r`` of the card, ``sync``, drop caches, ``openssl dgst -sha256`` of the copy, ``cp -r`` into the store,
``sync``. Both start with a cold cache. The machine decides the seconds; what counts is the ratio. Then what the way to
an S3 store costs: see ``store_bench`` and ``store_bench_overlap``.

    python -m tests.bench [--gib 4] [--files 8] [--runs 3] [--whole] [--folder DIR]
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

AGENT = Path(sys.executable).with_name("dockagent")
BLOCK = 1 << 20


def main() -> int:
    """Print one line for each run and the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=4.0, help="size of the card")
    parser.add_argument("--files", type=int, default=8, help="clips on it")
    parser.add_argument("--runs", type=int, default=3, help="runs of each")
    parser.add_argument("--whole", action="store_true", help="a card of 4 GiB from dock to receipt, too (4 minutes)")
    parser.add_argument("--folder", default=None, help="where to work (default: the system's temporary folder)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder, prefix="dockagent-bench-") as name:
        work = Path(name)
        card = make_card(work / "card", int(args.gib * (1 << 30)), args.files)
        hand, ours = [], []
        for run in range(args.runs):
            hand.append(timed(work, lambda to: by_hand(card, to)))
            ours.append(timed(work, lambda to: by_agent(card, to)))
            print(f"run {run + 1}: by hand {hand[-1]:.2f} s, dockagent {ours[-1]:.2f} s, {ours[-1] / hand[-1]:.2f} x")
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
        middle = statistics.median(hand), statistics.median(ours)
        print(f"medians: by hand {middle[0]:.2f} s, dockagent {middle[1]:.2f} s: {middle[1] / middle[0]:.2f} x")
        print(f"largest child process: {peak} MiB resident")
    parts = ["store_bench", "store_bench_overlap", *(["store_bench_overlap --whole"] if args.whole else [])]
    for part in parts:
        print(f"{part}:", flush=True)
        subprocess.run([sys.executable, "-m", *f"tests.{part}".split()], check=True)
    return 0


def make_card(card: Path, size: int, files: int) -> Path:
    """A card of random clips; every one is different."""
    folder = card / "DCIM" / "100VIDEO"
    folder.mkdir(parents=True)
    for number in range(files):
        with (folder / f"CLIP{number + 1:04}.MP4").open("wb") as clip:
            for _ in range(size // files // BLOCK):
                clip.write(os.urandom(BLOCK))
    return card


def timed(work: Path, act: Callable[[Path], None]) -> float:
    """Seconds of ``act`` into an empty folder, from a cold cache."""
    to = work / "to"
    to.mkdir()
    drop_caches(work)
    started = time.monotonic()
    act(to)
    seconds = time.monotonic() - started
    shutil.rmtree(to)
    return seconds


def by_hand(card: Path, to: Path) -> None:
    """The work as a careful person would do it."""
    subprocess.run(["cp", "-r", card, to / "copy"], check=True)
    subprocess.run(["sync"], check=True)
    drop_caches(to / "copy")
    clips = sorted((to / "copy").rglob("*.MP4"))
    subprocess.run(["openssl", "dgst", "-sha256", *map(str, clips)], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cp", "-r", to / "copy", to / "store"], check=True)
    subprocess.run(["sync"], check=True)


def by_agent(card: Path, to: Path) -> None:
    """The same work by dockagent, with the proofs that it makes besides."""
    command = [
        str(AGENT),
        "ingest",
        str(card),
        "--home",
        str(to / "home"),
        "--store",
        f"file://{to / 'store'}",
        "--json",
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode not in (0, 3):  # 3: random bytes have no preview, which is a finding
        raise SystemExit(f"dockagent failed: {done.stderr}")


def drop_caches(folder: Path) -> None:
    """Forget cached pages: all of them as root, else those of the files in ``folder``."""
    subprocess.run(["sync"], check=True)
    switch = Path("/proc/sys/vm/drop_caches")
    if os.access(switch, os.W_OK):
        switch.write_text("1")
        return
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


if __name__ == "__main__":
    sys.exit(main())
