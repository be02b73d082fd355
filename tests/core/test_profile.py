"""Profiles: the shipped ones, what is refused and how it is said, and which one a card fits."""

import argparse
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockagent.cli import profile as command
from dockagent.core import profile, recognise
from dockagent.core.profile import Profile
from dockagent.core.recognise import CardFacts
from dockagent.errors import UsageError
from tests.corpus import corpus

FOLDER = Path(__file__).resolve().parents[2] / "firmware_profiles"
SHIPPED = tuple(profile.parse(path.read_bytes(), path.name) for path in sorted(FOLDER.glob("*.toml")))
SMALLEST = """
schema = 1
title = "x"
[[probe]]
path = ["DCIM"]
[layout]
"""


def parse(text: str) -> Profile:
    return profile.parse(text.encode(), "try.toml")


def refusal(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse(text)
    return caught.value.what


def test_the_shipped_profiles_round_trip_through_json() -> None:
    assert [one.name for one in SHIPPED] == ["generic-dcf", "gopro-hero", "reference-signed"]
    for one in SHIPPED:
        assert msgspec.json.decode(msgspec.json.encode(one), type=Profile) == one


def test_the_readme_names_every_key() -> None:
    readme = (FOLDER / "README.md").read_text()
    sections = (
        profile.Profile, profile.Hints, profile.Impostor, profile.Probe, profile.Layout, profile.SkipRule,
        profile.FileRule, profile.SidecarRule, profile.ManifestPlace, profile.Console, profile.CameraClock,
    )  # fmt: skip
    for section in sections:
        for field in msgspec.structs.fields(section):
            named = f"`{field.name}`" in readme or f"[{field.name}]" in readme or f".{field.name}]" in readme
            assert named or field.name == "name", f"README.md does not name {field.name}"


MISTAKES = [
    ("schema = ", "not a TOML file"),
    (SMALLEST.replace("schema = 1", "schema = 2"), "schema: 2 is not known"),
    (SMALLEST.replace("schema = 1", "schema = true"), "schema: Expected `int`, got `bool`"),
    (SMALLEST.replace('title = "x"', ""), "title: missing"),
    ('name = "y"\n' + SMALLEST, "name: not a key"),
    ("colour = 1\n" + SMALLEST, "colour: unknown key; allowed: schema, title, probe, layout"),
    (SMALLEST + "[layuot]\n", "layuot: unknown key"),
    (SMALLEST + "gaps = 'error'", "layout.gaps: 'error' is not allowed; allowed: notice, warning"),
    (SMALLEST + "[[layout.file]]\nrole='footge'\npath='x'", "layout.file[1].role: 'footge' is not allowed"),
    (SMALLEST + "[[layout.skip]]\nrole='footage'\npath='x'\nwhy=''", "layout.skip[1].role: 'footage' is not allowed"),
    (SMALLEST + "[[layout.skip]]\nrole='private'\npath='x'\nwhy=''", "layout.skip[1].why: Expected `str` of length"),
    (SMALLEST + "[[layout.file]]\nrole='footage'\npath='('", "layout.file[1].path: '(' is not a regular expression"),
    (SMALLEST + "[[layout.file]]\nrole='footage'\npath='x'\ncounter='{n}'", "names the unknown group n; its path has"),
    (SMALLEST + "[[layout.file]]\nrole='photo'\npath='x'\nkey='{dir.__class__}'", "only {group} is allowed"),
    (SMALLEST + "[[layout.file]]\nrole='photo'\npath='x'\nkey='{dir'", "layout.file[1].key: '{dir' is not a template"),
    (SMALLEST + "[[sidecars]]\nrole='proxy'\npath='x'\nclip=['{y}']", "sidecars[1].clip[1]: names the unknown group y"),
    (SMALLEST + "[[sidecars]]\nrole='proxy'\npath='x'\nclip='{dir}'", "sidecars[1].clip: Expected `array`, got `str`"),
    (SMALLEST + "[[probe]]\npath=['x']\nidentity=['(?P<owner>x)']", "probe[2].identity: group owner is not known"),
    (SMALLEST + "[[probe]]\npath=['x']\nidentity=['[']", "probe[2].identity: '[' is not a regular expression"),
    (SMALLEST + "[[probe]]\npath=[]", "probe[2].path: is empty"),
    (SMALLEST + "[[probe]]\npath=['x']\nmax_bytes=0", "probe[2].max_bytes: Expected `int` >= 1"),
    (SMALLEST.replace('["DCIM"]', '["DCIM"]\ncounts="hint"'), 'probe: none counts as "must" or "either"'),
    (SMALLEST + "[match]\nusb=['2672:XYZ']", "match.usb: '2672:XYZ' is not vvvv:pppp"),
    (SMALLEST + "[match]\nlabel=['*']", "match: '*' is not a regular expression"),
    (SMALLEST + "[match]\nimpostors=[{what='x'}]", "match.impostors[1]: says nothing to know it by"),
    (SMALLEST + "[match]\nimpostors=['x']", "match.impostors[1]: must be a table of keys"),
    (SMALLEST + "[manifest]\nkind='dsse'\npath='../x'\nchain='c'", "manifest.path: '../x' is not a path below"),
    (SMALLEST + "[manifest]\nkind='cms'\npath='x'\nchain='c'", "manifest.kind: 'cms' is not allowed; allowed: dsse"),
    (SMALLEST + "[clock]\nsource='console'", "clock.source: console, but [control] names no console"),
    (SMALLEST + "[clock]\nset=true", "clock.set: true, but clock.source is none"),
    (SMALLEST + "[clock]\nzone='half past'", "clock.zone: 'half past' is not a time zone name"),
    (SMALLEST + "[control]\nbaud=1", "control.baud: Expected `int` >= 300"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), MISTAKES, ids=[said[:40] for _, said in MISTAKES])
def test_a_mistake_is_named_with_its_key(text: str, said: str) -> None:
    assert refusal(text).startswith("profile try: ")
    assert said in refusal(text)


def test_every_mistake_is_named_at_once() -> None:
    lines = refusal(SMALLEST.replace('title = "x"', "titel = 3") + "gaps = 1\n[control]\nbuad = 9600\n").splitlines()
    assert [line.partition(": ")[2].partition(":")[0] for line in lines] == [
        "titel", "title", "layout.gaps", "control.buad",
    ]  # fmt: skip


def test_bytes_that_are_no_text_are_a_mistake_too() -> None:
    with pytest.raises(UsageError, match="not a TOML file"):
        profile.parse(b"\xff\xfe", "try")


@settings(max_examples=300, deadline=None)
@given(st.recursive(
    st.one_of(st.booleans(), st.integers(), st.text(max_size=5), st.sampled_from(["{dir}", "(?P<a>x)", "dsse", "1:*"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["schema", "title", "probe", "path", "layout", "file", "role", "match", "usb", "sidecars"]),
        inner, max_size=4),
    max_leaves=12,
))  # fmt: skip
def test_nothing_but_a_usage_error_ever_comes_of_a_bad_profile(value: object) -> None:
    table = value if isinstance(value, dict) else {"probe": value, "layout": value}
    with pytest.raises(UsageError):
        parse(_toml(table))


def _toml(table: dict[str, object]) -> str:
    return "\n".join(f"{key} = {_inline(one)}" for key, one in table.items()) + "\nx = 1"


def _inline(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_inline(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value).replace("\x7f", "\\u007f")


# ---- which profile a card fits --------------------------------------------------------------------------------------


def first(card: CardFacts) -> recognise.Match:
    return recognise.match(SHIPPED, card)[0]


def test_gopro_is_known_by_its_own_version_file() -> None:
    listing = ("MISC/version.txt", "DCIM/100GOPRO/GX010001.MP4")
    wanted = recognise.wanted_files(SHIPPED, listing)
    assert wanted == {"MISC/version.txt": 4096}
    head = corpus("footage", "gopro-version.txt").read_bytes()
    best = first(CardFacts(paths=listing, files={"MISC/version.txt": head}, usb="2672:0056", label="U3000PRO"))
    assert (best.profile, best.fits) == ("gopro-hero", True)
    assert best.identity == {"model": "HERO99 Black", "serial": "C9999999999999", "firmware": "H99.09.09.00.00"}
    assert "USB id 2672:0056" in best.why
    assert not any("U3000PRO" in line for line in best.why)


def test_gopro_without_a_readable_version_file_is_still_one() -> None:
    best = first(CardFacts(paths=("misc/VERSION.TXT", "dcim/100gopro/gx010001.mp4"), files={"misc/VERSION.TXT": b""}))
    assert (best.profile, best.fits, best.identity) == ("gopro-hero", True, {})


def test_reference_camera_and_its_identity() -> None:
    head = b'{"maker": "Reference", "firmware": "1.4.2", "serial": "BWC-0001", "model": "BWC-1"}'
    best = first(CardFacts(paths=("camera.json", "manifest.dsse.json"), files={"camera.json": head}))
    assert best.profile == "reference-signed"
    assert best.identity == {"maker": "Reference", "model": "BWC-1", "serial": "BWC-0001", "firmware": "1.4.2"}


def test_usb_id_and_label_alone_are_never_an_identity() -> None:
    found = recognise.match(SHIPPED, CardFacts(usb="2672:0056", strings=("GoPro HERO9",), label="BWC-0001"))
    assert not any(one.fits for one in found)
    assert recognise.best(found) is None
    gopro = next(one for one in found if one.profile == "gopro-hero")
    assert "USB id 2672:0056" in gopro.why
    assert gopro.missing == ("has no MISC/version.txt", "has no DCIM/[0-9][0-9][0-9]GOPRO")


@pytest.mark.parametrize(("usb", "what"), [("4255:000a", "Ambarella boot ROM"), ("2207:320b", "Rockchip boot ROM")])
def test_a_camera_in_recovery_mode_is_named_not_called_empty(usb: str, what: str) -> None:
    found = recognise.match(SHIPPED, CardFacts(usb=usb))
    assert any(what in line for one in found for line in one.missing)


def test_an_impostor_is_not_taken_for_the_camera() -> None:
    card = CardFacts(usb="4255:0001", paths=("DCIM/100GOPRO/GX010001.MP4",))
    gopro = next(one for one in recognise.match(SHIPPED, card) if one.profile == "gopro-hero")
    assert not gopro.fits
    assert "Insta360 ONE RS" in gopro.missing[0]
    assert first(card).profile == "generic-dcf"


def test_impostors_by_label_and_path_must_fit_in_full() -> None:
    text = SMALLEST + "[match]\nimpostors=[{what='a viewer', label='VIEW.*', path='viewer/*.exe'}]"
    one = parse(text)
    card = CardFacts(label="VIEWER", paths=("DCIM/a", "viewer/x.exe"))
    assert recognise.match([one], card)[0].missing == ("is not this camera but a viewer",)
    assert recognise.match([one], CardFacts(label="VIEWER", paths=("DCIM/a",)))[0].fits
    assert recognise.match([one], CardFacts(label="OTHER", paths=card.paths))[0].fits


def test_a_must_probe_that_misses_is_said_and_a_hint_is_not_needed() -> None:
    hint = "\n[[probe]]\ncounts='hint'\npath=['id.txt']\nidentity=['(?P<serial>[0-9]+)']\n"
    one = parse(SMALLEST.replace("[layout]", hint + "[layout]"))
    assert recognise.match([one], CardFacts(paths=("DCIM/a",)))[0].fits
    assert recognise.match([one], CardFacts(paths=("x",)))[0].missing == ("has no DCIM",)
    read = CardFacts(paths=("DCIM/a", "id.txt"), files={"id.txt": b"no 42\n"})
    assert recognise.match([one], read)[0].identity == {"serial": "42"}


def test_only_the_first_bytes_that_were_asked_for_count() -> None:
    one = parse(SMALLEST + "[[probe]]\npath=['id']\nmax_bytes=4\nidentity=['(?P<serial>S\\d+)']".replace("\\", "\\\\"))
    card = CardFacts(paths=("DCIM/a", "id"), files={"id": b"....S1"})
    assert "does not say what" in recognise.match([one], card)[0].missing[0]


@pytest.mark.parametrize(("glob", "path", "fits"), [
    ("DCIM", "dcim/100/a.mp4", True), ("DCIM/*/a.mp4", "DCIM/1/2/a.mp4", False), ("**/*.mp4", "a.MP4", True),
    ("**/*.mp4", "x/y/a.mp4", True), ("D?IM/[0-9]*", "DCIM/100X/a", True), ("a.c", "abc", False), ("x", "y/x", False),
    ("DCIM/[0-9][0-9][0-9]GOPRO", "DCIM/ABCGOPRO/a", False),
])  # fmt: skip
def test_globs(glob: str, path: str, fits: bool) -> None:
    one = parse(SMALLEST.replace('"DCIM"', json.dumps(glob)))
    assert recognise.match([one], CardFacts(paths=(path,)))[0].fits is fits


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=9), st.text(max_size=9), st.lists(st.text(max_size=20)), st.binary(max_size=200))
def test_matching_never_raises_and_shows_only_what_is_printable(
    usb: str, label: str, paths: list[str], head: bytes
) -> None:
    files = {"camera.json": b'{"serial": "' + head + b'"', "MISC/version.txt": head}
    card = CardFacts(usb, (label,), label, (*paths, *files), files)
    for one in recognise.match(SHIPPED, card):
        assert one.fits is (not one.missing)
        assert all(value.isprintable() for value in one.identity.values())


# ---- the command ----------------------------------------------------------------------------------------------------


def run(*words: str) -> int:
    parent = argparse.ArgumentParser(add_help=False)
    parent.add_argument("--config", default=None)
    parent.add_argument("--home", default=None)
    parent.add_argument("--json", action="store_true")
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers(required=True), parent)
    args = parser.parse_args(["profile", *words])
    code: int = args.run(args)
    return code


def test_match_explains_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "MISC").mkdir()
    (tmp_path / "MISC" / "version.txt").write_bytes(corpus("footage", "gopro-version.txt").read_bytes())
    assert run("match", str(tmp_path)) == 0
    text = capsys.readouterr().out
    assert "gopro-hero: fits, and is used\n    firmware: H99.09.09.00.00\n" in text
    assert "reference-signed: does not fit\n    - has no camera.json\n" in text
    assert run("match", str(tmp_path), "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["profile"] == "gopro-hero"
    assert said["matches"][0]["identity"]["serial"] == "C9999999999999"


def test_match_of_an_empty_card_is_a_no(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("match", str(tmp_path)) == 1
    assert "no profile fits" in capsys.readouterr().out


def test_list_and_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "reference-signed", "gopro-hero", "generic-dcf",
    ]  # fmt: skip
    assert run("list", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == 3
    assert run("check", *(str(path) for path in FOLDER.glob("*.toml"))) == 0
    bad = tmp_path / "bad.toml"
    bad.write_text("schema = 2\n")
    with pytest.raises(UsageError, match=r"profile bad: title: missing") as caught:
        run("check", str(bad), str(tmp_path / "absent.toml"))
    assert "cannot read" in caught.value.what
