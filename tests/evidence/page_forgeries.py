"""Ways to forge a package, each as somebody would who may write in it and has none of the keys."""

import base64
import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from dockagent.core.proof import merkle, tlog_proof
from tests.evidence.disclosing import Dock, relist
from tests.evidence.paging import clip_of, swap_payload


@dataclass(frozen=True, slots=True)
class Scene:
    """A dock, the packages that it made of its two clips, and its camera's word on other footage of the same name."""

    dock: Dock
    package: Path
    other: Path
    manifest: Path
    stranger: Path


def master_and_its_digest(folder: Path) -> None:
    """Another film, and its digest wherever the package tells the old one in words."""
    film = clip_of(folder) / "master.mp4"
    old = hashlib.sha256(film.read_bytes()).hexdigest()
    film.write_bytes(film.read_bytes()[::-1])
    new = hashlib.sha256(film.read_bytes()).hexdigest()
    for page in (folder / "data").rglob("*.html"):
        page.write_text(page.read_text().replace(old, new))
    relist(folder)


def record_and_its_film(folder: Path) -> None:
    """Another film, and its digest in the clip record."""
    film = clip_of(folder) / "master.mp4"
    old = hashlib.sha256(film.read_bytes()).hexdigest().encode()
    film.write_bytes(film.read_bytes()[::-1])
    swap_payload(clip_of(folder) / "record.json", old, hashlib.sha256(film.read_bytes()).hexdigest().encode())
    relist(folder)


def another_clips_record(folder: Path, scene: Scene) -> None:
    """Another clip's film with the dock's own good record of it, under this clip's name."""
    for name in ("record.json", "master.mp4"):
        shutil.copy(clip_of(scene.other) / name, clip_of(folder) / name)
    relist(folder)


def _alone(entry: bytes, signed: bytes) -> bytes:
    """A proof that an entry is in a ledger of its own, under a note that nobody signed."""
    origin, _, _, *rest = signed.decode().split("\n")
    root = base64.b64encode(merkle.leaf_hash(entry)).decode()
    return tlog_proof.TlogProof(0, (), "\n".join([origin, "1", root, *rest]).encode()).encode()


def self_made_note(folder: Path) -> None:
    """A text that the dock did sign, but that is no entry of its ledger, is said to be one."""
    entry = (clip_of(folder) / "record.json").read_bytes()
    head = next(one for one in (folder / "data" / "ledger").iterdir() if one.name.isdigit())
    stem = folder / "data" / "records" / "00000000-admit"
    stem.with_name(stem.name + ".dsse.json").write_bytes(entry)
    stem.with_name(stem.name + ".tlog-proof").write_bytes(_alone(entry, head.read_bytes()))
    relist(folder)


def self_made_checkpoint(folder: Path) -> None:
    """The same, with the note among the checkpoints as well."""
    self_made_note(folder)
    proof = tlog_proof.parse((folder / "data" / "records" / "00000000-admit.tlog-proof").read_bytes())
    (folder / "data" / "ledger" / "1").write_bytes(proof.checkpoint)
    relist(folder)


def note_of_another_root(folder: Path) -> None:
    """A proof whose note has the size of the checkpoint, and a root that is not its."""
    proof = next((folder / "data" / "records").glob("*-acquire.tlog-proof"))
    origin, size, root, rest = proof.read_text().split("\n\n", 1)[1].split("\n", 3)
    proof.write_text(proof.read_text().replace(root, base64.b64encode(bytes(32)).decode()))
    assert origin and size and rest
    relist(folder)


def another_checkpoint(folder: Path) -> None:
    """The dock's own checkpoint of another size in place of the one that the proofs lead to."""
    later = tlog_proof.parse(folder.with_name(f"{folder.name}.tlog-proof").read_bytes()).checkpoint
    for one in list((folder / "data" / "ledger").iterdir()):
        if one.name.isdigit():
            assert one.read_bytes() != later
            one.write_bytes(later)
    relist(folder)


def custody_record(folder: Path) -> None:
    """What a record of the clip's custody says."""
    swap_payload(next((folder / "data" / "records").glob("*-acquire.dsse.json")), b"BWC-0001", b"BWC-0002")
    relist(folder)


def older_record(folder: Path, scene: Scene) -> None:
    """The record by which the ledger knows the clip record is another clip's."""
    for mine in (folder / "data" / "records").glob("*-admit.*"):
        mine.unlink()
    for other in (scene.other / "data" / "records").glob("*-admit.*"):
        shutil.copy(other, folder / "data" / "records")
    for head in (scene.other / "data" / "ledger").iterdir():
        shutil.copy(head, folder / "data" / "ledger")
    relist(folder)


def manifest_of_other_footage(folder: Path, scene: Scene) -> None:
    """A list by the same camera, under its own good signature, which has other bytes under the name."""
    shutil.copy(scene.manifest / "manifest.dsse.json", clip_of(folder))
    relist(folder)


def strangers_manifest(folder: Path, scene: Scene) -> None:
    """A list by somebody's camera of the same number, with the certificates of somebody's maker."""
    for name in ("manifest.dsse.json", "chain.pem"):
        shutil.copy(scene.stranger / name, clip_of(folder))
    relist(folder)


def stamp_of_another(folder: Path, scene: Scene) -> None:
    """A time stamp over another checkpoint."""
    for one in (folder / "data" / "ledger").glob("*.tsr"):
        shutil.copy(next((scene.other / "data" / "ledger").glob("*.tsr")), one)
    relist(folder)


def record_beside(folder: Path) -> None:
    """What the record beside the package says: for whom it was made."""
    swap_payload(folder.with_name(f"{folder.name}.record.json"), b"Defence", b"Nobody!")


def record_of_another_package(folder: Path, scene: Scene) -> None:
    """The good record and proof of another package."""
    for suffix in (".record.json", ".tlog-proof"):
        shutil.copy(scene.other.with_name(f"other{suffix}"), folder.with_name(f"{folder.name}{suffix}"))


def proof_beside(folder: Path) -> None:
    """The record is good, and stands in a ledger of its own."""
    proof = folder.with_name(f"{folder.name}.tlog-proof")
    head = tlog_proof.parse(proof.read_bytes()).checkpoint
    proof.write_bytes(_alone(folder.with_name(f"{folder.name}.record.json").read_bytes(), head))


def one_file_less(folder: Path) -> None:
    """A custody record was taken out, and the lists made anew."""
    for file in (folder / "data" / "records").glob("*-transfer.*"):
        file.unlink()
    relist(folder)


def one_file_more(folder: Path) -> None:
    """A file that no list names."""
    (folder / "data" / "clips" / "more.mp4").write_bytes(b"another film")


def one_that_is_called_as_a_list(folder: Path) -> None:
    """A folder whose name begins as that of the lists of lists."""
    (folder / "tagmanifest-x").mkdir()
    (folder / "tagmanifest-x" / "evil.mp4").write_bytes(b"another film")


def a_weak_list(folder: Path) -> None:
    """A list of a kind that no package has."""
    (folder / "tagmanifest-md5.txt").write_text("0" * 32 + "  bagit.txt\n")


def a_shorter_list(folder: Path) -> None:
    """The second list of lists lost a line."""
    file = folder / "tagmanifest-sha512.txt"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))


def a_film_elsewhere(folder: Path) -> None:
    """The film is a link to the same bytes outside, which may be others tomorrow."""
    film = clip_of(folder) / "master.mp4"
    shutil.move(film, folder.with_name("outside.mp4"))
    film.symlink_to(folder.with_name("outside.mp4"))


def no_beside(folder: Path) -> None:
    """Nothing lies beside the package."""
    folder.with_name(f"{folder.name}.record.json").unlink()
