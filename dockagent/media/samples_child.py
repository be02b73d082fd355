"""Print the sample trees of one file as JSON, and in a second line what a glance at its stream tells. Run as a program
by :mod:`samples`, through the launcher, never imported:

    python -I -S -B samples_child.py PATHS SIZE

The file is its standard input. PATHS, joined as PATH is, are the folders in which our code and its libraries lie.
Whatever goes wrong ends this process; its last words say why.
"""

import os
import sys


def main(paths: str, size: int) -> None:
    """Measure the file, of ``size`` bytes."""
    sys.path += paths.split(os.pathsep)
    import msgspec  # found only now

    from dockagent.core.movie.clip_samples import measure
    from dockagent.core.stream.scan import glance

    with os.fdopen(sys.stdin.fileno(), "rb", buffering=0) as source:
        os.posix_fadvise(source.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        sys.stdout.buffer.write(msgspec.json.encode(measure(source, size)) + b"\n")
        sys.stdout.buffer.flush()  # what comes next may fail by itself
        sys.stdout.buffer.write(msgspec.json.encode(glance(source, size)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
