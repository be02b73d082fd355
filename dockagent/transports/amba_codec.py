"""Frames of the Ambarella vendor dialogue ("Amba Simple Class"), as the open client AmbaBodyCam speaks it. Pure.

``@`` command ``;`` length ``;`` payload ``;#`` goes out, ASCII, the command three letters. An answer begins with the
command and ends with ``#``; its fields stand between semicolons: ``@Ver;OK;#``, ``@Gdv;8;<device id>#``. Lengths are
not to be believed: the published client itself says 6 and sends 8 when it sets the time, and cameras take it.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from dockagent.errors import Permanent, UsageError

LONGEST = 256  # bytes of an answer; real ones fit into 64
PROBE = "Ver"
_PASSWORD = re.compile(rb"[!-~]{8}")
_IN_THE_WAY = frozenset(b";#@")
_ANSWER = re.compile(rb"(?:@|\A)([A-Z][A-Za-z]{2});([^#@]*)(#?)")
_DEVICE_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._ -]{0,31}")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer's command and its fields, without the empty one that a semicolon before ``#`` leaves."""

    command: str
    fields: tuple[bytes, ...]

    @property
    def refused(self) -> bool:
        """Whether the camera says that it will not."""
        return any(field.upper().startswith((b"ERR", b"NG", b"FAIL")) for field in self.fields)


def frame(command: str, payload: bytes, length: int | None = None) -> bytes:
    """One request. ``length``: what to state where that is not the truth."""
    return b"@%b;%d;%b;#" % (command.encode(), len(payload) if length is None else length, payload)


def probe() -> bytes:
    """The harmless question: it names no password and changes nothing."""
    return frame(PROBE, b"00000000")


def date_and_time(local: datetime) -> tuple[bytes, bytes]:
    """The two requests that set the camera's clock to its local time. The second says 6 and sends 8."""
    return frame("Sdt", f"{local:%Y%m%d}".encode()), frame("Stm", f"{local:%H%M%S}00".encode(), 6)


def check_password(password: bytes) -> None:
    """Raises UsageError for what cannot stand in a frame. The password itself is never shown."""
    if not _PASSWORD.fullmatch(password) or _IN_THE_WAY & set(password):
        raise UsageError(
            "the camera's password must be 8 printable ASCII characters without ; # @",
            "correct the file that holds it",
        )


def is_whole(data: bytes, command: str) -> bool:
    """Whether the answer to ``command`` came to its end, or as much came as is ever listened to."""
    return len(data) >= LONGEST or any(one[1] == command.encode() and one[3] for one in _ANSWER.finditer(data))


def parse(data: bytes, command: str) -> Answer | None:
    """The answer to ``command`` in what came, or None. Late answers to other commands are skipped."""
    for match in _ANSWER.finditer(data[:LONGEST].rstrip(b"\0\r\n ")):
        if match[1] == command.encode():
            fields = tuple(field.strip(b"\0 ") for field in match[2].split(b";"))
            return Answer(command, fields[:-1] if fields[-1:] == (b"",) else fields)
    return None


def is_camera(answer: Answer | None) -> bool:
    """Whether this answers :func:`probe` as a camera of this family does."""
    return answer is not None and answer.fields[:1] == (b"OK",)


def device_id(answer: Answer) -> str:
    """The device id in an answer to Gdv, which is the volume label of its card too. Raises Permanent where there is
    none."""
    found = answer.fields[-1] if answer.fields else b""
    if answer.refused or not _DEVICE_ID.fullmatch(found):
        raise Permanent(
            "the camera tells no device id: it refuses the password, or is a disk already",
            "check the password for this family of cameras; else put the camera in again",
        )
    return found.decode()
