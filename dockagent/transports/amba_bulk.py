"""A camera that speaks the Ambarella vendor dialogue over USB bulk endpoints, until it is told to become a disk.

Its USB id, 4255:0001, is also that of an action camera (Insta360 ONE RS) and of a boot loader. So the first thing said
is a question that harms nobody, and unless the answer is a camera's, nothing else is ever said to the device.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo

from dockagent.clock import Clock
from dockagent.errors import DockError, Gone, Permanent, Retryable
from dockagent.transports import ClockReading
from dockagent.transports import amba_codec as codec
from dockagent.transports.usb_bulk import Pipe, UsbPipe

LIMIT_MS = 3000  # for a request, and for the whole of its answer
_DRAIN_MS = 20
_DRAINED = 16  # late answers that are thrown away before a question
NOT_TOLD = -1


class AmbaBulk:
    """One camera. ``password``: 8 characters, the same for a fleet, never shown; ``zone``: its clock's.

    Raises UsageError for a password that cannot be sent. Calls raise Permanent for a stranger under a camera's USB id,
    and from then on without asking again.
    """

    def __init__(self, pipe: Pipe, clock: Clock, password: bytes, zone: tzinfo) -> None:
        codec.check_password(password)
        self._pipe, self._clock, self._password, self._zone = pipe, clock, password, zone
        self._known = False
        self._stranger = False

    def identity(self) -> Mapping[str, str]:
        """``serial`` is the device id, which is the label of its card too. Model and firmware are not told."""
        return {"serial": codec.device_id(self._tell("Gdv", self._password)), "model": "", "firmware": ""}

    def battery(self) -> tuple[int, bool]:
        """(-1, False): this camera tells nothing of its battery."""
        return NOT_TOLD, False

    def clock(self) -> ClockReading:
        raise Permanent("this camera cannot be asked for its time", "its clock can only be compared by its footage")

    def set_clock(self, utc_ms: int) -> None:
        """Set its clock to the nearest second of ``utc_ms``, in its zone. Nobody can tell how far off it was."""
        started = self._clock.monotonic()
        self._make_sure()
        took = timedelta(seconds=self._clock.monotonic() - started)
        now = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=utc_ms + 500) + took
        for request, command in zip(codec.date_and_time(now.astimezone(self._zone)), ("Sdt", "Stm"), strict=True):
            self._accepted(self._exchange(request, command), command)

    def prove(self, nonce: bytes) -> bytes:
        raise Permanent("this camera has no key to prove itself with", "its identity rests on what it says")

    def release(self, safe: bool, words: str) -> None:
        raise Permanent("this camera cannot show words", "read them on the dock")

    def to_storage(self) -> None:
        """Ask it to become a disk. It must tell its id first: a second ATH would bring a disk back to work, and one
        that is changing does not tell its id any more. No answer, or none but its leaving, is ordinary."""
        self.identity()
        try:
            answer = self._exchange(codec.frame("ATH", self._password), "ATH")
        except Gone:
            return
        if answer is not None:
            self._accepted(answer, "ATH")

    def close(self) -> None:
        """Let the device go. May be repeated."""
        self._pipe.close()

    def _tell(self, command: str, payload: bytes) -> codec.Answer:
        self._make_sure()
        answer = self._exchange(codec.frame(command, payload), command)
        if answer is None:
            raise _silent(command)
        return answer

    def _accepted(self, answer: codec.Answer | None, command: str) -> None:
        if answer is None:
            raise _silent(command)
        if answer.refused:
            raise Permanent(f"the camera refuses {command}", "check the password for this family of cameras")

    def _make_sure(self) -> None:
        """Ask the harmless question, once for all."""
        if self._stranger:
            raise _not_a_camera()
        if self._known:
            return
        said = self._listen_to(codec.probe(), codec.PROBE)
        if not said:
            raise _silent(codec.PROBE)
        self._known = codec.is_camera(codec.parse(said, codec.PROBE))
        self._stranger = not self._known
        if self._stranger:
            raise _not_a_camera()

    def _exchange(self, request: bytes, command: str) -> codec.Answer | None:
        return codec.parse(self._listen_to(request, command), command)

    def _listen_to(self, request: bytes, command: str) -> bytes:
        """Send a request; everything that comes until its answer is whole, or nothing more comes in time."""
        for _ in range(_DRAINED):
            if not self._pipe.read(_DRAIN_MS):
                break
        self._pipe.write(request, LIMIT_MS)
        said, started = b"", self._clock.monotonic()
        while not codec.is_whole(said, command):
            left_ms = LIMIT_MS - int((self._clock.monotonic() - started) * 1000)
            part = self._pipe.read(left_ms) if left_ms > 0 else b""
            if not part:
                break
            said += part
        return said


def open_camera(node: str, clock: Clock, password: bytes, zone: tzinfo) -> AmbaBulk:
    """The camera at ``/dev/bus/usb/BBB/DDD``. Nothing is sent yet. Raises as :class:`UsbPipe` and :class:`AmbaBulk`."""
    codec.check_password(password)
    return AmbaBulk(UsbPipe(node, clock), clock, password, zone)


def _silent(command: str) -> DockError:
    return Retryable(f"the camera does not answer {command}", "seat it again, or clean its contacts")


def _not_a_camera() -> DockError:
    return Permanent(
        "this device has a camera's USB id (4255:0001) and does not answer as one; nothing more is said to it",
        "it may be an Insta360 ONE RS, or a camera in its boot loader: put it into its normal mode",
    )
