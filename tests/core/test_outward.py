"""What is taken out of a dock's own words before outsiders read them, and what stays."""

import msgspec
import pytest

from dockagent.core import events as ev
from dockagent.core.disclosure.outward import outward, without_reason


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("a folder appeared at /srv/dock/card", "a folder appeared at (a place of the dock's own)"),
        (
            "cannot read '/mnt/My Disk/spool/a': No such file",
            "cannot read (a place of the dock's own): No such file",
        ),
        ("s3://evidence/clips is away: its mark is gone", "(an address) is away: its mark is gone"),
        ("https://dock:hunter2@store.police.internal:9000/x?sig=AB said 403", "(an address) said 403"),
        ("no answer from 10.20.30.40:9000, and none from 10.20.30.41", "no answer from (an address), and none from"
         " (an address)"),
        ("cannot connect to store.police.internal:443", "cannot connect to (an address)"),
        ("[fd00::1]:9000 refused it", "(an address) refused it"),
        ("secret_key=abc/def+1 was refused", "secret_key=(kept back) was refused"),
        ("Authorization: Bearer abc.def was refused", "Authorization: (kept back) was refused"),
        ("the key id AKIAABCDEFGHIJKLMNOP is unknown", "the key id (kept back) is unknown"),
    ],
)  # fmt: skip
def test_what_goes(said: str, shown: str) -> None:
    assert outward(said) == shown


@pytest.mark.parametrize(
    "said",
    [
        "acquire ingest: DCIM/100BWC/BWC0001.MP4, 68.8 KiB, sha256 2f6a54774acfd9ac…",
        "DCIM/100BWC/BWC0001.MP4 goes to clips/BWC-0001/2026/11/22/4a7d6ecffec7e7411df47624d1af65cb",
        "Time stamp at 2026-11-23T07:05:36.932Z, and/or 07:05",
        "signer pass, key id unknown; the camera's clock is 0.100 s ahead",
        "dockagent.local/w1/witness saw 12 records",
    ],
)
def test_what_stays(said: str) -> None:
    assert outward(said) == said


def test_what_a_store_said_is_told_by_its_kind_only() -> None:
    failed = ev.ClipFailed("c1", "send-master", "Access denied for user dock at vault", True, link=True)
    shown = without_reason(failed)
    assert isinstance(shown, ev.ClipFailed)
    assert "vault" not in shown.reason
    assert msgspec.structs.replace(shown, reason=failed.reason) == failed
    other = ev.ClipFailed("c1", "preview", "it has no picture", False, link=False)
    assert without_reason(other) is other
