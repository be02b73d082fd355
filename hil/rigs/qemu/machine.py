"""What a guest runs on: the parts of the machine, what its kernel is told, and who carries out its instructions.

A guest's memory can be restored only on the machine that it was kept from, so all of this is in the key under which a
guest lies in the cache.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

PROGRAM = "qemu-system-x86_64"
MEMORY_MIB = 1536
_SOCKET = "server=on,wait=off"
PARTS = (
    ("-name", "hil", "-M", "q35", "-cpu", "qemu64", "-m", str(MEMORY_MIB), "-smp", "1"),
    ("-display", "none", "-nodefaults", "-no-user-config", "-serial", "file:{work}/console.log"),
    ("-qmp", f"unix:{{work}}/qmp.sock,{_SOCKET}"),
    ("-chardev", f"socket,id=rig,path={{work}}/rig.sock,{_SOCKET}", "-mon", "chardev=rig,mode=control"),
    ("-drive", "file={disk},format=qcow2,if=none,id=root", "-device", "virtio-blk-pci,drive=root"),
    ("-device", "virtio-serial-pci", "-device", "virtio-rng-pci", "-device", "qemu-xhci,id=xhci,p2=8,p3=8"),
    ("-chardev", f"socket,id=agent,path={{work}}/agent.sock,{_SOCKET}"),
    ("-device", "virtserialport,chardev=agent,name=hil.agent"),
    ("-chardev", f"socket,id=line,path={{work}}/line.sock,{_SOCKET}"),
    ("-device", "virtserialport,chardev=line,name=hil.monitor"),
    ("-device", "pcie-root-port,id=rp1,chassis=1,slot=1", "-device", "pcie-root-port,id=rp2,chassis=2,slot=2"),
    ("-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap"),
    ("-fsdev", "local,id=share,path={share},security_model=none,multidevs=remap"),
    ("-chardev", "socket,id=tpm,path={work}/tpm.sock", "-tpmdev", "emulator,id=tpm0,chardev=tpm"),
    ("-device", "tpm-tis,tpmdev=tpm0"),
)
QUIET = (
    "console=ttyS0 root=/dev/vda rw systemd.show_status=0 quiet audit=0 apparmor=0 nokaslr mitigations=off "
    "random.trust_cpu=on tsc=reliable no_timer_check cryptomgr.notests"
)
_KVM = Path("/dev/kvm")


def accelerator() -> str:
    """The processor itself where it lets us, else QEMU's translation. A machine may have the device /dev/kvm without a
    processor that can do what a stock kernel needs, or without leave for us: QEMU falls back from neither."""
    flags = set(Path("/proc/cpuinfo").read_text().split())
    able = bool(flags & {"vmx", "svm"}) and os.access(_KVM, os.R_OK | os.W_OK)
    return "kvm" if able else "tcg,thread=multi"


def described() -> str:
    """Everything that a kept memory depends on, QEMU's version included; without QEMU, the rest of it."""
    found = shutil.which(PROGRAM)
    version = subprocess.check_output([found, "--version"], text=True, timeout=30) if found else ""
    return "\n".join([version, accelerator(), QUIET, repr(PARTS)])
