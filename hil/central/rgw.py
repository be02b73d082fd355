"""A real S3 server for tests and demonstrations: one Ceph RGW with its monitor and its disk.

Every process listens on 127.0.0.1 only, on ports that were free, runs as nobody where we are root, and dies with the
process that started it. The data is in memory, or in files (``bluestore``), which outlive a kill of every process as a
disk outlives a power cut. Its programs are the system's, or those of another release in a folder (``lane_b.py``). By
hand::

    python -m hil.central.rgw            # prints the address and both accounts, stays until Ctrl-C
    python -m hil.central.rgw --bucket evidence     # and makes a bucket for evidence, see bucket.py

Packages: packages.txt beside this file (Debian 12 has Ceph 16). Options are Ceph's own, docs.ceph.com, "Configuration".
What Ceph 16 does not have: ``x-amz-checksum-*`` (ignored), ``If-None-Match`` on versioned buckets and on
CompleteMultipartUpload (ignored), legal holds on uploads in parts (lost).
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hil.central.processes import Processes, bound, free_ports, give_to_nobody, listens, until_told

PROGRAMS = ("ceph", "ceph-authtool", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin", "setpriv")
_ABOUT = "A real S3 server (Ceph RGW) on loopback, in memory, until Ctrl-C."
_BUCKET = """also make a bucket for evidence, with versions, Object Lock, the dock's policy and the custodian's account,
and print the [store] tables for dockagent.toml and custodian.toml"""
PATIENCE = 60  # seconds until a process that does not come up counts as failed

_CONF = """\
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon_port},v1:127.0.0.1:{old_mon_port}]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc secure
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
mon tick interval = 1
paxos propose interval = 0.02
paxos min wait = 0.01
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd objectstore = {objects}
bluestore block size = 10737418240
osd memory target = 939524096
osd op num shards = 2
memstore device bytes = 4294967296
keyring = {folder}/keyring
run dir = {folder}/run
crash dir = {folder}/run
admin socket = {folder}/run/$name.$pid.asok
log file = {folder}/log/$name.log
mon cluster log file = {folder}/log/cluster.log
mon data = {folder}/mon
osd data = {folder}/osd
mgr data = {folder}/mgr
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw data = {folder}/rgw
rgw thread pool size = 64
rgw override bucket index max shards = 1
rgw enable apis = s3, swift, swift_auth, admin, sts, iam
rgw cache enabled = false
rgw mp lock max time = {lock_s}
rgw lc debug interval = -1
"""


@dataclass(frozen=True, slots=True)
class Account:
    """One user of the server, as an S3 client needs it."""

    name: str
    access_key: str
    secret_key: str


ADMIN = Account("admin", "ADMINKEY00000000", "adminsecretadminsecretadminsecret0")
DOCK = Account("dock", "DOCKKEY000000000", "docksecretdocksecretdocksecret00")


def missing() -> list[str]:
    """The programs that are needed and not installed; empty when the server can be started."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


class Gateway:
    """The server in ``folder`` (owned by us, made by :func:`running`). ``endpoint`` is its address for S3 clients.

    ``objects``: ``memstore`` or ``bluestore``; ``root``: a folder that has the programs of another release, for which
    we must be root; ``lock_s``: for how many seconds a gateway that was killed while it made parts into an object keeps
    others from doing it.
    """

    def __init__(self, folder: Path, objects: str = "memstore", root: Path | None = None, lock_s: int = 5) -> None:
        self.folder = folder
        self._objects, self._root, self._lock_s = objects, root, lock_s
        self._seen = folder if root is None else Path("/srv")  # the folder's name for the server's own processes
        self._ports = free_ports(3)
        self._fsid = str(uuid.uuid4())
        self._processes = Processes(folder, PATIENCE)

    @property
    def port(self) -> int:
        return self._ports[0]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Bring everything up, with both accounts. RuntimeError with the last log lines when something does not."""
        self._lay_out()
        self._make_monitor()
        self._launch("ceph-mon", "-i", "a", "-f")
        disk = str(uuid.uuid4())
        self._run("ceph", "osd", "new", disk)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)
        self._start_disk()
        self.start_rgw()
        for account in (ADMIN, DOCK):
            self._make_user(account)

    def start_rgw(self) -> None:
        """Start the S3 front, also after :meth:`kill_rgw`: the data is in the disk process and is still there."""
        self._launch("radosgw", "-n", "client.rgw.a", "-f")
        self._processes.wait("radosgw", lambda: listens(self.port))

    def cut_power(self) -> None:
        """Kill every process at once. Only ``bluestore`` still has its data afterwards."""
        self.stop()

    def start_again(self) -> None:
        """Bring everything up again after :meth:`cut_power`."""
        self._launch("ceph-mon", "-i", "a", "-f")
        self._start_disk()
        self.start_rgw()

    def version(self) -> str:
        """Which release this is: ``16.2.15``."""
        return self._run("radosgw", "--version").split()[2]

    def admin(self, *words: str) -> str:
        """What ``radosgw-admin`` prints."""
        return self._run("radosgw-admin", *words)

    def _start_disk(self) -> None:
        self._launch("ceph-osd", "-i", "0", "-f")
        self._processes.wait("ceph-osd", lambda: "1 up" in self._run("ceph", "osd", "stat"))

    def kill_rgw(self) -> None:
        """Kill the S3 front in the middle of whatever it does."""
        self._processes.kill("radosgw")

    def stop(self) -> None:
        """End every process. Nothing is worth a gentle stop: the data is in memory, or safe on disk, or not wanted."""
        for name in ("radosgw", "ceph-osd", "ceph-mon"):
            self._processes.kill(name)

    def _lay_out(self) -> None:
        for name in ("mon", "osd", "mgr", "run", "rgw"):
            (self.folder / name).mkdir()
        port, mon_port, old_mon_port = self._ports
        conf = _CONF.format(
            fsid=self._fsid,
            folder=self._seen,
            port=port,
            mon_port=mon_port,
            old_mon_port=old_mon_port,
            objects=self._objects,
            lock_s=self._lock_s,
        )
        (self.folder / "ceph.conf").write_text(conf)
        give_to_nobody((self.folder, *self.folder.iterdir()))

    def _make_monitor(self) -> None:
        keyring, monmap = str(self._seen / "keyring"), str(self._seen / "monmap")
        _, mon_port, old_mon_port = self._ports
        address = f"[v2:127.0.0.1:{mon_port},v1:127.0.0.1:{old_mon_port}]"
        self._run("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        self._run("ceph-authtool", keyring, "--gen-key", "-n", "client.admin", "--cap", "mon", "allow *")
        self._run("monmaptool", "--create", "--fsid", self._fsid, "--addv", "a", address, monmap)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring)

    def _make_user(self, account: Account) -> None:
        self._run(
            *("radosgw-admin", "user", "create", f"--uid={account.name}", f"--display-name={account.name}"),
            *(f"--access-key={account.access_key}", f"--secret-key={account.secret_key}"),
        )

    def _command(self, *words: str) -> list[str]:
        return [*self._entering(), *bound(*words)]

    def _entering(self) -> list[str]:
        """Into the folder of another release, with what is mounted there seen by this process alone."""
        if self._root is None:
            return []
        script = 'mount -t proc proc "$1/proc" && mount --bind "$2" "$1/srv" && shift && shift && exec chroot "$@"'
        whole = ["sh", "-c", script, "sh", str(self._root), str(self.folder), str(self._root)]
        return ["unshare", "--mount", "--propagation", "private", *whole]

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "CEPH_CONF": str(self._seen / "ceph.conf"), "HOME": str(self._seen)}

    def _run(self, *words: str) -> str:
        done = subprocess.run(
            self._command(*words),
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(words[:3])} failed: {done.stderr.strip()[-400:]}")
        return done.stdout

    def _launch(self, *words: str) -> None:
        self._processes.launch(words[0], self._command(*words), self._environment())


@contextmanager
def running(objects: str = "memstore", root: Path | None = None, lock_s: int = 5) -> Iterator[Gateway]:
    """A server in a temporary folder, stopped and removed at the end; see :class:`Gateway`."""
    with tempfile.TemporaryDirectory(prefix="rgw-") as folder, ExitStack() as at_the_end:
        gateway = Gateway(Path(folder), objects, root, lock_s)
        at_the_end.callback(gateway.stop)
        gateway.start()
        yield gateway


def main() -> None:
    """Start the server and keep it until a signal comes."""
    parser = argparse.ArgumentParser(prog="python -m hil.central.rgw", description=_ABOUT)
    parser.add_argument("--bucket", metavar="NAME", default="", help=_BUCKET)
    parser.add_argument("--prefix", default="force", help="the folder of the bucket that is the store (default: force)")
    args = parser.parse_args()
    if names := missing():
        raise SystemExit(f"not installed: {', '.join(names)}; apt-get install the packages of hil/central/packages.txt")
    with running() as gateway, tempfile.TemporaryDirectory(prefix="rgw-secrets-") as secrets:
        print(f"endpoint {gateway.endpoint}")
        for account in (ADMIN, DOCK):
            print(f"{account.name}: access key {account.access_key}, secret key {account.secret_key}")
        if args.bucket:
            print(f"\n{_bucket(gateway, args.bucket, args.prefix, Path(secrets))}")
        sys.stdout.flush()
        until_told()


def _bucket(gateway: Gateway, name: str, prefix: str, secrets: Path) -> str:
    from hil.central import bucket  # it needs boto3, which a server alone does not

    try:
        return bucket.by_hand(gateway, name, prefix.strip("/"), secrets)
    except ModuleNotFoundError as err:
        raise SystemExit(f"--bucket needs {err.name}; pip install -r requirements-dev.lock") from err
    except RuntimeError as err:
        raise SystemExit(f"no bucket {name!r}: {err}; give another NAME (lower-case letters, digits, dashes)") from err


if __name__ == "__main__":
    main()
