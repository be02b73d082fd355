"""What is printed on a camera: who made it, which one it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Plate:
    """The four strings of `camera.json`, of a manifest's `camera` and of the console's `ID`."""

    serial: str = "BWC-0001"
    maker: str = "Reference"
    model: str = "BWC-1"
    firmware: str = "1.4.2"

    def as_json(self) -> dict[str, str]:
        """The plate as the object that camera.json and the manifest hold."""
        return asdict(self)
