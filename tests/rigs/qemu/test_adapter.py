"""A camera's console behind a USB-to-serial adapter: the kernel's ftdi_sio, the dock's serial line, our camera."""

from __future__ import annotations

import json
import queue
import sys
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from hil.cameras.console import PROOF, CameraClock, Console, Release
from hil.cameras.pki import Validity, make_maker
from hil.cameras.plate import Plate
from hil.rigs.qemu.adapter import Adapter
from hil.rigs.qemu.view import View
from tests.rigs.qemu.guests import RIG

BEHIND_S = 90
PORT, SERIAL = "4", "FT-0005"
LIMIT_S = 150.0


class Asking:
    """The program in the guest that asks; what it prints, line by line."""

    def __init__(self, view: View) -> None:
        self.lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._view, self._said = view, ""
        self.thread = threading.Thread(target=self._run, name="asking")
        self.thread.start()

    def _run(self) -> None:
        status = self._view.run(
            f"{sys.executable} -m tests.rigs.qemu.inside.ask_console {PORT}", LIMIT_S, self._hear, RIG
        )
        self.lines.put(f'"it ended with {status}"')

    def _hear(self, text: str) -> None:
        *lines, self._said = (self._said + text).split("\n")
        for line in lines:
            self.lines.put(line)

    def next(self) -> dict[str, Any]:
        """Its next line. What is no JSON is its complaint."""
        line = self.lines.get(timeout=LIMIT_S)
        assert line.startswith("{"), "\n".join([line, *(self.lines.get() for _ in range(self.lines.qsize()))])
        facts: dict[str, Any] = json.loads(line)
        return facts


@pytest.mark.timeout(400)
def test_a_camera_behind_an_adapter(view: View) -> None:
    validity = Validity(datetime(2020, 1, 1, tzinfo=UTC))
    plate = Plate("BWC-0005")
    identity = make_maker("Reference", validity).identity(plate.model, plate.serial, validity)
    camera = Console(plate, identity, clock=CameraClock(-BEHIND_S))
    with Adapter(view.vm, camera, port=PORT, serial=SERIAL) as adapter:
        asking = Asking(view)
        facts = asking.next()
        sighting = facts["sighting"]
        assert sighting["port"].endswith(f"-{PORT}")
        assert sighting["address"] == "/dev/ttyUSB0"
        assert {"vendor_id": "0403", "product_id": "6001", "serial": SERIAL}.items() <= sighting["facts"].items()
        assert facts["identity"] == {"serial": plate.serial, "model": plate.model, "firmware": plate.firmware}
        assert facts["battery"] == [80, True]
        assert abs(facts["offset_ms"] + BEHIND_S * 1000) < 10_000
        said = PROOF.format(serial=plate.serial, nonce=facts["nonce"]).encode()
        key = identity.key.public_key()
        key.verify(bytes.fromhex(facts["proof"]), said, ec.ECDSA(hashes.SHA256()))
        assert len(camera.clock_sets) == 1
        assert abs(facts["offset_after_ms"]) < 10_000
        assert camera.release == Release("SAFE", "you can take it")
        adapter.unplug()
        assert asking.next() == {"after": "gone"}
        asking.thread.join()
    print("\n".join(f"{one.request} -> {one.answer}" for one in camera.transcript))
