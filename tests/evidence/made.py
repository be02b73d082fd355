"""Stored clips for tests: a clip's folder as the store's layout has it, with the dock's signed record."""

import hashlib
from pathlib import Path
from typing import Any

from dockagent.core import strict_json
from dockagent.ledger.keys import Keys

CHUNK = 1 << 20
MASTER = bytes(range(256)) * (10 * CHUNK // 1024) + b"end"  # two whole chunks, a half, and three bytes
FILES = {
    "master": MASTER,
    "manifest.dsse.json": b'{"stands":"for a manifest"}',
    "chain.pem": b"stands for a chain",
    "preview/sprite.jpg": b"stands for a picture",
}
VERDICTS = {"intact": "pass", "signature": "pass", "signer": "unknown", "time": "unknown", "complete": "pass"}


def chunk_root(data: bytes) -> str:
    """The chunk root by RFC 6962's own recursive words, so that ours is compared with something."""
    leaves = [hashlib.sha256(b"\x00" + data[at : at + CHUNK]).digest() for at in range(0, len(data), CHUNK)]
    return _tree(leaves).hex() if leaves else hashlib.sha256(b"").hexdigest()


def _tree(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + _tree(leaves[:split]) + _tree(leaves[split:])).digest()


def statement(files: dict[str, bytes], clip_id: str = "clip-1", **changed: Any) -> dict[str, Any]:
    """A clip record's statement over ``files``; ``changed`` replaces members of its predicate."""
    master = files.get("master", b"")
    predicate = {
        "bytes": len(master),
        "chunks": {"size": CHUNK, "root": chunk_root(master)},
        "camera": "BWC-0001",
        "clip_id": clip_id,
        "path": "DCIM/100BWC/BWC0001.MP4",
        "verdicts": {**VERDICTS, "reasons": {"signer": "no root for it"}, "quarantine_reason": ""},
    }
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": name, "digest": {"sha256": hashlib.sha256(data).hexdigest()}} for name, data in files.items()
        ],
        "predicateType": "urn:dockagent:clip-record:1",
        "predicate": {**predicate, **changed},
    }


def clip(store: Path, keys: Keys, clip_id: str = "clip-1", files: dict[str, bytes] | None = None) -> Path:
    """A stored clip's folder in ``store``."""
    files = FILES if files is None else files
    folder = store / "clips" / "BWC-0001" / "2026" / "11" / "22" / clip_id
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "record.json").write_bytes(keys.sign_statement(strict_json.canonical(statement(files, clip_id))))
    return folder
