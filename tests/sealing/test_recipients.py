"""To whom: what a configuration may say, and what it is told where it may not."""

import subprocess
import sys
from pathlib import Path

import pytest

from dockagent.errors import UsageError
from dockagent.sealing.recipients import recipients, sealer_to
from tests.simulation.agency import RECIPIENT, SECRET

OTHER = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"  # of age's own README


def test_keys_and_files_of_keys_each_once_in_their_order(tmp_path: Path) -> None:
    file = tmp_path / "people.txt"
    file.write_text(f"# the escrow\n\n{OTHER}\n  {RECIPIENT}  \n")
    assert recipients([RECIPIENT, str(file)]) == (RECIPIENT, OTHER)
    assert recipients([RECIPIENT.upper(), OTHER]) == (RECIPIENT, OTHER)
    sealer = sealer_to([str(file)])
    assert sealer is not None
    assert sealer.recipients == (OTHER, RECIPIENT)


def test_nobody_named_is_nobody() -> None:
    assert sealer_to([]) is None


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("", "no age1"),
        ("age1", "no age1"),
        (RECIPIENT[:-1], "no age1"),
        (RECIPIENT[:-1] + ("q" if RECIPIENT[-1] != "q" else "p"), "no age1"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI kay@station", "an SSH key"),
        ("ssh-rsa AAAAB3", "an SSH key"),
        ("age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t", "no age1"),
        ("age1tag1qwe0kafsjrar4txm6heqnhpfuggzr0gvznz7fvygxrlq90u5mq2pysxtw6h", "a hardware token"),
        ("age1pq1xyz", "a post-quantum key"),
        ("people.txt", "no age1"),
    ],
    ids=range(10),
)
def test_anything_else_is_refused_with_its_place_and_what_to_do(entry: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        recipients([RECIPIENT, entry])
    assert "entry 2 of encrypt_to in [sealing]" in str(caught.value)
    assert words in str(caught.value)
    assert "age-keygen" in str(caught.value)


def test_a_secret_key_is_refused_and_not_repeated(tmp_path: Path) -> None:
    """As when somebody gives the file that age-keygen made."""
    file = tmp_path / "key.txt"
    file.write_text(f"# created: 2026-11-22\n# public key: {RECIPIENT}\n{SECRET}\n")
    for entry in (SECRET, SECRET.lower(), str(file)):
        with pytest.raises(UsageError, match="SECRET key") as caught:
            recipients([entry])
        assert SECRET[16:30].lower() not in str(caught.value).lower()
    with pytest.raises(UsageError, match=f"line 3 of {file}"):
        recipients([str(file)])


def test_a_line_of_a_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "people.txt"
    file.write_text(f"{RECIPIENT}\n# and\nnonsense\n")
    with pytest.raises(UsageError, match=f"line 3 of {file} in \\[sealing\\] is no age1"):
        recipients([str(file)])


@pytest.mark.parametrize("data", [b"", b"# nobody\n", b"\xff\xfe", b"a" * (65 << 10), None])
def test_a_file_without_keys_is_refused(tmp_path: Path, data: bytes | None) -> None:
    file = tmp_path / "people.txt"
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(UsageError, match=str(file)):
        recipients([str(file)])


def test_without_the_package_it_is_said_what_to_install() -> None:
    """In a process in which pyrage cannot be imported."""
    code = (
        "import sys; sys.modules['pyrage'] = None\n"
        "from dockagent.errors import UsageError\n"
        "from dockagent.sealing.recipients import sealer_to\n"
        "assert sealer_to([]) is None\n"
        "try: sealer_to(['age1x'])\n"
        "except UsageError as err: print(err)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "the package pyrage, which is not installed" in done.stdout
    assert "extra `sealing`" in done.stdout


def test_a_dock_that_does_not_seal_does_not_load_it() -> None:
    code = "import sys, dockagent.daemon, dockagent.cli; print('pyrage' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
