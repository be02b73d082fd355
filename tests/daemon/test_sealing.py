"""A dock that seals: what is in the store opens for the agency alone, with age itself, and nothing else stays."""

import base64
import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pyrage
import pytest

from hil.cameras.card import Shift
from hil.cameras.footage import Look
from hil.demo import agent
from tests.daemon.box import STARTED, Box, footage, noise, tree

FILMS = Shift(1, start=STARTED, look=Look(seconds=1, width=160, height=120, rate=10))


class Agency:
    """Whoever holds identities, away from the dock."""

    def __init__(self, folder: Path, names: tuple[str, ...] = ("chief", "escrow")) -> None:
        folder.mkdir()
        self.files: dict[str, Path] = {}
        self.recipients: dict[str, str] = {}
        for name in names:
            identity = pyrage.x25519.Identity.generate()
            self.files[name] = folder / f"{name}.key"
            self.files[name].write_text(f"# public key: {identity.to_public()}\n{identity}\n")
            self.recipients[name] = str(identity.to_public())

    def open(self, path: Path, name: str = "chief") -> bytes:
        """What is in a sealed object, by Debian's age, else by pyrage."""
        if shutil.which("age"):
            words: list[str | Path] = ["age", "-d", "-i", self.files[name], path]
            return subprocess.run(words, capture_output=True, check=True, timeout=60).stdout
        secret = self.files[name].read_text().splitlines()[1]
        data: bytes = pyrage.decrypt(path.read_bytes(), [pyrage.x25519.Identity.from_str(secret)])
        return data


@pytest.fixture
def agency(tmp_path: Path) -> Agency:
    return Agency(tmp_path / "agency")


def sealed_masters(box: Box) -> list[Path]:
    return sorted(box.place.store.rglob("master*.age"))


def record(folder: Path) -> Any:
    return json.loads(base64.b64decode(json.loads((folder / "record.json").read_bytes())["payload"]))


def words(box: Box, *more: str | Path) -> Any:
    """What `dockagent verify --json` says of the store, by the dock's own trust file."""
    trust = box.place.root / "trust.json"
    trust.write_text(box.agent.ask("keys", "show", "--json").out)
    return agent.run("verify", box.place.home, box.place.store, "--trust", trust, "--json", *more)


def holds_marker(root: Path, markers: set[bytes]) -> list[str]:
    """Raw files below ``root`` in which any of these bytes are found."""
    files = [path for path in root.rglob("*") if path.is_file()]
    return [str(path) for path in files if any(marker in path.read_bytes() for marker in markers)]


def markers(card: Path) -> set[bytes]:
    """A stretch out of the middle of each clip on a card, and out of each sidecar."""
    found = set()
    for path in (card / "DCIM").rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        if len(data) >= 64:
            found.add(data[len(data) // 2 :][:32])
    return found


def test_all_that_is_stored_opens_for_every_recipient_and_nothing_is_left_in_the_clear(
    box: Box, agency: Agency
) -> None:
    people = box.place.root / "recipients.txt"
    people.write_text(f"# the escrow\n{agency.recipients['escrow']}\n")
    box.configure(preview={"enabled": True}, sealing={"encrypt_to": [agency.recipients["chief"], str(people)]})
    films, noisy = box.camera("BWC-1", "bay1", FILMS), box.camera("BWC-2", "bay2", noise(3, 90_000, "BWC-2"))
    box.agent.start()
    for camera in box.cameras:
        camera.plug()
    box.until_released(2)
    for camera in box.cameras:
        camera.unplug()
    box.until(lambda: not box.left_in_spool())
    assert box.agent.stop() == 0

    cameras = {digest for one in (films, noisy) for digest in footage(one.home).values()}
    for name in agency.recipients:
        opened = {hashlib.sha256(agency.open(path, name)).hexdigest() for path in sealed_masters(box)}
        assert opened == cameras
    secrets = markers(films.home) | markers(noisy.home)
    assert len(secrets) >= 8
    assert holds_marker(films.home, secrets)  # a marker can be found at all
    assert holds_marker(box.place.home, secrets) == []
    assert holds_marker(box.place.store, secrets) == []
    assert not list(box.place.store.rglob("master"))
    previews = {path.name for path in box.place.store.rglob("preview/*")}
    assert {"proxy.mp4.age", "sprite.jpg.age", "storyboard.vtt.age"} <= previews
    assert all(name.endswith(".age") for name in previews)


def test_the_records_say_what_was_sealed_for_whom_and_when_the_plaintext_went(box: Box, agency: Agency) -> None:
    box.configure(sealing={"encrypt_to": [agency.recipients["chief"]]})
    camera = box.camera("BWC-1", "bay1", noise(1, 9000, "BWC-1", sidecars=False))
    box.agent.start()
    camera.plug()
    box.until_released(1)
    box.until(lambda: len(box.records("dispose")) == 2)

    (path,) = sealed_masters(box)
    said = record(path.parent)
    digests = {one["name"]: one["digest"]["sha256"] for one in said["subject"]}
    (sealing,) = said["predicate"]["sealing"]["objects"]
    (plain,) = footage(camera.card).values()
    assert digests["master"] == sealing["of_sha256"] == plain
    assert digests["master.age"] == sealing["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (sealing["of_bytes"], sealing["bytes"]) == (9000, path.stat().st_size)
    assert said["predicate"]["sealing"]["recipients"] == [agency.recipients["chief"]]

    (sealed,), (admitted,), (receipt,) = (box.records(kind) for kind in ("seal", "admit", "receipt"))
    first, last = box.records("dispose")
    assert sealed.index < first.index < admitted.index < receipt.index < last.index
    assert (first.what["what"], first.what["method"]) == ("plaintext", "unlinked plaintext")
    assert last.what["method"] == "sealed copy removed"
    assert receipt.what["receipt"]["sha256"] == sealing["sha256"]
    (row,) = box.json("clips")
    assert row["sealed_to"] == [agency.recipients["chief"]]


def test_what_verify_can_tell_without_and_with_the_identity(box: Box, agency: Agency) -> None:
    box.configure(sealing={"encrypt_to": [agency.recipients["chief"]]})
    camera = box.camera("BWC-1", "bay1", noise(2, 9000, "BWC-1"))
    box.agent.start()
    camera.plug()
    box.until_released(1)
    assert box.agent.stop() == 0

    closed = words(box)
    assert closed.code == 0, closed.out
    clips = [one for one in closed.json()["reports"] if one["kind"] == "clip"]
    assert [one["verdicts"]["content"]["verdict"] for one in clips] == ["unknown"] * 6
    assert {one["verdicts"]["intact"]["verdict"] for one in clips} == {"pass"}

    opened = words(box, "--identity", agency.files["chief"])
    assert opened.code == 0, opened.out
    assert {one["verdicts"]["content"]["verdict"] for one in opened.json()["reports"] if one["kind"] == "clip"} == {
        "pass"
    }
    stranger = words(box, "--identity", agency.files["escrow"])
    assert stranger.code == 0, "as without one"
    assert "none of the identities" in stranger.out
    assert "no identity that was given opens any of 6 sealed clips" in stranger.err

    path = sealed_masters(box)[0]
    data = bytearray(path.read_bytes())
    path.chmod(0o600)
    data[-20] ^= 1
    path.write_bytes(data)
    refuted = words(box, "--identity", agency.files["chief"])
    assert refuted.code == 1
    (bad,) = [one for one in refuted.json()["reports"] if one["result"] == "refuted"]
    assert {name: bad["verdicts"][name]["verdict"] for name in ("intact", "content")} == {
        "intact": "fail", "content": "fail",
    }  # fmt: skip
    shutil.rmtree(path.parent)
    assert "delivered objects are not in the store" in words(box).out


def test_quarantined_clips_are_sealed_too(box: Box, agency: Agency) -> None:
    from hil.cameras import card

    box.configure(sealing={"encrypt_to": [agency.recipients["chief"]]})
    camera = box.camera("BWC-1", "bay1", noise(1, 9000, "BWC-1", sidecars=False))
    card.alter(camera.home, card.clips(camera.home)[0].name, 4000)
    box.agent.start()
    camera.plug()
    box.until_released(1)
    camera.unplug()
    assert box.agent.stop() == 0
    (path,) = (box.place.store / "quarantine").rglob("master*")
    assert hashlib.sha256(agency.open(path)).hexdigest() in footage(camera.home).values()
    (kept,) = (box.place.home / "quarantine").rglob("master*")
    assert (path.name, kept.name) == ("master.age", "master.age")
    assert holds_marker(box.place.home, markers(camera.home)) == []


@pytest.mark.parametrize("restart", [False, True], ids=["same-run", "after-restart"])
def test_the_same_camera_again_is_not_pulled_nor_sealed_again(box: Box, agency: Agency, restart: bool) -> None:
    box.configure(sealing={"encrypt_to": [agency.recipients["chief"]]})
    camera = box.camera("BWC-1", "bay1", noise(2, 20_000, "BWC-1"))
    box.agent.start()
    camera.plug()
    box.until_released(1)
    camera.unplug()
    box.until(lambda: len(box.records("camera.detach")) == 1)
    stored = tree(box.place.store)
    if restart:
        box.agent.stop()
        box.agent.start()
    camera.plug()
    box.until_released(2)
    assert len(box.records("acquire")) == len(box.records("seal")) == 6
    assert {path: facts for path, facts in tree(box.place.store).items() if "ledgers" not in path} == {
        path: facts for path, facts in stored.items() if "ledgers" not in path
    }


def test_another_docks_sealed_copy_of_the_same_clip_lies_beside_ours(box: Box, agency: Agency) -> None:
    """Two docks read the same card: the second meets other ciphertext under its key, and both are good."""
    box.configure(sealing={"encrypt_to": [agency.recipients["chief"]]})
    camera = box.camera("BWC-1", "bay1", noise(1, 9000, "BWC-1", sidecars=False))
    box.agent.start()
    camera.plug()
    box.until_released(1)
    camera.unplug()
    assert box.agent.stop() == 0
    first_home = box.place.home.rename(box.place.root / "first-home")
    box.configure(dock={"id": "box-2"}, sealing={"encrypt_to": [agency.recipients["chief"]]})
    box.agent.start()
    camera.plug()
    box.until_released(1)
    assert box.agent.stop() == 0

    first, other = sorted(sealed_masters(box), key=lambda path: len(path.name))
    assert first.parent == other.parent
    assert other.name == f"master.{hashlib.sha256(other.read_bytes()).hexdigest()[:8]}.age"
    assert agency.open(first) == agency.open(other)
    homes = [first_home, box.place.home]
    known = [agent.run("keys", "show", "--json", "--home", home).json() for home in homes]
    trust = box.place.root / "trust.json"
    trust.write_text(json.dumps({**known[0], "docks": [dock for one in known for dock in one["docks"]]}))
    identity = agency.files["chief"]
    found = agent.run("verify", *homes, box.place.store, "--trust", trust, "--identity", identity, "--json")
    assert f"{other.name} is another sealed copy of this clip, not checked" in found.out
    assert found.out.count("objects that the ledger has receipts for are in the store") == 2
    assert found.code == 0, found.out


def test_sealing_can_begin_and_end_between_two_runs(box: Box, agency: Agency) -> None:
    """What was stored before stays as it is; each clip's record says which it is."""
    first, second = box.camera("BWC-1", "bay1", noise(1, 9000, "BWC-1")), box.camera("BWC-2", "bay1", noise(
        1, 9000, "BWC-2")
    )  # fmt: skip
    for camera, to in ((first, []), (second, [agency.recipients["chief"]])):
        box.configure(sealing={"encrypt_to": to})
        box.agent.start()
        camera.plug()
        count = len(box.records("camera.release")) + 1
        box.until(lambda count=count: len(box.records("camera.release")) >= count)  # type: ignore[misc]
        camera.unplug()
        assert box.agent.stop() == 0
    assert len(box.masters()) == 3
    assert len(sealed_masters(box)) == 3
    found = words(box)
    assert found.code == 0, found.out


@pytest.mark.parametrize("bad", ["age1nonsense", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI kay@station"])
def test_a_dock_that_cannot_seal_does_not_start(box: Box, bad: str) -> None:
    """Fail closed: footage in the clear is not what was asked for."""
    box.configure(sealing={"encrypt_to": [bad]})
    words = ("run", "--config", box.place.config, "--home", box.place.home)
    answer = agent.run(*words)
    assert answer.code == 2
    assert "entry 1 of encrypt_to in [sealing]" in answer.err
    assert "age-keygen" in answer.err
