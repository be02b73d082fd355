"""TLS in front of a store, as a force runs it: nginx with a server certificate, asking who is calling.

Everything is on 127.0.0.1, on a port that was free; nginx runs as nobody where we are root and dies with the process
that started it. An :class:`Authority` makes the certificates, good ones and ones that must not work.
"""

import datetime
import ipaddress
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hil.central.processes import Processes, bound, free_ports, give_to_nobody, listens

PROGRAMS = ("nginx", "setpriv")
PATIENCE = 10  # seconds
_HERE = "127.0.0.1"
_CONF = """\
daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {here}:{port} ssl;
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.key;
        ssl_protocols TLSv1.2 TLSv1.3;
{clients}
        client_max_body_size 0;
        location / {{
            proxy_pass http://{here}:{target};
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_buffering off;
            proxy_read_timeout 700s;
            proxy_set_header Host $http_host;
            proxy_set_header Connection "";
        }}
    }}
}}
"""
_CLIENTS = """\
        ssl_client_certificate {folder}/clients.pem;
        ssl_verify_client on;
        ssl_crl {folder}/clients.crl;
"""
_MAY_SIGN = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def missing() -> list[str]:
    """The programs that are needed and not installed."""
    return [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]


@dataclass(frozen=True, slots=True)
class Paper:
    """A certificate and its key, as PEM, and the number by which it can be revoked."""

    certificate: bytes
    key: bytes
    serial: int

    def written(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Both as files in ``folder``: ``name.pem``, ``name.key``."""
        paths = folder / f"{name}.pem", folder / f"{name}.key"
        for path, data in zip(paths, (self.certificate, self.key), strict=True):
            path.write_bytes(data)
        return paths


class Authority:
    """A CA with P-256 keys. ``days``: for how long it is good; a negative number makes one that has expired."""

    def __init__(self, name: str = "Test CA", days: int = 30) -> None:
        self._key, self._name = ec.generate_private_key(ec.SECP256R1()), _named(name)
        self._revoked: list[int] = []
        public = self._key.public_key()
        builder = _begun(self._name, self._name, public, days, public)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self._certificate = builder.add_extension(_MAY_SIGN, critical=True).sign(self._key, hashes.SHA256())

    @property
    def pem(self) -> bytes:
        """Its own certificate."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, name: str, days: int = 10, *, client: bool = False) -> Paper:
        """A certificate for a server called ``name`` (an address or a DNS name), or for a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        use = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        builder = _begun(_named(name), self._name, key.public_key(), days, self._key.public_key())
        builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        if not client:
            builder = builder.add_extension(x509.SubjectAlternativeName([_alternative(name)]), critical=False)
        made = builder.sign(self._key, hashes.SHA256())
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Paper(made.public_bytes(serialization.Encoding.PEM), private, made.serial_number)

    def revoke(self, paper: Paper) -> None:
        """From the next :meth:`crl` on, it is no longer good."""
        self._revoked.append(paper.serial)

    def crl(self) -> bytes:
        """The list of what was revoked, as PEM."""
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._name)
        builder = builder.last_update(now - datetime.timedelta(hours=1)).next_update(now + datetime.timedelta(days=5))
        for serial in self._revoked:
            one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
            builder = builder.add_revoked_certificate(one.build())
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class TlsFront:
    """nginx between ``https://127.0.0.1:port`` and a server on ``target``, in ``folder``."""

    def __init__(self, folder: Path, target: int, server: Paper, clients: Authority | None) -> None:
        self.folder, self.port = folder, free_ports(1)[0]
        self._clients = clients
        server.written(folder, "server")
        wanted = _CLIENTS.format(folder=folder) if clients else ""
        conf = _CONF.format(folder=folder, here=_HERE, port=self.port, target=target, clients=wanted)
        (folder / "nginx.conf").write_text(conf, encoding="ascii")
        self._write_list()
        self._processes = Processes(folder, PATIENCE)

    @property
    def endpoint(self) -> str:
        return f"https://{_HERE}:{self.port}"

    def start(self) -> None:
        """Start it. RuntimeError with its words where it does not come up."""
        give_to_nobody((self.folder, *self.folder.iterdir()))
        nginx = shutil.which("nginx", path=_path()) or "nginx"
        words = (nginx, "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), "-e", "stderr")
        self._processes.launch("nginx", bound(*words))
        self._processes.wait("nginx", lambda: listens(self.port))

    def use_new_list(self) -> None:
        """Have it look at what its clients' authority revoked meanwhile."""
        self._write_list()
        self.stop()
        self.start()

    def stop(self) -> None:
        """End it."""
        self._processes.kill("nginx")

    def _write_list(self) -> None:
        if self._clients is not None:
            (self.folder / "clients.pem").write_bytes(self._clients.pem)
            (self.folder / "clients.crl").write_bytes(self._clients.crl())


@contextmanager
def fronting(target: int, server: Paper, clients: Authority | None = None) -> Iterator[TlsFront]:
    """TLS in front of ``target``; with ``clients``, only for those who show a certificate of that authority."""
    with tempfile.TemporaryDirectory(prefix="front-") as folder:
        front = TlsFront(Path(folder), target, server, clients)
        try:
            front.start()
            yield front
        finally:
            front.stop()


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _begun(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    days: int,
    signer: ec.EllipticCurvePublicKey,
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    ends = now + datetime.timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, ends) - datetime.timedelta(days=1))
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
