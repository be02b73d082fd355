"""Permits to erase, in a scenario: the custodian's own, and such as nobody should follow.

The custodian is the installed command ``dockagent custodian``, beside the scenario's store. What it signed is then made
wrong in one way and signed again with its own key, so that nothing but that one thing can be the ground of a refusal.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hil.demo.custodian import Custodian

POLICY: Mapping[str, Any] = {"policy": "scenario", "age_days": 0, "retention": [], "left_days": 0}
_PAYLOAD_TYPE = "application/vnd.in-toto+json"
Statement = dict[str, Any]


class NotSigned(Exception):
    """The custodian signed no permit, and why."""


def _stale(said: Statement) -> None:
    over = datetime.now(UTC) - timedelta(days=1)
    said["predicate"]["not_before"], said["predicate"]["not_after"] = _time(over - timedelta(days=9)), _time(over)


def _of_another_camera(said: Statement) -> None:
    said["predicate"]["camera"] += "-other"


def _of_other_bytes(said: Statement) -> None:
    said["subject"][0]["digest"]["sha256"] = "ab" * 32


def _as_it_is(said: Statement) -> None:
    """Signed anew, and nothing else."""


WAYS: dict[str, Callable[[Statement], None]] = {
    "valid": _as_it_is,
    "stale": _stale,
    "of-another-camera": _of_another_camera,
    "of-other-bytes": _of_other_bytes,
    "of-another-signer": _as_it_is,
}
"""How a permit can be; all but the first are followed by no dock."""


def of_a_dock(custodian: Custodian) -> dict[str, dict[str, Any]]:
    """What the dock's configuration says about it. It witnesses so often that no receipt waits for a ledger."""
    tables = custodian.of_a_dock()
    return {**tables, "witnesses": {**tables["witnesses"], "every_records": 1}}


def permit(custodian: Custodian, masters: list[Path], way: str) -> None:
    """Have the custodian sign permits, and leave those beside these stored clips, made wrong in one ``way``. Permits
    for all other clips are taken away again. Raises NotSigned where a clip got none."""
    done = custodian.once(POLICY)
    mine = {master.parent / "permit.json" for master in masters}
    lacking = [path.parent.name for path in mine if not path.exists()]
    if lacking:
        raise NotSigned(f"the custodian signed no permit for clip {lacking[0]}: {done.out.strip() or done.err.strip()}")
    for path in custodian.place.store.rglob("permit.json"):
        envelope = json.loads(path.read_bytes())
        path.unlink()
        if path in mine:
            path.write_bytes(_changed(envelope, way, custodian.private))


def _changed(envelope: dict[str, Any], way: str, private: Path) -> bytes:
    if way == "valid":
        return json.dumps(envelope).encode()
    said = json.loads(base64.b64decode(envelope["payload"], validate=True))
    WAYS[way](said)
    payload = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    key = ec.generate_private_key(ec.SECP256R1()) if way == "of-another-signer" else _key(private)
    signature = key.sign(_encoded(payload), ec.ECDSA(hashes.SHA256()))
    signatures = [{"keyid": envelope["signatures"][0]["keyid"], "sig": base64.b64encode(signature).decode()}]
    whole = {"payload": base64.b64encode(payload).decode(), "payloadType": _PAYLOAD_TYPE, "signatures": signatures}
    return json.dumps(whole).encode()


def _key(private: Path) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(private.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise NotSigned(f"{private} is no key on an elliptic curve")
    return key


def _encoded(payload: bytes) -> bytes:
    """What is signed: DSSE's pre-authentication encoding (the specification's "PAE")."""
    return b"DSSEv1 %d %b %d %b" % (len(_PAYLOAD_TYPE), _PAYLOAD_TYPE.encode(), len(payload), payload)


def _time(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S.000Z")
