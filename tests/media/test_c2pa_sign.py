"""A C2PA manifest is made where footage is parsed without a key, and signed where the key is without footage."""

import base64
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from dockagent.clock import SystemClock
from dockagent.errors import Permanent, Refused
from dockagent.media import child
from dockagent.media.c2pa_sign import SigningDesk, manifest
from tests.corpus import corpus
from tests.evidence.disclosing import c2pa_credential

CLAIM: dict[str, Any] = {"claim_generator_info": [{"name": "dockagent"}], "title": "a film", "assertions": []}
A_CLAIM = b"\x84\x6aSignature1\x43\xa1\x01\x26\x40\x58\x20" + bytes(32)


@pytest.fixture(scope="module")
def c2pa() -> Any:
    return pytest.importorskip("c2pa", reason="the extra c2pa is not installed")


class Agency:
    """An agency's credential; ``signed``: what its key was asked to sign."""

    def __init__(self, folder: Path) -> None:
        self.ca, names = c2pa_credential(folder)
        self.chain = Path(names["c2pa_chain_file"]).read_text()
        key = load_pem_private_key(Path(names["c2pa_key_file"]).read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self.key, self.signed = key, list[bytes]()

    def sign(self, data: bytes) -> bytes:
        self.signed.append(data)
        pair = utils.decode_dss_signature(self.key.sign(data, ec.ECDSA(SHA256())))
        return b"".join(one.to_bytes(32) for one in pair)


@pytest.fixture
def agency(tmp_path: Path) -> Agency:
    return Agency(tmp_path)


def film(tmp_path: Path) -> Path:
    out = tmp_path / "film.mp4"
    out.write_bytes(corpus("footage", "rotation90.mp4").read_bytes())
    return out


def test_the_library_takes_the_manifest_for_the_film(c2pa: Any, agency: Agency, tmp_path: Path) -> None:
    clip = film(tmp_path)
    made = manifest(clip, "video/mp4", CLAIM, agency.chain, agency.sign, SystemClock())
    assert len(agency.signed) == 1
    assert clip.read_bytes() == corpus("footage", "rotation90.mp4").read_bytes()
    with clip.open("rb") as source:
        assert c2pa.Reader("video/mp4", source, made).get_validation_state() == "Valid"
    (tmp_path / "other.mp4").write_bytes(clip.read_bytes()[:-1] + b"\xff")
    with (tmp_path / "other.mp4").open("rb") as source:
        assert c2pa.Reader("video/mp4", source, made).get_validation_state() == "Invalid"


def test_a_signature_by_another_key_makes_no_good_manifest(c2pa: Any, agency: Agency, tmp_path: Path) -> None:
    """What comes over the pipe is what is put in: the child has no key to make up for it."""
    (tmp_path / "other").mkdir()
    other, clip = Agency(tmp_path / "other"), film(tmp_path)
    try:
        made = manifest(clip, "video/mp4", CLAIM, agency.chain, other.sign, SystemClock())
    except Permanent as err:
        assert "signature" in err.what.lower() or "signing" in err.what.lower()
        return
    with clip.open("rb") as source:
        assert c2pa.Reader("video/mp4", source, made).get_validation_state() == "Invalid"


def test_a_file_that_is_no_film_has_a_reason(c2pa: Any, agency: Agency, tmp_path: Path) -> None:
    (tmp_path / "odd.mp4").write_bytes(b"\x00\x00\x00\x10ftypmp42" + b"\xff" * 100)
    with pytest.raises(Permanent, match="what makes it ended with code 1"):
        manifest(tmp_path / "odd.mp4", "video/mp4", CLAIM, agency.chain, agency.sign, SystemClock())
    assert not agency.signed


def test_who_has_the_key_does_not_load_the_library(c2pa: Any, agency: Agency, tmp_path: Path) -> None:
    """A fresh process, so that no other test has loaded it."""
    program = """
import sys
from pathlib import Path
from dockagent.clock import SystemClock
from dockagent.media.c2pa_sign import manifest
try:
    manifest(Path(sys.argv[1]), "video/mp4", {"title": "a film", "assertions": []}, sys.argv[2], bytes, SystemClock())
finally:
    print(sorted(one for one in sys.modules if one.split(".")[0] == "c2pa"))
"""
    argv = [sys.executable, "-c", program, str(film(tmp_path)), agency.chain]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "[]\n", done.stderr


def question(word: bytes, data: bytes = b"") -> bytes:
    return word + b" " + base64.b64encode(data) if data else word


@pytest.mark.parametrize(
    ("questions", "why"),
    [
        ([b"open /etc/shadow"], "asked for b'open /etc/shadow'"),
        ([b"sign ***"], "not base64"),
        ([question(b"sign", b"DSSEv1 28 application/vnd.in-toto+json 2 {}")], "something else than a claim"),
        ([question(b"sign", A_CLAIM + bytes(1 << 16))], "something else than a claim"),
        ([question(b"sign", A_CLAIM), question(b"sign", A_CLAIM + b"again")], "a second signature"),
    ],
)
def test_nothing_else_is_signed_for_a_film(questions: list[bytes], why: str) -> None:
    signed = list[bytes]()

    def sign(data: bytes) -> bytes:
        signed.append(data)
        return bytes(64)

    desk = SigningDesk(b"{}", sign)
    *before, last = questions
    for one in before:
        desk.answer(one)
    with pytest.raises(Refused, match=why):
        desk.answer(last)
    assert signed == [A_CLAIM] * len(before)


ASKS = "import sys; print('a', flush=True); x = sys.stdin.readline(); print('b', flush=True); "


def asking(code: str, answer: child.Answer) -> child.Outcome:
    python = [str(Path(sys.executable).resolve()), "-I", "-S", "-c", code]
    folders = [Path(sys.base_prefix) / "lib"]
    return child.run(python, child.Limits(30, 30), SystemClock(), folders=folders, answer=answer)


def test_a_child_may_ask_and_its_output_follows() -> None:
    asked = list[bytes]()

    def answer(question: bytes) -> bytes:
        asked.append(question)
        return question * 2 + b"\n"

    code = ASKS + "y = sys.stdin.readline(); sys.stdout.write(x.strip() + '-' + y.strip())"
    done = asking(code, answer)
    assert (done.ok, done.stdout, asked) == (True, b"aa-bb", [b"a", b"b"]), done.stderr_tail


def test_an_answer_that_is_refused_ends_the_child() -> None:
    def answer(question: bytes) -> bytes:
        raise Refused("no")

    code = "import sys; print('a', flush=True); sys.stdin.read()"
    with pytest.raises(Refused):
        asking(code, answer)


def test_a_child_that_asks_and_goes_is_only_one_that_ended() -> None:
    code = "import os, sys; os.close(0); print('a', flush=True); sys.exit(3)"
    done = asking(code, lambda _: b"x" * 4096 + b"\n")
    assert not done.ok and "code 3" in done.reason
