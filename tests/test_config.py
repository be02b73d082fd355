"""Configuration: what is not said has a default, and every mistake is one clear line that names the key."""

import argparse
import hashlib
import os
import platform
from pathlib import Path

import pytest

from dockagent import config
from dockagent.config import Config, load, load_profiles, profiles_folder
from dockagent.errors import UsageError


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "dockagent.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def complaint(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        load(path)
    said = str(caught.value)
    assert "\n" not in said
    assert str(path) in said
    assert caught.value.hint
    assert caught.value.exit_code == 2
    return said


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert load(written(tmp_path, "")) == Config()


def test_a_dock_without_a_name_is_called_after_its_machine() -> None:
    machine = config.dock_id(Config())
    assert machine == config.dock_id(Config(dock=config.Dock("dock")))
    kept = [letter for letter in platform.node() if letter.isascii() and letter.isalnum()]
    assert [letter for letter in machine if letter.isalnum()] == (kept[:64] or list("dock"))
    assert config.dock_id(Config(dock=config.Dock("dock-7"))) == "dock-7"


def test_what_is_said_counts(tmp_path: Path) -> None:
    text = """
        profiles = "/srv/profiles"
        [dock]
        id = "dock-7"
        site = "station 4"
        [bays]
        ports = { "1-2.3" = "bay-1" }
        udev = false
        [limits]
        pulls = 8
        [trust]
        camera_roots = ["/etc/dockagent/root.pem"]
        [store]
        url = "s3://evidence/dock-7"
        [preview]
        enabled = false
        [clock]
        tolerance_ms = 500
    """
    found = load(written(tmp_path, text))
    assert (found.dock.id, found.dock.site, found.profiles) == ("dock-7", "station 4", "/srv/profiles")
    assert (found.bays.ports, found.bays.udev, found.bays.auto) == ({"1-2.3": "bay-1"}, False, True)
    assert (found.limits.pulls, found.limits.uplinks) == (8, Config().limits.uplinks)
    assert (found.trust.camera_roots, found.store.url) == (("/etc/dockagent/root.pem",), "s3://evidence/dock-7")
    assert (found.preview.enabled, found.clock.tolerance_ms) == (False, 500)


MISTAKES: dict[str, tuple[str, str]] = {
    "a section that nobody knows": ("[docks]\nid = 'x'", "there is no key 'docks', but dock"),
    "a key that nobody knows": ("[dock]\nname = 'x'", "[dock] has no key 'name', but id, site, responsible, home"),
    "a key of another section": ("[dock]\nurl = 'x'", "[dock] has no key 'url', but id,"),
    "a key without its last word": (
        "[store]\nclient_key = 'x'",
        "[store] has no key 'client_key', but client_key_file",
    ),
    "a key with a slip": ("[erase]\nask_every_minute = 5", "no key 'ask_every_minute', but ask_every_minutes"),
    "a unit alone": ("[preview]\nseconds = 9", "[preview] has no key 'seconds', but enabled, timeout_s, memory_mib"),
    "text for a number": ("[limits]\npulls = '4'", "limits.pulls"),
    "a number for text": ("[dock]\nid = 7", "dock.id"),
    "a number for yes or no": ("[bays]\nudev = 1", "bays.udev"),
    "a fraction": ("[limits]\npulls = 1.5", "limits.pulls"),
    "a key for a section": ("dock = 'x'", "dock"),
    "text for a list": ("[trust]\ncamera_roots = 'root.pem'", "trust.camera_roots"),
    "a port that is no text": ("[bays]\nports = { '1-2' = 3 }", "bays.ports"),
    "no TOML": ("[dock\nid = 'x'", "line 1"),
    "a key twice": ("[dock]\nid = 'a'\nid = 'b'\n", "Cannot overwrite"),
    "no worker for previews": ("[limits]\npreviews = 0", "limits.previews"),
    "no worker for the uplink": ("[limits]\nuplinks = 0", "limits.uplinks"),
    "no camera at a time": ("[limits]\npulls = 0", "limits.pulls"),
    "fewer workers than none": ("[limits]\npulls = -1", "limits.pulls"),
    "a reserve of less than nothing": ("[limits]\nspool_reserve_mib = -1", "limits.spool_reserve_mib"),
    "no time for a preview": ("[preview]\ntimeout_s = 0", "preview.timeout_s"),
    "no memory for a preview": ("[preview]\nmemory_mib = 0", "preview.memory_mib"),
    "a tolerance of less than nothing": ("[clock]\ntolerance_ms = -5", "clock.tolerance_ms"),
    "a wait of less than nothing": ("[bays]\nsettle_ms = -1", "bays.settle_ms"),
    "a console's wait of less than nothing": ("[bays]\nconsole_wait_ms = -1", "bays.console_wait_ms"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_that_names_the_key(tmp_path: Path, mistake: str) -> None:
    text, names = MISTAKES[mistake]
    assert names in complaint(written(tmp_path, text))


def test_a_file_that_is_no_text_is_said(tmp_path: Path) -> None:
    complaint(written(tmp_path, b"\xff\xfe[dock]"))


def test_a_file_that_is_not_there_or_no_file_is_said(tmp_path: Path) -> None:
    assert "No such file" in complaint(tmp_path / "nowhere.toml")
    assert "directory" in complaint(tmp_path)


def test_the_digest_is_of_what_is_in_force(tmp_path: Path) -> None:
    assert load(written(tmp_path, "[dock]\nid = 'dock'")).sha256 == Config().sha256
    assert load(written(tmp_path, "[dock]\nid = 'other'")).sha256 != Config().sha256
    one = load(written(tmp_path, "[dock]\nid = 'a'\nsite = 'b'"))
    assert one.sha256 == load(written(tmp_path, "[dock]\nsite = 'b'\nid = 'a'")).sha256
    assert len(one.sha256) == len(hashlib.sha256(b"").hexdigest())


# ---- places ---------------------------------------------------------------------------------------------------------


def _args(path: Path | None, home: str = "") -> argparse.Namespace:
    return argparse.Namespace(config=str(path) if path else "", home=home)


def test_home_is_the_command_lines_then_the_files(tmp_path: Path) -> None:
    path = written(tmp_path, f"[dock]\nhome = '{tmp_path}/of-the-file'")
    assert config.home(_args(path, str(tmp_path / "said"))) == tmp_path / "said"
    assert config.home(_args(path)) == tmp_path / "of-the-file"


def test_home_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert config.home(_args(written(tmp_path, ""), "here")) == tmp_path / "here"


def test_home_without_a_word_is_the_systems_or_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    found = config.home(_args(written(tmp_path, "")))
    assert found == (config.SYSTEM_HOME if os.access(config.SYSTEM_HOME, os.W_OK) else tmp_path / "dockagent")


def test_bays_can_be_watched_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    changed = config.with_bays_folder(Config(), "bays")
    assert changed.bays.folder == str(tmp_path / "bays")
    assert changed.dock == Config().dock


# ---- profiles -------------------------------------------------------------------------------------------------------


def test_the_shipped_profiles_load_in_order() -> None:
    names = [profile.name for profile in load_profiles(None)]
    assert names == sorted(names)
    assert {"generic-dcf", "reference-signed"} <= set(names)
    assert profiles_folder(Config()).is_dir()


def test_no_folder_of_profiles_is_said(tmp_path: Path) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(UsageError) as caught:
            load_profiles(folder)
        assert str(folder) in str(caught.value)
        assert caught.value.hint


def test_a_mistake_in_a_profile_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("schema = 'x'")
    with pytest.raises(UsageError, match="mine"):
        load_profiles(tmp_path)


@pytest.mark.parametrize("kind", ["folder", "dangling link"])
def test_a_profile_that_cannot_be_read_is_said(tmp_path: Path, kind: str) -> None:
    """A dangling ``.#mine.toml`` is what one common editor leaves beside a file that is being edited."""
    if kind == "folder":
        (tmp_path / "mine.toml").mkdir()
    else:
        (tmp_path / ".#mine.toml").symlink_to("nobody@nowhere")
    with pytest.raises(UsageError):
        load_profiles(tmp_path)
