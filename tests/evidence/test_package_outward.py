"""What a package tells people of failed tries: that they were, and of which kind, but not where the dock's store is."""

from pathlib import Path

import pytest

from hil.cameras import card
from hil.cameras.card import Shift
from hil.cameras.plate import Plate
from tests.evidence.disclosing import Dock


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Of a clip whose store was away at the first try."""
    dock, gate = Dock(tmp_path / "secret-vault"), tmp_path / "secret-vault" / "gate"
    dock.root.mkdir()
    (dock.root / "maker").mkdir()
    (dock.root / "maker" / "root.pem").touch()
    gate.write_text("a file, where the store's folder should be")
    dock.configure(store={"url": (gate / "store").as_uri()}, trust={"camera_roots": []})
    card.film_reference(dock.root / "card", Plate(dock.serial), Shift(1))
    assert dock.run("ingest", dock.root / "card").code != 0
    failed = dock.records("clip.failed")[0]["what"]
    assert "secret-vault" in failed["reason"]
    gate.unlink()
    gate.mkdir()
    done = dock.run("ingest", dock.root / "card")
    assert done.code == 3, "delivered, with the finding that nothing is signed"
    assert dock.disclose(tmp_path / "out", failed["clip_id"]).code == 0
    return tmp_path / "out"


def test_pages_tell_of_failures_and_not_of_places(package: Path) -> None:
    page = next((package / "data" / "report").iterdir()).read_text()
    assert "clip.failed" in page
    assert "a folder appeared at (a place of the dock&#x27;s own)" in page
    pages = [*package.rglob("*.html"), package / "README.txt", package / "data" / "case.jsonld"]
    assert [one.name for one in pages if "secret-vault" in one.read_text()] == []
