"""Telling systemd how we are (sd_notify(3)): one datagram to the socket that it names in NOTIFY_SOCKET."""

import logging
import os
import socket

log = logging.getLogger(__name__)


def notify(state: str) -> None:
    """Send ``state`` (``READY=1``, ``WATCHDOG=1``, ``STATUS=…``). Does nothing where systemd did not start us, and goes
    on where nobody listens: a dock does not end because its supervisor is away."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
            line.sendto(state.encode(), address)
    except OSError as err:
        log.warning("systemd was not told %s: %s", state, err)
