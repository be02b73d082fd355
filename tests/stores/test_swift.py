"""Swift with what goes wrong on the way and in the server: real OpenStack Swift, a faulty line, a faulty front."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from dockagent.clock import SystemClock
from dockagent.core.central import promise
from dockagent.core.uplink.trouble import Kind, LinkTrouble
from dockagent.errors import Permanent, Retryable
from dockagent.stores import Conflict, Unseen
from dockagent.stores.promises import Proof
from dockagent.stores.s3_settings import S3Settings
from dockagent.stores.shelf import open_shelf
from dockagent.stores.swift import SwiftStore
from hil.central import rgw, swift
from hil.central.front import Front, Said
from hil.central.line import Line
from hil.central.scripted import Answer, Forward, Request, relaying
from tests.contracts.store_places import gateway
from tests.contracts.store_sources import PART, honest, some_bytes
from tests.contracts.swift_place import PREFIX, Container, openstack, rgw_container

__all__ = ["gateway", "openstack"]  # fixtures: pytest finds them by their names here

KEY = "clips/BWC-0001/2026/11/22/c1/master"
SMALL, LARGE = some_bytes(100_003), some_bytes(3 * PART + 70_001)
HTML = b"<html><body>Please log in to the station's network</body></html>"


@pytest.fixture
def place(openstack: swift.Swift) -> Container:
    return Container(openstack.auth_url, swift.ADMIN.name, swift.ADMIN.key)


@pytest.fixture
def line(openstack: swift.Swift) -> Iterator[Line]:
    with Line(openstack.port) as running:
        yield running


@pytest.fixture
def front(openstack: swift.Swift) -> Iterator[Front]:
    with Front(openstack.port) as running:
        yield running


def test_after_a_cut_only_what_the_store_does_not_have_is_sent_again(place: Container, line: Line) -> None:
    line.cut_after(2 * PART + PART // 2)
    with pytest.raises(LinkTrouble) as failed:
        place.through(line.port).put(KEY, honest(LARGE))
    assert failed.value.kind == Kind.LINK
    assert place.content(KEY) is None
    line.mend()
    before = line.sent
    told: list[int] = []
    place.through(line.port).put(KEY, honest(LARGE), told.append)  # a new client: as after a kill
    assert line.sent - before < PART + PART // 2 + 70_001
    assert sum(told) == len(LARGE)
    assert place.content(KEY) == LARGE
    assert place.leftovers() == []


@pytest.mark.parametrize("data", [SMALL, LARGE])
def test_a_success_whose_answer_was_lost_is_found_and_nothing_is_there_twice(
    place: Container, line: Line, data: bytes
) -> None:
    line.lose_answer_to(b"If-None-Match: *")
    store = place.through(line.port)
    try:
        stored = store.put(KEY, honest(data))
    except Retryable:
        stored = store.put(KEY, honest(data))
    assert stored.proof == "re-read"
    assert place.content(KEY) == data
    assert [one["name"] for one in place.way.names(place.name)] == [f"{PREFIX}/{KEY}"]


@pytest.mark.parametrize(("data", "after"), [(SMALL, 50_000), (LARGE, PART + 500_000)])
def test_a_bit_that_flips_on_the_way_is_refused_by_the_server(
    place: Container, line: Line, data: bytes, after: int
) -> None:
    line.flip_after(after)
    with pytest.raises(LinkTrouble, match="422") as failed:
        place.through(line.port).put(KEY, honest(data))
    assert failed.value.kind == Kind.LINK
    assert place.content(KEY) is None
    assert place.through(line.port).put(KEY, honest(data)).proof == "re-read"
    assert place.content(KEY) == data


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (Said(402, b"no licence"), Kind.OBJECT),
        (Said(403), Kind.CREDENTIAL),
        (Said(404), Kind.SETTINGS),
        (Said(408), Kind.STORE),
        (Said(413, b"Upload exceeds quota."), Kind.FULL),
        (Said(422), Kind.LINK),
        (Said(429), Kind.THROTTLED),
        (Said(498), Kind.THROTTLED),
        (Said(500), Kind.STORE),
        (Said(503, b"busy", {"Retry-After": "7"}), Kind.THROTTLED),
        (Said(507), Kind.FULL),
        (Said(302, b"", {"Location": "http://portal/"}), Kind.SETTINGS),
        (Said(200, HTML), Kind.PORTAL),
    ],
)
def test_what_the_store_answers_instead_is_named_and_the_next_try_goes_through(
    place: Container, front: Front, said: Said, kind: Kind
) -> None:
    store = place.through(front.port)
    front.answer(f"PUT /v1/AUTH_ev/{place.name}/{PREFIX}/{KEY}", said)
    with pytest.raises(LinkTrouble) as failed:
        store.put(KEY, honest(SMALL))
    assert failed.value.kind == kind
    assert failed.value.after_s == (7.0 if "Retry-After" in said.headers else 0.0)
    assert failed.value.hint
    assert "\n" not in str(failed.value)
    assert place.content(KEY) is None
    assert store.put(KEY, honest(SMALL)).proof == "re-read"
    assert place.leftovers() == []


@pytest.mark.parametrize("said", [Said(400, b"never"), Said(413, b"too large"), Said(501)])
def test_what_will_never_be_taken_is_not_asked_again(place: Container, front: Front, said: Said) -> None:
    front.answer(f"PUT /v1/AUTH_ev/{place.name}/{PREFIX}/{KEY}", said)
    with pytest.raises(Permanent, match=str(said.status)):
        place.through(front.port).put(KEY, honest(SMALL))
    assert place.content(KEY) is None


def test_a_login_page_is_not_taken_for_the_store(place: Container, front: Front) -> None:
    front.answer("GET /auth/v1.0", Said(200, HTML), always=True)
    with pytest.raises(LinkTrouble) as failed:
        place.through(front.port).put(KEY, honest(SMALL))
    assert failed.value.kind == Kind.PORTAL


def test_half_of_what_was_stored_proves_nothing(place: Container, front: Front) -> None:
    half = Said(200, SMALL, cut=len(SMALL) // 2)
    front.answer(f"GET /v1/AUTH_ev/{place.name}/{PREFIX}/{KEY}", half)
    with pytest.raises(LinkTrouble):
        place.through(front.port).put(KEY, honest(SMALL))
    assert place.through(front.port).put(KEY, honest(SMALL)).proof == "re-read"


def test_other_bytes_that_come_back_are_an_alarm(place: Container, front: Front) -> None:
    other = bytes([SMALL[0] ^ 1]) + SMALL[1:]
    front.answer(f"GET /v1/AUTH_ev/{place.name}/{PREFIX}/{KEY}", Said(200, other))
    with pytest.raises(Conflict):
        place.through(front.port).put(KEY, honest(SMALL))


def test_a_token_that_ran_out_is_asked_for_anew(place: Container, front: Front) -> None:
    store = place.through(front.port)
    assert store.stat(KEY) is None
    front.answer(f"PUT /v1/AUTH_ev/{place.name}/{PREFIX}/{KEY}", Said(401))
    assert store.put(KEY, honest(SMALL)).proof == "re-read"
    assert sum(one == "GET /auth/v1.0" for one in front.asked) == 2


def test_a_wrong_key_is_a_matter_of_credentials(place: Container) -> None:
    store = SwiftStore(replace(place.settings, key="wrong"), SystemClock())
    with pytest.raises(LinkTrouble) as failed:
        store.put(KEY, honest(SMALL))
    assert failed.value.kind == Kind.CREDENTIAL
    assert len(store.check()) == 1


def test_a_container_that_is_not_there_is_said(place: Container) -> None:
    store = SwiftStore(replace(place.settings, container="nowhere"), SystemClock())
    with pytest.raises(LinkTrouble, match="404") as failed:
        store.put(KEY, honest(SMALL))
    assert failed.value.kind == Kind.SETTINGS
    assert "404" in store.check()[0]
    assert place.open().check() == []


def test_a_server_that_dies_in_the_middle_is_asked_again_when_it_is_back(
    place: Container, openstack: swift.Swift
) -> None:
    store = place.open()
    store.put(f"{KEY}.other", honest(b"x"))
    openstack.kill_server("object")
    try:
        with pytest.raises(Retryable, match="503"):
            store.put(KEY, honest(LARGE))
    finally:
        openstack.revive_server("object")
    with_patience(store, LARGE)
    assert place.content(KEY) == LARGE
    assert place.leftovers() == []


def with_patience(store: SwiftStore, data: bytes) -> None:
    """Put it as the dock would: the proxy leaves a server alone for a while that failed it."""
    clock = SystemClock()
    for _ in range(60):
        try:
            assert store.put(KEY, honest(data)).proof == "re-read"
        except Retryable:
            clock.sleep(0.5)
        else:
            return
    raise AssertionError("the server is back and never took it")


def test_a_credential_that_only_writes_proves_nothing_unless_somebody_chose_md5(place: Container) -> None:
    beside, dock = f"/{place.name}_segments", swift.DOCK.name
    assert place.way.ask("POST", f"/{place.name}", X_Container_Write=dock)[0] == 204
    # Swift looks at each segment with the user's own rights (middleware slo), so that those it must be able to read.
    assert place.way.ask("POST", beside, X_Container_Write=dock, X_Container_Read=f"{dock},.rlistings")[0] == 204
    blind = replace(place.settings, user=swift.DOCK.name, key=swift.DOCK.key)
    with pytest.raises(Unseen):
        SwiftStore(blind, SystemClock(), part_size=PART).put(KEY, honest(SMALL))
    assert "does not let this user look" in SwiftStore(blind, SystemClock()).check()[0]
    chosen = SwiftStore(replace(blind, read_back=False), SystemClock(), part_size=PART)
    for data, key in ((SMALL, f"{KEY}.1"), (LARGE, f"{KEY}.2")):
        assert chosen.put(key, honest(data)).proof == "md5"
        assert place.content(key) == data
    with pytest.raises(Unseen):  # it is there, and may be ours
        chosen.put(f"{KEY}.1", honest(SMALL))


def test_who_comes_second_withdraws_and_a_claim_of_the_same_bytes_is_none(place: Container) -> None:
    beside = f"{place.name}_segments/{PREFIX}/.claims/{KEY}"
    own = hashlib.sha256(SMALL).hexdigest()
    assert place.way.ask("PUT", f"/{beside}/{own}")[0] == 201
    assert place.open().put(KEY, honest(SMALL)).proof == "re-read"
    first, other = "0" * 64, some_bytes(5, seed=9)
    assert place.way.ask("PUT", f"/{beside.replace(KEY, KEY + '.2')}/{first}")[0] == 201
    with pytest.raises(Conflict, match="is being given other bytes"):
        place.open().put(f"{KEY}.2", honest(other))
    assert place.content(f"{KEY}.2") is None


def test_more_parts_than_the_server_takes_become_larger_ones(place: Container) -> None:
    data = some_bytes((swift.MOST_SEGMENTS + 1) * 4096)
    store = SwiftStore(place.settings, SystemClock(), part_size=4096)
    assert store.put(KEY, honest(data)).proof == "re-read"
    assert place.content(KEY) == data
    assert len(place.way.names(f"{place.name}_segments")) == (swift.MOST_SEGMENTS + 2) // 2


def test_a_shelf_reads_what_a_store_wrote(place: Container) -> None:
    place.open().put(KEY, honest(LARGE))
    shelf = open_shelf(f"swift://{place.name}/{PREFIX}", S3Settings(), swift=place.settings)
    with shelf.open(KEY) as body:
        assert b"".join(iter(lambda: body.read(1 << 20), b"")) == LARGE


def answers(proof: Proof) -> dict[str, str]:
    return {one.promise: one.answer for one in proof.kept}


def how(proof: Proof, name: str) -> str:
    (found,) = [one for one in proof.kept if one.promise == name]
    return found.how


def test_openstack_keeps_what_swift_can_promise_and_no_more(place: Container) -> None:
    proof = place.open().prove("scratch/1")
    said = answers(proof)
    assert proof.standing == "honest"  # without a lock it is never more
    assert said[promise.REFUSES_SECOND_WRITE] == said[promise.REFUSES_WRONG_HASH] == "kept"
    assert said[promise.REFUSES_STRANGERS] == said[promise.CHECKS_COMPOSITE] == "kept"
    assert said[promise.KEEPS_VERSIONS] == said[promise.REFUSES_DELETE] == "broken"
    assert said[promise.LOCK_REFUSES_DELETE] == "not asked"
    assert place.way.ask("POST", f"/{place.name}", X_Versions_Enabled="true")[0] == 204
    assert answers(place.open().prove("scratch/2"))[promise.KEEPS_VERSIONS] == "kept"


def test_ceph_ignores_the_condition_and_that_is_said(gateway: rgw.Gateway) -> None:
    proof = rgw_container(gateway).open().prove("scratch/1")
    assert answers(proof)[promise.REFUSES_SECOND_WRITE] == "broken"
    assert answers(proof)[promise.REFUSES_WRONG_HASH] == "kept"
    assert proof.standing == "pretender"
    assert how(proof, promise.REFUSES_STRANGERS) == "asked for a token with a wrong key, the store answered 401"


def test_a_store_that_fails_when_a_stranger_asks_has_not_refused_him(place: Container, openstack: swift.Swift) -> None:
    def busy(request: Request, forward: Forward) -> Answer:
        wrong = request.headers.get("x-auth-key") == f"{place.settings.key}-wrong"
        return Answer(503, body=b"come later") if wrong else forward(request)

    with relaying(openstack.port, busy) as port:
        proof = place.through(port).prove("scratch/1")
    assert answers(proof)[promise.REFUSES_STRANGERS] == "not asked"
    assert how(proof, promise.REFUSES_STRANGERS).endswith("the store answered 503")
    assert proof.standing == "unknown"
