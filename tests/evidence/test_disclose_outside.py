"""A package before verifiers that nobody here wrote: each accepts it, and refuses an altered copy."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from hil.central.tsa import Certified, Tsa
from tests.evidence.disclosing import Dock, c2pa_credential, copy
from tests.outside import Accepts, absent, go_program

HERE = Path(__file__).parent / "outside"
OUTSIDE = Path(sys.prefix) / "outside"  # where `make test` puts the verifiers that must not lie among our libraries


@dataclass(frozen=True, slots=True)
class Package:
    """A package with everything: time stamps and a C2PA manifest."""

    dock: Dock
    folder: Path
    tsa: Tsa
    agency: Certified


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Package]:
    root = tmp_path_factory.mktemp("dock")
    with ExitStack() as stack:
        (root / "tsa").mkdir()
        tsa = stack.enter_context(Tsa(root / "tsa"))
        agency, keys = c2pa_credential(root)
        dock = Dock(root)
        stamps = {"url": tsa.url, "roots": [str(tsa.root_pem)]}
        dock.configure(timestamps=stamps, disclosure={"organization": "North Police", **keys})
        dock.film(2)
        done = dock.disclose(root / "package", dock.clips()[0]["clip_id"])
        assert done.code == 0, done.err
        yield Package(dock, root / "package", tsa, agency)


@pytest.fixture
def altered(package: Package, tmp_path: Path) -> Path:
    return copy(package.folder, tmp_path / "altered")


def tool(name: str) -> str:
    """A program beside this Python, in the environment of others' verifiers, or on the path."""
    beside = (Path(sys.executable).with_name(name), OUTSIDE / "bin" / name)
    found = next((str(one) for one in beside if one.is_file()), None) or shutil.which(name)
    if found is None:
        absent(name)
    return found or ""


def run(*words: str | Path, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, words)),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **more},
    )


def clip_of(package: Path) -> Path:
    return next((package / "data" / "clips").iterdir())


def flip(file: Path, at: int = -1) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)


def test_bagit_py(package: Package, altered: Path) -> None:
    bagit = tool("bagit.py")
    assert run(bagit, "--validate", ".", cwd=package.folder).returncode == 0
    flip(clip_of(altered) / "master.mp4")
    assert run(bagit, "--validate", ".", cwd=altered).returncode == 1


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("changed", ["data/clips/{}/master.mp4", "README.txt"])
def test_coreutils(package: Package, altered: Path, algorithm: str, changed: str) -> None:
    def good(folder: Path) -> bool:
        lists = (f"manifest-{algorithm}.txt", f"tagmanifest-{algorithm}.txt")
        return all(run(f"{algorithm}sum", "--quiet", "-c", one, cwd=folder).returncode == 0 for one in lists)

    assert good(package.folder)
    flip(altered / changed.format(clip_of(altered).name))
    assert not good(altered)


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Accepts:
    return go_program(HERE / "proof.go", tmp_path_factory.mktemp("go"))


def test_go_proves_every_record_and_the_package(package: Package, proof: Accepts) -> None:
    vkey = (package.folder / "data" / "keys" / "log-1.vkey").read_text()
    proofs = sorted(package.folder.glob("data/records/*.tlog-proof"))
    assert len(proofs) > 10
    for one in proofs:
        entry = one.with_suffix(".dsse.json")
        if entry.is_file():
            assert proof(vkey, one, entry), one
        else:
            said = one.with_suffix(".withheld.json").read_text()
            leaf = re.findall(r'"leaf_hash":"([0-9a-f]{64})"', said)[0]
            assert proof(vkey, one, leaf)
            assert not proof(vkey, one, leaf[::-1])
    assert not proof(vkey, proofs[0], proofs[1].with_suffix(".dsse.json"))
    beside = package.folder.with_name("package.tlog-proof")
    assert proof(vkey, beside, package.folder.with_name("package.record.json"))
    assert not proof(vkey, beside, proofs[0].with_suffix(".dsse.json"))


def node(*words: str | Path, cwd: Path) -> bool:
    place = OUTSIDE / "node_modules"
    if not (place / "@sigstore" / "verify").is_dir():
        absent("npm's @sigstore/verify, which `make test` puts beside its environment")
    done = run(tool("node"), HERE / "bundle.js", *words, cwd=cwd, NODE_PATH=str(place))
    assert done.stdout == "accepted\n" or done.stderr.startswith("refused:"), done.stderr
    return done.returncode == 0


def test_sigstore_verifies_every_record(package: Package, tmp_path: Path) -> None:
    keys = package.folder / "data" / "keys"
    chain = tmp_path / "tsa.pem"
    both = (package.tsa.by.certificate, package.tsa.root.certificate)
    chain.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in both))
    how: Sequence[str | Path] = (keys / "record-1.pem", (keys / "record-1.keyid").read_text().strip(), chain)
    bundles = sorted(package.folder.glob("data/records/*.sigstore.json"))
    assert len(bundles) > 10
    assert all(node(one, *how, cwd=tmp_path) for one in bundles)
    text, bad = bundles[0].read_text(), tmp_path / "bad.json"
    place = text.index('"payload":"') + 60
    bad.write_text(text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :])
    assert not node(bad, *how, cwd=tmp_path)
    bad.write_text(re.sub(r'\[\{"signedTimestamp":"[^"]+"\}\]', "[]", text))
    assert not node(bad, *how, cwd=tmp_path)
    assert node(bad, *how[:2], cwd=tmp_path)


def test_case_validate(package: Package, altered: Path) -> None:
    validate = tool("case_validate")
    file = Path("data") / "case.jsonld"
    done = run(validate, file, cwd=package.folder)
    assert (done.returncode, "Conforms: True" in done.stdout) == (0, True), done.stdout + done.stderr
    text = (altered / file).read_text()
    (altered / file).write_text(text.replace('"xsd:hexBinary"', '"xsd:integer"', 1))
    assert run(validate, file, cwd=altered).returncode != 0


def test_c2pa_trusts_the_film_and_not_an_altered_one(package: Package) -> None:
    c2pa = pytest.importorskip("c2pa")
    film = clip_of(package.folder) / "master.mp4"
    manifest = next((package.folder / "data" / "c2pa").iterdir()).read_bytes()
    anchors = package.agency.certificate.public_bytes(Encoding.PEM).decode()
    context = c2pa.Context(settings=c2pa.Settings.from_dict({"trust": {"user_anchors": anchors}}))

    def state(data: Path) -> str:
        with data.open("rb") as source:
            return str(c2pa.Reader("video/mp4", source, manifest, context).get_validation_state())

    assert state(film) == "Trusted"
    bad = package.folder.parent / "bad.mp4"
    shutil.copy(film, bad)
    flip(bad, bad.read_bytes().index(b"mdat") + 500)
    assert state(bad) == "Invalid"


def test_the_package_itself_is_stamped(package: Package) -> None:
    beside = package.folder.with_name("package.tlog-proof")
    checkpoint = beside.read_text().split("\n\n", 1)[1]
    first = package.folder.parent / "first"
    first.write_text("".join(checkpoint.splitlines(keepends=True)[:5]))
    words = ("openssl", "ts", "-verify", "-in", f"{beside}.tsr", "-CAfile", package.tsa.root_pem, "-data")
    assert "Verification: OK" in run(*words, first, cwd=first.parent).stdout
    first.write_text(first.read_text().replace("\n", "x\n", 1))
    assert run(*words, first, cwd=first.parent).returncode == 1


def test_verify_trusts_the_time(package: Package) -> None:
    code, reports = package.dock.verify(package.folder, tsa_roots_pem=[package.tsa.root_pem.read_text()])
    assert code == 0
    assert {one["verdicts"]["time"]["verdict"] for one in reports.values()} == {"pass"}
