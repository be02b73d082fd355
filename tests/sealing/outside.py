"""age and age-keygen as Debian has them: they know nothing of us."""

import shutil
import subprocess
from pathlib import Path

import pytest

NEEDS_AGE = pytest.mark.skipif(shutil.which("age") is None, reason="needs the package age")


def keygen(folder: Path, name: str) -> tuple[Path, str]:
    """A new identity: its file, and the recipient that goes with it."""
    file = folder / name
    subprocess.run(["age-keygen", "-o", file], check=True, capture_output=True, timeout=30)
    public = subprocess.run(["age-keygen", "-y", file], check=True, capture_output=True, text=True, timeout=30).stdout
    return file, public.strip()


def decrypt(file: Path, identity: Path) -> "subprocess.CompletedProcess[bytes]":
    """`age -d`, whatever it says of it."""
    return subprocess.run(["age", "-d", "-i", identity, file], capture_output=True, check=False, timeout=60)


def encrypt(data: bytes, recipient: str, *words: str) -> bytes:
    """`age -e`."""
    command = ["age", "-e", "-r", recipient, *words]
    return subprocess.run(command, input=data, capture_output=True, check=True, timeout=60).stdout
