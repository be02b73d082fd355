"""The line to a camera, by the kind that its profile names: where it is, and who speaks on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path

from dockagent.clock import Clock
from dockagent.core.camera.profile import Console
from dockagent.errors import Missing
from dockagent.transports import Control
from dockagent.transports.serial_port import ReferenceConsole


@dataclass(frozen=True, slots=True)
class Dialogues:
    """``lines``: bay to ``host:port`` of a camera whose dialogue goes over TCP (a forwarded port of an Android camera).
    ``password_file``: its first line is what such cameras want to hear before they show their
    card; it is read when it is needed."""

    clock: Clock
    lines: Mapping[str, str] = field(default_factory=dict)
    password_file: str = ""

    def on_line(self, console: Console, path: str) -> Control:
        """On a serial line. Raises as ReferenceConsole does."""
        return ReferenceConsole(path, self.clock, console.baud, console.answer_ms, console.tries)

    def of_device(self, console: Console, bay: str, node: str) -> Control | None:
        """With a USB device that shows no card; None where its bay has no line. ``node``: of usbfs.

        Raises Missing for a password that cannot be read, and what opening the line raises.
        """
        if console.kind == "amba-bulk":
            from dockagent.transports import amba_bulk

            return amba_bulk.open_camera(node, self.clock, self._password(console), UTC)
        if bay not in self.lines:
            return None
        if console.kind == "e12-tcp":
            from dockagent.transports.gat_e12 import E12

            return E12(self.lines[bay], self.clock, UTC, self._password(console))
        if console.kind == "zzx-tcp":
            from dockagent.transports.gat_zzx import ZZX

            return ZZX(self.lines[bay], self.clock, self._password(console))
        return None

    def _password(self, console: Console) -> bytes:
        if not console.needs_password:
            return b""
        if not self.password_file:
            raise Missing("this camera wants a password", "name its file: camera_password_file in [bays]")
        try:
            return Path(self.password_file).read_bytes().partition(b"\n")[0].rstrip(b"\r")
        except OSError as err:
            what = f"the cameras' password cannot be read: {err.strerror}"
            raise Missing(what, "check camera_password_file") from err
