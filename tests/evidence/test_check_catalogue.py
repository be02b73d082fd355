"""A store's catalogue against its clip records, where the dock's own flow does not lead: second records, strays."""

import base64
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from dockagent.core import plan, strict_json
from dockagent.core.model import ClipPhase
from dockagent.core.review import catalogue
from dockagent.core.review.catalogue import Cataloguer
from dockagent.evidence.check_catalogue import check_catalogue
from dockagent.evidence.report import Report
from dockagent.ledger.keys import Keys
from dockagent.steps.admit import admit
from tests.core.story import clip_in, one_clip
from tests.simulation.memory_disk import MemoryDisk
from tests.steps.card import Card, OneBay, world_over

MASTER = b"a master"


def record(site: str = "station 4", dock: str = "dock-7") -> bytes:
    """A clip record that calls for a line."""
    disk = MemoryDisk(Random(0))
    written = Cataloguer(dock, site, f"dockagent.local/{dock}")
    clip = replace(one_clip(clip_in(ClipPhase.PREVIEWED)), sha256=hashlib.sha256(MASTER).hexdigest())
    keys = Keys.create(MemoryDisk(Random(0)), dock, Random(1).randbytes)
    admit(world_over(disk, OneBay(Card(b"")), catalogue=written, keys=keys), clip)
    return disk.read(f"{plan.spool_folder(clip.id)}/record.json")


def line(of: bytes) -> tuple[str, bytes]:
    found = catalogue.line(of)
    assert found is not None
    return found


def put(store: Path, key: str, data: bytes) -> Path:
    file = store / key
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """One clip with its line."""
    said = record()
    put(tmp_path, "clips/BWC-0001/2026/11/18/c1/record.json", said)
    put(tmp_path, "clips/BWC-0001/2026/11/18/c1/master", MASTER)
    put(tmp_path, *line(said))
    return tmp_path


def words(store: Path) -> tuple[str, str]:
    report = checked(store)
    return report.verdicts["intact"].word, report.verdicts["complete"].word


def checked(store: Path) -> Report:
    report = check_catalogue("store", store)
    assert report is not None
    return report


def test_no_catalogue_is_nothing_to_speak_of(tmp_path: Path) -> None:
    assert check_catalogue("store", tmp_path) is None


def test_a_line_for_each_record_is_good(store: Path) -> None:
    assert words(store) == ("pass", "pass")


def test_a_clip_that_is_still_on_its_way_misses_nothing(store: Path) -> None:
    key, _ = line(record())
    (store / "clips/BWC-0001/2026/11/18/c1/master").unlink()
    assert words(store) == ("pass", "pass")
    (store / key).unlink()
    assert check_catalogue("store", store) is None


@pytest.mark.parametrize("first_line_came", [True, False])
def test_a_record_that_was_signed_again(store: Path, *, first_line_came: bool) -> None:
    """Its line lies beside the first, or in its place where that never came."""
    second = record("station 5")
    key, data = line(second)
    put(store, "clips/BWC-0001/2026/11/18/c1/record.json.9ad12c96", second)
    put(store, catalogue.again(key, data) if first_line_came else key, data)
    assert words(store) == ("pass", "pass")
    put(store, catalogue.again(key, b"x"), data)
    assert words(store) == ("fail", "pass")


def test_a_record_that_was_lost_leaves_a_line_that_counts_for_nothing(store: Path) -> None:
    """As when a store lost its clips, but not its catalogue, and got them again."""
    second = record("station 5")
    key, data = line(second)
    (store / "clips/BWC-0001/2026/11/18/c1/record.json").write_bytes(second)
    assert words(store) == ("fail", "fail")  # only the old line is here
    put(store, catalogue.again(key, data), data)
    assert words(store) == ("pass", "pass")
    assert checked(store).findings == (
        f"{key} is of no record that is here: the clip was recorded anew, and has another line",
    )


def test_another_docks_line_is_its_own(store: Path) -> None:
    other = record(dock="dock-8")
    put(store, "clips/BWC-0001/2026/11/18/c1/record.json.0badc0de", other)
    assert words(store) == ("pass", "fail")
    assert "catalogue/dock-8/" in checked(store).verdicts["complete"].why
    put(store, *line(other))
    assert words(store) == ("pass", "pass")


def test_a_link_is_no_line(store: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    key, data = line(record())
    elsewhere = put(tmp_path_factory.mktemp("elsewhere"), "line", data)
    (store / key).unlink()
    (store / key).symlink_to(elsewhere)
    assert words(store) == ("fail", "fail")


def test_a_stray_file_is_said_by_name(store: Path) -> None:
    put(store, "catalogue/notes.txt", b"hello")
    assert "catalogue/notes.txt has no record" in checked(store).verdicts["intact"].why


def test_a_record_whose_line_cannot_be(store: Path) -> None:
    put(store, "clips/BWC-0001/2026/11/18/c2/record.json", b"{}")
    assert "c2/record.json: " in checked(store).verdicts["intact"].why


def test_a_record_whose_subjects_are_no_list_is_said(tmp_path: Path) -> None:
    envelope = json.loads(record())
    statement = json.loads(base64.b64decode(envelope["payload"])) | {"subject": 5}
    envelope["payload"] = base64.b64encode(strict_json.canonical(statement)).decode()
    put(tmp_path, "clips/a/record.json", strict_json.canonical(envelope))
    report = check_catalogue("store", tmp_path)
    assert report is not None
    assert report.verdicts["intact"].word == "fail"
    assert "contradicts itself" in report.verdicts["intact"].why
