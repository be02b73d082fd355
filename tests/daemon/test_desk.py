"""People's acts beside a real daemon: holds that hold, tries that are refused, a socket that outlives its dock."""

import json
import os
import signal
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from hil.cameras.plate import Plate
from hil.demo.agent import COMMAND
from hil.demo.records import payload
from tests.daemon.box import MIB, Box, noise, sha256

WHY = ("--basis", "order 17/26", "--authority", "Sgt Kay")
SERIAL = "BWC-0001"


def one_delivered(box: Box, clips: int = 1) -> list[str]:
    """The ids of the clips that a camera brought, without their sidecars, once it may be taken."""
    camera = box.camera(SERIAL, "A", noise(clips, MIB, SERIAL))
    camera.plug()
    box.until_released(1)
    return footage(box)


def footage(box: Box) -> list[str]:
    return [row["clip_id"] for row in box.json("clips") if row["role"] == "footage"]


def people(box: Box) -> list[dict[str, Any]]:
    """The records of what people did, whole."""
    found = [json.loads(payload(record.line)) for record in box.records()]
    return [record for record in found if record["who"]["actor"] == "person"]


def socket_of(box: Box) -> Path:
    return box.place.home / "desk.sock"


def test_a_hold_that_is_set_while_the_store_is_away_keeps_the_copy(box: Box) -> None:
    """Cleared, the copy goes; and all of it is one ledger that an outsider accepts."""
    away = box.place.store.rename(box.place.root / "store-away")
    box.place.store.write_bytes(b"in the way")
    box.agent.start()
    box.camera(SERIAL, "A", noise(1, MIB, SERIAL)).plug()
    box.until(lambda: bool(box.records("admit")))
    (clip,) = footage(box)
    held = box.agent.ask("hold", "set", clip, *WHY)
    assert held.code == 0, held.err
    assert "ON HOLD" in box.agent.ask("clips").out
    assert "ON HOLD" in box.agent.ask("show", clip).out
    assert "On hold: 1 clips" in box.agent.ask("status").out
    assert box.agent.stop() == 0
    box.place.store.unlink()
    away.rename(box.place.store)
    box.agent.start()  # a start tries the store at once, and asks for everything that is left to do
    box.until_released(1, seconds=60)
    (master,) = (Path(one) for one in box.left_in_spool())
    assert master.parent.name == clip
    assert sha256(master) in box.masters()
    assert clip not in {record.what["clip_id"] for record in box.records("dispose")}
    cleared = box.agent.ask("hold", "clear", clip[:8], *WHY)
    assert cleared.code == 0, cleared.err
    box.until(lambda: clip in {record.what["clip_id"] for record in box.records("dispose")})
    assert not box.left_in_spool()
    assert [record["type"] for record in people(box)] == ["hold.set", "hold.clear"]
    assert box.agent.stop() == 0
    assert box.verify(box.place.home).code == 0


def test_the_record_says_who_why_and_how_that_is_known(box: Box) -> None:
    box.agent.start()
    (clip,) = one_delivered(box)
    assert box.agent.ask("hold", "set", clip, *WHY, "--purpose", "case 7").code == 0
    (record,) = people(box)
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    assert (record["who"]["id"], record["who"]["uid"], record["who"]["known_by"]) == (
        user,
        os.getuid(),
        "peer credentials",
    )
    assert (record["why"]["purpose"], record["why"]["basis"], record["why"]["authority"]) == (
        "case 7",
        "order 17/26",
        "Sgt Kay",
    )


def test_without_basis_or_terminal_nothing_is_asked_of_the_dock(box: Box) -> None:
    box.agent.start()
    (clip,) = one_delivered(box)
    done = subprocess.run(
        [COMMAND, "hold", "set", clip, "--basis", "x", "--home", box.place.home, "--config", box.place.config],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 2
    assert "--authority" in done.stderr
    assert people(box) == []


def test_a_hold_on_a_clip_that_nobody_knows_is_refused_on_record(box: Box) -> None:
    box.agent.start()
    one_delivered(box)
    done = box.agent.ask("hold", "set", "0123456789abcdef", *WHY)
    assert done.code == 4
    assert "no clip 0123456789abcdef" in done.err
    (record,) = people(box)
    assert (record["type"], record["what"]["act"], record["what"]["outcome"]) == ("access", "hold.set", "refused")
    assert record["outcome"] == "failure"


def test_who_is_not_on_the_list_of_the_configuration_is_refused_on_record(box: Box) -> None:
    box.configure(access={"people": ["somebody-else"]})
    box.agent.start()
    (clip,) = one_delivered(box)
    assert box.agent.ask("hold", "set", clip, *WHY).code == 1
    (record,) = people(box)
    assert (record["type"], record["what"]["outcome"]) == ("access", "refused")
    assert box.agent.stop() == 0
    assert box.agent.ask("hold", "set", clip, *WHY).code == 1, "nor is it while no daemon runs"
    assert [one["what"]["outcome"] for one in people(box)] == ["refused", "refused"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_after_the_daemon_ended_the_command_writes_itself(box: Box, number: signal.Signals) -> None:
    box.agent.start()
    (clip,) = one_delivered(box)
    box.agent.stop(number)
    assert socket_of(box).exists() == (number is signal.SIGKILL), "only a killed daemon leaves its socket"
    assert box.agent.ask("hold", "set", clip, *WHY).code == 0
    (record,) = people(box)
    assert record["who"]["known_by"] == "own process"
    box.agent.start()
    box.until(lambda: len(box.records("dock.start")) == 2)
    assert box.agent.ask("hold", "clear", clip, *WHY).code == 0
    assert [one["who"]["known_by"] for one in people(box)] == ["own process", "peer credentials"]
    assert box.agent.stop() == 0
    assert box.verify(box.place.home).code == 0


def test_noise_at_the_desk_stops_no_camera(box: Box) -> None:
    """Whoever throws what they like at the socket while a card is read, the footage arrives, and so do acts."""
    box.agent.start()
    box.until(socket_of(box).exists)
    ended = threading.Event()

    def throw() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
                line.settimeout(5)
                try:
                    line.connect(os.path.relpath(socket_of(box)))
                    line.send(bytes([number % 256]) * (number * 37 % 4096 + 1))
                except OSError:
                    continue  # it has had enough of us

    thrower = threading.Thread(target=throw)
    thrower.start()
    try:
        (clip, *_) = one_delivered(box, clips=3)
    finally:
        ended.set()
        thrower.join(30)
    box.until(lambda: box.agent.ask("hold", "set", clip, *WHY).code == 0)
    refused = [one for one in people(box) if one["type"] == "access"]
    assert 0 < len(refused) <= 12, "as many as one user may have recorded, whatever was thrown"
    assert box.agent.stop() == 0
    assert box.verify(box.place.home).code == 0


def test_a_card_that_is_read_by_hand_has_a_desk_too(box: Box) -> None:
    """``ingest`` holds the ledger for as long as it reads: a hold set meanwhile goes through it."""
    home = box.card("by-hand", Plate(SERIAL), noise(6, 8 * MIB, SERIAL))
    box.place.home.mkdir(parents=True, exist_ok=True)
    words: list[str | Path] = ["ingest", home, "--home", box.place.home, "--config", box.place.config]
    reading = subprocess.Popen([COMMAND, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not box.records("acquire"):
            assert reading.poll() is None, "it ended before anybody could act"
        clip = box.records("acquire")[0].what["clip_id"]
        done = box.agent.ask("hold", "set", clip, *WHY)
        reading.wait(60)
    finally:
        reading.kill()
        reading.wait()
    assert done.code == 0, done.err
    assert reading.returncode == 0
    (record,) = people(box)
    assert record["who"]["known_by"] in ("peer credentials", "own process")  # it may have ended just then


def test_a_daemon_that_hangs_is_no_reason_to_write_beside_it(box: Box) -> None:
    """It holds the ledger: the command waits, and when the daemon goes on, the act is recorded once."""
    box.agent.start()
    (clip,) = one_delivered(box)
    box.agent.send(signal.SIGSTOP)
    words: list[str | Path] = ["hold", "set", clip, *WHY, "--home", box.place.home, "--config", box.place.config]
    asking = subprocess.Popen([COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            asking.wait(3)
        assert people(box) == []
    finally:
        box.agent.send(signal.SIGCONT)
        said, _ = asking.communicate(timeout=30)
    assert asking.returncode == 0, said
    assert [record["type"] for record in people(box)] == ["hold.set"]
