"""A real OpenStack Swift for tests and demonstrations: one proxy and one server each for accounts, containers, objects.

Every process listens on 127.0.0.1 only, on ports that were free, runs as nobody where we are root, and dies with the
process that started it. Tokens are kept in a memcached of its own. By hand::

    python -m hil.central.swift          # prints the address and the accounts, stays until Ctrl-C

It is built by ``python -m hil.central.swift build`` into a venv of its own (``.venv/swift``, or ``$DOCKAGENT_SWIFT``),
because nothing of it may lie among our own libraries. Options are Swift's own, docs.openstack.org/swift, "Deployment
Guide" and "Middleware". What this server does not have: locks, retention, legal hold.
"""

import http.client
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hil.central.processes import NOBODY, Processes, bound, free_ports, give_to_nobody, listens, until_told

VERSION = "2.38.3"
PLACE = Path(os.environ.get("DOCKAGENT_SWIFT") or Path(__file__).resolve().parents[2] / ".venv" / "swift")
PATIENCE = 60  # seconds until a process that does not come up counts as failed
SERVERS = ("account", "container", "object", "proxy")
MOST_SEGMENTS = 20  # in one large object, so that tests reach the end of it

_RINGS = """\
import sys
from swift.common.ring import RingBuilder
for name, port in zip(("account", "container", "object"), sys.argv[2:]):
    builder = RingBuilder(4, 1, 1)
    builder.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port), "device": "d1", "weight": 1,
                     "replication_ip": "127.0.0.1", "replication_port": int(port), "meta": ""})
    builder.rebalance(seed=1)
    builder.get_ring().save(f"{sys.argv[1]}/{name}.ring.gz")
"""
_COMMON = """\
[DEFAULT]
swift_dir = {etc}
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
log_level = WARN
log_udp_host = 127.0.0.1
log_udp_port = 9
"""
_STORAGE = """\
devices = {folder}/srv
mount_check = false
recon_cache_path = {folder}/cache
fallocate_reserve = 0
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""
_PROXY = """\
[pipeline:main]
pipeline = {filters} proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
error_suppression_interval = 0.5
allow_account_management = true
[filter:tempauth]
use = egg:swift#tempauth
storage_url_scheme = {scheme}
{users}
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{memcached}
[filter:slo]
use = egg:swift#slo
max_manifest_segments = {most_segments}
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
allow_object_versioning = true
"""
_FILTERS = (
    *("catch_errors", "gatekeeper", "healthcheck", "cache", "listing_formats", "bulk", "tempauth", "copy"),
    *("container_quotas", "slo", "dlo", "versioned_writes", "symlink"),
)


@dataclass(frozen=True, slots=True)
class Account:
    """One user of Swift's v1 authentication: ``name`` is ``ACCOUNT:USER``. Only ``.admin`` may make containers; the
    others do what a container's access lists (``X-Container-Read``, ``X-Container-Write``) say."""

    name: str
    key: str
    groups: str = ""


ADMIN = Account("ev:admin", "adminsecret", ".admin")
DOCK = Account("ev:dock", "docksecret")


def missing() -> list[str]:
    """What is needed and not installed; empty when the server can be started."""
    wanted = [name for name in ("memcached", "setpriv") if shutil.which(name) is None]
    return wanted + ([] if (PLACE / "bin" / "swift-proxy-server").is_file() else [f"swift in {PLACE}"])


def build() -> None:
    """Install Swift from PyPI into :data:`PLACE`. Raises CalledProcessError."""
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(PLACE)], check=True)
    pip = [str(PLACE / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    lock = Path(__file__).with_name("swift.lock")
    wanted = ["--require-hashes", "-r", str(lock)] if lock.is_file() else [f"swift=={VERSION}"]
    subprocess.run([*pip, *wanted], check=True)


class Swift:
    """The server in ``folder`` (owned by us, made by :func:`running`). ``auth_url`` is where clients begin; ``scheme``:
    that of the addresses which it gives out with its tokens, ``https`` for one that stands behind TLS."""

    def __init__(self, folder: Path, scheme: str = "http") -> None:
        self.folder, self._scheme = folder, scheme
        *ports, self._memcached = free_ports(len(SERVERS) + 1)
        self._ports = dict(zip(SERVERS, ports, strict=True))
        self._processes = Processes(folder, PATIENCE)

    @property
    def port(self) -> int:
        return self._ports["proxy"]

    @property
    def auth_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/auth/v1.0"

    def start(self) -> None:
        """Bring everything up. RuntimeError with the last words of what does not come up."""
        self._lay_out()
        rings = [str(self._ports[name]) for name in SERVERS[:-1]]
        done = subprocess.run(
            bound(*_python(), "-c", _RINGS, str(self.folder / "etc"), *rings),
            env=self._environment(),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"Swift's rings failed: {done.stderr.decode(errors='replace').strip()[-400:]}")
        self._launch("memcached", "memcached", "-l", "127.0.0.1", "-p", str(self._memcached), "-m", "16")
        for name in SERVERS:
            self.start_server(name)
        self._processes.wait("memcached", lambda: listens(self._memcached))
        for name in SERVERS:
            self._processes.wait(name, partial(listens, self._ports[name]))
        self._processes.wait("proxy", lambda: _healthy(self.port))

    def start_server(self, name: str) -> None:
        """Start one of :data:`SERVERS`, also after :meth:`kill_server`: what it stored is on disk and still there."""
        program = str(PLACE / "bin" / f"swift-{name}-server")
        self._launch(name, *_python(), program, str(self.folder / "etc" / f"{name}-server.conf"))

    def kill_server(self, name: str) -> None:
        """Kill one of :data:`SERVERS` in the middle of whatever it does."""
        self._processes.kill(name)

    def revive_server(self, name: str) -> None:
        """Start one again and wait until it listens."""
        self.start_server(name)
        self._processes.wait(name, lambda: listens(self._ports[name]))

    def stop(self) -> None:
        """End every process."""
        for name in (*reversed(SERVERS), "memcached"):
            self.kill_server(name)

    def _lay_out(self) -> None:
        for name in ("etc", "srv", "srv/d1", "cache"):
            (self.folder / name).mkdir()
        etc = self.folder / "etc"
        (etc / "swift.conf").write_text(
            "[swift-hash]\nswift_hash_path_suffix = hil\n[storage-policy:0]\nname = default\ndefault = yes\n"
        )
        user = pwd.getpwuid(os.geteuid() or NOBODY).pw_name
        for name, port in self._ports.items():
            head = _COMMON.format(etc=etc, port=port, user=user)
            rest = self._proxy() if name == "proxy" else _STORAGE.format(folder=self.folder, name=name)
            (etc / f"{name}-server.conf").write_text(head + rest)
        give_to_nobody((self.folder, *self.folder.rglob("*")))

    def _proxy(self) -> str:
        users = [f"user_{one.name.replace(':', '_')} = {one.key} {one.groups}" for one in (ADMIN, DOCK)]
        text = _PROXY.format(
            filters=" ".join(_FILTERS),
            users="\n".join(users),
            scheme=self._scheme,
            memcached=self._memcached,
            most_segments=MOST_SEGMENTS,
        )
        plain = [name for name in _FILTERS if f"[filter:{name}]" not in text]
        return text + "".join(f"[filter:{name}]\nuse = egg:swift#{name}\n" for name in plain)

    def _environment(self) -> dict[str, str]:
        packages = next((PLACE / "lib").glob("python3.*/site-packages"))
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "PYTHONPATH": str(packages)}

    def _launch(self, name: str, *words: str) -> None:
        self._processes.launch(name, bound(*words), self._environment())


def _python() -> list[str]:
    """What runs Swift: the venv's interpreter; where nobody may not reach that, the system's of the same version."""
    own = (PLACE / "bin" / "python").resolve()
    if os.geteuid() != 0 or all(one.stat().st_mode & 0o001 for one in (own, *own.parents)):
        return [str(own), "-S"]
    return [f"/usr/bin/{next((PLACE / 'lib').glob('python3.*')).name}", "-S"]


@contextmanager
def running(scheme: str = "http") -> Iterator[Swift]:
    """A server in a temporary folder, stopped and removed at the end; ``scheme`` as for :class:`Swift`."""
    with tempfile.TemporaryDirectory(prefix="swift-") as folder, ExitStack() as at_the_end:
        swift = Swift(Path(folder), scheme)
        at_the_end.callback(swift.stop)
        swift.start()
        yield swift


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthcheck")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main() -> None:
    """``build``: install it. Without words: start the server and keep it until a signal comes."""
    if sys.argv[1:] == ["build"]:
        build()
        return
    if names := missing():
        raise SystemExit(f"not installed: {', '.join(names)}; run: python -m hil.central.swift build")
    with running() as swift:
        print(f"auth {swift.auth_url}")
        for account in (ADMIN, DOCK):
            print(f"user {account.name}, key {account.key}")
        sys.stdout.flush()
        until_told()


if __name__ == "__main__":
    main()
