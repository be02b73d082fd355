"""The catalogue's lines: made of the signed clip record alone, typed as the page says; and how officers are known."""

import hashlib
import hmac
import re
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from dockagent.core import plan, strict_json
from dockagent.core.camera import statement
from dockagent.core.camera.statement import Claim
from dockagent.core.model import Attribution, Clip, ClipPhase
from dockagent.core.moment import rfc3339
from dockagent.core.officers import PLAIN, Officers
from dockagent.core.proof import dsse
from dockagent.core.review import catalogue
from dockagent.core.review.catalogue import Cataloguer
from dockagent.errors import Refused, UsageError
from dockagent.ledger.keys import Keys
from dockagent.steps.admit import admit
from tests.core.story import NOW, clip_in, one_clip, reading
from tests.simulation.memory_disk import MemoryDisk
from tests.steps.card import Card, OneBay, world_over

PAGE = Path(__file__).parents[2] / "docs" / "review.md"
DOCK = Cataloguer("dock-7", "station 4", "dockagent.local/dock-7")
ABOUT = Attribution(4, "Reference", "BWC-1", "A", NOW, NOW - 5, "signed", "Europe/London", "4711", "signed", "traffic")
TYPES: dict[str, tuple[type, ...]] = {
    "VARCHAR": (str,),
    "BIGINT": (int,),
    "BOOLEAN": (bool,),
    "TIMESTAMPTZ": (str, type(None)),
}


def a_clip(**changed: Any) -> Clip:
    return replace(one_clip(clip_in(ClipPhase.PREVIEWED)), about=ABOUT, **changed)


def recorded(clip: Clip, dock: Cataloguer | None = DOCK) -> bytes:
    """Its clip record, as the dock signs it."""
    disk = MemoryDisk(Random(0))
    admit(world_over(disk, OneBay(Card(b"")), catalogue=dock), clip)
    return disk.read(f"{plan.spool_folder(clip.id, clip.quarantine)}/record.json")


def test_a_line_has_every_column_with_its_type() -> None:
    record = recorded(a_clip())
    found = catalogue.line(record)
    assert found is not None
    key, line = found
    row = strict_json.parse(line)
    assert key == "catalogue/dock-7/2026/11/18/c1.ndjson"
    assert line == strict_json.canonical(row) + b"\n"
    assert row.keys() == catalogue.COLUMNS.keys()
    for name, kind in catalogue.COLUMNS.items():
        assert type(row[name]) in TYPES[kind], name
    assert row["record_sha256"] == hashlib.sha256(record).hexdigest()
    assert (row["officer"], row["officer_by"], row["start"]) == ("4711", "signed", rfc3339(NOW - 5))
    assert (row["site"], row["bay"], row["acquire_entry"], row["folder"]) == (
        "station 4",
        "A",
        4,
        "clips/BWC-0001/2026/11/18/c1",
    )


def test_the_page_has_the_same_columns_and_types() -> None:
    (view,) = re.findall(r"columns = \{(.*?)\}", PAGE.read_text(), re.DOTALL)
    assert dict(re.findall(r"(\w+): '(\w+)'", view)) == catalogue.COLUMNS


@pytest.mark.parametrize("ms", [-(2**53) + 1, 2**53 - 1])
def test_a_time_that_no_calendar_has_is_null(ms: int) -> None:
    found = catalogue.line(recorded(a_clip(mtime_ms=ms)))
    assert found is not None
    assert found[0] == "catalogue/dock-7/1970/01/01/c1.ndjson"
    assert strict_json.parse(found[1])["file_time"] is None


def test_a_dock_that_writes_none_and_an_old_record_call_for_no_line() -> None:
    assert catalogue.line(recorded(a_clip(), None)) is None


def test_what_is_no_record_is_refused() -> None:
    keys = Keys.create(MemoryDisk(Random(0)), "dock-7", Random(1).randbytes)
    for data in (b"", b"{}", keys.sign_statement(b"[]"), keys.sign_statement(b'{"predicate":{"catalogue":[]}}')):
        with pytest.raises(Refused):
            catalogue.line(data)


@pytest.mark.parametrize("name", ["clip_id", "camera", "path", "role", "recording", "belongs_to", "sha256", "dock"])
def test_a_record_that_contradicts_its_own_line_is_refused(name: str) -> None:
    said = strict_json.parse(dsse.parse(recorded(a_clip())).payload)
    said["predicate"]["catalogue"]["line"][name] = "another"
    keys = Keys.create(MemoryDisk(Random(0)), "dock-7", Random(1).randbytes)
    with pytest.raises(Refused, match=f"has another {name}"):
        catalogue.line(keys.sign_statement(strict_json.canonical(said)))


def test_a_second_line_of_one_dock_has_a_name_of_its_own() -> None:
    digest = hashlib.sha256(b"line").hexdigest()
    assert catalogue.again("catalogue/d/1970/01/01/c.ndjson", b"line") == (
        f"catalogue/d/1970/01/01/c.{digest[:8]}.ndjson"
    )


# ---- officers -------------------------------------------------------------------------------------------------------

SECRET = b"0123456789abcdef"


def test_plain_keyed_and_none() -> None:
    digest = hmac.new(SECRET, b"4711", hashlib.sha256).hexdigest()
    assert PLAIN.known_as("4711") == "4711"
    assert Officers("keyed", SECRET).known_as("4711") == f"k-{digest[:24]}"
    assert Officers("keyed", SECRET + b"!").known_as("4711") != f"k-{digest[:24]}"
    assert Officers("none").known_as("4711") == ""
    assert {Officers(keep, SECRET).known_as("") for keep in ("plain", "keyed", "none")} == {""}


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 16"):
        Officers("keyed", SECRET[:-1])


def test_a_manifests_officers_pass_the_same_door() -> None:
    found = reading(1)
    assert found.manifest is not None
    clips = {path: msgspec.structs.replace(one, officer="4711") for path, one in found.manifest.clips.items()}
    found = msgspec.structs.replace(found, manifest=msgspec.structs.replace(found.manifest, clips=clips))

    def officers(kept: Officers) -> set[str]:
        manifest = kept.in_reading(found).manifest
        return {one.officer for one in manifest.clips.values()} if manifest else set()

    assert officers(PLAIN) == {"4711"}
    assert officers(Officers("none")) == {""}
    assert officers(Officers("keyed", SECRET)) == {Officers("keyed", SECRET).known_as("4711")}
    assert Officers("none").in_reading(reading(1, valid=False)).manifest is None


# ---- what cameras state ---------------------------------------------------------------------------------------------


def claim(**said: Any) -> Claim:
    name = "DCIM/a.MP4"
    clip = {"name": name, "counter": 1, "bytes": 5, "start": "2026-11-22T08:15:00Z", **said}
    raw = {
        "_type": statement.STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": "ab" * 32}}],
        "predicateType": statement.PREDICATE,
        "predicate": {
            "camera": {"serial": "BWC-1"},
            "sequence": 1,
            "created": "2026-11-22T16:00:00Z",
            "clips": [clip],
        },
    }
    return statement.parse(strict_json.canonical(raw)).clips[name]


def test_a_camera_may_state_officer_category_and_mark() -> None:
    found = claim(officer="4711", category="traffic", marked=True)
    assert (found.officer, found.category, found.marked) == ("4711", "traffic", True)
    assert (claim().officer, claim().category, claim().marked) == ("", "", False)


@pytest.mark.parametrize("said", [7, None, ["4711"], {"id": "4711"}, "x" * 129, "a\nb", "a\u202eb"])
def test_what_cannot_be_used_is_left_out_and_the_manifest_stays_good(said: Any) -> None:
    found = claim(officer=said, category=said, marked=said)
    assert (found.officer, found.category, found.marked) == ("", "", False)
    assert found.sha256 == "ab" * 32


def test_a_name_in_a_persons_act_goes_through_the_same_door() -> None:
    keyed = Officers("keyed", SECRET)
    assert keyed.let_in("4711") == keyed.known_as("4711") == keyed.let_in(keyed.known_as("4711"))
    assert PLAIN.let_in("4711") == "4711"
    assert {Officers(keep, SECRET).let_in("") for keep in ("plain", "keyed", "none")} == {""}
    with pytest.raises(Refused, match="keeps no officers"):
        Officers("none").let_in("4711")
