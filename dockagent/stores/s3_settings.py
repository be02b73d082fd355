"""How to reach an S3 store. Values only: nothing here needs botocore or touches the network."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class S3Settings:
    """Where an S3 store is and how to be let in.

    Empty ``endpoint``, ``region`` and keys mean the usual AWS variables, files and roles (``AWS_ENDPOINT_URL``,
    ``AWS_ACCESS_KEY_ID``, …). ``prefix`` has no slash at either end. ``ca_file``: PEM certificates to trust instead
    of the system's; ``client_cert_file`` and ``client_key_file``: PEM files for a server that asks who is calling.
    ``connect_timeout`` and ``read_timeout`` are seconds; ``attempts`` is how often one request is sent at most.
    """

    bucket: str = ""
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    ca_file: str = ""
    client_cert_file: str = ""
    client_key_file: str = ""
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    attempts: int = 3

    @property
    def url(self) -> str:
        """``s3://BUCKET/PREFIX``, as people call this store."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")
