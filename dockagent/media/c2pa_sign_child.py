"""Make the C2PA manifest of one film that is not changed, and print it in base64. Run as a program by
:mod:`c2pa_sign`, through the launcher, never imported:

    python -I -S -B c2pa_sign_child.py PATHS FILE TYPE

It has no key. It asks on standard output, a line for each question, and reads the answer, a line too: ``order`` for
what to claim (JSON: ``claim``, the manifest's definition, and ``chain_pem``), then ``sign BASE64`` for the signature
over these bytes, in base64.
"""

import base64
import io
import json
import os
import sys
from pathlib import Path
from typing import Any


def main(paths: str, file: str, kind: str) -> None:
    """Claim what the order says about ``file``, of the media type ``kind``."""
    sys.path += paths.split(os.pathsep)
    import c2pa  # found only now

    order = json.loads(_ask(b"order"))
    builder = c2pa.Builder(order["claim"])
    builder.set_intent(c2pa.C2paBuilderIntent.EDIT)  # "opened": it was there before, and nothing was done to it
    builder.set_no_embed()
    signer = c2pa.Signer.from_callback(_sign, c2pa.C2paSigningAlg.ES256, order["chain_pem"], None)
    with Path(file).open("rb") as film:
        manifest = bytes(builder.sign(signer, kind, film, _Nowhere()))
    sys.stdout.buffer.write(base64.b64encode(manifest))


def _sign(data: bytes) -> bytes:
    return base64.b64decode(_ask(b"sign " + base64.b64encode(data)), validate=True)


def _ask(question: bytes) -> bytes:
    sys.stdout.buffer.write(question + b"\n")
    sys.stdout.buffer.flush()
    answer = sys.stdin.buffer.readline()
    if not answer.endswith(b"\n"):
        raise SystemExit("nobody answered")
    return answer[:-1]


class _Nowhere(io.RawIOBase):
    """Where the library writes the film that it was told not to change: as long as that, and kept by nobody."""

    def __init__(self) -> None:
        super().__init__()
        self._at = self._end = 0

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return b""

    def write(self, data: Any) -> int:
        self._at += len(data)
        self._end = max(self._end, self._at)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = (0, self._at, self._end)[whence] + offset
        return self._at

    def tell(self) -> int:
        return self._at


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3])
