"""A bad network between a dock and its store: two network namespaces and a wire of our own between them.

The wire carries IP packets from one TUN device to another, late, too few and slowly as it is told, so that the
kernel's own TCP meets real loss and real delay; it needs no netem in the kernel. What is in a namespace sees no other
network. Needs root. Sources: network_namespaces(7), setns(2), the kernel's Documentation/networking/tuntap.rst.
"""

import ctypes
import fcntl
import itertools
import os
import random
import select
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

NEAR, FAR = "10.77.0.1", "10.77.0.2"
MTU = 1500
QUEUE = 256 * 1024  # bytes that wait for a slow wire; what comes then is dropped, as a modem does
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
_CLONE_NEWNET = 0x40000000  # linux/sched.h
_FOLDER = Path("/etc/netns")  # ip-netns(8): what lies here stands for /etc in a namespace
_libc = ctypes.CDLL(None, use_errno=True)
_number = itertools.count()
_T = TypeVar("_T")


class Wire:
    """A wire between the namespaces ``near`` (the dock's, :data:`NEAR`) and ``far`` (:data:`FAR`), while used as a
    context manager. ``delay_s`` seconds each way, ``loss`` of 0 to 1 each way, ``bits_per_s`` each way (0: no limit);
    all may be set at any time. ``seed`` decides which packets are lost. ``carried``: packets that arrived."""

    def __init__(self, seed: int = 1) -> None:
        mark = f"dock-{os.getpid()}-{next(_number)}"
        self.near, self.far = f"{mark}-near", f"{mark}-far"
        self.delay_s, self.loss, self.bits_per_s = 0.0, 0.0, 0.0
        self.carried = 0
        self._seed, self._is_cut, self._ended = seed, False, False
        self._at_the_end = ExitStack()

    def cut(self) -> None:
        """Let nothing through, and tell nobody, until :meth:`mend`."""
        self._is_cut = True

    def mend(self) -> None:
        """Carry packets again."""
        self._is_cut = False

    def command(self, *words: str) -> list[str]:
        """``words`` as a command line that runs in the near namespace, with the same process id."""
        return ["ip", "netns", "exec", self.near, *words]

    def listen(self, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
        """A socket at ``port`` of the far end; one of streams listens."""

        def make() -> socket.socket:
            made = socket.socket(socket.AF_INET, kind)
            made.bind((FAR, port))
            if kind is socket.SOCK_STREAM:
                made.listen()
            return made

        return _within(self.far, make)

    def ask_names_of(self, server: str) -> None:
        """Have programs that start in the near namespace ask ``server`` for names."""
        folder = _FOLDER / self.near
        folder.mkdir(parents=True, exist_ok=True)
        self._at_the_end.callback(shutil.rmtree, folder, ignore_errors=True)
        (folder / "resolv.conf").write_text(f"nameserver {server}\noptions timeout:1 attempts:1\n")

    def __enter__(self) -> Self:
        with ExitStack() as made:
            devices = [self._end(made, name, address) for name, address in ((self.near, NEAR), (self.far, FAR))]
            _ip("-n", self.near, "route", "add", "default", "via", FAR)
            made.callback(self._end_threads, [self._carrier(*devices), self._carrier(*reversed(devices))])
            made.push(self._at_the_end.pop_all())
            self._at_the_end = made.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self._at_the_end.close()

    def _end(self, made: ExitStack, name: str, address: str) -> int:
        _ip("netns", "add", name)
        made.callback(_ip, "netns", "delete", name)
        device = _within(name, _tun)
        made.callback(os.close, device)
        _ip("-n", name, "address", "add", f"{address}/30", "dev", "wire")
        for interface in ("lo", "wire"):
            _ip("-n", name, "link", "set", interface, "up")
        return device

    def _carrier(self, source: int, sink: int) -> threading.Thread:
        dice = random.Random(self._seed + source)
        thread = threading.Thread(target=self._carry, args=(source, sink, dice), name="wire", daemon=True)
        thread.start()
        return thread

    def _end_threads(self, threads: list[threading.Thread]) -> None:
        self._ended = True
        for thread in threads:
            thread.join()

    def _carry(self, source: int, sink: int, dice: random.Random) -> None:
        """One direction. Packets stand in line for the wire, then travel."""
        travelling: deque[tuple[float, bytes]] = deque()
        free_at = 0.0
        while not self._ended:
            now = time.monotonic()
            while travelling and travelling[0][0] <= now:
                self._deliver(sink, travelling.popleft()[1])
            patience = min(0.1, travelling[0][0] - now) if travelling else 0.1
            if not select.select([source], [], [], patience)[0]:
                continue
            packet, now = os.read(source, MTU), time.monotonic()
            free_at = max(now, free_at)
            if self._is_cut or dice.random() < self.loss or (free_at - now) * self.bits_per_s > QUEUE * 8:
                continue
            free_at += len(packet) * 8 / self.bits_per_s if self.bits_per_s else 0.0
            travelling.append((free_at + self.delay_s, packet))

    def _deliver(self, sink: int, packet: bytes) -> None:
        if self._is_cut:
            return
        with suppress(OSError):  # the device is down: nobody listens there any more
            os.write(sink, packet)
            self.carried += 1


class Names:
    """A name server at a socket of the far end: it knows one name, by its address :data:`FAR`. RFC 1035, 4.1."""

    def __init__(self, line: socket.socket, name: str) -> None:
        self._line, self._name = line, b"".join(bytes([len(one)]) + one.encode() for one in name.split(".")) + b"\0"
        self.silent = False
        self._thread = threading.Thread(target=self._serve, name="names", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)  # ends the wait below, though a datagram socket is not connected
        self._thread.join()
        self._line.close()

    def _serve(self) -> None:
        while True:
            query, asker = self._line.recvfrom(512)
            if not asker:
                return  # shut down
            if not self.silent:
                self._line.sendto(self._answer(query), asker)

    def _answer(self, query: bytes) -> bytes:
        end = query.index(b"\0", 12) + 5
        question, kind = query[12:end], query[end - 4 : end - 2]
        known = question[:-4].lower() == self._name
        address = known and kind == b"\0\1"
        flags = 0x8180 if known else 0x8183  # an answer; "no such name"
        head = query[:2] + struct.pack(">5H", flags, 1, int(address), 0, 0)
        found = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 1, 4) + socket.inet_aton(FAR) if address else b""
        return head + question + found


def missing() -> str:
    """Why there can be no such wire here, or nothing."""
    if os.geteuid() != 0:
        return "needs root: network namespaces"
    if not shutil.which("ip"):
        return "needs ip (package iproute2)"
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC))
    except OSError as err:
        return f"needs a kernel with TUN devices: /dev/net/tun: {err.strerror}"
    return ""


def _within(name: str, make: Callable[[], _T]) -> _T:
    """What ``make`` gives in a network namespace. A socket stays in that in which it was made."""
    made: list[_T] = []
    wrong: list[OSError] = []

    def enter() -> None:
        try:
            with Path("/run/netns", name).open("rb") as space:
                if _libc.setns(space.fileno(), _CLONE_NEWNET) != 0:  # of this thread alone
                    raise OSError(ctypes.get_errno(), f"cannot enter the network namespace {name}")
            made.append(make())
        except OSError as err:
            wrong.append(err)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if wrong:
        raise wrong[0]
    return made[0]


def _tun() -> int:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", b"wire", _IFF_TUN | _IFF_NO_PI))
    return device


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=20)
