"""What the signatures in a stream do to a clip: the table, the record, `show`, and the check of the stored clip."""

import json
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dockagent.core import events as ev
from dockagent.core import strict_json
from dockagent.core.model import ClipPhase
from dockagent.core.narrate import tell
from dockagent.core.stream.in_stream import InStream
from dockagent.core.stream.look import look
from dockagent.evidence.check_in_stream import check_in_stream
from dockagent.evidence.verify import verify
from dockagent.ledger.keys import Keys
from dockagent.ledger.trust import Trust
from hil.cameras.signed_video import Style, film_signed
from tests.core import story
from tests.corpus import corpus
from tests.evidence import made as stored
from tests.in_stream import made
from tests.in_stream.made import AT_MS, changed, identity, judged, maker, signed, slices_of
from tests.ingest.bench import COMMAND, Station
from tests.ledger.made import keys as made_keys

ONVIF = Style("onvif", chain=identity().chain_pem())


def said(*, altered: bool) -> InStream:
    stream = signed(ONVIF)
    return judged(changed(stream, slices_of(stream)[17]) if altered else stream, [maker().root.certificate])


def measured(found: InStream | None) -> ev.Measured:
    return msgspec.structs.replace(story.trees(), in_stream=found)


def test_a_stream_that_refutes_the_clip_puts_it_apart() -> None:
    tale = story.clip_in(ClipPhase.VERIFIED).tell(measured(said(altered=True)))
    clip = story.one_clip(tale)
    assert "ONVIF Media Signing in its stream: group 2" in clip.quarantine
    assert any(one.code == "in-stream" for one in clip.findings)
    tale.tell(story.previewed())
    assert "judged one way" in story.refused(tale, story.admitted())
    tale.tell(story.quarantined())


def test_a_stream_that_is_as_signed_changes_nothing() -> None:
    clip = story.one_clip(story.clip_in(ClipPhase.VERIFIED).tell(measured(said(altered=False))))
    assert clip.quarantine == "" and clip.in_stream is not None
    assert not [one for one in clip.findings if one.code == "in-stream"]


def test_what_the_camera_s_manifest_found_first_stays() -> None:
    tale = story.clip_in(ClipPhase.VERIFIED, "its manifest says other bytes").tell(measured(said(altered=True)))
    assert story.one_clip(tale).quarantine == "its manifest says other bytes"


def test_a_ledger_from_before_is_replayed() -> None:
    before = msgspec.to_builtins(story.trees())
    del before["in_stream"]
    assert msgspec.convert(before, ev.AnyEvent) == story.trees()
    clip = story.one_clip(story.clip_in(ClipPhase.VERIFIED).tell(story.trees()))
    assert clip.in_stream is None


def test_the_event_is_told_in_a_line() -> None:
    tale = story.clip_in(ClipPhase.VERIFIED)
    line = tell(measured(said(altered=True)), tale.state)
    assert "ONVIF Media Signing: 44 of 45 pictures as signed, intact fail, signature pass, signer pass" in line
    assert "stream" not in tell(story.trees(), tale.state)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return made_keys(tmp_path / "keys")


def folder(tmp_path: Path, keys: Keys, master: bytes, found: InStream) -> Path:
    place = stored.clip(tmp_path / "store", keys, files={"master": master})
    statement = stored.statement({"master": master}, "clip-1", in_stream=msgspec.to_builtins(found))
    (place / "record.json").write_bytes(keys.sign_statement(strict_json.canonical(statement)))
    return place


@pytest.mark.parametrize("name", list(made.FILES))
def test_a_stored_clip_is_read_again(tmp_path: Path, keys: Keys, name: str) -> None:
    master = corpus(*made.FILES[name])
    with master.open("rb") as source:
        found = look(source, master.stat().st_size, made.roots(), AT_MS)
    (report,) = verify(folder(tmp_path, keys, master.read_bytes(), found), Trust((keys.dock,)))
    assert report.verdicts["intact"].word == "pass"
    assert any("256 of 256 pictures as signed" in fact and "found again the same" in fact for fact in report.facts)
    assert any("does not cover: sound" in fact for fact in report.facts)


@pytest.mark.parametrize(
    "lie", [{"covered": 255}, {"key": "00" * 32}, {"messages": 4}, {"format": "axis-signed-video"}]
)
def test_a_record_that_is_wrong_about_its_stream_is_refuted(tmp_path: Path, keys: Keys, lie: dict[str, Any]) -> None:
    master = corpus(*made.ONVIF_FILE)
    with master.open("rb") as source:
        found = look(source, master.stat().st_size, made.roots(), AT_MS)
    wrong = InStream((msgspec.structs.replace(found.signatures[0], **lie),))
    (report,) = verify(folder(tmp_path, keys, master.read_bytes(), wrong), Trust((keys.dock,)))
    assert report.verdicts["intact"].word == "fail"


def test_a_record_that_hides_its_streams_signatures_is_refuted(tmp_path: Path, keys: Keys) -> None:
    place = folder(tmp_path, keys, corpus(*made.ONVIF_FILE).read_bytes(), InStream())
    (report,) = verify(place, Trust((keys.dock,)))
    assert report.verdicts["intact"].word == "fail" and "does not tell" in report.verdicts["intact"].why


def test_a_signing_camera_is_docked(tmp_path: Path) -> None:
    """One clip as it was filmed, one altered, one unsigned: each gets its verdict, the altered one goes apart."""
    card = tmp_path / "card" / "DCIM"
    card.mkdir(parents=True)
    for number, style in enumerate((ONVIF, Style("axis")), 1):
        film_signed(card / f"BWC000{number}.MP4", made.LOOK, number, style, identity().key)
    altered = bytearray((card / "BWC0001.MP4").read_bytes())
    altered[altered.index(b"mdat") + 4000] ^= 1
    (card / "BWC0003.MP4").write_bytes(altered)
    (card / "BWC0004.MP4").write_bytes(corpus("signed", "onvif", "test_h265.mp4").read_bytes())
    root = tmp_path / "root.pem"
    root.write_bytes(maker().root_pem())
    station = Station(tmp_path / "dock", roots=(root,))
    done = station.ingest(tmp_path / "card")
    states = {Path(path).name: state for path, state in done.states().items()}
    assert states["BWC0003.MP4"] == "quarantined", done.report
    assert {states[f"BWC000{one}.MP4"] for one in (1, 2, 4)} == {"delivered"}
    rows = {Path(path).name: row for path, row in done.rows.items()}
    shown = {name: show(station, row["clip_id"]) for name, row in rows.items()}
    words = {name: _verdicts(one) for name, one in shown.items()}
    assert words["BWC0001.MP4"] == ("onvif-media-signing", "pass", "pass", "pass")
    assert words["BWC0002.MP4"] == ("axis-signed-video", "unknown", "pass", "unknown")
    assert words["BWC0003.MP4"][:2] == ("onvif-media-signing", "fail")
    assert words["BWC0004.MP4"] == ()
    assert "not covered: sound" in text(station, rows["BWC0001.MP4"]["clip_id"])
    station.verify(3)  # a clip in quarantine is a finding


def show(station: Station, clip: str) -> dict[str, Any]:
    done = subprocess.run(
        [str(COMMAND), "show", clip, "--home", str(station.home), "--json"], capture_output=True, check=True, timeout=60
    )
    row: dict[str, Any] = json.loads(done.stdout)
    return row


def text(station: Station, clip: str) -> str:
    done = subprocess.run(
        [str(COMMAND), "show", clip, "--home", str(station.home)], capture_output=True, check=True, timeout=60
    )
    return done.stdout.decode()


def _verdicts(row: dict[str, Any]) -> tuple[str, ...]:
    found = row["in_stream"]["signatures"]
    if not found:
        return ()
    says = found[0]["verdicts"]
    return (found[0]["format"], says["intact"], says["signature"], says["signer"])


def test_the_record_of_the_ledger_holds_all_of_it() -> None:
    """Canonical JSON takes it (no floats, no large numbers), and gives it back."""
    event = measured(said(altered=True))
    raw = strict_json.parse(strict_json.canonical(msgspec.to_builtins(event)))
    assert msgspec.convert(raw, ev.AnyEvent) == event


def test_an_older_record_of_a_container_that_nobody_reads_still_stands() -> None:
    unread = InStream(why="not looked into is its container, AVI")
    found = check_in_stream(InStream(), lambda: unread)
    assert (found.wrong, found.unread) == ((), "")
    assert found.facts == ("not looked into is its container, AVI",)
    doubt = check_in_stream(InStream(), lambda: InStream(why="its boxes lie", doubt=True))
    assert "cannot be compared" in doubt.unread


def _never() -> InStream:
    raise AssertionError("nobody needs to look again")


def test_what_kept_the_dock_from_reading_a_stream_does_not_keep_its_check() -> None:
    found = check_in_stream(InStream(why="not looked for: it took too long", doubt=True), _never)
    assert (found.wrong, found.unread, found.facts) == ((), "", ("not looked for: it took too long",))
