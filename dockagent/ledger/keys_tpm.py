"""An identity in a TPM 2.0, spoken to by tpm2-tools (Debian package tpm2-tools, BSD-3-Clause) as separate programs.

The private key is made inside the TPM and never leaves it. What lies in ``identity.tpm`` are the two blobs that the TPM
gave out for the key, and two for a sealed secret that encrypts the dock's other keys. They are of use to this one TPM
only, under its storage key (``tpm2_createprimary -C o -G ecc256``, which it makes again from its own seed each time).

A dock signs with its TPM when keys are made, changed or enrolled, and asks it for the secret at every start: some ten
calls, never one for each record. So a program for each call is fast enough, nothing is linked into the agent, and an
administrator can type the same commands.

Whoever is root on the running dock can use the TPM too, and reads the record keys out of the agent's memory.
"""

import base64
import binascii
import os
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from dockagent.core import strict_json
from dockagent.core.proof import key_statement
from dockagent.durable import Disk
from dockagent.errors import Missing, Refused, UsageError
from dockagent.ledger.keys_identity import Maker, Random, file_name

DEVICE = "device:/dev/tpmrm0"
"""Where a TPM is by default, as tpm2-tools write it (TCTI). The kernel's resource manager is behind this one."""

PATIENCE_S = 60.0  # a discrete TPM makes a key in seconds
_BLOBS = ("key_public", "key_private", "secret_public", "secret_private")
_SIGNS = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|sign"
_MEND = "switch it on in the firmware, load its driver, and give the dock's user the right to it (group tss)"


def in_tpm(tcti: str = DEVICE) -> Maker:
    """A :data:`~dockagent.ledger.keys_identity.Maker`: a new key inside the TPM at ``tcti``."""

    def make(disk: Disk, generation: int, random: Random) -> None:
        name = file_name("identity", generation, "tpm")
        if disk.size(name) is None:
            disk.create(name, _make(tcti), 0o600)

    return make


@dataclass(frozen=True)
class TpmIdentity:
    """The identity whose blobs are ``data``, the bytes of the file ``name``."""

    name: str
    data: bytes
    kind: str = "tpm"

    @property
    def where(self) -> str:
        """For a person."""
        return f"TPM at {self._said['tcti']}"

    @cached_property
    def public(self) -> ec.EllipticCurvePublicKey:
        """As it was noted when it was made; each signature is checked with it."""
        try:
            return key_statement.public_key(self._said["public_key_pem"], self.name)
        except Refused as err:
            raise UsageError(str(err), "bring back the keys folder from its backup") from err

    def sign(self, data: bytes) -> bytes:
        """One signature by the TPM."""
        with _session(self._said["tcti"]) as tpm:
            tpm.load("key", self._blob("key_public"), self._blob("key_private"))
            (tpm.folder / "data").write_bytes(data)
            tpm.run("sign", "-c", "key.ctx", "-g", "sha256", "-f", "plain", "-o", "signature", "data")
            return (tpm.folder / "signature").read_bytes()

    def lock(self) -> bytes | None:
        """The secret that only this TPM gives back. Raises Missing where it is away or another one."""
        with _session(self._said["tcti"]) as tpm:
            tpm.load("secret", self._blob("secret_public"), self._blob("secret_private"))
            return tpm.run("unseal", "-c", "secret.ctx")

    @cached_property
    def _said(self) -> dict[str, Any]:
        try:
            raw = strict_json.parse(self.data)
        except Refused as err:
            raise UsageError(f"{self.name} is damaged: {err}", "bring back the keys folder from its backup") from err
        names = {"tcti", "public_key_pem", *_BLOBS}
        if not isinstance(raw, dict) or set(raw) != names or not all(isinstance(one, str) for one in raw.values()):
            raise UsageError(f"{self.name} is not a TPM identity", "bring back the keys folder from its backup")
        return raw

    def _blob(self, name: str) -> bytes:
        try:
            return base64.b64decode(self._said[name], validate=True)
        except binascii.Error as err:
            raise UsageError(f"{self.name} is damaged", "bring back the keys folder from its backup") from err


def _make(tcti: str) -> bytes:
    with _session(tcti) as tpm:
        tpm.run("create", "-C", "top.ctx", "-G", "ecc256:ecdsa-sha256", "-a", _SIGNS, "-u", "key.pub", "-r", "key.prv")
        tpm.forget()
        tpm.load("key", (tpm.folder / "key.pub").read_bytes(), (tpm.folder / "key.prv").read_bytes())
        tpm.run("readpublic", "-c", "key.ctx", "-f", "pem", "-o", "key.pem")
        tpm.forget()
        lock = secrets.token_hex(32).encode()
        tpm.run("create", "-C", "top.ctx", "-i", "-", "-u", "secret.pub", "-r", "secret.prv", given=lock)
        found = {
            "tcti": tcti,
            "public_key_pem": (tpm.folder / "key.pem").read_text(),
            "key_public": _text(tpm.folder / "key.pub"),
            "key_private": _text(tpm.folder / "key.prv"),
            "secret_public": _text(tpm.folder / "secret.pub"),
            "secret_private": _text(tpm.folder / "secret.prv"),
        }
    return strict_json.canonical(found) + b"\n"


def _text(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


@dataclass(frozen=True, slots=True)
class _Session:
    """Some commands to one TPM, in a folder of their own for contexts and blobs. No secret is written there: the
    sealed one comes and goes through pipes."""

    tcti: str
    folder: Path

    def load(self, name: str, public: bytes, private: bytes) -> None:
        """Load a pair of blobs under the storage key, as ``<name>.ctx``."""
        (self.folder / f"{name}.pub").write_bytes(public)
        (self.folder / f"{name}.prv").write_bytes(private)
        self.run("load", "-C", "top.ctx", "-u", f"{name}.pub", "-r", f"{name}.prv", "-c", f"{name}.ctx")
        self.forget()

    def forget(self) -> None:
        """A TPM has room for about three keys at a time. The kernel's resource manager clears up behind each program;
        where there is none (``swtpm:…``), we do. What is saved in a context is loaded again."""
        if not self.tcti.startswith("device:"):
            self.run("flushcontext", "--transient-object")

    def run(self, act: str, *words: str, given: bytes = b"") -> bytes:
        """One of tpm2-tools; what it printed. Raises Missing, in one line, where it failed."""
        command = [f"tpm2_{act}", *words]
        env = {**os.environ, "TPM2TOOLS_TCTI": self.tcti, "TSS2_LOG": "all+NONE"}
        try:
            done = subprocess.run(
                command, cwd=self.folder, input=given, capture_output=True, timeout=PATIENCE_S, env=env, check=False
            )
        except FileNotFoundError as err:
            raise Missing(f"the TPM cannot be asked: {command[0]} is not installed", "install tpm2-tools") from err
        except subprocess.TimeoutExpired as err:
            raise Missing(f"the TPM at {self.tcti} does not answer within {PATIENCE_S:.0f} s", _MEND) from err
        if done.returncode:
            why = next((line for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()), "")
            raise Missing(f"the TPM at {self.tcti} refuses or is away ({command[0]}: {_short(why)})", _MEND)
        return done.stdout


@contextmanager
def _session(tcti: str) -> Iterator[_Session]:
    with tempfile.TemporaryDirectory(prefix="dockagent-tpm-") as folder:
        tpm = _Session(tcti, Path(folder))
        tpm.run("createprimary", "-C", "o", "-G", "ecc256", "-c", "top.ctx", "-Q")
        tpm.forget()
        yield tpm
        tpm.forget()


def _short(line: str) -> str:
    return "".join(char if char.isprintable() else " " for char in line)[:160] or "no reason given"
