"""Cameras that sign, rightly and in every wrong way that hil/ knows: separate verdicts, and only what is in doubt is
kept apart. What each verdict must be is what dockagent/core/camera/manifest.py documents.
"""

import base64
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from hil.cameras.card import Shift, alter, film_reference, sign
from hil.cameras.manifest import Flaw
from hil.cameras.pki import (
    Identity,
    Maker,
    Validity,
    authority_identity,
    expired_identity,
    foreign_identity,
    make_maker,
)
from hil.cameras.plate import Plate
from tests.ingest.bench import Ingested, Station, assert_delivered, sha256, tree

PLATE = Plate()
VALID = Validity(datetime(2020, 1, 1, tzinfo=UTC))
CREATED = datetime(2026, 6, 1, 18, tzinfo=UTC)
SHIFT = Shift(clips=3, size=5000, start=datetime(2026, 6, 1, 8, 15, tzinfo=UTC))
FIRST, SECOND, LAST = (f"DCIM/100BWC/BWC000{n}_20260601T08{15 + 7 * (n - 1):02}00Z.MP4" for n in (1, 2, 3))
EVERY = {FIRST, SECOND, LAST}


@cache
def maker() -> Maker:
    return make_maker("Reference", VALID)


def camera() -> Identity:
    return maker().identity(PLATE.model, PLATE.serial, VALID)


@dataclass(frozen=True, slots=True)
class Scene:
    """A card and a dock that trusts its maker."""

    card: Path
    dock: Station

    def signed(self, identity: Identity | None = None, sequence: int = 7, flaw: Flaw | None = None) -> None:
        sign(self.card, identity or camera(), sequence=sequence, created=CREATED, flaw=flaw)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    root = tmp_path / "root.pem"
    root.write_bytes(maker().root_pem())
    film_reference(tmp_path / "card", PLATE, SHIFT)
    return Scene(tmp_path / "card", Station(tmp_path / "dock", roots=(root,)))


def verdict(run: Ingested, path: str) -> tuple[str, str, str]:
    says = run.rows[path]["verdicts"]
    return says["intact"], says["signature"], says["signer"]


def assert_quarantined(run: Ingested, scene: Scene, paths: set[str]) -> None:
    """Exactly these clips are kept apart, in the store and in the home; all others are delivered as usual."""
    apart = {path for path, row in run.rows.items() if row["state"] == "quarantined"}
    assert apart == paths, {path: row["reason"] for path, row in run.rows.items()}
    assert_delivered(run, scene.card, scene.dock)
    for path, row in run.rows.items():
        assert row["stored"].startswith("quarantine/" if path in paths else "clips/")
        kept = scene.dock.home / "quarantine" / row["clip_id"] / "master"
        assert kept.is_file() == (path in paths)
        if path in paths:
            assert sha256(kept) == row["sha256"]
            assert row["reason"]
    assert run.code == (3 if paths else run.code)


def test_a_good_camera(scene: Scene) -> None:
    scene.signed()
    before = tree(scene.card)
    run = scene.dock.ingest(scene.card)
    assert run.code == 0, run.report["findings"]
    assert_quarantined(run, scene, set())
    assert all(verdict(run, path) == ("pass", "pass", "pass") for path in run.rows)
    assert all(set(run.rows[path]["verdicts"].values()) == {"pass"} for path in EVERY)
    manifest = scene.card / "manifest.dsse.json"
    for path in EVERY:
        beside = (scene.dock.store / run.rows[path]["stored"]).parent
        assert (beside / "manifest.dsse.json").read_bytes() == manifest.read_bytes()
        assert (beside / "chain.pem").read_bytes() == (scene.card / "chain.pem").read_bytes()
    assert tree(scene.card) == before
    scene.dock.verify()


UNREADABLE = {Flaw.SIGNATURE, Flaw.PAYLOAD_TYPE, Flaw.DUPLICATE_KEY, Flaw.FLOAT, Flaw.PATH, Flaw.SAME_SUBJECT}


@pytest.mark.parametrize("flaw", sorted(UNREADABLE | {Flaw.NOT_A_SUBJECT}))
def test_a_manifest_that_proves_nothing(flaw: Flaw, scene: Scene) -> None:
    """Nothing in it is believed: every file is kept apart, with the reason."""
    scene.signed(flaw=flaw)
    run = scene.dock.ingest(scene.card)
    assert_quarantined(run, scene, set(run.rows))
    assert {verdict(run, path) for path in run.rows} == {("unknown", "fail", "unknown")}
    scene.dock.verify(code=3)


def test_a_wrong_key_id_is_only_a_wrong_hint(scene: Scene) -> None:
    """DSSE: keyid is not authenticated and decides nothing."""
    scene.signed(flaw=Flaw.KEYID)
    run = scene.dock.ingest(scene.card)
    assert_quarantined(run, scene, set())
    assert {verdict(run, path) for path in run.rows} == {("pass", "pass", "pass")}
    assert run.code == 0


def test_a_wrong_digest(scene: Scene) -> None:
    scene.signed(flaw=Flaw.DIGEST)
    run = scene.dock.ingest(scene.card)
    wrong = next(path for path in sorted(run.rows))  # subjects are signed in the order of their names
    assert_quarantined(run, scene, {wrong})
    assert verdict(run, wrong) == ("fail", "pass", "pass")


def test_a_wrong_length(scene: Scene) -> None:
    scene.signed(flaw=Flaw.SIZE)
    run = scene.dock.ingest(scene.card)
    assert_quarantined(run, scene, set())
    assert run.rows[FIRST]["verdicts"]["complete"] == "fail"
    assert run.rows[FIRST]["verdicts"]["intact"] == "pass"
    assert run.code == 3, "a clip whose signed length is not its own must be a finding"


def test_a_clip_that_was_signed_and_is_gone(scene: Scene) -> None:
    scene.signed(flaw=Flaw.MISSING)
    run = scene.dock.ingest(scene.card)
    assert_quarantined(run, scene, set())
    assert run.code == 3
    assert "signed-but-missing" in run.codes


def test_a_clip_that_was_not_signed(scene: Scene) -> None:
    scene.signed(flaw=Flaw.UNLISTED)
    run = scene.dock.ingest(scene.card)
    assert_quarantined(run, scene, set())
    assert run.code == 3
    assert "present-but-unsigned" in run.codes
    assert verdict(run, LAST) == ("unknown", "unsigned", "unsigned")
    assert verdict(run, FIRST) == ("pass", "pass", "pass")


def test_a_gap_in_the_counter(scene: Scene) -> None:
    scene.signed(flaw=Flaw.COUNTER_GAP)
    run = scene.dock.ingest(scene.card)
    assert_quarantined(run, scene, set())
    assert run.code == 3
    assert run.rows[LAST]["verdicts"]["complete"] == "fail"
    assert run.rows[FIRST]["verdicts"]["complete"] == "pass"


def test_another_cameras_manifest(scene: Scene) -> None:
    scene.signed(flaw=Flaw.SERIAL)
    run = scene.dock.ingest(scene.card)
    assert_quarantined(run, scene, set())
    assert {verdict(run, path) for path in EVERY} == {("unknown", "pass", "fail")}
    assert run.code == 3, "a signer that fails must be a finding"


def test_an_old_manifest_again(scene: Scene) -> None:
    scene.signed(sequence=7)
    assert scene.dock.ingest(scene.card).code == 0
    film_reference(scene.card, PLATE, Shift(clips=1, first=4, size=5000, start=datetime(2026, 6, 1, 9, tzinfo=UTC)))
    scene.signed(sequence=7, flaw=Flaw.REPLAY)
    run = scene.dock.ingest(scene.card)
    assert run.code == 3, run.report["findings"]
    assert any("sequence" in finding["text"] for finding in run.report["findings"])
    assert_quarantined(run, scene, set())


@pytest.mark.parametrize("who", ["expired", "foreign", "authority"])
def test_certificates_that_nobody_vouches_for(who: str, scene: Scene) -> None:
    identity = {
        "expired": lambda: expired_identity(maker(), PLATE.model, PLATE.serial, datetime(2024, 1, 1, tzinfo=UTC)),
        "foreign": lambda: foreign_identity(maker(), PLATE.model, PLATE.serial, VALID),
        "authority": lambda: authority_identity(maker(), PLATE.model, PLATE.serial, VALID),
    }[who]()
    scene.signed(identity)
    run = scene.dock.ingest(scene.card)
    assert_quarantined(run, scene, set())
    assert {verdict(run, path) for path in run.rows} == {("unknown", "pass", "fail")}
    assert run.code == 3, "a signer that fails must be a finding"


def test_an_altered_and_a_shortened_clip(scene: Scene) -> None:
    scene.signed()
    alter(scene.card, SECOND, 2500)
    os.truncate(scene.card / LAST, 4000)
    run = scene.dock.ingest(scene.card)
    assert_quarantined(run, scene, {SECOND, LAST})
    assert verdict(run, SECOND) == verdict(run, LAST) == ("fail", "pass", "pass")
    assert run.rows[LAST]["verdicts"]["complete"] == "fail"
    scene.dock.verify(code=3)


def test_a_clip_overwritten_with_another_signed_clip(scene: Scene) -> None:
    """Its bytes are signed, but not under this name: the copy must not pass as the clip that it replaced."""
    scene.signed()
    shutil.copyfile(scene.card / FIRST, scene.card / SECOND)
    run = scene.dock.ingest(scene.card)
    assert verdict(run, FIRST) == ("pass", "pass", "pass")
    assert run.rows[SECOND]["verdicts"]["intact"] == "fail", run.rows[SECOND]["verdicts"]
    assert run.code == 3


def test_an_unsigned_copy_of_a_signed_clip(scene: Scene) -> None:
    """The one that is named in the manifest is proved whichever of them is read first."""
    scene.signed()
    copy = "DCIM/100BWC/BWC0000_20260601T080000Z.MP4"
    shutil.copy2(scene.card / FIRST, scene.card / copy)
    run = scene.dock.ingest(scene.card)
    assert verdict(run, FIRST) == ("pass", "pass", "pass"), run.rows[FIRST]["verdicts"]
    assert run.rows[copy]["verdicts"]["signature"] == "unsigned"
    assert run.code == 3


@pytest.mark.parametrize("chain", ["missing", "empty", "junk", "foreign first"])
def test_a_chain_that_is_no_chain(chain: str, scene: Scene) -> None:
    scene.signed()
    path = scene.card / "chain.pem"
    good = path.read_bytes()
    if chain == "missing":
        path.unlink()
    else:
        junk = b"-----BEGIN CERTIFICATE-----\n" + base64.b64encode(os.urandom(300)) + b"\n-----END CERTIFICATE-----\n"
        other = foreign_identity(maker(), PLATE.model, PLATE.serial, VALID).chain_pem()
        path.write_bytes({"empty": b"", "junk": junk, "foreign first": other + good}[chain])
    run = scene.dock.ingest(scene.card)
    assert_quarantined(run, scene, set(run.rows))
    assert {verdict(run, path) for path in run.rows} == {("unknown", "fail", "unknown")}


@pytest.mark.parametrize("junk", ["40 MB", "deep", "empty", "a folder"])
def test_a_manifest_of_junk(junk: str, scene: Scene) -> None:
    scene.signed()
    path = scene.card / "manifest.dsse.json"
    if junk == "a folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes({"40 MB": b'{"payload":"' + b"A" * (40 << 20), "deep": b"[" * 200_000, "empty": b""}[junk])
    run = scene.dock.ingest(scene.card)
    assert run.code == 3, run.err
    assert len(run.rows) == 9
    assert_delivered(run, scene.card, scene.dock)
    assert all(verdict(run, path)[0] == "unknown" for path in run.rows)
    assert run.seconds < 30


def test_a_dock_without_roots(scene: Scene) -> None:
    scene.signed()
    dock = Station(scene.dock.folder / "rootless")
    run = dock.ingest(scene.card)
    assert run.code in (0, 3), run.err
    assert {verdict(run, path) for path in run.rows} == {("unknown", "pass", "unknown")}
    assert "no maker's root" in str(run.report) or run.code == 3, "nothing tells that this dock was given no root"


def test_no_manifest_at_all(scene: Scene) -> None:
    run = scene.dock.ingest(scene.card)
    assert run.code == 3
    assert "manifest-missing" in run.codes
    assert_quarantined(run, scene, set())


def test_many_wrong_cameras_in_one_dock(scene: Scene) -> None:
    """One home sees a good, a flawed and the good camera again: neither spoils the other's clips or its ledger."""
    scene.signed()
    bad = scene.card.with_name("bad")
    plate = Plate("BWC-0002")
    film_reference(bad, plate, Shift(clips=2, size=5000, seed=2, start=SHIFT.start))
    identity = maker().identity(plate.model, plate.serial, VALID)
    sign(bad, identity, sequence=1, created=CREATED, flaw=Flaw.SIGNATURE)
    assert scene.dock.ingest(scene.card).code == 0
    assert scene.dock.ingest(bad).code == 3
    again = scene.dock.ingest(scene.card)
    assert again.code == 0, again.report["findings"]
    assert scene.dock.count("acquire") == 9 + 6
    scene.dock.verify(code=3)
