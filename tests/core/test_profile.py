"""Profiles: the shipped ones, what is refused, and how it is said."""

import json
import re
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockagent.core.camera import profile
from dockagent.core.camera.profile import Profile
from dockagent.errors import UsageError
from tests.core.profiles import FOLDER, SHIPPED, SMALLEST, parse


def refusal(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse(text)
    return caught.value.what


def test_the_shipped_profiles_round_trip_through_json() -> None:
    assert [one.name for one in SHIPPED] == [
        "ambarella-body", "blackvue", "dji", "gat947-e12", "gat947-zzx", "generic-dcf", "gopro-hero", "insta360",
        "novatek-dcf", "reference-signed", "tecsar", "transcend-body",
    ]  # fmt: skip
    for one in SHIPPED:
        assert msgspec.json.decode(msgspec.json.encode(one), type=Profile) == one


SECTIONS: dict[str, type[msgspec.Struct]] = {
    "": profile.Profile,
    "match": profile.Hints,
    "match.impostors": profile.Impostor,
    "match.recovery": profile.Recovery,
    "probe": profile.Probe,
    "identity": profile.CardIdentity,
    "layout": profile.Layout,
    "layout.skip": profile.SkipRule,
    "layout.file": profile.FileRule,
    "sidecars": profile.SidecarRule,
    "manifest": profile.ManifestPlace,
    "control": profile.Console,
    "control.unprotect": profile.Request,
    "clock": profile.CameraClock,
}


def readme_keys() -> Iterator[tuple[str, str]]:
    """Every (section, key) of the README: a heading or paragraph that begins with a section, and the rows below it."""
    section = ""
    for line in (FOLDER / "README.md").read_text().splitlines():
        if begins := re.match(r"(?:## )?`\[+([a-z.]+)\]+`: ", line):
            section = begins[1]
            yield (section.rpartition(".")[0], section.rpartition(".")[2])
        elif row := re.match(r"\| (`\w+`(?:, `\w+`)*) \|", line):
            yield from ((section, key) for key in re.findall(r"`(\w+)`", row[1]))


def test_the_readme_names_every_key_and_no_other() -> None:
    wanted = {(section, field) for section, kind in SECTIONS.items() for field in kind.__struct_fields__}
    assert set(readme_keys()) == wanted - {("", "name")}


def test_every_section_of_a_profile_is_held_to_the_readme() -> None:
    kinds = {one for one in vars(profile).values() if isinstance(one, type) and issubclass(one, msgspec.Struct)}
    assert {one.__name__ for one in kinds} - {"_Section"} == {one.__name__ for one in SECTIONS.values()}


MISTAKES = [
    ("schema = ", "not a TOML file"),
    (SMALLEST.replace("schema = 1", "schema = 2"), "schema: 2 is not known"),
    (SMALLEST.replace("schema = 1", "schema = true"), "schema: Expected `int`, got `bool`"),
    (SMALLEST.replace('title = "x"', ""), "title: missing"),
    ('name = "y"\n' + SMALLEST, "name: not a key"),
    ("colour = 1\n" + SMALLEST, "colour: unknown key; allowed: schema, title, layout, probe"),
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
    (SMALLEST + "[match]\nimpostors=[{what='', usb='1:*'}]", "match.impostors[1].what: Expected `str` of length >= 1"),
    (SMALLEST + "[match]\nimpostors=[{what='x', usb='1:*'}]", "match.impostors[1].usb: '1:*' is not vvvv:pppp"),
    (SMALLEST + "[match]\nimpostors=[{what='x', strings='('}]", "match: '(' is not a regular expression"),
    (SMALLEST + "[match]\nneeds=['serial']", "match.needs[1]: 'serial' is not allowed; allowed: usb, strings, label"),
    (SMALLEST + "[match]\nneeds=['label']", "match.needs: names label, but match.label is empty, so that no camera"),
    (SMALLEST + "[match]\nneeds=['control']", "match.needs: names control, but control.usb is empty"),
    (SMALLEST + "[match]\nrecovery=[{usb='4255:000a', what='x'}]", "match.recovery[1].todo: missing"),
    (SMALLEST + "[match]\nrecovery=[{usb='4255:000a', what='x', todo=''}]", "match.recovery[1].todo: Expected `str`"),
    (SMALLEST + "[match]\nrecovery=[{usb='4255', what='x', todo='y'}]", "match.recovery[1].usb: '4255' is not vvvv:"),
    (SMALLEST + "[match]\nusb=['1111:2222']\nrecovery=[{usb='1111:2222', what='x', todo='y'}]",
     "match.recovery[1].usb: 1111:2222 is in match.usb too; it shows a card, or it does not"),
    (SMALLEST + "[identity]\nlabel='('", "identity.label: '(' is not a regular expression"),
    (SMALLEST + "[identity]\nlabel='(?P<owner>x)'", "identity.label: group owner is not known; allowed: firmware, mak"),
    (SMALLEST + "[identity]\npath='DPB.*'", "identity.path: 'DPB.*' names nothing; put what it tells into a group"),
    (SMALLEST + "[control]\nkind='amba'", "control.kind: 'amba' is not allowed; allowed: none, reference-console, am"),
    (SMALLEST + "[control]\nkind='amba-bulk'", "control.usb: is empty; amba-bulk is spoken over USB, and nothing is"),
    (SMALLEST + "[control]\nkind='e12-tcp'\nusb=['18d1:*']", "control.usb: has a *; name each id in full"),
    (SMALLEST + "[control]\nkind='zzx-tcp'\nusb=['18D1:4EE7']", "control.usb: '18D1:4EE7' is not vvvv:pppp"),
    (SMALLEST + "[control]\nkind='reference-console'\nusb=['1111:2222']", "control.usb: given, but kind reference-con"),
    (SMALLEST + "[control]\nstorage=true", "control.storage: given, but kind none knows nothing of it; only amba-bul"),
    (SMALLEST + "[control]\nneeds_password=true", "control.needs_password: given, but kind none knows nothing of it"),
    (SMALLEST + "[control]\npassword='secret'", "control.password: unknown key; allowed: kind, usb, storage, needs_pa"),
    (SMALLEST + "[control]\nkind='amba-bulk'\nusb=['4255:0001']\n[clock]\nsource='console'",
     "clock.source: console, but a camera that speaks amba-bulk cannot be asked the time; say none"),
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


def test_only_a_dialogue_does_without_a_probe() -> None:
    bare = 'schema = 1\ntitle = "x"\n[layout]\n'
    assert 'probe: none counts as "must" or "either"' in refusal(bare)
    assert 'probe: none counts as "must" or "either"' in refusal(bare + "[match]\nlabel=['X']\nneeds=['label']")
    spoken = "[match]\nneeds=['control']\n[control]\nkind='amba-bulk'\nusb=['4255:0001']\n"
    assert parse(bare + spoken).probe == ()
