"""The cards of a rig: a medium for each camera, kept from plug to plug, and how far it was read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hil.cameras.specimen import Specimen
from hil.cameras.usb.mtp_card import MtpStorage, reach_of, sectors_of
from hil.cameras.usb.reach import Reach
from hil.rigs.faults import Script
from hil.rigs.medium import Medium, card_digest, copy_sparse, digest, medium_of


@dataclass(slots=True)
class Card:
    """``path``: the image as the camera has it now, made from ``medium``; ``reach``: how far it was read."""

    medium: Medium
    path: Path
    reach: Reach


class Cards:
    """Cards of cameras by name, in ``folder``. ``writable``: each is a copy of its own that may be written to.

    A camera that comes again with the script that it came with the last time goes on in it; with another script it
    begins anew, and all its medium counts as unread. When the files of its card have changed, it gets a new medium, of
    which nothing counts as read, and goes on in its script.
    """

    def __init__(self, folder: Path, *, writable: bool) -> None:
        self._folder, self._writable = folder, writable
        self._cards: dict[str, Card] = {}
        self._files: dict[str, tuple[str, Reach]] = {}

    def card(self, camera: Specimen, faults: Script | None = None) -> Card:
        """A camera's card as a medium, following ``faults``; None: whatever it followed. Raises as
        :func:`hil.rigs.medium.medium_of` does."""
        medium = medium_of(camera, self._folder / "media")
        card = self._cards.get(camera.name)
        if card is None:
            card = Card(medium, self._own(camera, medium), _reach_of(medium, faults))
            self._cards[camera.name] = card
        elif card.medium.path != medium.path:
            card.medium, card.path = medium, self._own(camera, medium)
            card.reach.changed(medium.sectors, medium.contents)
        if faults is not None and card.reach.script != faults:
            card.reach = _reach_of(medium, faults)
        return card

    def files(self, camera: Specimen, faults: Script) -> Reach:
        """How far the files of a camera were read that shows no medium, but files (MTP)."""
        now, storages = card_digest(camera.card), [MtpStorage(camera.card)]
        before, reach = self._files.get(camera.name, (now, None))
        if reach is None or reach.script != faults:
            reach = reach_of(storages, faults)
        elif before != now:
            reach.changed(sectors_of(storages))
        self._files[camera.name] = (now, reach)
        return reach

    def digest(self, camera: Specimen) -> str:
        """What lies on a camera's cards now, in all its modes."""
        modes = (camera,) if camera.then is None else (camera, camera.then)
        digests = {
            digest(self.card(mode).path) if "storage" in mode.functions else card_digest(mode.card) for mode in modes
        }
        return "+".join(sorted(digests))

    def _own(self, camera: Specimen, medium: Medium) -> Path:
        if not self._writable:
            return medium.path
        path = self._folder / f"{camera.name}.img"
        path.unlink(missing_ok=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        copy_sparse(medium.path, path)
        return path


def _reach_of(medium: Medium, faults: Script | None) -> Reach:
    return Reach(faults or Script(), medium.sectors, medium.contents)
