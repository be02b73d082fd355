"""List a card as far as it can be listed, and read small files from it."""

from dockagent.core.paths import to_bytes
from dockagent.errors import DockError, Gone
from dockagent.transports import FileFact, Footage


def list_card(footage: Footage) -> tuple[list[FileFact], str]:
    """The card's files, and why some of it cannot be listed, or "". Raises Gone when the camera left."""
    files: list[FileFact] = []
    try:
        files.extend(footage.list())
    except Gone:
        raise
    except DockError as err:
        return files, str(err)
    return files, ""


def read_file(footage: Footage, path: str, most: int) -> bytes:
    """Up to ``most`` bytes from the start of a file on the card (``path`` in text form)."""
    pieces = []
    with footage.open(to_bytes(path)) as source:
        while most > 0 and (piece := source.read(most)):
            pieces.append(piece)
            most -= len(piece)
    return b"".join(pieces)
