"""AmbaBulk against an emulated camera, and against strangers under its USB id, without a kernel between them."""

from collections.abc import Callable

import pytest

from dockagent.errors import Gone, Permanent, Retryable, UsageError
from dockagent.transports import ModeSwitch
from dockagent.transports.amba_bulk import LIMIT_MS, AmbaBulk
from hil.cameras.dialects import amba
from hil.cameras.dialects.amba import AmbaCamera, Stranger
from tests.transports.cable import Cable
from tests.transports.hands import LONDON, Hands, ms

SECRET = b"s3cr3t-1"


def joined(camera: AmbaCamera | Stranger) -> tuple[AmbaBulk, Cable, Hands]:
    clock = Hands()
    cable = Cable(camera, clock.sleep)
    return AmbaBulk(cable, clock, SECRET, LONDON), cable, clock


def a_camera() -> AmbaCamera:
    return AmbaCamera("CAM00042", password=SECRET)


def commands(camera: AmbaCamera) -> list[str]:
    return [one.command for one in camera.requests]


def test_who_it_is() -> None:
    camera = a_camera()
    control, cable, _ = joined(camera)
    assert isinstance(control, ModeSwitch)
    assert control.identity() == {"serial": "CAM00042", "model": "", "firmware": ""}
    assert control.identity()["serial"] == "CAM00042"
    assert cable.written == [b"@Ver;8;00000000;#", b"@Gdv;8;s3cr3t-1;#", b"@Gdv;8;s3cr3t-1;#"]


def test_what_it_cannot_tell_blocks_nobody() -> None:
    camera = a_camera()
    control, cable, _ = joined(camera)
    assert control.battery() == (-1, False)
    for ask in (control.clock, lambda: control.prove(bytes(32)), lambda: control.release(True, "all done")):
        with pytest.raises(Permanent, match="this camera"):
            ask()
    assert cable.written == []


@pytest.mark.parametrize(
    ("utc", "local"),
    [
        ("2026-11-22T23:59:59.400Z", "2026-11-22T23:59:59"),
        ("2026-11-22T23:59:59.500Z", "2026-11-23T00:00:00"),
        ("2026-07-01T22:30:00.000Z", "2026-07-01T23:30:00"),
        ("2026-07-01T23:30:00.000Z", "2026-07-02T00:30:00"),
    ],
)
def test_its_clock_is_set_in_its_zone_to_the_nearest_second(utc: str, local: str) -> None:
    camera = a_camera()
    control, _, _ = joined(camera)
    control.set_clock(ms(utc))
    assert [moment.isoformat() for moment in camera.set_to] == [local]
    assert [(one.command, one.length, len(one.payload)) for one in camera.requests[1:]] == [
        ("Sdt", 8, 8),
        ("Stm", 6, 8),
    ]


def test_it_becomes_a_disk() -> None:
    switched: list[str] = []
    camera = AmbaCamera("CAM00042", lambda: switched.append(camera.mode), SECRET)
    control, _, _ = joined(camera)
    control.to_storage()
    assert switched == ["disk"]
    assert commands(camera) == ["Ver", "Gdv", "ATH"]


def test_it_need_not_say_so() -> None:
    camera = a_camera()
    camera.faults.quiet_after_ath = True
    control, _, _ = joined(camera)
    control.to_storage()
    assert camera.mode == "disk"


def test_it_may_leave_instead_of_answering() -> None:
    camera = a_camera()
    control, cable, _ = joined(camera)
    camera.faults.leave_on = "ATH"
    control.to_storage()
    assert cable.pulled
    with pytest.raises(Gone):
        control.to_storage()


def test_a_second_ath_never_brings_it_back_to_work() -> None:
    camera = a_camera()
    control, _, _ = joined(camera)
    control.to_storage()
    with pytest.raises(Permanent, match="is a disk already"):
        control.to_storage()
    assert camera.mode == "disk"
    assert commands(camera).count("ATH") == 1
    # Without that care the camera does come back, so the test above can fail.
    camera.received(0, b"@ATH;8;s3cr3t-1;#")
    assert camera.mode == "work"


def test_a_refused_password_is_named_and_never_shown() -> None:
    camera = a_camera()
    camera.faults.refuse_password = True
    control, _, _ = joined(camera)
    for ask in (control.identity, control.to_storage):
        with pytest.raises(Permanent, match="refuses the password") as caught:
            ask()
        assert SECRET.decode() not in f"{caught.value!s}{caught.value!r}{caught.value.__cause__!r}"
    assert "ATH" not in commands(camera)


def test_a_password_that_cannot_be_sent_is_refused_at_once() -> None:
    with pytest.raises(UsageError):
        AmbaBulk(Cable(a_camera()), Hands(), b"short", LONDON)


@pytest.mark.parametrize("step", [1, 3, 15])
def test_an_answer_in_pieces_is_put_together(step: int) -> None:
    camera = a_camera()
    camera.faults.split, camera.faults.wrong_length = step, True
    control, _, _ = joined(camera)
    assert control.identity()["serial"] == "CAM00042"
    control.to_storage()
    assert camera.mode == "disk"


def test_late_answers_are_not_taken_for_new_ones() -> None:
    camera = a_camera()
    control, cable, _ = joined(camera)
    cable.send(1, b"@Gdv;8;OTHER001#")
    cable.send(1, b"@Ver;OK;#")
    assert control.identity()["serial"] == "CAM00042"
    cable.send(1, b"@Gdv;8;OTHER001#")
    assert control.identity()["serial"] == "CAM00042"
    camera.faults.late = b"@Sdt;OK;#"
    assert control.identity()["serial"] == "CAM00042"


def test_silence_ends_within_its_limit_and_may_be_asked_again() -> None:
    camera = a_camera()
    camera.faults.silent = True
    control, cable, clock = joined(camera)
    with pytest.raises(Retryable, match="does not answer Ver"):
        control.identity()
    assert clock.at <= 2 * LIMIT_MS / 1000
    assert cable.written == [b"@Ver;8;00000000;#"]
    camera.faults.silent = False
    assert control.identity()["serial"] == "CAM00042"
    camera.faults.silent = True
    with pytest.raises(Retryable, match="does not answer Gdv"):
        control.to_storage()
    assert "ATH" not in commands(camera)


@pytest.mark.parametrize("make", [amba.one_rs, amba.boot_loader, amba.echo, lambda: Stranger(b"@Ver;ERROR;#")])
def test_a_stranger_is_told_nothing_but_the_harmless_question(make: Callable[[], Stranger]) -> None:
    stranger = make()
    control, _, _ = joined(stranger)
    for ask in (control.identity, control.to_storage, lambda: control.set_clock(0), control.identity):
        with pytest.raises(Permanent, match="does not answer as one"):
            ask()
    assert stranger.told == (b"@Ver;8;00000000;#",)
    assert stranger.harmed == ()


def test_a_dumb_stranger_is_told_nothing_more_either() -> None:
    stranger = Stranger(None)
    control, _, _ = joined(stranger)
    for _ in range(3):
        with pytest.raises(Retryable):
            control.to_storage()
    assert stranger.told == (b"@Ver;8;00000000;#",) * 3


def test_a_stranger_that_floods_is_left_alone() -> None:
    class Flood(Stranger):
        def received(self, endpoint: int, data: bytes) -> None:
            super().received(endpoint, data)
            for _ in range(1000):
                if self.host is not None:
                    self.host.send(1, b"\x55" * 512)

    stranger = Flood(None)
    control, _, _ = joined(stranger)
    with pytest.raises(Permanent, match="does not answer as one"):
        control.identity()
    assert stranger.harmed == ()


def test_a_halted_endpoint_is_an_answer_of_its_own() -> None:
    camera = a_camera()
    camera.faults.stall_on = "Ver"
    control, cable, _ = joined(camera)
    with pytest.raises(Permanent):
        control.to_storage()
    assert cable.written == [b"@Ver;8;00000000;#"]


def test_closing_may_be_repeated() -> None:
    control, cable, _ = joined(a_camera())
    control.close()
    control.close()
    assert cable.closed
