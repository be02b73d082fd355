"""Print what signs one file in its own stream, as JSON. Run as a program by :mod:`in_stream`, through the launcher,
never imported:

    python -I -S -B in_stream_child.py PATHS SIZE AT_MS [ROOT.pem…]

The file is its standard input. PATHS, joined as PATH is, are the folders in which our code and its libraries lie.
Whatever goes wrong ends this process; its last words say why.
"""

import os
import sys
from pathlib import Path


def main(paths: str, size: int, at_ms: int, roots: list[str]) -> None:
    """Look into the file, of ``size`` bytes."""
    sys.path += paths.split(os.pathsep)
    import msgspec  # found only now

    from dockagent.core.stream.scan import glance

    with os.fdopen(sys.stdin.fileno(), "rb", buffering=0) as source:
        said = glance(source, size)
        if said is None:
            from cryptography import x509  # needed only for the few clips that sign

            from dockagent.core.stream.look import look

            believed = [one for root in roots for one in x509.load_pem_x509_certificates(Path(root).read_bytes())]
            said = look(source, size, believed, at_ms)
        sys.stdout.buffer.write(msgspec.json.encode(said))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
