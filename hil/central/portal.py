"""A captive portal: it takes every request for one to its own page, and answers 200."""

from http.server import BaseHTTPRequestHandler

from hil.central.local_server import LocalServer

PAGE = b"<html><head><title>Welcome</title></head><body>Sign in to use this network.</body></html>\n"


def portal() -> LocalServer:
    """The portal, on ``port`` of 127.0.0.1 while used as a context manager."""
    return LocalServer(_welcome)


def _welcome(request: BaseHTTPRequestHandler) -> None:
    left = int(request.headers.get("Content-Length") or 0)
    while left and (data := request.rfile.read(min(left, 1 << 16))):
        left -= len(data)
    request.send_response(200)
    request.send_header("Content-Type", "text/html")
    request.send_header("Content-Length", str(len(PAGE)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(PAGE)
