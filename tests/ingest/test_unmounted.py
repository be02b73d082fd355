"""``dockagent ingest IMAGE`` by somebody who may not mount anything."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.ingest.bench import Station
from tests.transports import volumes

TREE = {"DCIM/100BWC/BWC0001.MP4": os.urandom(3_000_000), "DCIM/100BWC/BWC0002.MP4": os.urandom(70_000)}


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ingest-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def _nobody(station: Station) -> Sequence[str]:
    if os.geteuid() != 0:
        return ()
    os.chown(station.folder, 65534, 65534)
    return ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all")


@pytest.mark.parametrize("kind", ["fat32", "exfat"])
def test_a_plain_user_ingests_an_image(kind: str, open_to_all: Path) -> None:
    image = open_to_all / "card.img"
    if kind == "exfat":
        with volumes.filled(volumes.make(image, kind), kind) as root:
            volumes.write(root, TREE)
    else:
        volumes.fat_without_root(image, TREE, kind)
    before = image.read_bytes()
    station = Station(open_to_all / "dock")
    run = station.ingest(image, prefix=_nobody(station))
    assert {path: row["state"] for path, row in run.rows.items()} == dict.fromkeys(TREE, "delivered"), run.err
    assert run.code in (0, 3), (run.out, run.err)
    assert run.report["safe_to_take"]
    assert image.read_bytes() == before
    again = station.ingest(image, prefix=_nobody(station))
    assert again.code in (0, 3)
    assert station.count("acquire") == len(TREE), "the second time something was read again"


def test_a_plain_user_with_an_image_that_may_not_be_read(open_to_all: Path) -> None:
    image = volumes.fat_without_root(open_to_all / "card.img", TREE)
    image.chmod(0)
    station = Station(open_to_all / "dock")
    run = station.ingest(image, prefix=_nobody(station))
    assert run.code == 1
    assert "cannot read" in run.out + run.err
    assert "Permission denied" in run.out + run.err
