"""The commands that a clip's page prints, copied out of it and run in their order: good packages pass, each forged one
is caught by the command that is there for it."""

import base64
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from dockagent.disclosure import commands as shell
from hil.cameras import card
from hil.cameras.card import Shift
from hil.cameras.keyring import identity_in, maker_in
from hil.cameras.plate import Plate
from hil.central.tsa import Tsa
from tests.evidence.disclosing import VALID, Dock, copy
from tests.evidence.page_forgeries import (
    Scene,
    a_film_elsewhere,
    a_shorter_list,
    a_weak_list,
    another_checkpoint,
    another_clips_record,
    custody_record,
    manifest_of_other_footage,
    master_and_its_digest,
    no_beside,
    note_of_another_root,
    older_record,
    one_file_less,
    one_file_more,
    one_that_is_called_as_a_list,
    proof_beside,
    record_and_its_film,
    record_beside,
    record_of_another_package,
    self_made_checkpoint,
    self_made_note,
    stamp_of_another,
    strangers_manifest,
)
from tests.evidence.paging import bring, commands, page_of, run, without
from tests.outside import absent

BEGIN, KEYS, FOOTAGE, RECORDS, CAMERA, TIME, WHOLE = range(7)  # the page's commands, in their order


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    for tool in ("jq", "openssl", "python3", "sha256sum"):
        if shutil.which(tool) is None:
            absent(tool)
    root = tmp_path_factory.mktemp("dock")
    with ExitStack() as stack:
        (root / "tsa").mkdir()
        tsa = stack.enter_context(Tsa(root / "tsa"))
        dock = Dock(root)
        dock.configure(timestamps={"url": tsa.url, "roots": [str(tsa.root_pem)]})
        dock.film(2)
        for name, row in zip(("package", "other"), dock.clips(), strict=True):
            done = dock.disclose(root / name, row["clip_id"])
            assert done.code == 0, done.err
        bring(root / "package", trust=dock.trust(), maker=root / "maker" / "root.pem", tsa=tsa.root_pem)
        manifest, stranger = (_resigned(dock, by) for by in ("maker", "thief"))
        yield Scene(dock, root / "package", root / "other", manifest, stranger)


def _resigned(dock: Dock, by: str) -> Path:
    """A card with altered footage under the same names, signed by the dock's camera, or by one of another maker."""
    place, keys = dock.root / f"card-{by}", dock.root / by
    shutil.copytree(dock.root / "card", place)
    keys.mkdir(exist_ok=True)
    for film in place.rglob("*.MP4"):
        film.write_bytes(film.read_bytes()[:-1] + b"?")
    plate = Plate(dock.serial)
    mine = identity_in(keys, maker_in(keys, "Reference", VALID), plate, VALID)
    card.sign(place, mine, sequence=2, created=Shift(2).begins(3) + timedelta(hours=1))
    return place


@pytest.fixture
def forged(scene: Scene, tmp_path: Path) -> Path:
    """A copy to be forged, with what the reader brought beside it."""
    for file in ("agency.trust", "maker.pem", "tsa.pem"):
        shutil.copy(scene.package.with_name(file), tmp_path / file)
    return copy(scene.package, tmp_path / "forged")


def test_the_good_package_passes_all_of_them(scene: Scene) -> None:
    steps = commands(page_of(scene.package))
    before = sorted(path.name for path in scene.package.rglob("*"))
    ran = run(scene.package, steps)
    assert (ran.code, ran.printed) == (0, [prints for _, prints in steps if prints]), ran.err
    assert len(steps) == 7
    assert "BWC-0001" in ran.out and "Time stamp: " in ran.out
    assert sorted(path.name for path in scene.package.rglob("*")) == before


def test_typed_into_a_plain_shell_they_do_the_same(scene: Scene, forged: Path) -> None:
    steps = without(commands(page_of(scene.package)), "maker.pem", "tsa.pem")
    typed = ("bash", "--norc", "-i")
    assert run(scene.package, steps, shell=typed).printed == [prints for _, prints in steps if prints]
    master_and_its_digest(forged)
    ran = run(forged, steps, shell=typed)
    assert (ran.code, len(ran.printed)) == (1, 1)
    assert "FAILED: " in ran.err


# ---- forgeries ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("forge", "caught"),
    [
        (master_and_its_digest, FOOTAGE),
        (record_and_its_film, FOOTAGE),
        (another_clips_record, FOOTAGE),
        (self_made_note, RECORDS),
        (self_made_checkpoint, RECORDS),
        (note_of_another_root, RECORDS),
        (another_checkpoint, RECORDS),
        (custody_record, RECORDS),
        (older_record, RECORDS),
        (manifest_of_other_footage, CAMERA),
        (strangers_manifest, CAMERA),
        (stamp_of_another, TIME),
        (record_beside, WHOLE),
        (record_of_another_package, WHOLE),
        (proof_beside, WHOLE),
        (one_file_less, WHOLE),
        (one_file_more, WHOLE),
        (one_that_is_called_as_a_list, WHOLE),
        (a_weak_list, WHOLE),
        (a_shorter_list, WHOLE),
        (a_film_elsewhere, WHOLE),
        (no_beside, WHOLE),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_a_forged_package_is_caught(scene: Scene, forged: Path, forge: Callable[..., None], caught: int) -> None:
    steps = commands(page_of(scene.package))
    if forge.__code__.co_argcount == 2:
        forge(forged, scene)
    else:
        forge(forged)
    assert [text for text, _ in commands(page_of(forged))] == [text for text, _ in steps]
    ran = run(forged, steps)
    assert (ran.code != 0, ran.printed) == (True, [prints for _, prints in steps[:caught] if prints]), ran.err
    code, _ = scene.dock.verify(forged)
    assert code != 0


def test_keys_that_the_reader_did_not_bring_open_nothing(scene: Scene, forged: Path, tmp_path: Path) -> None:
    """A thief's dock of the same name: its own package passes with its own keys only."""
    thief = Dock(tmp_path / "thief")
    thief.root.mkdir()
    thief.configure()
    thief.film(1)
    assert thief.disclose(tmp_path / "stolen", thief.clips()[0]["clip_id"]).code == 0
    steps = without(commands(page_of(tmp_path / "stolen")), "maker.pem")
    ran = run(tmp_path / "stolen", steps)
    assert (ran.code, len(ran.printed)) == (1, 1)
    assert "signed by no key that you brought" in ran.err
    bring(forged, trust=thief.trust())
    assert run(tmp_path / "stolen", steps).code == 0
    said = json.loads(forged.with_name("agency.trust").read_text())
    said["docks"][0]["origin"] = "another/ledger"
    forged.with_name("agency.trust").write_text(json.dumps(said))
    assert run(tmp_path / "stolen", steps).printed == []


def test_the_agencys_ca_is_enough(tmp_path: Path) -> None:
    """The dock's certificate names it; one that the same CA gave to somebody else opens nothing."""
    dock = _certified(tmp_path, "dock-7")
    assert dock.disclose(tmp_path / "package", dock.clips()[0]["clip_id"]).code == 0
    bring(tmp_path / "package", ca=tmp_path / "ca.pem")
    steps = without(commands(page_of(tmp_path / "package")), "maker.pem")
    assert [shell.FROM_CA in text for text, _ in steps] == [False, True, False, False, False, False]
    ran = run(tmp_path / "package", steps)
    assert (ran.code, ran.printed) == (0, [prints for _, prints in steps if prints]), ran.err
    trust = tmp_path / "package" / "data" / "keys" / "trust.json"
    said = json.loads(trust.read_bytes())
    swapped = base64.b64decode(said["docks"][0]["statement"]["payload"]).replace(b'"dock-7"', b'"dock-8"')
    said["docks"][0]["statement"]["payload"] = base64.b64encode(swapped).decode()
    trust.write_text(json.dumps(said))
    assert run(tmp_path / "package", steps).printed == []
    assert run(tmp_path / "package", without(steps, "agency.pem")).code != 0, "no trust file was brought"


def _certified(root: Path, name: str) -> Dock:
    """A dock whose identity an agency's CA (``ca.pem``) certified, as docs/keys.md says it."""
    dock = Dock(root)
    dock.configure()
    dock.film(1)
    assert dock.run("keys", "enroll", "--out", root / "dock.csr").code == 0
    ca: list[str | Path] = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        root / "ca.key",
    ]
    about: list[str | Path] = [
        "-subj",
        "/O=North Police/CN=CA",
        "-addext",
        "keyUsage=critical,keyCertSign",
        "-days",
        "30",
        "-out",
        root / "ca.pem",
    ]
    subprocess.run(["openssl", "req", "-x509", *ca, *about], check=True, capture_output=True, timeout=60)
    words: list[str | Path] = [
        "-req",
        "-in",
        root / "dock.csr",
        "-CA",
        root / "ca.pem",
        "-CAkey",
        root / "ca.key",
        "-days",
        "20",
    ]
    words += ["-copy_extensions", "copyall", "-out", root / "dock.pem"]
    subprocess.run(["openssl", "x509", *words], check=True, capture_output=True, timeout=60)
    (root / "chain.pem").write_text((root / "dock.pem").read_text() + (root / "ca.pem").read_text())
    done = dock.run("keys", "enroll", "--certificate", root / "chain.pem", "--ca", root / "ca.pem")
    assert done.code == 0, done.err
    assert name in dock.run("keys", "show").out
    return dock


def test_the_project_publishes_the_same_commands(scene: Scene) -> None:
    """Whoever forges a page can forge its commands: a reader compares them with these."""
    published = (Path(__file__).parents[2] / "docs" / "disclosure.md").read_text()
    for text in (shell.TOOLS, shell.FROM_CA, shell.KEYS, shell.FOOTAGE, shell.RECORDS, shell.CAMERA, shell.TIME):
        assert text in published, text
    assert shell.WHOLE in published
    steps = commands(page_of(scene.package))
    assert steps[BEGIN][0].split("\n", 3)[3] == shell.TOOLS
    readme = (scene.package / "README.txt").read_text()
    assert [text for text, _ in steps if text not in readme] == []
