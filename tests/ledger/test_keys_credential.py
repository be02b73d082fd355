"""An identity in a systemd credential: a real file in such a folder, and where it works, one that systemd encrypted."""

import subprocess
from pathlib import Path

import pytest

from dockagent.doctor import of_home
from dockagent.durable import RealDisk
from dockagent.errors import Missing, UsageError
from dockagent.ledger import keys_rotation
from dockagent.ledger.keys import Keys
from dockagent.ledger.keys_identity import in_credential
from tests.ledger.test_keys_rotation import WRITE, work

HOST_SECRET = Path("/var/lib/systemd/credential.secret")


def new_key() -> bytes:
    """As an administrator makes one (docs/keys.md)."""
    command = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What systemd makes for a service that has ``LoadCredential=``."""
    folder = tmp_path / "credentials"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    (folder / "dockagent.identity").write_bytes(new_key())
    return folder


def test_the_identity_is_the_credential_and_lies_nowhere_else(tmp_path: Path, credentials: Path) -> None:
    keys = Keys.create(RealDisk(tmp_path / "keys"), "dock-7", identity=in_credential)
    work(RealDisk(tmp_path / "ledger"), keys)
    assert (keys.identity.kind, keys.identity.where) == ("credential", "credential dockagent.identity")
    assert Keys.load(RealDisk(tmp_path / "keys")).key_id == keys.key_id
    for name in ("record.pem", "log.pem"):
        assert b"BEGIN ENCRYPTED PRIVATE KEY" in (tmp_path / "keys" / name).read_bytes()
    assert (tmp_path / "keys/identity.credential").read_text() == '{"credential":"dockagent.identity"}\n'
    assert of_home.keys(tmp_path).word == "ok"


def test_without_the_credential_it_is_one_line_and_nothing_is_lost(
    tmp_path: Path, credentials: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = Keys.create(RealDisk(tmp_path / "keys"), "dock-7", identity=in_credential)
    (credentials / "dockagent.identity").rename(tmp_path / "aside")
    with pytest.raises(Missing, match="cannot be read: No such file"):
        Keys.load(RealDisk(tmp_path / "keys"))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    with pytest.raises(Missing, match="systemd gave this process none; give it by LoadCredentialEncrypted="):
        Keys.load(RealDisk(tmp_path / "keys"))
    assert of_home.keys(tmp_path).word == "warning", "a person at a terminal has no credentials, and the dock is well"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert of_home.keys(tmp_path).word == "failure"
    (tmp_path / "aside").rename(credentials / "dockagent.identity")
    assert Keys.load(RealDisk(tmp_path / "keys")).key_id == keys.key_id
    with pytest.raises(Missing):
        keys_rotation.rotate(RealDisk(tmp_path / "keys"), RealDisk(tmp_path / "ledger"), WRITE, in_credential)


def test_another_credential_is_refused(tmp_path: Path, credentials: Path) -> None:
    Keys.create(RealDisk(tmp_path / "keys"), "dock-7", identity=in_credential)
    (credentials / "dockagent.identity").write_bytes(new_key())
    with pytest.raises(UsageError, match=r"not a private key in PEM that this identity opens"):
        Keys.load(RealDisk(tmp_path / "keys"))


@pytest.mark.parametrize("data", [b"", b"garbage", "p384", "rsa"])
def test_what_is_no_p256_key_is_refused(tmp_path: Path, credentials: Path, data: bytes | str) -> None:
    if isinstance(data, str):
        how = {"p384": ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"], "rsa": ["RSA"]}[data]
        data = subprocess.run(["openssl", "genpkey", "-algorithm", *how], capture_output=True, check=True).stdout
    (credentials / "dockagent.identity").write_bytes(data)
    with pytest.raises(UsageError, match=r"credential dockagent\.identity is not a"):
        Keys.create(RealDisk(tmp_path / "keys"), "dock-7", identity=in_credential)
    assert not list((tmp_path / "keys").iterdir())


def test_a_change_brings_in_the_next_credential(tmp_path: Path, credentials: Path) -> None:
    keys = Keys.create(RealDisk(tmp_path / "keys"), "dock-7", identity=in_credential)
    work(RealDisk(tmp_path / "ledger"), keys)
    (credentials / "dockagent.identity-2").write_bytes(new_key())
    new = keys_rotation.rotate(RealDisk(tmp_path / "keys"), RealDisk(tmp_path / "ledger"), WRITE, in_credential)
    assert (new.identity.where, new.identity.public == keys.identity.public) == (
        "credential dockagent.identity-2",
        False,
    )
    (credentials / "dockagent.identity").unlink()
    assert Keys.load(RealDisk(tmp_path / "keys")).vkey == new.vkey


def test_a_credential_that_systemd_encrypted_and_decrypted(tmp_path: Path, credentials: Path) -> None:
    """``systemd-creds`` as the unit's ``LoadCredentialEncrypted=`` uses it, with this machine's own secret."""
    try:
        HOST_SECRET.read_bytes()
    except OSError as err:
        pytest.skip(f"this machine has no secret for credentials: {err.strerror}; run `systemd-creds setup` as root")
    sealed = tmp_path / "identity.cred"
    run = ["systemd-creds", "--name=dockagent.identity"]
    subprocess.run([*run, "--with-key=host", "encrypt", "-", sealed], input=new_key(), capture_output=True, check=True)
    assert b"PRIVATE" not in sealed.read_bytes()
    opened = subprocess.run([*run, "decrypt", sealed, "-"], capture_output=True, check=True).stdout
    (credentials / "dockagent.identity").write_bytes(opened)
    keys = Keys.create(RealDisk(tmp_path / "keys"), "dock-7", identity=in_credential)
    assert Keys.load(RealDisk(tmp_path / "keys")).key_id == keys.key_id
