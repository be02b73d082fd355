"""A second reader of our C2PA sidecars, npm's @trustnxt/c2pa-ts: written in another language, by others than those who
wrote the library that makes them. (It does not ask who stands behind the certificate; the other reader's tests do.)"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.evidence.disclosing import Dock, c2pa_credential
from tests.outside import absent

PROGRAM = Path(__file__).parent / "outside" / "manifest.mjs"
MODULES = Path(sys.prefix) / "outside" / "node_modules"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with one clip and its C2PA manifest, as the installed command makes it."""
    pytest.importorskip("c2pa", reason="the extra c2pa is not installed")
    root = tmp_path_factory.mktemp("dock")
    dock = Dock(root)
    dock.configure(disclosure={"organization": "North Police", **c2pa_credential(root)[1]})
    dock.film(1)
    done = dock.disclose(root / "package", dock.clips()[0]["clip_id"])
    assert done.code == 0, done.err
    return root / "package"


def reads(film: Path, sidecar: Path) -> str:
    """Empty where the reader accepts the pair, else its complaint."""
    if not (MODULES / "@trustnxt").is_dir():
        absent("npm's @trustnxt/c2pa-ts, which `make test` puts beside its environment")
    argv = ["node", str(PROGRAM), str(MODULES), str(film), str(sidecar)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "accepted\n") or done.stderr.startswith("refused:"), done.stderr
    return done.stderr


def flipped(file: Path, at: int, to: Path) -> Path:
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    to.write_bytes(data)
    return to


def test_it_accepts_ours_and_no_altered_film(package: Path, tmp_path: Path) -> None:
    film = next(package.glob("data/clips/*/master.mp4"))
    sidecar = next((package / "data" / "c2pa").iterdir())
    assert reads(film, sidecar) == ""
    data = film.read_bytes()
    for at in (data.index(b"mdat") + 500, data.index(b"moov") + 30, len(data) - 1):
        assert "assertion.bmffHash.mismatch" in reads(flipped(film, at, tmp_path / "film.mp4"), sidecar)


def test_it_accepts_no_altered_sidecar(package: Path, tmp_path: Path) -> None:
    film = next(package.glob("data/clips/*/master.mp4"))
    sidecar = next((package / "data" / "c2pa").iterdir())
    data = sidecar.read_bytes()
    for word in (b"c2pa.hash.bmff", b"c2pa.opened"):
        assert reads(film, flipped(sidecar, data.rindex(word) + 3, tmp_path / "altered.c2pa")) != ""
