"""Files of a :class:`dockagent.durable.Disk`, written and read back by tests."""

from dockagent.durable import Disk


def append(disk: Disk, path: str, *pieces: bytes) -> None:
    """What the pieces make goes to the end of the file, synced."""
    with disk.append(path) as file:
        for piece in pieces:
            file.write(piece)
        file.sync()


def tree(disk: Disk, folder: str = "") -> dict[str, bytes]:
    """Every file by path, also those that no caller named."""
    found: dict[str, bytes] = {}
    for name in disk.names(folder):
        path = f"{folder}/{name}" if folder else name
        if disk.size(path) is None:
            found |= tree(disk, path)
        else:
            found[path] = disk.read(path)
    return found
