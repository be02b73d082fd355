"""Damaged and hostile cards: each ends in files, or in a reason, or both; in time; and takes nobody along."""

import bz2
import os
import random
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dockagent.errors import DockError, Permanent
from dockagent.transports import Footage
from dockagent.transports.isolated import Crashed, Hung, IsolatedFootage
from dockagent.transports.raw_card import RawCard
from tests.corpus import corpus
from tests.transports import loops, volumes

PATIENCE_S = 20.0
ROUNDS = int(os.environ.get("DAMAGED_CARDS", "8"))  # of each file system
MOST_BYTES = 8 << 20  # that one file is read for


def _read(image: Path) -> tuple[list[bytes], list[DockError]]:
    """Whatever an isolated reader gets from an image: the paths that it lists, and what went wrong."""
    errors: list[DockError] = []
    paths: list[bytes] = []
    try:
        footage = IsolatedFootage("raw", image, hang_s=PATIENCE_S)
    except DockError as err:
        return [], [err]
    with closing(footage):
        try:
            paths.extend(fact.path for fact in footage.list() if not fact.special)
        except DockError as err:
            errors.append(err)
        for path in paths[:200]:
            errors.extend(_read_file(footage, path))
    return paths, errors


def _read_file(footage: Footage, path: bytes) -> Iterator[DockError]:
    try:
        with footage.open(path) as reader:
            at = 0
            while at < MOST_BYTES and (piece := reader.read(1 << 20)):
                at += len(piece)
    except DockError as err:
        yield err


def _hex_dump(dump: Path, image: Path) -> Path:
    subprocess.run(["xxd", "-r", dump, image], check=True, timeout=60)
    return image


def _sparse_archive(archive: Path, folder: Path) -> Path:
    """GNU tar's sparse members, which Python's tarfile lays out as they were."""
    with tarfile.open(archive) as tar:
        member = next(one for one in tar.getmembers() if one.isfile())
        tar.extract(member, folder, filter="data")
    return folder / member.name


def _corpus_images(folder: Path) -> dict[str, Path]:
    root = corpus("filesystems")
    found = {}
    for dump in sorted([*root.glob("fat/*.fsck"), *root.glob("fat/*.xxd")]):
        found[dump.name] = _hex_dump(dump, folder / dump.name)
    for archive in sorted(root.glob("exfat/*.tar.xz")):
        place = folder / archive.name
        place.mkdir()
        found[archive.name] = _sparse_archive(archive, place)
    gvfs = folder / "gvfs.img"
    gvfs.write_bytes(bz2.decompress((root / "gvfs-vfat.img.bz2").read_bytes()))
    return {**found, "gvfs": gvfs}


def test_every_image_of_the_corpus_ends_in_files_or_a_reason(tmp_path: Path) -> None:
    outcome = {name: _read(image) for name, image in _corpus_images(tmp_path).items()}
    lost = {name: errors for name, (_, errors) in outcome.items() if any(isinstance(e, Hung | Crashed) for e in errors)}
    assert lost == {}
    reasons = {name: " / ".join(map(str, errors)) for name, (_, errors) in outcome.items()}
    assert len(outcome["unused-dentries.img.tar.xz"][0]) == 461, reasons
    for clean in ("unused-dentries.img.tar.xz", "referenceFAT16.xxd", "gvfs", "check-circular_chain.xxd"):
        assert reasons[clean] == "", (clean, reasons[clean])
    assert "bites its own tail" in reasons["loop_chain.img.tar.xz"], reasons
    assert "bites its own tail" in reasons["check-circular_chain.fsck"], reasons
    assert "two files of the name" in reasons["check-duplicate_names.fsck"], reasons
    for damaged in ("bad_root.img.tar.xz", "file_invalid_clus.img.tar.xz"):
        assert reasons[damaged], damaged


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("healthy")


def _healthy(folder: Path, kind: str) -> bytes:
    image = folder / f"{kind}.img"
    tree = volumes.FOR_MTOOLS if kind.startswith("fat") else volumes.TREE
    if not image.exists() and kind == "ext4":
        volumes.write(folder / "tree", tree)
        loops.run("mkfs.ext4", "-q", "-F", "-d", folder / "tree", image, "16M")
    elif not image.exists() and kind == "exfat":
        with volumes.filled(volumes.make(image, kind), kind) as root:
            volumes.write(root, tree)
    elif not image.exists():
        volumes.fat_without_root(image, tree, kind)
    return image.read_bytes()


def _damage(data: bytes, seed: int) -> bytes:
    """Bits, bytes and blocks, mostly where something is written, most of that near the front."""
    chance = random.Random(seed)
    spoilt = bytearray(data)
    used = [at for at in range(0, len(data), 512) if any(data[at : at + 512])]
    for _ in range(chance.choice([1, 4, 30, 300])):
        sector = used[int(len(used) * chance.random() ** chance.choice([1, 3, 8]))]
        at = sector + chance.randrange(512)
        act = chance.randrange(4)
        if act == 0:
            spoilt[at] ^= 1 << chance.randrange(8)
        elif act == 1:
            spoilt[at] = chance.choice([0, 0x7F, 0xFF, chance.randrange(256)])
        elif act == 2:
            spoilt[at : at + 4] = chance.randbytes(4)
        else:
            spoilt[sector : sector + 512] = chance.choice([bytes(512), chance.randbytes(512)])
    if chance.random() < 0.1:
        del spoilt[chance.randrange(len(spoilt)) :]
    return bytes(spoilt)


def _is_empty(image: Path, kind: str) -> bool:
    """Whether others find nothing either: a folder that was overwritten with zeros is an empty one."""
    if not kind.startswith("fat"):
        return False
    environment = {"PATH": "/usr/bin:/bin", "MTOOLS_SKIP_CHECK": "1"}
    done = subprocess.run(["mdir", "-b", "-i", image], capture_output=True, check=False, env=environment, timeout=60)
    return b"::/" not in done.stdout


@pytest.mark.parametrize("kind", ["fat12", "fat16", "fat32", "exfat", "ext4"])
def test_random_damage_ends_in_files_or_a_reason(kind: str, healthy: Path, tmp_path: Path) -> None:
    data = _healthy(healthy, kind)
    card = tmp_path / "card.img"
    outcomes = []
    for seed in range(ROUNDS):
        card.write_bytes(_damage(data, seed))
        paths, errors = _read(card)
        assert paths or errors or _is_empty(card, kind), f"nothing, and no reason why: {kind}, seed {seed}"
        assert not any(isinstance(err, Hung) for err in errors), f"{kind}, seed {seed}: {errors}"
        assert all("\n" not in str(err) for err in errors)
        crashed = [err for err in errors if isinstance(err, Crashed)]
        assert not crashed or kind == "ext4", f"{kind}, seed {seed}: {crashed}"  # only its parser is written in C
        outcomes.append((bool(paths), bool(errors)))
    assert (True, True) in outcomes or (False, True) in outcomes, "no damage was noticed at all"


def test_a_fat_folder_that_holds_itself_is_listed_once(tmp_path: Path) -> None:
    image = volumes.fat_without_root(tmp_path / "card.img", {"A/B/f": b"f"})
    data = bytearray(image.read_bytes())
    at = data.index(b"B          \x10")
    above = data.index(b"A          \x10")
    data[at + 20 : at + 28] = data[above + 20 : above + 28]  # the first cluster: B is A
    image.write_bytes(data)
    with closing(RawCard(image)) as raw, pytest.raises(Permanent, match="A/B/ is a folder that was listed under"):
        list(raw.list())


def test_a_hostile_name_is_refused_and_hides_nothing(tmp_path: Path) -> None:
    image = volumes.fat_without_root(tmp_path / "card.img", {"GOOD.MP4": b"good", "XXETC.MP4": b"evil"})
    data = image.read_bytes().replace(b"XXETC   MP4", b"../ETC  MP4")
    image.write_bytes(data)
    with closing(RawCard(image)) as raw:
        listing = raw.list()
        assert next(listing).path == b"GOOD.MP4"
        with pytest.raises(Permanent, match=r"the impossible name \.\./ETC\.MP4"):
            list(listing)


def test_a_medium_that_ends_early_says_where(tmp_path: Path) -> None:
    image = volumes.fat_without_root(tmp_path / "card.img", {"long.MP4": os.urandom(4 << 20)})
    os.truncate(image, 3 << 20)
    footage = RawCard(image)
    with closing(footage), footage.open(b"long.MP4") as reader, pytest.raises(Permanent, match="before byte 3145728"):
        while reader.read(1 << 20):
            pass


@pytest.mark.parametrize(
    ("size", "parted", "words"),
    [
        (1 << 20, False, "holds no file system that can be read without mounting"),
        (0, False, "holds no file system that can be read without mounting"),
        (4 << 20, True, "holds a partition table"),
    ],
)
def test_what_is_no_card_says_so(size: int, parted: bool, words: str, tmp_path: Path) -> None:
    image = tmp_path / "card.img"
    image.write_bytes(bytes(size))
    if parted:
        loops.partition_table(image, (1, 2))
    with pytest.raises(Permanent, match=words):
        RawCard(image)
