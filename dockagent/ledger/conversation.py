"""One HTTP conversation with an outsider: one connection, TLS where its address asks for it, one end for all of it."""

import http.client
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from dockagent.core import mistake
from dockagent.errors import UsageError
from dockagent.ledger.deadline import deadline


def tls(ca_file: str, table: str, client: tuple[str, str] = ("", "")) -> ssl.SSLContext:
    """Verified TLS: by the certificates in the PEM file ``ca_file`` alone, or with "" by those that the system trusts.
    ``client``: PEM files of our own certificate and its key, for who lets nobody else in. ``table`` names them. Raises
    UsageError for a file that holds none."""
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as err:
        why = f"no certificate in {ca_file}: {mistake.in_system(err)}"
        raise UsageError(why, f"check ca_file in [{table}]") from err
    if any(client):
        try:
            context.load_cert_chain(client[0], client[1] or None)
        except (OSError, ssl.SSLError) as err:
            raise UsageError(
                f"no certificate with its key in {client[0]!r} and {client[1]!r}: {mistake.in_system(err)}",
                f"check client_cert_file and client_key_file in [{table}]",
            ) from err
    context.set_alpn_protocols(["http/1.1"])
    return context


def no_answer(err: OSError | http.client.HTTPException | UnicodeError) -> str:
    """Why nothing that a conversation may be judged by came of it, for a person."""
    return mistake.in_system(err) if isinstance(err, OSError) else f"no HTTP ({type(err).__name__})"


@contextmanager
def conversation(
    host: str, port: int, timeout_s: float, context: ssl.SSLContext | None
) -> Iterator[http.client.HTTPConnection]:
    """A connection that is shut ``timeout_s`` seconds after it was begun, however busily the other side sends: a
    socket's own limit starts anew with each byte. ``context``: the TLS to speak, or None. What was read in a
    conversation that was shut is not believed: an answer without a length looks whole then. Raises OSError and
    HTTPException."""
    with socket.create_connection((host, port), timeout_s) as line, deadline(line, timeout_s) as over:
        connection = http.client.HTTPConnection(host, port)
        try:
            connection.sock = context.wrap_socket(line, server_hostname=host) if context else line
            yield connection
        except (OSError, http.client.HTTPException) as err:
            if over.is_set() or isinstance(err, TimeoutError):  # a line that is silent meets its own limit as early
                raise TimeoutError(f"no whole answer in {timeout_s:g} s") from err
            raise
        finally:
            connection.close()
    if over.is_set():
        raise TimeoutError(f"no whole answer in {timeout_s:g} s")
