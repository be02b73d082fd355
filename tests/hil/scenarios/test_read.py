"""A scenario's file: what it becomes, and what is said of one that is wrong."""

from pathlib import Path

import pytest

from hil.scenarios.grammar import ACTS, CLAIMS, form_of
from hil.scenarios.read import Mistake, all_cases, find, read

GOOD = '''about = "A camera is drained"
why = "the ordinary case"

camera.alice = { model = "reference-signed", clips = 2, faults = "rrU", console = "fine" }

script = """
plug alice bay01   # a person comes
wait alice gone within 2.5 s
drain alice bay02
"""

expect = """
alice delivered all
finding "a # in words" about alice
"""
'''


SAID = 'model = "reference-signed", clips = 2, faults = "rrU", console = "fine"'


def _file(folder: Path, text: str) -> Path:
    path = folder / "case.toml"
    path.write_text(text)
    return path


def test_a_scenario_as_values(tmp_path: Path) -> None:
    scenario = read(_file(tmp_path, GOOD))
    assert scenario.name == "case"
    assert scenario.cameras["alice"].script.letters == "rrU"
    assert [line.kind for line in scenario.script] == ["plug", "wait", "drain"]
    assert [(line.number, line.within) for line in scenario.script] == [(7, None), (8, 2.5), (9, None)]
    assert scenario.script[1].words == {"camera": "alice", "event": "gone"}
    assert scenario.expect[1].words == {"text": "a # in words", "camera": "alice"}
    assert scenario.needs == {"yank", "serial"}
    assert scenario.rigs == ()


def test_a_serial_number_follows_from_the_name(tmp_path: Path) -> None:
    text = GOOD.replace("\nscript", 'camera.bob = { model = "reference-signed" }\n\nscript', 1)
    cameras = read(_file(tmp_path, text)).cameras
    assert cameras["alice"].serial != cameras["bob"].serial


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("plug alice bay01", "plugg alice bay01", 7, "is no line of a script (did you mean plug?); allowed: plug"),
        ("gone within", "vanished within", 8, "allowed: wait CAMERA attached|identified|gone"),
        ("plug alice", "plug bob", 7, "no camera is called bob; there are: alice"),
        ("delivered all", "delivered some", 13, "CAMERA delivered all"),
        ('"reference-signed"', '"axon"', 4, "no model 'axon'; allowed: ambarella-body"),
        ("clips = 2", 'clips = "2"', 4, "clips = '2' must be of type int"),
        ("clips = 2", "clips = -1", 4, "clips = -1 must not be negative"),
        ("clips = 2", "clip = 2", 4, "a camera has no 'clip' (did you mean clips?); allowed: model, serial, clips"),
        ("rrU", "rrX", 4, "no fault is called X; allowed: r (read well), E (a medium error, once)"),
        ("rrU", "random", 4, "random needs the letters"),
        ('console = "fine"', 'console = "rude"', 4, "console = 'rude' is unknown; allowed: fine, silent"),
        ('console = "fine"', 'usb = "1D6B:104"', 4, "must be written like 1d6b:0104"),
        ('console = "fine"', 'quirk = "odd"', 4, "no quirk is called odd; there are cut-clip"),
        ('console = "fine"', 'mode = "odd"', 4, "reference-signed has no mode"),
        ('console = "fine"', 'flaw = "odd"', 4, "flaw = 'odd' is unknown; allowed: signature"),
        ("camera.alice", "camera.Alice", 4, "'Alice' is no name for a camera"),
        ("camera.alice", "camera.dock", 4, "'dock' is no name for a camera"),
        ('why = "the ordinary case"', 'because = "x"', 2, "key 'because' is unknown; allowed: about, why"),
        ('why = "the ordinary case"', 'why = ""', 2, "why must be a text that is not empty"),
        ('why = "the ordinary case"', 'why = "x"\nrigs = ["moon"]', 3, "must be a list of: folder, loop"),
        ('why = "the ordinary case"', 'why = "x"\ndock.moon = { x = 1 }', 3, "dock.moon is no table"),
        ('why = "the ordinary case"', 'why = "x"\ndock = 5', 3, "dock = 5 must be tables of the dock's configuration"),
        ('why = "the ordinary case"', 'why = "x"\nrigs = [["folder"]]', 3, "must be a list of: folder, loop"),
        ('"reference-signed"', '"tecsar"', 4, 'tecsar has no console: its mode storage lacks the function "acm"'),
        ('about = "A camera is drained"', 'about = "A', 1, "no TOML"),
        (', console = "fine"', "", 8, "alice has no console"),
        (SAID, 'model = "tecsar", serial = "X-1"', 4, "serial = 'X-1' is no serial number of tecsar; they are like"),
        ("clips = 2", 'clips = 2, label = "TWELVE LONG1"', 4, "'TWELVE LONG1' has 12 characters; a label of vfat"),
        ("clips = 2", 'clips = 2, label = "A:B"', 4, "label = 'A:B': no label has :; write letters"),
        ("clips = 2", "clips = 2, altered = 3", 4, "altered = 3: its clips are numbered from 1 to 2"),
        ("clips = 2", 'clips = 1, flaw = "counter-gap"', 4, "flaw = 'counter-gap' needs 2 clips, and clips = 1"),
        ("clips = 2", 'clips = 0, quirk = "cut-clip"', 4, "cut-clip needs a clip, and clips = 0"),
        ("clips = 2", 'clips = 2, quirk = "trailing-comma"', 4, "trailing-comma is about MISC/version.txt, which"),
        ("clips = 2", "clips = 0", 4, "faults = 'rrU': letters count what is read of clips, and clips = 0"),
        ('clips = 2, faults = "rrU"', "clips = 0", 13, "alice delivered all: alice has clips = 0, and no line lets it"),
        (SAID, 'model = "reference-unsigned", flaw = "size"', 4, "flaw = 'size': reference-unsigned signs nothing"),
        (SAID, 'model = "gopro-hero", expired = true', 4, "gopro-hero signs nothing"),
        ("within 2.5 s", "within 2 min", 8, "`within 2 min` is no limit of time; its only unit is s"),
        ("wait alice gone", "wait alice pulling 2 MiB", 8, "2 MiB is no size; its only unit is KiB"),
        ("delivered all", "delivered all within 5 s", 13, "an expectation has no limit of time; write `wait"),
    ],
)  # fmt: skip
def test_what_is_said_of_a_mistake(tmp_path: Path, old: str, new: str, line: int, words: str) -> None:
    text = GOOD.replace(old, new, 1)
    if "no console" in words:
        text = text.replace("wait alice gone within 2.5 s", "console alice busy")
    path = _file(tmp_path, text)
    with pytest.raises(Mistake) as caught:
        read(path)
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith(f"{path}:{line}: "), said
    assert words in said


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Mistake, match=r"^no-such-scenario: there is no such scenario; `python -m hil list`"):
        find("no-such-scenario")
    with pytest.raises(Mistake, match=r"^plain-sgined: there is no such scenario \(did you mean plain-signed\?\); "):
        find("plain-sgined")
    with pytest.raises(Mistake, match=r"absent\.toml: cannot be read: No such file or directory; name a file"):
        read(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("old", "words"),
    [
        ('about = "A camera is drained"\n', "about must be a text that is not empty"),
        ("camera.alice = {", "there is no camera; write one as [camera.alice]"),
        ('model = "reference-signed", ', None),
    ],
)
def test_what_stands_nowhere_has_no_line(tmp_path: Path, old: str, words: str | None) -> None:
    """No number is made up for a key that is missing; one that belongs to a camera has the camera's line."""
    new = "dock.dock = {" if old.endswith("{") else ""
    path = _file(tmp_path, GOOD.replace(old, new))
    with pytest.raises(Mistake) as caught:
        read(path)
    if words:
        assert str(caught.value) == f"{path}: {words}"
    else:
        assert str(caught.value).startswith(f"{path}:4: no model None; allowed: ")


def test_a_camera_that_stands_below_a_head_has_its_line(tmp_path: Path) -> None:
    text = GOOD.replace("camera.alice = {", "[camera]\nalice = {").replace("clips = 2", "clip = 2")
    text = text[: text.index("script")]
    top = 'script = "plug alice bay01"\nexpect = "alice released"\n'
    path = _file(tmp_path, top + text)
    with pytest.raises(Mistake, match=r"case\.toml:7: a camera has no 'clip' \(did you mean clips\?\)"):
        read(path)


def test_an_empty_card_that_is_filmed_on_may_be_spoken_of(tmp_path: Path) -> None:
    text = GOOD.replace("clips = 2", "clips = 0").replace("drain alice bay02", "film alice 2\ndrain alice bay02")
    assert read(_file(tmp_path, text)).cameras["alice"].clips == 0


def test_a_line_that_only_a_folder_can_do_restricts_the_rigs(tmp_path: Path) -> None:
    text = GOOD.replace("drain alice bay02", "grow alice 12 KiB")
    assert read(_file(tmp_path, text)).rigs == ("folder",)


def test_other_faults_and_fewer_cameras(tmp_path: Path) -> None:
    text = GOOD.replace("\nscript", 'camera.bob = { model = "generic-dcf", faults = "H" }\n\nscript').replace(
        "drain alice bay02", "plug bob bay02"
    )
    scenario = read(_file(tmp_path, text))
    assert "hang" in scenario.needs
    assert scenario.with_faults({"bob": "E", "alice": ""}).needs == {"read-error", "serial"}
    alone = scenario.without("bob")
    assert (list(alone.cameras), [line.kind for line in alone.script]) == (["alice"], ["plug", "wait"])
    with pytest.raises(ValueError, match="has no camera carol; it has alice, bob"):
        scenario.with_faults({"carol": "E"})


def test_every_case_can_be_read_and_says_in_one_sentence_what_it_protects() -> None:
    scenarios = [read(path) for path in all_cases()]
    assert len(scenarios) >= 40
    for scenario in scenarios:
        assert 10 < len(scenario.about) < 160, scenario.name
        assert 10 < len(scenario.why) < 160, scenario.name
    assert len({scenario.about for scenario in scenarios}) == len(scenarios)


def test_every_form_of_line_is_used_by_a_case() -> None:
    """A form that no scenario uses is one that nobody has tried."""
    scenarios = [read(path) for path in all_cases()]
    acts = {form_of(line, ACTS).kind for one in scenarios for line in one.script}
    claims = {form_of(line, CLAIMS).kind for one in scenarios for line in one.expect}
    assert {form.kind for form in ACTS} - acts == set()
    assert {form.kind for form in CLAIMS} - claims == set()
