"""How to reach a Swift store. Values only: nothing here touches the network."""

from dataclasses import dataclass, field

AXIS = "swift+axis"  # the scheme of an evidence system's URL: swift+axis:///FILE, its connection file


@dataclass(frozen=True, slots=True)
class SwiftSettings:
    """Where a Swift store is and how to be let in.

    ``auth_urls``: where tokens are given out, tried in this order (``https://HOST/auth/v1.0``; OpenStack Swift, "v1
    authentication"). ``user`` is ``ACCOUNT:USER``. ``prefix`` has no slash at either end. ``ca_file``: PEM certificates
    to trust instead of the system's; ``ca_data``: the same as text; ``client_cert_file`` and ``client_key_file``: PEM
    files for a server that asks who is calling. ``connect_timeout`` and ``read_timeout`` are seconds.

    ``read_back``: whether every object is read again after it was written. Swift knows MD5 and no SHA-256, so that
    is the only proof it has; without it the proof is ``md5``, which an administrator must have chosen.

    Only for evidence systems that speak Axis' dialect: ``system_id`` (a UUID) and ``system_name`` say who we are there;
    ``beside`` is the URL of the store for all that is no footage.
    """

    container: str = ""
    prefix: str = ""
    auth_urls: tuple[str, ...] = ()
    user: str = ""
    key: str = field(default="", repr=False)
    ca_file: str = ""
    ca_data: str = field(default="", repr=False)
    client_cert_file: str = ""
    client_key_file: str = ""
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    read_back: bool = True
    system_id: str = ""
    system_name: str = ""
    beside: str = ""

    @property
    def url(self) -> str:
        """``swift://CONTAINER/PREFIX``, as people call this store."""
        return f"swift://{self.container}/{self.prefix}".rstrip("/")
