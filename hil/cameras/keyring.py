"""A maker's keys in a folder, so that cameras made by different commands share one root.

    root.pem root.key intermediate.pem intermediate.key
    cameras/<serial>/chain.pem  cameras/<serial>/camera.key

They are test keys: the files are not encrypted.
"""

from __future__ import annotations

import re
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from hil.cameras.pki import Authority, Identity, Maker, Validity, make_maker
from hil.cameras.plate import Plate

SAFE_SERIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def maker_in(folder: Path, name: str, validity: Validity) -> Maker:
    """The maker whose keys lie in folder; it is made and written there if folder holds none.

    Name and validity count only when it is made. Raises OSError or ValueError when the files are damaged.
    """
    if not (folder / "root.pem").exists():
        maker = make_maker(name, validity)
        folder.mkdir(parents=True, exist_ok=True)
        _write_authority(folder / "intermediate", maker.intermediate)
        _write_authority(folder / "root", maker.root)
    root = _read_authority(folder / "root")
    organization = root.certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value
    return Maker(str(organization), root, _read_authority(folder / "intermediate"))


def identity_in(folder: Path, maker: Maker, plate: Plate, validity: Validity) -> Identity:
    """The key and certificates of the camera with this serial; they are issued and written if there are none.

    Raises ValueError for a serial that cannot be a folder's name.
    """
    if not SAFE_SERIAL.fullmatch(plate.serial):
        raise ValueError(f"serial {plate.serial!r} cannot be a folder's name")
    home = folder / "cameras" / plate.serial
    if not (home / "chain.pem").exists():
        identity = maker.identity(plate.model, plate.serial, validity)
        home.mkdir(parents=True, exist_ok=True)
        _write_key(home / "camera.key", identity.key)
        (home / "chain.pem").write_bytes(identity.chain_pem())
    chain = x509.load_pem_x509_certificates((home / "chain.pem").read_bytes())
    return Identity(_read_key(home / "camera.key"), tuple(chain))


def _write_authority(stem: Path, authority: Authority) -> None:
    _write_key(stem.with_suffix(".key"), authority.key)
    stem.with_suffix(".pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))


def _read_authority(stem: Path) -> Authority:
    certificate = x509.load_pem_x509_certificate(stem.with_suffix(".pem").read_bytes())
    return Authority(certificate, _read_key(stem.with_suffix(".key")))


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path} does not hold an elliptic curve key")
    return key
