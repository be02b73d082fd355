"""The form of a disclosure package, as far as those who make it and those who check it must agree: where things lie,
the Sigstore bundle of a record, and what CASE's own validator does not look at."""

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any

from dockagent.core import plan
from dockagent.core.moment import parse_rfc3339
from dockagent.core.proof import dsse
from dockagent.errors import Refused

CLIPS, RECORDS = "data/clips", "data/records/"
PACKAGE, TRUST, CASE = "data/package.json", "data/keys/trust.json", "data/case.jsonld"
ENVELOPE, BUNDLE, WITHHELD = ".dsse.json", ".sigstore.json", ".withheld.json"
BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
START, END = "uco-action:startTime", "uco-action:endTime"
SUFFIX = re.compile(r"\.[a-z0-9]{1,5}")  # of a master's own name


def is_master(name: str) -> bool:
    """Whether a file of a package's clip folder is its master."""
    return name == "master" or (bool(SUFFIX.fullmatch(name.removeprefix("master"))) and name != plan.SEALED_MASTER)


def bundle(entry: bytes, token: bytes) -> dict[str, object]:
    """A Sigstore bundle v0.3 (sigstore/protobuf-specs) over a DSSE envelope with one signature: key hint, envelope, and
    the time stamp over the signature where there is one. No certificate and no entry of a public log."""
    envelope = dsse.parse(entry)
    stamps = [{"signedTimestamp": base64.b64encode(token).decode()}] if token else []
    return {
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": {
            "publicKey": {"hint": envelope.signatures[0].keyid},
            "tlogEntries": [],
            "timestampVerificationData": {"rfc3161Timestamps": stamps},
        },
        "dsseEnvelope": {
            "payload": base64.b64encode(envelope.payload).decode(),
            "payloadType": envelope.payload_type,
            "signatures": [
                {"sig": base64.b64encode(one.sig).decode(), "keyid": one.keyid} for one in envelope.signatures
            ],
        },
    }


def check_times(nodes: Iterable[Mapping[str, Any]]) -> None:
    """Raises Refused for a time that states no zone, and for an end before its start."""
    for node in nodes:
        times = {key: _moment(value, node) for key, value in node.items() if _is_time(value)}
        if START in times and END in times and times[END] < times[START]:
            raise Refused(f"{node.get('@id', 'a node')} ends before it starts")


def _is_time(value: object) -> bool:
    return isinstance(value, dict) and value.get("@type") == "xsd:dateTime"


def _moment(value: Mapping[str, Any], node: Mapping[str, Any]) -> int:
    try:
        return parse_rfc3339(str(value.get("@value")))
    except ValueError as err:
        raise Refused(f"{node.get('@id', 'a node')} has a time that cannot be placed: {err}") from err
