"""``dockagent disclose`` and what ``verify`` says of its packages, with a real dock's real footage."""

import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockagent.core import strict_json
from dockagent.core.proof import merkle, tlog_proof
from hil.demo.agent import COMMAND
from tests.evidence.disclosing import GROUNDS, Dock, copy, relist


@pytest.fixture(scope="module")
def dock(tmp_path_factory: pytest.TempPathFactory) -> Dock:
    made = Dock(tmp_path_factory.mktemp("dock"))
    made.configure()
    made.film()
    return made


@pytest.fixture(scope="module")
def package(dock: Dock) -> Path:
    out = dock.root / "package"
    done = dock.disclose(out, dock.clips()[0]["clip_id"])
    assert done.code == 0, done.err
    return out


@pytest.fixture
def altered(package: Path, tmp_path: Path) -> Path:
    return copy(package, tmp_path / "altered")


def below(package: Path, *names: str) -> Path:
    """The one clip's file."""
    return next((package / "data" / "clips").iterdir()).joinpath(*names)


def test_a_package_is_whole_and_its_digest_is_in_the_ledger(dock: Dock, package: Path) -> None:
    clip = dock.clips()[0]
    master = below(package, "master.mp4").read_bytes()
    assert (below(package).name, hashlib.sha256(master).hexdigest()) == (clip["clip_id"], clip["sha256"])
    assert below(package, "preview", "sprite.jpg").is_file()
    made = hashlib.sha256((package / "tagmanifest-sha256.txt").read_bytes()).hexdigest()
    asked, done = dock.records("disclose.ask", "disclose")[:2]
    assert (done["what"]["package_sha256"], done["what"]["asked"]) == (made, asked["index"])
    assert asked["why"] | {"policy": ""} == {
        "purpose": "R v Smith", "basis": "CPIA 1996 s.3", "authority": "DI Jones", "recipient": "Defence", "policy": "",
    }  # fmt: skip
    assert asked["who"]["actor"] == "person"
    beside = json.loads(package.with_name("package.record.json").read_bytes())
    assert json.loads(base64.b64decode(beside["payload"])) == done
    code, reports = dock.verify(package)
    assert code == 0
    assert {kind: one["result"] for kind, one in reports.items()} == dict.fromkeys(
        ("package", "clip", "records"), "good"
    )
    assert "names it" in reports["package"]["verdicts"]["signature"]["why"]
    assert any("names this very clip record" in fact for fact in reports["clip"]["facts"])


def test_nothing_of_other_clips_is_in_it(dock: Dock, package: Path) -> None:
    """But for the camera's manifest, which is one signed text about the whole card; docs/disclosure.md says so."""
    mine, *others = dock.clips()
    others += dock.clips(".GPS") + dock.clips(".THM")
    words = [str(one[key]) for one in others for key in ("clip_id", "sha256", "path") if one["path"] != mine["path"]]
    assert len(words) == 24
    for file in package.rglob("*"):
        if file.is_file() and file.name != "manifest.dsse.json":
            data = file.read_bytes()
            if file.name.endswith((".dsse.json", ".sigstore.json", "record.json")):
                said = json.loads(data)
                data += base64.b64decode(said.get("dsseEnvelope", said)["payload"])
            assert [word for word in words if word.encode() in data] == [], file
    withheld = [json.loads(file.read_bytes()) for file in package.rglob("*.withheld.json")]
    assert [(one["type"], one["withheld"]) for one in withheld] == [
        ("camera.inventory", "it lists 11 other files of the card")
    ]


def test_the_listing_is_shown_when_it_is_asked_for(dock: Dock, tmp_path: Path) -> None:
    clip = dock.clips()[1]["clip_id"]
    assert dock.disclose(tmp_path / "out", clip, "--listing").code == 0
    assert not list((tmp_path / "out").rglob("*.withheld.json"))
    assert dock.verify(tmp_path / "out")[0] == 0


def test_several_clips_share_the_records_of_their_stay(dock: Dock, tmp_path: Path) -> None:
    ids = [row["clip_id"] for row in dock.clips()[:2]]
    assert dock.disclose(tmp_path / "out", *ids).code == 0
    assert sorted(path.name for path in (tmp_path / "out" / "data" / "clips").iterdir()) == sorted(ids)
    pages = [(tmp_path / "out" / "data" / "report" / f"{one}.html").read_text() for one in ids]
    assert all("camera.attach" in page for page in pages)
    assert dock.verify(tmp_path / "out")[0] == 0


def test_an_earlier_disclosure_of_other_clips_too_is_withheld(dock: Dock, tmp_path: Path) -> None:
    one, two = (row["clip_id"] for row in dock.clips()[1:3])
    assert dock.disclose(tmp_path / "both", one, two).code == 0
    assert dock.disclose(tmp_path / "one", one).code == 0
    withheld = [json.loads(file.read_bytes()) for file in (tmp_path / "one").rglob("*.withheld.json")]
    assert "it also names 1 clips that are not disclosed here" in {said["withheld"] for said in withheld}
    assert dock.verify(tmp_path / "one")[0] == 0


def test_grounds_are_needed_and_nothing_is_overwritten(dock: Dock, package: Path, tmp_path: Path) -> None:
    clip = dock.clips()[0]["clip_id"]
    done = dock.run("disclose", clip, "--out", tmp_path / "out", *GROUNDS[:-2])
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "--recipient" in done.err
    before = sorted(path.name for path in package.rglob("*"))
    assert dock.disclose(package, clip).code == 2
    assert sorted(path.name for path in package.rglob("*")) == before
    (tmp_path / "out.tlog-proof").touch()
    assert dock.disclose(tmp_path / "out", clip).code == 2
    assert dock.disclose(tmp_path / "no" / "out", clip).code == 2


@pytest.mark.parametrize("name", ["ffffffff", "00"])
def test_an_unknown_clip_is_one_line(dock: Dock, tmp_path: Path, name: str) -> None:
    done = dock.disclose(tmp_path / "out", name)
    assert (done.code, done.err.count("\n")) == ({"ffffffff": 4, "00": 2}[name], 1)
    assert not list(tmp_path.iterdir())


def test_a_damaged_master_is_not_handed_out(dock: Dock, tmp_path: Path) -> None:
    row = dock.clips()[2]
    stored = next((dock.root / "store").rglob(f"{row['clip_id']}/master"))
    data = stored.read_bytes()
    try:
        stored.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        done = dock.disclose(tmp_path / "out", row["clip_id"])
    finally:
        stored.write_bytes(data)
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "not what the dock signed" in done.err
    assert not list(tmp_path.iterdir())
    failed = dock.records("disclose.failed")[-1]
    assert (failed["outcome"], failed["what"]["clips"]) == ("failure", [row["clip_id"]])


def test_a_store_that_is_away_is_one_line(dock: Dock, tmp_path: Path) -> None:
    away, store = dock.root / "away", dock.root / "store"
    store.rename(away)
    try:
        done = dock.disclose(tmp_path / "out", dock.clips()[0]["clip_id"])
    finally:
        away.rename(store)
    assert (done.code, done.err.count("\n")) == (4, 1)
    assert not list(tmp_path.iterdir())


def test_an_interrupted_one_leaves_nothing_but_its_record(dock: Dock, tmp_path: Path) -> None:
    """The master comes through a pipe that gives nothing, so that the work stands still until the signal."""
    row = dock.clips()[0]
    stored = next((dock.root / "store").rglob(f"{row['clip_id']}/preview/proxy.mp4"))
    kept = stored.rename(stored.with_name("kept"))
    os.mkfifo(stored.with_name("pipe"))
    stored.symlink_to("pipe")
    before = len(dock.records("disclose.failed"))
    try:
        words: list[str | Path] = ["disclose", row["clip_id"], "--config", dock.root / "dockagent.toml"]
        child = subprocess.Popen([COMMAND, *words, "--out", tmp_path / "out", *GROUNDS], stderr=subprocess.PIPE)
        end = time.monotonic() + 60
        while not list(tmp_path.glob(".out.*.part/bag/data/clips/*/manifest.dsse.json")):
            assert child.poll() is None and time.monotonic() < end
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=60)
    finally:
        stored.unlink()
        stored.with_name("pipe").unlink()
        kept.rename(stored)
    assert (child.returncode, err.count(b"\n")) == (130, 1), err
    assert not list(tmp_path.iterdir())
    failed = dock.records("disclose.failed")
    assert len(failed) == before + 1
    assert "SIGINT" in failed[-1]["what"]["reason"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=65M", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_leaves_nothing_but_its_record(dock: Dock, small_disk: Path) -> None:
    """There seems to be room, and then there is not: somebody else fills it while the package is made."""
    clip = dock.clips()[0]["clip_id"]
    subprocess.run(["mount", "-o", "remount,nr_inodes=24", small_disk], check=True)
    before = len(dock.records("disclose.failed"))
    done = dock.disclose(small_disk / "out", clip)
    assert (done.code, done.err.count("\n")) == (4, 1), done.err
    assert not list(small_disk.iterdir())
    assert len(dock.records("disclose.failed")) == before + 1
    (small_disk / "big").write_bytes(bytes(4 << 20))
    done = dock.disclose(small_disk / "out", clip)
    assert done.code == 4
    assert "free" in done.err


def test_without_what_lies_beside_nobody_can_tell(dock: Dock, altered: Path) -> None:
    altered.with_name("altered.tlog-proof").unlink()
    code, reports = dock.verify(altered)
    assert code == 4
    assert reports["package"]["verdicts"]["signature"]["verdict"] == "unknown"
    assert {reports[kind]["result"] for kind in ("clip", "records")} == {"good"}


def test_a_package_with_new_lists_is_not_the_one_that_was_handed_out(dock: Dock, altered: Path) -> None:
    (altered / "README.txt").write_text("Nothing to see.")
    relist(altered)
    code, reports = dock.verify(altered)
    assert code == 1
    assert "not the package that was handed out" in reports["package"]["verdicts"]["intact"]["why"]
    assert reports["records"]["result"] == "good"


def test_a_record_that_was_taken_out_is_missed(dock: Dock, altered: Path) -> None:
    for file in altered.glob("data/records/*-receipt.*"):
        file.unlink()
    relist(altered)
    assert dock.verify(altered)[0] == 1


def _flip(data: bytes) -> bytes:
    place = data.index(b'"payload":"') + 60
    return data[:place] + (b"B" if data[place : place + 1] != b"B" else b"C") + data[place + 1 :]


@pytest.mark.parametrize(
    ("pattern", "kind", "aspect"),
    [
        ("data/records/*-acquire.dsse.json", "records", "intact"),
        ("data/records/*-acquire.sigstore.json", "records", "intact"),
        ("data/clips/*/record.json", "clip", "signature"),
    ],
)
def test_an_altered_envelope_is_refuted(dock: Dock, altered: Path, pattern: str, kind: str, aspect: str) -> None:
    file = next(altered.glob(pattern))
    file.write_bytes(_flip(file.read_bytes()))
    relist(altered)
    code, reports = dock.verify(altered)
    assert code == 1
    assert reports[kind]["verdicts"][aspect]["verdict"] == "fail"


def test_altered_footage_with_new_lists_is_refuted_by_the_clip_record(dock: Dock, altered: Path) -> None:
    master = below(altered, "master.mp4")
    data = bytearray(master.read_bytes())
    data[len(data) // 2] ^= 1
    master.write_bytes(data)
    relist(altered)
    _, reports = dock.verify(altered)
    assert reports["clip"]["verdicts"]["intact"]["verdict"] == "fail"


def test_a_proof_of_another_record_is_refuted(dock: Dock, altered: Path) -> None:
    one, two = sorted(altered.glob("data/records/*.tlog-proof"))[:2]
    shutil.copy(two, one)
    relist(altered)
    _, reports = dock.verify(altered)
    assert reports["records"]["verdicts"]["intact"]["verdict"] == "fail"


def test_another_docks_package_is_not_ours(dock: Dock, package: Path, tmp_path: Path) -> None:
    """A thief's dock with the same name makes a package of its own; its keys are not in the trust file."""
    other = Dock(tmp_path / "other")
    other.root.mkdir()
    other.configure()
    other.film(1)
    assert other.disclose(tmp_path / "out", other.clips()[0]["clip_id"]).code == 0
    assert other.verify(tmp_path / "out")[0] == 0
    code, reports = dock.verify(tmp_path / "out")
    assert code == 1
    assert {one["verdicts"]["signer"]["verdict"] for one in reports.values()} == {"fail"}


def test_the_case_file_with_a_time_without_zone_is_named(dock: Dock, altered: Path) -> None:
    file = altered / "data" / "case.jsonld"
    file.write_text(file.read_text().replace('Z"', '"', 1))
    relist(altered)
    _, reports = dock.verify(altered)
    assert any("case.jsonld" in finding for finding in reports["package"]["findings"])


def test_a_quarantined_clip_needs_to_be_named_as_such(tmp_path: Path) -> None:
    dock = Dock(tmp_path)
    dock.configure()
    (tmp_path / "maker").mkdir()
    dock.film(1)
    card = tmp_path / "card"
    film = next((card / "DCIM").rglob("*.MP4"))
    film.write_bytes(film.read_bytes() + b"more")  # the camera signed other bytes
    dock.run("ingest", card)
    row = next(row for row in dock.clips() if row["state"] == "quarantined")
    done = dock.disclose(tmp_path / "out", row["clip_id"])
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "--quarantined" in done.err
    assert dock.disclose(tmp_path / "out", row["clip_id"], "--quarantined").code == 0
    assert "In quarantine" in (tmp_path / "out" / "data" / "report" / f"{row['clip_id']}.html").read_text()
    code, reports = dock.verify(tmp_path / "out")
    assert code == 3
    assert any("quarantine" in finding for finding in reports["clip"]["findings"])


def test_pages_need_nothing_but_themselves(package: Path) -> None:
    for page in [package / "data" / "index.html", *(package / "data" / "report").iterdir()]:
        text = page.read_text()
        assert "<script" not in text
        assert "http" not in text.replace("http-equiv", "")
        assert "default-src 'none'" in text


def test_the_summary_for_programs_is_strict_json(package: Path) -> None:
    said = strict_json.parse((package / "data" / "package.json").read_bytes())
    assert said["clips"][0]["master"] == "master.mp4"


def test_a_ledger_laid_into_a_package_does_not_stand_for_it(dock: Dock, altered: Path) -> None:
    below(altered, "master.mp4").write_bytes(b"another film")
    shutil.copytree(dock.root / "home" / "ledger", altered / "ledger")
    (altered / "keys").mkdir()
    code, reports = dock.verify(altered)
    assert code == 1
    assert reports["package"]["verdicts"]["intact"]["verdict"] == "fail"


def test_a_ledger_laid_beside_a_clip_does_not_stand_for_it(dock: Dock, tmp_path: Path) -> None:
    clip = shutil.copytree(next((dock.root / "store").rglob("record.json")).parent, tmp_path / "clip")
    shutil.copytree(dock.root / "home" / "ledger", clip / "ledger")
    _, reports = dock.verify(clip)
    assert "clip" in reports


@pytest.mark.parametrize("change", [{"type": None}, {"who": []}, {"when": 5}, {"why": "x"}, {"what": {"clips": 5}}])
def test_what_lies_beside_it_may_be_anything(dock: Dock, altered: Path, change: dict[str, object]) -> None:
    """The record is in a log that somebody made up for it."""
    beside, proof = (altered.with_name(f"altered{suffix}") for suffix in (".record.json", ".tlog-proof"))
    envelope = json.loads(beside.read_bytes())
    record = json.loads(base64.b64decode(envelope["payload"])) | change
    envelope["payload"] = base64.b64encode(strict_json.canonical(record)).decode()
    beside.write_bytes(strict_json.canonical(envelope))
    leaves = [merkle.leaf_hash(beside.read_bytes())] * (record["index"] + 1)
    origin, _, _, *rest = tlog_proof.parse(proof.read_bytes()).checkpoint.decode().split("\n")
    head = "\n".join([origin, str(len(leaves)), base64.b64encode(merkle.root(leaves)).decode(), *rest])
    proof.write_bytes(tlog_proof.of(leaves, record["index"], head.encode()).encode())
    code, reports = dock.verify(altered)
    assert (code, reports["package"]["verdicts"]["signature"]["verdict"]) == (1, "fail")
