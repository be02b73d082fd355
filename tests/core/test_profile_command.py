"""``dockagent profile``: what it prints about profiles, cards and devices without a card."""

import argparse
import json
from pathlib import Path

import pytest

from dockagent.cli import profile as command
from dockagent.errors import UsageError
from tests.corpus import corpus

FOLDER = Path(__file__).resolve().parents[2] / "firmware_profiles"
SHIPPED = len(list(FOLDER.glob("*.toml")))


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
    assert "reference-signed: does not fit: has no camera.json; has no manifest.dsse.json" in text
    assert run("match", str(tmp_path), "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["profile"] == "gopro-hero"
    assert said["matches"][0]["identity"]["serial"] == "C9999999999999"


def test_match_of_an_empty_card_is_a_no(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("match", str(tmp_path)) == 1
    assert "no profile fits" in capsys.readouterr().out


def test_list_and_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list") == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert (names[0], names[-1], len(names)) == ("reference-signed", "generic-dcf", SHIPPED)
    assert run("list", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == SHIPPED
    assert run("check", *(str(path) for path in FOLDER.glob("*.toml"))) == 0
    bad = tmp_path / "bad.toml"
    bad.write_text("schema = 2\n")
    with pytest.raises(UsageError, match=r"profile bad: title: missing") as caught:
        run("check", str(bad), str(tmp_path / "absent.toml"))
    assert "cannot read" in caught.value.what


def test_match_says_what_nearly_fits_and_what_goes_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = tmp_path / "files" / "data" / "a.mp4"
    clip.parent.mkdir(parents=True)
    clip.write_bytes(b"x")
    assert run("match", str(tmp_path), "--label", "CAM07") == 0
    text = capsys.readouterr().out
    assert "tecsar: fits, and is used\n    serial: CAM07\n" in text
    assert "generic-dcf: fits, but tecsar goes before it (priority 40 and -100)\n" in text
    assert text.endswith("used: tecsar\n")
    assert run("match", str(tmp_path), "--label", "X", "--usb", "2672:0056") == 0
    text = capsys.readouterr().out
    near = (
        "gopro-hero: does not fit, but something speaks for it\n    + USB id 2672:0056\n    - has no MISC/version.txt\n"
    )
    assert near in text
    assert text.index("generic-dcf: fits") < text.index(near) < text.index("dji: ")


def test_match_without_a_card_tells_a_mode_from_a_dialogue(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("match", "--usb", "4255:000A") == 1
    text = capsys.readouterr().out
    assert text.splitlines()[0].startswith("ambarella-body: does not fit: cannot be read now: this is an Ambarella")
    assert (
        "no profile fits: 4255:000a is an Ambarella chip in its boot ROM, which cannot be read now; take it out" in text
    )
    assert run("match", "--usb", "18d1:4ee7") == 1
    text = capsys.readouterr().out
    assert "    ? may also be a telephone with its debug bridge on\n" in text
    assert text.endswith("no card yet: the dock asks 18d1:4ee7 for it, first as gat947-e12, then as gat947-zzx\n")
    assert run("match", "--usb", "4255:0001", "--usb", "4255:0002", "--label", "A0012345") == 0
    assert capsys.readouterr().out.endswith("used: ambarella-body\n")
    assert run("match", "--text", "Insta360") == 1
    text = capsys.readouterr().out
    assert "insta360: does not fit, but something speaks for it\n    + says Insta360 over USB\n" in text


def test_match_as_data_names_the_mode(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("match", "--usb", "0603:8612", "--json") == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["profile"], said["recovery"]["profile"]) == (None, "novatek-dcf")
    assert run("match", "--usb", "0603:8611", "--json") == 1
    assert json.loads(capsys.readouterr().out)["recovery"] is None


@pytest.mark.parametrize(("words", "said"), [
    ((), "nothing to match"), (("--usb", "4255"), "--usb '4255' is not vvvv:pppp in hex"),
])  # fmt: skip
def test_match_of_nothing_and_of_no_id(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        run("match", *words)
