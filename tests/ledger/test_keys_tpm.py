"""An identity in a TPM 2.0: against a real one in software (swtpm), over a socket, with tpm2-tools."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from dockagent.core.proof import dsse, key_statement
from dockagent.doctor import of_home
from dockagent.durable import RealDisk
from dockagent.errors import Missing, UsageError
from dockagent.evidence.verify import verify
from dockagent.ledger import keys_rotation
from dockagent.ledger.keys import Keys
from dockagent.ledger.keys_enroll import check_chain, csr_pem, keep
from dockagent.ledger.keys_identity import in_file, kept_in
from dockagent.ledger.keys_tpm import in_tpm
from dockagent.ledger.trust import Trust
from tests.ledger import made
from tests.ledger.authority import NOW_MS, Authority
from tests.ledger.test_keys_rotation import WRITE, work

PATIENCE_S = 20.0


def _free_ports() -> tuple[int, int]:
    """Two neighbouring ports: tpm2-tss asks for the control port right above the other."""
    while True:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
            try:
                two.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port, port + 1


@contextmanager
def running(state: Path, ports: tuple[int, int] | None = None) -> Iterator[str]:
    """A TPM with its memory in ``state``; its TCTI."""
    for program, package in (("swtpm", "swtpm"), ("tpm2_createprimary", "tpm2-tools")):
        if shutil.which(program) is None:
            reason = f"needs {program}; install {package}"
            pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    state.mkdir(exist_ok=True)
    port, control = ports or _free_ports()
    command = ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={state}", "--flags", "startup-clear,not-need-init"]
    command += ["--server", f"type=tcp,port={port},bindaddr=127.0.0.1"]
    command += ["--ctrl", f"type=tcp,port={control},bindaddr=127.0.0.1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _wait_for(control)
            yield f"swtpm:host=127.0.0.1,port={port}"
        finally:
            server.terminate()


def _wait_for(port: int) -> None:
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < end, "swtpm did not start"
            time.sleep(0.02)
        else:
            return


@pytest.fixture(scope="module")
def tpm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("tpm") / "state") as tcti:
        yield tcti


@pytest.fixture
def home(tmp_path: Path, tpm: str) -> Path:
    Keys.create(RealDisk(tmp_path / "keys"), "dock-7", identity=in_tpm(tpm))
    return tmp_path


def test_the_private_key_never_leaves_the_tpm(home: Path, tpm: str) -> None:
    """The blobs say so themselves, in the TPM's own words."""
    assert kept_in(RealDisk(home / "keys"), 1) == "in a TPM 2.0, by identity.tpm"
    keys = Keys.load(RealDisk(home / "keys"))
    keys.identity.public.verify(keys.identity.sign(b"said"), b"said", ec.ECDSA(hashes.SHA256()))
    assert key_statement.parse(keys.dock.statement).identity_key == keys.identity.public
    names = {path.name: path.stat().st_mode & 0o777 for path in (home / "keys").iterdir()}
    assert names == {"identity.tpm": 0o600, "record.pem": 0o600, "log.pem": 0o600, "trust.json": 0o644}
    said = RealDisk(home / "keys").read("identity.tpm")
    assert b"PRIVATE" not in said
    attributes = _attributes(home, tpm)
    assert {"fixedtpm", "fixedparent", "sensitivedataorigin", "sign"} <= attributes
    assert not {"decrypt", "restricted"} & attributes


def _attributes(home: Path, tcti: str) -> set[str]:
    script = """set -e
    python3 -c 'import json,base64; d=json.load(open("../keys/identity.tpm"))
for n in ("public","private"): open("key."+n,"wb").write(base64.b64decode(d["key_"+n]))'
    tpm2_createprimary -Q -C o -G ecc256 -c top.ctx; tpm2_flushcontext -t
    tpm2_load -Q -C top.ctx -u key.public -r key.private -c key.ctx; tpm2_flushcontext -t
    tpm2_readpublic -c key.ctx; tpm2_flushcontext -t"""
    (home / "asked").mkdir()
    env = {**os.environ, "TPM2TOOLS_TCTI": tcti}
    done = subprocess.run(
        ["bash", "-c", script], cwd=home / "asked", env=env, capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    return set(lines[lines.index("attributes:") + 1].partition("value: ")[2].split("|"))


def test_the_signing_keys_open_with_this_tpm_only(home: Path, tmp_path: Path, tpm: str) -> None:
    assert b"ENCRYPTED" in (home / "keys/record.pem").read_bytes()
    assert b"ENCRYPTED" in (home / "keys/log.pem").read_bytes()
    with running(tmp_path / "other") as other:
        text = (home / "keys/identity.tpm").read_text()
        (home / "keys/identity.tpm").write_text(text.replace(tpm, other))
        with pytest.raises(Missing, match="refuses or is away"):
            Keys.load(RealDisk(home / "keys"))
        (home / "keys/identity.tpm").write_text(text)
    made.keys(tmp_path / "stolen")  # a thief's own identity in front of the stolen files
    for name in ("record.pem", "log.pem", "trust.json"):
        (tmp_path / "stolen" / name).write_bytes((home / "keys" / name).read_bytes())
    with pytest.raises(UsageError, match="not a private key in PEM that this identity opens"):
        Keys.load(RealDisk(tmp_path / "stolen"))


def test_a_whole_life_with_a_tpm(home: Path) -> None:
    """Work, enrolment, changes of keys with the same identity, and to a file."""
    disk, ledger = RealDisk(home / "keys"), RealDisk(home / "ledger")
    keys = Keys.load(disk)
    first = keys.dock
    work(ledger, keys)
    (home / "csr").write_text(csr_pem(keys, "Central"))
    done = subprocess.run(
        ["openssl", "req", "-in", home / "csr", "-noout", "-verify", "-subject"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "verify OK" in done.stdout + done.stderr
    chain = Authority.root().for_dock(keys)
    check_chain(keys.dock, chain, (), NOW_MS)
    keep(disk, keys, chain)
    for identity in (None, in_file):
        keys = keys_rotation.rotate(disk, ledger, WRITE, identity)
        work(ledger, keys)
    assert (keys.dock.key_set.generation, keys.identity.kind) == (3, "file")
    (report,) = verify(home / "ledger", Trust((first,)))
    assert report.exit_code == 0


def test_a_tpm_that_is_away_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    ports = _free_ports()
    with running(tmp_path / "state", ports) as tcti:
        keys = Keys.create(RealDisk(tmp_path / "keys"), "dock-7", identity=in_tpm(tcti))
        work(RealDisk(tmp_path / "ledger"), keys)
    before = {path: path.read_bytes() for path in tmp_path.rglob("keys/*")}
    with pytest.raises(Missing) as caught:
        Keys.load(RealDisk(tmp_path / "keys"))
    assert "\n" not in str(caught.value)
    assert "load its driver" in caught.value.hint
    assert of_home.keys(tmp_path).word == "failure"
    assert "TPM" in of_home.keys(tmp_path).what
    with pytest.raises(Missing):
        Keys.create(RealDisk(tmp_path / "new"), "dock-8", identity=in_tpm(tcti))
    assert {path: path.read_bytes() for path in tmp_path.rglob("keys/*")} == before
    assert list((tmp_path / "new").iterdir()) == []
    with running(tmp_path / "state", ports):  # and after a power cycle of the TPM all is as before
        again = Keys.load(RealDisk(tmp_path / "keys"))
        work(RealDisk(tmp_path / "ledger"), again)
        assert again.key_id == keys.key_id
        assert of_home.keys(tmp_path).word == "ok"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: "{}",
        lambda text: text.replace('"key_private":"', '"key_private":"!'),
        lambda text: text.replace('"tcti":', '"tcti":"x","tcti":'),
        lambda text: text.replace('"tcti":"', '"tcti":7,"x":"'),
        lambda text: text.replace("BEGIN PUBLIC", "BEGIN PUBLISHED"),
    ],
)
def test_a_damaged_file_is_one_line(home: Path, spoil: Callable[[str], str]) -> None:
    file = home / "keys/identity.tpm"
    file.write_text(spoil(file.read_text()))
    with pytest.raises(UsageError, match=r"identity\.tpm"):
        keys = Keys.load(RealDisk(home / "keys"))
        keys.identity.sign(b"x")


def test_a_key_id_names_the_tpms_key(home: Path) -> None:
    keys = Keys.load(RealDisk(home / "keys"))
    assert dsse.parse(keys.dock.statement).signatures[0].keyid == dsse.key_id(keys.identity.public)
