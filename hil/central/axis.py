"""An evidence system that speaks the dialect that Axis publishes for body-worn footage, and holds clients to it.

Written from the text of the body worn integration API (github.com/AxisCommunications/body-worn-integration-api, README)
alone, and stricter than a Swift server, which takes everything: 400 for a recording of an officer or camera that nobody
registered, for names and metadata that break the rules, and for one without duration; 409 for anything that comes after
``Complete``; 402 where a licence is missing; 422 for bytes that do not have the MD5 in ``ETag``. What it was told to
refuse it refuses with 400, but takes it as rejected content. Everything is in memory.
"""

import base64
import hashlib
import json
import re
import secrets
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote

from hil.central.local_server import LocalServer

USER, KEY = "evidence", "evidence-key"
RECORDING = re.compile(r"[^_/]+_[^_/]+_\d{8}T\d{6}Z")
REJECTED = re.compile(r"RejectedContent_(\d{8}T\d{6}Z|UnknownTime)_[0-9a-f-]{36}")
CLIP = re.compile(r"\d{8}_\d{6}_[0-9A-Za-z]+\.(mkv|mp4)")
NEEDED = ("bwcserialnumber", "userid", "triggerontime", "triggerontimeiso", "status")
SHORT = 32  # bytes of a metadata value
LONGER = {
    **dict.fromkeys(("containername", "rejectedcontentoriginalcontainer"), 256),
    **dict.fromkeys(("name", "systemname", "connectionid"), 100),
}


@dataclass(slots=True)
class Container:
    """One container: its metadata by lower-case keys without prefix, and its objects."""

    meta: dict[str, str] = field(default_factory=dict)
    objects: dict[str, tuple[bytes, dict[str, str]]] = field(default_factory=dict)


class No(Exception):
    """A refusal: the status and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Destination(LocalServer):
    """The evidence system, listening on ``self.port`` while used as a context manager.

    ``capabilities``: what it declares, ``None`` for no such file. ``licences``: how many cameras it takes. ``tls``: PEM
    files of its certificate and key. ``gives_back``: whether it serves footage again. ``refused``: digests (SHA-256,
    hex) of clips that it does not want.
    """

    def __init__(
        self,
        capabilities: tuple[str, ...] | None = ("StoreReadSystemID", "StoreRejectedContent"),
        *,
        licences: int = 100,
        gives_back: bool = True,
        tls: tuple[Path, Path] | None = None,
    ) -> None:
        super().__init__(self._serve, tls)
        self.containers: dict[str, Container] = {}
        self.gives_back, self.licences = gives_back, licences
        self.refused: set[str] = set()
        self.log: list[str] = []
        self._tls, self._tokens, self._lock = tls, set[str](), threading.Lock()
        if capabilities is not None:
            body = json.dumps({"StoreAndRead": dict.fromkeys(capabilities, True)}).encode()
            self.containers["System"] = Container(objects={"Capabilities.json": (body, {})})

    @property
    def address(self) -> str:
        return f"{'https' if self._tls else 'http'}://localhost:{self.port}"

    def connection_file(self, **others: object) -> bytes:
        """README, "JSON file format"; ``others`` replace members."""
        certificate = [base64.b64encode(self._tls[0].read_bytes()).decode()] if self._tls else []
        said: dict[str, object] = {
            "ConnectionFileVersion": "1.0",
            "SiteName": "hil",
            "ApplicationName": "an evidence system",
            "ApplicationVersion": "1",
            "ContentDestinationAsNTPServer": False,
            "AuthenticationTokenURI": [f"{self.address}/auth/v1.0"],
            "HTTPSCertificate": certificate,
            "BlobAPIKey": KEY,
            "BlobAPIUserName": USER,
            "ContainerType": "mp4",
            "WantEncryption": False,
        }
        return json.dumps({**said, **others}).encode()

    def recordings(self) -> dict[str, Container]:
        """What was delivered, by the container's name; rejected content is not among it."""
        return {name: one for name, one in self.containers.items() if RECORDING.fullmatch(name)}

    def rejected(self) -> dict[str, Container]:
        """What was delivered as rejected content, by the container's name."""
        return {name: one for name, one in self.containers.items() if REJECTED.fullmatch(name)}

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        said = {name.lower(): value for name, value in handler.headers.items()}
        try:
            with self._lock:
                status, data, headers = self._answer(handler.command, unquote(handler.path), said, body)
        except No as no:
            status, data, headers = no.status, str(no).encode(), {}
        self.log.append(f"{handler.command} {unquote(handler.path)} {status}")
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(data)

    def _answer(self, method: str, path: str, said: dict[str, str], body: bytes) -> tuple[int, bytes, dict[str, str]]:
        if path == "/auth/v1.0" and method == "GET":
            return self._let_in(said)
        if said.get("x-auth-token") not in self._tokens:
            raise No(401, "no valid token")
        container, _, name = path.removeprefix("/v1/account/").partition("/")
        if not path.startswith("/v1/account/") or not container:
            raise No(404, "no such place")
        if not name:
            return self._of_container(method, container, said)
        if method == "PUT":
            return self._put(container, name, said, body)
        if method in ("GET", "HEAD"):
            return self._get(container, name)
        raise No(405, "body-worn systems do not do that")

    def _let_in(self, said: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        if (said.get("x-auth-user"), said.get("x-auth-key")) != (USER, KEY):
            raise No(401, "wrong user or key")
        token = secrets.token_hex(16)
        self._tokens.add(token)
        return 200, b"", {"X-Auth-Token": token, "X-Storage-Url": f"{self.address}/v1/account"}

    def _of_container(self, method: str, name: str, said: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        meta = _meta("container", said)
        if method == "PUT":
            if RECORDING.fullmatch(name):
                self._need_recording(name, meta)
            elif name not in ("System", "Users", "Devices") and not REJECTED.fullmatch(name):
                raise No(400, f"no name of a container: {name}")
            status = 202 if name in self.containers else 201
            self._of(name, make=True).meta.update(meta)
            return status, b"", {}
        if method == "POST":
            container = self._of(name)
            if RECORDING.fullmatch(name) and meta.get("status") == "Complete" and not container.objects:
                raise No(400, "complete without a clip")
            container.meta.update(meta)
            return 204, b"", {}
        raise No(405, "body-worn systems do not do that")

    def _need_recording(self, name: str, meta: dict[str, str]) -> None:
        """README, "Error response descriptions" and "Recording container metadata"."""
        if missing := [one for one in NEEDED if one not in meta]:
            raise No(400, f"metadata is missing: {', '.join(missing)}")
        if meta["status"] != "Transferring":
            raise No(400, "a recording begins with Transferring")
        if self.containers.get(name, Container()).meta.get("status") == "Complete":
            raise No(409, "the recording is complete")
        if meta["userid"] not in self.containers.get("Users", Container()).objects:
            raise No(400, "nobody registered this user")
        if meta["bwcserialnumber"] not in self.containers.get("Devices", Container()).objects:
            raise No(400, "nobody registered this device")

    def _put(self, container: str, name: str, said: dict[str, str], body: bytes) -> tuple[int, bytes, dict[str, str]]:
        place, meta = self._of(container), _meta("object", said)
        md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
        if said.get("etag", md5) != md5:
            raise No(422, "other bytes than announced")
        if said.get("if-none-match") == "*" and name in place.objects:
            raise No(412, "it is there")
        if RECORDING.fullmatch(container):
            self._need_clip(place, name, meta, said, body)
        if container == "Devices" and name not in place.objects and len(place.objects) >= self.licences:
            raise No(402, "no licence is left for another camera")
        place.objects[name] = (body, meta)
        return 201, b"", {"ETag": md5}

    def _need_clip(self, place: Container, name: str, meta: dict[str, str], said: dict[str, str], body: bytes) -> None:
        if place.meta.get("status") != "Transferring":
            raise No(409, "the recording is complete")
        if "etag" not in said or not CLIP.fullmatch(name) or meta.get("containertype") not in ("mkv", "mp4"):
            raise No(400, f"no clip: {name}")
        if int(meta.get("stoptime", 0)) <= int(meta.get("starttime", 0)):
            raise No(400, "the clip has no duration")
        if hashlib.sha256(body).hexdigest() in self.refused:
            raise No(400, "this clip is not wanted")

    def _get(self, container: str, name: str) -> tuple[int, bytes, dict[str, str]]:
        if container != "System" and not self.gives_back:
            raise No(403, "footage is looked at in the evidence system")
        found = self._of(container).objects.get(name)
        if found is None:
            raise No(404, "no such object")
        body, meta = found
        marks = {f"X-Object-Meta-{key.capitalize()}": value for key, value in meta.items()}
        return 200, body, {"ETag": hashlib.md5(body, usedforsecurity=False).hexdigest(), **marks}

    def _of(self, name: str, *, make: bool = False) -> Container:
        if make:
            self.containers.setdefault(name, Container())
        if name not in self.containers:
            raise No(404, "no such container")
        return self.containers[name]


def _meta(of: str, said: dict[str, str]) -> dict[str, str]:
    """The metadata in a request, decoded, with its rules kept (README, "Clip metadata details")."""
    prefix = f"x-{of}-meta-"
    found = {name.removeprefix(prefix): unquote(value) for name, value in said.items() if name.startswith(prefix)}
    for name, value in found.items():
        if len(value.encode()) > LONGER.get(name, SHORT):
            raise No(400, f"{name} is too long")
    return found
