"""The public keys that come along with an excerpt: hints to try, but each in its one form, so that none says more."""

import base64
from typing import Any

from dockagent.core import strict_json
from dockagent.core.disclosure.excerpt_proof import Proof
from dockagent.core.proof import dsse
from dockagent.errors import Refused, UsageError
from dockagent.ledger.trust import DockIdentity, parse

_SIGNERS = 2  # of a statement about keys: its own identity, and the one before


def keys_along(said: Proof) -> tuple[DockIdentity, ...]:
    """The docks' entries of a proof. Raises Refused for one that is not whole, is there twice, or holds anything that
    its keys do not sign: a member, a signature or a key id that no dock writes."""
    try:
        docks = parse(strict_json.canonical({"docks": list(said.docks), "camera_roots_pem": []})).docks
    except UsageError as err:
        raise Refused(f"the public keys that came along were altered: {err.what}") from err
    if len({one.same_keys for one in docks}) != len(docks):
        raise Refused("the public keys that came along were altered: one set is there twice")
    for dock, entry in zip(docks, said.docks, strict=True):
        if dock.as_json() != entry or (dock.certified and not _is_plain(entry["statement"], dock)):
            raise Refused(f"the public keys that came along were altered: those of dock {dock.id} are in another form")
    return docks


def _is_plain(statement: dict[str, Any], dock: DockIdentity) -> bool:
    """Whether a statement about keys is as a dock writes it: no member more, no signature twice, and the identity's
    own signature under its own name. That of the identity before is left to who knows its key."""
    envelope = dsse.parse(strict_json.canonical(statement))
    names = [one.keyid for one in envelope.signatures]
    plain = {
        "payload": base64.b64encode(envelope.payload).decode(),
        "payloadType": envelope.payload_type,
        "signatures": [{"keyid": one.keyid, "sig": base64.b64encode(one.sig).decode()} for one in envelope.signatures],
    }
    own = dsse.key_id(dock.key_set.identity_key)
    return plain == statement and len(set(names)) == len(names) <= _SIGNERS and own in names
