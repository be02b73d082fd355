"""Give up every right but to read what is open already: for a process that is about to parse a hostile card.

What is left of a process that was taken over by a card is its open descriptors (the device, read-only; the line to
the dock; the shared window) and its share of memory and processor. Each layer stands where another is missing:

1. the user ``nobody`` without groups, where we are root; no capabilities in any case (capabilities(7));
2. limits: no new descriptor, no file content, no child process, no core, bounded memory (getrlimit(2));
3. Landlock without a single rule (landlock(7)): no file, no TCP, no signals to others;
4. seccomp (seccomp(2)): the few calls that reading, allocating and answering need; all others give EPERM. Memory
   cannot become executable.
"""

import ctypes
import errno
import os
import resource
import struct

NOBODY = 65534
MEMORY = 1 << 30  # bytes of address space

# prctl(2), capset(2), seccomp(2), landlock(7), mman(3)
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 22, 38, 47, 4
_CAPABILITY_VERSION_3 = 0x20080522
_SECCOMP_MODE_FILTER = 2
_CREATE_RULESET, _RESTRICT_SELF = 444, 446  # the same on every machine
_FILE_RIGHTS_OF_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_FILE_RIGHTS_NEWEST = (1 << 16) - 1
_NO_TCP, _NO_SIGNALS_OUT = 0b11, 0b11  # from ABI 4, from ABI 6
_PROT_EXEC = 4

# Per machine: AUDIT_ARCH_ of linux/audit.h, capset, mmap, mprotect, and the calls that stay: read, close, lseek,
# munmap, brk, rt_sigaction, rt_sigprocmask, rt_sigreturn, pread64, readv, mremap, sched_yield, madvise, sendto,
# recvfrom, sendmsg, recvmsg, exit, exit_group, futex, clock_gettime, preadv, preadv2, getrandom.
_MACHINES = {
    "x86_64": (
        0xC000003E,
        (126, 9, 10),
        (0, 3, 8, 11, 12, 13, 14, 15, 17, 19, 25, 24, 28, 44, 45, 46, 47, 60, 231, 202, 228, 295, 327, 318),
    ),
    "aarch64": (
        0xC00000B7,
        (91, 222, 226),
        (63, 57, 62, 215, 214, 134, 135, 139, 67, 65, 216, 124, 233, 206, 207, 211, 212, 93, 94, 98, 113, 69, 286, 278),
    ),
}
_LOAD, _EQUAL, _ANY_BIT, _ANSWER = 0x20, 0x15, 0x45, 0x06  # linux/bpf_common.h, as (BPF_LD|BPF_W|BPF_ABS) and so on
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
_NUMBER_AT, _MACHINE_AT, _THIRD_ARGUMENT_AT = 0, 4, 32  # struct seccomp_data; of an argument, the low half

_libc = ctypes.CDLL(None, use_errno=True)


def give_up_everything() -> tuple[str, ...]:
    """Nothing can be opened, started or sent from here on. Which of ``landlock`` and ``seccomp`` the kernel gave;
    users and limits always bite. Raises OSError where one of those cannot be set."""
    machine = _MACHINES.get(os.uname().machine)
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    landlock = _no_files()
    _no_powers(machine[1][0] if machine else None)
    _limits()
    seccomp = machine is not None and _few_calls(*machine)
    return tuple(name for name, works in (("landlock", landlock), ("seccomp", seccomp)) if works)


def _no_powers(capset: int | None) -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)  # which takes all capabilities along
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    if capset is not None:
        header, nothing = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), bytes(24)
        _checked(_libc.syscall(capset, header, nothing), "capset")


def _limits() -> None:
    for what in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC, resource.RLIMIT_CORE):
        resource.setrlimit(what, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _no_files() -> bool:
    """False: the kernel has no Landlock."""
    abi = _libc.syscall(_CREATE_RULESET, None, 0, 1)
    if abi < 1:
        return False
    handled = _FILE_RIGHTS_OF_ABI.get(abi, _FILE_RIGHTS_NEWEST)
    fields = [handled, *([_NO_TCP] if abi >= 4 else []), *([_NO_SIGNALS_OUT] if abi >= 6 else [])]
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    rules = _checked(_libc.syscall(_CREATE_RULESET, attributes, len(attributes), 0), "landlock rules")
    _checked(_libc.syscall(_RESTRICT_SELF, rules, 0), "landlock")
    os.close(rules)
    return True


def _few_calls(architecture: int, mapping: tuple[int, ...], allowed: tuple[int, ...]) -> bool:
    """False: the kernel has no seccomp filters. A second numbering (x32) matches none of ``allowed``."""
    _capset, mmap, mprotect = mapping
    steps = [(_LOAD, 0, 0, _MACHINE_AT), (_EQUAL, 1, 0, architecture), (_ANSWER, 0, 0, _KILL)]
    steps += [(_LOAD, 0, 0, _NUMBER_AT), (_EQUAL, 1, 0, mmap), (_EQUAL, 0, 4, mprotect)]
    steps += [(_LOAD, 0, 0, _THIRD_ARGUMENT_AT), (_ANY_BIT, 0, 1, _PROT_EXEC)]
    steps += [(_ANSWER, 0, 0, _REFUSE), (_ANSWER, 0, 0, _ALLOW)]
    steps += [(_EQUAL, len(allowed) - at, 0, number) for at, number in enumerate(allowed)]
    steps += [(_ANSWER, 0, 0, _REFUSE), (_ANSWER, 0, 0, _ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = struct.pack("@HP", len(steps), ctypes.addressof(code))
    return bool(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program, 0, 0) == 0)


def _checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result
