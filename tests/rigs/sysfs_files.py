"""A sysfs made of ordinary files, with just what the bench reads in it: hubs, ports, devices, their interfaces."""

from pathlib import Path

from hil.rigs.usb_tree import hub_of


def make_hub(sysfs: Path, port: str, ports: int, *, usb_id: str = "0424:2514") -> list[Path]:
    """A hub at a port path (``usb1``: a root hub), and the directories of its ports."""
    make_device(sysfs, port, usb_id, "", interfaces=0, kind="09")
    stem = f"{port.removeprefix('usb')}-0" if port.startswith("usb") else port
    found = [sysfs / "bus" / "usb" / "devices" / f"{stem}:1.0" / f"{port}-port{n}" for n in range(1, ports + 1)]
    for folder in found:
        folder.mkdir(parents=True)
        (folder / "disable").write_text("0")
    return found


def make_device(
    sysfs: Path,
    port: str,
    usb_id: str,
    serial: str,
    *,
    interfaces: int = 1,
    endpoints: int = 2,
    kind: str = "00",
    terminal: str = "",
) -> Path:
    """A device at a port path, below the controller of its bus as in a real sysfs."""
    bus = hub_of(port)[3:] if hub_of(port).startswith("usb") else port.partition("-")[0]
    bus = port.removeprefix("usb") if port.startswith("usb") else bus
    real = sysfs / "devices" / f"controller{bus}" / f"usb{bus}"
    device = real if port.startswith("usb") else real / port
    device.mkdir(parents=True, exist_ok=True)
    vendor, _, product = usb_id.partition(":")
    for n in range(interfaces):
        for endpoint in range(endpoints):
            (device / f"{port}:1.{n}" / f"ep_{endpoint + 1:02x}").mkdir(parents=True)
    if terminal:
        (device / f"{port}:1.0" / "tty" / terminal).mkdir(parents=True)
    texts = {"idProduct": product, "bcdDevice": "0100", "bDeviceClass": kind, "authorized": "1", "serial": serial}
    for name, value in {**texts, "manufacturer": "HIL", "product": f"Camera {port}"}.items():
        (device / name).write_text(value)
    (device / "idVendor").write_text(vendor)  # last: without it there is no device yet
    link = sysfs / "bus" / "usb" / "devices" / port
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.exists():
        link.symlink_to(device)
    return device
