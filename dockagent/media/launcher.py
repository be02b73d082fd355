"""Give up every right that reading a media file does not need, then become ffmpeg or ffprobe.

Run as a program, ``python -I -S launcher.py JSON PROGRAM ARGUMENT…``, and never imported by the daemon: it is a process
of its own because the daemon has many threads, and Python code between fork and exec is not safe there. It imports
nothing of ours. JSON is an object: ``parent`` (pid), ``cpu_seconds``, ``memory_bytes``, ``file_bytes``, ``open_files``,
``reads`` (paths), ``folders`` (paths of programs and their parts), ``writes`` (a folder, or empty).

Limits always bite. Landlock (landlock(7): which files) and seccomp (seccomp(2): no sockets, no signals to others) need
no root; a kernel without one of them leaves the others. ``launcher.py`` without arguments prints which ones it gives.
Exit code 126: a limit could not be set; 127: the program could not be started.
"""

import ctypes
import errno
import json
import os
import resource
import signal
import struct
import sys
from collections.abc import Iterable

_libc = ctypes.CDLL(None, use_errno=True)

# prctl(2)
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_MODE_FILTER = 2

# landlock(7); the numbers of these system calls are the same on every architecture.
_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_RULE_PATH_BENEATH = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _MAKE_REG, _TRUNCATE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 8, 1 << 14
_FILE_RIGHTS_OF_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_FILE_RIGHTS_NEWEST = (1 << 16) - 1
_NO_TCP = 0b11  # bind and connect, from ABI 4
_NO_SIGNALS_OUT = 0b11  # abstract sockets and signals, from ABI 6

_PROGRAMS = ("/usr", "/lib", "/lib64", "/nix/store")
_SYSTEM_FILES = ("/etc/ld.so.cache", "/dev/null", "/dev/urandom", "/proc/cpuinfo", "/sys/devices/system/cpu")

# Per machine: the AUDIT_ARCH_ value of linux/audit.h, ioprio_set, and the calls that a media reader has no use for:
# socket, socketpair, connect, ptrace, kill, setpgid, setsid, process_vm_readv, process_vm_writev, then the ones with
# one number everywhere: pidfd_send_signal, io_uring_setup (its requests pass no filter), pidfd_getfd.
_EVERYWHERE = (424, 425, 438)
_MACHINES = {
    "x86_64": (0xC000003E, 251, (41, 53, 42, 101, 62, 109, 112, 310, 311, *_EVERYWHERE)),
    "aarch64": (0xC00000B7, 30, (198, 199, 203, 117, 129, 154, 157, 270, 271, *_EVERYWHERE)),
}
_X32 = 0x40000000  # x86_64 only: a second numbering of the same calls


def main(arguments: list[str]) -> int:
    """Give up rights as ordered, then become the program; without orders, say which ways to give up rights work."""
    if not arguments:
        _no_new_rights()
        given = [("landlock", _confine_files([], [], "")), ("seccomp", _confine_calls())]
        print(" ".join(name for name, works in given if works))
        return 0
    orders, argv = json.loads(arguments[0]), arguments[1:]
    try:
        _die_with(orders["parent"])
        _be_humble()
        _limit(orders)
        _no_new_rights()
        _confine_files([*orders["reads"], argv[0]], orders["folders"], orders["writes"])
        _confine_calls()
    except OSError as err:
        print(f"a limit could not be set: {err}", file=sys.stderr)
        return 126
    for name in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and ffmpeg would inherit that
        signal.signal(name, signal.SIG_DFL)
    try:
        os.execv(argv[0], argv)  # noqa: S606  the point of this program
    except OSError as err:
        print(f"{argv[0]} could not be started: {err.strerror}", file=sys.stderr)
    return 127


def _die_with(parent: int) -> None:
    """No orphan: the kernel kills us with the thread that started us. It may be gone already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _be_humble() -> None:
    """Last in line for processor and disk, first in line when memory runs out. Comfort: a refusal changes nothing."""
    os.nice(19)
    if machine := _MACHINES.get(os.uname().machine):
        idle, this_process = 3 << 13, 1
        _libc.syscall(machine[1], this_process, 0, idle)
    try:
        with open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123  pathlib would double the start-up time
            score.write("1000")
    except OSError as err:
        print(f"oom_score_adj: {err.strerror}", file=sys.stderr)


def _limit(orders: dict[str, int]) -> None:
    cpu = orders["cpu_seconds"]
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))
    resource.setrlimit(resource.RLIMIT_AS, (orders["memory_bytes"],) * 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (orders["file_bytes"],) * 2)
    resource.setrlimit(resource.RLIMIT_NOFILE, (orders["open_files"],) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _no_new_rights() -> None:
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _confine_files(reads: Iterable[str], folders: Iterable[str], writes: str) -> bool:
    """From here on only ``reads``, the system's programs, ``folders`` and ``writes`` exist. False: the kernel has no
    Landlock."""
    abi = _libc.syscall(_LANDLOCK_CREATE_RULESET, None, 0, 1)
    if abi < 1:
        return False
    handled = _FILE_RIGHTS_OF_ABI.get(abi, _FILE_RIGHTS_NEWEST)
    fields = [handled, *([_NO_TCP] if abi >= 4 else []), *([_NO_SIGNALS_OUT] if abi >= 6 else [])]
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    rules = _checked(_libc.syscall(_LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0), "landlock rules")
    for path in (*_PROGRAMS, *folders):
        _allow(rules, path, handled & (_READ_FILE | _READ_DIR | _EXECUTE))
    for path in (*_SYSTEM_FILES, *reads):
        _allow(rules, path, handled & (_READ_FILE | _EXECUTE))
    if writes:
        _allow(rules, writes, handled & (_READ_FILE | _WRITE_FILE | _TRUNCATE | _MAKE_REG))
    _checked(_libc.syscall(_LANDLOCK_RESTRICT_SELF, rules, 0), "landlock")
    os.close(rules)
    return True


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # nothing to allow
    rule = struct.pack("=Qi", rights, fd)
    _checked(_libc.syscall(_LANDLOCK_ADD_RULE, rules, _RULE_PATH_BENEATH, rule, 0), "landlock rule")
    os.close(fd)


def _confine_calls() -> bool:
    """Refuse the calls of ``_MACHINES`` with EPERM. False: a machine without a list, or a kernel without filters."""
    machine = _MACHINES.get(os.uname().machine)
    if machine is None:
        return False
    architecture, _, refused = machine
    load, equal, at_least, answer = 0x20, 0x15, 0x35, 0x06  # linux/bpf_common.h, as (BPF_LD|BPF_W|BPF_ABS) and so on
    allow, refuse, kill = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
    steps = [(load, 0, 0, 4), (equal, 1, 0, architecture), (answer, 0, 0, kill), (load, 0, 0, 0)]
    steps.append((at_least, len(refused) + 1, 0, _X32))
    steps += [(equal, len(refused) - at, 0, number) for at, number in enumerate(refused)]
    steps += [(answer, 0, 0, allow), (answer, 0, 0, refuse)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = struct.pack("@HP", len(steps), ctypes.addressof(code))
    return bool(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program, 0, 0) == 0)


def _prctl(option: int, value: int) -> None:
    _checked(_libc.prctl(option, value, 0, 0, 0), "prctl")


def _checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
