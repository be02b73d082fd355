"""Judges this computer: programs, rights, ports, and who else reaches for the cameras. Pure over its facts."""

from collections import Counter
from collections.abc import Iterable, Mapping

from dockagent.core.moment import Instant
from dockagent.doctor.check import Check, failure, ok, warning
from dockagent.doctor.machine import RULES, Machine, Usb

OLDEST_PYTHON = (3, 11)
DEVICES_OF_XHCI = 32
"""What a small xHCI controller takes, hubs included (xHCI 1.2, section 5.3.3, MaxSlots; many take 64, some 32)."""
FEWEST_WATCHES = 8192
FEWEST_INSTANCES = 16
VAGUE_MS = 1000  # a clock that may be off by more than this is worth a word
_SERIAL_GROUPS = frozenset({"dialout", "dockagent"})
_RIVALS = {
    "ModemManager": "ModemManager",
    "gvfs-mtp-volume": "gvfs (MTP)",
    "gvfsd-mtp": "gvfs (MTP)",
    "gvfs-gphoto2-vo": "gvfs (PTP)",
    "gvfsd-gphoto2": "gvfs (PTP)",
    "udisksd": "udisks",
}
_INSTALL = "run `sudo make install` in the checkout"


def python(machine: Machine) -> Check:
    """The interpreter that runs this."""
    version = ".".join(map(str, machine.python))
    if machine.python < OLDEST_PYTHON:
        return failure("python", f"Python {version} is too old", "install Python 3.11 or later and make the venv anew")
    return ok("python", f"Python {version}")


def ffmpeg(machine: Machine, *, previews: bool) -> Check:
    """The programs that make previews."""
    missing = [name for name, said in (("ffmpeg", machine.ffmpeg), ("ffprobe", machine.ffprobe)) if not said]
    if not missing:
        return ok("ffmpeg", machine.ffmpeg)
    what = f"{' and '.join(missing)} cannot be run, so no previews are made"
    if not previews:
        return ok("ffmpeg", f"{what}; the configuration wants none")
    return warning("ffmpeg", what, "install the package ffmpeg, or set enabled = false in [preview]")


def clock(now: Instant) -> Check:
    """Whether the wall clock can be believed."""
    if now.source != "ntp":
        return warning(
            "clock",
            "nobody disciplines the clock, and every record says so",
            "enable systemd-timesyncd or chrony: `timedatectl set-ntp true`",
        )
    if now.uncertainty_ms > VAGUE_MS:
        return warning(
            "clock", f"right to {now.uncertainty_ms} ms only", "wait, or look at `timedatectl timesync-status`"
        )
    return ok("clock", f"disciplined, right to {now.uncertainty_ms} ms")


def udevd(machine: Machine, *, watched: bool) -> Check:
    """Who tells that a camera was put in."""
    if not watched:
        return ok("udev", "not needed: the configuration does not watch USB ports")
    if not machine.udevd:
        return warning(
            "udev",
            "udevd does not run: cameras are seen, but their devices keep the rights and time-outs of the kernel",
            "install the package udev and start systemd-udevd",
        )
    return ok("udev", "udevd runs")


def rivals(machine: Machine, *, watched: bool) -> Check:
    """Programs that grab a camera as soon as it is put in."""
    found = sorted({name for comm, name in _RIVALS.items() if comm in machine.programs})
    if machine.rules is not None:
        kept = f" and keeps off {', '.join(found)}" if found else ""
        return ok("rivals", f"{machine.rules} is there{kept}")
    if found and watched:
        return warning(
            "rivals", f"{', '.join(found)} will reach for the cameras too", f"put {RULES} in place: {_INSTALL}"
        )
    return ok("rivals", f"{', '.join(found) or 'nobody'} beside us; without {RULES}")


def rights(machine: Machine) -> Check:
    """Mounting cards."""
    if machine.may_mount:
        return ok("mounting", "we may mount cards")
    return warning(
        "mounting",
        f"user {machine.user} may not mount cards; only folders can be read",
        "run the agent as its service (systemd gives it CAP_SYS_ADMIN), or as root",
    )


def serial(machine: Machine) -> Check:
    """Speaking to the cameras' consoles."""
    member = sorted(machine.groups & _SERIAL_GROUPS)
    if machine.user == 0 or member:
        return ok("serial lines", f"open to us through group {member[0]}" if member else "open to root")
    return warning(
        "serial lines",
        f"user {machine.user} may not open serial lines: cameras' clocks are neither read nor set",
        "add the user to the group dialout (`usermod -aG dialout USER`), or run the agent as its service",
    )


def inotify(machine: Machine, *, folder: str) -> Check:
    """Watching a folder of bays."""
    if not folder:
        return ok("inotify", "not needed: no folder of bays is watched")
    if machine.watches < FEWEST_WATCHES or machine.instances < FEWEST_INSTANCES:
        return warning(
            "inotify",
            f"the kernel allows {machine.watches} watches and {machine.instances} instances for each user",
            f"set fs.inotify.max_user_watches={FEWEST_WATCHES * 8} and fs.inotify.max_user_instances=128 by sysctl",
        )
    return ok("inotify", f"{machine.watches} watches, {machine.instances} instances")


def usb(machine: Machine, ports: Mapping[str, str]) -> Check:
    """Whether the controllers take as many devices as there are bays, and what stands beside them."""
    bays = [port for port in ports if not port.startswith("name:")]
    known = machine.usb.buses
    if not known:
        if not bays:
            return ok("usb", "skipped: this machine has no USB")
        return failure("usb", f"{len(bays)} bays are USB ports, but this machine has no USB", "check [bays] ports")
    lost = [port for port in bays if _bus(port) not in known]
    if lost:
        return failure("usb", f"there is no such USB bus: {', '.join(lost)}", "check [bays] ports with `lsusb -t`")
    for controller, needed in _needed(machine.usb, bays).items():
        if needed > DEVICES_OF_XHCI:
            return warning(
                "usb",
                f"controller {controller} has {needed} devices once all bays are taken; many take {DEVICES_OF_XHCI}",
                "move some bays to a second controller",
            )
    return ok("usb", f"{len(set(known.values()))} controllers, {len(machine.usb.devices)} devices, {len(bays)} bays")


def _needed(usb: Usb, bays: Iterable[str]) -> Counter[str]:
    """Devices of each controller when every bay is taken: the bays, and what else stands there (hubs above all)."""
    return Counter(usb.buses.get(_bus(port), "unknown") for port in {*bays, *usb.devices})


def _bus(port: str) -> int:
    number = port.partition("-")[0]
    return int(number) if number.isdigit() else -1
