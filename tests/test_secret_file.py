"""Files with secrets: one rule for docks, custodians and the doctor, and every refusal names the file."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dockagent.cli import main
from dockagent.clock import SystemClock
from dockagent.config import Config, load, officers_of
from dockagent.doctor import of_setting
from dockagent.errors import UsageError
from dockagent.reach import configured_archive, configured_store, s3_settings, swift_settings

HIDDEN = "0123456789abcdef"
URL = "s3://evidence/force"
READERS: dict[str, Callable[[Config, Path], object]] = {
    "a dock's S3": lambda found, home: configured_store(found, home, URL, SystemClock()),
    "a dock's Swift": lambda found, home: configured_store(found, home, "swift://evidence/force", SystemClock()),
    "a custodian": lambda found, home: configured_archive(found, URL, SystemClock()),
}


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text(HIDDEN + "\n")
    file.chmod(0o600)
    return file


def configured(secret: Path) -> Path:
    file = secret.with_name("dockagent.toml")
    file.write_text(f"""
        [store]
        url = "{URL}"
        endpoint = "http://127.0.0.1:9"
        access_key = "dock"
        secret_key_file = "{secret}"
        [swift]
        auth_url = "http://127.0.0.1:9/auth/v1.0"
        user = "a:b"
        key_file = "{secret}"
        [officers]
        keep = "keyed"
        key_file = "{secret}"
    """)
    return file


def test_a_secret_that_its_user_alone_reads_is_taken(secret: Path) -> None:
    for mode in (0o600, 0o400):
        secret.chmod(mode)
        found = load(configured(secret))
        assert (s3_settings(found).secret_key, swift_settings(found).key) == (HIDDEN, HIDDEN)
        assert officers_of(found).keep == "keyed"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
@pytest.mark.parametrize("reader", READERS)
def test_one_that_others_can_read_is_refused_by_all(secret: Path, reader: str, mode: int) -> None:
    secret.chmod(mode)
    with pytest.raises(UsageError, match=rf"others can read the secret {secret} \(mode 0{mode:o}\); run `chmod 600"):
        READERS[reader](load(configured(secret)), secret.parent)


def test_the_agencys_secret_for_pseudonyms_too(secret: Path) -> None:
    secret.chmod(0o644)
    with pytest.raises(UsageError, match=f"others can read the secret {secret}"):
        officers_of(load(configured(secret)))


def test_the_doctor_says_so(secret: Path) -> None:
    secret.chmod(0o644)
    found = load(configured(secret))
    check = of_setting.store(URL, lambda: configured_store(found, secret.parent, "", SystemClock(), remember=False))
    assert (check.word, check.todo.partition(";")[0]) == ("failure", f"run `chmod 600 {secret}`")


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"", "is empty"), (b" \n", "is empty"), (b"\xff\xfe", "is not text"), (None, "No such file")],
)
def test_one_that_holds_no_secret_is_named(secret: Path, data: bytes | None, words: str) -> None:
    file = secret.with_name("other")
    if data is not None:
        file.write_bytes(data)
        file.chmod(0o600)
    reads: list[Callable[[Config], object]] = [s3_settings]
    reads += [officers_of] if words != "is not text" else []  # an agency's secret may be any bytes
    for read in reads:
        said = rf"the secret {file}.* {words}.*check|the secret {file} {words}.*correct"
        with pytest.raises(UsageError, match=said):
            read(load(configured(file)))


def test_an_agencys_secret_need_not_be_text(secret: Path) -> None:
    secret.write_bytes(bytes(range(0xE0, 0x100)) + b"\n")
    assert officers_of(load(configured(secret))).secret == bytes(range(0xE0, 0x100))


def test_what_systemd_hands_over_is_read_although_its_acl_shows_as_the_groups(
    secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret.chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(secret.parent))
    found = load(configured(secret))
    assert (s3_settings(found).secret_key, officers_of(found).secret) == (HIDDEN, HIDDEN.encode())
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(secret.parent / "other"))
    for read in (s3_settings, officers_of):
        with pytest.raises(UsageError, match="others can read"):
            read(found)


def test_an_administrators_secret_is_held_to_it(secret: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, theirs = configured(secret), secret.with_name("theirs")
    theirs.write_text("secret")
    theirs.chmod(0o644)
    words = ["store", "check", "--config", str(config), "--home", str(secret.parent), "--no-record"]
    assert main([*words, "--admin-key-id", "admin", "--admin-secret-file", str(theirs)]) == 2
    assert f"others can read the secret {theirs}" in capsys.readouterr().err
