"""A real time-stamp authority for tests and demonstrations: ``openssl ts -reply`` behind HTTP on 127.0.0.1.

It has a root of its own and answers as RFC 3161 section 3.4 says. It can be told to answer as others do who stand at
such an address: a portal, a busy server, one that never ends. By hand::

    python -m hil.central.tsa FOLDER     # prints the address, puts root.pem into FOLDER, stays until Ctrl-C
"""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

QUERY_TYPE, REPLY_TYPE = "application/timestamp-query", "application/timestamp-reply"
MOST_QUERY = 4096  # bytes
DAY = timedelta(days=1)

_CONF = """\
[tsa]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.3.6.1.4.1.13762.3
digests = {digests}
accuracy = secs:1, millisecs:500, microsecs:100
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, sent piece by piece."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": REPLY_TYPE})
    body: Iterable[bytes] = ()


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate with its key, and who issued it (None: itself)."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def save(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write ``name.pem`` and ``name.key``; their paths."""
        pem, key = folder / f"{name}.pem", folder / f"{name}.key"
        pem.write_bytes(self.certificate.public_bytes(Encoding.PEM))
        key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        key.chmod(0o600)
        return pem, key


def authority(name: str, issuer: Certified | None = None, *, start: datetime | None = None) -> Certified:
    """A certificate authority: a root, or an intermediate under ``issuer``."""
    return _certified(name, issuer, start or datetime.now(UTC) - 30 * DAY, timedelta(days=3650), authority=True)


def signer(
    name: str,
    issuer: Certified,
    *,
    usages: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.TIME_STAMPING,),
    critical: bool = True,
    start: datetime | None = None,
    lasts: timedelta = 365 * DAY,
) -> Certified:
    """A certificate that signs time stamps, or, with other usages, one that must not."""
    extra = [(x509.ExtendedKeyUsage(usages), critical)] if usages else []
    return _certified(name, issuer, start or datetime.now(UTC) - DAY, lasts, extra=extra)


def _certified(
    name: str,
    issuer: Certified | None,
    start: datetime,
    lasts: timedelta,
    *,
    authority: bool = False,
    extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> Certified:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    above = issuer.certificate.subject if issuer else subject
    signing = issuer.key if issuer else key
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    builder = (
        x509.CertificateBuilder(above, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + lasts)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=not authority, key_cert_sign=authority, crl_sign=authority, **usage), True
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
    )
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical)
    return Certified(builder.sign(signing, hashes.SHA256()), key)


class Tsa:
    """An authority that keeps its files in ``folder`` and serves at ``self.url`` while used as a context manager.

    ``by``: who signs, under which root; made where not given. ``company``: certificates that go with every token; what
    ``openssl`` writes then is not strict DER (the order of a SET). ``asked``: the queries so far.
    """

    def __init__(
        self,
        folder: Path,
        root: Certified | None = None,
        by: Certified | None = None,
        company: Sequence[x509.Certificate] = (),
        digests: Sequence[str] = ("sha256", "sha384", "sha512"),
    ) -> None:
        self.folder = folder
        self.root = root or authority("A test root for time stamps")
        self.by = by or signer("A test authority for time stamps", self.root)
        self.asked: list[bytes] = []
        self._company = folder / "company.pem"
        self._company.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in company))
        self._answer: Callable[[bytes], Answer] | None = None
        self._lock = threading.Lock()  # openssl keeps the serial number in a file
        self._conf = folder / "tsa.cnf"
        self._conf.write_text(_CONF.format(folder=folder, digests=", ".join(digests)))
        (folder / "serial").write_text("A0\n")
        self.root_pem, _ = self.root.save(folder, "root")
        self._pem, self._key = self.by.save(folder, "signer")
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.tsa = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        """Where to ask."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/stamp"

    def bend(self, answer: Callable[[bytes], Answer] | None) -> None:
        """Give these answers to queries from now on; None: be a good authority again."""
        self._answer = answer

    def answer(self, query: bytes) -> Answer:
        """What a client gets for its query."""
        self.asked.append(query)
        return self._answer(query) if self._answer else Answer(body=[self.reply(query)])

    def reply(self, query: bytes) -> bytes:
        """The DER of the reply to a query's DER: openssl's own word, a rejection where it cannot read the query."""
        command: list[str | Path] = ["openssl", "ts", "-reply", "-config", self._conf, "-section", "tsa"]
        command += ["-queryfile", "/dev/stdin", "-signer", self._pem, "-inkey", self._key]
        if self._company.stat().st_size:
            command += ["-chain", self._company]
        with self._lock:
            done = subprocess.run(command, input=query, capture_output=True, timeout=20, check=False)
        if not done.stdout:
            raise OSError(f"openssl ts -reply: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    tsa: Tsa


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10

    def do_POST(self) -> None:
        count = int(self.headers.get("Content-Length", "0"))
        if self.headers.get_content_type() != QUERY_TYPE or not 0 < count <= MOST_QUERY:
            self.send_error(415)
            return
        answer = self.server.tsa.answer(self.rfile.read(count))
        with suppress(ConnectionError):  # who asked has heard enough
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            for piece in answer.body:
                self.wfile.write(piece)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: tests ask ``asked``."""


def main(folder: str) -> None:
    """Serve until Ctrl-C."""
    with Tsa(Path(folder)) as tsa:
        print(tsa.url, flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1])
