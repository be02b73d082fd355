"""The permit as a document: what it says comes back, and what is not exactly one is refused."""

import base64
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from dockagent.core import strict_json
from dockagent.core.permits import permit
from dockagent.core.proof import dsse
from dockagent.errors import Refused
from tests.core import permits
from tests.core.permits import C1, C2, KEYS, envelope, leave, named


def test_what_was_signed_is_read() -> None:
    one = leave(named(), named("DCIM/copy of a.MP4"), named("DCIM/%FF.GPS", C2))
    assert permit.read(envelope(one), KEYS) == one
    assert one.clip == named()
    assert [other.clip_id for other in one.sidecars] == [C2]


def test_it_is_an_in_toto_statement_that_anybody_can_check() -> None:
    opened = dsse.parse(envelope(leave()))
    said = strict_json.parse(opened.payload)
    assert opened.payload_type == dsse.IN_TOTO
    assert said["subject"] == [{"name": "DCIM/a.MP4", "digest": {"sha256": named().sha256}}]
    assert said["predicate"]["not_before"].endswith("Z")
    assert strict_json.canonical(said) == opened.payload


def test_only_a_key_that_one_believes_counts() -> None:
    stranger = ec.derive_private_key(8, ec.SECP256R1()).public_key()
    for keys in ([], [stranger]):
        with pytest.raises(permit.UnknownKey):
            permit.read(envelope(leave()), keys)
    assert permit.read(envelope(leave()), [stranger, *KEYS]) == leave()


def test_one_altered_byte_is_another_document() -> None:
    raw = strict_json.parse(envelope(leave()))
    body = bytearray(base64.b64decode(raw["payload"]))
    body[body.index(b"31 days")] ^= 1
    raw["payload"] = base64.b64encode(body).decode()
    with pytest.raises(permit.UnknownKey):
        permit.read(strict_json.canonical(raw), KEYS)


def _set(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(said: dict[str, Any]) -> None:
        place: Any = said
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_set("_type", to="https://in-toto.io/Statement/v0.1"), "in-toto"),
        (_set("predicateType", to="urn:dockagent:store-receipt:1"), "not a permit"),
        (_set("predicate", "act", to="keep"), "only act"),
        (_set("predicate", "unless", to="it rains"), "malformed"),
        (_set("predicate", "files", 0, "unless", to="held"), "malformed"),
        (_set("subject", 0, "digest", "sha512", to="00"), "malformed"),
        (_set("predicate", "id", to="PERMIT"), "malformed"),
        (_set("predicate", "dock", to=""), "malformed"),
        (_set("predicate", "files", to=[]), "malformed"),
        (_set("subject", to=[]), "not its subjects"),
        (_set("subject", 0, "name", to="DCIM/b.MP4"), "not its subjects"),
        (_set("predicate", "not_after", to="2026-11-22T08:15:00Z"), "a time like"),
        (_set("predicate", "not_after", to="2026-13-22T08:15:00.000Z"), "impossible"),
        (_set("predicate", "not_after", to="1999-01-01T00:00:00.000Z"), "never valid"),
        (_set("predicate", "camera", to="BWC\n1"), "unprintable"),
    ],
)
def test_what_is_not_exactly_a_permit_is_refused(change: Callable[[dict[str, Any]], None], why: str) -> None:
    said = strict_json.parse(permit.statement(leave()))
    change(said)
    with pytest.raises(Refused, match=why):
        permit.parse(strict_json.canonical(said))


@pytest.mark.parametrize("path", ["/DCIM/a.MP4", "DCIM//a", "../a", "DCIM/./a", "DCIM/a/", "DCIM/%2e%2e/a", "a%00"])
def test_no_path_leads_off_the_card_or_has_two_forms(path: str) -> None:
    with pytest.raises(Refused, match="no path below"):
        permit.statement(leave(named(path)))


def test_a_permit_that_contradicts_itself_is_not_even_signed() -> None:
    with pytest.raises(Refused, match="path twice"):
        permit.statement(leave(named(), named()))
    with pytest.raises(Refused, match="two contents"):
        permit.statement(leave(named(), named("DCIM/b.MP4", size=101)))


def test_an_envelope_of_another_kind_or_size_is_refused() -> None:
    other = dsse.seal("application/json", permit.statement(leave()), "k", permits.sign)
    with pytest.raises(Refused, match="not an in-toto"):
        permit.read(other, KEYS)
    with pytest.raises(Refused, match="at most"):
        permit.read(b" " * (permit.LARGEST + 1), KEYS)


def test_the_same_leave_has_the_same_name_whoever_signs_it() -> None:
    files = [named()]
    first = permit.name("BWC-0001", files, "31 days")
    assert first == permit.name("BWC-0001", list(files), "31 days", permit.ANY_DOCK)
    others = [permit.name("BWC-2", files, "31 days"), permit.name("BWC-0001", [named(clip=C2)], "31 days")]
    others += [permit.name("BWC-0001", files, "8 days"), permit.name("BWC-0001", files, "31 days", "dock-7")]
    assert len({first, *others}) == 5
    assert first != C1
