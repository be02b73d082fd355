"""A door with TLS before a server that has none, as a reverse proxy is, and certificates for it by openssl."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def openssl(*words: str | Path) -> None:
    """Run openssl. Raises CalledProcessError."""
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=60)


def authority(folder: Path) -> Path:
    """A new CA in ``folder``; its certificate."""
    folder.mkdir()
    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30")
    openssl(*new, "-subj", "/CN=Agency CA", "-keyout", folder / "ca.key", "-out", folder / "ca.pem")
    return folder / "ca.pem"


def certified(folder: Path, names: str, days: int = 10) -> Path:
    """A server's key and certificate for ``names`` (a subjectAltName) by the CA in ``folder``, in one PEM file. With
    ``days`` below nought it is over already."""
    mine = folder / f"{len(list(folder.iterdir()))}"
    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=witness")
    openssl(*new, "-addext", f"subjectAltName={names}", "-keyout", f"{mine}.key", "-out", f"{mine}.csr")
    openssl(
        *("x509", "-req", "-in", f"{mine}.csr", "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key"),
        *("-CAcreateserial", "-copy_extensions", "copy", "-days", str(days), "-out", f"{mine}.pem"),
    )
    both = Path(f"{mine}.both.pem")
    both.write_bytes(Path(f"{mine}.pem").read_bytes() + Path(f"{mine}.key").read_bytes())
    return both


@contextmanager
def tls_door(certificate: Path, behind: int) -> Iterator[int]:
    """A port of 127.0.0.1 that speaks TLS with ``certificate`` and hands on to the port ``behind``, one conversation at
    a time."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            while True:
                try:
                    line, _ = door.accept()
                except OSError:
                    return
                with line, suppress(OSError):  # a caller who does not like the certificate hangs up
                    _hand_on(context.wrap_socket(line, server_side=True), behind)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield door.getsockname()[1]
        finally:
            door.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def _hand_on(line: ssl.SSLSocket, behind: int) -> None:
    with line, socket.create_connection(("127.0.0.1", behind), 10) as server:
        head = b""
        while b"\r\n\r\n" not in head:
            head += line.recv(65536)
        wanted = next(int(one[15:]) for one in head.split(b"\r\n") if one.lower().startswith(b"content-length:"))
        while len(head.partition(b"\r\n\r\n")[2]) < wanted:
            head += line.recv(65536)
        server.sendall(head)
        while piece := server.recv(65536):
            line.sendall(piece)
