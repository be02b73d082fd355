"""Single fields of a clip record can be shown: each is proved, and the others cannot be guessed."""

import hashlib
from typing import Any

import msgspec
import pytest

from dockagent.core.disclosure import clip_fields
from dockagent.core.disclosure.clip_fields import check, fields_of, leaf, leaves, root, show
from dockagent.core.proof import merkle
from dockagent.errors import Refused

STATEMENT: dict[str, Any] = {
    "subject": [
        {"name": "preview/a.jpg", "digest": {"sha256": "aa" * 32}},
        {"name": "master", "digest": {"sha256": "bb" * 32}},
    ],
    "predicate": {
        "bytes": 12,
        "camera": "BWC-0001",
        "chunks": {"size": 1 << 20, "root": "cc" * 32},
        "fields": {"root": "00", "salts": {}},
        "files": {"preview/a.jpg": 1},
        "quarantine": "",
        "samples": {"tracks": [{"track": 0, "root": "dd" * 32}, {"track": 11, "root": ""}], "why": ""},
        "verdicts": None,
    },
}
FIELDS = fields_of(STATEMENT)
SALTS = {name: hashlib.sha256(name.encode()).hexdigest()[:32] for name in FIELDS}
ROOT = root(FIELDS, SALTS)


def test_the_fields_of_a_record() -> None:
    assert list(FIELDS) == [
        "bytes", "camera", "chunks.root", "chunks.size", "files", "master", "quarantine",
        "samples.0", "samples.11", "verdicts",
    ]  # fmt: skip
    assert FIELDS["master"] == {"sha256": "bb" * 32, "bytes": 12}
    assert FIELDS["files"] == {"preview/a.jpg": 1}, "names that are not plain stay in one field"


def test_a_leaf_is_the_documented_text() -> None:
    text = b"\x00dockagent/field/v1\n" + b"00" * 16 + b' camera\n"BWC-0001"\n'
    assert leaf("camera", "00" * 16, "BWC-0001") == hashlib.sha256(text).digest()


def test_each_field_is_proved_alone() -> None:
    for name, value in FIELDS.items():
        assert check(show(FIELDS, SALTS, {name}), len(FIELDS), ROOT) == {name: value}
    assert check(show(FIELDS, SALTS, set(FIELDS)), len(FIELDS), ROOT) == FIELDS
    assert check((), len(FIELDS), ROOT) == {}


@pytest.mark.parametrize(
    "changed",
    [
        {"value": "BWC-0002"},
        {"name": "officer"},
        {"salt": "11" * 16},
        {"index": 0},
        {"index": 99},
        {"path": ()},
        {"path": ("00" * 32,) * 4},
    ],
)
def test_nothing_else_is_proved(changed: dict[str, Any]) -> None:
    (one,) = show(FIELDS, SALTS, {"camera"})
    with pytest.raises(Refused, match="is not what the dock signed"):
        check((msgspec.structs.replace(one, **changed),), len(FIELDS), ROOT)
    with pytest.raises(Refused, match="is not what the dock signed"):
        check((one,), len(FIELDS) - 1, "ee" * 32)


@pytest.mark.parametrize("changed", [{"salt": "11"}, {"salt": "AA" * 16}, {"name": "a\nb"}, {"name": ""}])
def test_a_field_of_another_form_is_refused(changed: dict[str, Any]) -> None:
    """A newline in a name could move the border between name and value."""
    (one,) = show(FIELDS, SALTS, {"camera"})
    with pytest.raises(Refused, match="has not the form of one"):
        check((msgspec.structs.replace(one, **changed),), len(FIELDS), ROOT)


def test_a_field_is_shown_once() -> None:
    (one,) = show(FIELDS, SALTS, {"camera"})
    with pytest.raises(Refused, match="is shown twice"):
        check((one, one), len(FIELDS), ROOT)


def test_what_is_no_hash_is_refused() -> None:
    (one,) = show(FIELDS, SALTS, {"camera"})
    with pytest.raises(Refused, match="is not a SHA-256 in lower-case hex"):
        check((msgspec.structs.replace(one, path=("zz",)),), len(FIELDS), ROOT)


def test_salts_and_fields_belong_together() -> None:
    with pytest.raises(Refused, match="are not those of its fields"):
        leaves(FIELDS, {name: salt for name, salt in SALTS.items() if name != "camera"})
    with pytest.raises(Refused, match="has no field officer"):
        show(FIELDS, SALTS, {"officer"})


def test_equal_values_have_different_leaves() -> None:
    """Two cameras' records cannot be told to be of one officer by their hashes."""
    assert leaf("officer", "00" * 16, "a") != leaf("officer", "00" * 15 + "01", "a")
    assert merkle.root(leaves(FIELDS, SALTS)).hex() == ROOT
    assert set(clip_fields.REVEALS) >= {"camera", "officer", "time"}
