"""Make the recordings that lie here: emulated cameras, recorded through the kernel as real ones are.

`python -m hil.recordings.samples OUT`, in the guest, as its rig needs root and vhci_hcd:
`python -m hil.rigs.uml --share OUT -- python -m hil.recordings.samples OUT`. Nothing in them belongs to a real camera.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hil.cameras.card import Shift, film_gopro, film_reference
from hil.cameras.console import Console
from hil.cameras.plate import Plate
from hil.cameras.specimen import Specimen, UsbPlate
from hil.recordings import record
from hil.rigs.faults import Script
from hil.rigs.usb_tree import Changes, UsbDevice, UsbTree
from hil.rigs.usbip import UsbipRig

_SEEN_S = 60.0
_BYTES = 200_000
BEGAN = Shift().start


@dataclass(frozen=True, slots=True)
class Sample:
    """A camera, the folder that its recording belongs in, and how it is recorded."""

    model: str
    state: str
    camera: Specimen
    options: tuple[str, ...] = ()


def cameras(folder: Path) -> tuple[Sample, ...]:
    """The cameras, their cards made in ``folder``."""
    body, action = Plate(), Plate("C3461324500001", "GoPro", "HERO10 Black", "H21.01.01.62.00")
    film_reference(folder / "body", body, Shift(clips=3, size=_BYTES))
    film_gopro(folder / "action", action, Shift(clips=2, size=_BYTES))
    for made in (folder / "body" / "camera.json", folder / "action" / "MISC" / "version.txt"):
        os.utime(made, (BEGAN.timestamp(), BEGAN.timestamp()))  # as old as the clips, whenever this is run
    storage = UsbPlate(0x1D6B, 0x0104, 0x0142, "Reference", "BWC-1", body.serial, ("Referenc", "BWC-1", "0142"))
    still = UsbPlate(0x2672, 0x0056, 0x0100, "GoPro", "HERO10 Black", action.serial)
    return (
        Sample(
            "reference-bwc",
            "storage",
            Specimen("body", body, storage, folder / "body", "vfat", "BWCAM", None, ("storage", "acm"), Console(body)),
            ("--ask-reference",),
        ),
        Sample("gopro-hero10", "storage", Specimen("reader", action, still, folder / "action", "exfat", "GOPRO")),
        Sample("gopro-hero10", "mtp", Specimen("action", action, still, folder / "action", functions=("mtp",))),
    )


def make(out: Path, work: Path) -> None:
    """Record each of them into ``out``, which must not hold them yet. Raises RuntimeError for what was not recorded."""
    rig = UsbipRig(work / "media")
    try:
        for sample in cameras(work):
            stay = rig.plug(rig.places[0].name, sample.camera, Script())
            port = rig.places[0].port
            _wait(port, sample.camera)
            named = ["--port", port, "--model", sample.model, "--state", sample.state, "--out", str(out), "--no-scrub"]
            status = record.main([*named, *sample.options])
            stay.unplug()
            if status != record.GOOD:
                raise RuntimeError(f"{sample.model}/{sample.state} was not recorded (status {status})")
    finally:
        rig.close()


def _wait(port: str, camera: Specimen) -> None:
    """Until the kernel has given the camera its disk and its terminal, and udevd has let go of them."""

    def ready() -> bool:
        device: UsbDevice | None = UsbTree().device(port)
        return (
            device is not None
            and bool(device.interfaces)
            and ("storage" not in camera.functions or bool(device.disks))
            and ("acm" not in camera.functions or bool(device.terminals))
        )

    with Changes() as changes:
        if not changes.wait(ready, _SEEN_S):
            raise RuntimeError(f"{camera.name} did not come up at {port} within {_SEEN_S:g} s")


def main(argv: Sequence[str] | None = None) -> int:
    """Make them all; exit status 0."""
    parser = argparse.ArgumentParser(prog="python -m hil.recordings.samples", description="Record emulated cameras.")
    parser.add_argument("out", type=Path)
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="hil-samples-") as work:
        make(given.out, Path(work))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
