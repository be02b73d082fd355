"""The doctor: each check by what it must say, on real folders, and on a machine made of folders."""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from dockagent.cli import main
from dockagent.config import Bays, Config
from dockagent.core.moment import Instant
from dockagent.doctor import check, of_home, of_machine, of_setting
from dockagent.doctor.check import Check
from dockagent.doctor.machine import Machine, Usb, look
from dockagent.durable import RealDisk
from dockagent.errors import UsageError
from dockagent.ledger.keys import Keys
from dockagent.stores.open_store import open_store
from hil.cameras.pki import Validity, make_maker
from tests.ledger import made

GOOD = Machine(
    python=(3, 11, 2),
    ffmpeg="ffmpeg version 5.1",
    ffprobe="ffprobe version 5.1",
    programs=frozenset({"systemd"}),
    udevd=True,
    rules=Path("/etc/udev/rules.d/60-dockagent.rules"),
    usb=Usb({1: "0000:00:14.0", 2: "0000:00:14.0"}, ("1-1", "1-1.1")),
    user=1000,
    groups=frozenset({"dockagent"}),
    may_mount=True,
    watches=65536,
    instances=128,
)
NOW = Instant(int(datetime(2026, 11, 22, tzinfo=UTC).timestamp() * 1000), "boot", 0, "ntp", 12)


def says(found: Check, word: str, part: str) -> None:
    """The check ends so, says this, and says what to do exactly when there is something to do."""
    assert (found.word, part in found.what) == (word, True), found
    assert bool(found.todo) == (word != "ok"), found
    assert "\n" not in found.what + found.todo


def test_a_good_machine_is_good() -> None:
    checks = [
        of_machine.python(GOOD),
        of_machine.ffmpeg(GOOD, previews=True),
        of_machine.clock(NOW),
        of_machine.udevd(GOOD, watched=True),
        of_machine.rivals(GOOD, watched=True),
        of_machine.rights(GOOD),
        of_machine.serial(GOOD),
        of_machine.inotify(GOOD, folder="/srv/bays"),
        of_machine.usb(GOOD, {"1-1.1": "bay1"}),
    ]
    assert [one for one in checks if one.word != "ok" or one.todo] == []


def test_each_trouble_of_a_machine_has_its_word() -> None:
    says(of_machine.python(replace(GOOD, python=(3, 10, 9))), "failure", "3.10.9 is too old")
    without = replace(GOOD, ffprobe="")
    says(of_machine.ffmpeg(without, previews=True), "warning", "ffprobe cannot be run")
    says(of_machine.ffmpeg(without, previews=False), "ok", "wants none")
    says(of_machine.clock(replace(NOW, source="rtc", uncertainty_ms=-1)), "warning", "nobody disciplines")
    says(of_machine.clock(replace(NOW, uncertainty_ms=4000)), "warning", "4000 ms")
    says(of_machine.udevd(replace(GOOD, udevd=False), watched=True), "warning", "does not run")
    says(of_machine.udevd(replace(GOOD, udevd=False), watched=False), "ok", "not needed")
    says(of_machine.rights(replace(GOOD, may_mount=False)), "warning", "may not mount")
    says(of_machine.serial(replace(GOOD, groups=frozenset({"users"}))), "warning", "serial lines")
    says(of_machine.serial(replace(GOOD, user=0, groups=frozenset())), "ok", "root")
    says(of_machine.inotify(replace(GOOD, watches=100), folder="/srv/bays"), "warning", "100 watches")
    says(of_machine.inotify(replace(GOOD, watches=100), folder=""), "ok", "not needed")


def test_rivals_are_named_unless_our_rules_keep_them_off() -> None:
    busy = replace(GOOD, programs=frozenset({"ModemManager", "gvfs-mtp-volume", "udisksd"}))
    says(of_machine.rivals(busy, watched=True), "ok", "keeps off ModemManager, gvfs (MTP), udisks")
    bare = replace(busy, rules=None)
    says(of_machine.rivals(bare, watched=True), "warning", "ModemManager, gvfs (MTP), udisks")
    says(of_machine.rivals(bare, watched=False), "ok", "without 60-dockagent.rules")


def test_usb_counts_what_stands_there_and_what_the_bays_will_add() -> None:
    hubs = ("1-1", "1-2", "1-3", "1-4")
    machine = replace(GOOD, usb=Usb({1: "pci-a", 2: "pci-a", 3: "pci-b"}, hubs))
    bays = {f"1-{hub}.{port}": f"bay{hub}{port}" for hub in range(1, 5) for port in range(1, 8)}
    says(of_machine.usb(machine, bays), "ok", "2 controllers, 4 devices, 28 bays")
    docked = replace(machine, usb=replace(machine.usb, devices=(*hubs, "1-1.1", "1-1.2")))
    says(of_machine.usb(docked, bays), "ok", "28 bays")
    says(of_machine.usb(machine, {**bays, "2-1": "bay50"}), "warning", "controller pci-a has 33 devices")
    says(of_machine.usb(machine, {**bays, "3-1": "bay50", "name:mmcblk1": "bay51"}), "ok", "29 bays")
    says(of_machine.usb(machine, {"9-1": "bay1"}), "failure", "no such USB bus: 9-1")
    none = replace(GOOD, usb=Usb({}, ()))
    says(of_machine.usb(none, {}), "ok", "skipped")
    says(of_machine.usb(none, {"1-1": "bay1"}), "failure", "has no USB")


def test_a_machine_is_read_from_its_folders(tmp_path: Path) -> None:
    facts = {
        "proc/self/status": "Name:\tx\nCapEff:\t0000000000200000\n",
        "proc/12/comm": "ModemManager\n",
        "proc/sys/fs/inotify/max_user_watches": "8192\n",
        "run/udev/control": "",
        "usr/local/lib/udev/rules.d/60-dockagent.rules": "",
        "sys/devices/pci0/0000:00:14.0/usb1/1-1/1-1.4/1-1.4:1.0/bInterfaceClass": "08\n",
    }
    for name, text in facts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    shown = tmp_path / "sys/bus/usb/devices"
    shown.mkdir(parents=True)
    for device in ("usb1", "usb1/1-1", "usb1/1-1/1-1.4", "usb1/1-1/1-1.4/1-1.4:1.0"):
        (shown / Path(device).name).symlink_to(tmp_path / "sys/devices/pci0/0000:00:14.0" / device)
    machine = look(tmp_path)
    assert machine.usb == Usb({1: "0000:00:14.0"}, ("1-1", "1-1.4"))
    assert machine.programs == {"ModemManager"}
    assert (machine.udevd, machine.may_mount, machine.watches, machine.instances) == (True, True, 8192, 0)
    assert machine.rules == tmp_path / "usr/local/lib/udev/rules.d/60-dockagent.rules"
    (tmp_path / "proc/self/status").write_text("CapEff:\t00000000a80425db\n")
    assert not look(tmp_path).may_mount


def test_this_machine_can_be_read() -> None:
    machine = look()
    assert machine.python >= of_machine.OLDEST_PYTHON
    assert machine.user == os.geteuid()
    assert machine.programs


def test_a_home_that_is_not_there(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "home"
    says(of_home.place(home), "warning", "not there yet")
    says(of_home.keys(home), "warning", "no keys yet")
    says(of_home.ledger(home), "warning", "no ledger yet")
    says(of_home.room(home, 0), "ok", "MiB free")
    assert of_home.disk(home).name == "disk"
    assert not home.parent.exists()
    (tmp_path / "file").write_text("")
    says(of_home.place(tmp_path / "file" / "home"), "failure", "cannot be made")


def test_room_is_measured_against_the_reserve(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free >> 20
    says(of_home.room(tmp_path, free * 2), "failure", "no footage fits")
    says(of_home.room(tmp_path, free // 4), "warning", "hardly a card's worth")


@pytest.mark.parametrize(
    ("filesystem", "word"),
    [("ext4", "ok"), ("", "ok"), ("tmpfs", "warning"), ("nfs4", "warning"), ("exfat", "failure")],
)
def test_what_a_file_system_means(filesystem: str, word: str) -> None:
    says(of_home.judge_disk(filesystem), word, filesystem)


def test_keys_and_ledger_of_a_real_home(tmp_path: Path) -> None:
    keys = Keys.create(RealDisk(tmp_path / "keys"), "dock-9")
    made.ledger(tmp_path / "ledger", keys)
    says(of_home.place(tmp_path), "ok", "can be written")
    says(of_home.keys(tmp_path), "ok", "dock dock-9")
    says(of_home.ledger(tmp_path), "ok", "checkpoint of dockagent.local/dock-9")

    entries = tmp_path / "ledger" / "entries.jsonl"
    before = entries.read_bytes()
    entries.write_bytes(before.replace(b"payload", b"pay1oad", 1))
    says(of_home.ledger(tmp_path), "failure", "1 records are damaged")
    entries.write_bytes(b"".join(before.splitlines(keepends=True)[:-1]))
    says(of_home.ledger(tmp_path), "failure", "was cut")

    (tmp_path / "keys" / "log.pem").chmod(0o644)
    says(of_home.keys(tmp_path), "failure", "others can read the private key")
    (tmp_path / "keys" / "log.pem").chmod(0o600)
    (tmp_path / "keys" / "trust.json").write_text("{}")
    says(of_home.keys(tmp_path), "failure", "trust file")
    says(of_home.ledger(tmp_path), "failure", "trust file")


def test_bays(tmp_path: Path) -> None:
    says(of_setting.bays(Bays()), "ok", "every other USB port")
    says(of_setting.bays(Bays(folder=str(tmp_path), udev=False)), "ok", str(tmp_path))
    says(of_setting.bays(Bays(folder=str(tmp_path / "no"))), "failure", "is not there")
    says(of_setting.bays(Bays(udev=False)), "failure", "no camera is looked for")
    says(of_setting.bays(Bays(auto=False)), "failure", "no USB port is a bay")


def test_profiles(tmp_path: Path) -> None:
    says(of_setting.profiles(Config()), "ok", "firmware_profiles")
    (tmp_path / "bad.toml").write_text("schema = 99\n")
    says(of_setting.profiles(Config(profiles=str(tmp_path))), "failure", "profile bad: ")
    says(of_setting.profiles(Config(profiles=str(tmp_path / "no"))), "failure", "no folder of firmware profiles")


def _no_certificate() -> Sequence[x509.Certificate]:
    raise UsageError("no certificate in root.pem", "check camera_roots in [trust]")


@pytest.mark.parametrize(("days", "word"), [(4000, "ok"), (30, "warning"), (-1, "failure")])
def test_camera_roots_run_out(days: int, word: str) -> None:
    end = datetime(2026, 11, 22, 1, tzinfo=UTC) + timedelta(days=days)
    root = make_maker("Reference", Validity(end - timedelta(days=5000), end)).root.certificate
    says(of_setting.camera_roots(lambda: [root], NOW), word, f"{end:%Y-%m-%d}")


def test_camera_roots_that_are_none() -> None:
    says(of_setting.camera_roots(list, NOW), "warning", "no camera's signer is trusted")
    says(of_setting.camera_roots(_no_certificate, NOW), "failure", "no certificate in root.pem")


def test_the_store(tmp_path: Path) -> None:
    url = (tmp_path / "store").as_uri()
    says(of_setting.store(url, lambda: open_store(url)), "warning", "not there yet")
    assert not (tmp_path / "store").exists()
    (tmp_path / "store").mkdir()
    says(of_setting.store(url, lambda: open_store(url)), "ok", "takes footage")
    assert list((tmp_path / "store").iterdir()) == []
    says(of_setting.store("ftp://host", lambda: open_store("ftp://host")), "failure", "not a store URL")


def test_the_command_on_a_new_dock_makes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "dockagent.toml"
    config.write_text(f'[dock]\nhome = "{tmp_path / "home"}"\n')
    assert main(["doctor", "--config", str(config)]) == 0
    text = capsys.readouterr().out
    assert "no keys yet" in text
    assert " 0 failure" in text.splitlines()[-1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dockagent.toml"]


def test_the_command_says_what_failed_and_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "dockagent.toml"
    config.write_text(f'profiles = "{tmp_path}"\n[dock]\nhome = "{tmp_path / "home"}"\n')
    assert main(["doctor", "--config", str(config), "--json"]) == 1
    shown = json.loads(capsys.readouterr().out)
    assert shown["result"] == "failure"
    assert [one["name"] for one in shown["checks"] if one["word"] == "failure"] == ["profiles"]
    assert all(one["todo"] for one in shown["checks"] if one["word"] != "ok")
    config.write_text("nonsense = 1\n")
    assert main(["doctor", "--config", str(config)]) == 2


def test_text_shows_what_to_do_under_each_trouble() -> None:
    shown = check.as_text([check.ok("one", "fine"), check.failure("other", "broken", "mend it")])
    assert shown.splitlines() == [
        "ok       one    fine",
        "failure  other  broken",
        "                → mend it",
        "2 checks: 1 ok, 0 warning, 1 failure",
    ]
