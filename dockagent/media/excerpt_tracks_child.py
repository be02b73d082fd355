"""Hold one excerpt against its proof and print what was found as JSON. Run as a program by :mod:`excerpt_tracks`,
through the launcher, never imported:

    python -I -S -B excerpt_tracks_child.py PATHS SIZE WORDS

The excerpt is its standard input. PATHS, joined as PATH is, are the folders in which our code and its libraries lie;
WORDS is a file with the proof and with what the dock signed of the original's tracks. Whatever goes wrong ends this
process; its last words say why.
"""

import os
import sys
from pathlib import Path


def main(paths: str, size: int, words: str) -> None:
    """Check the excerpt, of ``size`` bytes."""
    sys.path += paths.split(os.pathsep)
    import msgspec  # found only now

    from dockagent.core.disclosure.excerpt_proof import Proof
    from dockagent.core.disclosure.excerpt_tracks import check_tracks
    from dockagent.core.movie.clip_samples import Track

    given = msgspec.json.decode(Path(words).read_bytes())
    said = [msgspec.convert(one, Track) for one in given["said"]]
    with os.fdopen(sys.stdin.fileno(), "rb", buffering=0) as source:
        source.seek(0)
        os.posix_fadvise(source.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        found = check_tracks(source, size, msgspec.convert(given["proof"], Proof), {one.track: one for one in said})
    sys.stdout.buffer.write(msgspec.json.encode(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
