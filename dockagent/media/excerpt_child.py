"""Cut an excerpt out of one file and print what was cut as JSON. Run as a program by :mod:`excerpt`, through the
launcher, never imported:

    python -I -S -B excerpt_child.py PATHS FILE SIZE TRACKS FROM_MS TO_MS OUT

PATHS, joined as PATH is, are the folders in which our code and its libraries lie. Whatever goes wrong ends this
process; its last words say why.
"""

import os
import sys
from pathlib import Path


def main(paths: str, file: str, size: int, tracks: str, span: tuple[int, int], out: str) -> None:
    """Cut ``file``, of ``size`` bytes, into ``out``."""
    sys.path += paths.split(os.pathsep)
    import msgspec  # found only now

    from dockagent.core.disclosure.excerpt import Span
    from dockagent.core.disclosure.excerpt_cut import cut

    with Path(file).open("rb", buffering=0) as source, Path(out).open("xb") as sink:
        os.posix_fadvise(source.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        found = cut(source, size, tracks, Span(*span), sink.write)
    sys.stdout.buffer.write(msgspec.json.encode({"cut": found, "kind": type(found).__name__}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], (int(sys.argv[5]), int(sys.argv[6])), sys.argv[7])
