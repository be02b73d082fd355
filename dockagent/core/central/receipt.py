"""A store's word, as the ledger keeps it."""

import msgspec

BY_CUSTODIAN = "custodian"


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The store's word that it holds an object, as :class:`dockagent.stores.Stored` gave it; or, where ``proof`` is
    :data:`BY_CUSTODIAN`, the custodian's, who read it back for a dock that may not. ``checksum``: the SHA-256
    that the store states, as it writes it: of the object, or over the digests of its parts, ``part_size`` bytes each
    (0: it went in one piece). ``hold``: what is known of the legal hold that was asked for."""

    store: str
    key: str
    bytes: int
    sha256: str
    proof: str
    version: str
    etag: str
    checksum: str = ""
    part_size: int = 0
    hold: str = ""
